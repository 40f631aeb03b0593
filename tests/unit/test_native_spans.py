"""SDKs' own spans that hold content leave our export without it, unless somebody opted in."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

from llm_otel.sdk.exporting import Outage, QuietSpanExporter

OURS = {"gen_ai.input.messages": "[...]", "user_id": "u1"}
PRIVATE = {
    "gen_ai.prompt": "A cat",
    "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": "secret",
    "gen_ai.completion.0.content": "secret",
    "gen_ai.completion.0.tool_calls": "secret",
    "gen_ai.response.0.image.base64": "secret",
    "gen_ai.request.storage.filename": "secret",
    "user_id": "u1",
}
KEPT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.completion.start_time": "2027-01-15T08:00:00",
    "gen_ai.response.id": "c1",
    "gen_ai.response.image.format": "url",
    "gen_ai.usage.input_tokens": 7,
    "tenant_id": "acme",
}


def exported(scope: str, attributes: dict[str, Any]) -> ReadableSpan:
    """What an exporter of ours gets of a failed span."""
    memory, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    outage = Outage()
    provider.add_span_processor(SimpleSpanProcessor(QuietSpanExporter(memory, "spans", outage)))
    with provider.get_tracer(scope).start_as_current_span("chat.sample grok-4.3") as span:
        span.set_attributes(attributes)
        span.record_exception(ValueError("secret"))
        span.set_status(Status(StatusCode.ERROR, "secret"))
        span.add_event("mine", {"a": 1})
    (finished,) = memory.get_finished_spans()
    return finished


@pytest.mark.parametrize("mode", ["no_content", "event_only"])
def test_without_opt_in(instrumented: Any, mode: str) -> None:
    """Names, counts and ids stay; so do the times, the error and what others added."""
    instrumented(capture_content=mode)
    span = exported("xai_sdk.sync.chat", {**PRIVATE, **KEPT})
    assert dict(span.attributes or {}) == KEPT
    assert span.status.status_code is StatusCode.ERROR
    assert "secret" not in span.to_json()
    assert [event.name for event in span.events] == ["exception", "mine"]
    assert (span.events[0].attributes or {})["exception.type"] == "ValueError"
    assert span.context.is_valid


def test_before_anything_is_instrumented() -> None:
    """It is private from the first span on."""
    assert "secret" not in exported("xai_sdk.aio.chat", {**PRIVATE, **KEPT}).to_json()


def test_with_opt_in(instrumented: Any) -> None:
    """Who captures content on spans gets that of the SDK's spans, too."""
    instrumented(capture_content="span_only")
    span = exported("xai_sdk.sync.image", {**PRIVATE, **KEPT})
    assert dict(span.attributes or {}) == {**PRIVATE, **KEPT}


@pytest.mark.parametrize("scope", ["llm_otel", "my.app", "xai_sdk_of_mine"])
def test_spans_of_others(instrumented: Any, scope: str) -> None:
    """They are the program's business."""
    instrumented()
    assert dict(exported(scope, {**PRIVATE, **OURS}).attributes or {}) == {**PRIVATE, **OURS}
