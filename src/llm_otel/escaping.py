"""Text from outside, written where it could act: names of models, tenants, tools are data.

| context | what could act there | escaped by |
|---|---|---|
| terminal, log line, text table | control characters, line breaks, direction marks | `visible` |
| a whole text on a terminal | the same, but for its own line breaks | `visible_lines` |
| Markdown: files; chats, by Apprise | formatting, links, images, mentions | `markdown` |
| plain text in a chat or a pager | mentions, links | `plain` |
| label of a Plotly chart | its HTML: `<b>`, `<br>`, `<a href>` | `plotly` |
| label of a matplotlib chart | mathematics between `$` | `matplotlib` |
| HTML | markup | the templates' own escaping, `html.escape` |
| CSV | formulas of a spreadsheet | `llm_otel.cli.output` |
| Alertmanager's messages | all of these | `stack/alertmanager/templates/llm.tmpl` |

Each function takes one value and gives one that reads the same; none is for a whole document, but
`visible_lines`. The result is never escaped twice.
"""

from __future__ import annotations

import re
from typing import Final

# Patterns are compiled when they are used: importing the library needs none of them.

# C0, DEL, C1; marks of direction; separators of lines and paragraphs; what UTF-8 cannot carry.
_CONTROL: Final = (
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
# As `html.escape`, whose module is a heavy one.
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"}
_BREAKS: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# An underscore inside a word formats nothing: `rate_limit` is read as text, too.
_MARKDOWN: Final = r"([\\`*{}\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_]))"
# Between the sign and the name it is no mention any more, and looks the same.
_JOINER: Final = "\u2060"
_MENTION: Final = r"@(?=\S)"
# An address that a chat would turn into a link.
_SCHEME: Final = r"(?i)(?<=[A-Z])://|(?<=\bwww)\."


def visible(text: str) -> str:
    """The text in one line, without a control character: `\\u001b`, `\\n`, as in JSON.

    Inside a string of JSON the result is the same JSON.
    """
    return text if text.isprintable() else re.sub(_CONTROL, _shown, text)


def visible_lines(text: str) -> str:
    """The text without control characters, with its own line breaks and tabs."""
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in text.split("\n"))


def short(text: str, most: int = 64) -> str:
    """A name as a log line quotes it: `visible`, in quotes, cut to `most` characters."""
    return repr(visible(text if len(text) <= most else text[: most - 1] + "…"))


def markdown(text: str) -> str:
    """The text as a value in Markdown, in a table too: no formatting, link, image or mention."""
    return _disarmed(re.sub(_MARKDOWN, r"\\\1", visible(text)))


def plain(text: str) -> str:
    """The text as a value in a message that is no markup: mentions and links are not alive."""
    return _disarmed(visible(text))


def plotly(text: str) -> str:
    """The text as a label, a title or a hover text of Plotly; where MathJax is, no mathematics."""
    return "".join(_ENTITIES.get(character, character) for character in visible(text))


def matplotlib(text: str) -> str:
    """The text as a label of matplotlib: no mathematics, and no entry hidden in a legend."""
    label = visible(text).replace("$", r"\$")
    # a label that begins so is left out of the legend
    return f" {label}" if label.startswith("_") else label


def _disarmed(text: str) -> str:
    return re.sub(_SCHEME, rf"{_JOINER}\g<0>", re.sub(_MENTION, f"@{_JOINER}", text))


def _shown(match: re.Match[str]) -> str:
    character = match.group()
    return _BREAKS.get(character) or f"\\u{ord(character):04x}"
