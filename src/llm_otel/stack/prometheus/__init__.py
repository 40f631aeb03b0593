"""Prometheus: its configuration, its recording rules, its alerts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.generated import HEAD, dump
from llm_otel.stack.prometheus import alerts, recording, server
from llm_otel.stack.prometheus.alert import rules
from llm_otel.stack.prometheus.rule import Group, Rule

# What the program needs on its command line beside `--config.file` and addresses.
FLAGS: Final = (
    "--web.enable-otlp-receiver",
    # Tempo writes its service graph here.
    "--web.enable-remote-write-receiver",
    # Without the second a counter that is born at 1 has never increased.
    "--enable-feature=exemplar-storage,created-timestamp-zero-ingestion",
    "--storage.tsdb.retention.time=400d",
    # Without it every page that a browser on this machine opens may read all metrics.
    f"--web.cors.origin={Config().grafana_url}",
)
WATCHDOG: Final = "Watchdog"

_INTERVALS: Final = {"llm": "1m", "cost": "5m", "quality": "5m", "telemetry": "1m"}


def files(config: Config) -> dict[str, str]:
    """The generated files of Prometheus: path -> text."""
    documents: dict[str, Any] = {"prometheus": server.document(config)}
    for group in groups(config):
        documents[f"rules/{group.name.removeprefix('llm-')}"] = _groups(
            group.name, group.interval, [_recording_rule(rule) for rule in group.rules]
        )
    for component, interval in _INTERVALS.items():
        documents[f"alerts/{component}"] = _groups(
            f"{component}-alerts", interval, list(_alerts(config, component))
        )
    paths = {name: "yml" if name == "prometheus" else "yaml" for name in documents}
    return {
        f"prometheus/{name}.{paths[name]}": HEAD + dump(document)
        for name, document in documents.items()
    }


def groups(config: Config) -> tuple[Group, ...]:
    """The recording rules: a window that an alert reads, on or off, is recorded."""
    return recording.groups(config, alerts.expressions(config))


def watchdog(config: Config) -> dict[str, Any]:
    """The alert that always fires: when it stops arriving, alerting is broken."""
    return {
        "alert": WATCHDOG,
        "expr": "vector(1)",
        "labels": {"severity": "info", "component": "telemetry"},
        "annotations": {
            "summary": "Alerting works",
            "description": "This alert always fires. Where it stops arriving, no other can arrive.",
            "value": "1",
            "threshold": "1",
            "runbook_url": f"{config.runbook_url}#{WATCHDOG.lower()}",
            "dashboard_url": f"{config.grafana_url}/d/{panels.NOTIFICATIONS.dashboard}",
            "panel_id": str(panels.NOTIFICATIONS.id),
        },
    }


def _alerts(config: Config, component: str) -> Iterator[dict[str, Any]]:
    for alert in alerts.ALERTS:
        if alert.component == component:
            yield from rules(alert, config)
    if component == "telemetry":
        yield watchdog(config)


def _recording_rule(rule: Rule) -> dict[str, Any]:
    body: dict[str, Any] = {"record": rule.record, "expr": rule.expr}
    if rule.labels:
        body["labels"] = dict(rule.labels)
    return body


def _groups(name: str, interval: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {"groups": [{"name": name, "interval": interval, "rules": rules}]}
