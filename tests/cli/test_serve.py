"""`llm-otel serve` as a program: it receives, shows, stops, and says what is wrong."""

from __future__ import annotations

import html
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from serving import ANY_PORTS, serving

import llm_otel.lake
from llm_otel import semconv
from llm_otel.lake.writer import Writer


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


def get(url: str, host: str = "") -> tuple[int, str]:
    """Status and body of an answer; `host` is the name that the page was asked for by."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read().decode()


def test_budgets_of_the_file_are_on_the_cost_page(tmp_path: Path) -> None:
    """The section `budgets:`; one that is wrong is named, and nothing is started."""
    config = tmp_path / "llm-otel.yaml"
    config.write_text("budgets: {total: 500, tenants: {acme: 100}}\n")
    lake = tmp_path / "lake"
    with Writer(lake) as writer:
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        row = {"time": now, "trace_id": "1" * 32, "span_id": "1" * 16, "cost_usd": 2.5}
        writer.append(calls=[row | {"tenant_id": "acme", "operation": "chat", "status": "ok"}])
    with serving(lake, "--config", str(config)) as served:
        status, page = get(f"{served.dashboard}/cost?range=24h")
    assert status == 200
    assert "Budgets of this month" in page
    assert "$100.00" in page
    config.write_text("budgets: {total: much}\n")
    command = [sys.executable, "-m", "llm_otel", "serve", "--lake", str(lake), *ANY_PORTS]
    refusal = subprocess.run(
        [*command, "--config", str(config)], capture_output=True, text=True, timeout=60
    )
    assert refusal.returncode != 0
    assert "budgets.total" in refusal.stderr
    assert "Traceback" not in refusal.stderr


def test_a_span_is_stored_and_shown(tmp_path: Path) -> None:
    """A call that was sent is in the lake when it stops, with a cost; the dashboard answers."""
    with serving(tmp_path / "lake") as served:
        send(served.http)
        status, page = get(served.dashboard)
        assert (status, "· llm-otel</title>" in page) == (200, True), page
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


def test_a_dashboard_that_ends_is_started_again(tmp_path: Path) -> None:
    """Killed, as where memory is short, it answers at its address again; nothing else notices."""
    with serving(tmp_path / "lake") as served:
        pid = served.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        if not children.exists():
            pytest.skip("only Linux tells a process's children")
        (dashboard,) = map(int, children.read_text().split())
        os.kill(dashboard, signal.SIGKILL)
        until = time.monotonic() + 30
        while str(dashboard) in children.read_text() or not _answers(served.dashboard):
            assert time.monotonic() < until, "no new dashboard answers"
            time.sleep(0.05)
        assert f"OTEL_EXPORTER_OTLP_ENDPOINT={served.http}" in _content(served.dashboard, "/")
        send(served.http)
        served.stop()
    calls = llm_otel.lake.open(tmp_path / "lake").sql("SELECT count(*) FROM calls").fetchall()
    assert calls == [(1,)]


def _content(dashboard: str, path: str) -> str:
    """What the dashboard's page holds, as it is sent to a browser."""
    with urllib.request.urlopen(f"{dashboard}{path}", timeout=20) as answer:
        page: str = answer.read().decode()
    return html.unescape(page)


def test_an_empty_page_names_the_port_of_the_running_receiver(tmp_path: Path) -> None:
    """Not the usual one, which another program may have."""
    with serving(tmp_path / "lake") as served:
        assert f"OTEL_EXPORTER_OTLP_ENDPOINT={served.http}" in _content(served.dashboard, "/")
        served.stop()


def _answers(url: str) -> bool:
    try:
        return get(url)[0] == 200
    except urllib.error.URLError:
        return False


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


def test_a_trusted_network(tmp_path: Path) -> None:
    """Without a token where nobody else is: it receives; the page is not for names from outside."""
    names = ("--host-name", "llm.example.com", "--host-name", "shown.example.com")
    with serving(tmp_path / "lake", "--host", "0.0.0.0", "--trust-network", *names) as served:
        inside, page = (
            url.replace("0.0.0.0", "127.0.0.1") for url in (served.http, served.dashboard)
        )
        send(inside)
        answers = {
            name: get(page, name)[0]
            for name in (
                "localhost:8050",
                "127.0.0.1:8050",
                "llm.example.com",
                "shown.example.com:443",
                "rebound.example.net:8050",
                "localhost.example.net",
            )
        }
        served.stop()
    assert list(answers.values()) == [200, 200, 200, 200, 421, 421], answers
    calls = llm_otel.lake.open(tmp_path / "lake").sql("SELECT count(*) FROM calls").fetchall()
    assert calls == [(1,)]


def test_a_name_beside_localhost(tmp_path: Path) -> None:
    """Behind a proxy on this machine the dashboard answers to its name too, and to no other."""
    with serving(tmp_path / "lake", "--host-name", "LLM.example.com") as served:
        names = ("localhost", "llm.example.com", "rebound.example.net")
        assert [get(served.dashboard, name)[0] for name in names] == [200, 200, 421]


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
