"""Spans, metric points and log records in a form that is easy to read and to compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class EventRecord:
    """An event on a span."""

    name: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class SpanRecord:
    """A span that has ended.

    Attributes:
        kind: `CLIENT`, `INTERNAL`, …
        status: `UNSET`, `OK` or `ERROR`.
        error: The attribute `error.type`, else the description of the status; None without error.
        parent: Name of the parent, if that was captured as well.
        parent_id, span_id, trace_id: In lower-case hex, as exporters write them.
        start, end: Nanoseconds since the epoch.
    """

    name: str
    kind: str
    attributes: dict[str, Any]
    status: str
    error: str | None
    parent: str | None
    parent_id: str | None
    trace_id: str
    span_id: str
    start: int = field(repr=False)
    end: int = field(repr=False)
    events: tuple[EventRecord, ...] = ()

    @property
    def seconds(self) -> float:
        """How long the span lasted."""
        return (self.end - self.start) / 1e9

    def __str__(self) -> str:
        return self.name if self.status != "ERROR" else f"{self.name} [error: {self.error}]"


@dataclass(frozen=True)
class Exemplar:
    """A measurement that was kept together with the span it was made in."""

    value: float
    trace_id: str
    span_id: str


@dataclass(frozen=True)
class Point:
    """What one set of attributes of a metric adds up to.

    Attributes:
        name, unit: Of the metric.
        attributes: The labels.
        value: Of a counter or gauge; of a histogram the sum of the recordings.
        count: How many recordings a histogram has; None for counters and gauges.
        exemplars: Every exemplar of the point that was read so far.
    """

    name: str
    unit: str
    attributes: dict[str, Any]
    value: float
    count: int | None = None
    exemplars: tuple[Exemplar, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        value = f"{self.value:g}" if isinstance(self.value, float) else str(self.value)
        if self.count is not None:
            value = f"{self.count} × sum {value}"
        return f"{self.name}{{{labels(self.attributes)}}} {value}"


@dataclass(frozen=True)
class LogRecord:
    """A log record or event.

    Attributes:
        event: The event's name, if it is one.
        trace_id, span_id: Of the span it belongs to, in hex; None without one.
    """

    event: str | None
    body: Any
    attributes: dict[str, Any]
    severity: str | None
    trace_id: str | None
    span_id: str | None

    def __str__(self) -> str:
        body = "" if self.body is None else f" {self.body}"
        return f"{self.event or 'log'}{{{labels(self.attributes)}}}{body}"


def labels(attributes: Mapping[str, Any]) -> str:
    """Attributes in one line, sorted by name."""
    return ", ".join(f"{name}={attributes[name]!r}" for name in sorted(attributes))
