"""Cases for `promtool test rules`: series that come in, and which alerts fire at which time.

Labels, values and summaries are written in the case; the other annotations come from the rule that
must have fired, so that each is compared in full.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from stack.parts import program

from llm_otel.semconv import Metric
from llm_otel.stack import prometheus, render
from llm_otel.stack.config import Config
from llm_otel.stack.prometheus import alerts

DEFAULTS = Config()
CALLER = {"service_name": "shop", "model": "gpt-5", "provider": "openai"}
CALL = {**CALLER, "operation": "chat", "feature": "search", "tenant_id": "acme"}


@dataclass(frozen=True)
class Fires:
    """A firing alert: how bad, its value as people read it, its own labels.

    `usd` are the amounts of the value and of the level. Where no alert of a case has any, the rules
    are loaded without what looks them up: most cases are about when an alert fires.
    """

    severity: str
    value: str
    labels: Mapping[str, str]
    usd: Sequence[str] = ()


@dataclass(frozen=True)
class Case:
    """What comes in, and which alerts of one name fire when.

    `rules` are the files of recording rules to load, by default those of the component. promtool
    evaluates every group at each step, the hourly one too: cases on recorded hours bring these as
    series, or say `evaluated="1h"`.
    """

    name: str
    alert: str
    series: Mapping[str, str]
    expect: Mapping[str, Sequence[Fires]]
    rules: Sequence[str] | None = None
    step: str = "1m"
    evaluated: str | None = None
    start: str | None = None
    config: Config = DEFAULTS
    samples: Mapping[str, tuple[str, Mapping[str, float]]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.alert}: {self.name}"


def series(metric: Metric | str, suffix: str = "", **labels: str) -> str:
    """A series as promtool writes it."""
    name = metric if isinstance(metric, str) else metric.prometheus
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{name}{suffix}{{{inside}}}"


def counter(*phases: tuple[float | None, int], start: float = 0) -> str:
    """Values of a counter: `(growth per step, steps)`; None: no samples; start anew: `RESET`."""
    parts, now = [], start
    for growth, steps in phases:
        if growth is None:
            parts.append(f"_x{steps}")
            continue
        if growth == RESET:
            now = 0
            parts.append("0")
            continue
        parts.append(f"{now:.10g}{growth:+.10g}x{steps - 1}")
        now += growth * steps
    return " ".join(parts)


RESET = float("inf")


def gauge(*phases: tuple[float | None, int]) -> str:
    """Values of a gauge: `(value, steps)`; None: no samples."""
    return " ".join(f"_x{n}" if value is None else f"{value:.10g}x{n - 1}" for value, n in phases)


def hourly(*phases: tuple[float | None, int], step: int = 5) -> str:
    """Values of a series recorded each full hour: `(value, hours)`, a step being some minutes."""
    hole = f" _x{60 // step - 1} "
    return "".join(
        ("_" if value is None else f"{value:.10g}") + hole for value, n in phases for _ in range(n)
    )


def calls(metric: Metric, *phases: tuple[float, float, int], **labels: str) -> dict[str, str]:
    """Series of a histogram: `(duration, calls per step, steps)`."""
    bounds = [*metric.buckets, float("inf")]
    found = {}
    for bound in bounds:
        le = "+Inf" if bound == float("inf") else f"{bound:g}"
        values = counter(*((rate * (took <= bound), steps) for took, rate, steps in phases))
        found[series(metric, "_bucket", le=le, **labels)] = values
    found[series(metric, "_count", **labels)] = counter(*((rate, n) for _, rate, n in phases))
    return found


def check(case: Case, place: Path) -> None:
    """Run one case on the real rules; a failure shows what promtool says."""
    render.write(place, _files(case.config) if _has_money(case) else _plain(case.config))
    component = _component(case)
    document = {
        "rule_files": [f"prometheus/alerts/{component}.yaml", *_rule_files(case, component)],
        "evaluation_interval": case.evaluated or case.step,
        "group_eval_order": [
            *(group.name for group in prometheus.groups(case.config)),
            f"{component}-alerts",
        ],
        "fuzzy_compare": True,
        "tests": [_test(case)],
    }
    (place / "test.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    ran = subprocess.run(
        [program("promtool"), "test", "rules", "test.yaml"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, f"{case}\n{ran.stdout}\n{ran.stderr}"


_MONEY = re.compile(r"\{\{ with printf `([^`]*)` [^}]*\}\}(.*?)\{\{ else \}\}(.*?)\{\{ end \}\}")


def _has_money(case: Case) -> bool:
    return any(fires.usd for firing in case.expect.values() for fires in firing)


def _plain(config: Config) -> dict[str, str]:
    """The files without what looks amounts up."""
    return {path: _MONEY.sub(r"\3", text) for path, text in _files(config).items()}


_generated: dict[int, tuple[Config, dict[str, str], list[dict[str, Any]]]] = {}


def _files(config: Config) -> dict[str, str]:
    return _made(config)[1]


def _alerts(config: Config) -> list[dict[str, Any]]:
    return _made(config)[2]


def _made(config: Config) -> tuple[Config, dict[str, str], list[dict[str, Any]]]:
    """The configuration, its files and its alerts, made once: reading YAML takes a while."""
    if id(config) not in _generated:
        files = prometheus.files(config)
        alerts = [
            rule
            for path, text in files.items()
            if path.startswith("prometheus/alerts/")
            for group in yaml.safe_load(text)["groups"]
            for rule in group["rules"]
        ]
        _generated[id(config)] = config, files, alerts
    return _generated[id(config)]


def _component(case: Case) -> str:
    if case.alert == prometheus.WATCHDOG:
        return "telemetry"
    return next(a.component for a in alerts.ALERTS if a.name == case.alert)


def _rule_files(case: Case, component: str) -> list[str]:
    usual = {"llm": ("calls", "slo"), "cost": (), "quality": (), "telemetry": ("calls",)}
    names = usual[component] if case.rules is None else case.rules
    return [f"prometheus/rules/{name}.yaml" for name in names]


def _test(case: Case) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": str(case),
        "interval": case.step,
        "input_series": [{"series": k, "values": v} for k, v in case.series.items()],
        "alert_rule_test": [
            {
                "eval_time": time,
                "alertname": case.alert,
                "exp_alerts": [_alert(case, fires) for fires in firing],
            }
            for time, firing in case.expect.items()
        ],
    }
    if case.samples:
        found["promql_expr_test"] = [
            {
                "expr": expr,
                "eval_time": time,
                "exp_samples": [{"labels": k, "value": v} for k, v in samples.items()],
            }
            for expr, (time, samples) in case.samples.items()
        ]
    if case.start:
        found["start_timestamp"] = case.start
    return found


def _alert(case: Case, fires: Fires) -> dict[str, Any]:
    rule = _rule(case, fires)
    return {
        "exp_labels": {**rule["labels"], **fires.labels},
        "exp_annotations": {
            name: _rendered(text, fires) for name, text in rule["annotations"].items()
        },
    }


def _rule(case: Case, fires: Fires) -> dict[str, Any]:
    """The one rule of that name and severity whose labels do not contradict the case's."""
    found = [
        rule
        for rule in _alerts(case.config)
        if rule["alert"] == case.alert
        and rule["labels"]["severity"] == fires.severity
        and all(fires.labels.get(key, value) == value for key, value in rule["labels"].items())
    ]
    assert len(found) == 1, f"{case}: {len(found)} rules are {fires.severity}"
    return found[0]


