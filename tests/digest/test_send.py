"""Digests arrive: mail at a real SMTP server, JSON at a real HTTP server, pages only if unusual."""

from __future__ import annotations

import dataclasses
import email
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from digest import lakes

from llm_otel.digest import period
from llm_otel.digest.anomalies import Anomaly
from llm_otel.digest.model import Digest, Figure, Finding
from llm_otel.digest.render import html, pictures
from llm_otel.digest.render import json as digest_json
from llm_otel.digest.send import check, send
from llm_otel.errors import ConfigError
from llm_otel.lake.queries.drivers import Change

# Apprise imports what the standard library will drop in Python 3.13.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

DAY = date(2026, 11, 20)
QUIET = Digest(
    period("day", DAY),
    datetime(2026, 11, 21, 6),
    (Figure("cost", "usd", 12.5, 10.0), Figure("calls", "count", 100, 90)),
    causes={"calls": 2.5},
    daily={DAY: {"gpt-4o": 12.5}},
)
ODD = dataclasses.replace(
    QUIET, anomalies=(Finding("cost", "usd", "", "", Anomaly(DAY, 12.5, 4.0, 6.0, 8, True)),)
)


class Inbox:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.messages.append(email.message_from_bytes(envelope.content))
        return "250 OK"


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, str]]:
    """A mail server, and the address of a mailbox there."""
    inbox = Inbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(inbox, hostname="127.0.0.1", port=port)
    server.start()
    yield inbox, f"mailto://127.0.0.1:{port}?from=llm-otel@example.com&to=boss@example.com"
    server.stop()


@pytest.fixture
def hook() -> Iterator[tuple[list[Any], str]]:
    """A webhook: what was posted to it, and its address; `/no` refuses."""
    posted: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            # chats answer so, and take nothing else for a yes
            self.send_response(500 if self.path == "/no" else 200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_args: object) -> None:
            """Nothing to say."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield posted, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_mail(inbox: tuple[Inbox, str]) -> None:
    """A mail holds the page, and the pictures that it refers to."""
    kept, address = inbox
    assert send(ODD, [address]) == []
    parts = [part for message in kept.messages for part in message.walk()]
    pages = [
        p.get_payload(decode=True).decode() for p in parts if p.get_content_type() == "text/html"
    ]
    assert any("$12.50 for 100 calls" in page for page in pages), pages
    page = next(page for page in pages if "$12.50 for 100 calls" in page)
    attached = {
        p.get("Content-ID", "").strip("<>") for p in parts if p.get_content_maintype() == "image"
    }
    assert attached == {
        f"{name}-{theme}.png" for name in ("daily-cost", "causes") for theme in ("light", "dark")
    }
    assert all(f"cid:{name}" in page for name in attached)


def test_webhook(hook: tuple[list[Any], str]) -> None:
    """A plain address is posted the JSON."""
    posted, url = hook
    assert send(QUIET, [url]) == []
    assert posted[0]["headline"].startswith("$12.50 for 100 calls, +25 %")


def test_refused(hook: tuple[list[Any], str]) -> None:
    """A target that refuses, or is not there, is named without its secrets; the others are sent."""
    posted, url = hook
    failed = send(QUIET, [f"{url}/no", "http://127.0.0.1:9/token", url])
    assert failed == [
        "http://…: answered 500",
        "http://…: could not be reached (ConnectionRefusedError)",
    ]
    assert len(posted) == 2


def test_pagers_get_only_what_is_unusual(monkeypatch: pytest.MonkeyPatch) -> None:
    """PagerDuty is told of anomalies, and left in peace on a quiet day."""
    import apprise

    sent: list[tuple[str, str]] = []

    def notify(_self: object, body: str, title: str, **_more: object) -> bool:
        sent.append((title, body))
        return True

    monkeypatch.setattr(apprise.Apprise, "notify", notify)
    target = "pagerduty://key@routing"
    assert send(QUIET, [target]) == []
    assert sent == []
    assert send(ODD, [target]) == []
    assert sent == [
        (
            "Unusual LLM usage",
            "cost on Friday, 20 Nov: $12.50, where the 8 Fridays before were about $4.00",
        )
    ]


def test_targets_are_checked_first() -> None:
    """A target that nothing can be sent to is one sentence, without the secret in it."""
    with pytest.raises(ConfigError) as caught:
        check(["bogus://secret-token/x"])
    assert "bogus://…" in str(caught.value)
    assert "secret-token" not in str(caught.value)


EVIL = "<!channel> <@U1> @everyone [x](https://e.example) **b** `c` https://e.example\n# forged"
CALLING = dataclasses.replace(
    QUIET,
    anomalies=(Finding("cost", "usd", "model", EVIL, Anomaly(DAY, 12.5, 4.0, 6.0, 8, True)),),
)


@pytest.mark.parametrize("chat", ["slack", "discord", "mattermost"])
def test_chats_are_not_called(
    hook: tuple[list[Any], str], chat: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model of an evil name calls nobody, leads nowhere, formats nothing and forges no line."""
    from apprise.plugins.discord import NotifyDiscord
    from apprise.plugins.slack import NotifySlack

    posted, url = hook
    monkeypatch.setattr(NotifySlack, "webhook_url", url)
    monkeypatch.setattr(NotifyDiscord, "notify_url", url)
    targets = {
        "slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        "discord": f"discord://{'1' * 18}/{'a' * 68}",
        "mattermost": f"mmost://{url.removeprefix('http://')}/{'b' * 26}",
    }
    assert send(CALLING, [targets[chat]]) == []
    text = "\n".join(_texts(posted))
    assert "everyone" in text
    assert not re.search(r"(?<!\\)<[!@]|@(everyone|U1)|[^\u2060]://", text), text
    assert not re.search(r"^\W*forged", text, re.MULTILINE), text
    assert not re.search(r"(?<!\\)\*\*b|(?<!\\)`c", text), text


