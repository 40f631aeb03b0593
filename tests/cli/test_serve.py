"""`llm-otel serve` as a program: it receives, shows, stops, and says what is wrong."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import llm_otel.lake
from llm_otel import semconv

ANY_PORTS = ("--http-port", "0", "--grpc-port", "0", "--dashboard-port", "0")


class Served:
    """A running `llm-otel serve`, and the addresses that it printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        told = ""
        for line in process.stdout:
            told += line
            if "Ctrl-C" in line:
                break
        self.told = told
        self.http = self._address(r"OTLP +(http\S+) \(HTTP\)")
        self.dashboard = self._address(r"dashboard +(http://[^/\s]+)")

    def _address(self, pattern: str) -> str:
        found = re.search(pattern, self.told)
        return found[1] if found else ""

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Ask it to stop; what it said then."""
        self.process.send_signal(number)
        assert self.process.stdout is not None
        rest = self.process.stdout.read()
        assert self.process.wait(30) == 0, self.told + rest
        return rest


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Served]:
    """Run `llm-otel serve` on free ports."""
    command = [sys.executable, "-m", "llm_otel", "serve", "--lake", str(folder)]
    with subprocess.Popen(
        [*command, *ANY_PORTS, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Served(process)
        finally:
            process.kill()


def send(http: str, **headers: str) -> None:
    """One chat call by OTLP, as any program's exporter sends it."""
    exporter = OTLPSpanExporter(f"{http}/v1/traces", headers=headers)
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("test").start_as_current_span(
        "chat gpt-4o",
        attributes={
            semconv.OPERATION_NAME: "chat",
            semconv.PROVIDER_NAME: "openai",
            semconv.REQUEST_MODEL: "gpt-4o",
            semconv.USAGE_INPUT_TOKENS: 1000,
            semconv.USAGE_OUTPUT_TOKENS: 100,
        },
    ):
        pass
    provider.shutdown()


def get(url: str) -> tuple[int, str]:
    """Status and body of an answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read().decode()


def test_a_span_is_stored_and_shown(tmp_path: Path) -> None:
    """A call that was sent is in the lake when it stops, with a cost; the dashboard answers."""
    with serving(tmp_path / "lake") as served:
        send(served.http)
        status, page = get(served.dashboard)
        assert (status, "<title>llm-otel</title>" in page) == (200, True), page
        assert "everything that was acknowledged is stored" in served.stop()
    (row,) = llm_otel.lake.open(tmp_path / "lake").sql(
        "SELECT service_name, model, input_tokens, cost_usd FROM calls"
    ).fetchall()  # fmt: skip
    assert row[:3] == ("shop", "gpt-4o", 1000)
    assert row[3] == pytest.approx(0.0035)


def test_killed_with_its_dashboard(tmp_path: Path) -> None:
    """kill -9 loses no acknowledged span, and leaves no dashboard behind."""
    with serving(tmp_path / "lake") as served:
        send(served.http)
        served.process.kill()
        served.process.wait()
        port = int(served.dashboard.rsplit(":", 1)[1])
        until = time.monotonic() + 20
        while _listens(port):
            assert time.monotonic() < until, "the dashboard is still there"
    with serving(tmp_path / "lake", "--no-dashboard") as served:
        assert served.dashboard == ""
        served.stop(signal.SIGINT)
    calls = llm_otel.lake.open(tmp_path / "lake").sql("SELECT count(*) FROM calls").fetchall()
    assert calls == [(1,)]


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def test_token(tmp_path: Path) -> None:
    """With a token, who does not show it can neither send nor read."""
    (tmp_path / "token").write_text("s3cret\n")
    with serving(tmp_path / "lake", "--token-file", str(tmp_path / "token")) as served:
        assert "s3cret" not in served.told
        send(served.http)
        send(served.http, Authorization="Bearer s3cret")
        assert get(served.dashboard)[0] == 401
        assert get(f"{served.dashboard}/?token=wrong")[0] == 401
        served.stop()
    calls = llm_otel.lake.open(tmp_path / "lake").sql("SELECT count(*) FROM calls").fetchall()
    assert calls == [(1,)]


def refused(folder: Path, *arguments: str) -> str:
    """What a `serve` that cannot start complains of."""
    done = subprocess.run(
        [sys.executable, "-m", "llm_otel", "serve", "--lake", str(folder), *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode in (1, 2), done
    assert "Traceback" not in done.stderr, done.stderr
    return " ".join(done.stderr.replace("│", " ").split())


def test_mistakes(tmp_path: Path) -> None:
    """A second writer, a port that is taken, an address for everybody without a token, a digest
    without a target: one sentence each."""
    with serving(tmp_path / "lake", "--no-dashboard") as served:
        port = served.http.rsplit(":", 1)[1]
        says = refused(tmp_path / "lake", *ANY_PORTS, "--no-dashboard")
        assert str(tmp_path / "lake") in says.replace(" ", ""), says
        says = refused(tmp_path / "b", "--http-port", port, "--grpc-port", "0", "--no-dashboard")
        assert f"cannot listen at 127.0.0.1:{port}" in says, says
    says = refused(tmp_path / "c", *ANY_PORTS, "--no-dashboard", "--host", "0.0.0.0")
    assert "give a token" in says, says
    says = refused(tmp_path / "d", "--digest", "day")
    assert "give both, or neither" in says, says
