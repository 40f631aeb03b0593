"""What counters grew by in each hour, with nothing missing where Prometheus was away.

A rule that was not evaluated at its hour is not evaluated later. So each hour also records what the
counters hold, and the next one takes its growth from there: after an outage it is that of all the
hours since the last one before. Prometheus looks for that for three days.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from llm_otel.semconv import Metric
from llm_otel.stack.prometheus.promql import base, either, total
from llm_otel.stack.prometheus.rule import Rule


class Part(NamedTuple):
    """What is read of a histogram: the suffix of the classic one, the function of the native."""

    suffix: str
    function: str


COUNT: Final = Part("_count", "histogram_count")
SUM: Final = Part("_sum", "histogram_sum")


def growth(
    name: str, metric: Metric, by: Sequence[str], part: Part | None = None
) -> tuple[Rule, Rule]:
    """The rule of the growth by some labels, and that of what it is taken from.

    Args:
        name: Of the recorded growth.
        metric: A counter, or a histogram.
        by: Labels to keep.
        part: `COUNT` or `SUM` of a histogram.
    """
    suffix, function = part or ("", "")
    held = f"series:{base(metric)}{suffix}:last1d"
    counter = f"{metric.prometheus}{suffix}"
    grown, last = _grown(counter, held), f"last_over_time({counter}[1d])"
    if not function:
        return Rule(name, total(by, grown)), Rule(held, last)
    native = f"{function}(last_over_time({metric.prometheus}[1d]))"
    return (
        Rule(name, either(total(by, grown), total(by, _grown(metric.prometheus, held, function)))),
        Rule(held, either(last, native)),
    )


def _grown(counter: str, held: str, function: str = "") -> str:
    """The growth of each series since the last evaluation, or an hour ago where these are closer.

    A series that is not known from then is new: of it what it grew by in the last hour, or in the
    last day where that hour's evaluation is missing. So is one that began anew, which shows by the
    last sample before that hour.
    """

    def read(vector: str) -> str:
        return f"{function}({vector})" if function else vector

    then = f"last_over_time({held}[3d] offset 1h)"
    gap = f"(group({then}) unless on () group(last_over_time({held}[30m] offset 1h)))"
    return (
        f"\n  ({read(f'last_over_time({counter}[1d])')} - {then}) >= 0"
        f" unless resets({counter}[70m]) > 0\n"
        f"  or ({read(f'increase({counter}[1d])')} unless {then}) and on () {gap}\n"
        f"  or {read(f'increase({counter}[1h])')}\n"
    )
