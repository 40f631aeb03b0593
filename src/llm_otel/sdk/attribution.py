"""The attribution on spans that the program and other libraries make inside a block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from llm_otel import semconv
from llm_otel.attribution import current
from llm_otel.base import guard


class AttributionSpanProcessor(SpanProcessor):
    """Writes the attribution in force on every span of a tracer provider when it starts.

    ```python
    provider = TracerProvider()
    provider.add_span_processor(llm_otel.AttributionSpanProcessor())
    ```

    Spans get what llm-otel's own spans get: tenant, feature, session, conversation, the user id as
    the setting `user_id` allows, and the tags that the setting `tags` lists. An attribute that a
    span is started with stays as it is. The SDK that llm-otel sets up has this processor already.
    """

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Add the attribution of the span's context, else of the block that the code is in."""
        try:
            self._attribute(span, parent_context)
        except Exception as exc:  # noqa: BLE001
            guard.handle("attribution", exc)

    def _attribute(self, span: Span, parent_context: Context | None) -> Mapping[str, Any]:
        attributes = self.attribution_of(span, parent_context)
        if attributes and not is_ours(span):
            present = span.attributes or {}
            span.set_attributes({k: v for k, v in attributes.items() if k not in present})
        return attributes

    def attribution_of(self, span: Span, parent_context: Context | None) -> Mapping[str, Any]:  # noqa: ARG002
        """The attribution of a span that starts, as attributes."""
        # The SDK passes a context only where the program did; one that it kept from elsewhere
        # (a bare `set_span_in_context(span, Context())`) may hold no attribution.
        attributes: Mapping[str, Any] = current(parent_context).span_attributes
        if not attributes and parent_context is not None:
            attributes = current().span_attributes or _of_parent(parent_context)
        return attributes


def _of_parent(context: Context) -> Mapping[str, Any]:
    """What the parent has: a thread that was handed a span and no more has no attribution."""
    parent = trace.get_current_span(context)
    present = getattr(parent, "attributes", None)
    if not present:
        return {}
    return {
        name: value
        for name, value in present.items()
        if name in _ATTRIBUTION or name.startswith(semconv.TAG_PREFIX)
    }


# The attributes that say for whom the work is done.
_ATTRIBUTION = frozenset(
    {
        semconv.TENANT_ID, semconv.FEATURE, semconv.USER_ID, semconv.USER_HASH,
        semconv.SESSION_ID, semconv.CONVERSATION_ID,
    }
)  # fmt: skip


def is_ours(span: ReadableSpan) -> bool:
    """Whether llm-otel made the span, and so writes the attribution itself."""
    scope = span.instrumentation_scope
    return scope is not None and scope.name == semconv.SCOPE


def attach(tracer_provider: Any) -> None:
    """Have an SDK's provider write the attribution; nothing for a provider that is no SDK's."""
    if hasattr(tracer_provider, "add_span_processor"):
        tracer_provider.add_span_processor(AttributionSpanProcessor())
