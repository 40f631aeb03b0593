"""The project's documentation as pages: where the links to runbooks lead, with no other host."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from importlib.abc import Traversable

    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererProtocol
    from markdown_it.token import Token
    from markdown_it.utils import OptionsDict

INDEX: Final = "index"
_SUFFIX: Final = ".md"
_PAGE_LINK = re.compile(r"([\w-]+)\.md(#[\w-]+)?")


@cache
def pages() -> Mapping[str, str]:
    """The title of each page that there is, by its name."""
    texts = {
        file.name.removesuffix(_SUFFIX): file.read_text(encoding="utf-8")
        for file in _folder().iterdir()
        if file.name.endswith(_SUFFIX)
    }
    return {name: texts[name].partition("\n")[0].lstrip("# ") for name in sorted(texts)}


@cache
def content(name: str) -> str:
    """The HTML of a page's content.

    Args:
        name: A key of `pages()`.
    """
    parser = _parser()
    tokens = parser.parse(_folder().joinpath(name + _SUFFIX).read_text(encoding="utf-8"))
    for heading, inline in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", anchor(inline.content))
    for token in _all(tokens):
        _adapt(token)
    return str(parser.renderer.render(tokens, parser.options, {}))


def anchor(title: str) -> str:
    """What follows `#` in a link to a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _folder() -> Traversable:
    packaged = files("llm_otel").joinpath("docs")
    # An editable installation is the repository, where the pages are written.
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[4] / "docs"


def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    for kind in ("html_block", "html_inline"):  # marks of what is generated
        parser.add_render_rule(kind, _nothing)
    parser.add_render_rule("image", _caption)
    return parser


def _all(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _all(token.children or ())


def _adapt(token: Token) -> None:
    """Have links lead to the pages here, and columns aligned without a style of their own."""
    link = _PAGE_LINK.fullmatch(str(token.attrGet("href") or ""))
    if link:
        token.attrSet("href", link[1] + (link[2] or ""))
    if token.attrs.pop("style", "") == "text-align:right":
        token.attrSet("class", "number")


def _nothing(_self: RendererProtocol, *_: Any) -> str:
    return ""


def _caption(
    _self: RendererProtocol, tokens: Sequence[Token], at: int, _options: OptionsDict, _env: Any
) -> str:
    """Pictures are not in the package."""
    return f"<em>{escape(tokens[at].content)}</em>"
