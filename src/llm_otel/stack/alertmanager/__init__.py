"""Alertmanager's files: who is told, about what, and what the message looks like."""

from __future__ import annotations

from importlib.resources import files as resources
from typing import Final

from llm_otel import semconv
from llm_otel.stack.alertmanager.receivers import receivers
from llm_otel.stack.config import Config
from llm_otel.stack.generated import HEAD, dump
from llm_otel.stack.notify import Email, Notify
from llm_otel.stack.panels import VARIABLES
from llm_otel.stack.prometheus import alerts

# Labels that say where an alert is, and all labels that may leave in a message.
_WHERE: Final = tuple(
    dict.fromkeys(
        (
            *VARIABLES,
            *sorted(label for metric in semconv.FAMILY_A for label in metric.labels),
            *("service_namespace", "service_version"),
            *("job", "instance"),
            *sorted(alerts.labels()),
        )
    )
)
_LABELS: Final = ("alertname", "severity", "component", *_WHERE)
_ANNOTATIONS: Final = (
    "summary",
    "resolved",
    "description",
    "value",
    "threshold",
    "runbook_url",
    "dashboard_url",
    "panel_id",
)
_PLACEHOLDERS: Final = {
    "@VARIABLES@": VARIABLES,
    "@WHERE@": _WHERE,
    "@LABELS@": _LABELS,
    "@ANNOTATIONS@": _ANNOTATIONS,
}
TEMPLATES: Final = ("llm", "slack", "pagerduty", "email", "json")

# Every receiver at once, to read and to copy from.
EVERYTHING: Final = Notify(
    slack=True,
    slack_telemetry=True,
    pagerduty=True,
    webhook=True,
    sentry=True,
    heartbeat=True,
    email=Email(
        to="llm-oncall@example.com",
        sender="alerts@example.com",
        smarthost="smtp.example.com:587",
        username="alerts@example.com",
    ),
)


def files(config: Config) -> dict[str, str]:
    """Alertmanager's configuration and its templates, below `alertmanager/`."""
    return {
        "alertmanager/alertmanager.yml": configuration(config.notify),
        "alertmanager/everything.example.yml": configuration(EVERYTHING),
        **{f"alertmanager/templates/{name}.tmpl": template(name) for name in TEMPLATES},
    }


def configuration(notify: Notify) -> str:
    """The routes, which are the same for all, and the receivers that `notify` chooses."""
    receiver_section = dump({"receivers": receivers(notify)})
    return f"{HEAD}{_resource('routes.yml')}\n{receiver_section}"


def template(name: str) -> str:
    """A file of templates, with the names that may appear in a message put in."""
    text = _resource(f"templates/{name}.tmpl")
    for placeholder, names in _PLACEHOLDERS.items():
        text = text.replace(placeholder, "|".join(names))
    return text


def _resource(path: str) -> str:
    return resources(__package__).joinpath(path).read_text(encoding="utf-8")
