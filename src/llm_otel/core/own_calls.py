"""Calls that a program describes itself, and a client's call inside one: together one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, ref

from opentelemetry import trace
from opentelemetry.context import Context, create_key, set_value

from llm_otel.core import describe
from llm_otel.core.call import Call

if TYPE_CHECKING:
    from llm_otel.base.finalizers import Moment
    from llm_otel.core.errors import Failure
    from llm_otel.protocols.answer import Answer, BodyError
    from llm_otel.protocols.spec import Endpoint, Observer

_OWN_CALL = create_key("llm_otel.own_call")


class OwnCall(Call):
    """A call of which the program tells what it knows.

    Attributes:
        facts: Fields of `Answer` that the program named; they win over what a body tells.
        error: The failure that the program named.
        body: The whole answer, where the program showed it.
        superseded: A client inside counts this request.
        holders: One for each call that the span belongs to: the last to end ends the span.
    """

    __slots__ = ("_observers", "body", "error", "facts", "holders", "superseded")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.facts: dict[str, Any] = {}
        self.error: BodyError | None = None
        self.body: object = None
        self.superseded = False
        # The last one at the bottom; taking one is atomic.
        self.holders = [True]
        self._observers: list[Observer] = []

    def handed_down(self, context: Context) -> Context:
        """The context for what the program does inside: a client there finds this call."""
        return set_value(_OWN_CALL, ref(self), context)

    # ------------------------------------------------------------------ told by the program
    def chunk(self, node: object, endpoint: Endpoint | None) -> None:
        """Take a stream's chunk in.

        Args:
            node: The chunk.
            endpoint: Whose stream it is, asked of the first chunk; None: that is not known.
        """
        if self.fold is None and endpoint is not None:
            self.endpoint = endpoint
            self._observers = self.watch()
        for observer in self._observers:
            observer.add(node)

    def concluded(self) -> None:
        """The program's block came to its end."""
        if self.fold is None:
            self.returned(self.body)
        elif self.fold.ended:
            self.drained()
        else:
            self.left()

    def withdraw(self) -> None:
        """End, with nothing to count: a client inside has counted this request."""
        if self._claim() and self.own_span:
            self._end_span(self.ended_at)

    # ------------------------------------------------------------------ as of `Call`
    def _billed_in_spite_of(self, exc: BaseException) -> Answer:
        if self.body is not None:
            return self.endpoint.protocol.answer(self.body, self.endpoint, self.server.dialect)
        return super()._billed_in_spite_of(exc)

    def _complete(self, answer: Answer) -> None:
        for name, value in self.facts.items():
            setattr(answer, name, value)
        if self.error is not None:
            answer.error = self.error
        super()._complete(answer)

    def _outcome(self, *args: Any) -> tuple[Answer, Failure]:
        answer, failure = super()._outcome(*args)
        if self.error is not None and failure.exc is not None:
            failure = failure._replace(
                kind=self.error.kind, status=self.error.status or failure.status
            )
        return answer, failure

    def _end_span(self, at: Moment | None) -> None:
        if _is_last(self.holders):
            super()._end_span(at)


class InnerCall(Call):
    """A client's call that is the same request as the program's own call around it.

    It has that call's span, and all that is counted: a client knows more of its request than the
    program says.
    """

    __slots__ = ("_outer",)

    def __init__(self, outer: OwnCall, *args: Any, **kwargs: Any) -> None:
        self._outer = outer
        super().__init__(*args, **kwargs)
        outer.superseded = True
        outer.runtime.instruments.calls.withdrawn(outer.series)
        if outer.rollup is not None:
            outer.rollup.call_withdrawn()

    def _start_span(self, context: Context) -> trace.Span:
        outer = self._outer
        if not outer.own_span:
            return super()._start_span(context)
        outer.holders.append(False)
        span = outer.span
        span.update_name(self._span_name())
        span.set_attributes(describe.start_attributes(self.endpoint, self.server, self.model))
        return span

    def _end_span(self, at: Moment | None) -> None:
        if not self._outer.own_span or _is_last(self._outer.holders):
            super()._end_span(at)


def enclosing(context: Context, operation: str) -> OwnCall | None:
    """The program's own call around a client's, if they are one request: the same operation, and
    no other client's call has been that request."""
    reference = context.get(_OWN_CALL)
    call = reference() if isinstance(reference, ReferenceType) else None
    if not isinstance(call, OwnCall) or call.superseded or not call.open:
        return None
    return call if call.endpoint.operation == operation else None


def _is_last(holders: list[bool]) -> bool:
    """Whether this was the last holder: of several threads, one."""
    return holders.pop()
