"""What other instrumentations send through the shipped Collector: facts pass, the rest does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from stack.catchers import wait_for
from stack.collector_rig import Collector, Metrics, Traces
from stack.parts import fetch

from llm_otel import semconv
from llm_otel.foreign.errors import BY_STATUS, BY_WORD, error_class
from llm_otel.foreign.names import OLDER
from llm_otel.stack.canary.values import Marks, values
from llm_otel.stack.collector.allowed import SPAN

SECRET: Final = "the patient said xyzzy"
COUNTS: Final = {semconv.USAGE_INPUT_TOKENS: 120, semconv.USAGE_OUTPUT_TOKENS: 30}

# Spans of one chat call each: what is sent, and what has to come out.
VOCABULARIES: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "OpenLLMetry": (
        {
            "gen_ai.system": "OpenAI",
            "llm.request.type": "chat",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.prompt_tokens": 120,
            "gen_ai.usage.completion_tokens": 30,
            "llm.usage.total_tokens": 150,
            "llm.is_streaming": False,
            "gen_ai.prompt.0.content": SECRET,
            "gen_ai.completion.0.content": SECRET,
            "gen_ai.completion.0.finish_reason": "stop",
            "traceloop.entity.input": SECRET,
            "traceloop.association.properties.tenant_id": "acme",
            "traceloop.association.properties.note": SECRET,
        },
        {
            semconv.PROVIDER_NAME: "openai",
            semconv.OPERATION_NAME: "chat",
            semconv.REQUEST_MODEL: "gpt-4o",
            semconv.REQUEST_STREAM: False,
            semconv.TENANT_ID: "acme",
            **COUNTS,
        },
    ),
    "OpenInference": (
        {
            "openinference.span.kind": "LLM",
            "llm.provider": "mistralai",
            "llm.model_name": "mistral-large-2407",
            "llm.token_count.prompt": 120,
            "llm.token_count.completion": 30,
            "llm.token_count.prompt_details.cache_read": 20,
            "llm.cost.total": 0.00125,
            "llm.input_messages.0.message.content": SECRET,
            "llm.output_messages.0.message.content": SECRET,
            "input.value": SECRET,
            "output.value": SECRET,
            "metadata": SECRET,
        },
        {
            semconv.PROVIDER_NAME: "mistral_ai",
            semconv.OPERATION_NAME: "chat",
            semconv.REQUEST_MODEL: "mistral-large-2407",
            semconv.USAGE_CACHE_READ: 20,
            semconv.COST_AMOUNT: 0.00125,
            **COUNTS,
        },
    ),
    "OpenLIT": (
        {
            "gen_ai.system": "az.ai.openai",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.request.is_stream": True,
            "gen_ai.usage.input_tokens": 120,
            "gen_ai.usage.output_tokens": 30,
            "gen_ai.usage.cost": "0.00125",
            "gen_ai.server.ttft": 0.4,
            "gen_ai.content.prompt": SECRET,
            "gen_ai.input.messages": SECRET,
        },
        {
            semconv.PROVIDER_NAME: "azure.ai.openai",
            semconv.OPERATION_NAME: "chat",
            semconv.REQUEST_MODEL: "gpt-4o-mini",
            semconv.REQUEST_STREAM: True,
            semconv.COST_AMOUNT: 0.00125,
            semconv.RESPONSE_TIME_TO_FIRST_CHUNK: 0.4,
            **COUNTS,
        },
    ),
    "numbers as text, one reason, and what is no model's name": (
        {
            "gen_ai.system": SECRET,
            "llm.request.model": SECRET,
            "llm.response.model": "gpt-4o-2024-08-06",
            "llm.usage.prompt_tokens": "120",
            "llm.usage.completion_tokens": "30",
            "gen_ai.response.finish_reason": "STOP",
            "llm.request.type": {"deep": SECRET},
            "llm.user": "ada",
            "llm.cost.total": SECRET,
        },
        {
            semconv.RESPONSE_MODEL: "gpt-4o-2024-08-06",
            semconv.RESPONSE_FINISH_REASONS: ["stop"],
            **COUNTS,
        },
    ),
    "today's names win": (
        {
            "gen_ai.provider.name": "anthropic",
            "gen_ai.system": "openai",
            "gen_ai.usage.input_tokens": 120,
            "gen_ai.usage.prompt_tokens": 7,
            "gen_ai.usage.output_tokens": 30,
        },
        {semconv.PROVIDER_NAME: "anthropic", **COUNTS},
    ),
}


def any_value(value: Any) -> AnyValue:
    """A value as OTLP has it."""
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, dict):
        made = AnyValue()
        made.kvlist_value.values.extend(pairs(value))
        return made
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[any_value(each) for each in value]))
    return AnyValue(string_value=value)


def pairs(attributes: dict[str, Any]) -> list[KeyValue]:
    """Attributes as OTLP has them."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def plain(value: AnyValue) -> Any:
    """A value as Python has it."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(each) for each in value.array_value.values]
    return getattr(value, kind)


@dataclass
class Rig:
    """A Collector and what is behind it."""

    collector: Collector
    traces: Traces
    metrics: Metrics

    def span(self, attributes: dict[str, Any], number: int) -> dict[str, Any]:
        """The attributes with which a span comes out."""
        request = ExportTraceServiceRequest()
        scope = request.resource_spans.add().scope_spans.add()
        identity = number.to_bytes(8, "big")
        scope.spans.add(
            trace_id=identity * 2, span_id=identity, name="openai.chat",
            start_time_unix_nano=time.time_ns() - 10**9, end_time_unix_nano=time.time_ns(),
            attributes=pairs(attributes),
        )  # fmt: skip
        send(self.collector, "traces", request)

        def arrived() -> Any:
            return [each for each in self.traces.spans() if each.span_id == identity]

        (span,) = wait_for(arrived, f"span {number}")
        return {each.key: plain(each.value) for each in span.attributes}


def send(collector: Collector, signal: str, request: Any) -> None:
    headers = {"Content-Type": "application/x-protobuf"}
    fetch(f"{collector.http}/v1/{signal}", request.SerializeToString(), headers)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The shipped configuration."""
    traces = Traces()
    with (
        Metrics() as metrics,
        Collector(
            tmp_path_factory.mktemp("foreign"),
            tempo=f"127.0.0.1:{traces.port}",
            prometheus=metrics.endpoint,
        ) as collector,
    ):
        yield Rig(collector, traces, metrics)
    traces.stop()


