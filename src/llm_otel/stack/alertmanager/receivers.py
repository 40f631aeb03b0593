"""Alertmanager's receivers: which ways a message of each purpose goes, and what it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from llm_otel.stack.notify import SECRETS, Email, Notify

# Where the page of the stack that shows messages listens, as Alertmanager sees it.
SINK: Final = "http://notifications:8025"
SECRETS_FOLDER: Final = "/run/secrets"

# Purpose (a receiver of the routes) -> the ways that its messages go, where they are chosen.
PURPOSES: Final[Mapping[str, tuple[str, ...]]] = {
    "critical": ("sink", "pagerduty", "slack", "email", "webhook", "sentry"),
    "warning": ("sink", "slack", "email", "webhook", "sentry"),
    "info": ("sink", "email", "webhook"),
    "telemetry-critical": ("sink", "pagerduty", "slack_telemetry", "email", "webhook", "sentry"),
    "telemetry": ("sink", "slack_telemetry", "email", "webhook", "sentry"),
    "heartbeat": ("sink_heartbeat", "heartbeat"),
}

_Body = dict[str, Any]


def receivers(notify: Notify) -> list[_Body]:
    """The section `receivers` of Alertmanager's configuration."""
    return [_receiver(name, ways, notify) for name, ways in PURPOSES.items()]


def _receiver(name: str, ways: tuple[str, ...], notify: Notify) -> _Body:
    receiver: _Body = {"name": name}
    for way in ways:
        kind, is_chosen, body = _WAYS[way]
        if is_chosen(notify):
            receiver.setdefault(f"{kind}_configs", []).append(body(notify))
    return receiver


def _webhook(address: _Body) -> _Body:
    return {**address, "payload": _template("json.webhook")}


def _heartbeat(address: _Body) -> _Body:
    return {**address, "send_resolved": False, "payload": {"status": "ok"}}


def _sentry(address: _Body) -> _Body:
    # An event cannot resolve an issue in Sentry, so it is not told when an alert is over.
    return {**address, "send_resolved": False, "payload": _template("json.sentry")}


def _slack(receiver: str) -> _Body:
    return {
        **_secret("api_url", receiver),
        "send_resolved": True,
        "color": _template("slack.color"),
        "title": _template("slack.title"),
        "title_link": _template("first.panel"),
        "fallback": _template("slack.title"),
        "text": _template("slack.text"),
    }


def _pagerduty() -> _Body:
    return {
        **_secret("routing_key", "pagerduty"),
        "description": _template("title"),
        "severity": _template("pagerduty.severity"),
        "source": _template("pagerduty.source"),
        "class": _template("pagerduty.class"),
        "component": _template("pagerduty.component"),
        "client": "llm-otel",
        "client_url": _template("first.panel"),
        "links": [
            {"href": _template("first.panel"), "text": "Panel"},
            {"href": _template("first.runbook"), "text": "Runbook"},
            {"href": _template("silence"), "text": "Silence"},
        ],
        # The defaults of `firing` and `resolved` hold every label and annotation.
        "details": {
            "since": _template("first.since"),
            "firing": '{{ template "llm.pagerduty.alerts" .Alerts.Firing }}',
            "resolved": '{{ template "llm.pagerduty.alerts" .Alerts.Resolved }}',
        },
    }


def _email(email: Email) -> _Body:
    login = {"auth_username": email.username, **_secret("auth_password", "email")}
    return {
        "to": email.to,
        "from": email.sender,
        "smarthost": email.smarthost,
        "require_tls": email.require_tls,
        **(login if email.username else {}),
        "send_resolved": True,
        "headers": {"Subject": _template("title")},
        "text": _template("email.text"),
        "html": _template("email.html"),
        # What belongs to one group of alerts on one day is one conversation.
        "threading": {"enabled": True, "thread_by_date": "daily"},
    }


# Way -> what Alertmanager calls its kind, whether it is chosen, and its body.
_WAYS: Final[Mapping[str, tuple[str, Callable[[Notify], Any], Callable[[Notify], _Body]]]] = {
    "sink": ("webhook", lambda n: n.sink, lambda _: _webhook({"url": f"{SINK}/alerts"})),
    "sink_heartbeat": (
        "webhook",
        lambda n: n.sink,
        lambda _: _heartbeat({"url": f"{SINK}/heartbeat"}),
    ),
    "webhook": ("webhook", lambda n: n.webhook, lambda _: _webhook(_secret("url", "webhook"))),
    "heartbeat": (
        "webhook",
        lambda n: n.heartbeat,
        lambda _: _heartbeat(_secret("url", "heartbeat")),
    ),
    "sentry": ("webhook", lambda n: n.sentry, lambda _: _sentry(_secret("url", "sentry"))),
    "slack": ("slack", lambda n: n.slack, lambda _: _slack("slack")),
    "slack_telemetry": (
        "slack",
        lambda n: n.slack or n.slack_telemetry,
        lambda n: _slack("slack_telemetry" if n.slack_telemetry else "slack"),
    ),
    "pagerduty": ("pagerduty", lambda n: n.pagerduty, lambda _: _pagerduty()),
    "email": ("email", lambda n: n.email, lambda n: _email(cast(Email, n.email))),
}


def _template(name: str) -> str:
    return f'{{{{ template "llm.{name}" . }}}}'


def _secret(key: str, receiver: str) -> _Body:
    return {f"{key}_file": f"{SECRETS_FOLDER}/{SECRETS[receiver]}"}