def _value(fires: Fires, unit: str) -> str:
    """A value in a text; its unit, such as ` times`, stands in the template and in the case."""
    return fires.value.removesuffix(unit) + unit


def _amount(looked_up: re.Match[str], fires: Fires) -> str:
    """What is written with an amount, or without where the case has none."""
    if not fires.usd:
        return looked_up[3]
    usd = fires.usd[0 if "$value" in looked_up[0].partition("}}")[0] else -1]
    return looked_up[2].replace('{{ . | first | value | printf "$%.2f" }}', usd)


def _rendered(template: str, fires: Fires) -> str:
    """What Prometheus makes of the few forms of templates that the rules have."""
    template = _MONEY.sub(lambda m: _amount(m, fires), template)
    text = re.sub(
        r"\{\{ \$value[^}]*\}\}(×| [a-z]+)?", lambda m: _value(fires, m[1] or ""), template
    )
    condition = re.compile(
        r'\{\{ if eq \$labels\.(\w+) "([^"]*)" \}\}((?:(?!\{\{ if).)*?)'
        r"\{\{ else \}\}((?:(?!\{\{ if).)*?)\{\{ end \}\}"
    )
    while (found := condition.search(text)) is not None:
        label, wanted, then, other = found.groups()
        chosen = then if fires.labels.get(label, "") == wanted else other
        text = text[: found.start()] + chosen + text[found.end() :]
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda m: fires.labels.get(m[1], ""), text)
