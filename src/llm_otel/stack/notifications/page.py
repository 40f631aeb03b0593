"""The page that shows the messages; nothing on it comes from elsewhere, everything is escaped."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime, timedelta, timezone
from functools import cache
from html import escape
from importlib.resources import files
from typing import Final

from llm_otel.escaping import visible
from llm_otel.stack.notifications import documentation
from llm_otel.stack.notifications.messages import Alert, Inbox, Message

REFRESH_S: Final = 10
# Alertmanager repeats the heartbeat every 5 minutes.
LATE: Final = timedelta(minutes=12)
_FRACTION: Final = re.compile(r"\.[0-9]+")
_TONES: Final = ("critical", "warning", "resolved")


@cache
def style() -> str:
    """The page's style sheet."""
    return files(__package__).joinpath("page.css").read_text(encoding="utf-8")


def policy() -> str:
    """The content security policy: the page's own style, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


def render(inbox: Inbox, now: datetime) -> str:
    """The page.

    Args:
        inbox: What it shows.
        now: The time, in UTC.
    """
    messages = inbox.messages
    articles = "".join(_message(each) for each in messages) or _EMPTY
    count = f"the last {len(messages)} of {inbox.received}" if messages else ""
    return _page(
        "Notifications",
        f"<header><h1>Notifications</h1><p>{count}</p>"
        f'<p><a href="/docs/">Documentation</a></p>{_beat(inbox.heartbeat, now)}</header>'
        f"<main>{articles}</main>",
        f'<meta http-equiv="refresh" content="{REFRESH_S}">',
    )


def render_documentation(name: str) -> str | None:
    """A page of the documentation; None if there is none of this name."""
    title = documentation.pages().get(name)
    if title is None:
        return None
    return _page(
        title,
        '<header><p><a href="/">Notifications</a></p>'
        '<p><a href="/docs/">Documentation</a></p></header>'
        f'<main class="text">{documentation.content(name)}</main>',
    )


def _page(title: str, body: str, head: str = "") -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{head}<title>{escape(title)}</title><style>{style()}</style></head>"
        f"<body>{body}</body></html>\n"
    )


_EMPTY: Final = (
    '<p class="empty"><b>No messages yet</b>'
    "When an alert fires, what Alertmanager sends about it appears here.</p>"
)


def _beat(last: datetime | None, now: datetime) -> str:
    if last is None:
        return '<p class="beat"><span class="dot"></span>no heartbeat yet</p>'
    tone = "late" if now - last > LATE else "alive"
    return f'<p class="beat {tone}"><span class="dot"></span>heartbeat {_time(last)}</p>'


def _message(message: Message) -> str:
    severity = message.severity
    tone = severity if severity in _TONES else "info"
    receiver = f"<span>receiver {_shown(message.receiver)}</span>" if message.receiver else ""
    silence = _link(message.silence, "Silence") if message.status == "firing" else ""
    return (
        f'<article class="{tone}"><h2><span class="state">{_shown(severity or "alert")}</span>'
        f"{receiver}{silence}{_time(message.received)}</h2>"
        f"{''.join(_alert(each, message) for each in message.alerts)}</article>"
    )


def _alert(alert: Alert, message: Message) -> str:
    over = alert.status == "resolved" and message.status == "firing"
    figures = "".join(
        f"<div><dt>{name}</dt><dd>{_shown(text)}</dd></div>"
        for name, text in (
            ("Last value" if alert.status == "resolved" else "Value", alert.value),
            ("Threshold", alert.threshold),
        )
        if text
    )
    labels = "".join(
        f"<li><b>{_shown(name)}</b> {_shown(text)}</li>"
        for name, text in sorted(alert.labels.items())
    )
    links = _link(alert.panel, "Open panel") + _link(alert.runbook, "Runbook")
    return (
        f"<section><h3>{_shown(alert.summary)}</h3>"
        + ('<p class="over">RESOLVED</p>' if over else "")
        + (f"<p>{_shown(alert.description)}</p>" if _describes(alert) else "")
        + (f"<p>{_shown(_since(alert))}</p>" if alert.starts_at else "")
        + (f'<dl class="figures">{figures}</dl>' if figures else "")
        + (f"<ul>{labels}</ul>" if labels else "")
        + (f"<nav>{links}</nav>" if links else "")
        + "</section>"
    )


def _describes(alert: Alert) -> bool:
    """Whether its description is true: it is in the present tense."""
    return bool(alert.description) and alert.status != "resolved"


def _since(alert: Alert) -> str:
    """When it began, and when it ended where it is over."""
    start, end = _moment(alert.starts_at), _moment(alert.ends_at)
    return f"Fired {start} to {end} UTC" if end else f"Since {start} UTC"


def _moment(text: str) -> str:
    """A time as Alertmanager wrote it, to the minute; as it is where it is none."""
    try:
        # Python 3.10 takes three or six digits of a second, Alertmanager writes up to nine.
        at = datetime.fromisoformat(_FRACTION.sub("", text).replace("Z", "+00:00"))
    except ValueError:
        return text
    at = at.astimezone(timezone.utc)
    return f"{at.day} {at:%b %Y, %H:%M}"


def _shown(text: str) -> str:
    return escape(visible(text))


def _link(address: str, text: str) -> str:
    if not address:
        return ""
    return f'<a href="{escape(address)}" rel="noreferrer noopener">{text}</a>'


def _time(at: datetime) -> str:
    return f'<time datetime="{at.isoformat()}">{at:%Y-%m-%d %H:%M:%S} UTC</time>'