@pytest.mark.parametrize("name", VOCABULARIES)
def test_facts_arrive_under_todays_names_and_nothing_else(rig: Rig, name: str) -> None:
    """Model, provider, tokens, operation, cost; no content, no user, no value without its form."""
    sent, wanted = VOCABULARIES[name]
    assert rig.span(sent, 1 + list(VOCABULARIES).index(name)) == wanted
    assert not any(b"xyzzy" in body for body in rig.traces.requests)


def test_every_older_name_of_what_is_allowed_is_known(rig: Rig) -> None:
    """Each name of the table that the lake reads, alone in a span."""
    samples = {
        "text": "word", "texts": "stop", "count": 12, "number": 0.5, "flag": True, "value": "word",
    }  # fmt: skip
    lost = {}
    for number, (older, today) in enumerate(OLDER.items(), 100):
        if today not in SPAN:
            continue
        value = "USD" if today == semconv.COST_CURRENCY else samples[SPAN[today].kind]
        came = rig.span({older: value}, number)
        if today not in came and older not in SPAN:
            lost[older] = came
    assert not lost


def test_no_canary_passes_under_a_name_of_others(rig: Rig) -> None:
    """Sentences, JSON, base64, maps and lists, under every name that is read, and content's."""
    marks, indices = Marks("481516"), count(1)
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    private = ("gen_ai.prompt.0.content", "llm.input_messages.0.message.content", "llm.prompts")
    for key in (*OLDER, *private):
        for index, _, value in values("wrong", marks, indices):
            identity = (10_000 + index).to_bytes(8, "big")
            scope.spans.add(
                trace_id=identity * 2, span_id=identity, name="llm",
                attributes=[KeyValue(key=key, value=value)],
            )  # fmt: skip
    send(rig.collector, "traces", request)
    last = scope.spans[-1].span_id
    wait_for(lambda: any(span.span_id == last for span in rig.traces.spans()), "the last span")
    leaked = set().union(*(marks.found(body) for body in list(rig.traces.requests)))
    assert marks.found(request.SerializeToString()) >= {1, len(scope.spans)}
    assert leaked == set()


def errors(*types: tuple[str, float]) -> ExportMetricsServiceRequest:
    """`gen_ai.errors` as a program's own: its `error_type`s and how often each came."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.extend(pairs({"service.name": "own"}))
    metric = resource.scope_metrics.add().metrics.add(name="gen_ai.errors", unit="{error}")
    metric.sum.aggregation_temporality, metric.sum.is_monotonic = 2, True
    now = time.time_ns()
    for error_type, times in types:
        metric.sum.data_points.add(
            start_time_unix_nano=now - 10**10, time_unix_nano=now, as_double=times,
            attributes=pairs({"model": "gpt-4o", "error_type": error_type}),
        )  # fmt: skip
    return request


def test_the_names_of_errors_become_classes_as_in_the_lake(rig: Rig) -> None:
    """Exceptions of SDKs, codes and statuses; what then has the same labels is added up."""
    names = [
        "openai.RateLimitError", "anthropic.RateLimitError", "openai.APITimeoutError",
        "openai.APIConnectionError", "openai.AuthenticationError", "anthropic.OverloadedError",
        "google.api_core.exceptions.ResourceExhausted", "asyncio.CancelledError", "ValueError",
        "context_length_exceeded", "rate_limit", "not_found", "other", "418", "503",
        "openai.InternalServerError", "UnprocessableEntityError",
        *(f"Some{word.title()}Error" for word, _ in BY_WORD), *map(str, BY_STATUS),
    ]  # fmt: skip
    wanted: dict[str, float] = {}
    for number, name in enumerate(names):
        kind = name if name in semconv.ERROR_CLASSES else error_class(name)
        wanted[kind] = wanted.get(kind, 0) + number + 1
    send(rig.collector, "metrics", errors(*((n, k + 1.0) for k, n in enumerate(names))))
    body = wait_for(
        lambda: next((b for b in rig.metrics.bodies if b"gen_ai.errors" in b), None), "the metric"
    )
    metric = (
        ExportMetricsServiceRequest.FromString(body).resource_metrics[0].scope_metrics[0].metrics[0]
    )
    points = [
        ({each.key: plain(each.value) for each in point.attributes}, point.as_double)
        for point in metric.sum.data_points
    ]
    assert {attributes["error_type"]: value for attributes, value in points} == wanted
    assert len(points) == len(wanted)
    assert metric.sum.is_monotonic
    assert not metric.metadata
