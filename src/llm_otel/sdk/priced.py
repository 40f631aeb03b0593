"""The cost on spans that other instrumentations make, when they are exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode

from llm_otel import semconv
from llm_otel.base import guard
from llm_otel.core import runtime, span_calls
from llm_otel.foreign.open_spans import is_same_work
from llm_otel.foreign.reading import Reading, reading
from llm_otel.sdk.attribution import is_ours

# How long an export waits for the price table, once (s).
_PATIENCE: Final = 5.0
_DEEPEST: Final = 64


def priced(exporter: SpanExporter) -> SpanExporter:
    """Have an exporter send what each call cost, on the spans of other instrumentations.

    ```python
    exporter = llm_otel.priced(OTLPSpanExporter())
    provider.add_span_processor(BatchSpanProcessor(exporter))
    ```

    The span of a call that tells its model and its tokens gets `gen_ai.usage.cost.amount`,
    `.currency` and `.source`, or `llm_otel.cost.status` where the cost is not known. A span that
    has a cost by these names stays as it is, as do those of llm-otel. Of nested spans of one
    request in one batch the innermost has the cost. The prices are those of `instrument()`, else
    the list's.

    Args:
        exporter: Sends the spans; it gets copies.

    Returns:
        An exporter to use in its place.
    """
    return _PricedExporter(exporter)


class _PricedExporter(SpanExporter):
    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._waited = False
        runtime.get().pricing.start()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export the spans, with the cost where it is known."""
        try:
            spans = self._with_cost(spans)
        except Exception as exc:  # noqa: BLE001
            guard.handle("price spans", exc)
        return self._exporter.export(spans)

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the exporter."""
        return self._exporter.force_flush(timeout_millis)

    def _with_cost(self, spans: Sequence[ReadableSpan]) -> Sequence[ReadableSpan]:
        calls = {span.context.span_id: call for span in spans if (call := _told(span)) is not None}
        for span in spans:
            call = calls.get(span.context.span_id)
            if call is not None:
                _drop_outer(span, call.operation, calls, spans)
        if not calls:
            return spans
        pricing = runtime.get().pricing
        if not self._waited:
            self._waited = pricing.wait(_PATIENCE)
        return [
            with_attributes(span, _cost(calls[span.context.span_id], span))
            if span.context.span_id in calls
            else span
            for span in spans
        ]


def _told(span: ReadableSpan) -> Reading | None:
    attributes = span.attributes or {}
    if is_ours(span) or not _COST.isdisjoint(attributes):
        return None
    failed = span.status.status_code is StatusCode.ERROR
    call = reading(attributes, span.name, failed=failed)
    return call if call is not None and call.is_used else None


_COST: Final = frozenset({semconv.COST_AMOUNT, semconv.COST_STATUS})


def _drop_outer(
    span: ReadableSpan,
    operation: str,
    calls: dict[int, Reading],
    spans: Sequence[ReadableSpan],
) -> None:
    """Leave out the spans of the same request around one."""
    parents = {each.context.span_id: each.parent.span_id for each in spans if each.parent}
    above = parents.get(span.context.span_id)
    for _ in range(_DEEPEST):
        if above is None:
            return
        outer = calls.get(above)
        if outer is not None and is_same_work(outer.operation, operation):
            calls.pop(above)
        above = parents.get(above)


def _cost(call: Reading, span: ReadableSpan) -> dict[str, Any]:
    usage = span_calls.usage_of(call)
    seconds = max((span.end_time or 0) - (span.start_time or 0), 0) / 1e9
    cost = None
    if usage is not None:
        cost = span_calls.cost_of(call, usage, seconds, runtime.get().pricing)
    if cost is None:
        return {semconv.COST_STATUS: semconv.COST_UNPRICED}
    from_sender = cost.source == semconv.COST_FROM_PROVIDER
    attributes: dict[str, Any] = {
        semconv.COST_AMOUNT: cost.total,
        semconv.COST_CURRENCY: "USD",
        semconv.COST_SOURCE: semconv.COST_FROM_PROVIDER if from_sender else "local",
    }
    if cost.incomplete:
        attributes[semconv.COST_STATUS] = semconv.COST_INCOMPLETE
    return attributes


def with_attributes(span: ReadableSpan, more: Mapping[str, Any]) -> ReadableSpan:
    """A copy of a span that has ended, with further attributes."""
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes={**(span.attributes or {}), **more},
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
