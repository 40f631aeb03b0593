"""Calls of the program's own: requests by hand, gateways, protocols that no client speaks.

`call()` is a context manager (`with`, `async with`) and a decorator of functions, coroutine
functions and generators of both kinds. What the program tells is one call as any other: span,
metrics, cost, errors by class. No value makes it raise: an argument of a wrong form is left out
with one warning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry.context import Context, get_current

from llm_otel import semconv
from llm_otel.base import arguments, finalizers, guard, read
from llm_otel.base.activation import Run, Scoped, innermost, wrap
from llm_otel.protocols.answer import ReportedCost

if TYPE_CHECKING:
    from llm_otel.core.own_calls import OwnCall

F = TypeVar("F", bound=Callable[..., Any])

_CALL = "call()"
_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
_MOST_RETRIES = 1_000


class CallRun(Run):
    """A call under way: what `with llm_otel.call(…) as call` gives.

    What is not known is left out; what nobody tells is unknown, never 0.
    """

    def __init__(self, context: Context, call: OwnCall | None, owner: bool = True) -> None:
        super().__init__(context)
        self._call = call
        self._owner = owner

    # ------------------------------------------------------------------ what the program tells
    def set_usage(
        self,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        *,
        cache_read_tokens: int | None = None,
        cache_write_tokens: int | None = None,
        reasoning_tokens: int | None = None,
    ) -> None:
        """What the call used. Without it, and without a body that tells, the usage is unknown.

        Args:
            input_tokens: All input tokens, those included that a cache held.
            output_tokens: All output tokens, reasoning included.
            cache_read_tokens: Part of the input that the provider read from its cache.
            cache_write_tokens: Part of the input that the provider wrote to its cache.
            reasoning_tokens: Part of the output.
        """
        values = (
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
            reasoning_tokens,
        )
        counts = {
            name: count
            for name, value in zip(_COUNTS, values)
            if (count := _tokens(name, value)) is not None
        }
        self._tell(lambda facts, call: facts.set_usage(call, counts))

    def set_cost(self, usd: float) -> None:
        """What the call cost, where somebody says so: it wins over the price list.

        Args:
            usd: The amount in USD; 0 is free of charge.
        """
        amount = arguments.number("set_cost()", "usd", usd)
        if amount is not None:
            self._fact("cost", ReportedCost(amount, certain=True))

    def first_chunk(self) -> None:
        """The first piece of a streamed answer is there; the call is a streamed one."""
        self._tell(lambda facts, call: facts.first_chunk(call))

    def add_chunk(self, chunk: Mapping[str, object]) -> None:
        """Show a chunk of a stream, as JSON gives it.

        Chunks of OpenAI's chat completions and responses and of Anthropic's messages are read for
        the usage, the model and all that a client's stream tells; of any other, the first one
        marks the time to the first chunk.
        """
        self._tell(lambda facts, call: facts.add_chunk(call, chunk))

    def set_response(self, response: object) -> None:
        """Show the answer.

        Args:
            response: The body as JSON gives it, or the response of an HTTP library (httpx,
                requests), whose status and headers are read, and whose body if it is in memory.
                Bodies of OpenAI's chat completions, responses and embeddings and of Anthropic's
                messages are read as a client's are.
        """
        self._tell(lambda facts, call: facts.set_response(call, response))

    def set_model(self, model: str) -> None:
        """The model that answered, by which the call is priced, where it is not the one asked."""
        self._fact("model", arguments.text("set_model()", "model", model))

    def set_response_id(self, response_id: str) -> None:
        """The answer's id, for scores and outcomes that come later."""
        self._fact("response_id", arguments.text("set_response_id()", "response_id", response_id))

    def set_finish_reasons(self, *reasons: str) -> None:
        """Why each choice ended: `stop`, `length`, `tool_call`, `content_filter`, …"""
        texts = [arguments.text("set_finish_reasons()", "a reason", each) for each in reasons]
        self._fact("finish_reasons", [text for text in texts if text] or None)

    def set_retries(self, count: int) -> None:
        """How often the request was sent again."""
        retries = arguments.count("set_retries()", "count", count)
        if retries is not None:
            self._tell(lambda _, call: setattr(call, "retries", min(retries, _MOST_RETRIES)))

    def set_error(
        self, error_class: str | None = None, *, status: int | None = None, code: str | None = None
    ) -> None:
        """The call failed, without an exception or with one of the program's own.

        Args:
            error_class: One of `semconv.ERROR_CLASSES`; by the status or code where left out.
            status: The HTTP status.
            code: The provider's word for it.
        """
        if error_class is not None and error_class not in semconv.ERROR_CLASSES:
            classes = ", ".join(semconv.ERROR_CLASSES)
            arguments.leave_out("set_error()", "error_class", f"it is none of {classes}")
            error_class = None
        status = arguments.count("set_error()", "status", status)
        code = arguments.text("set_error()", "code", code)
        self._tell(lambda facts, call: facts.set_error(call, error_class, status, code))

    def set_input(self, messages: object) -> None:
        """What was asked: a text, or messages with `role` and `content`. This is content: kept only
        where its capture is on."""
        self._tell(lambda facts, call: facts.set_input(call, messages))

    def set_output(self, output: object) -> None:
        """What was answered: a text, or messages with `role` and `content`. Content, too."""
        self._tell(lambda facts, call: facts.set_output(call, output))

    def _fact(self, name: str, value: object) -> None:
        if value is not None:
            self._tell(lambda _, call: call.facts.__setitem__(name, value))

    def _tell(self, how: Callable[[ModuleType, OwnCall], object]) -> None:
        call = self._call
        if call is None or not call.open:
            return
        if call.superseded:
            reason = "a client that llm-otel instruments sent the request inside, and tells it all"
            arguments.leave_out(_CALL, "what was set on it", reason)
            return
        from llm_otel import call_facts

        try:
            how(call_facts, call)
        except Exception as exc:  # noqa: BLE001
            guard.handle("own call", exc)

    # ------------------------------------------------------------------ the run
    def returned(self, value: Any) -> None:
        """A decorated function gave this: an answer of a known shape is read."""
        if isinstance(value, dict):
            self._tell(lambda facts, call: facts.read_answer(call, value))

    def gave(self, item: Any) -> None:
        """A decorated generator gave this item."""
        if isinstance(item, dict):
            self.add_chunk(item)
        else:
            self.first_chunk()

    def end(self, error: BaseException | None) -> None:
        """End the call."""
        super().end(error)
        call = self._call
        if call is None or not self._owner:
            return
        from llm_otel import call_facts

        call_facts.end(call, error)


