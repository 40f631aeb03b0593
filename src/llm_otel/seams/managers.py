"""Context managers that send a request when they are entered, and give its response."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_otel.base import guard
from llm_otel.core import endings, runtime
from llm_otel.core.begin import Begun, Funnel
from llm_otel.core.call import Call
from llm_otel.seams import calls, objects
from llm_otel.seams.replacing import caller, weakly


def entered(funnel: Funnel, follow: calls.Follow, original: Any) -> Callable[..., Any]:
    """A function whose managers, sync or async, begin a call when they are entered.

    Args:
        funnel: How to read the function's requests.
        follow: What to do with what entering gives.
        original: The SDK's function.
    """
    wrapped = caller(original)

    def function(client: Any, /, *args: Any, **kwargs: Any) -> Any:
        manager = wrapped(client, *args, **kwargs)
        if runtime.active() is not None:
            try:
                objects.put(manager, _METHODS, _Entry(funnel, follow, client, args, kwargs))
            except Exception as exc:  # noqa: BLE001
                guard.handle("watch manager", exc)
        return manager

    return function


class _Entry:
    """A manager, from before it is entered until it is left."""

    def __init__(
        self,
        funnel: Funnel,
        follow: calls.Follow,
        client: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self._funnel = funnel
        self._follow = follow
        # A client may keep its managers: what is known of these must not keep the client.
        self._client, self._args, self._kwargs = weakly(client), args, kwargs
        self._call: Call | None = None

    def enter(self, function: Any, of: Callable[..., Any]) -> Any:
        """What entering gives, or the coroutine that does.

        Args:
            function: Enters the manager, whatever it is called with.
            of: Puts a call around a function: `calls.sync` or `calls.asynchronous`.
        """
        request = of(self._funnel, self._entered, function)
        return request(self._client(), *self._args, **self._kwargs)

    def _entered(self, call: Call, begun: Begun, result: Any) -> Any:
        self._call = call
        return self._follow(call, begun, result)

    def left(self, when: endings.When) -> None:
        call, self._call = self._call, None
        if call is not None:
            endings.leave(call, when)


def _enter(original: Any) -> Callable[..., Any]:
    def enter(self: Any) -> Any:
        def function(*_: Any, **__: Any) -> Any:
            return original(self)

        entry = objects.state_of(self)
        return original(self) if entry is None else entry.enter(function, calls.sync)

    return enter


def _aenter(original: Any) -> Callable[..., Any]:
    async def enter(self: Any) -> Any:
        async def function(*_: Any, **__: Any) -> Any:
            return await original(self)

        entry = objects.state_of(self)
        if entry is None:
            return await original(self)
        return await entry.enter(function, calls.asynchronous)

    return enter


_METHODS: objects.Methods = (
    ("__enter__", _enter),
    ("__aenter__", _aenter),
    ("__exit__", objects.closing),
    ("__aexit__", objects.closing),
)
