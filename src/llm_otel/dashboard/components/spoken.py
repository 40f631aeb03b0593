"""Words for those who hear a page: what is seen by a colour or a sign, said."""

from __future__ import annotations

from typing import Any

import htpy as h


def spoken(text: str) -> Any:
    """Text that is read aloud and not seen."""
    return h.span(class_="spoken")[text]


def chosen(on: bool) -> Any:
    """Says of a link that it is the one in force."""
    return spoken(", chosen") if on else None
