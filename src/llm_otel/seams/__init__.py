"""How the clients are hooked: one function for all ways there are."""

from __future__ import annotations

from importlib.util import find_spec

from llm_otel.clients.spec import ClientSpec
from llm_otel.seams import imports, stainless
from llm_otel.seams.replacing import replaced
from llm_otel.seams.websockets import classes as connections


def install(spec: ClientSpec) -> bool:
    """Hook a client, if it is installed: now, or as soon as it is imported.

    Returns:
        False when the client is not installed.
    """
    try:
        if find_spec(spec.package) is None:
            return False
    except (ImportError, ValueError):  # a test's stand-in for the client
        return False
    if spec.hooks:
        from llm_otel.seams import functions  # most programs use no client that has these

        functions.install(spec)
    else:
        stainless.install(spec)
    connections.install(spec)
    return True


def complete() -> None:
    """Hook what waits until there is an SDK."""
    stainless.complete()


def remove_all() -> None:
    """Take all hooks out; one that somebody has wrapped since stays, and passes through.

    What is open on a WebSocket ends: nobody will see its end.
    """
    imports.forget()
    with replaced.lock:
        stainless.forget()
        replaced.remove_all()
    connections.end_all()
