"""What everything below a workflow or an agent adds up to: calls, errors, tokens, cost.

Each workflow and agent has a `Rollup` in the OpenTelemetry context of what runs inside, and each
`Rollup` knows the next one above it. A call keeps the `Rollup` of the context that it begins in, so
it is counted wherever it ends: in a thread, a task, a generator, or by the worker for finalisers.
Calls, tools and inner steps that are still open are counted too, so that sums that may yet grow say
so. A forked child begins anew: what its parent has open is the parent's to sum up.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.context import Context, create_key, get_current, set_value

from llm_otel import semconv
from llm_otel.base import finalizers, fork, guard

if TYPE_CHECKING:
    from llm_otel.core.metrics.measurement import Bill
    from llm_otel.core.metrics.table import InstrumentTable
    from llm_otel.core.record import Record
    from llm_otel.pricing import Cost

_ROLLUP = create_key("llm_otel.rollup")

_OWNERS = frozenset({semconv.INVOKE_WORKFLOW, semconv.INVOKE_AGENT})
_INFERENCE = frozenset({semconv.CHAT, semconv.TEXT_COMPLETION, semconv.GENERATE_CONTENT})
# A call that ended in one of these may have been billed, and nobody tells how much.
_CUT_OFF = frozenset({semconv.CANCELLED, semconv.TIMEOUT})

# How long the end of a step waits for calls inside it that the garbage collector has ended (s).
_PATIENCE = 0.1

# One lock for all: a call adds to a whole chain of roll-ups, and holds it for some microseconds.
# Reentrant, as a finaliser or signal handler of the program may make a call while it is held.
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


class Rollup:
    """The sums of one workflow or agent while it is open.

    Args:
        operation: `invoke_workflow` or `invoke_agent`.
        step: Name of its span.
        parent: The roll-up around it.

    Attributes:
        own_inference_calls, own_tool_calls: Of an agent: not those of agents inside it.
    """

    __slots__ = (
        "_cost",
        "_errors",
        "_input_tokens",
        "_lost",
        "_open_calls",
        "_open_steps",
        "_output_tokens",
        "_owner",
        "_parent",
        "_tool_calls",
        "_unknown",
        "_unpriced",
        "_unsettled",
        "calls",
        "is_agent",
        "own_inference_calls",
        "own_tool_calls",
        "step",
    )

    def __init__(self, operation: str, step: str, parent: Rollup | None) -> None:
        self.step = step
        self.is_agent = operation == semconv.INVOKE_AGENT
        self.own_inference_calls = self.own_tool_calls = 0
        self.calls = self._errors = self._tool_calls = 0
        self._input_tokens = self._output_tokens = 0
        self._cost = 0.0
        self._unpriced = self._unknown = self._unsettled = 0
        self._open_calls = self._open_steps = 0
        self._owner: object = _process  # None once it has ended
        self._parent = parent
        self._lost = False  # one above has ended, and misses what comes
        with _lock:
            self._step_begins(self._above())

    @property
    def busy(self) -> bool:
        """Whether something inside has not ended."""
        return bool(self._open_calls or self._open_steps)

    def open_one(self, *, outermost: bool) -> Rollup | None:
        """This one, or the next one above that is open; or the last of these."""
        with _lock:
            innermost = self if self._owner is _process else self._above()
            last = innermost
            while outermost and last is not None and (above := last._above()) is not None:
                last = above
            return last

    # ------------------------------------------------------------------ the chain
    def _above(self) -> Rollup | None:
        """The next open one above. Call with the lock held. Those that have ended are let go of: a
        task that starts its own successor must not grow a chain."""
        parent = self._parent
        if parent is not None and parent._owner is not _process:
            self._lost = True
            while parent is not None and parent._owner is not _process:
                parent = parent._parent
            self._parent = parent
        return parent

    @staticmethod
    def _step_begins(rollup: Rollup | None) -> None:
        while rollup is not None:
            rollup._open_steps += 1
            rollup = rollup._above()

    # ------------------------------------------------------------------ calls
    def call_begins(self) -> None:
        """A call begins below."""
        with _lock:
            rollup: Rollup | None = self
            while rollup is not None:
                rollup._open_calls += 1
                rollup = rollup._parent

    def add(
        self,
        calls: int = 0,
        errors: int = 0,
        inference: int = 0,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cost: float = 0.0,
        unpriced: int = 0,
        unknown: int = 0,
        unsettled: int = 0,
    ) -> bool:
        """Add to this and all above.

        Args:
            calls: 1 for a call that ended.
            errors: 1 for one that failed.
            inference: 1 for one that asked a model for text.
            input_tokens, output_tokens, cost, unpriced: As in `Totals`.
            unknown: Calls whose usage is unknown, partial or estimated, for good.
            unsettled: Calls whose usage or price is to come; -1 for one that came.

        Returns:
            Whether one of them has ended, so that its span misses this.
        """
        with _lock:
            late = self._owner is not _process
            rollup: Rollup | None = self
            while rollup is not None:
                if calls:
                    rollup.calls += calls
                    rollup._open_calls -= calls
                    rollup._errors += errors
                if inference and rollup.is_agent:
                    rollup.own_inference_calls += inference
                    inference = 0
                rollup._input_tokens += input_tokens
                rollup._output_tokens += output_tokens
                rollup._cost += cost
                # Few calls have any of these.
                if unpriced or unknown or unsettled:
                    rollup._unpriced += unpriced
                    rollup._unknown += unknown
                    rollup._unsettled += unsettled
                above = rollup._above()
                late = late or rollup._lost
                rollup = above
        return late

    def priced(self, cost: Cost | None) -> None:
        """The cost of a call below has come, after the call ended; None: there is no price."""
        amount, unpriced = _amount(cost)
        self.add(cost=amount, unpriced=unpriced, unsettled=-1)

    # ------------------------------------------------------------------ tools, ends
    def tool_begins(self) -> None:
        """A tool begins inside."""
        with _lock:
            self._step_begins(self)

    def tool_ends(self) -> None:
        """A tool has ended inside."""
        with _lock:
            own = 1
            rollup: Rollup | None = self
            while rollup is not None:
                rollup._open_steps -= 1
                rollup._tool_calls += 1
                if rollup.is_agent:
                    rollup.own_tool_calls += own
                    own = 0
                rollup = rollup._above()

    def end(self) -> Totals | None:
        """The step has ended: what it came to. None in a forked child of its process."""
        with _lock:
            if self._owner is not _process:
                return None
            self._owner = None
            rollup = self._above()
            while rollup is not None:
                rollup._open_steps -= 1
                rollup = rollup._above()
            return self.totals(open_is_unknown=bool(self._open_steps))

    def totals(self, *, open_is_unknown: bool = False) -> Totals:
        """What it has come to so far.

        Args:
            open_is_unknown: Steps inside that go on will not be counted any more.
        """
        with _lock:
            return Totals(
                self.step,
                self.calls,
                self._errors,
                self._tool_calls,
                self._input_tokens,
                self._output_tokens,
                self._cost,
                self._unpriced,
                self._open_calls,
                open_is_unknown
                or bool(self._unknown or self._unpriced or self._unsettled or self._open_calls),
            )


# ------------------------------------------------------------------ steps
class StepRollup:
    """The part of one step in the roll-ups: workflows and agents have sums, tools are counted.

    Args:
        operation: `gen_ai.operation.name` of the step.
        step: Name of its span.
        context: What the step begins in.
        counting: Whether calls are instrumented at all: else a sum of 0 would be wrong.
    """

    __slots__ = ("_tool_of", "own")

    def __init__(self, operation: str, step: str, context: Context, counting: bool) -> None:
        around = _innermost(context) if counting else None
        is_owner = counting and operation in _OWNERS
        self.own = Rollup(operation, step, around) if is_owner else None
        self._tool_of = around if operation == semconv.EXECUTE_TOOL else None
        if self._tool_of is not None:
            self._tool_of.tool_begins()

    def handed_down(self, context: Context) -> Context:
        """The context for what runs inside."""
        return context if self.own is None else set_value(_ROLLUP, self.own, context)

    def settle(self) -> None:
        """Have what the garbage collector ended inside counted. Not for finalisers."""
        if self.own is not None and self.own.busy:
            finalizers.settle(_PATIENCE)

    def end(self) -> Totals | None:
        """The step has ended: what it came to, if it has sums."""
        if self._tool_of is not None:
            self._tool_of.tool_ends()
        return None if self.own is None else self.own.end()


def attributes(totals: Totals, operation: str) -> dict[str, int | float | bool]:
    """The span attributes of a workflow or agent that ended. A sum of 0 that is known to be
    incomplete is left out: nothing is known."""
    complete = not totals.incomplete
    sums: dict[str, int | float | bool] = {
        semconv.TOTAL_CALLS: totals.calls,
        semconv.TOTAL_ERRORS: totals.errors,
        semconv.TOTAL_TOOL_CALLS: totals.tool_calls,
        semconv.TOTAL_UNPRICED: totals.unpriced,
    }
    if totals.input_tokens or complete:
        sums[semconv.TOTAL_INPUT_TOKENS] = totals.input_tokens
    if totals.output_tokens or complete:
        sums[semconv.TOTAL_OUTPUT_TOKENS] = totals.output_tokens
    if totals.cost_usd or complete:
        sums[semconv.TOTAL_COST] = totals.cost_usd
    if not complete:
        sums[semconv.TOTAL_INCOMPLETE] = True
    if operation == semconv.INVOKE_AGENT and totals.calls:
        for name, sum_ in _CONVENTIONS.items():
            if sum_ in sums:
                sums[name] = sums[sum_]
    return sums


# The conventions allow these on agents, and not on workflows.
_CONVENTIONS = {
    semconv.USAGE_INPUT_TOKENS: semconv.TOTAL_INPUT_TOKENS,
    semconv.USAGE_OUTPUT_TOKENS: semconv.TOTAL_OUTPUT_TOKENS,
}


# ------------------------------------------------------------------ calls
def begin(context: Context) -> Rollup | None:
    """A call begins: the roll-up that it will be added to, None outside all steps."""
    rollup = _innermost(context)
    if rollup is not None:
        rollup.call_begins()
    return rollup


def add(record: Record, bill: Bill, table: InstrumentTable) -> None:
    """A call has ended: add it to the steps around it, and what it used to those of who used it.

    Args:
        record: What the call left.
        bill: What it is billed for, and by whom.
        table: Counts calls that ended after a step around them.
    """
    own, user = record.rollup, bill.rollup
    failure = record.failure.kind
    errors, inference = failure is not None, record.endpoint.operation in _INFERENCE
    usage = _usage(record, bill)
    if own is user:
        late = own is not None and own.add(1, errors, inference, *usage)
    else:
        # What began in the background in another step, or outside all steps.
        late = own is not None and own.add(1, errors, inference)
        if user is not None:
            user.add(0, 0, 0, *usage)
    if late:
        table.count(semconv.ROLLUP_LATE, 1)


def _usage(record: Record, bill: Bill) -> tuple[int, int, float, int, int, int]:
    """Tokens in and out, cost, and how many calls are unpriced, of unknown usage, unsettled."""
    used, unsettled = bill.used, bill.unsettled
    amount, unpriced = _amount(bill.cost) if bill.priced else (0.0, 0)
    if used is None:
        cut_off = record.endpoint.billed and record.failure.kind in _CUT_OFF
        # What is awaited is not unknown for good.
        unknown = (bill.usage_unknown or cut_off) and not unsettled
        return 0, 0, amount, unpriced, unknown, unsettled
    if not bill.priced:
        unsettled += 1
    unknown = used.partial or record.answer.usage_source == semconv.USAGE_ESTIMATED
    return used.input_tokens, used.output_tokens, amount, unpriced, unknown, unsettled


def _amount(cost: Cost | None) -> tuple[float, int]:
    """The cost in USD, and 1 if it is unknown or incomplete."""
    return (0.0, 1) if cost is None else (cost.total, int(cost.incomplete))


# ------------------------------------------------------------------ programs
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
        innermost = _innermost(get_current())
        rollup = innermost and innermost.open_one(outermost=outermost)
        if rollup is None:
            return _EMPTY
        if rollup.busy:
            finalizers.settle(_PATIENCE)
        return rollup.totals()
    except Exception as exc:  # noqa: BLE001
        guard.handle("totals", exc)
        return _EMPTY


def _innermost(context: Context) -> Rollup | None:
    """The roll-up of a context, which may have ended."""
    rollup = context.get(_ROLLUP)
    return rollup if isinstance(rollup, Rollup) else None
