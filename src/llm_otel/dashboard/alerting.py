"""What is firing, asked of Alertmanager."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

# A page must not wait for another server.
_PATIENCE_S: Final = 0.8
_PATH: Final = "/api/v2/alerts?active=true&silenced=false&inhibited=false"
_MOST_BYTES: Final = 4 * 1024 * 1024
# The worst first.
_SEVERITIES: Final = ("critical", "warning", "info")


@dataclass(frozen=True)
class Alert:
    """An alert that is firing.

    Attributes:
        name: Its `alertname`.
        severity: As its label says; empty where there is none.
        summary: Its annotation of that name, or the description.
        since: When it began, UTC without a zone; None where Alertmanager does not say.
        labels: All others.
        link: The panel or the query behind it; None where it names none.
    """

    name: str
    severity: str
    summary: str
    since: datetime | None
    labels: Mapping[str, str]
    link: str | None


class AlertsError(Exception):
    """Alertmanager did not say; the text is why, in one line."""


def firing(url: str) -> list[Alert]:
    """The alerts that are firing, the worst first.

    Args:
        url: Of Alertmanager, as `http://localhost:9093`.

    Raises:
        AlertsError: It did not answer in time, or with something else.
    """
    address = url.rstrip("/") + _PATH
    latest = time.monotonic() + _PATIENCE_S
    try:
        request = urllib.request.Request(address, headers={"Accept": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:  # noqa: S310
            document = json.loads(_body(answer, latest))
    except urllib.error.HTTPError as error:
        raise AlertsError(f"{url} answered {error.code}") from error
    except http.client.HTTPException as error:
        raise AlertsError(f"{url} does not speak HTTP: name Alertmanager's port") from error
    except RecursionError as error:
        raise AlertsError(f"{url} answered with something that is no list of alerts") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise AlertsError(f"{url} did not answer: {reason}") from error
    if not isinstance(document, list):
        raise AlertsError(f"{url} answered with something that is no list of alerts")
    alerts = [_alert(each) for each in document if isinstance(each, dict)]
    return sorted(alerts, key=lambda alert: (_rank(alert.severity), alert.since or datetime.max))


def _body(answer: http.client.HTTPResponse, latest: float) -> bytes:
    """The answer's first bytes, where they came in time: a socket's timeout is for each piece."""
    pieces, size = [], 0
    while size < _MOST_BYTES and (piece := answer.read1(_MOST_BYTES - size)):
        if time.monotonic() > latest:
            raise TimeoutError("timed out")
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def _rank(severity: str) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def _alert(document: dict[str, Any]) -> Alert:
    labels = _texts(document.get("labels"))
    notes = _texts(document.get("annotations"))
    link = notes.get("panel_url") or notes.get("dashboard_url") or document.get("generatorURL")
    return Alert(
        labels.get("alertname", "alert"),
        labels.get("severity", ""),
        notes.get("summary") or notes.get("description", ""),
        _time(document.get("startsAt")),
        {name: text for name, text in labels.items() if name not in ("alertname", "severity")},
        link if isinstance(link, str) and link.startswith(("http://", "https://")) else None,
    )


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {str(name): text for name, text in value.items() if isinstance(text, str)}


def _time(value: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    return time.astimezone(timezone.utc).replace(tzinfo=None) if time.tzinfo else time
