"""Finds the endpoint of a request by how its path ends, whatever stands in front of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from llm_otel.protocols.spec import Endpoint

# Most URLs of which the endpoint is remembered.
_MOST_KEPT = 1024


class Paths(dict[str, Endpoint]):
    """`method /path` to endpoint.

    A segment `{…}` of a path stands for any one, `{…}:generate` for any one that ends so. Of two
    paths that fit, the one with more segments wins, then the one with fewer of these. A dict, so
    that tables can be put together: `Paths({**OPENAI, **MINE})`.
    """

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        super().__init__(endpoints)
        self._found: dict[str, Endpoint | None] = {**endpoints}
        self._by_end: dict[tuple[str, str], list[_Pattern]] = {}
        for key, endpoint in endpoints.items():
            pattern = _Pattern.of(key, endpoint)
            self._by_end.setdefault((pattern.method, pattern.end), []).append(pattern)

    def match(self, method: str, url: str) -> Endpoint | None:
        """The endpoint that a request belongs to; None where it is in no table.

        Args:
            method: In lower case.
            url: Relative to the client's base URL, with or without a slash in front, or absolute.
        """
        # Resolved once and cached: nearly always this is one look-up.
        try:
            return self._found[f"{method} {url}"]
        except KeyError:
            pass
        key = f"{method} {url.partition('?')[0].partition('#')[0]}"
        if key not in self._found:
            if len(self._found) >= _MOST_KEPT:
                self._found = {**self}
            self._found[key] = self._search(*key.split(" ", 1))
        return self._found.get(key)

    def _search(self, method: str, path: str) -> Endpoint | None:
        _, absolute, behind = path.partition("://")
        relative = behind.partition("/")[2] if absolute else path
        segments = [segment for segment in relative.split("/") if segment]
        best = max(
            (each for each in self._candidates(method, segments) if each.fits(segments)),
            key=lambda pattern: pattern.rank,
            default=None,
        )
        return best.endpoint if best is not None else None

    def _candidates(self, method: str, segments: list[str]) -> Iterator[_Pattern]:
        last = segments[-1] if segments else ""
        for end in dict.fromkeys((last, ":" + last.rpartition(":")[2], "")):
            yield from self._by_end.get((method, end), ())


class _Segment(NamedTuple):
    """One segment of a pattern.

    Attributes:
        text: What it is, or how it ends.
        whole: The text is the whole segment.
    """

    text: str
    whole: bool

    @classmethod
    def of(cls, text: str) -> _Segment:
        return cls(text.rpartition("}")[2], False) if text.startswith("{") else cls(text, True)

    def fits(self, segment: str) -> bool:
        return segment == self.text if self.whole else segment.endswith(self.text)


class _Pattern(NamedTuple):
    """A key of the table, taken apart."""

    method: str
    segments: tuple[_Segment, ...]
    endpoint: Endpoint

    @classmethod
    def of(cls, key: str, endpoint: Endpoint) -> _Pattern:
        method, _, path = key.partition(" ")
        segments = tuple(_Segment.of(part) for part in path.split("/") if part)
        return cls(method.lower(), segments, endpoint)

    @property
    def end(self) -> str:
        """What the table looks for: the last segment, or how that ends behind its last colon."""
        last = self.segments[-1] if self.segments else _Segment("", True)
        return last.text if last.whole else "".join(last.text.rpartition(":")[1:])

    @property
    def rank(self) -> tuple[int, int]:
        """The larger wins: segments, and those that say something."""
        return len(self.segments), sum(bool(segment.text) for segment in self.segments)

    def fits(self, segments: list[str]) -> bool:
        """Whether a path of these segments ends as this pattern says."""
        count = len(self.segments)
        return len(segments) >= count > 0 and all(
            pattern.fits(segment) for pattern, segment in zip(self.segments, segments[-count:])
        )
