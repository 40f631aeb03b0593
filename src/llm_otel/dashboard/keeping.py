"""Pages that were drawn a moment ago, kept as long as they are still true."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

# Bytes, in all and of one page.
_MOST: Final = 16 * 1024 * 1024
_LARGEST: Final = 2 * 1024 * 1024


class Kept:
    """Texts by what they follow from: those of one moment, of which the last asked for are kept."""

    def __init__(self) -> None:
        self._moment: Hashable = None
        self._texts: OrderedDict[Hashable, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(
        self, moment: Hashable, key: Hashable, make: Callable[[], str], fit: Callable[[str], bool]
    ) -> str:
        """The text of `key`: a kept one, or else made now.

        Args:
            moment: What all texts follow from; those of another are of no use any more.
            key: What this text follows from besides.
            make: Makes it.
            fit: Whether a text that was made may be kept.
        """
        with self._lock:
            if moment != self._moment:
                self._moment, self._size = moment, 0
                self._texts.clear()
            if key in self._texts:
                self._texts.move_to_end(key)
                return self._texts[key].decode()
        text = make()
        self._keep(moment, key, text.encode("utf-8", "replace") if fit(text) else b"")
        return text

    def _keep(self, moment: Hashable, key: Hashable, data: bytes) -> None:
        if not 0 < len(data) <= _LARGEST:
            return
        with self._lock:
            if moment != self._moment:
                return
            self._size += len(data) - len(self._texts.pop(key, b""))
            self._texts[key] = data
            while self._size > _MOST:
                self._size -= len(self._texts.popitem(last=False)[1])
