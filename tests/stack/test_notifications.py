"""The page that shows what would have been sent: fed by HTTP, looked at by HTTP."""

from __future__ import annotations

import http.client
import json
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from stack.catchers import wait_for
from stack.parts import fetch, free_port

from llm_otel import listening
from llm_otel.stack.notifications import Inbox, Journal, page
from llm_otel.stack.notifications.journal import MEMORY
from llm_otel.stack.notifications.messages import Message, read
from llm_otel.stack.notifications.server import LARGEST_BODY, Server

PANEL = "https://grafana.example.com/d/llm-operations?viewPanel=panel-5&from=1&to=now"
RUNBOOK = "https://docs.example.com/alerts#llmerrorsharehigh"
NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


def alert(severity: str = "critical", **changes: Any) -> dict[str, Any]:
    """One alert as it stands in a message."""
    return {
        "status": "firing",
        "labels": {"alertname": "LLMErrorShareHigh", "severity": severity, "model": "gpt-4o"},
        "annotations": {
            "summary": "25 % of the calls fail",
            "description": "25 % of 480 calls.",
            "value": "25 %",
            "threshold": "10 %",
            "runbook_url": RUNBOOK,
        },
        "startsAt": "2026-11-21T10:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "panelURL": PANEL,
        **changes,
    }


def message(*alerts: dict[str, Any], **changes: Any) -> bytes:
    """What Alertmanager posts."""
    body = {
        "version": "4",
        "status": "firing",
        "receiver": "critical",
        "title": "[CRITICAL] 25 % of the calls fail",
        "silenceURL": "http://localhost:9093/#/silences/new",
        "alerts": list(alerts) or [alert()],
        **changes,
    }
    return json.dumps(body).encode()


@dataclass
class Site:
    """A running page."""

    port: int
    inbox: Inbox

    def post(self, path: str, body: bytes, kind: str = "application/json") -> tuple[int, Any]:
        """The status and the answer of a POST."""
        return self.ask("POST", path, body, {"Content-Type": kind})

    def ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, Any]:
        """The status and the answer of a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def get(self, path: str) -> str:
        """The text at a path."""
        return fetch(f"http://127.0.0.1:{self.port}{path}").decode()


@contextmanager
def serving(
    keep: int = 200, store: Path | None = None, names: frozenset[str] = frozenset()
) -> Iterator[Site]:
    """The page on a free port."""
    inbox = Inbox(keep, Journal(store, keep) if store else None)
    with Server(("127.0.0.1", 0), inbox, names) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Site(server.server_port, inbox)
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    """An empty page."""
    with serving() as found:
        yield found


class Seen(HTMLParser):
    """What a reader of the page sees."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags = [""]
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.tags[-1] != "style" and data.strip():
            self.words.append(data.strip())

    @property
    def links(self) -> list[str]:
        """Where its links lead."""
        return [value for name, value in self.attributes if name == "href"]


def test_a_message_is_shown_with_all_that_matters(site: Site) -> None:
    """Severity, receiver, value, threshold, labels, panel, runbook, silence."""
    assert site.post("/alerts", message()) == (200, {"status": "ok"})
    seen = Seen(site.get("/"))
    shown = " ".join(seen.words)
    for needed in ("critical", "receiver critical", "25 % of the calls fail", "25 % of 480 calls."):
        assert needed in shown, shown
    for name, value in (("Value", "25 %"), ("Threshold", "10 %"), ("model", "gpt-4o")):
        assert f"{name} {value}" in shown, shown
    assert seen.links == ["/docs/", "http://localhost:9093/#/silences/new", PANEL, RUNBOOK]
    assert ("class", "critical") in seen.attributes


def test_the_newest_is_first_and_the_oldest_goes(site: Site) -> None:
    """Memory is bounded by a number of messages."""
    with serving(keep=3) as small:
        for number in range(5):
            small.post("/alerts", message(title=f"message {number}"))
        titles = [each["title"] for each in json.loads(small.get("/api/messages"))]
        assert titles == ["message 4", "message 3", "message 2"]
        assert "the last 3 of 5" in Seen(small.get("/")).words


