"""Where text can stand in OTLP, and records that carry a canary there and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from llm_otel import semconv

UNLISTED: Final = "some.key"
# Keys that an allow list is likely to name, and some that it must not.
_RESOURCE_KEY: Final = "service.version"
_NUMBER: Final = semconv.USAGE_INPUT_TOKENS
_LIST: Final = semconv.RESPONSE_FINISH_REASONS
_PRIVATE: Final = (semconv.INPUT_MESSAGES, semconv.USER_ID)
REQUESTS: Final[dict[str, Any]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
POINTS: Final = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
_METRIC_OF: Final = {
    "gauge": semconv.REQUESTS_ACTIVE,
    "sum": semconv.COST,
    "histogram": semconv.REQUEST_DURATION,
    "exponential_histogram": semconv.TIME_TO_FIRST_CHUNK,
    "summary": semconv.EVALUATION_SCORE,
}
_CUMULATIVE: Final = 2


@dataclass
class Record:
    """One span, log record or data point in a request of its own.

    Attributes:
        request: The whole request.
        of_resource: The message around the resource; has its `schema_url`.
        of_scope: The message around the scope; has its `schema_url`.
        item: The span, log record or metric.
        point: The data point, of metrics.
    """

    request: Any
    of_resource: Any
    of_scope: Any
    item: Any
    point: Any = None


Write = Callable[[Record, AnyValue], None]


@dataclass(frozen=True)
class Position:
    """A place for a value.

    Attributes:
        name: As the report shows it.
        signal: `traces`, `metrics` or `logs`.
        write: Writes the value there.
        takes: `any` value, `text`, or `wrong`: all but what the place is for.
        points: The kind of data point, of metrics.
    """

    name: str
    signal: str
    write: Write = field(repr=False)
    takes: str = "any"
    points: str = "sum"


def new_record(signal: str, number: int, points: str = "sum") -> Record:
    """A record without any secret, in a request; `number` makes it differ from others."""
    request = REQUESTS[signal]()
    plural = {"traces": "spans", "metrics": "metrics", "logs": "logs"}[signal]
    of_resource = getattr(request, f"resource_{plural}").add()
    for key, text in (("service.name", "canary"), ("service.instance.id", f"r{number}")):
        attribute(of_resource.resource.attributes, key, AnyValue(string_value=text))
    of_scope = getattr(of_resource, f"scope_{plural}").add()
    of_scope.scope.name = semconv.SCOPE
    record = Record(request, of_resource, of_scope, None)
    {"traces": _span, "metrics": _metric, "logs": _log}[signal](record, number, points)
    return record


def attribute(attributes: Any, key: str, value: AnyValue) -> None:
    """Append an attribute."""
    attributes.append(KeyValue(key=key, value=value))


def trace_id(number: int) -> bytes:
    """The trace that record `number` is of."""
    return number.to_bytes(16, "big")


def _span(record: Record, number: int, points: str) -> None:  # noqa: ARG001
    record.item = record.of_scope.spans.add()
    record.item.trace_id, record.item.span_id = trace_id(number), number.to_bytes(8, "big")
    record.item.name, record.item.kind = semconv.CHAT, 3
    record.item.end_time_unix_nano = time.time_ns()
    record.item.start_time_unix_nano = record.item.end_time_unix_nano - 1_000_000


def _log(record: Record, number: int, points: str) -> None:  # noqa: ARG001
    record.item = record.of_scope.log_records.add()
    record.item.time_unix_nano = time.time_ns()
    record.item.event_name = semconv.EVENT_OUTCOME


def _metric(record: Record, number: int, points: str) -> None:
    record.item = record.of_scope.metrics.add()
    metric = _METRIC_OF[points]
    record.item.name, record.item.unit = metric.name, metric.unit
    data = getattr(record.item, points)
    record.point = point = data.data_points.add()
    point.time_unix_nano = time.time_ns()
    point.start_time_unix_nano = point.time_unix_nano - 60_000_000_000
    if points not in ("gauge", "summary"):
        data.aggregation_temporality = _CUMULATIVE
    if points == "sum":
        data.is_monotonic = True
    if points in ("gauge", "sum"):
        point.as_double = 1.0
    else:
        point.count, point.sum = 1, 1.0
    if points == "histogram":
        point.bucket_counts.extend((1, 0))
        point.explicit_bounds.append(5.0)
    if points == "exponential_histogram":
        point.positive.bucket_counts.append(1)
    if points != "summary":
        exemplar = point.exemplars.add()
        exemplar.time_unix_nano, exemplar.as_double = point.time_unix_nano, 1.0
        exemplar.trace_id, exemplar.span_id = trace_id(number), number.to_bytes(8, "big")


def positions() -> Iterator[Position]:
    """The leak table."""
    for signal in REQUESTS:
        yield from _around(signal)
    yield from _traces()
    yield from _logs()
    yield from _metrics()


def _keys(
    signal: str, where: str, of: Callable[[Record], Any], allowed: str, points: str = "sum"
) -> Iterator[Position]:
    """The ways to hide something in attributes; `allowed` is a key of a text."""

    def at(key: str, *before: AnyValue) -> Write:
        def write(record: Record, value: AnyValue) -> None:
            for each in (*before, value):
                attribute(of(record), key, each)

        return write

    def as_key(record: Record, value: AnyValue) -> None:
        attribute(of(record), value.string_value, AnyValue(bool_value=True))

    def place(what: str, write: Write, takes: str = "any") -> Position:
        return Position(f"{where} attributes: {what}", signal, write, takes, points)

    yield place("a key that is not listed", at(UNLISTED))
    yield place("the key itself", as_key, "text")
    for key in (allowed, _LIST, *_PRIVATE):
        yield place(key, at(key))
    yield place(_NUMBER, at(_NUMBER), "wrong")
    yield place(f"{allowed}, the second of two", at(allowed, AnyValue(string_value="first")))


def _text(
    name: str, signal: str, of: Callable[[Record], Any], field_: str, **more: Any
) -> Position:
    def write(record: Record, value: AnyValue) -> None:
        setattr(of(record), field_, value.string_value)

    return Position(name, signal, write, "text", **more)


def _around(signal: str) -> Iterator[Position]:
    """Resource and scope, which all signals have."""
    yield from _keys(
        signal, "resource", lambda record: record.of_resource.resource.attributes, _RESOURCE_KEY
    )
    yield from _keys(
        signal, "scope", lambda record: record.of_scope.scope.attributes, semconv.REQUEST_MODEL
    )
    yield _text("resource schema_url", signal, lambda record: record.of_resource, "schema_url")
    yield _text("scope schema_url", signal, lambda record: record.of_scope, "schema_url")
    yield _text("scope name", signal, lambda record: record.of_scope.scope, "name")
    yield _text("scope version", signal, lambda record: record.of_scope.scope, "version")
    for name in ("type", "schema_url"):
        yield _text(f"entity {name}", signal, _entity, name)
    for name in ("id_keys", "description_keys"):
        yield Position(f"entity {name}", signal, _into_entity(name), "text")


def _entity(record: Record) -> Any:
    return record.of_resource.resource.entity_refs.add()


def _into_entity(name: str) -> Write:
    def write(record: Record, value: AnyValue) -> None:
        getattr(_entity(record), name).append(value.string_value)

    return write


def _traces() -> Iterator[Position]:
    yield from _keys("traces", "span", lambda record: record.item.attributes, semconv.REQUEST_MODEL)
    yield from _keys(
        "traces", "span event", lambda record: _event(record).attributes, semconv.REQUEST_MODEL
    )
    yield from _keys(
        "traces", "span link", lambda record: _link(record).attributes, semconv.REQUEST_MODEL
    )
    yield _text("span name", "traces", lambda record: record.item, "name")
    yield _text("span status message", "traces", lambda record: record.item.status, "message")
    yield _text("span trace_state", "traces", lambda record: record.item, "trace_state")
    yield _text("span event name", "traces", _event, "name")
    yield _text("span link trace_state", "traces", _link, "trace_state")


def _event(record: Record) -> Any:
    if not record.item.events:
        record.item.events.add(name="exception", time_unix_nano=record.item.start_time_unix_nano)
    return record.item.events[0]


def _link(record: Record) -> Any:
    if not record.item.links:
        record.item.links.add(trace_id=trace_id(1), span_id=b"\1" * 8)
    return record.item.links[0]


def _logs() -> Iterator[Position]:
    def body(record: Record, value: AnyValue) -> None:
        record.item.body.CopyFrom(value)

    yield from _keys("logs", "log", lambda record: record.item.attributes, semconv.REQUEST_MODEL)
    yield Position("log body", "logs", body)
    yield _text("log severity_text", "logs", lambda record: record.item, "severity_text")
    yield _text("log event_name", "logs", lambda record: record.item, "event_name")


def _metrics() -> Iterator[Position]:
    for points in POINTS:
        yield from _keys(
            "metrics",
            f"{points} point",
            lambda record: record.point.attributes,
            semconv.MODEL,
            points,
        )
        if points != "summary":
            yield from _keys("metrics", f"{points} exemplar", _filtered, semconv.MODEL, points)
    for name in ("name", "description", "unit"):
        yield _text(f"metric {name}", "metrics", lambda record: record.item, name)
    yield from _keys(
        "metrics", "metric metadata", lambda record: record.item.metadata, semconv.MODEL
    )


def _filtered(record: Record) -> Any:
    return record.point.exemplars[0].filtered_attributes
