"""An hour's growth, of counters and of both kinds of histograms, after hours that are missing."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from stack.parts import program
from stack.rule_cases import series

from llm_otel import semconv
from llm_otel.stack.prometheus.hourly import COUNT, growth

HOUR = 12  # steps of five minutes
BEFORE = 48 * HOUR  # steps before the hours of the cases


@dataclass(frozen=True)
class Process:
    """Its counter from 0:00 to 9:00 by steps (None: not there), and what was recorded of it at
    which hour; hours before the first are of the days before."""

    values: Sequence[float | None]
    recorded: Mapping[int, float] = field(default_factory=dict)


STEPS = range(9 * HOUR + 1)
EVEN = [float(step) for step in STEPS]
HALF = 8 * HOUR + 6


def at(*hours: int) -> dict[int, float]:
    """What `EVEN` was at those hours."""
    return {hour: float(hour * HOUR) for hour in hours}


# What all processes grew by since the last hour that was recorded. Of a new one, and of one that
# began anew, it is as `increase` has it, which goes a step beyond the samples.
CASES: dict[str, tuple[list[Process], float]] = {
    "as ever": ([Process(EVEN, at(6, 7, 8))], 12),
    "the first hour of a stack": ([Process(EVEN)], 12),
    "six hours are missing": ([Process(EVEN, at(1, 2, 3))], 72),
    "two days are missing": ([Process(EVEN, {-40: 0.0})], 108),
    "samples came late": ([Process(EVEN, {8: 88.0})], 20),
    "another process is new": (
        [Process(EVEN, at(7, 8)), Process([None if n < HALF else n - HALF for n in STEPS])],
        12 + 6 + 1,
    ),
    "another is new since hours are missing": (
        [
            Process(EVEN, at(1, 2, 3)),
            Process([None if n < 5 * HOUR else n - 5.0 * HOUR for n in STEPS]),
        ],
        72 + 48 + 1,
    ),
    "another ended while hours are missing": (
        [
            Process(EVEN, at(1, 2, 3)),
            Process([n if n <= 5 * HOUR else None for n in STEPS], at(1, 2, 3)),
        ],
        72 + 24,
    ),
    "one began anew within the hour": (
        [Process([n if n < HALF else n - HALF for n in STEPS], at(7, 8))],
        10.8,
    ),
}


@pytest.mark.parametrize("kind", ["counter", "classic", "native"])
@pytest.mark.parametrize("case", CASES)
def test_growth_since_the_last_recorded_hour(case: str, kind: str, tmp_path: Path) -> None:
    """By the rule's own expression: promtool would evaluate the rule itself at every hour."""
    processes, grown = CASES[case]
    metric = semconv.COST if kind == "counter" else semconv.REQUEST_DURATION
    rule, held = growth("grown", metric, ("service_name",), None if kind == "counter" else COUNT)
    found = {}
    for number, process in enumerate(processes):
        labels = {"service_name": "shop", "instance": str(number)}
        write = _native if kind == "native" else _plain
        name = series(metric, "_count" if kind == "classic" else "", **labels)
        found[name] = " ".join([f"_x{BEFORE - 1}", *map(write, process.values)])
        marks = {BEFORE + hour * HOUR: value for hour, value in process.recorded.items()}
        found[series(held.record, **labels)] = " ".join(
            _plain(marks.get(step)) for step in range(BEFORE + len(STEPS))
        )
    document = {
        "evaluation_interval": "5m",
        "fuzzy_compare": True,
        "tests": [
            {
                "interval": "5m",
                "input_series": [{"series": k, "values": v} for k, v in found.items()],
                "promql_expr_test": [
                    {
                        "expr": rule.expr,
                        "eval_time": f"{BEFORE // HOUR + 9}h",
                        "exp_samples": [{"labels": '{service_name="shop"}', "value": grown}],
                    }
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    ran = subprocess.run(
        [program("promtool"), "test", "rules", "test.yaml"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"


def _plain(value: float | None) -> str:
    return "_" if value is None else f"{value:g}"


def _native(value: float | None) -> str:
    """A native histogram of so many values."""
    if value is None:
        return "_"
    return f"{{{{schema:0 sum:{value:g} count:{value:g} buckets:[{value:g}]}}}}"
