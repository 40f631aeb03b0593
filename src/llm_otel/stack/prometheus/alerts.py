"""Every alert of the stack, and the section `alerts:` of `llm-otel.yaml`, which changes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from llm_otel.settings.kinds import as_map, require_known
from llm_otel.stack import limits
from llm_otel.stack.config import Config
from llm_otel.stack.limits import Limits
from llm_otel.stack.panels import Panel
from llm_otel.stack.prometheus import agents, calls, costs, pipeline, quality
from llm_otel.stack.prometheus.alert import Alert, rules

ALERTS: Final[tuple[Alert, ...]] = (
    *calls.ALERTS,
    *agents.ALERTS,
    *costs.ALERTS,
    *quality.ALERTS,
    *pipeline.ALERTS,
)


def drawn_in(panel: Panel) -> Alert | None:
    """The alert whose levels are lines in a panel, if there is one."""
    return next((alert for alert in ALERTS if alert.shows_levels and alert.panel == panel), None)


def of_panel(panel: Panel) -> Alert:
    """The alert whose value a panel shows: the one that is drawn in it, or leads to it."""
    return drawn_in(panel) or next(alert for alert in ALERTS if alert.panel == panel)


def labels() -> set[str]:
    """The labels that the texts of alerts name, and those that tell alerts of one name apart."""
    texts = (
        text
        for alert in ALERTS
        for rule in rules(alert, Config())
        for text in rule["annotations"].values()
    )
    names = re.findall(r"\$labels\.(\w+)", "\n".join(texts))
    return {*names, *(label for alert in ALERTS for label in alert.labels)}


def expressions(config: Config) -> str:
    """The PromQL of all alerts, on or off: what they read has to be recorded."""
    conditions = (
        alert.condition(config, alert.limits_in(config) or alert.limits) for alert in ALERTS
    )
    return "\n".join(part for each in conditions for part in (each.value, *each.guards))


def parse(section: Any, where: str) -> Mapping[str, Limits | None]:
    """The limits of the alerts that the section `alerts:` changes; None: the alert is off.

    Args:
        section: As it stands in the file. A level that is null there is never reached; an alert
            that is false is off.
        where: The section's place, to begin an error message with.

    Raises:
        ConfigError: A key or value is wrong.
    """
    defaults = {alert.key: alert.limits for alert in ALERTS}
    overrides: dict[str, Limits | None] = {}
    for key, changes in as_map(section, where).items():
        require_known(key, defaults, f"{where}: the alert")
        if changes is False:
            overrides[key] = None
        elif changes is not None:
            overrides[key] = limits.change(defaults[key], changes, f"{where}.{key}")
    return MappingProxyType(overrides)
