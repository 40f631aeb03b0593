"""The alerts on what the answers are worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llm_otel import semconv
from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.limits import Limits
from llm_otel.stack.prometheus import recording
from llm_otel.stack.prometheus.alerts import Alert, Condition
from llm_otel.stack.prometheus.promql import SERVICE, grown, total

_QUALITY: Final = "quality"


def _success(_: Config, limits: Limits) -> Condition:
    by = (SERVICE, semconv.FEATURE, semconv.KIND)
    window = str(limits.window)
    ended = grown(semconv.OUTCOMES, window, by)
    won = grown(semconv.OUTCOMES, window, by, f'{semconv.OUTCOME}="{semconv.SUCCESS}"')
    return Condition(
        f"({won} or 0 * {ended})\n/ ({ended} > 0)", (f"{ended} >= {limits.minimum:g}",)
    )


def _drift(_: Config, limits: Limits) -> Condition:
    recent, before = f"[{limits.window}]", f"[7d] offset {limits.window}"
    return Condition(
        f"1 - ({_mean(recent)})\n/ ({_mean(before)})",
        tuple(f"{_scores(span)} >= {limits.minimum:g}" for span in (recent, before)),
    )


def _mean(span: str) -> str:
    by = (SERVICE, semconv.EVALUATION, semconv.MODEL)
    return f"{total(by, f'sum_over_time({recording.HOURLY_SCORE_SUM}{span})')} / {_scores(span)}"


def _scores(span: str) -> str:
    by = (SERVICE, semconv.EVALUATION, semconv.MODEL)
    return total(by, f"sum_over_time({recording.HOURLY_SCORES}{span})")


ALERTS: Final[Sequence[Alert]] = (
    Alert(
        "success",
        "LLMSuccessLow",
        _QUALITY,
        panels.SUCCESS_RATE,
        "{service_name}: {value} of {kind} with {feature} succeed",
        "The share of successful outcomes in {window}, of at least {minimum}.",
        _success,
        below=True,
    ),
    Alert(
        "drift",
        "LLMEvaluationDrift",
        _QUALITY,
        panels.DRIFT,
        "{service_name}: {evaluation} of {model} is {value} below its mean",
        "The mean of the last {window} against that of the 7 days before, with at least {minimum}"
        " in each.",
        _drift,
    ),
)
