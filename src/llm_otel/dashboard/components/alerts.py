"""What is firing, as a card of the first page."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import htpy as h

from llm_otel import formats
from llm_otel.dashboard.alerting import Alert, AlertsError, firing
from llm_otel.dashboard.components.cards import card_head

# Labels by which pages can be filtered -> the parameter.
_FILTERS: Final = {
    "model": "model",
    "provider": "provider",
    "feature": "feature",
    "tenant_id": "tenant_id",
    "service_name": "service",
    "deployment_environment_name": "environment",
    "error_type": "error_type",
}
_TONES: Final = {"critical": "bad", "warning": "warn"}


def alerts_card(href: str, live: bool) -> Any:
    """The card; what is in it comes by itself, so that no page waits for Alertmanager.

    Args:
        href: Where it comes from.
        live: It asks again and again.
    """
    inside = h.div(
        {
            "id": "alerts",
            "hx-get": href,
            "hx-trigger": "load, every 15s" if live else "load",
            "hx-target": "this",
            "hx-swap": "innerHTML",
            "hx-sync": "this:drop",
            "hx-push-url": "false",
            "hx-morph-skip-children": "",
            "aria-live": "polite",
        }
    )[h.p(class_="muted")["Asking Alertmanager …"]]
    return h.section(class_="card")[card_head("Firing now"), inside]


def alerts(url: str | None, now: datetime) -> Any:
    """What is firing, or why that is not known.

    Args:
        url: Of Alertmanager; None where nobody named one.
        now: UTC, without a zone.
    """
    if url is None:
        return h.p(class_="empty-line")[
            "No Alertmanager is named: ", h.code["llm-otel serve --alertmanager URL"],
            " shows here what is firing.",
        ]  # fmt: skip
    try:
        active = firing(url)
    except AlertsError as error:
        return h.p(class_="tone warn")[f"Not known: {error}."]
    if not active:
        return h.p(class_="tone good")["Nothing is firing."]
    return h.ul(class_="alerts")[[_line(alert, now) for alert in active]]


def _line(alert: Alert, now: datetime) -> Any:
    age = formats.seconds((now - alert.since).total_seconds()) if alert.since else ""
    changes = {_FILTERS[name]: text for name, text in alert.labels.items() if name in _FILTERS}
    labels = ", ".join(changes.values())
    name = h.a(href=alert.link)[alert.name] if alert.link else h.strong[alert.name]
    return h.li(class_="alert")[
        h.span(class_=f"tone {_TONES.get(alert.severity, '')}")[alert.severity or "alert"],
        h.div[
            h.p[name, h.span(class_="muted")[f" {labels}"] if labels else None],
            h.p(class_="muted")[alert.summary] if alert.summary else None,
        ],
        h.span(class_="num muted")[f"for {age}" if age else ""],
    ]
