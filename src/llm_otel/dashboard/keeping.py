"""Pages that were drawn a moment ago, kept as long as they are still true."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

# Characters, in all and of one page.
_MOST: Final = 32 * 1024 * 1024
_LARGEST: Final = 2 * 1024 * 1024


class Kept:
    """Texts by what they follow from; those that were asked for last are kept."""

    def __init__(self) -> None:
        self._texts: OrderedDict[Hashable, str] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], str], fit: Callable[[str], bool]) -> str:
        """The text of `key`: a kept one, or else made now.

        Args:
            key: All that the text follows from.
            make: Makes it.
            fit: Whether a text that was made may be kept.
        """
        with self._lock:
            if key in self._texts:
                self._texts.move_to_end(key)
                return self._texts[key]
        text = make()
        if len(text) <= _LARGEST and fit(text):
            with self._lock:
                self._size += len(text) - len(self._texts.pop(key, ""))
                self._texts[key] = text
                while self._size > _MOST:
                    self._size -= len(self._texts.popitem(last=False)[1])
        return text
