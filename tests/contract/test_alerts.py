"""An alert is one object: rules, panel, docs and `llm-otel.yaml` follow from it, and agree."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from llm_otel.stack import grafana, panels, prometheus
from llm_otel.stack.config import Config
from llm_otel.stack.grafana.model import FIRST_FREE_ID
from llm_otel.stack.limits import LEVELS, Limits
from llm_otel.stack.prometheus import alerts, recording
from llm_otel.stack.prometheus.alert import Alert, Condition, shown
from tools import generate_docs

ROOT = Path(__file__).resolve().parents[2]
EACH = pytest.mark.parametrize("alert", alerts.ALERTS, ids=lambda alert: alert.key)

# Not in any list of the project: only the tests below put it into `alerts.ALERTS`.
NEW = Alert(
    key="very_slow",
    name="LLMVerySlow",
    component="llm",
    panel=panels.ACTIVE,
    limits=Limits("calls", warning=7, critical=70, window="43m", minimum=20),
    summary="{model} is at {value}",
    description="Over {window}, of at least {minimum}.",
    condition=lambda _, limits: Condition(
        recording.latency(99, str(limits.window)), (recording.requests(str(limits.window)),)
    ),
    shows_levels=True,
)


def _rules(files: dict[str, str], alert: Alert) -> Iterator[dict[str, Any]]:
    """The rules of an alert in the files of its component."""
    text = files[f"prometheus/alerts/{alert.component}.yaml"]
    for group in yaml.safe_load(text)["groups"]:
        for rule in group["rules"]:
            if rule["alert"] == alert.name and alert.labels.items() <= rule["labels"].items():
                yield rule


def _committed() -> dict[str, str]:
    folders = ("prometheus", "grafana")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in paths}


def _panel(files: dict[str, str], pin: panels.Panel) -> dict[str, Any]:
    boards = [json.loads(text) for path, text in files.items() if path.endswith(".json")]
    (board,) = [each for each in boards if each["uid"] == pin.dashboard]
    listed = [inner for outer in board["panels"] for inner in (outer, *outer.get("panels", ()))]
    (panel,) = [each for each in listed if each["id"] == pin.id]
    return dict(panel)


def _row(table: str, alert: Alert) -> list[str]:
    """The cells of an alert's row in the table of the docs."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    (row,) = [cells for cells in rows if f"`{alert.key}`" in cells]
    return row


def _check_rules(files: dict[str, str], alert: Alert) -> None:
    rules = {rule["labels"]["severity"]: rule for rule in _rules(files, alert)}
    levels = {level: alert.limits.level(level) for level in LEVELS}
    assert rules.keys() == {level for level, value in levels.items() if value is not None}
    for severity, rule in rules.items():
        sign = "<" if alert.below else ">"
        assert f"{sign} {levels[severity]:.15g}" in rule["expr"], rule
        assert rule.get("for", "0s") == alert.limits.for_
        assert rule["keep_firing_for"] == alert.limits.keep_firing_for
        notes = rule["annotations"]
        level = shown(levels[severity] or 0, alert.limits.unit)
        # Of money it is an amount, asked for when the alert fires; the level stands beside it.
        assert notes["threshold"] == level if alert.money is None else level in notes["threshold"]
        assert notes["runbook_url"].endswith(f"#{alert.name.lower()}")
        assert notes["dashboard_url"].endswith(f"/d/{alert.panel.dashboard}")
        assert notes["panel_id"] == str(alert.panel.id)


def _check_panel(files: dict[str, str], alert: Alert) -> None:
    defaults = _panel(files, alert.panel)["fieldConfig"]["defaults"]
    if alert.shows_levels:
        steps = {step["value"] for step in defaults["thresholds"]["steps"]}
        assert steps - {None} == {alert.limits.warning, alert.limits.critical} - {None}