class OwnCalls(Scoped[CallRun]):
    """What `call()` gives: enter it or decorate with it, as often as wanted."""

    def __init__(
        self, operation: str, provider: str | None, url: str, body: Mapping[str, object]
    ) -> None:
        super().__init__()
        self._arguments = (operation, provider, url, body)

    def _begin(self) -> CallRun:
        from llm_otel import call_facts

        finalizers.ready()
        context = get_current()
        try:
            return CallRun(*call_facts.begin(context, *self._arguments))
        except Exception as exc:  # noqa: BLE001
            guard.handle("own call", exc)
        return CallRun(context, None)

    def __call__(self, fn: F) -> F:
        return wrap(fn, lambda _args, _kwargs: self._begin())


def call(
    model: str | None = None,
    *,
    provider: str | None = None,
    operation: str = semconv.CHAT,
    url: str | None = None,
    body: Mapping[str, object] | None = None,
) -> OwnCalls:
    """A call that the program makes itself: span `{operation} {model}`, all metrics, cost.

    Args:
        model: The model that is asked for; by the body where left out.
        provider: Who answers (`gen_ai.provider.name`); by the URL's host where left out.
        operation: `chat`, `text_completion`, `embeddings`, … (`gen_ai.operation.name`).
        url: Where the request goes, for the server's address.
        body: The request's JSON body, read and never changed: its parameters are span attributes,
            its messages are content, captured only by opt-in.
    """
    if body is not None and not isinstance(body, Mapping):
        arguments.leave_out(_CALL, "body", f"a {arguments.kind(body)} is no mapping")
        body = None
    fields = dict(body or {})
    name = arguments.text(_CALL, "model", model)
    if name is not None:
        fields["model"] = name
    address = arguments.text(_CALL, "url", url) or ""
    if address and "://" not in address:
        arguments.leave_out(_CALL, "url", "it is no absolute URL, as in https://host/v1/chat")
        address = ""
    kind = arguments.text(_CALL, "operation", operation) or semconv.CHAT
    return OwnCalls(kind, arguments.text(_CALL, "provider", provider), address, fields)


def current_call() -> CallRun:
    """The call of one's own that is under way here, as in a decorated function; one that takes
    anything and does nothing, where there is none."""
    run = innermost(CallRun)
    return run if run is not None else CallRun(get_current(), None)


def _tokens(name: str, value: object) -> int | None:
    count = arguments.count("set_usage()", name, value)
    if count is not None and count > read.MOST_TOKENS:
        arguments.leave_out("set_usage()", name, f"it is more than {read.MOST_TOKENS:,}")
        return None
    return count
