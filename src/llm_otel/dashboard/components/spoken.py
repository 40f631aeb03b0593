"""Words for those who hear a page: what is seen by a colour or a sign, said."""

from __future__ import annotations

from typing import Any, Final

from dash import html

# Attributes that Dash takes by any name are untyped in its signatures: hence Any.
UNHEARD: Final[Any] = {"aria-hidden": "true"}


def named(text: str) -> Any:
    """The attribute that names a part of the page."""
    return {"aria-label": text}


def spoken(text: str) -> Any:
    """Text that is read aloud and not seen."""
    return html.Span(text, className="spoken")


def chosen(on: bool) -> Any:
    """Says of a link that it is the one in force."""
    return spoken(", chosen") if on else None
