"""Where content leaves: span attributes, the details event, the completion hook."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from opentelemetry._logs import Logger, LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import Span

from llm_otel import semconv
from llm_otel.content import hook
from llm_otel.content.model import Content
from llm_otel.content.policy import Policy


def record(
    policy: Policy,
    span: Span,
    logger: Logger,
    content: Content,
    span_attributes: Mapping[str, Any],
    context: Context,
) -> None:
    """Send one call's content where the policy wants it; call it before the span ends.

    A call that is not sampled goes to the hook only; one without content, such as embeddings, has
    no event where events are for content, and goes to no hook.

    Args:
        policy: Decides where, and redacts and cuts.
        span: The call's span.
        logger: For the details event.
        content: As the builders made it, raw; empty unless `policy.content`.
        span_attributes: The inference span's attributes, which the event repeats.
        context: Holds the span, so that the event is its child.
    """
    if not policy.wants(span) or (policy.content and content == Content()):
        return
    clean_content = policy.clean(content) if policy.content else Content()
    event: LogRecord | None = None
    if span.is_recording():
        needs_attributes = policy.span or policy.event
        attributes = _attributes(policy, clean_content) if needs_attributes else {}
        if policy.span:
            span.set_attributes({key: _json(value) for key, value in attributes.items()})
        if policy.emit:
            content_attributes = attributes if policy.event else {}
            event = _event({**span_attributes, **content_attributes}, context)
    if policy.hook is not None:
        # Before the event is emitted: a hook may put references to its upload on both.
        hook.call(policy.hook, clean_content, span, event)
    if event is not None:
        logger.emit(event)


def _event(attributes: dict[str, Any], context: Context) -> LogRecord:
    return LogRecord(
        timestamp=time.time_ns(),
        context=context,
        severity_number=SeverityNumber.DEBUG,
        event_name=semconv.EVENT_DETAILS,
        attributes=attributes,
    )


def _attributes(policy: Policy, content: Content) -> dict[str, Any]:
    values: dict[str, list[dict[str, object]]] = {
        semconv.SYSTEM_INSTRUCTIONS: content.system,
        semconv.INPUT_MESSAGES: content.inputs,
        semconv.OUTPUT_MESSAGES: content.outputs,
        semconv.TOOL_DEFINITIONS: content.tools,
    }
    return {key: policy.clipped(value) for key, value in values.items() if value}


def _json(value: object) -> str:
    """A string, not structure: SDKs before 1.45 drop span attributes that are dicts."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
