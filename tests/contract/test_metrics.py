"""A metric is defined once: allow list, hourly rules and docs follow from `semconv.py`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from llm_otel import semconv
from llm_otel.stack import prometheus
from llm_otel.stack.collector import allowed
from llm_otel.stack.config import Config
from llm_otel.stack.prometheus import recording
from tools import generate_docs

ROOT = Path(__file__).resolve().parents[2]
NEW = semconv.Metric(
    "gen_ai.pages.read", "counter", "{page}", "Pages that were read.",
    (semconv.MODEL, semconv.PROVIDER, semconv.OPERATION, semconv.TENANT_ID, semconv.CACHE),
)  # fmt: skip


def _hourly() -> dict[str, str]:
    """The hourly recording rules: name -> PromQL."""
    text = prometheus.files(Config())["prometheus/rules/hourly.yaml"]
    (group,) = yaml.safe_load(text)["groups"]
    return {rule["record"]: rule["expr"] for rule in group["rules"]}


def _row(table: str, metric: semconv.Metric) -> str:
    (row,) = [line for line in table.splitlines() if line.startswith(f"| `{metric.name}` |")]
    return row


@pytest.mark.parametrize("metric", semconv.FAMILY_A, ids=lambda metric: metric.name)
def test_labels_pass_the_collector_and_stand_in_the_docs(metric: semconv.Metric) -> None:
    """The Collector has a form for every label, and the reference a row with all of them."""
    assert {*metric.labels} <= {*allowed.DATAPOINT}
    row = _row((ROOT / "docs" / "telemetry.md").read_text("utf-8"), metric)
    assert {*re.findall(r"`(\w+)`", row.split("|")[4])} == {*metric.labels}, row
    assert f"`{metric.prometheus}`" in row


@pytest.mark.parametrize("metric", semconv.HOURLY, ids=lambda metric: metric.name)
def test_hourly_sums_keep_labels_that_the_metric_has(metric: semconv.Metric) -> None:
    """A label that the metric lacks would be empty in every sum."""
    assert metric in semconv.FAMILY_A
    assert {*semconv.HOURLY[metric]} <= {*metric.labels}


def test_a_new_metric_needs_its_definition_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put into the tables of the names module, it has hourly sums by each level, and a row."""
    kept = (semconv.MODEL, semconv.PROVIDER, semconv.TENANT_ID, semconv.CACHE)
    monkeypatch.setattr(semconv, "HOURLY", {**semconv.HOURLY, NEW: kept})
    monkeypatch.setattr(semconv, "FAMILY_A", (*semconv.FAMILY_A, NEW))
    name, rules = recording.hourly(NEW), _hourly()
    assert name == "service_model_provider_tenant:gen_ai_pages_read:increase1h"
    assert "gen_ai_pages_read_total" in rules[name]
    # By tenant and feature there is no sum: the metric does not know the feature.
    summed = {record for record, expr in rules.items() if f"({name})" in expr}
    assert summed == {"service_model_provider:gen_ai_pages_read:increase1h"}
    assert "cache" in rules["service_model_provider:gen_ai_pages_read:increase1h"]
    assert "`cache`" in _row(generate_docs.family_a_table(), NEW)
