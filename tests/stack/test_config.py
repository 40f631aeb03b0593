"""`llm-otel.yaml` as the stack reads it: thresholds, budgets, addresses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from docs.markdown import ROOT, Block, blocks

from llm_otel.errors import ConfigError
from llm_otel.settings import Settings
from llm_otel.stack.config import Budgets, Config
from llm_otel.stack.limits import LEVELS, seconds, settable
from llm_otel.stack.prometheus import files
from llm_otel.stack.prometheus.alert import Alert
from llm_otel.stack.prometheus.alerts import ALERTS

DEFAULTS = {alert.key: alert.limits for alert in ALERTS}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str) -> Config:
    Path("llm-otel.yaml").write_text(text)
    return Config.load()


def test_defaults_without_a_file(place: Path) -> None:
    """Without a file all is as by default."""
    assert Config.load() == Config()
    assert Config.load() == load("")


def test_settings_of_the_library_are_left_alone(place: Path) -> None:
    """One file serves the library and the stack; each reads its own sections."""
    text = "console: true\nalerts: {latency: {warning: 3}}\nbudgets: {total: 5}\nslo: 0.9\n"
    assert load(text).slo == 0.9
    assert Settings.resolve().console is True


def test_alerts_are_changed_one_by_one(place: Path) -> None:
    """What the file does not say stays; null removes a level, false an alert."""
    alerts = load(
        "alerts:\n  latency: {warning: 3, critical: null, for: 1m}\n  drift: false\n"
    ).alerts
    assert alerts["latency"] == replace(DEFAULTS["latency"], warning=3, critical=None, for_="1m")
    assert alerts["drift"] is None
    assert alerts.keys() == {"latency", "drift"}


def test_a_model_has_levels_of_its_own(place: Path) -> None:
    """A named model's levels replace the general ones, all of them."""
    latency = load("alerts: {latency: {models: {o3: {warning: 30}}}}").alerts["latency"]
    assert (latency.level("warning"), latency.level("critical")) == (5, 10)
    assert (latency.level("warning", "o3"), latency.level("critical", "o3")) == (30, None)
    assert latency.level("warning", "gpt-5") == 5


def test_tags_are_the_setting_of_the_library(place: Path) -> None:
    """The Collector lets through what the library may put on spans."""
    assert load("tags: [team, cost.center]\n").tags == ("team", "cost.center")
    assert Settings.resolve().tags == ("team", "cost.center")
    with pytest.raises(ConfigError, match=r"llm-otel\.yaml: tags must be a list of tag keys"):
        load("tags: [a b]\n")


def test_budgets(place: Path) -> None:
    """Budgets are USD a month: of all, by tenant, by feature."""
    budgets = load(
        "budgets: {total: 900, tenants: {'*': 10, acme: 50.5}, features: {a: 1}}"
    ).budgets
    assert (budgets.total, dict(budgets.tenants)) == (900, {"*": 10, "acme": 50.5})
    assert dict(budgets.features) == {"a": 1}


def test_addresses_and_labels_reach_the_rules(place: Path) -> None:
    """The addresses are in the annotations, the labels in Prometheus' configuration."""
    config = load(
        "grafana_url: https://g.example.com/base/\n"
        "runbook_url: https://wiki.example.com/llm\n"
        "external_labels: {cluster: eu}\n"
    )
    written = files(config)
    alerts = written["prometheus/alerts/llm.yaml"]
    assert "dashboard_url: https://g.example.com/base/d/llm-operations" in alerts
    assert "runbook_url: https://wiki.example.com/llm#llmlatencyhigh" in alerts
    assert "cluster: eu" in written["prometheus/prometheus.yml"]


