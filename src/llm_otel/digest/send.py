"""Sending a digest: mail, chats and webhooks by Apprise; a plain http(s) address gets the JSON."""

from __future__ import annotations

import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from llm_otel import escaping
from llm_otel.digest import sentences
from llm_otel.digest.model import Digest
from llm_otel.digest.render import html, json, markdown
from llm_otel.digest.render.pictures import pictures
from llm_otel.errors import ConfigError

_MAIL: Final = frozenset({"mailto", "mailtos"})
# Who is woken by a message gets it only when something is unusual.
_PAGERS: Final = frozenset({"pagerduty", "pagertree", "opsgenie", "splunk", "victorops"})
_TIMEOUT_SECONDS: Final = 20
# An incoming webhook of a chat is an address like any other; Apprise knows these.
_CHAT_HOSTS: Final = ("hooks.slack.com", "discord.com", "discordapp.com")


def check(targets: Sequence[str]) -> None:
    """Refuse targets that nothing can be sent to, before any work is done.

    Raises:
        ConfigError: Apprise is not installed, or a target is not understood.
    """
    for target in targets:
        if not _is_webhook(target):
            _notifier(target)


def send(digest: Digest, targets: Sequence[str]) -> list[str]:
    """Send a digest to each target.

    Args:
        digest: What to send.
        targets: `mailto://…`, `slack://…`, `pagerduty://…` and whatever else Apprise knows, or the
            address of a webhook. PagerDuty and its like are sent the anomalies, and only if there
            are any.

    Returns:
        A sentence for each target that could not be reached; it names no secret.
    """
    failed = []
    for target in targets:
        problem = _post(digest, target) if _is_webhook(target) else _notify(digest, target)
        if problem:
            failed.append(f"{_shown(target)}: {problem}")
    return failed


def _is_webhook(target: str) -> bool:
    parts = urlsplit(target)
    return parts.scheme in ("http", "https") and parts.hostname not in _CHAT_HOSTS


def _post(digest: Digest, url: str) -> str | None:
    headers = {"content-type": "application/json"}
    body = json.render(digest).encode()
    try:
        request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
            return None
    except urllib.error.HTTPError as exc:
        return f"answered {exc.code}"
    except (OSError, ValueError) as exc:
        return f"could not be reached ({type(getattr(exc, 'reason', exc)).__name__})"


def _notify(digest: Digest, target: str) -> str | None:
    scheme = urlsplit(target).scheme
    notifier = _notifier(target)
    title = f"LLM digest: {sentences.period(digest.period)}"
    if scheme in _PAGERS:
        if not digest.anomalies:
            return None
        text = "\n".join(escaping.plain(sentences.finding(each)) for each in digest.anomalies)
        success = notifier.notify(text, title="Unusual LLM usage", notify_type="warning")
    elif scheme in _MAIL:
        success = _mail(notifier, digest, title)
    else:
        success = notifier.notify(markdown.render(digest), title=title, body_format="markdown")
    return None if success else "did not take the message"


def _mail(notifier: Any, digest: Digest, title: str) -> bool:
    """The page, with the pictures attached to it."""
    with tempfile.TemporaryDirectory() as folder:
        attached = []
        for name, png in pictures(digest).items():
            path = Path(folder) / name
            path.write_bytes(png)
            attached.append(str(path))
        page = html.render(digest, attached=True)
        return bool(notifier.notify(page, title=title, body_format="html", attach=attached or None))


def _notifier(target: str) -> Any:
    try:
        import apprise
    except ModuleNotFoundError:
        raise ConfigError(
            f"Sending to {_shown(target)} needs Apprise: pip install 'llm-otel[local]'."
        ) from None
    notifier = apprise.Apprise()
    if not notifier.add(_with_pictures(target)):
        raise ConfigError(
            f"Nothing can be sent to {_shown(target)}: give an address that Apprise knows, as "
            "mailto://user:password@example.com or slack://token, or the address of a webhook."
        )
    return notifier


def _with_pictures(target: str) -> str:
    """A mail's address, with the option that shows its pictures where the page refers to them."""
    if urlsplit(target).scheme not in _MAIL:
        return target
    return f"{target}{'&' if '?' in target else '?'}inline=yes"


def _shown(target: str) -> str:
    """A target without what may be secret in it: tokens are all that many addresses have."""
    return f"{urlsplit(target).scheme or target[:12]}://…"
