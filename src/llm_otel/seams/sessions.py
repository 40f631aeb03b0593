"""Sessions that a context manager gives: one call, from entering the manager to leaving it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_otel.base import guard
from llm_otel.clients.spec import Hook
from llm_otel.core import endings
from llm_otel.core.begin import Begun
from llm_otel.core.call import Call
from llm_otel.seams import objects

# The code with which a WebSocket is closed that has served its purpose (RFC 6455, 7.4.1).
_NORMAL_CLOSURE = 1000


def follow(hook: Hook, call: Call, _: Begun, session: Any) -> Any:
    """Have a call see the messages of the session that entering a manager gave.

    Args:
        hook: Names the function that gives a message.
        call: Ends when the manager is left, or when the session fails.
        session: The SDK's.
    """
    endings.watch(call)
    methods = ((hook.messages, _message),)
    objects.put(session, methods, _Session(call, hook.chunk))
    return session


class _Session:
    """What is known of a session.

    Args:
        call: What to tell.
        node: Gives the node that a protocol reads in a message.
    """

    def __init__(self, call: Call, node: Callable[[Any], object]) -> None:
        self._call = call
        self._node = node
        call.watch()

    def gave(self, message: Any) -> None:
        fold = self._call.fold
        try:
            node = self._node(message)
            if node is not None and fold is not None:
                fold.add(node)
        except Exception as exc:  # noqa: BLE001
            guard.handle("read chunk", exc)

    def failed(self, error: Exception) -> None:
        if getattr(error, "code", None) == _NORMAL_CLOSURE:
            endings.end("stream drained", self._call, self._call.drained)
        else:
            endings.fail("stream failed", self._call, error)

    def left(self, when: endings.When) -> None:
        """Nothing: the manager's being left ends the call."""


def _message(original: Any) -> Callable[..., Any]:
    async def message(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        session = objects.state_of(self)
        if session is None:
            return await original(self, *args, **kwargs)
        try:
            value = await original(self, *args, **kwargs)
        except Exception as error:
            session.failed(error)
            raise
        session.gave(value)
        return value

    return message
