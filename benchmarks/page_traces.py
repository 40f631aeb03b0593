"""The traces that `pages_beside.py` sends to every server: requests in OTLP, built before.

A trace is an agent's: a root, and below it steps with a model call and a tool call each. Attributes
have the names of the OpenTelemetry GenAI conventions and of OpenInference both, so that every
server finds those that it reads: messages, tokens, models of known prices, users, sessions.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from server_load import SPANS, fill

STEP = 3  # Spans: the step, its model call, its tool call.
_MINUTE_NS = 60 * 10**9
_SECOND_NS = 10**9
_OLDEST_NS = int(6.9 * 86_400 * _SECOND_NS)  # Not quite the week that the pages look at.
_MODELS = (
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4.1",
    "gpt-4.1-mini",
    "o3",
    "o4-mini",
    "gpt-5",
    "gpt-5-mini",
)
_TOOLS = ("search_orders", "read_invoice", "track_parcel", "refund")
_QUESTION = "Where is my order? It was to be here on Monday, and the carrier knows nothing of it."
_ANSWER = "It left our house this morning and will be with you on the next working day."


@dataclass(frozen=True)
class Trace:
    """A trace to send: its id in hexadecimal digits, when it began, and how many spans it has."""

    trace_id: str
    start_ns: int
    spans: int


def traces(now_ns: int, count: int, sizes: tuple[int, ...], small: int) -> list[Trace]:
    """The newest of each of `sizes`, in that order, and `count` of `small` spans before them."""
    source = random.Random(1)
    starts = [now_ns - age * _MINUTE_NS for age in (3, 30, 150)[: len(sizes)]]
    starts += [now_ns - source.randrange(180 * _MINUTE_NS, _OLDEST_NS) for _ in range(count)]
    lengths = [*sizes, *(small for _ in range(count))]
    return [
        Trace(source.randbytes(16).hex(), start, spans) for start, spans in zip(starts, lengths)
    ]


def requests(every: list[Trace]) -> list[bytes]:
    """The bodies of the requests that have all spans of these traces."""
    source = random.Random(2)
    bodies, request, scope = [], *_empty()
    for trace in every:
        for fields, attributes in _spans(trace, source):
            fill(scope.spans.add(**fields).attributes, attributes)
            if len(scope.spans) == SPANS:
                bodies.append(request.SerializeToString())
                request, scope = _empty()
    return [*bodies, request.SerializeToString()]


def _empty() -> tuple[ExportTraceServiceRequest, Any]:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    fill(group.resource.attributes, {"service.name": "assistant"})
    scope = group.scope_spans.add()
    scope.scope.name = "benchmark"
    return request, scope


def _spans(trace: Trace, source: random.Random) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Fields and attributes of each span; steps follow each other, a second and a half each."""
    root, steps = source.randbytes(8), (trace.spans - 1) // STEP
    who = {
        "tenant_id": f"tenant-{source.randrange(50)}",
        "feature": f"feature-{source.randrange(10)}",
        "session.id": f"session-{source.randrange(300)}",
        "user.id": f"user-{source.randrange(200)}",
    }

    def span(name: str, span_id: bytes, parent: bytes, at_ms: int, ms: int) -> dict[str, Any]:
        start = trace.start_ns + at_ms * 10**6
        return {
            "trace_id": bytes.fromhex(trace.trace_id),
            "span_id": span_id,
            "parent_span_id": parent,
            "name": name,
            "kind": 1,
            "start_time_unix_nano": start,
            "end_time_unix_nano": start + ms * 10**6,
        }

    yield span("invoke_agent support", root, b"", 0, steps * 1500), {**_agent(), **who}
    for number in range(steps):
        at, step = number * 1500, source.randbytes(8)
        call, tool = _call(source), source.choice(_TOOLS)
        name = f"chat {call['gen_ai.request.model']}"
        chain = {"openinference.span.kind": "CHAIN", **who}
        yield span(f"step {number + 1}", step, root, at, 1500), chain
        yield span(name, source.randbytes(8), step, at, 1000), {**call, **who}
        yield (
            span(f"execute_tool {tool}", source.randbytes(8), step, at + 1000, 450),
            {
                **_tool(tool),
                **who,
            },
        )


def _agent() -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "support",
        "openinference.span.kind": "AGENT",
        "input.value": _QUESTION,
        "output.value": _ANSWER,
    }


def _tool(name: str) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "openinference.span.kind": "TOOL",
        "tool.name": name,
        "input.value": '{"order": 4711}',
        "output.value": '{"state": "on its way"}',
    }


def _call(source: random.Random) -> dict[str, Any]:
    model = source.choice(_MODELS)
    tokens_in, tokens_out = source.randrange(100, 5000), source.randrange(10, 900)
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.usage.input_tokens": tokens_in,
        "gen_ai.usage.output_tokens": tokens_out,
        "gen_ai.input.messages": _message("user", _QUESTION),
        "gen_ai.output.messages": _message("assistant", _ANSWER),
        "openinference.span.kind": "LLM",
        "llm.provider": "openai",
        "llm.system": "openai",
        "llm.model_name": model,
        "llm.token_count.prompt": tokens_in,
        "llm.token_count.completion": tokens_out,
        "llm.token_count.total": tokens_in + tokens_out,
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": _QUESTION,
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": _ANSWER,
    }


def _message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])