def _check_docs(table: str, alert: Alert) -> None:
    row, limits, sign = _row(table, alert), alert.limits, "<" if alert.below else ">"
    values = {level: limits.level(level) for level in LEVELS}
    assert row == [
        f"[{alert.name}](#{alert.name.lower()})",
        f"`{alert.key}`",
        *("" if v is None else f"{sign} {shown(v, limits.unit)}" for v in values.values()),
        limits.window or "",
        "" if limits.minimum is None else shown(limits.minimum, limits.minimum_unit),
        limits.history or "",
        limits.for_,
    ]


@EACH
def test_rules_panel_and_docs_agree(alert: Alert) -> None:
    """What is committed says of each alert what the alert says."""
    files = _committed()
    _check_rules(files, alert)
    _check_panel(files, alert)
    _check_docs((ROOT / "docs" / "alerts.md").read_text("utf-8"), alert)


def test_a_new_alert_needs_its_object_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Put into the list of alerts, it has rules, series, lines, a row and a key in the file."""
    monkeypatch.setattr(alerts, "ALERTS", (*alerts.ALERTS, NEW))
    files = {**prometheus.files(Config()), **grafana.files(Config())}
    _check_rules(files, NEW)
    _check_panel(files, NEW)
    _check_docs(generate_docs.alerts_table(), NEW)
    recorded = re.findall(r"record: (\S+)", files["prometheus/rules/calls.yaml"])
    assert {recording.latency(99, "43m"), recording.requests("43m")} <= {*recorded}, recorded
    path = tmp_path / "llm-otel.yaml"
    path.write_text("alerts: {very_slow: {warning: 9, window: 47m}}\n")
    config = Config.load(path)
    assert NEW.limits_in(config) == replace(NEW.limits, warning=9, window="47m")
    changed = {**prometheus.files(config), **grafana.files(config)}
    _check_rules(changed, replace(NEW, limits=replace(NEW.limits, warning=9, window="47m")))
    _check_panel(changed, replace(NEW, limits=replace(NEW.limits, warning=9)))


def test_keys_and_names_are_those_of_one_alert() -> None:
    """A key is one alert's; so is a name, but for alerts that a label tells apart."""
    keys = [alert.key for alert in alerts.ALERTS]
    named = [(alert.name, *alert.labels.items()) for alert in alerts.ALERTS]
    assert len({*keys}) == len(keys), sorted(keys)
    assert len({*named}) == len(named), sorted(named)


def test_a_panel_draws_one_alert() -> None:
    """Two sets of levels in one panel could not be told apart."""
    panels = [alert.panel for alert in alerts.ALERTS if alert.shows_levels]
    assert len({*panels}) == len(panels), panels


def test_the_numbers_of_known_panels_are_theirs() -> None:
    """No panel that is numbered by its place gets the number of one in `stack/panels.py`."""
    pins = [pin for pin in vars(panels).values() if isinstance(pin, panels.Panel)]
    assert len({(pin.dashboard, pin.id) for pin in pins}) == len(pins)
    assert max(pin.id for pin in pins) < FIRST_FREE_ID


def test_the_example_shows_the_defaults() -> None:
    """A level in `llm-otel.yaml.example` is the alert's own, so that it can be read as the docs."""
    section = yaml.safe_load((ROOT / "llm-otel.yaml.example").read_text("utf-8"))["alerts"]
    limits = {alert.key: alert.limits for alert in alerts.ALERTS}
    for key, values in section.items():
        own = {name: getattr(limits[key], name) for name in values if name != "models"}
        assert {name: value for name, value in values.items() if name != "models"} == own, key


def test_the_code_names_an_alert_once() -> None:
    """No other module or template names an alert, but the routes: two silence others."""
    source = ROOT / "src" / "llm_otel"
    texts = {
        path.relative_to(source).as_posix(): path.read_text("utf-8")
        for path in source.rglob("*")
        if path.suffix in (".py", ".yml", ".tmpl", ".md", ".html")
    }
    for name in {alert.name for alert in alerts.ALERTS}:
        naming = [path for path, text in texts.items() if re.search(rf"\b{name}\b", text)]
        once = [path for path in naming if path != "stack/alertmanager/routes.yml"]
        assert len(once) == 1, (name, naming)
