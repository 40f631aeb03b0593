"""The product's metrics of calls that only spans tell of, as of services in other languages.

A call waits until its process must have exported its metrics, if it has any, and until the spans
below it are there. The lake then says whether it counts: by the same rules as on every page, a call
counts by its metrics or by its span, and of nested spans the innermost. What counts is sent as
cumulative sums, so that what could not be sent is in what is sent next.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from llm_otel import semconv
from llm_otel.version import __version__

if TYPE_CHECKING:
    import pyarrow as pa

    from llm_otel.lake.queries.unmetered import Group

_logger = logging.getLogger("llm_otel.serve")

# An SDK exports its metrics once a minute, and a process that ends does so at its end.
_HOLD_S: Final = 90.0
_EVERY_S: Final = 15.0
_PATIENCE_S: Final = 10.0
# What ended longer ago is history: as metrics of now it would look like a burst.
_OLDEST: Final = timedelta(hours=1)

Key = tuple[semconv.Metric, tuple[tuple[str, str], ...]]
# Where the sums of a group go: the metric, its own labels, and the group's field.
_SUMS: Final[tuple[tuple[semconv.Metric, dict[str, str], str], ...]] = (
    (semconv.TOKENS_CONSUMED, {semconv.TOKEN_TYPE: semconv.INPUT}, "input_tokens"),
    (semconv.TOKENS_CONSUMED, {semconv.TOKEN_TYPE: semconv.OUTPUT}, "output_tokens"),
    (semconv.TOKENS_CACHED, {semconv.CACHE: semconv.READ}, "cache_read_tokens"),
    (semconv.TOKENS_CACHED, {semconv.CACHE: semconv.WRITE}, "cache_write_tokens"),
    (semconv.TOKENS_REASONING, {}, "reasoning_tokens"),
    # A span tells the cost of a call and not of its parts.
    (semconv.COST, {semconv.TOKEN_TYPE: semconv.OTHER}, "cost_usd"),
    (semconv.REQUESTS_UNPRICED, {}, "unpriced"),
    (semconv.USAGE_UNKNOWN_TOTAL, {}, "unknown"),
)


@dataclass
class _Histogram:
    """Counts by bucket, the sum, the least and the greatest."""

    counts: list[int]
    sum: float = 0.0
    least: float = float("inf")
    greatest: float = float("-inf")

    def add(self, metric: semconv.Metric, values: list[float]) -> None:
        for value in values:
            self.counts[bisect_left(metric.buckets, value)] += 1
        self.sum += sum(values)
        self.least = min(self.least, *values)
        self.greatest = max(self.greatest, *values)


@dataclass
class Service:
    """What the calls of one service add up to since `serve` began."""

    name: str | None
    environment: str | None
    sums: dict[Key, float] = field(default_factory=dict)
    histograms: dict[Key, _Histogram] = field(default_factory=dict)
    _combinations: set[tuple[str, ...]] = field(default_factory=set)

    def add(self, group: Group) -> None:
        """Count a group of calls."""
        labels = self._labels(group)
        if group.error_type is not None:
            kind = group.error_type
            kind = kind if kind in semconv.ERROR_CLASSES else semconv.OTHER
            error = {semconv.ERROR_TYPE_LABEL: kind}
            self._sum(semconv.ERRORS, {**labels, **error}, len(group.durations))
        else:
            error = {}
        self._record(semconv.REQUEST_DURATION, {**labels, **error}, group.durations)
        self._record(semconv.TIME_TO_FIRST_CHUNK, labels, group.first_chunks)
        for metric, own, name in _SUMS:
            self._sum(metric, {**labels, **own}, getattr(group, name))

    def _labels(self, group: Group) -> dict[str, str]:
        """The group's labels in the forms that they have; beyond the cap `other`."""
        values = (group.model, group.provider, group.operation, group.feature, group.tenant_id)
        words = tuple(map(_word, semconv.CALL_LABELS, values))
        if words not in self._combinations:
            if len(self._combinations) >= semconv.MAX_COMBINATIONS:
                words = (semconv.OTHER, words[1], words[2], semconv.OTHER, semconv.OTHER)
            self._combinations.add(words)
        return dict(zip(semconv.CALL_LABELS, words))

    def _sum(self, metric: semconv.Metric, labels: dict[str, str], amount: float | None) -> None:
        if amount:
            key = _key(metric, labels)
            self.sums[key] = self.sums.get(key, 0) + amount

    def _record(self, metric: semconv.Metric, labels: dict[str, str], values: list[float]) -> None:
        if values:
            key = _key(metric, labels)
            if key not in self.histograms:
                self.histograms[key] = _Histogram([0] * (len(metric.buckets) + 1))
            self.histograms[key].add(metric, values)


def _key(metric: semconv.Metric, labels: dict[str, str]) -> Key:
    return metric, tuple((name, labels[name]) for name in metric.labels if name in labels)


def _word(label: str, value: str | None) -> str:
    """A value as a label."""
    if value is None:
        return semconv.NONE
    return value if semconv.well_formed(label, value) else semconv.OTHER