def test_large_messages_push_out_more() -> None:
    """Memory is bounded in bytes too, whatever the messages' size is."""
    inbox = Inbox(keep=1000)
    body = message(*(alert() for _ in range(2000)))
    assert len(body) < LARGEST_BODY
    for _ in range(MEMORY // len(body) + 5):
        inbox.add(body)
    assert sum(each.size for each in inbox.messages) <= MEMORY
    assert len(inbox.messages) == MEMORY // len(body)


def titles(site: Site) -> list[str]:
    """The messages' titles, as the API gives them."""
    return [each["title"] for each in json.loads(site.get("/api/messages"))]


def test_messages_outlive_the_process(tmp_path: Path) -> None:
    """With a file a restart forgets nothing; what a crash cut off takes no neighbour with it."""
    store = tmp_path / "new" / "messages"
    with serving(3, store) as site:
        for number in range(9):
            site.post("/alerts", message(title=f"message {number}"))
        shown = json.loads(site.get("/api/messages"))
    with store.open("ab") as file:
        file.write(b'{"received": "2026-11-30T10:00:00+00:00", "body": "{\\"ale')
    with serving(3, store) as site:
        assert json.loads(site.get("/api/messages")) == shown
        site.post("/alerts", message(title="after"))
    with serving(3, store) as site:
        assert titles(site) == ["after", "message 8", "message 7"]
    assert len(store.read_bytes().splitlines()) <= 6


def test_large_messages_do_not_fill_the_disk(tmp_path: Path) -> None:
    """The file is bounded by bytes as well as by messages, and so is what a start reads of it."""
    store = tmp_path / "messages"
    journal = Journal(store, 200, 100_000)
    for number in range(100):
        journal.append(NOON, message(title=f"{number} " + "é" * 5_000))
        assert store.stat().st_size < 250_000
    entries = Journal(store, 200, 100_000).entries()
    kept = [read(body, at).title.split()[0] for at, body in entries]
    assert kept == [str(number) for number in range(100 - len(kept), 100)]
    assert 50_000 < sum(len(body) for _, body in entries) <= 100_000


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8025", 200),
        ("127.0.0.1:8025", 200),
        ("NOTIFICATIONS", 200),
        ("attacker.example:8025", 421),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/messages"), ("GET", "/docs/"), ("POST", "/alerts")]
)
def test_a_name_that_points_here_reads_and_sends_nothing(
    host: str, status: int, method: str, path: str
) -> None:
    """A page elsewhere whose name points at this machine is refused, as its browser names it."""
    names = listening.names("0.0.0.0", ("notifications",), local=False)
    body = message() if method == "POST" else None
    with serving(names=names) as site:
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
        with closing(connection):
            headers = {"Host": host, "Content-Type": "application/json"}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        assert answer.status == status, text
        assert len(site.inbox.messages) == (method == "POST" and status == 200)
    assert status == 200 or "--host-name adds a name" in text


