"""The part of one step in the roll-ups: workflows and agents have sums, tools are counted."""

from __future__ import annotations

from opentelemetry.context import Context

from llm_otel import semconv
from llm_otel.core.rollup import sums
from llm_otel.core.rollup.sums import Rollup, Totals

_OWNERS = frozenset({semconv.INVOKE_WORKFLOW, semconv.INVOKE_AGENT})

# The conventions allow these on agents, and not on workflows.
_CONVENTIONS = {
    semconv.USAGE_INPUT_TOKENS: semconv.TOTAL_INPUT_TOKENS,
    semconv.USAGE_OUTPUT_TOKENS: semconv.TOTAL_OUTPUT_TOKENS,
}


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
        around = sums.innermost(context) if counting else None
        is_owner = counting and operation in _OWNERS
        self.own = Rollup(operation, step, around) if is_owner else None
        self._tool_of = around if operation == semconv.EXECUTE_TOOL else None
        if self._tool_of is not None:
            self._tool_of.tool_begins()

    def handed_down(self, context: Context) -> Context:
        """The context for what runs inside."""
        return context if self.own is None else sums.within(self.own, context)

    def settle(self) -> None:
        """Have what the garbage collector ended inside counted. Not for finalisers."""
        if self.own is not None:
            self.own.settle()

    def end(self) -> Totals | None:
        """The step has ended: what it came to, if it has sums."""
        if self._tool_of is not None:
            self._tool_of.tool_ends()
        return None if self.own is None else self.own.end()


def attributes(totals: Totals, operation: str) -> dict[str, int | float | bool]:
    """The span attributes of a workflow or agent that ended. A sum of 0 that is known to be
    incomplete is left out: nothing is known."""
    complete = not totals.incomplete
    figures: dict[str, int | float | bool] = {
        semconv.TOTAL_CALLS: totals.calls,
        semconv.TOTAL_ERRORS: totals.errors,
        semconv.TOTAL_TOOL_CALLS: totals.tool_calls,
        semconv.TOTAL_UNPRICED: totals.unpriced,
    }
    if totals.input_tokens or complete:
        figures[semconv.TOTAL_INPUT_TOKENS] = totals.input_tokens
    if totals.output_tokens or complete:
        figures[semconv.TOTAL_OUTPUT_TOKENS] = totals.output_tokens
    if totals.cost_usd or complete:
        figures[semconv.TOTAL_COST] = totals.cost_usd
    if not complete:
        figures[semconv.TOTAL_INCOMPLETE] = True
    if operation == semconv.INVOKE_AGENT and totals.calls:
        for name, sum_ in _CONVENTIONS.items():
            if sum_ in figures:
                figures[name] = figures[sum_]
    return figures
