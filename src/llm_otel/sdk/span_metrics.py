"""The product's metrics, from the spans that other instrumentations make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.trace import NonRecordingSpan, StatusCode

from llm_otel import semconv
from llm_otel.base import fork, guard
from llm_otel.core import peer_spans, runtime, span_calls
from llm_otel.core.runtime import Runtime
from llm_otel.foreign.names.operations import CALLS
from llm_otel.foreign.open_spans import NAMING, is_same_work, request_of
from llm_otel.foreign.reading import Reading, is_silent, reading
from llm_otel.sdk.attribution import AttributionSpanProcessor, is_ours

# Spans that are open at once; beyond, the oldest are forgotten, and after an hour.
_MOST_OPEN: Final = 10_000
_LONGEST_NS: Final = 3_600 * 10**9
_DEEPEST: Final = 64
# How often the old ones are looked for: once in so many spans.
_EVERY: Final = 1024


class _Open:
    """A span that is open.

    Attributes:
        parent: The id of its parent, 0 for none in this process.
        started: When, in ns.
        works: Operations of requests inside, and whether the usage of any is known.
        attribution: What its children have, too, where nothing else says.
    """

    __slots__ = ("attribution", "parent", "started", "works")

    def __init__(self, parent: int, started: int) -> None:
        self.parent = parent
        self.started = started
        self.works: dict[str, bool] | None = None
        self.attribution: Mapping[str, Any] = {}


class SpanMetrics(AttributionSpanProcessor):
    """Counts the calls of which other instrumentations' spans tell, in llm-otel's metrics.

    ```python
    provider = TracerProvider()
    provider.add_span_processor(llm_otel.SpanMetrics())
    ```

    For services on OpenLLMetry, OpenInference, OpenTelemetry's GenAI instrumentations, Logfire,
    Pydantic AI, Langfuse, LangSmith or spans of their own by the conventions. Each request counts
    once: of nested spans of one request the innermost; never a call that `instrument()` sees, which
    may be on in the same process. Spans get the attribution as by `AttributionSpanProcessor`.
    A span that is not sampled is not seen.

    Args:
        meter_provider: Where the metrics go; those of `instrument()`, else the global provider,
            where None.

    Raises:
        ConfigError: A setting in the environment or in `llm-otel.yaml` has a wrong value.
    """

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        self._own: Runtime | None = None
        if meter_provider is not None or runtime.active() is None:
            from llm_otel.settings import Settings

            self._own = runtime.build(Settings.resolve(), meter_provider=meter_provider)
            self._own.pricing.start()
        self._given = meter_provider is not None
        self._open: dict[int, _Open] = {}
        self._starts = 0
        peer_spans.spans_are_counted = True
        # What was begun before a fork is the parent's to count.
        fork.after_in_child(self._after_fork)

    def _after_fork(self) -> None:
        self._open.clear()

    def _runtime(self) -> Runtime:
        """That of `instrument()`, unless a meter provider was given, so that caps are shared."""
        active = runtime.active()
        if self._own is None or (active is not None and not self._given):
            return active or runtime.get()
        return self._own

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Add the attribution, and remember what the span is inside of."""
        attribution: Mapping[str, Any] = {}
        try:
            attribution = self._attribute(span, parent_context)
        except Exception as exc:  # noqa: BLE001
            guard.handle("attribution", exc)
        try:
            parent = span.parent
            is_inside = parent is not None and parent.span_id in self._open
            started = span.start_time or 0
            entry = _Open(parent.span_id if is_inside and parent is not None else 0, started)
            entry.attribution = attribution
            self._open[span.get_span_context().span_id] = entry
            self._starts += 1
            if self._starts % _EVERY == 0 or len(self._open) > _MOST_OPEN:
                self._forget(started)
            attributes = span.attributes if is_inside else None
            if attributes and not NAMING.isdisjoint(attributes):
                operation = request_of(attributes, span.name)
                if operation is not None:
                    self._mark(entry, operation, used=False)
        except Exception as exc:  # noqa: BLE001
            guard.handle("span start", exc)

    def attribution_of(self, span: Span, parent_context: Context | None) -> Mapping[str, Any]:
        """As of the base class, else the parent's by its id: a library may carry no more of it."""
        attributes = super().attribution_of(span, parent_context)
        parent = span.parent
        if not attributes and parent is not None:
            outer = self._open.get(parent.span_id)
            return {} if outer is None else outer.attribution
        return attributes

    def on_end(self, span: ReadableSpan) -> None:
        """Count the call that the span tells of, if it is one and nobody has counted it."""
        try:
            entry = self._open.pop(span.context.span_id, None)
            attributes = span.attributes
            # Most spans are those of something else: nothing more is looked at then.
            if entry is None or not attributes or is_silent(tuple(attributes), span.name):
                return
            if is_ours(span):
                operation = attributes.get(semconv.OPERATION_NAME)
                if operation in CALLS:
                    self._mark(entry, str(operation), used=True)
                return
            failed = span.status.status_code is StatusCode.ERROR
            exception = _exception(span.events) if failed else None
            call = reading(attributes, span.name, failed=failed, exception=exception)
            if call is not None:
                self._count(span, call, entry)
        except Exception as exc:  # noqa: BLE001
            guard.handle("span end", exc)

    def _count(self, span: ReadableSpan, call: Reading, entry: _Open) -> None:
        current = self._runtime()
        works = entry.works or {}
        inner = [used for work, used in works.items() if is_same_work(work, call.operation)]
        attributes = span.attributes or {}
        seconds = call.duration_s
        if seconds is None:
            seconds = max((span.end_time or 0) - (span.start_time or 0), 0) / 1e9
        parent = 0 if span.parent is None else span.parent.span_id
        used = call.is_used
        if inner:
            if used and not any(inner):
                span_calls.count_usage(call, seconds, current)
            used = used or any(inner)
        elif attributes.get(semconv.COUNTED) or peer_spans.was_counted(parent, call.operation):
            used = True
        else:
            context = trace.set_span_in_context(NonRecordingSpan(span.context), Context())
            span_calls.count(call, seconds, context, current)
        self._mark(entry, call.operation, used=used)

    def _mark(self, entry: _Open, operation: str, *, used: bool) -> None:
        """Tell the spans around a request's of it."""
        parent = entry.parent
        for _ in range(_DEEPEST):
            outer = self._open.get(parent)
            if outer is None:
                return
            if outer.works is None:
                outer.works = {}
            outer.works[operation] = used or outer.works.get(operation, False)
            parent = outer.parent

    def _forget(self, now: int) -> None:
        """Forget spans that nobody ends: those of an hour ago, and the oldest of too many."""
        for span_id, entry in list(self._open.items()):
            if len(self._open) <= _MOST_OPEN and now - entry.started < _LONGEST_NS:
                return
            self._open.pop(span_id, None)


def _exception(events: Iterable[Any]) -> str | None:
    for event in events:
        if event.name == "exception":
            kind = (event.attributes or {}).get("exception.type")
            return kind if isinstance(kind, str) else None
    return None
