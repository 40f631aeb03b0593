"""Where content goes: span, event or nowhere, as an SDK with in-memory exporters sees it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai_content import request_content, response_content
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from llm_otel import semconv
from llm_otel.content.emit import record
from llm_otel.content.model import Content
from llm_otel.content.policy import Policy

MESSAGES = [{"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]}]
ANSWER = [
    {
        "role": "assistant",
        "parts": [{"type": "text", "content": "Rain."}],
        "finish_reason": "stop",
    }
]
TOOLS = [{"type": "function", "name": "weather"}]
SYSTEM = [{"type": "text", "content": "Be brief."}]
EVERYTHING = {
    semconv.INPUT_MESSAGES: MESSAGES,
    semconv.OUTPUT_MESSAGES: ANSWER,
    semconv.TOOL_DEFINITIONS: TOOLS,
    semconv.SYSTEM_INSTRUCTIONS: SYSTEM,
}


class Telemetry:
    """An SDK; `record()` runs one call's content through it."""

    def __init__(self, sampled: bool = True) -> None:
        self._spans = InMemorySpanExporter()
        self._logs = InMemoryLogRecordExporter()
        self._tracers = TracerProvider(sampler=ALWAYS_ON if sampled else ALWAYS_OFF)
        self._tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        loggers = LoggerProvider()
        loggers.add_log_record_processor(SimpleLogRecordProcessor(self._logs))
        self._logger = loggers.get_logger("test")

    def record(self, policy: Policy, content: Content) -> None:
        span = self._tracers.get_tracer("test").start_span("chat m")
        attributes = {semconv.REQUEST_MODEL: "m"}
        span.set_attributes(attributes)
        context = trace.set_span_in_context(span)
        record(policy, span, self._logger, content, attributes, context)
        span.end()

    @property
    def span(self) -> dict[str, Any]:
        return dict(self.spans[0].attributes or {})

    @property
    def spans(self) -> Any:
        return self._spans.get_finished_spans()

    @property
    def logs(self) -> Any:
        return self._logs.get_finished_logs()


def listed(value: Any) -> Any:
    """SDKs store structure as tuples and mappings of their own."""
    if isinstance(value, (list, tuple)):
        return [listed(entry) for entry in value]
    if hasattr(value, "items"):
        return {key: listed(entry) for key, entry in value.items()}
    return value


def everything() -> Content:
    return Content(inputs=MESSAGES, outputs=ANSWER, system=SYSTEM, tools=TOOLS)


class TestModes:
    def test_off(self) -> None:
        """By default nothing of the content reaches a span or an event."""
        telemetry = Telemetry()
        telemetry.record(Policy("NO_CONTENT", 1000), everything())
        assert telemetry.span == {semconv.REQUEST_MODEL: "m"}
        assert telemetry.logs == ()

    def test_on_spans_as_json(self) -> None:
        """Spans carry JSON strings, which every version of the SDK exports."""
        telemetry = Telemetry()
        telemetry.record(Policy("SPAN_ONLY", 1000), everything())
        found = telemetry.span
        assert {key: json.loads(found[key]) for key in EVERYTHING} == EVERYTHING
        assert telemetry.logs == ()

    def test_on_events_as_structure(self) -> None:
        """Events carry structure, the span's attributes, and the span's identity."""
        telemetry = Telemetry()
        telemetry.record(Policy("EVENT_ONLY", 1000), everything())
        assert telemetry.span == {semconv.REQUEST_MODEL: "m"}
        [log] = [entry.log_record for entry in telemetry.logs]
        assert log.event_name == "gen_ai.client.inference.operation.details"
        assert log.severity_number == SeverityNumber.DEBUG
        assert log.span_id == telemetry.spans[0].context.span_id
        assert listed(log.attributes) == {semconv.REQUEST_MODEL: "m", **EVERYTHING}

    def test_on_both(self) -> None:
        """The fourth mode does both."""
        telemetry = Telemetry()
        telemetry.record(Policy("SPAN_AND_EVENT", 1000), everything())
        assert EVERYTHING.keys() <= telemetry.span.keys()
        assert EVERYTHING.keys() <= telemetry.logs[0].log_record.attributes.keys()

    def test_event_alone(self) -> None:
        """The event can be asked for without content: then it repeats the span only."""
        telemetry = Telemetry()
        telemetry.record(Policy("NO_CONTENT", 1000, emit_event=True), everything())
        assert telemetry.logs[0].log_record.attributes == {semconv.REQUEST_MODEL: "m"}

    def test_call_without_content_has_no_event(self) -> None:
        """Embeddings, which have no content by the conventions, make no empty event."""
        telemetry = Telemetry()
        telemetry.record(Policy("SPAN_AND_EVENT", 1000), Content())
        assert telemetry.logs == ()

    def test_empty_content_sets_no_attributes(self) -> None:
        """What a call does not have is not recorded as an empty list."""
        telemetry = Telemetry()
        telemetry.record(Policy("SPAN_ONLY", 1000), Content(inputs=MESSAGES))
        assert telemetry.span.keys() == {semconv.REQUEST_MODEL, semconv.INPUT_MESSAGES}

    def test_redacted_and_cut(self) -> None:
        """What is recorded has been through the redact function and the length limit."""
        telemetry = Telemetry()
        policy = Policy("SPAN_ONLY", 14, lambda text: text.replace("Paris", "***"))
        telemetry.record(policy, Content(inputs=MESSAGES))
        assert json.loads(telemetry.span[semconv.INPUT_MESSAGES])[0]["parts"] == [
            {"type": "text", "content": "Weather in ***…[truncated 1 chars]"}
        ]


def test_unsampled_span_costs_no_content_work() -> None:
    """A span that is not sampled neither reads content nor emits an event."""
    telemetry = Telemetry(sampled=False)
    calls: list[str] = []

    def redact(text: str) -> str:
        calls.append(text)
        return text

    telemetry.record(Policy("SPAN_AND_EVENT", 1000, redact), everything())
    assert (calls, telemetry.logs) == ([], ())


@pytest.mark.parametrize(
    "arguments",
    ["\ud800", '{"a": "\ud800", "n": 1e999, "i": 99999999999999999999}',
     {"a": {"b": [None, 1, "x"]}}, "{\"a\":" * 200 + "1" + "}" * 200, b"bytes"],
)  # fmt: skip
def test_hostile_values_survive_export(arguments: Any) -> None:
    """Spans and events of hostile content are encoded to OTLP and read back."""
    call = {"id": "c", "function": {"name": "f", "arguments": arguments}}
    body = {"messages": [{"role": "assistant", "tool_calls": [call]}]}
    content = request_content("chat", body)
    content.outputs = response_content("chat", {"choices": [{"message": body["messages"][0]}]})
    telemetry = Telemetry()
    telemetry.record(Policy("SPAN_AND_EVENT", 1000), content)
    json.loads(telemetry.span[semconv.INPUT_MESSAGES])
    assert encode_spans(telemetry.spans).SerializeToString()
    sent = ExportLogsServiceRequest.FromString(encode_logs(telemetry.logs).SerializeToString())
    [log] = sent.resource_logs[0].scope_logs[0].log_records
    assert {semconv.INPUT_MESSAGES, semconv.OUTPUT_MESSAGES} <= {a.key for a in log.attributes}
