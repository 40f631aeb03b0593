"""One call's life: begin, chunks, finish exactly once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode

from llm_otel import semconv
from llm_otel.attribution import current
from llm_otel.core import (
    billing,
    content,
    describe,
    extract,
    family_b,
    folds,
    guard,
    headroom,
    read,
    server,
)
from llm_otel.core.errors import Failure
from llm_otel.core.estimate import Characters
from llm_otel.core.extract import Answer

if TYPE_CHECKING:
    from llm_otel.clients.spec import Endpoint
    from llm_otel.core.folds import Fold
    from llm_otel.core.instruments import Series
    from llm_otel.core.runtime import Runtime
    from llm_otel.core.server import Server
    from llm_otel.pricing import Cost
    from llm_otel.usage import Usage


class Observer(Protocol):
    """Sees the chunks of a stream."""

    def add(self, chunk: Any) -> None:
        """One chunk, in order."""


class Call:
    """One request to a provider, from before it is sent to after its answer was read.

    Args:
        runtime: Where to emit.
        endpoint: What is where in its bodies.
        host: Who answers.
        body: The JSON body as the SDK sends it; read, never changed.
        extra: The SDK's `extra_body`, which overrides the body.
        context: The caller's OpenTelemetry context.
        streaming: The answer comes in chunks.
        own_span: False when an outer instrumentation already has a span for this call.
    """

    __slots__ = (
        "__weakref__",
        "_once",
        "accumulator",
        "attribution",
        "body",
        "characters",
        "context",
        "endpoint",
        "epoch",
        "first_chunk_at",
        "fold",
        "model",
        "own_span",
        "reading",
        "recording",
        "request_id",
        "response",
        "retries",
        "runtime",
        "series",
        "server",
        "span",
        "started",
        "streaming",
    )

    def __init__(
        self,
        runtime: Runtime,
        endpoint: Endpoint,
        host: Server,
        body: Mapping[str, object],
        extra: object,
        context: Context,
        streaming: bool,
        own_span: bool,
    ) -> None:
        self.runtime = runtime
        self.endpoint = endpoint
        self.server = host
        self.body = body
        self.streaming = streaming
        self.own_span = own_span
        self.model = server.request_model(body, extra)
        self.attribution = current(context)
        self.series = runtime.instruments.series(
            self.model,
            host.provider,
            endpoint.operation,
            self.attribution.feature,
            self.attribution.tenant_id,
        )
        self.epoch = runtime.instruments.epoch
        self.response: Any = None
        self.retries = 0
        self.request_id: str | None = None
        self.first_chunk_at: float | None = None
        self.reading = False
        self.fold: Fold | None = None
        self.accumulator: Any = None
        self.characters: Characters | None = None
        self._once = [True]
        self.span = self._start_span(context) if own_span else trace.get_current_span(context)
        self.recording = own_span and self.span.is_recording()
        self.context = trace.set_span_in_context(self.span, context) if own_span else context
        if self.recording:
            self._describe_request()
        runtime.instruments.begun(self.series)
        self.started = perf_counter()

    # ------------------------------------------------------------------ begin
    def _start_span(self, context: Context) -> trace.Span:
        operation = self.endpoint.operation
        name = operation if self.model == semconv.NONE else f"{operation} {self.model}"
        return self.runtime.tracer.start_span(
            name, context, SpanKind.CLIENT, self.start_attributes()
        )

    def start_attributes(self) -> dict[str, Any]:
        """What samplers may look at."""
        host = self.server
        attributes: dict[str, Any] = {
            semconv.OPERATION_NAME: self.endpoint.operation,
            semconv.PROVIDER_NAME: host.provider,
        }
        if self.model != semconv.NONE:
            attributes[semconv.REQUEST_MODEL] = self.model
        if host.host is not None:
            attributes[semconv.SERVER_ADDRESS] = host.host
            if host.port is not None:
                attributes[semconv.SERVER_PORT] = host.port
        return attributes

    def _describe_request(self) -> None:
        # Guarded by itself: the span is open by now.
        try:
            self.span.set_attributes(self.request_attributes())
        except Exception as problem:  # noqa: BLE001
            guard.handle("describe request", problem)

    def request_attributes(self) -> dict[str, Any]:
        """What the request and the attribution tell."""
        attributes = extract.request_attributes(self.body, self.endpoint)
        attributes.update(self.attribution.span_attributes)
        if self.streaming:
            attributes[semconv.REQUEST_STREAM] = True
        if self.server.provider == "azure.ai.openai":
            attributes[semconv.AZURE_NAMESPACE] = "Microsoft.CognitiveServices"
        return attributes

    def received(self, response: Any, retries: int) -> None:
        """The HTTP response is there (its body may not be): keep what its headers tell."""
        self.response = response
        self.retries = retries

    def watch(self) -> tuple[Observer, ...]:
        """Begin to fold a stream's chunks; returns who else wants to see them."""
        self.fold = folds.new(self.endpoint)
        settings = self.runtime.settings
        if self.runtime.policy.active:
            self.accumulator = content.accumulator(self.endpoint.kind)
        if settings.estimate_usage and self.endpoint.stream == "choices":
            self.characters = Characters()
        timer = family_b.ChunkTimer(self) if settings.per_chunk_metric else None
        return tuple(x for x in (self.accumulator, self.characters, timer) if x is not None)

    # ------------------------------------------------------------------ ends
    def returned(self, result: object) -> None:
        """The whole answer is there."""
        if self._claim():
            self._end(lambda: extract.answer(result, self.endpoint), result=result)

    def drained(self) -> None:
        """The stream came to its end, or to a place where it tells no more."""
        if self._claim():
            self._end(self._folded)

    def left(self) -> None:
        """The caller left the stream early: no error, no success."""
        if self._claim():
            self._end(self._cut_short)

    def failed(self, exc: BaseException) -> None:
        """The call ended in an exception, which goes on to the caller unchanged."""
        if not self._claim():
            return
        if isinstance(exc, GeneratorExit):
            self._end(self._cut_short)
        else:
            self._end(lambda: self._billed_in_spite_of(exc), exc=exc)

    def _claim(self) -> bool:
        """True for one of all the threads and hooks that see the call end."""
        try:
            return self._once.pop()
        except IndexError:
            return False

    def _folded(self) -> Answer:
        return self.fold.answer() if self.fold is not None else Answer()

    def _cut_short(self) -> Answer:
        answer = self._folded()
        if self.fold is None or not self.fold.ended:
            answer.finish_reasons = [semconv.CANCELLED]
        return answer

    def _billed_in_spite_of(self, exc: BaseException) -> Answer:
        """What a failed call used: a stream's chunks so far, or the body that the SDK could not
        parse into what the caller asked for (too long, filtered, not valid)."""
        if self.response is None:
            self.response = read.get(exc, "response")
        if self.fold is not None:
            return self._folded()
        completion = read.get(exc, "completion")
        if completion is not None:
            return extract.answer(completion, self.endpoint)
        return extract.answer(_json_body(self.response), self.endpoint)

    # ------------------------------------------------------------------ emit
    def _end(
        self,
        tell: Callable[[], Answer],
        *,
        exc: BaseException | None = None,
        result: object = None,
    ) -> None:
        """Emit everything, once. The parts are guarded by themselves: one that fails must not
        leave the span open.

        Args:
            tell: Gives what the answer told.
            exc: What the call ended in.
            result: What the caller gets, for the content.
        """
        seconds = perf_counter() - self.started
        instruments = self.runtime.instruments
        if instruments.epoch != self.epoch:
            return  # begun before a fork: the parent will tell
        answer, failure = _told(tell, exc)
        first_chunk = None
        if self.first_chunk_at is not None:
            first_chunk = self.first_chunk_at - self.started
        cost: Cost | None = None
        try:
            instruments.later(instruments.ended, self.series, seconds, failure.kind, self.context)
            if first_chunk is not None:
                instruments.later(instruments.first_chunk, self.series, first_chunk)
            self._read_headers()
        except Exception as problem:  # noqa: BLE001
            guard.handle("measure", problem)
        try:
            cost = self._count(answer, seconds, failure)
        except Exception as problem:  # noqa: BLE001
            guard.handle("count", problem)
        if self.own_span:
            try:
                family_b.measure(self, answer, seconds, first_chunk, failure.type)
                self._describe(answer, cost, failure, first_chunk, result)
            except Exception as problem:  # noqa: BLE001
                guard.handle("describe", problem)
            self.span.end()
        self.response = None

    def _count(self, answer: Answer, seconds: float, failure: Failure) -> Cost | None:
        """Tokens and cost into the metrics; the cost if it is known by now."""
        instruments = self.runtime.instruments
        used, series = self._countable(answer)
        if used is None:
            if self.endpoint.billed and failure.kind is None and not answer.background:
                instruments.later(instruments.unknown_usage, self.series)
            return None
        instruments.later(instruments.used, series, used)
        return billing.bill(self, answer, used, series, seconds)

    def _countable(self, answer: Answer) -> tuple[Usage | None, Series]:
        """The usage to count now, and whose it is. What goes on in the background is told with
        every poll and counted once, for who began it."""
        if not (self.endpoint.polled or answer.background):
            if answer.usage is None and self.characters is not None:
                answer.usage = self.characters.usage(self.body)
                answer.usage_source = semconv.USAGE_ESTIMATED
            return answer.usage, self.series
        key, ledger = answer.response_id, self.runtime.ledger
        if key is None or not answer.terminal:
            if key is not None:
                ledger.begin(key, self.series.labels)
            return None, self.series
        foreground = self.endpoint.kind == "responses" and not answer.background
        if answer.usage is None or foreground:
            return None, self.series
        claimed, begun_by = ledger.claim(key)
        series = self.runtime.instruments.series(**begun_by) if begun_by else self.series
        return (answer.usage if claimed else None), self._named(series, answer)

    def _named(self, series: Series, answer: Answer) -> Series:
        """The series, under the model that the answer names when the request named none."""
        labels = series.labels
        if labels[semconv.MODEL] != semconv.NONE or answer.model is None:
            return series
        return self.runtime.instruments.series(
            answer.model,
            labels[semconv.PROVIDER],
            labels[semconv.OPERATION],
            labels[semconv.FEATURE],
            labels[semconv.TENANT_ID],
        )

    def _read_headers(self) -> None:
        # An exception's response may be of any kind.
        raw = getattr(getattr(self.response, "headers", None), "raw", ())
        request_id, limits = headroom.scan(raw)
        self.request_id = request_id
        if limits and self.model != semconv.NONE:
            labels = self.series.labels
            self.runtime.instruments.headroom.put(
                labels[semconv.PROVIDER], labels[semconv.MODEL], limits
            )

    def _describe(
        self,
        answer: Answer,
        cost: Cost | None,
        failure: Failure,
        first_chunk: float | None,
        result: object,
    ) -> None:
        """The span's response attributes and, if somebody opted in, the content."""
        runtime = self.runtime
        wanted = runtime.policy.active and runtime.policy.wants(self.span)
        if not (self.recording or wanted):
            return
        attributes = describe.response_attributes(self, answer, cost, failure, first_chunk)
        if self.recording:
            self.span.set_attributes(attributes)
            if failure.type is not None:
                # The text quotes prompts: the policy decides.
                told = runtime.policy.quote(failure.exc)
                self.span.set_status(Status(StatusCode.ERROR, told))
        if wanted:
            describe.content(self, answer, result, attributes)


def abandon(call: Call) -> None:
    """Our own way to end a call failed: end it with what is known, so that nothing stays open."""
    try:
        call.left()
    except Exception as exc:  # noqa: BLE001
        guard.handle("abandon", exc)


def _told(tell: Callable[[], Answer], exc: BaseException | None) -> tuple[Answer, Failure]:
    """What the answer told and how the call failed; nothing of it where we fail to read it."""
    answer, failure = Answer(), Failure()
    try:
        answer = tell()
    except Exception as problem:  # noqa: BLE001
        guard.handle("read answer", problem)
    try:
        failure = Failure.of(exc, answer)
    except Exception as problem:  # noqa: BLE001
        guard.handle("classify", problem)
    return answer, failure


def _json_body(response: Any) -> object:
    """The body of an answer that the SDK has read, as JSON; None when it is none of these."""
    if getattr(response, "is_error", True):
        return None
    return read.json_of(read.get(response, "_content"))
