"""Client libraries' own spans that hold content unless they are asked not to, made private.

Where llm-otel sets the SDK up, such spans leave the process because of it, and what it promises of
its own spans holds for them: no content without opt-in. A program that brings its own tracer
provider gets them as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status

from llm_otel.core import runtime

# First part of a scope's name -> the attributes that hold what was said, or who the user is.
# xai_sdk: chat.py, image.py, video.py; `XAI_SDK_DISABLE_SENSITIVE_TELEMETRY_ATTRIBUTES`
_PRIVATE = {
    "xai_sdk": re.compile(
        r"gen_ai\.(prompt|completion)(\.\d+\..*)?|gen_ai\.response\.\d+\..*"
        r"|gen_ai\.request\.storage\.filename|user_id"
    ),
}
# Of an exception, these quote prompts.
_QUOTING = frozenset({"exception.message", "exception.stacktrace"})


def private(spans: Sequence[ReadableSpan]) -> Sequence[ReadableSpan]:
    """The spans of a batch, without the content that nobody opted in to.

    Args:
        spans: What is to be exported; these objects stay as they are.
    """
    active = runtime.active()
    if active is not None and active.policy.span:
        return spans
    if not any(_pattern(span) for span in spans):
        return spans
    return [_without_content(span) for span in spans]


def _pattern(span: ReadableSpan) -> re.Pattern[str] | None:
    scope = span.instrumentation_scope
    return None if scope is None else _PRIVATE.get(scope.name.partition(".")[0])


def _without_content(span: ReadableSpan) -> ReadableSpan:
    pattern = _pattern(span)
    if pattern is None:
        return span
    attributes = span.attributes or {}
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes={k: v for k, v in attributes.items() if not pattern.fullmatch(k)},
        events=[_quoting_nothing(event) for event in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _quoting_nothing(event: Any) -> Any:
    attributes = event.attributes or {}
    if _QUOTING.isdisjoint(attributes):
        return event
    rest = {name: value for name, value in attributes.items() if name not in _QUOTING}
    return Event(event.name, rest, event.timestamp)
