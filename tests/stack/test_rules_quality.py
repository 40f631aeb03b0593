"""The alerts on what the answers are worth, on the real promtool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stack.rule_cases import RESET, Case, Fires, check, counter, hourly, series

from llm_otel import semconv
from llm_otel.stack.prometheus import recording

WARN, PAGE = "warning", "critical"
DONE = {"service_name": "shop", "feature": "search", "kind": "ticket"}
JUDGED = {"service_name": "shop", "evaluation": "helpful", "model": "gpt-5"}


def outcomes(success: str, failure: str) -> dict[str, str]:
    return {
        series(semconv.OUTCOMES, **DONE, tenant_id="acme", outcome=outcome): values
        for outcome, values in (("success", success), ("failure", failure))
    }


def success() -> Iterator[Case]:
    name = "LLMSuccessLow"
    yield Case(
        "waits, warns, goes on, resolves",
        name,
        outcomes(counter((1, 120)), counter((0, 30), (1, 30), (0, 60))),
        {
            "30m": [],
            "49m": [],
            # 25 of 85 have failed by then
            "75m": [Fires(WARN, "66.67%", DONE)],
            "100m": [Fires(WARN, "74.68%", DONE)],
            "118m": [],
        },
    )
    yield Case(
        "none succeeds, there is not even a series of it",
        name,
        {series(semconv.OUTCOMES, **DONE, tenant_id="acme", outcome="failure"): counter((1, 90))},
        {"80m": [Fires(s, "0%", DONE) for s in (WARN, PAGE)]},
    )
    yield Case("all succeed", name, outcomes(counter((1, 90)), counter((0.1, 90))), {"80m": []})
    yield Case("too few", name, outcomes(counter((0.1, 90)), counter((0.1, 90))), {"80m": []})
    yield Case(
        "a process that starts anew",
        name,
        outcomes(counter((1, 60), (RESET, 1), (1, 30)), counter((0.1, 60), (RESET, 1), (0.1, 30))),
        {"59m": [], "70m": [], "90m": []},
    )


def drift() -> Iterator[Case]:
    name = "LLMEvaluationDrift"
    labels = {**JUDGED, "feature": "search", "tenant_id": "acme"}

    def scores(*phases: tuple[float, float, int]) -> dict[str, str]:
        return {
            series(recording.HOURLY_SCORE_SUM, **labels): hourly(
                *((mean * count, hours) for mean, count, hours in phases)
            ),
            series(recording.HOURLY_SCORES, **labels): hourly(
                *((count, hours) for _, count, hours in phases)
            ),
        }

    yield Case(
        "waits, warns, pages, resolves",
        name,
        scores((0.8, 20, 48), (0.4, 20, 8), (0.8, 20, 20)),
        {
            "48h30m": [],
            "49h10m": [],
            # two hours of six are bad, then all
            "49h50m": [Fires(WARN, "16.67%", JUDGED)],
            "53h50m": [Fires(s, "50%", JUDGED) for s in (WARN, PAGE)],
            "64h": [],
        },
        step="5m",
        evaluated="10m",
    )
    yield Case("as ever", name, scores((0.8, 20, 60)), {"59h": []}, step="5m")
    yield Case("too few", name, scores((0.8, 5, 48), (0.4, 5, 10)), {"57h": []}, step="5m")
    yield Case("better", name, scores((0.6, 20, 48), (0.9, 20, 10)), {"57h": []}, step="5m")
    yield Case("nothing before", name, scores((0.4, 20, 6)), {"5h50m": []}, step="5m")
    raw = {
        series(semconv.EVALUATION_SCORE, "_sum", **labels): counter((4, 240), (1, 240)),
        series(semconv.EVALUATION_SCORE, "_count", **labels): counter((5, 480)),
    }
    yield Case(
        "from the raw histogram",
        name,
        raw,
        {"20h": [], "28h": [Fires(s, "73.17%", JUDGED) for s in (WARN, PAGE)]},
        rules=("hourly",),
        step="5m",
        evaluated="1h",
    )


def environments() -> Iterator[Case]:
    def of(name: str, success: str, failure: str) -> dict[str, str]:
        return {
            series(semconv.OUTCOMES, **DONE, deployment_environment_name=name, outcome=outcome): v
            for outcome, v in (("success", success), ("failure", failure))
        }

    staging = {**DONE, "deployment_environment_name": "staging"}
    yield Case(
        "staging does not succeed, production does",
        "LLMSuccessLow",
        {
            **of("production", counter((10, 120)), counter((0, 120))),
            **of("staging", counter((1, 120)), counter((0, 30), (1, 90))),
        },
        {"75m": [Fires(WARN, "57.14%", staging)]},
    )


CASES = [case for part in (success, drift, environments) for case in part()]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_alert(case: Case, tmp_path: Path) -> None:
    """An alert fires when it should, with its labels and texts, and at no other time."""
    check(case, tmp_path)
