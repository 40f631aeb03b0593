"""What each single alert does, whatever its condition: waits, goes on, bears absence and resets."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from stack.parts import program

from llm_otel import semconv
from llm_otel.stack import prometheus, render
from llm_otel.stack.config import Config
from llm_otel.stack.limits import seconds
from llm_otel.stack.prometheus import alerts, budgets
from llm_otel.stack.prometheus.alert import rules

CONFIG = Config()
STEP_SECONDS = 60
QUIET, LASTING = 10, 5  # steps before a condition holds, and for how many it does after `for`


def promtool(place: Path, rule_files: list[str], tests: list[Mapping[str, Any]]) -> None:
    """Run promtool's tests; a failure shows what it says."""
    document = {"rule_files": rule_files, "evaluation_interval": "1m", "tests": tests}
    (place / "test.yaml").write_text(yaml.safe_dump(document))
    command = [program("promtool"), "test", "rules", "test.yaml"]
    ran = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, (ran.stdout + ran.stderr)[-4000:]


def firing(expected: bool, step: int, matchers: str) -> dict[str, Any]:
    """That alerts fire at a step, or none."""
    return {
        "expr": f"group(ALERTS{{{matchers},alertstate='firing'}})",
        "eval_time": f"{step}m",
        "exp_samples": [{"labels": "{}", "value": 1}] if expected else [],
    }


def test_each_waits_and_goes_on_for_as_long_as_its_limits_say(tmp_path: Path) -> None:
    """Each rule, its condition replaced by one that holds for a known time."""
    controlled, values, expected = [], {}, []
    for alert in alerts.ALERTS:
        limits = alert.limits
        waits, goes_on = (
            seconds(text) // STEP_SECONDS for text in (limits.for_, limits.keep_firing_for)
        )
        for rule in rules(alert, CONFIG):
            name = f"rule{len(controlled)}"
            controlled.append({**rule, "expr": f'controlled{{rule="{name}"}} > 0'})
            ends = QUIET + waits + LASTING
            values[f'controlled{{rule="{name}"}}'] = f"0x{QUIET - 1} 1x{waits + LASTING - 1} 0x120"
            expected += [
                firing(expects, step, f"rule='{name}'")
                for expects, step in (
                    (False, QUIET - 1),
                    *([(False, QUIET + waits - 1)] if waits else []),
                    (True, QUIET + waits + 1),
                    (True, ends + goes_on - 1),
                    (False, ends + goes_on + 2),
                )
            ]
    assert len(controlled) == len(list(_alerts())) - 1  # the watchdog has no condition
    groups = [{"name": "controlled", "rules": controlled}]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    inputs = [{"series": series, "values": text} for series, text in values.items()]
    test = {"interval": "1m", "input_series": inputs, "promql_expr_test": expected}
    promtool(tmp_path, ["rules.yaml"], [test])


def _alerts() -> Iterator[dict[str, Any]]:
    for path, text in prometheus.files(CONFIG).items():
        if path.startswith("prometheus/alerts/"):
            for group in yaml.safe_load(text)["groups"]:
                yield from group["rules"]


def test_where_nothing_is_only_the_collector_is_missed(tmp_path: Path) -> None:
    """A Prometheus without any series: two alerts fire, one of which always does."""
    written = render.write(tmp_path, prometheus.files(CONFIG))
    alone = "CollectorDown|Watchdog"
    tests = [
        firing(True, 90, f"alertname=~'{alone}'"),
        firing(False, 90, f"alertname!~'{alone}'"),
    ]
    rule_files = [path for path in written if path.endswith(".yaml")]
    promtool(tmp_path, rule_files, [{"interval": "1m", "promql_expr_test": tests}])


def test_a_counter_is_read_by_its_growth_alone() -> None:
    """So a process that starts anew, whose counters begin at 0, looks like no call at all."""
    counters = {
        metric.prometheus + suffix
        for metric in semconv.FAMILY_A
        for suffix in {"counter": ("",), "histogram": ("_count", "_sum", "_bucket")}.get(
            metric.kind, ()
        )
    }
    # Whether a service was heard is a question of what there is, not of how much.
    heard = f"{semconv.REQUEST_DURATION.prometheus}_count)"
    read = re.compile(r"(?:increase|rate)\([\w:]+(?:\{[^}]*\})?\[")
    for text in prometheus.files(CONFIG).values():
        for group in yaml.safe_load(text).get("groups", ()):
            for rule in group["rules"]:
                # These bridge gaps by differences: test_rules_cost and _hourly have restarts.
                by_difference = group["name"] == "llm-hourly"
                if by_difference or rule.get("record") in (budgets.DAY_COST, budgets.HOUR_COST):
                    continue
                rest = read.sub("", rule["expr"]).replace(heard, "")
                names = set(re.findall(r"[\w:]+", rest))
                raw = {name for name in names if name in counters or name.endswith("_total")}
                assert not raw, (rule, raw)
