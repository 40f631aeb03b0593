"""What the provider remembers between requests, and where its determinism comes from."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from .messages import Json

CREATED = 1_700_000_000
"""Every `created` in seconds since the epoch: answers do not depend on when they are given."""

_CACHE_MINIMUM = 1024
_CACHE_STEP = 128
_CHARACTERS_PER_TOKEN = 4
_CACHE_ENTRIES = 100_000


class State:
    """Ids, the prompt cache, stored responses and batches of one provider; thread-safe.

    Attributes:
        answer: Text of every answer, or a function from the request's body to it; None: made up
            from the prompt.
        polls: How often a background response or a batch is polled before it is completed.
        stored: Responses, batches and files by id, the newest `keep`.
    """

    def __init__(
        self, seed: int, answer: str | Callable[[Json], str] | None, polls: int, keep: int
    ) -> None:
        self.seed = seed
        self.answer = answer
        self.polls = polls
        self._keep = keep
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forgets everything: the next request is answered as the first one was."""
        self._counter = itertools.count(1)
        self._prefixes: set[bytes] = set()
        self.stored: dict[str, Any] = {}

    def store(self, identity: str, thing: object) -> None:
        """Keeps something that can be retrieved later; forgets the oldest beyond `keep`."""
        with self._lock:
            self.stored[identity] = thing
            if len(self.stored) > self._keep:
                del self.stored[next(iter(self.stored))]

    def new_id(self, prefix: str, length: int = 24) -> str:
        """The next id, e.g. `chatcmpl-3f…`; the n-th id of a seed is always the same."""
        return prefix + self.digest("id", next(self._counter)).hex()[:length]

    def digest(self, *parts: object) -> bytes:
        """64 bytes that depend on the seed and the parts alone."""
        text = "\x1f".join(map(str, (self.seed, *parts)))
        return blake2b(text.encode("utf-8", "surrogatepass")).digest()

    def was_seen(self, *parts: object) -> bool:
        """Whether this was asked about before, as the beginning of a prompt; notes it."""
        mark = self.digest("prefix", *parts)
        with self._lock:
            seen = mark in self._prefixes
            if len(self._prefixes) > _CACHE_ENTRIES:
                self._prefixes.clear()
            self._prefixes.add(mark)
        return seen

    def cached_tokens(self, model: str, prompt: str) -> int:
        """Tokens of the longest prefix seen before, in steps of 128 from 1,024; notes this one."""
        step = _CACHE_STEP * _CHARACTERS_PER_TOKEN
        if len(prompt) < _CACHE_MINIMUM * _CHARACTERS_PER_TOKEN:
            return 0
        running, cached = blake2b(model.encode(), digest_size=16), 0
        with self._lock:
            if len(self._prefixes) > _CACHE_ENTRIES:
                self._prefixes.clear()
            for end in range(step, len(prompt) + 1, step):
                running.update(prompt[end - step : end].encode("utf-8", "surrogatepass"))
                tokens = end // _CHARACTERS_PER_TOKEN
                if tokens < _CACHE_MINIMUM:
                    continue
                if (mark := running.digest()) in self._prefixes:
                    cached = tokens
                else:
                    self._prefixes.add(mark)
        return cached
