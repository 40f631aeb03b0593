"""Requests with traces for the figures of `benchmarks.lake`: under our own names, and under those
of other instrumentations."""

from __future__ import annotations

import random
import time
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.older_spans import EMITTERS, Step
from tests.lake.samples import fill

SPANS_PER_REQUEST: Final = 512
_RESOURCE: Final = {
    "service.name": "assistant",
    "service.instance.id": "627cc493-f310-47de-96bd-71410b7dec09",
    "deployment.environment.name": "production",
    "telemetry.sdk.language": "python",
}


def own(source: random.Random) -> bytes:
    """Traces of an agent with two calls, ids and all attributes that the library sets."""
    request, scope = _empty("llm_otel")
    for number in range(SPANS_PER_REQUEST):
        start = time.time_ns()
        span = scope.spans.add(span_id=source.randbytes(8), start_time_unix_nano=start)
        span.end_time_unix_nano = start + source.randrange(10**9)
        if number % 3 == 0:
            trace_id, root = source.randbytes(16), span.span_id
            span.name, span.kind, attributes = "invoke_agent support", 1, _agent(source)
        else:
            span.parent_span_id = root
            attributes = _chat(source)
            span.name, span.kind = f"chat {attributes['gen_ai.request.model']}", 3
        span.trace_id = trace_id
        fill(span.attributes, attributes)
    return request.SerializeToString()


def older(source: random.Random, scope: str) -> bytes:
    """Traces of the emitter with that scope, of `EMITTERS`."""
    request, spans = _empty(scope)
    while len(spans.spans) < SPANS_PER_REQUEST:
        _add(spans, source, EMITTERS[scope](source)[: SPANS_PER_REQUEST - len(spans.spans)])
    return request.SerializeToString()


def _add(scope: Any, source: random.Random, steps: list[Step]) -> None:
    trace_id, ids = source.randbytes(16), [source.randbytes(8) for _ in steps]
    for number, (name, parent, attributes) in enumerate(steps):
        start = time.time_ns()
        span = scope.spans.add(
            trace_id=trace_id,
            span_id=ids[number],
            parent_span_id=b"" if parent is None else ids[parent],
            name=name,
            kind=1,
            start_time_unix_nano=start,
            end_time_unix_nano=start + source.randrange(10**9),
        )
        fill(span.attributes, attributes)


def _empty(name: str) -> tuple[Any, Any]:
    """A request without spans, and the scope that they are for."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    fill(group.resource.attributes, _RESOURCE)
    scope = group.scope_spans.add()
    scope.scope.name = name
    return request, scope


def _agent(source: random.Random) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "support",
        "tenant_id": f"tenant-{source.randrange(50)}",
        "feature": f"feature-{source.randrange(10)}",
    }


def _chat(source: random.Random) -> dict[str, Any]:
    model = f"gpt-4o-{source.randrange(20)}"
    failed = {"error.type": "openai.RateLimitError", "llm_otel.error.class": "rate_limit"}
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.request.temperature": 0.7,
        "server.address": "api.openai.com",
        "server.port": 443,
        "gen_ai.response.id": f"chatcmpl-{source.randbytes(12).hex()}",
        "gen_ai.response.model": f"{model}-2024-08-06",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": source.randrange(5000),
        "gen_ai.usage.output_tokens": source.randrange(900),
        "gen_ai.usage.cost.amount": source.random() / 100,
        "gen_ai.usage.cost.currency": "USD",
        "gen_ai.usage.cost.source": "local",
        "tenant_id": f"tenant-{source.randrange(50)}",
        "feature": f"feature-{source.randrange(10)}",
        "user.hash": f"{source.randrange(1000):064x}",
        **(failed if source.random() < 0.03 else {}),
    }
