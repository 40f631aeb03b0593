"""What a page of the dashboard says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def text(part: Any) -> str:
    """All that a part of a page says, a line for each piece."""
    return "\n".join(_texts(part))


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, (list, tuple)):
        for each in part:
            yield from _texts(each)
    elif isinstance(part, (str, int, float)):
        yield str(part)
    elif part is not None:
        yield from _texts(getattr(part, "children", None))
