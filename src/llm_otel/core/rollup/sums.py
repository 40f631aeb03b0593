"""What everything below a workflow or an agent adds up to: calls, errors, tokens, cost.

Each workflow and agent has a `Rollup` in the OpenTelemetry context of what runs inside, and each
`Rollup` knows the next one around it. A call keeps the `Rollup` of the context that it begins in,
so it is counted wherever it ends: in a thread, a task, a generator, by the worker for finalisers.
Calls, tools and inner steps that are still open are counted too, so that sums that may yet grow say
so. A forked child begins anew: what its parent has open is the parent's to sum up.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context, create_key, get_current, set_value

from llm_otel import semconv
from llm_otel.base import finalizers, fork, guard

if TYPE_CHECKING:
    from llm_otel.pricing import Cost
    from llm_otel.usage import Usage

_ROLLUP = create_key("llm_otel.rollup")

# How long a step that ends, or who asks for its sums, waits for calls inside it that the garbage
# collector has ended (s).
_PATIENCE = 0.1

# One lock for all, held for a microsecond. Reentrant, as a finaliser or a signal handler of the
# program may make a call while it is held.
_lock = threading.RLock()
# Stands for this process: open roll-ups hold it, those of the parent of a fork hold another.
_process = object()
fork.renew(__name__, "_lock", threading.RLock)
fork.renew(__name__, "_process", object)


@dataclass(frozen=True, slots=True)
class Totals:
    """What the calls below a workflow or an agent add up to, as far as they have ended.

    Attributes:
        step: Name of its span, such as `invoke_agent helper`; None: no step is open here, or
            nothing is instrumented, and all the sums are empty.
        calls: Requests to providers, as `gen_ai.request.duration` counts them.
        errors: Those that failed.
        tool_calls: `tool` steps.
        input_tokens, output_tokens: Billed tokens; input includes cached, output includes
            reasoning.
        cost_usd: Cost in USD.
        unpriced: Calls whose cost is unknown, or known in part.
        open_calls: Calls that have begun and not ended: in no other sum.
        incomplete: Tokens and cost are what is known, and the truth may be more: a call is open,
            told no usage or a part of it (or it was estimated), has no price, or is waiting for the
            price table or for the result of work in the background.
    """

    step: str | None = None
    calls: int = 0
    errors: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    open_calls: int = 0
    incomplete: bool = True


_EMPTY = Totals()

# What is summed up, and what has begun and not ended.
_SUMS = (
    "calls",
    "errors",
    "tool_calls",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "unpriced",
    "unknown",  # calls whose usage is unknown, partial or estimated, for good
    "unsettled",  # calls whose usage or price is to come
    "open_calls",
    "open_tools",
)


class Rollup:
    """The sums of one workflow or agent while it is open, without those of open steps inside it.

    A step that ends adds its sums to the one around it, so that a call costs the same at any depth.

    Args:
        operation: `invoke_workflow` or `invoke_agent`.
        step: Name of its span.
        around: The roll-up of the context that it begins in.

    Attributes:
        agent: The innermost agent here.
        own_inference_calls, own_tool_calls: Of an agent: not those of agents inside it.
        lost: A step around it has ended, and misses what comes.
    """

    __slots__ = (
        *_SUMS,
        "_inside",
        "_owner",
        "_parent",
        "agent",
        "is_agent",
        "lost",
        "own_inference_calls",
        "own_tool_calls",
        "step",
    )

    calls: int
    errors: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    unpriced: int
    unknown: int
    unsettled: int
    open_calls: int
    open_tools: int
    agent: Rollup
    lost: bool

    def __init__(self, operation: str, step: str, around: Rollup | None) -> None:
        for name in _SUMS:
            setattr(self, name, 0)
        self.step = step
        self.is_agent = operation == semconv.INVOKE_AGENT
        self.own_inference_calls = self.own_tool_calls = 0
        self._owner: object = _process  # None once it has ended
        self._inside: set[Rollup] = set()  # open ones whose parent this is
        with _lock:
            self._parent = parent = around and around.open_one()
            self.lost = around is not None and (around is not parent or around.lost)
            self.agent = self if self.is_agent or parent is None else parent.agent
            if parent is not None:
                parent._inside.add(self)

    @property
    def busy(self) -> bool:
        """Whether something inside has not ended."""
        return bool(self.open_calls or self.open_tools or self._inside)

    # ------------------------------------------------------------------ calls, tools
    def open_one(self) -> Rollup | None:
        """This one, or the next one around it that has not ended. Call with the lock held."""
        if self._owner is _process:
            return self
        around = self._parent
        while around is not None and around._owner is not _process:
            around = around._parent
        # A task that starts its own successor must not grow a chain.
        self._parent = around
        return around

    def call_begins(self) -> None:
        """A call begins inside."""
        with _lock:
            rollup = self if self._owner is _process else self.open_one()
            if rollup is not None:
                rollup.open_calls += 1

    def call_withdrawn(self) -> None:
        """A call that has begun inside is counted as another one."""
        with _lock:
            rollup = self if self._owner is _process else self.open_one()
            if rollup is not None:
                rollup.open_calls -= 1

    def call_ends(self, failed: bool, inference: bool) -> bool:
        """A call has ended inside.

        Args:
            failed: It is an error.
            inference: It asked a model for text.

        Returns:
            Whether a step around it has ended before, and misses it.
        """
        with _lock:
            rollup = self if self._owner is _process else self.open_one()
            if rollup is not None:
                rollup.open_calls -= 1
                rollup.calls += 1
                if failed:
                    rollup.errors += 1
                if inference:
                    self.agent.own_inference_calls += 1
            return rollup is not self or self.lost

    def add_usage(self, usage: Usage | None, cost: Cost | None, priced: bool) -> None:
        """Add what was billed.

        Args:
            usage: Tokens; None for none.
            cost: In USD; None for none known.
            priced: Whether there will be no other cost: none is known, then, for good.
        """
        with _lock:
            rollup = self if self._owner is _process else self.open_one()
            if rollup is None:
                return
            if usage is not None:
                rollup.input_tokens += usage.input_tokens
                rollup.output_tokens += usage.output_tokens
            if cost is not None:
                rollup.cost_usd += cost.total
            if priced and (cost is None or cost.incomplete):
                rollup.unpriced += 1

    def add_marks(self, unknown: int, unsettled: int) -> None:
        """Add to what makes the sums incomplete; -1 for what was unsettled and has come."""
        with _lock:
            rollup = self.open_one()
            if rollup is not None:
                rollup.unknown += unknown
                rollup.unsettled += unsettled

    def priced(self, cost: Cost | None) -> None:
        """The cost of a call has come after the call ended; None: there is no price."""
        self.add_usage(None, cost, priced=True)
        self.add_marks(0, -1)

    def tool_begins(self) -> None:
        """A tool begins inside."""
        with _lock:
            rollup = self.open_one()
            if rollup is not None:
                rollup.open_tools += 1

    def tool_ends(self) -> None:
        """A tool has ended inside."""
        with _lock:
            rollup = self.open_one()
            if rollup is not None:
                rollup.open_tools -= 1
                rollup.tool_calls += 1
                self.agent.own_tool_calls += 1

    # ------------------------------------------------------------------ ends
    def end(self) -> Totals | None:
        """The step has ended: what it came to. None in a forked child of its process."""
        with _lock:
            if self._owner is not _process:
                return None
            # Steps inside that go on will not be counted any more.
            totals = self.totals(goes_on=bool(self._inside or self.open_tools))
            self._owner = None
            parent, inside = self._parent, self._inside
            self._inside = set()
            for rollup in inside:
                rollup._parent = parent
                rollup._lose()
            if parent is not None:
                parent._inside.discard(self)
                parent._inside |= inside
                for name in _SUMS:
                    setattr(parent, name, getattr(parent, name) + getattr(self, name))
            return totals

    def _lose(self) -> None:
        for rollup in self._open_ones():
            rollup.lost = True

    def _open_ones(self) -> list[Rollup]:
        """This one and all that are open inside it. Call with the lock held."""
        rollups = [self]
        for rollup in rollups:
            rollups += rollup._inside
        return rollups

    def totals(self, *, goes_on: bool = False) -> Totals:
        """What it has come to so far.

        Args:
            goes_on: Something inside will not be counted any more.
        """
        with _lock:
            rollups = self._open_ones()
            sums: dict[str, Any] = {
                name: sum([getattr(rollup, name) for rollup in rollups]) for name in _SUMS
            }
        del sums["open_tools"]
        marks = sums.pop("unknown"), sums.pop("unsettled"), sums["unpriced"], sums["open_calls"]
        return Totals(self.step, **sums, incomplete=goes_on or any(marks))

    def outermost(self) -> Rollup:
        """The last open one around it. Call with the lock held."""
        rollup = self
        while rollup._parent is not None:
            rollup = rollup._parent
        return rollup

    def settle(self) -> None:
        """Have what the garbage collector ended inside counted. Not for finalisers."""
        if self.busy:
            finalizers.settle(_PATIENCE)


# ------------------------------------------------------------------ in a context
def innermost(context: Context) -> Rollup | None:
    """The roll-up of a context, which may have ended."""
    rollup = context.get(_ROLLUP)
    return rollup if isinstance(rollup, Rollup) else None


def within(rollup: Rollup, context: Context) -> Context:
    """The context for what runs inside."""
    return set_value(_ROLLUP, rollup, context)


def current_totals(*, outermost: bool = False) -> Totals:
    """What the workflow or agent that runs here has come to so far: calls, tokens, cost.

    It sees every call that has ended below, in any thread or task that carries the context.

    Args:
        outermost: Of the outermost open workflow or agent, instead of the innermost.

    Returns:
        The sums; empty ones, with `step` None and `incomplete` true, where no workflow or agent is
        open, or nothing is instrumented.
    """
    try:
        rollup = innermost(get_current())
        if rollup is not None:
            with _lock:
                rollup = rollup.open_one()
                if rollup is not None and outermost:
                    rollup = rollup.outermost()
        if rollup is None:
            return _EMPTY
        rollup.settle()
        return rollup.totals()
    except Exception as exc:  # noqa: BLE001
        guard.handle("totals", exc)
        return _EMPTY
