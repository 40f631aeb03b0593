"""Where calls of one kind are recorded in the conventions' own metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.core.metrics.pending_counters import NO_EXEMPLAR

if TYPE_CHECKING:
    from llm_otel.base.otel_internals import Point
    from llm_otel.core.metrics.table import InstrumentTable


class SemconvPoints:
    """Points with the attributes that calls of one kind have in common, and one attribute more.

    Args:
        table: Whose instruments.
        attributes: Common to all; never changed.
    """

    __slots__ = ("_points", "_table", "attributes")

    def __init__(self, table: InstrumentTable, attributes: dict[str, Any]) -> None:
        self.attributes = attributes
        self._table = table
        self._points: dict[tuple[object, ...], Point] = {}

    def record(
        self, metric: semconv.Metric, value: float, name: str = "", extra: str | None = None
    ) -> None:
        """Record into a histogram.

        Args:
            metric: Which.
            value: What.
            name: The one attribute more.
            extra: Its value; None for no such attribute.
        """
        key = (metric, extra)
        point = self._points.get(key)
        if point is None:
            more = {} if extra is None else {name: extra}
            point = self._table.point(metric, {**self.attributes, **more})
            # Types of errors are the application's: they must not fill the memory.
            if len(self._points) < semconv.MAX_COMBINATIONS:
                self._points[key] = point
        point.record(value, NO_EXEMPLAR)

    def add(self, metric: semconv.Metric, amount: int, modality: str) -> None:
        """Add to a counter of tokens by their modality."""
        attributes = {**self.attributes, semconv.TOKEN_MODALITY_B: modality}
        self._table.add(metric, amount, attributes)
