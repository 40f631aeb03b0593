"""`Telemetry`: what `capture()` hands out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from llm_otel import semconv

from .records import Exemplar, LogRecord, Point, SpanRecord

if TYPE_CHECKING:
    from .memory import Memory

_KNOWN_METRICS = frozenset(
    metric.name
    for family in (
        semconv.FAMILY_A,
        semconv.FAMILY_B_V141,
        semconv.FAMILY_B_LATEST,
        semconv.FAMILY_B_STEPS,
    )
    for metric in family
)


class Telemetry:
    """The spans, metrics and logs of a `capture()` block, up to now; complete after the block.

    Print it to see everything.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    @property
    def spans(self) -> list[SpanRecord]:
        """All spans that have ended, in the order in which they started."""
        return self._memory.spans()

    @property
    def span(self) -> SpanRecord:
        """The one span there is.

        Raises:
            AssertionError: There is none, or more than one.
        """
        spans = self.spans
        if len(spans) != 1:
            raise AssertionError(f"expected one span, got {len(spans)}:\n{self.tree()}".rstrip())
        return spans[0]

    def tree(self) -> str:
        """The names of the spans, children indented below their parents, errors marked."""
        return "\n".join(f"{'  ' * depth}{span}" for depth, span in _walk(self.spans))

    def metrics(self) -> dict[str, list[Point]]:
        """The points of every metric that has any, by name."""
        found: dict[str, list[Point]] = {}
        for point in self._memory.points():
            found.setdefault(point.name, []).append(point)
        return found

    def points(self, name: str, /, **attributes: Any) -> list[Point]:
        """The points of a metric whose attributes include the given ones.

        Raises:
            AssertionError: Nothing was captured under this name, and llm-otel emits no such metric.
        """
        metrics = self.metrics()
        if name not in metrics and name not in _KNOWN_METRICS:
            got = ", ".join(sorted(metrics)) or "none at all"
            raise AssertionError(f"there is no metric {name!r}; captured were {got}.")
        return [p for p in metrics.get(name, ()) if attributes.items() <= p.attributes.items()]

    def value(self, name: str, /, **attributes: Any) -> float:
        """The sum over these points: of counters and gauges, or of a histogram's recordings.

        `telemetry.value("gen_ai.tokens.consumed", model="gpt-4o", token_type="input")`

        Raises:
            AssertionError: As `points()`.
        """
        return sum(point.value for point in self.points(name, **attributes))

    def count(self, name: str, /, **attributes: Any) -> int:
        """How often a histogram was recorded, over these points.

        Raises:
            AssertionError: As `points()`, or the metric is no histogram.
        """
        points = self.points(name, **attributes)
        if any(point.count is None for point in points):
            raise AssertionError(f"{name!r} is no histogram; read it with value().")
        return sum(point.count or 0 for point in points)

    def exemplars(self, name: str, /) -> list[Exemplar]:
        """The exemplars of a metric.

        Raises:
            AssertionError: As `points()`.
        """
        return [exemplar for point in self.points(name) for exemplar in point.exemplars]

    @property
    def logs(self) -> list[LogRecord]:
        """All log records and events, in order."""
        return self._memory.logs()

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield "spans:"
        for depth, span in _walk(self.spans):
            yield f"  {'  ' * depth}{span} ({span.kind}, {span.seconds:.3f} s)"
            for name in sorted(span.attributes):
                yield f"  {'  ' * depth}  | {name} = {span.attributes[name]!r}"
        yield "metrics:"
        for points in self.metrics().values():
            yield from (f"  {point} {point.unit}" for point in points)
        yield "logs:"
        yield from (f"  {record}" for record in self.logs)


def _walk(spans: Iterable[SpanRecord]) -> Iterator[tuple[int, SpanRecord]]:
    """Spans with their depth, each followed by its children."""
    spans = list(spans)
    captured = {span.span_id for span in spans}
    children: dict[str | None, list[SpanRecord]] = {}
    for span in spans:
        parent = span.parent_id if span.parent_id in captured else None
        children.setdefault(parent, []).append(span)
    waiting = [(0, span) for span in reversed(children.get(None, ()))]
    while waiting:
        depth, span = waiting.pop()
        yield depth, span
        waiting += [(depth + 1, child) for child in reversed(children.get(span.span_id, ()))]
