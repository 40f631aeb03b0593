"""Where the time of a trace goes: each span's own, and the path that made it as long as it is."""

from __future__ import annotations

from collections.abc import Sequence

from llm_otel.lake.queries.traces import Nested


def children(spans: Sequence[Nested]) -> list[list[int]]:
    """Of each span, the places of those right below it; `spans` as `traces.nested` orders them."""
    below: list[list[int]] = [[] for _ in spans]
    above: list[int] = []
    for place, nested in enumerate(spans):
        del above[nested.depth :]
        if above:
            below[above[-1]].append(place)
        above.append(place)
    return below


def self_times(spans: Sequence[Nested], below: Sequence[Sequence[int]]) -> list[float]:
    """Seconds of each span in which none of the spans right below it was at work."""
    times = []
    for nested, places in zip(spans, below):
        begin, end = nested.offset_s, _end(nested)
        covered, reached = 0.0, begin
        for place in sorted(places, key=lambda place: spans[place].offset_s):
            first = max(spans[place].offset_s, reached)
            last = min(_end(spans[place]), end)
            if last > first:
                covered += last - first
                reached = last
        times.append(max(end - begin - covered, 0.0))
    return times


def critical(spans: Sequence[Nested], below: Sequence[Sequence[int]]) -> set[int]:
    """The places of the spans on the critical path: had one of them been shorter, the trace would
    have been.

    From the end of the span that ends last, back: the span below that ended last is on the path,
    then the one that ended last before that one began, and so on; likewise below each of them.
    """
    roots = [place for place, nested in enumerate(spans) if nested.depth == 0]
    path: set[int] = set()
    todo = [(max(roots, key=lambda place: _end(spans[place])), float("inf"))] if roots else []
    while todo:
        place, until = todo.pop()
        path.add(place)
        time = min(_end(spans[place]), until)
        for child in sorted(below[place], key=lambda child: -_end(spans[child])):
            if spans[child].offset_s < time and spans[child].span.duration_s:
                # One that outlives what waits for it is waited for no longer.
                if _end(spans[child]) > time and time < _end(spans[place]):
                    continue
                todo.append((child, time))
                time = spans[child].offset_s
    return path


def _end(nested: Nested) -> float:
    return nested.offset_s + (nested.span.duration_s or 0.0)
