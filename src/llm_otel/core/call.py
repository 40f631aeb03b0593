"""One call's life: begin, chunks, finish exactly once."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode

from llm_otel import semconv
from llm_otel.attribution import current
from llm_otel.base import guard, otel_internals, read
from llm_otel.core import billing, describe
from llm_otel.core.errors import (
    NO_FAILURE,
    Failure,
    answered_otherwise,
    classify,
    full_name,
    refusal,
)
from llm_otel.core.metrics import semconv_metrics
from llm_otel.core.metrics.measurement import Bill, Measurement
from llm_otel.core.record import Record
from llm_otel.core.rollup import calls as rolled_up
from llm_otel.protocols import costs
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
        "rollup",
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
        self.series = runtime.instruments.calls.series(
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
        runtime.instruments.calls.begun(self.series)
        self.rollup = rolled_up.begin(context)
        self.started = perf_counter()

    # ------------------------------------------------------------------ begin
    def _start_span(self, context: Context) -> trace.Span:
        name = self._span_name()
        attributes = describe.start_attributes(self.endpoint, self.server, self.model)
        return self.runtime.tracer.start_span(name, context, SpanKind.CLIENT, attributes)

    def _span_name(self) -> str:
        operation = self.endpoint.operation
        return operation if self.model == semconv.NONE else f"{operation} {self.model}"

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
            table = self.runtime.instruments.table
            points = semconv_metrics.points(self.series, self.server, None, table)
            observers.append(semconv_metrics.ChunkTimer(points, settings.semconv))
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
            self._end(self._streamed)

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
        elif self.streaming and classify(exc, self.endpoint.protocol) == semconv.CANCELLED:
            self._end(self._cut_short, exc=exc)
        else:
            self._end(lambda: self._billed_in_spite_of(exc), exc=exc)

    def refused(self, status: int, node: object) -> None:
        """The provider answered with an error, or with no answer: the SDK makes an exception of it
        later.

        Args:
            status: HTTP status.
            node: The body, as far as it is one.
        """
        if self._claim():
            endpoint, dialect = self.endpoint, self.server.dialect
            protocol = endpoint.protocol
            self._end(lambda: protocol.answer(node, endpoint, dialect), status=status)

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

    def _streamed(self) -> Answer:
        """What a stream told. SDKs make a stream without a chunk of a proxy's page, too."""
        answer = self._folded()
        if answer.empty and not self.endpoint.bytes_out:
            status = answered_otherwise(self.response)
            if status is not None:
                answer.error = refusal(status, answer)
        return answer

    def _cut_short(self) -> Answer:
        answer = self._interrupted()
        # An SDK itself leaves a stream that told of an error.
        if answer.error is None and (self.fold is None or not self.fold.ended):
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
        read_answer: Callable[[], Answer],
        *,
        exc: BaseException | None = None,
        status: int | None = None,
        result: object = None,
    ) -> None:
        """Emit everything, once. The parts are guarded by themselves: one that fails must not
        leave the span open.

        Args:
            read_answer: Gives what the answer told.
            exc: What the call ended in.
            status: HTTP status, if that is an error's and the SDK made no exception of it yet.
            result: What the caller gets, for the content.
        """
        at = self.ended_at
        seconds = (perf_counter() if at is None else at.seconds) - self.started
        runtime, series = self.runtime, self.series
        instruments = runtime.instruments
        if instruments.epoch != self.epoch:
            return  # begun before a fork: the parent will tell
        answer, failure = self._outcome(read_answer, exc, status)
        first_chunk = None if self.first_chunk_at is None else self.first_chunk_at - self.started
        record = Record(
            series, self.endpoint, self.server, self.request, self.model,
            self.attribution.span_attributes, self.streaming, seconds, first_chunk, answer,
            failure, result, self.accumulator, self.response, self.retries, self.rollup,
        )  # fmt: skip
        try:
            bill = billing.bill(record, runtime.pricing, runtime.ledger, instruments)
        except Exception as problem:  # noqa: BLE001
            guard.handle("count", problem)
            bill = Bill(None, series, usage_unknown=True, rollup=self.rollup)
        rolled_up.add(record, bill, instruments.table)
        try:
            self._note_server(record, bill)
        except Exception as problem:  # noqa: BLE001
            guard.handle("measure", problem)
        points = None
        if self.own_span:
            try:
                points = semconv_metrics.points(
                    series, self.server, answer.model, instruments.table
                )
            except Exception as problem:  # noqa: BLE001
                guard.handle("measure", problem)
            try:
                self._describe(record, bill)
            except Exception as problem:  # noqa: BLE001
                guard.handle("describe", problem)
        measurement = Measurement(
            series, self.context, seconds, first_chunk, failure.kind, failure.type, answer.usage,
            bill, points, runtime.semconv_recorders,
        )  # fmt: skip
        instruments.backlog.put(measurement)
        if self.own_span:
            self._end_span(at)
        self.response = None

    def _end_span(self, at: Moment | None) -> None:
        self.span.end(None if at is None else at.epoch_ns)

    def _outcome(
        self, read_answer: Callable[[], Answer], exc: BaseException | None, status: int | None
    ) -> tuple[Answer, Failure]:
        """What the answer told and how the call failed; nothing of it where we fail to read it."""
        try:
            answer = read_answer()
            if not isinstance(answer, Answer):
                raise TypeError(f"a protocol answered with a {type(answer).__name__}")
        except Exception as problem:  # noqa: BLE001
            guard.handle("read answer", problem)
            answer = Answer()
        try:
            self._complete(answer)
        except Exception as problem:  # noqa: BLE001
            guard.handle("count", problem)
        if exc is None and answer.error is None and status is None:
            return answer, NO_FAILURE
        codes = self.server.dialect.error_codes
        try:
            if status is not None:
                answer.error = refusal(status, answer, codes)
            return answer, Failure.of(exc, answer, self.endpoint.protocol, codes)
        except Exception as problem:  # noqa: BLE001
            guard.handle("classify", problem)
            return answer, Failure(None if exc is None else full_name(exc), semconv.OTHER, exc=exc)

    def _complete(self, answer: Answer) -> None:
        """Add what the request and the response's headers tell of the answer's usage and cost, and
        our own count where nobody tells."""
        used, dialect = answer.usage, self.server.dialect
        if used is not None:
            self.endpoint.protocol.complete(used, self.request, answer, dialect)
        elif self.characters is not None:
            answer.usage = self.characters.usage(self.request.body)
            answer.usage_source = semconv.USAGE_ESTIMATED
        if answer.cost is not None or dialect.cost_headers:
            answer.cost = costs.in_response(answer.cost, self.response, dialect)

    def _note_server(self, record: Record, bill: Bill) -> None:
        """Keep the rate-limit headers; an error's may tell nothing and hide what others told. Warn
        of a host whose streams tell neither usage nor cost."""
        answer, failure = record.answer, record.failure
        # An exception's response may be of any kind.
        headers = getattr(record.response, "headers", None)
        if headers is not None and (failure.kind is None or failure.status == _TOO_MANY):
            labels = self.series.labels
            self.runtime.instruments.headroom.keep(
                labels[semconv.PROVIDER],
                labels[semconv.MODEL],
                headers,
                record.endpoint.protocol.headers,
            )
        if self.unasked and bill.usage_unknown and answer.finish_reasons != [semconv.CANCELLED]:
            reports_cost = answer.cost is not None and answer.cost.usd
            if not reports_cost:
                self.runtime.servers.warn_of_missing_usage(
                    self.server, self.endpoint.protocol.how_to_ask
                )

    def _describe(self, record: Record, bill: Bill) -> None:
        """The span's attributes and, if somebody opted in, the content."""
        runtime, span = self.runtime, self.span
        policy = runtime.policy
        wants_content = policy.active and policy.wants(span)
        if not (self.recording or wants_content):
            return
        attributes = describe.end_attributes(record, bill, runtime.cache_write)
        if self.recording:
            failure = record.failure
            otel_internals.set_attributes(span, attributes)
            if failure.type is not None:
                # The text quotes prompts: the policy decides.
                span.set_status(Status(StatusCode.ERROR, policy.quote(failure.exc)))
        if wants_content:
            describe.content(record, attributes, policy, span, runtime.logger, self.context)
