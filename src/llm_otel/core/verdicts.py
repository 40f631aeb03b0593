"""What scores and outcomes share: which span, model, feature and tenant they are about."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry import trace
from opentelemetry._logs import LogRecord
from opentelemetry.context import Context, get_current
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from llm_otel import semconv
from llm_otel.attribution import NOTHING
from llm_otel.attribution import current as current_attribution
from llm_otel.base import arguments

if TYPE_CHECKING:
    from opentelemetry._logs import Logger

# Not empty, as the SDK takes an empty context for "the current one"; holds no span.
_NO_SPAN = Context({"llm_otel.verdict": True})


class Subject(NamedTuple):
    """What a verdict is about.

    Attributes:
        context: Holds the span it is about, if that is known.
        response_id: The provider's id of the answer, if given.
        model, feature, tenant_id: Labels, `none` where not known.
    """

    context: Context
    response_id: str | None
    model: str
    feature: str
    tenant_id: str

    @classmethod
    def of(
        cls,
        call: str,
        *,
        trace_id: str | int | None,
        span_id: str | int | None,
        response_id: str | None,
        model: str | None = None,
        feature: str | None = None,
        tenant_id: str | None = None,
    ) -> Subject:
        """The current span, or, when any id is given, what the ids say.

        Said from elsewhere, the attribution here and now is somebody else's and is not used; nor
        is it where an id is given and wrong.
        """
        trace_number = arguments.identifier(call, "trace_id", trace_id, 32)
        span_number = arguments.identifier(call, "span_id", span_id, 16)
        response = arguments.text(call, "response_id", response_id)
        if not arguments.is_given(trace_id) and span_number is not None:
            arguments.leave_out(call, "span_id", "it needs its trace_id")
        context, here, here_model = get_current(), NOTHING, None
        if trace_number is not None:
            context = _context_of(trace_number, span_number or 0)
        elif any(map(arguments.is_given, (trace_id, span_id, response_id))):
            context = _NO_SPAN
        else:
            here = current_attribution(context)
            here_model = _model_of(trace.get_current_span(context))
        text = arguments.text
        return cls(
            context,
            response,
            text(call, "model", model) or here_model or semconv.NONE,
            text(call, "feature", feature) or here.feature,
            text(call, "tenant_id", tenant_id) or here.tenant_id,
        )

    def emit(self, logger: Logger, event: str, attributes: Mapping[str, Any]) -> None:
        """Emit the event, with what is known of its subject and those attributes that are set."""
        about = {
            semconv.REQUEST_MODEL: self.model,
            semconv.FEATURE: self.feature,
            semconv.TENANT_ID: self.tenant_id,
        }
        known = {name: value for name, value in about.items() if value != semconv.NONE}
        given = {**attributes, semconv.RESPONSE_ID: self.response_id}
        known.update((name, value) for name, value in given.items() if value is not None)
        logger.emit(
            LogRecord(
                timestamp=time.time_ns(),
                context=self.context,
                attributes=known,
                event_name=event,
            )
        )


def _context_of(trace_id: int, span_id: int) -> Context:
    # Sampled, as far as we know: processors that follow the span's sampling must keep the verdict.
    sampled = TraceFlags(TraceFlags.SAMPLED)
    span = NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=True, trace_flags=sampled))
    return trace.set_span_in_context(span, _NO_SPAN)


def _model_of(span: trace.Span) -> str | None:
    """The requested model, where the span shows its attributes (the SDK's does)."""
    attributes = getattr(span, "attributes", None)
    model = attributes.get(semconv.REQUEST_MODEL) if isinstance(attributes, Mapping) else None
    return model if isinstance(model, str) else None
