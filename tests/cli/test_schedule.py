"""When `serve` sends its digests."""

from __future__ import annotations

import json
import threading
from datetime import date, datetime, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from digest.lakes import call, lake

from llm_otel.serve.schedule import Digests, following
from llm_otel.stack.config import Budgets

SIX = time(6)


@pytest.mark.parametrize(
    ("kind", "now", "due"),
    [
        ("day", "2026-11-21T05:59", "2026-11-21T06:00"),
        ("day", "2026-11-21T06:00", "2026-11-22T06:00"),
        ("day", "2026-12-31T23:00", "2027-01-01T06:00"),
        ("week", "2026-11-21T05:00", "2026-11-23T06:00"),
        ("week", "2026-11-23T05:00", "2026-11-23T06:00"),
        ("week", "2026-11-23T06:00", "2026-11-30T06:00"),
    ],
)
def test_following(kind: str, now: str, due: str) -> None:
    """Every day, or every Monday, at the hour; never the same one twice."""
    assert following(kind, SIX, datetime.fromisoformat(now)) == datetime.fromisoformat(due)


def test_a_due_digest_is_sent(tmp_path: Path) -> None:
    """When its time has come, the digest of the day before is posted."""
    lake(tmp_path, calls=[call(date(2026, 11, 20), n) for n in range(3)])
    posted: list[dict] = []
    arrived = threading.Event()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()
            arrived.set()

        def log_message(self, *_args: object) -> None:
            """Nothing to say."""

    moments = [datetime(2026, 11, 21, 5, 59, 59), datetime(2026, 11, 21, 6, 0, 1)]
    with HTTPServer(("127.0.0.1", 0), Hook) as hook:
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{hook.server_port}"
        digests = Digests(
            "day",
            SIX,
            (url,),
            Budgets(),
            lambda: moments.pop(0) if len(moments) > 1 else moments[0],
        )
        with digests.running(tmp_path):
            assert arrived.wait(30), "no digest within 30 s"
        hook.shutdown()
    assert posted[0]["period"]["since"] == "2026-11-20"
    assert posted[0]["figures"][0]["now"] == 1.5
