"""A name from outside, in each place where it could do something."""

from __future__ import annotations

import html
import json
import logging
import unicodedata

import pytest

from llm_otel import escaping

CONTROL = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff",
    "\ud800",
]


@pytest.mark.parametrize("character", CONTROL, ids=lambda c: f"{ord(c):04x}")
def test_control_characters_are_shown(character: str) -> None:
    """No character that moves, hides, reverses or breaks a line is left, in no context."""
    text = f"a{character}b"
    for function in (
        escaping.visible,
        escaping.short,
        escaping.markdown,
        escaping.plain,
        escaping.plotly,
        escaping.matplotlib,
    ):
        shown = function(text)
        assert character not in shown, (function.__name__, shown)
        shown.encode()
        assert len(shown.splitlines()) == 1


@pytest.mark.parametrize(
    "text", ["gpt-4o", "Modèle nº 1", "模型", "👩‍👩‍👧", "नमस्ते", "a\u00a0b", "C:\\x", ""]
)
def test_text_stays(text: str) -> None:
    """Letters, marks, emoji and blanks of any script are as they were."""
    assert escaping.visible(text) == text


def test_visible_json_is_the_same_json() -> None:
    """Escaped text of JSON is read as the same value."""
    value = {"\u009b": ["\u202e\u2028\x1b", "\\u202e", "x\n"]}
    text = escaping.visible(json.dumps(value, ensure_ascii=False))
    assert all(unicodedata.category(c) not in ("Cc", "Cf", "Zl") for c in text), text
    assert json.loads(text) == value


def test_lines_of_their_own() -> None:
    """A whole text keeps its line breaks and tabs, and nothing else that acts."""
    assert escaping.visible_lines("a\n\tb\x1b[2J\r\n") == "a\n\tb\\u001b[2J\\r\n"


def test_log_lines_are_short() -> None:
    """A name in a log line is quoted and bounded."""
    assert escaping.short("a\nERROR b") == r"'a\\nERROR b'"
    assert len(escaping.short("x" * 10_000)) <= 70


@pytest.mark.parametrize(
    "text",
    ["<b>big</b>", "a<br>b", "<a href='https://x.example'>x</a>", "&lt;i&gt;", "$x^2$", "R&D"],
)
def test_plotly(text: str) -> None:
    """A label of a chart reads as it is: Plotly decodes entities and sees no tag in them."""
    label = escaping.plotly(text)
    assert "<" not in label
    assert label.count("$") == 0
    assert html.unescape(label) == text


@pytest.mark.parametrize("text", ["$x^2$", r"\$x$y$", "$", "_hidden", "a_b", "$\\frac{1}{0}$"])
def test_matplotlib(text: str) -> None:
    """A label is drawn as text, and no entry is left out of a legend."""
    pytest.importorskip("matplotlib")
    from matplotlib.cbook import is_math_text
    from matplotlib.figure import Figure

    label = escaping.matplotlib(text)
    assert not is_math_text(label)
    figure = Figure()
    axes = figure.add_subplot()
    axes.bar([1], [1], label=label)
    legend = axes.legend()
    [shown] = legend.get_texts()
    assert shown.get_text().replace(r"\$", "$").strip() == text


def test_a_wrong_tag_forges_no_line(caplog: pytest.LogCaptureFixture) -> None:
    """What our own log says of a name is one line, whatever the name."""
    import llm_otel
    from llm_otel.testing import capture

    caplog.set_level(logging.WARNING)
    with (
        capture(tags=("t",)),
        llm_otel.attribution(tags={"x\n2026 ERROR forged\x1b[31m\u202e": "v"}),
    ):
        llm_otel.outcome(success=True, attributes={"a\nb": object()})
    assert len(caplog.messages) == 2, caplog.messages
    assert all(message.isprintable() for message in caplog.messages), caplog.messages