class DerivedMetrics:
    """Counts the calls that are handed to it and sends what they add up to.

    Args:
        lake: The lake's folder, into which they are written.
        endpoint: Where OTLP over HTTP is taken, as `http://localhost:4318`.
        hold_s: Seconds that a call waits for the metrics of its process and the spans below it.
        every_s: Seconds between two exports.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        lake: Path,
        endpoint: str,
        *,
        hold_s: float = _HOLD_S,
        every_s: float = _EVERY_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        self._lake, self._hold_s, self._every_s, self._clock = lake, hold_s, every_s, clock
        self._exporter = OTLPMetricExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/metrics", timeout=_PATIENCE_S
        )
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._waiting: list[tuple[float, pa.Table]] = []
        self._services: dict[tuple[str | None, str | None], Service] = {}
        self._began = int(clock() * 1e9)
        self._fails = False

    def add(self, calls: pa.Table) -> None:
        """Take rows of `calls` that are in the lake now, each once. Those of llm-otel itself have
        metrics of their own."""
        import pyarrow.compute as pc

        foreign = pc.fill_null(pc.not_equal(calls["scope"], semconv.SCOPE), fill_value=True)
        rows = calls.filter(foreign).select(["time", "trace_id", "span_id", "duration_s"])
        if rows.num_rows:
            with self._lock:
                self._waiting.append((self._clock(), rows))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count and send in the background until the block ends; then all that waits."""
        stop = threading.Event()

        def run() -> None:
            while not stop.wait(self._every_s):
                self.turn()

        thread = threading.Thread(target=run, name="llm-otel-derived", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(2 * _PATIENCE_S)
            self.turn(last=True)

    def turn(self, *, last: bool = False) -> None:
        """Count what has waited long enough, or all, and send the sums."""
        try:
            self.count(last=last)
        except Exception:
            # What was taken is not counted again: part of it may be.
            _logger.exception("The calls that only spans tell of could not be counted")
        if self._services:
            self._send()

    def count(self, *, last: bool = False) -> None:
        """Count what has waited long enough, or all."""
        import pyarrow as pa

        due = self._clock() - (0 if last else self._hold_s)
        with self._lock:
            tables = [table for arrived, table in self._waiting if arrived <= due or last]
            self._waiting = [each for each in self._waiting if not (each[0] <= due or last)]
        if not tables:
            return
        rows = pa.concat_tables(tables)
        oldest = datetime.fromtimestamp(self._clock(), timezone.utc).replace(tzinfo=None) - _OLDEST
        for group in self._groups(_ended_after(rows, oldest)):
            service = (group.service_name, group.environment)
            self._services.setdefault(service, Service(*service)).add(group)

    def _groups(self, rows: pa.Table) -> list[Group]:
        import pyarrow.compute as pc

        import llm_otel.lake
        from llm_otel.lake.queries import Filter, Reader, unmetered

        if not rows.num_rows:
            return []
        first, last = (function(rows["time"]).as_py() for function in (pc.min, pc.max))
        selection = Filter(first, last + timedelta(microseconds=1))
        reader = Reader(llm_otel.lake.open(self._lake), selection, timedelta(hours=1))
        return unmetered.groups(reader, rows.select(["trace_id", "span_id"]))

    # ------------------------------------------------------------------ sending
    def _send(self) -> None:
        from opentelemetry.sdk.metrics.export import MetricExportResult

        succeeds = self._exporter.export(self.data()) is MetricExportResult.SUCCESS
        if not succeeds and not self._fails:
            _logger.warning(
                "The metrics of calls that only spans tell of could not be sent to %s; they are in "
                "what is sent next", self._endpoint,
            )  # fmt: skip
        self._fails = not succeeds

    def data(self) -> Any:
        """All sums, as the exporter takes them."""
        from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        now = int(self._clock() * 1e9)
        scope = InstrumentationScope(semconv.SCOPE, __version__)
        resources = []
        for service in self._services.values():
            about = {
                "service.name": service.name,
                "deployment.environment.name": service.environment,
                "service.instance.id": f"{semconv.DERIVED_INSTANCE}{socket.gethostname()}",
            }
            resource = Resource({name: value for name, value in about.items() if value})
            metrics = [*self._sums(service, now), *self._histograms(service, now)]
            resources.append(ResourceMetrics(resource, [ScopeMetrics(scope, metrics, "")], ""))
        return MetricsData(resources)

    def _sums(self, service: Service, now: int) -> Iterator[Any]:
        from opentelemetry.sdk.metrics.export import AggregationTemporality, NumberDataPoint, Sum

        for metric, points in _by_metric(service.sums):
            data = [
                NumberDataPoint(dict(labels), self._began, now, value) for labels, value in points
            ]
            yield _metric(metric, Sum(data, AggregationTemporality.CUMULATIVE, is_monotonic=True))

    def _histograms(self, service: Service, now: int) -> Iterator[Any]:
        from opentelemetry.sdk.metrics.export import (
            AggregationTemporality,
            Histogram,
            HistogramDataPoint,
        )

        for metric, points in _by_metric(service.histograms):
            data = [
                HistogramDataPoint(
                    dict(labels), self._began, now, sum(value.counts), value.sum,
                    list(value.counts), metric.buckets, value.least, value.greatest,
                )
                for labels, value in points
            ]  # fmt: skip
            yield _metric(metric, Histogram(data, AggregationTemporality.CUMULATIVE))


def _ended_after(rows: pa.Table, oldest: datetime) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    seconds = pc.min_element_wise(pc.fill_null(rows["duration_s"], 0.0), 86_400.0)
    lengths = pc.cast(pc.multiply(seconds, 1e6), pa.int64(), safe=False)
    ends = pc.add(rows["time"], pc.cast(lengths, pa.duration("us")))
    return rows.filter(pc.greater_equal(ends, pa.scalar(oldest, pa.timestamp("us"))))


def _by_metric(values: dict[Key, Any]) -> Iterator[tuple[semconv.Metric, list[Any]]]:
    metrics: dict[str, tuple[semconv.Metric, list[Any]]] = {}
    for (metric, labels), value in values.items():
        metrics.setdefault(metric.name, (metric, []))[1].append((labels, value))
    yield from metrics.values()


def _metric(metric: semconv.Metric, data: Any) -> Any:
    from opentelemetry.sdk.metrics.export import Metric

    return Metric(metric.name, metric.description, metric.unit, data)