def _texts(value: Any) -> Iterator[str]:
    """Every text of a message, but for the addresses of pictures."""
    if isinstance(value, dict):
        for name, item in value.items():
            if not name.endswith(("_url", "_icon", "icon_url")):
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def test_a_page_shows_no_hidden_marks() -> None:
    """In HTML a name is text in its own direction, and in the picture no mathematics."""
    evil = "$x^2$ <b>gpt</b> \u202e \x1b[2J"
    moved = dataclasses.replace(
        CALLING,
        anomalies=(Finding("cost", "usd", "model", evil, CALLING.anomalies[0].anomaly),),
        daily={DAY: {"$\\frac{$": 2.5, "_hidden": 10.0}},
    )
    page = html.render(moved)
    assert "&lt;b&gt;gpt&lt;/b&gt; \\u202e \\u001b[2J" in page, page[-3000:]
    assert '<img class="light" src=' in page


def test_webhooks_get_the_names() -> None:
    """Programs get data: a name in JSON is what it was."""
    assert json.loads(digest_json.render(CALLING))["anomalies"][0]["key"] == EVIL


@pytest.mark.parametrize("way", ["file", "variable"])
def test_addresses_are_not_arguments(hook: tuple[list[Any], str], tmp_path: Path, way: str) -> None:
    """An address, which may hold a secret, from a file or a variable: every user sees arguments."""
    posted, url = hook
    lakes.lake(tmp_path / "lake", calls=[lakes.call(date(2026, 11, 20), n) for n in range(3)])
    (tmp_path / "to").write_text(f"# the webhook\n\n  {url}/secret \n{url}/other\n")
    command = [sys.executable, "-m", "llm_otel", "report", "--lake", str(tmp_path / "lake")]
    command += ["--day", "2026-11-20"]
    environment = dict(os.environ)
    if way == "file":
        command += ["--to-file", str(tmp_path / "to")]
    else:
        environment["LLM_OTEL_TO"] = f"{url}/secret {url}/other"
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert len(posted) == 2
    assert "secret" not in " ".join(command)


MANY = dataclasses.replace(
    QUIET,
    causes={"calls": 12.5, "tokens per call": -3.2, "new": 7.0, "gone": -900.0},
    drivers={"model": (Change("claude-1", 900.0, 12.5, {"gone": -887.5}),)},
    daily={
        DAY - timedelta(days=n): {f"claude-{m}-with-a-long-name": 1000.0 * m for m in range(8)}
        for n in range(28)
    },
)


@pytest.mark.parametrize("theme", pictures.THEMES)
def test_labels_of_a_picture_do_not_touch(theme: str) -> None:
    """Days, amounts, causes and models of a month are apart, inside the picture, and not small."""
    for name, figure in pictures.figures(MANY, theme).items():
        figure.draw_without_rendering()
        axes = figure.axes[0]
        ticks = [*axes.get_xticklabels(), *axes.get_yticklabels()]
        shown = [t for t in ticks if t.get_position()[1] <= axes.get_ylim()[1]]
        texts = [*shown, *axes.texts]
        texts += [text for legend in figure.legends for text in legend.get_texts()]
        boxes = {text.get_text(): text.get_window_extent() for text in texts if text.get_text()}
        assert len(boxes) >= 5, (name, boxes)
        for text, box in boxes.items():
            assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, (name, text, box)
            touching = [other for other, o in boxes.items() if o is not box and box.overlaps(o)]
            assert not touching, (name, text, touching)
        # On a phone's page of 334 pixels a point is a pixel.
        assert figure.get_figwidth() * 72 == pytest.approx(334)
        assert min(text.get_fontsize() for text in texts) >= 9.5


def test_the_page_has_a_dark_style() -> None:
    """Both pictures are there, and the style sheet shows the one that fits."""
    page = html.render(MANY, attached=True)
    assert "prefers-color-scheme: dark" in page
    for name in ("daily-cost", "causes"):
        assert page.count(f"cid:{name}-light.png") == page.count(f"cid:{name}-dark.png") == 1
    assert "img.dark { display: block !important; }" in page


def test_the_page_leads_to_the_dashboard() -> None:
    """An anomaly opens its page on its day; without an address there is no link."""
    linked = html.render(dataclasses.replace(ODD, dashboard="http://pages.example.com"))
    assert "http://pages.example.com/cost?since=2026-11-20&amp;until=2026-11-20" in linked
    assert "<a " not in html.render(ODD)


def test_the_worst_comes_first() -> None:
    """What was unusual leads the headline; the cost follows."""
    posted = json.loads(digest_json.render(ODD))["headline"]
    assert posted.startswith("Cost on Friday, 20 Nov: $12.50, where the 8 Fridays"), posted
    assert "$12.50 for 100 calls, +25 % against the Friday before" in posted