WRONG = {
    "alrts: {}": "llm-otel.yaml: the key alrts is unknown; did you mean alerts?",
    "alerts: 3": "llm-otel.yaml: alerts must be a map, not int.",
    "alerts: {latncy: {}}": "alerts: the alert latncy is unknown; did you mean latency?",
    "alerts: {latency: 3}": "alerts.latency must be a map, not int.",
    "alerts: {latency: {warnin: 3}}": "alerts.latency: the key warnin is unknown",
    "alerts: {latency: {warning: x}}": "alerts.latency.warning must be a number of at least 0",
    "alerts: {latency: {warning: true}}": "must be a number of at least 0, not True.",
    "alerts: {latency: {warning: .inf}}": "must be a number of at least 0, not inf.",
    "alerts: {latency: {window: 5}}": "window must be a duration of at least 2m, such as",
    "alerts: {latency: {window: 0m}}": "latency.window must be a duration",
    "alerts: {latency: {for: 5 minutes}}": "latency.for must be a duration",
    "alerts: {latency: {history: 5d}}": "latency: the key history is unknown; allowed are",
    "alerts: {latency: {models: [o3]}}": "latency.models must be a map of models to levels",
    "alerts: {latency: {models: {o3: 5}}}": "latency.models must be a map of models to levels",
    "alerts: {latency: {models: {'a b': {warning: 5}}}}": "must be a map of models to levels",
    "alerts: {latency: {models: {o3: {page: 5}}}}": "must be a map of models to levels",
    "budgets: [a]": "budgets must be a map, not list.",
    "budgets: {tenant: {}}": "budgets: the key tenant is unknown; did you mean tenants?",
    "budgets: {tenants: {a: 0}}": "budgets.tenants.a must be a number of USD above 0, not 0.",
    "budgets: {tenants: {a b: 1}}": "budgets.tenants must be * or a tenant_id",
    "budgets: {tenants: {3: 1}}": "budgets.tenants must be * or a tenant_id",
    "budgets: {total: much}": "budgets.total must be a number of USD above 0, not 'much'.",
    "slo: 99": "slo must be a share from 0.5 to below 1, such as 0.99, not 99.",
    "grafana_url: localhost": "grafana_url must be an address with http:// or https://",
    "runbook_url: 'https://a/b#c'": "runbook_url must be an address with http:// or https://",
    "external_labels: {1: a}": "external_labels must be a map of label names to text",
    "external_labels: {team: 3}": "external_labels must be a map of label names to text",
    "slo: 0.9\nslo: 0.8": "slo twice",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_one_sentence(text: str, place: Path) -> None:
    """The error names the file, the place and what is allowed."""
    with pytest.raises(ConfigError) as caught:
        load(text)
    said = str(caught.value)
    assert WRONG[text] in said
    assert "llm-otel.yaml" in said
    assert "\n" not in said


def test_a_file_that_is_not_there(place: Path) -> None:
    """A file that was asked for must be there."""
    with pytest.raises(ConfigError, match=r"x\.yaml cannot be read: No such file"):
        Config.load("x.yaml")


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.key)
def test_every_default_can_be_set(alert: Alert, place: Path) -> None:
    """Each alert takes back its own defaults from a file, key by key."""
    limits = alert.limits
    values = {name: getattr(limits, "for_" if name == "for" else name) for name in settable(limits)}
    lines = [
        f"    {name}: {'null' if v is None else v}"
        for name, v in values.items()
        if name != "models"
    ]
    config = load(f"alerts:\n  {alert.key}:\n" + "\n".join(lines) + "\n")
    assert config.alerts[alert.key] == limits
    assert any(getattr(limits, level) is not None for level in LEVELS)
    assert seconds(limits.for_) >= 0


@pytest.mark.parametrize("block", blocks(ROOT / "docs" / "alerts.md", "yaml"), ids=str)
def test_examples_of_the_documentation_are_right(block: Block, place: Path) -> None:
    """What docs/alerts.md shows is accepted, and changes something."""
    assert load(block.text) != Config()


def test_the_example_file_is_right(place: Path) -> None:
    """The file to copy is accepted by the stack and by the library."""
    config = load((ROOT / "llm-otel.yaml.example").read_text())
    assert Settings.resolve().console is False
    assert config.alerts["latency"].level("warning", "o3") == 30
    assert replace(config, alerts={}, budgets=Budgets()) == Config()
