"""A series: the labels that calls of one kind share, and where each of its values is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_otel.base.otel_internals import Point
    from llm_otel.core.metrics.pending_counters import Cell, Slot
    from llm_otel.core.metrics.semconv_points import SemconvPoints


class Series:
    """The labels of one kind of call, and what is looked up by them once.

    Attributes:
        labels: `semconv.CALL_LABELS` with their values, bounded.
        active: One number, shared by the series that differ in attribution only: calls under way.
        cells: Pending counters.
        durations: By class of error; None for success.
        first_chunks: Times to the first chunk.
        semconv_points: By model that answered and server.
    """

    __slots__ = ("active", "cells", "durations", "first_chunks", "labels", "semconv_points")

    def __init__(self, labels: dict[str, str], active: list[int]) -> None:
        self.labels = labels
        self.active = active
        self.cells: dict[Slot, Cell] = {}
        self.durations: dict[str | None, Point] = {}
        self.first_chunks: Point | None = None
        self.semconv_points: dict[tuple[object, ...], SemconvPoints] = {}
