"""OTLP requests made by hand, with every attribute chosen by the test."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

Rows = list[dict[str, Any]]
# Puts spans through the whole way into a lake; gives their rows in `calls` and in `spans`.
Store = Callable[..., tuple[Rows, Rows]]

RESOURCE = {"service.name": "assistant", "deployment.environment.name": "test"}
NOW = time.time_ns()

CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
    "gen_ai.usage.cost.amount": 0.0035,
    "gen_ai.usage.cost.currency": "USD",
    "gen_ai.usage.cost.source": "local",
    "tenant_id": "acme",
    "feature": "support",
}

OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.provider": "openai",
    "llm.model_name": "gpt-4o",
    "llm.token_count.prompt": 1000,
    "llm.token_count.completion": 100,
    "llm.token_count.total": 1100,
    "llm.token_count.prompt_details.cache_read": 10,
    "gen_ai.request.stream": True,
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "Be kind.",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.content": "Hello",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "Hi",
    "input.value": '{"messages": []}',
    "user.id": "u1",
    "session.id": "s1",
    "llm_otel.tag.team": "blue",
}


def put(target: Any, value: Any) -> None:
    """Set an AnyValue."""
    if value is None:
        target.ClearField("string_value")
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, (list, tuple)):
        target.array_value.SetInParent()
        for each in value:
            put(target.array_value.values.add(), each)
    else:
        target.string_value = value


def fill(attributes: Any, values: Mapping[str, Any]) -> None:
    """Add attributes to a repeated KeyValue."""
    for key, value in values.items():
        pair = attributes.add()
        pair.key = key
        put(pair.value, value)


def spans(
    *attributes: Mapping[str, Any],
    seed: int = 1,
    time_ns: int = NOW,
    seconds: float = 0.5,
    resource: Mapping[str, Any] = RESOURCE,
    **fields: Any,
) -> Any:
    """A request with one span for each set of attributes, ids from the seed, all in one trace."""
    source = random.Random(seed)
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    fill(group.resource.attributes, resource)
    scope = group.scope_spans.add()
    scope.scope.name = "tests"
    trace_id = source.randbytes(16)
    for values in attributes:
        span = scope.spans.add(
            trace_id=trace_id,
            span_id=source.randbytes(8),
            start_time_unix_nano=time_ns,
            **{
                "name": "chat gpt-4o",
                "kind": 3,
                "end_time_unix_nano": time_ns + int(seconds * 1e9),
                **fields,
            },
        )
        fill(span.attributes, _with_own_id(values, len(scope.spans)))
    return request


def _with_own_id(values: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    """No two answers have one id."""
    if values.get("gen_ai.response.id") != CHAT["gen_ai.response.id"]:
        return values
    return {**values, "gen_ai.response.id": f"chatcmpl-{number}"}


def event(name: str, attributes: Mapping[str, Any], *, time_ns: int = NOW) -> Any:
    """A request with one log record that is an event."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    fill(group.resource.attributes, RESOURCE)
    record = group.scope_logs.add().log_records.add(
        event_name=name, time_unix_nano=time_ns, trace_id=b"t" * 16, span_id=b"s" * 8
    )
    fill(record.attributes, attributes)
    return request


def counter(
    value: float,
    *,
    time_ns: int,
    start_ns: int,
    name: str = "gen_ai.cost.usd",
    labels: Mapping[str, Any] | None = None,
    temporality: int = 2,
) -> Any:
    """A request with one point of a counter; temporality 2 is cumulative, 1 is delta."""
    request = ExportMetricsServiceRequest()
    metric = _metric(request, name)
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = temporality
    point = metric.sum.data_points.add(
        as_double=value, time_unix_nano=time_ns, start_time_unix_nano=start_ns
    )
    fill(point.attributes, labels or {"model": "gpt-4o", "tenant_id": "none"})
    return request


def histogram(total: float, buckets: list[int], *, time_ns: int, start_ns: int) -> Any:
    """A request with one cumulative point of a histogram with the bounds 1 and 5."""
    request = ExportMetricsServiceRequest()
    metric = _metric(request, "gen_ai.request.duration")
    metric.histogram.aggregation_temporality = 2
    point = metric.histogram.data_points.add(
        sum=total,
        count=sum(buckets),
        bucket_counts=buckets,
        explicit_bounds=[1.0, 5.0],
        time_unix_nano=time_ns,
        start_time_unix_nano=start_ns,
    )
    fill(point.attributes, {"model": "gpt-4o", "operation": "chat"})
    return request


def gauge(value: int, *, time_ns: int) -> Any:
    """A request with one sample of a gauge."""
    request = ExportMetricsServiceRequest()
    metric = _metric(request, "gen_ai.ratelimit.requests.remaining")
    point = metric.gauge.data_points.add(as_int=value, time_unix_nano=time_ns)
    fill(point.attributes, {"model": "gpt-4o"})
    return request


def _metric(request: Any, name: str) -> Any:
    group = request.resource_metrics.add()
    fill(group.resource.attributes, RESOURCE)
    return group.scope_metrics.add().metrics.add(name=name)
