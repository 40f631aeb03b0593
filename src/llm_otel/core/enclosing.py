"""The step around a place in the program, where a framework knows it and OpenTelemetry does not.

A framework tells of its agents by callbacks. Where one of these runs in a generator, or in another
thread than what it tells of, its step cannot be made current: the program's own code would get to
see it, or nobody would. But a framework follows its runs by a context of its own, and from that its
adapter finds the step. What begins asks here which step it lies in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span

from llm_otel.attribution import merged
from llm_otel.base import guard


class Enclosure(Protocol):
    """A step that calls may lie in.

    Attributes:
        surrounding: The span that was current in the program when the step began.
        inside: The context of what lies in the step.
        depth: How many such steps are around it.
    """

    surrounding: Span
    inside: Context
    depth: int


Finder = Callable[[], "Enclosure | None"]

# Gives the innermost step of a framework, by the framework's own context. Nobody changes a tuple
# while a call goes through it.
finders: tuple[Finder, ...] = ()


def add(finder: Finder) -> None:
    """Ask one more framework."""
    global finders
    finders = (*finders, finder)


def remove(finder: Finder) -> None:
    """Ask a framework no more."""
    global finders
    finders = tuple(each for each in finders if each is not finder)


def find(context: Context, known: Enclosure | None = None) -> Enclosure | None:
    """The innermost step around a place; None where that is what is current, or nothing.

    A span that was begun inside a step since is nearer than the step: it is current now, and was
    not when the step began.

    Args:
        context: What is current there.
        known: A step that is known to be around it.
    """
    span = trace.get_current_span(context)
    innermost = None
    for step in (known, *map(_asked, finders)):
        near = step is not None and (span is INVALID_SPAN or step.surrounding is span)
        if near and step is not None and (innermost is None or step.depth > innermost.depth):
            innermost = step
    return innermost


def around(context: Context) -> Context:
    """`context`, in the innermost step around it."""
    step = find(context)
    return context if step is None else inside(context, step)


def inside(context: Context, step: Enclosure) -> Context:
    """`context`, in a step."""
    return merged(context, step.inside)


def _asked(finder: Finder) -> Enclosure | None:
    try:
        return finder()
    except Exception as exc:  # noqa: BLE001
        guard.handle("enclosing step", exc)
        return None
