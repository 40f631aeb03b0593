"""The attribution on spans that the program and other libraries make inside a block."""

from __future__ import annotations

from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

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
            # The SDK passes a context only where the program did; one that it kept from elsewhere
            # (a bare `set_span_in_context(span, Context())`) may hold no attribution.
            attributes = current(parent_context).span_attributes
            if not attributes and parent_context is not None:
                attributes = current().span_attributes
            if attributes and not _is_ours(span):
                present = span.attributes or {}
                span.set_attributes({k: v for k, v in attributes.items() if k not in present})
        except Exception as exc:  # noqa: BLE001
            guard.handle("attribution", exc)


def _is_ours(span: Span) -> bool:
    """Whether llm-otel made the span, and so writes the attribution itself."""
    scope = span.instrumentation_scope
    return scope is not None and scope.name == semconv.SCOPE


def attach(tracer_provider: Any) -> None:
    """Have an SDK's provider write the attribution; nothing for a provider that is no SDK's."""
    if hasattr(tracer_provider, "add_span_processor"):
        tracer_provider.add_span_processor(AttributionSpanProcessor())
