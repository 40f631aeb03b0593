"""What Alertmanager's webhook sends, read and kept."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from llm_otel.stack.notifications.journal import MEMORY, Journal

_LONGEST = 500


class Refused(Exception):
    """A body is not a message of Alertmanager; the text says why."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a message.

    Attributes:
        status: firing or resolved.
        severity: critical, warning, info, or what its rule says.
        summary: What happens, in a few words; what happened, where it is over.
        description: The same in a sentence.
        value: The value that made it fire, in words; empty where the rule gives none.
        threshold: What the value is held against, in words.
        labels: Where it happened.
        starts_at: When it began to fire, as Alertmanager wrote it (RFC 3339).
        ends_at: When it ended; empty while it fires.
        panel: The address of its panel.
        runbook: The address of its runbook.
    """

    status: str
    severity: str
    summary: str
    description: str
    value: str
    threshold: str
    labels: Mapping[str, str]
    starts_at: str
    ends_at: str
    panel: str
    runbook: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        received: When it came, in UTC.
        receiver: Whom it is for.
        status: firing or resolved.
        title: Its subject.
        silence: The address of a form that silences what it is about.
        alerts: What it is about.
        size: The length of the body that it came in, in bytes.
    """

    received: datetime
    receiver: str
    status: str
    title: str
    silence: str
    alerts: tuple[Alert, ...]
    size: int

    @property
    def severity(self) -> str:
        """The severity of the first alert that fires; `resolved` when all is over."""
        firing = [alert for alert in self.alerts if alert.status == "firing"]
        return firing[0].severity if firing else "resolved"


class Inbox:
    """The last messages, of at most `MEMORY` bytes; safe to use from several threads.

    Args:
        keep: How many are kept at most; the oldest goes first.
        journal: Where they outlive the process; None: they are kept in memory only.
    """

    def __init__(self, keep: int = 200, journal: Journal | None = None) -> None:
        self._lock = threading.Lock()
        self._keep = keep
        self._journal = journal
        self._messages: deque[Message] = deque()
        self._size = 0
        self._heartbeat: datetime | None = None
        self._received = 0
        for received, body in journal.entries() if journal else ():
            with suppress(Refused):
                self._show(read(body, received))

    def add(self, body: bytes) -> None:
        """Keep the message that a webhook's body holds.

        Raises:
            Refused: The body is none.
            OSError: The journal cannot be written; the message is not kept.
        """
        message = read(body)
        with self._lock:
            if self._journal:
                self._journal.append(message.received, body)
            self._show(message)

    def _show(self, message: Message) -> None:
        self._messages.appendleft(message)
        self._size += message.size
        self._received += 1
        while len(self._messages) > self._keep or self._size > MEMORY:
            self._size -= self._messages.pop().size

    def beat(self, at: datetime) -> None:
        """Note that the heartbeat came."""
        with self._lock:
            self._heartbeat = at

    @property
    def messages(self) -> tuple[Message, ...]:
        """What is kept, newest first."""
        with self._lock:
            return tuple(self._messages)

    @property
    def received(self) -> int:
        """How many messages came since the start, and were kept from before it."""
        return self._received

    @property
    def heartbeat(self) -> datetime | None:
        """When the last heartbeat came; None: none yet."""
        return self._heartbeat


def read(body: bytes, received: datetime | None = None) -> Message:
    """The message that a webhook's body holds.

    Args:
        body: JSON as Alertmanager sends it (version 4), with or without what the stack's template
            adds: `title`, `silenceURL` and a `panelURL` in each alert.
        received: When it came; None: now.

    Raises:
        Refused: The body is none.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused("The body is not JSON; send what Alertmanager's webhook sends.") from None
    alerts = content.get("alerts") if isinstance(content, dict) else None
    if not isinstance(alerts, list) or not alerts:
        raise Refused("The body has no alerts; send what Alertmanager's webhook sends.")
    read_alerts = tuple(_alert(each) for each in alerts)
    return Message(
        received=received or datetime.now(timezone.utc),
        receiver=_text(content.get("receiver")),
        status=_text(content.get("status")),
        title=_text(content.get("title")) or read_alerts[0].summary,
        silence=_address(content.get("silenceURL")),
        alerts=read_alerts,
        size=len(body),
    )


def _alert(node: Any) -> Alert:
    if not isinstance(node, dict):
        raise Refused("An alert in the body is not an object; send what Alertmanager sends.")
    labels, annotations = _texts(node.get("labels")), _texts(node.get("annotations"))
    status = _text(node.get("status"))
    return Alert(
        status=status,
        severity=labels.pop("severity", ""),
        summary=(annotations.get("resolved") if status == "resolved" else "")
        or annotations.get("summary")
        or labels.get("alertname", ""),
        description=annotations.get("description", ""),
        value=annotations.get("value", ""),
        threshold=annotations.get("threshold", ""),
        labels=labels,
        starts_at=_text(node.get("startsAt")),
        ends_at=_text(node.get("endsAt")) if status == "resolved" else "",
        panel=_address(node.get("panelURL") or annotations.get("dashboard_url")),
        runbook=_address(annotations.get("runbook_url")),
    )


def _text(value: Any) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


def _texts(value: Any) -> dict[str, str]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {_text(name): _text(text) for name, text in pairs}


def _address(value: Any) -> str:
    # Not cut as texts are: half a link leads nowhere.
    usable = isinstance(value, str) and value.startswith(("http://", "https://"))
    return str(value) if usable else ""
