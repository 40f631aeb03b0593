"""When the price table is there, what happens before, and how it changes."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest

from llm_otel.pricing import Pricing, parse_overrides
from llm_otel.usage import Usage

SOURCES = Path(__file__).parents[2] / "src"
USAGE = Usage(input_tokens=1_000_000, output_tokens=1_000_000)


@pytest.fixture
def pricing() -> Iterator[Pricing]:
    made = Pricing()
    yield made
    made.stop()


def test_nothing_is_loaded_before_start(pricing: Pricing) -> None:
    """Without `start` there is no table, no version, no age, and no wait."""
    assert not pricing.ready
    assert (pricing.version, pricing.age_seconds()) == (None, None)
    assert pricing.cost("openai", "gpt-4o", USAGE) is None
    assert not pricing.wait(60)


def test_importing_the_library_does_not_load_the_prices() -> None:
    """Neither the import nor the parser of settings pays for the price data."""
    script = (
        "import sys; from llm_otel.pricing import Pricing, parse_overrides;"
        "parse_overrides([{'input': 1}], 'x'); Pricing();"
        "print([m for m in sys.modules if m.startswith(('genai_prices', 'pydantic', 'httpx'))])"
    )
    assert run(script) == "[]"


def test_the_table_tells_its_version_and_age(pricing: Pricing) -> None:
    """The version is the package's; the age is that of its newest check, in the past."""
    pricing.start()
    pricing.start()
    assert pricing.wait(60)
    assert pricing.ready
    assert pricing.version == version("genai-prices")
    age = pricing.age_seconds()
    assert age is not None
    assert 0 < age < 10 * 365 * 86400


def test_deferred_calls_run_once_when_the_table_is_there(pricing: Pricing) -> None:
    """What waits is run with prices, in order; a failing one disturbs no other; later: at once."""
    seen: list[object] = []

    def fail() -> None:
        raise RuntimeError("boom")

    pricing.defer(fail)
    for i in range(3):
        pricing.defer(lambda i=i: seen.append((i, pricing.cost("openai", "gpt-4o", USAGE))))
    assert pricing.wait(60)
    assert [i for i, _ in seen] == [0, 1, 2]
    assert all(cost is not None for _, cost in seen), seen
    pricing.defer(lambda: seen.append("at once"))
    assert seen[-1] == "at once"


def test_too_many_deferred_calls_run_unpriced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue is bounded: what is over it runs at once, so that it is counted as unpriced."""
    pricing = Pricing()
    go = threading.Event()
    monkeypatch.setattr("llm_otel.pricing.table.bundled", lambda: go.wait(60) and None)
    ran: list[int] = []
    for i in range(10_002):
        pricing.defer(lambda i=i: ran.append(i))
    assert ran == [10_000, 10_001]
    go.set()
    assert pricing.wait(60)
    assert sorted(ran) == list(range(10_002))


def test_a_missing_table_is_one_log_line(
    pricing: Pricing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without genai-prices costs are unknown, own rates count, and what waited is run."""
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    own = Pricing(parse_overrides([{"model": "mine", "input": 1}], "x"))
    ran: list[bool] = []
    with caplog.at_level(logging.WARNING, "llm_otel"):
        own.defer(lambda: ran.append(True))
        assert own.wait(60)
    assert [r.getMessage()[:40] for r in caplog.records] == [
        "llm-otel could not load the prices of ge"
    ]
    assert ran == [True]
    assert own.cost("openai", "gpt-4o", USAGE) is None
    assert own.cost("openai", "mine", Usage(1_000_000)).total == pytest.approx(1.0)
    assert (own.version, own.age_seconds()) == (None, None)


def test_threads_get_one_price(pricing: Pricing) -> None:
    """Many threads that start, defer and ask at once all get the same cost."""
    costs: list[object] = []
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        pricing.start()
        pricing.defer(lambda: costs.append(pricing.cost("openai", "gpt-4o", USAGE)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pricing.wait(60)
    assert len(costs) == 8
    assert len(set(costs)) == 1
    assert costs[0] is not None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("moment", ["while loading", "before start", "when loaded"])
def test_a_forked_child_has_prices(moment: str) -> None:
    """Parent and child price their own calls, once each, whenever the fork happens."""
    script = f"""
import os
from llm_otel.pricing import Pricing
from llm_otel.usage import Usage
moment = {moment!r}
pricing = Pricing()
seen = []
def later(): seen.append(pricing.cost("openai", "gpt-4o", Usage(1000)) is not None)
if moment != "before start":
    pricing.defer(later)
if moment == "when loaded":
    pricing.wait(60)
    seen.clear()
    pricing.defer(later)
child = os.fork()
if child == 0:
    seen.clear()
    pricing.start()
    pricing.defer(later)
    ok = pricing.wait(60) and seen == [True]
    os._exit(0 if ok else 1)
if moment == "before start":
    pricing.defer(later)
pricing.wait(60)
print(seen, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(script) == "[True] 0"


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class PriceServer:
    """A real server that gives one price table, then whatever `answer` holds."""

    def __init__(self) -> None:
        outer = self
        self.status = 200
        self.body = json.dumps(
            [
                {
                    "id": "openai",
                    "name": "OpenAI",
                    "api_pattern": r"https://api\.openai\.com",
                    "models": [
                        {
                            "id": "gpt-4o",
                            "match": {"equals": "gpt-4o"},
                            "prices": {"input_mtok": 100, "output_mtok": 200},
                        }
                    ],
                }
            ]
        )

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(outer.body.encode())

            def log_message(self, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/data.json"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def prices(monkeypatch: pytest.MonkeyPatch) -> Iterator[PriceServer]:
    monkeypatch.setenv("NO_PROXY", "*")
    server = PriceServer()
    yield server
    server.close()


def updated(url: str, interval_s: float = 3600.0) -> Pricing:
    """Prices after their first fetch has ended, well or not."""
    pricing = Pricing(update=True, update_url=url, update_interval_s=interval_s)
    pricing.start()
    assert pricing.wait(60)
    (thread,) = (t for t in threading.enumerate() if t.name == "llm-otel-prices")
    pricing.stop()
    thread.join(60)
    assert not thread.is_alive()
    return pricing


def test_an_update_replaces_the_prices(prices: PriceServer) -> None:
    """Fetched prices count from then on; version and age say when they were fetched."""
    before = time.time()
    pricing = updated(prices.url)
    assert pricing.cost("openai", "gpt-4o", USAGE).total == pytest.approx(300.0)
    assert re.fullmatch(
        re.escape(version("genai-prices")) + r"\+\d{8}T\d{4}Z", pricing.version or ""
    ), pricing.version
    assert 0 <= pricing.age_seconds() <= time.time() - before


@pytest.mark.parametrize(("status", "body"), [(500, "[]"), (200, "<html>"), (200, '{"a": 1}')])
def test_a_failed_update_keeps_the_prices(
    prices: PriceServer, caplog: pytest.LogCaptureFixture, status: int, body: str
) -> None:
    """A fetch that fails is one log line; the prices in use stay."""
    prices.status, prices.body = status, body
    with caplog.at_level(logging.WARNING, "llm_otel"):
        pricing = updated(prices.url)
    lines = [r.getMessage() for r in caplog.records if r.name == "llm_otel"]
    assert len(lines) == 1, lines
    assert lines[0].startswith("llm-otel could not fetch newer prices ("), lines
    assert pricing.version == version("genai-prices")
    assert pricing.cost("openai", "gpt-4o", USAGE) is not None
