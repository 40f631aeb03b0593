"""One call's life: begin, chunks, finish exactly once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode

from llm_otel import semconv
from llm_otel.attribution import current
from llm_otel.base import guard, otel_internals, read
from llm_otel.core import billing, describe, family_b, polled_usage
from llm_otel.core.backlog import Ended
from llm_otel.core.errors import NO_FAILURE, Failure, classify
from llm_otel.protocols.answer import Answer

if TYPE_CHECKING:
    from llm_otel.base.finalizers import Moment
    from llm_otel.core.runtime import Runtime
    from llm_otel.core.server import Server
    from llm_otel.protocols.spec import Accumulator, Endpoint, Estimate, Fold, Observer, Request


_TOO_MANY = 429


class Call:
    """One request to a provider, from before it is sent to after its answer was read.

    Args:
        runtime: Where to emit.
        endpoint: What is where in its bodies.
        host: Who answers.
        request: What is asked for.
        context: The caller's OpenTelemetry context.
        own_span: False when an outer instrumentation already has a span for this call.
        unasked: A stream whose usage could be asked for, and nobody did.
    """

    __slots__ = (
        "__weakref__",
        "_once",
        "accumulator",
        "attribution",
        "characters",
        "context",
        "ended_at",
        "endpoint",
        "epoch",
        "first_chunk_at",
        "fold",
        "model",
        "own_span",
        "reading",
        "recording",
        "request",
        "response",
        "retries",
        "runtime",
        "series",
        "server",
        "span",
        "started",
        "streaming",
        "unasked",
    )

    def __init__(
        self,
        runtime: Runtime,
        endpoint: Endpoint,
        host: Server,
        request: Request,
        context: Context,
        own_span: bool,
        unasked: bool = False,
    ) -> None:
        self.runtime = runtime
        self.endpoint = endpoint
        self.server = host
        self.request = request
        self.streaming = request.streaming
        self.own_span = own_span
        self.unasked = unasked
        self.model = endpoint.protocol.model(request) or semconv.NONE
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
        self.first_chunk_at: float | None = None
        self.reading = False
        self.ended_at: Moment | None = None
        self.fold: Fold | None = None
        self.accumulator: Accumulator | None = None
        self.characters: Estimate | None = None
        self._once = [True]
        self.span = self._start_span(context) if own_span else trace.get_current_span(context)
        self.recording = own_span and self.span.is_recording()
        self.context = trace.set_span_in_context(self.span, context) if own_span else context
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
        """What samplers may look at; all else waits for the end, as setting costs each time."""
        attributes = {semconv.OPERATION_NAME: self.endpoint.operation, **self.server.attributes}
        if self.model != semconv.NONE:
            attributes[semconv.REQUEST_MODEL] = self.model
        return attributes

    def _request_attributes(self) -> dict[str, Any]:
        """What the request and the attribution tell."""
        attributes: dict[str, Any] = {}
        try:
            attributes = self.endpoint.protocol.request_attributes(self.request.body)
            attributes.update(self.endpoint.attributes)
        except Exception as problem:  # noqa: BLE001
            guard.handle("describe request", problem)
        attributes.update(self.attribution.span_attributes)
        if self.streaming:
            attributes[semconv.REQUEST_STREAM] = True
        return attributes

    def received(self, response: Any, retries: int) -> None:
        """The HTTP response is there (its body may not be): keep what its headers tell."""
        self.response = response
        self.retries = retries

    def watch(self, hides: bool = False) -> list[Observer]:
        """Begin to fold a stream's chunks; returns who wants to see them, the fold first.

        Args:
            hides: The stream's usage was asked for by us.
        """
        protocol, settings = self.endpoint.protocol, self.runtime.settings
        self.fold = protocol.fold(self.endpoint, self.server.dialect)
        self.fold.hides = hides
        self.accumulator = protocol.accumulator() if self.runtime.policy.active else None
        self.characters = protocol.estimate() if settings.estimate_usage else None
        observers: list[Observer | None] = [self.fold, self.accumulator, self.characters]
        if settings.per_chunk_metric:
            observers.append(family_b.ChunkTimer(self))
        return [each for each in observers if each is not None]

    # ------------------------------------------------------------------ ends
    def returned(self, result: object) -> None:
        """The whole answer is there."""
        if self._claim():
            endpoint, dialect = self.endpoint, self.server.dialect
            protocol = endpoint.protocol
            self._end(lambda: protocol.answer(result, endpoint, dialect), result=result)

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
        elif self.streaming and classify(exc) == semconv.CANCELLED:
            self._end(self._cut_short, exc=exc)
        else:
            self._end(lambda: self._billed_in_spite_of(exc), exc=exc)

    @property
    def open(self) -> bool:
        """Whether nobody has seen the call end yet."""
        return bool(self._once)

    def _claim(self) -> bool:
        """True for one of all the threads and hooks that see the call end."""
        try:
            return self._once.pop()
        except IndexError:
            return False

    def _folded(self) -> Answer:
        return self.fold.answer() if self.fold is not None else Answer()

    def _cut_short(self) -> Answer:
        answer = self._interrupted()
        if self.fold is None or not self.fold.ended:
            answer.finish_reasons = [semconv.CANCELLED]
        return answer

    def _interrupted(self) -> Answer:
        """What a stream told that did not come to its end: its counts may still have grown."""
        answer = self._folded()
        if self.fold is not None and not self.fold.ended:
            if answer.usage is not None:
                answer.usage.partial = True
            if answer.cost is not None:
                answer.cost = answer.cost._replace(complete=False)
        return answer

    def _billed_in_spite_of(self, exc: BaseException) -> Answer:
        """What a failed call used: a stream's chunks so far, or the body that the SDK could not
        parse into what the caller asked for (too long, filtered, not valid)."""
        if self.response is None:
            self.response = read.get(exc, "response")
        if self.fold is not None:
            return self._interrupted()
        protocol = self.endpoint.protocol
        whole = protocol.answer_of_failure(exc)
        if whole is None:
            whole = read.successful_body(self.response)
        return protocol.answer(whole, self.endpoint, self.server.dialect)

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
        at = self.ended_at
        seconds = (perf_counter() if at is None else at.seconds) - self.started
        instruments = self.runtime.instruments
        if instruments.epoch != self.epoch:
            return  # begun before a fork: the parent will tell
        answer, failure = _told(tell, exc, self.server.dialect.error_codes)
        ended = Ended(self.series, seconds, failure.kind, self.context)
        if self.first_chunk_at is not None:
            ended.first_chunk = self.first_chunk_at - self.started
        try:
            self._count(answer, failure, ended)
        except Exception as problem:  # noqa: BLE001
            guard.handle("count", problem)
        try:
            self._keep_headers(failure)
        except Exception as problem:  # noqa: BLE001
            guard.handle("measure", problem)
        if self.own_span:
            try:
                family_b.prepare(ended, self, answer, failure.type)
            except Exception as problem:  # noqa: BLE001
                guard.handle("measure", problem)
            try:
                self._describe(answer, ended, failure, result)
            except Exception as problem:  # noqa: BLE001
                guard.handle("describe", problem)
        instruments.later(ended)
        if self.own_span:
            self.span.end(None if at is None else at.epoch_ns)
        self.response = None

    def _count(self, answer: Answer, failure: Failure, ended: Ended) -> None:
        """Have tokens and cost counted."""
        used, series = polled_usage.countable(self, answer)
        if used is not None:
            self.endpoint.protocol.complete(used, self.request, answer, self.server.dialect)
            ended.used, ended.used_by = used, series
            billing.bill(self, answer, ended)
        elif billing.bill_reported(self, answer, ended):
            # Pictures and the like have a price and no tokens.
            ended.usage_unknown = self.endpoint.in_tokens
        elif self.endpoint.billed and failure.kind is None and not answer.background:
            ended.usage_unknown = True
            billing.bill_time(self, answer, ended)
            if self.unasked and answer.finish_reasons != [semconv.CANCELLED]:
                self.runtime.servers.warn_of_missing_usage(self.server)

    def _keep_headers(self, failure: Failure) -> None:
        """Keep the rate-limit headers; an error's may tell nothing and hide what others told."""
        # An exception's response may be of any kind.
        headers = getattr(self.response, "headers", None)
        if headers is not None and (failure.kind is None or failure.status == _TOO_MANY):
            labels = self.series.labels
            self.runtime.instruments.headroom.keep(
                labels[semconv.PROVIDER],
                labels[semconv.MODEL],
                headers,
                self.endpoint.protocol.headers,
            )

    def _describe(self, answer: Answer, ended: Ended, failure: Failure, result: object) -> None:
        """The span's attributes and, if somebody opted in, the content."""
        policy = self.runtime.policy
        wanted = policy.active and policy.wants(self.span)
        if not (self.recording or wanted):
            return
        attributes = self._request_attributes()
        describe.response_attributes(attributes, self, answer, ended, failure, result)
        if self.recording:
            otel_internals.set_attributes(self.span, attributes)
            if failure.type is not None:
                # The text quotes prompts: the policy decides.
                told = policy.quote(failure.exc)
                self.span.set_status(Status(StatusCode.ERROR, told))
        if wanted:
            describe.content(self, answer, result, attributes)


def abandon(call: Call) -> None:
    """Our own way to end a call failed: end it with what is known, so that nothing stays open."""
    try:
        call.left()
    except Exception as exc:  # noqa: BLE001
        guard.handle("abandon", exc)


def _told(
    tell: Callable[[], Answer], exc: BaseException | None, codes: Mapping[str, str]
) -> tuple[Answer, Failure]:
    """What the answer told and how the call failed; nothing of it where we fail to read it."""
    try:
        answer = tell()
    except Exception as problem:  # noqa: BLE001
        guard.handle("read answer", problem)
        answer = Answer()
    if exc is None and answer.error is None:
        return answer, NO_FAILURE
    try:
        return answer, Failure.of(exc, answer, codes)
    except Exception as problem:  # noqa: BLE001
        guard.handle("classify", problem)
        return answer, NO_FAILURE