def test_a_length_of_thousands_of_digits_is_refused(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    """Python does not read such a number, which is no reason for a traceback."""
    headers = {"Content-Type": "application/json", "Content-Length": "9" * 5_000}
    assert site.ask("POST", "/alerts", None, headers)[0] == 413
    assert capfd.readouterr().err == ""


def test_what_cannot_be_stored_is_not_acknowledged(tmp_path: Path) -> None:
    """Alertmanager sends a message again that was not taken, and the page does not show it."""
    folder = tmp_path / "kept"
    with serving(3, folder / "messages") as site:
        folder.rename(tmp_path / "gone")
        status, answer = site.post("/alerts", message())
        assert (status, titles(site)) == (507, [])
        assert "cannot be stored (No such file or directory)" in answer["error"]
        (tmp_path / "gone").rename(folder)
        assert site.post("/alerts", message())[0] == 200


def test_the_api_shows_the_same_as_the_page(site: Site) -> None:
    """For scripts, and for tests of a stack."""
    site.post("/alerts", message())
    (found,) = json.loads(site.get("/api/messages"))
    assert (found["severity"], found["status"], found["receiver"]) == (
        "critical",
        "firing",
        "critical",
    )
    (told,) = found["alerts"]
    assert (told["value"], told["threshold"]) == ("25 %", "10 %")
    assert (told["panel"], told["runbook"]) == (PANEL, RUNBOOK)
    assert told["labels"] == {"alertname": "LLMErrorShareHigh", "model": "gpt-4o"}
    assert datetime.fromisoformat(found["received"]).tzinfo is not None


def test_severity_has_a_colour_and_what_is_over_is_green(site: Site) -> None:
    """Each tone once, newest first; an unknown severity looks like information."""
    over = alert(status="resolved", endsAt="2026-11-21T11:00:00Z")
    for body in (
        message(alert("none")),
        message(alert("info")),
        message(alert("warning")),
        message(alert("critical")),
        message(over, status="resolved"),
    ):
        site.post("/alerts", body)
    tones = [
        value
        for name, value in Seen(site.get("/")).attributes
        if name == "class" and value in ("critical", "warning", "info", "resolved")
    ]
    assert tones == ["resolved", "critical", "warning", "info", "info"]


def test_everything_is_escaped_and_nothing_is_fetched(site: Site) -> None:
    """Whatever a label says is text; a link that is none is left out; no asset from elsewhere."""
    evil = "<script>alert(1)</script>\"'&<!--"
    labels = {"alertname": evil, "severity": evil, evil: evil}
    annotations = dict.fromkeys(("summary", "description", "value", "threshold"), evil)
    annotations["runbook_url"] = "javascript:alert(1)"
    body = message(
        alert(labels=labels, annotations=annotations, panelURL='https://x/"><script>'),
        receiver=evil,
        silenceURL="data:text/html,x",
    )
    assert site.post("/alerts", body)[0] == 200
    seen = Seen(site.get("/"))
    assert "script" not in seen.tags
    assert seen.links == ["/docs/", 'https://x/"><script>']
    assert seen.words.count(evil) >= 4
    assert not {"img", "link", "iframe", "object", "form"} & set(seen.tags)
    assert not [value for name, value in seen.attributes if name in ("src", "style", "onclick")]


def test_the_browser_is_told_to_run_nothing() -> None:
    """Even if something slipped through, the policy allows the page's own style alone."""
    with serving() as site:
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
        connection.request("GET", "/")
        policy = connection.getresponse().getheader("Content-Security-Policy", "")
        connection.close()
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_an_empty_page_says_what_it_is_for(site: Site) -> None:
    """Nothing came yet, and that is not an error."""
    words = Seen(site.get("/")).words
    assert "No messages yet" in words
    assert "no heartbeat yet" in words


def test_the_heartbeat_shows_that_alerts_would_arrive(site: Site) -> None:
    """Green while Alertmanager calls, red when it has not called for long."""
    assert site.post("/heartbeat", b'{"status": "ok"}')[0] == 200
    assert ("class", "beat alive") in Seen(site.get("/")).attributes
    inbox = Inbox()
    inbox.beat(NOON)
    later = page.render(inbox, NOON + timedelta(minutes=13))
    assert ("class", "beat late") in Seen(later).attributes
    assert "2026-11-21 12:00:00 UTC" in Seen(later).words


def test_a_plain_webhook_of_alertmanager_is_read_too(site: Site) -> None:
    """Without what the stack's template adds there is less to show, and no failure."""
    body = {"status": "firing", "receiver": "x", "alerts": [{"labels": {"alertname": "Plain"}}]}
    assert site.post("/alerts", json.dumps(body).encode())[0] == 200
    assert "Plain" in Seen(site.get("/")).words


REFUSED = {
    "no JSON": ("/alerts", b"hello", "application/json", 400, "The body is not JSON"),
    "no object": ("/alerts", b"[]", "application/json", 400, "The body has no alerts"),
    "no alerts": ("/alerts", b'{"alerts": []}', "application/json", 400, "has no alerts"),
    "odd alerts": ("/alerts", b'{"alerts": [1]}', "application/json", 400, "is not an object"),
    "nested": ("/alerts", b"[" * 100_000, "application/json", 400, "The body is not JSON"),
    "a form": ("/alerts", b"a=b", "application/x-www-form-urlencoded", 415, "application/json"),
    "text": ("/heartbeat", b"{}", "text/plain", 415, "application/json"),
    "elsewhere": ("/other", b"{}", "application/json", 404, "/alerts and /heartbeat"),
    "too large": ("/alerts", b" " * (LARGEST_BODY + 1), "application/json", 413, "at most"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_message_is_refused_in_one_sentence(case: str, site: Site) -> None:
    """Neither kept nor a reason to fail."""
    path, body, kind, status, words = REFUSED[case]
    found, answer = site.post(path, body, kind)
    assert found == status
    assert words in answer["error"], answer
    assert site.inbox.messages == ()


def test_health_and_what_is_not_there(site: Site) -> None:
    """For the health check of a container, and for whoever mistypes."""
    assert site.get("/healthz") == "ok\n"
    status, answer = site.ask("GET", "/nothing", None, {})
    assert (status, answer["error"]) == (404, "There are /, /docs/, /api/messages and /healthz.")


def test_a_message_knows_how_bad_it_is() -> None:
    """By the first alert that still fires."""

    def told(*alerts: dict[str, Any]) -> Message:
        return read(message(*alerts), NOON)

    over = alert(status="resolved")
    assert told(over, alert("warning")).severity == "warning"
    assert told(over).severity == "resolved"
    assert told(alert()).received == NOON


def test_silent_connections_are_limited_and_keep_nobody_out(site: Site) -> None:
    """Where there is no room for one more, the oldest that says nothing is closed."""
    with ExitStack() as open_until_the_end:
        silent = [
            open_until_the_end.enter_context(
                socket.create_connection(("127.0.0.1", site.port), timeout=10)
            )
            for _ in range(100)
        ]
        assert site.post("/alerts", message())[0] == 200
        closed, _, _ = select.select(silent, (), (), 0)
        assert len(silent) - len(closed) <= Server.most
        assert {each.recv(1) for each in closed} == {b""}


def test_the_command_serves_the_page() -> None:
    """`llm-otel notifications` says where, serves, and stops when asked."""
    port = free_port()
    command = [sys.executable, "-m", "llm_otel", "notifications", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:

        def up() -> str:
            try:
                return fetch(f"http://127.0.0.1:{port}/healthz").decode()
            except OSError:
                return ""

        try:
            assert wait_for(up, "the page up") == "ok\n"
            taken = subprocess.run(command, check=False, capture_output=True, text=True)
        finally:
            process.terminate()
            said = process.communicate()[0].decode()
    assert f"http://127.0.0.1:{port}/" in said
    assert taken.returncode == 1
    assert f"Cannot listen at 127.0.0.1:{port}: Address already in use" in taken.stderr
    assert "Traceback" not in taken.stderr
