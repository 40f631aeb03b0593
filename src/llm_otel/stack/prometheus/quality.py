"""The alerts on what the answers are worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llm_otel import semconv
from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.limits import Limits
from llm_otel.stack.prometheus import recording
from llm_otel.stack.prometheus.alert import Alert, Condition
from llm_otel.stack.prometheus.promql import SOURCE, grown, total

_QUALITY: Final = "quality"


def _success(_: Config, limits: Limits) -> Condition:
    by = (*SOURCE, semconv.FEATURE, semconv.KIND)
    window = str(limits.window)
    outcomes = grown(semconv.OUTCOMES, window, by)
    successes = grown(semconv.OUTCOMES, window, by, f'{semconv.OUTCOME}="{semconv.SUCCESS}"')
    return Condition(
        f"({successes} or 0 * {outcomes})\n/ ({outcomes} > 0)",
        (f"{outcomes} >= {limits.minimum:g}",),
    )


def _drift(_: Config, limits: Limits) -> Condition:
    recent, before = f"[{limits.window}]", f"[7d] offset {limits.window}"
    return Condition(
        f"1 - ({_mean(recent)})\n/ ({_mean(before)})",
        tuple(f"{_scores(span)} >= {limits.minimum:g}" for span in (recent, before)),
    )


def _mean(span: str) -> str:
    by = (*SOURCE, semconv.EVALUATION, semconv.MODEL)
    return f"{total(by, f'sum_over_time({recording.HOURLY_SCORE_SUM}{span})')} / {_scores(span)}"


def _scores(span: str) -> str:
    by = (*SOURCE, semconv.EVALUATION, semconv.MODEL)
    return total(by, f"sum_over_time({recording.HOURLY_SCORES}{span})")


ALERTS: Final[Sequence[Alert]] = (
    Alert(
        key="success",
        name="LLMSuccessLow",
        component=_QUALITY,
        panel=panels.SUCCESS_RATE,
        limits=Limits(
            "share",
            warning=0.75,
            critical=0.5,
            window="1h",
            minimum=20,
            minimum_unit="outcomes",
            for_="10m",
        ),
        summary="{service_name}: {value} of {kind} with {feature} [succeed|succeeded]",
        description="The share of successful outcomes in {window}, of at least {minimum}.",
        condition=_success,
        below=True,
        shows_levels=True,
    ),
    Alert(
        key="drift",
        name="LLMEvaluationDrift",
        component=_QUALITY,
        panel=panels.DRIFT,
        limits=Limits(
            "share",
            warning=0.10,
            critical=0.25,
            window="6h",
            minimum=50,
            minimum_unit="scores",
            for_="30m",
            keep_firing_for="30m",
        ),
        summary="{service_name}: {evaluation} of {model} [is|was] {value} below its mean",
        description=(
            "The mean of the last {window} against that of the 7 days before, with at least"
            " {minimum} in each."
        ),
        condition=_drift,
    ),
)
