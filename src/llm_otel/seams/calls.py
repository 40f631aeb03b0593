"""A function of an SDK that sends a request, with a call around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context

from llm_otel.base import finalizers, guard
from llm_otel.core import begin, endings
from llm_otel.core.begin import Begun, Funnel
from llm_otel.core.call import Call
from llm_otel.core.endings import abandon
from llm_otel.seams.replacing import caller

# Ends a call, or has it ended later, by what the function gave; returns what the caller gets.
Follow = Callable[[Call, Begun, Any], Any]
# Takes into a call what an exception tells of the response.
Receive = Callable[[Call, BaseException], object]


def sync(
    funnel: Funnel, follow: Follow, original: Any, receive: Receive | None = None
) -> Callable[..., Any]:
    """A function that goes in the place of one of an SDK's.

    Args:
        funnel: How to read its requests.
        follow: What to do with what it gives.
        original: The SDK's.
        receive: What to do with the exception that it raises, before the call ends.
    """
    wrapped, passes_on = caller(original), funnel.spec.passes_on

    def request(client: Any, /, *args: Any, **kwargs: Any) -> Any:
        begun = begin.begin(funnel, client, args, kwargs)
        if begun is None:
            return wrapped(client, *args, **kwargs)
        if begun.asking is not None and funnel.ask is not None:
            begun, args, kwargs = funnel.ask(begun, args, kwargs)
        context = begun.context
        if passes_on is not None:
            context = inside(funnel, client, context)
        token = otel_context.attach(context)
        try:
            result = wrapped(client, *args, **kwargs)
        except BaseException as exc:
            _failed(funnel, begun.call, exc, receive)
            raise
        finally:
            otel_context.detach(token)
        return _returned(begun, follow, result)

    return request


def asynchronous(
    funnel: Funnel, follow: Follow, original: Any, receive: Receive | None = None
) -> Callable[..., Any]:
    """The same for coroutine functions."""
    wrapped, passes_on = caller(original), funnel.spec.passes_on

    async def request(client: Any, /, *args: Any, **kwargs: Any) -> Any:
        begun = begin.begin(funnel, client, args, kwargs)
        if begun is None:
            return await wrapped(client, *args, **kwargs)
        if begun.asking is not None and funnel.ask is not None:
            begun, args, kwargs = funnel.ask(begun, args, kwargs)
        finalizers.ready()
        context = begun.context
        if passes_on is not None:
            context = inside(funnel, client, context)
        token = otel_context.attach(context)
        try:
            result = await wrapped(client, *args, **kwargs)
        except GeneratorExit as exc:
            # The coroutine was dropped: this may run in any context, so nothing is detached.
            _failed(funnel, begun.call, exc, receive)
            raise
        except BaseException as exc:
            otel_context.detach(token)
            _failed(funnel, begun.call, exc, receive)
            raise
        otel_context.detach(token)
        return _returned(begun, follow, result)

    return request


def inside(funnel: Funnel, client: Any, context: Context) -> Context:
    """What is current while an SDK works that may send the current span's ids by itself.

    Args:
        funnel: The SDK's function.
        client: The SDK's client.
        context: Of the call.
    """
    passes_on = funnel.spec.passes_on
    if passes_on is None:
        return context
    try:
        hidden = passes_on(client)
    except Exception as exc:  # noqa: BLE001
        guard.handle("begin", exc)
        return context
    return trace.set_span_in_context(trace.get_current_span(), context) if hidden else context


def _failed(funnel: Funnel, call: Call | None, exc: BaseException, receive: Receive | None) -> None:
    if call is None:
        return
    try:
        if receive is not None:
            receive(call, exc)
        call.retries = call.retries or funnel.resends(exc)
    except Exception as problem:  # noqa: BLE001
        guard.handle("received", problem)
    endings.fail("failed", call, exc)


def _returned(begun: Begun, follow: Follow, result: Any) -> Any:
    call = begun.call
    if call is None:
        return result
    try:
        return follow(call, begun, result)
    except Exception as exc:  # noqa: BLE001
        guard.handle("returned", exc)
        abandon(call)
        return result
