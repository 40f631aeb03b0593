"""Services that are killed under load, one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from compose.sender import Sender
from compose.stack import Stack, ask


def crash_each(stack: Stack, service: str, victims: Iterable[str], calls: int) -> list[str]:
    """Kill each of the victims while an application sends, and wait until it is back.

    Args:
        stack: It runs.
        service: The application's name.
        victims: Services of the compose file.
        calls: So many have to be taken after each crash.

    Returns:
        The traces whose span was taken.
    """
    sender = Sender(stack.url("OTLP_HTTP"), service)
    sender.start()
    for victim in victims:
        before = len(sender.traces)
        pid = stack.kill(victim)
        ask(partial(stack.runs_anew, victim, pid), 60, f"{victim} after its crash")
        ask(partial(sender.reached, before + calls), 60, f"calls after the crash of {victim}")
    sender.close()
    return sender.traces
