"""How a stream's call ends, wherever that is seen: once, and never inside a finaliser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet, ref

from llm_otel.base import finalizers, guard
from llm_otel.core.call import Call

When = Callable[[finalizers.Finish], None]

# How long the end of a process waits for what finalisers brought (s).
_AT_EXIT = 0.25

# Streams that are under way.
_open: WeakSet[Call] = WeakSet()
_at_exit: list[Callable[[], None]] = []


def abandon(call: Call) -> None:
    """Our own way to end a call failed: end it with what is known, so that nothing stays open."""
    try:
        call.left()
    except Exception as exc:  # noqa: BLE001
        guard.handle("abandon", exc)


def end(
    site: str,
    call: Call,
    how: Callable[..., object],
    *args: object,
    at: finalizers.Moment | None = None,
) -> None:
    """End a call; if that fails, in the simplest way, so that nothing stays open.

    Args:
        site: Name of the guarded block.
        call: The call.
        how: Ends it.
        *args: What for.
        at: When it ended, if that is not now.
    """
    try:
        if at is not None:
            call.ended_at = at
        how(*args)
    except Exception as exc:  # noqa: BLE001
        guard.handle(site, exc)
        abandon(call)


def fail(site: str, call: Call, exc: BaseException) -> None:
    """End a call in an exception, later where that may be a finaliser's."""
    if finalizers.may_be_final(exc):
        finalizers.defer(lambda at: end(site, call, call.failed, exc, at=at))
    else:
        end(site, call, call.failed, exc)


def leave(call: Call, when: When = finalizers.end) -> None:
    """End a call whose stream was closed or dropped.

    Args:
        call: The call; nothing happens if it has ended.
        when: `finalizers.defer` in a finaliser.
    """
    # While a chunk is being read, whoever reads it will know how the stream ends.
    if call.open and not call.reading:
        when(lambda at: end("stream closed", call, call.left, at=at))


def watch(call: Call) -> None:
    """Have a call ended that is left open until the process ends, or is dropped."""
    finalizers.ready()
    _open.add(call)


def at_exit(end_all: Callable[[], None]) -> None:
    """Have something called when the process ends, before the open streams are ended."""
    if end_all not in _at_exit:
        _at_exit.append(end_all)


def end_open() -> None:
    """End the streams that nobody ended: the process does."""
    finalizers.settle(_AT_EXIT)
    for end_all in _at_exit:
        end_all()
    for call in list(_open):
        leave(call, _now)


def _now(finish: finalizers.Finish) -> None:
    finish(finalizers.now())


def watch_close(response: Any, call: Call, *, asynchronous: bool) -> None:
    """Have a call ended when a response is closed that is in memory as a whole.

    Args:
        response: The httpx response.
        call: The call.
        asynchronous: How it is closed.
    """
    name = "aclose" if asynchronous else "close"
    # What somebody put on this very response is kept as it is; the class's own gets the response by
    # a weak reference: one that holds itself would wait for the garbage collector.
    theirs, own, reference = vars(response).get(name), getattr(type(response), name), ref(response)

    def watched() -> Any:
        try:
            if theirs is not None:
                return theirs()
            alive = reference()
            if alive is not None:
                return own(alive)
            return _nothing() if asynchronous else None
        finally:
            leave(call)

    setattr(response, name, watched)


async def _nothing() -> None:
    """What closing a response comes to that is gone, and was in memory as a whole."""
