"""Who may not send keeps nobody out: no names of others, no slow or silent or huge requests."""

from __future__ import annotations

import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest
from lake import samples
from lake.test_ingest import count, wait
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from receiver.test_http import BODY, PROTOBUF, poster
from serving import Served, serving

from llm_otel import connections
from llm_otel.lake.ingest import Ingest
from llm_otel.receiver import Receiver
from llm_otel.receiver import grpc as grpc_module

HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
LARGE = 63 << 20


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    """A lake's writer."""
    with Ingest(tmp_path) as ingest:
        yield ingest


@contextmanager
def connected(port: int | None, data: bytes = b"") -> Iterator[socket.socket]:
    """A connection on which `data` was sent."""
    with socket.create_connection(("127.0.0.1", port or 0), 20) as connection:
        connection.sendall(data)
        yield connection


def answer(port: int | None, data: bytes) -> bytes:
    """What is answered to `data`, up to the first time that nothing more comes."""
    with connected(port, data) as connection:
        return connection.recv(4096)


def whole(body: bytes, host: str = "localhost", headers: bytes = b"") -> bytes:
    """A request with a body."""
    head = HEAD.replace(b"localhost", host.encode())
    return head + headers + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def port_of(served: Served) -> int:
    """Where a running `serve` takes OTLP over HTTP."""
    return urlsplit(served.http).port or 0


def status(served: Served, name: str) -> int:
    """A number of KiB that Linux tells of the process."""
    for line in Path(f"/proc/{served.process.pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise AssertionError(name)


def test_a_browser_cannot_reach_the_grpc_port(ingest: Ingest) -> None:
    """It takes no HTTP/1.1, which is all that browsers speak without TLS, so no name is asked."""
    head = HEAD.replace(
        b"/v1/traces", b"/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    )
    head = head.replace(b"x-protobuf", b"grpc").replace(b"localhost", b"rebound.example.net")
    message = b"\0" + len(BODY).to_bytes(4, "big") + BODY
    request = head + b"Content-Length: %d\r\n\r\n%s" % (len(message), message)
    with Receiver(ingest, http_port=None, grpc_port=0) as receiver:
        assert not answer(receiver.grpc_port, request).startswith(b"HTTP/1.1 2")
    ingest.flush()
    assert count(ingest.writer.path) == 0


def test_only_its_own_names_are_answered(tmp_path: Path) -> None:
    """A page that has its own name point here is sent away, for sending and for the health."""
    names = ("--no-dashboard", "--host-name", "Otel.example.com")
    with serving(tmp_path / "lake", *names) as served:
        port = port_of(served)
        statuses = {
            host: answer(port, whole(BODY, host))[9:12]
            for host in (
                "localhost",
                f"127.0.0.1:{port}",
                "[::1]:4318",
                "otel.example.com:443",
                "rebound.example.net",
                f"rebound.example.net:{port}",
                "localhost.example.net",
                "127.0.0.1.example.net",
            )
        }
        health = answer(port, b"GET /health HTTP/1.1\r\nHost: rebound.example.net\r\n\r\n")
        served.stop()
    assert list(statuses.values()) == [b"200"] * 4 + [b"421"] * 4, statuses
    assert health[9:12] == b"421"
    assert b"--host-name" in health
    assert count(tmp_path / "lake") == 1


def test_a_token_makes_names_needless(ingest: Ingest) -> None:
    """Who shows it may call the receiver what he likes; who does not learns nothing."""
    with Receiver(ingest, host="0.0.0.0", http_port=0, grpc_port=None, token="s3cret") as receiver:
        port = receiver.http_port
        right = whole(BODY, "otel.example.com", b"Authorization: Bearer s3cret\r\n")
        assert answer(port, right)[9:12] == b"200"
        assert answer(port, whole(BODY, "otel.example.com"))[9:12] == b"401"


@pytest.mark.parametrize("expects", [b"", b"Expect: 100-continue\r\n"])
def test_the_token_is_looked_at_before_the_body(ingest: Ingest, expects: bytes) -> None:
    """The answer comes though not one byte of the body did, and nobody asks for it."""
    with Receiver(ingest, http_port=0, grpc_port=None, token="s3cret") as receiver:
        head = HEAD + expects + b"Content-Length: %d\r\n\r\n" % LARGE
        with connected(receiver.http_port, head) as connection:
            began = time.monotonic()
            assert connection.recv(4096).startswith(b"HTTP/1.1 401")
            assert time.monotonic() - began < 5


def test_a_body_that_is_announced_is_asked_for(ingest: Ingest, tmp_path: Path) -> None:
    """A sender that waits for 100 Continue gets it, where it may send."""
    with Receiver(ingest, http_port=0, grpc_port=None) as receiver:
        head = HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY)
        with connected(receiver.http_port, head) as connection:
            assert connection.recv(4096).startswith(b"HTTP/1.1 100")
            connection.sendall(BODY)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    ingest.flush()
    assert count(tmp_path) == 1


def test_dripping_connections_keep_nobody_out(tmp_path: Path) -> None:
    """300 of them, in headers and in bodies: others are answered at once, and it stops in time."""
    drips = (HEAD[:40], HEAD + b"Content-Length: 1000000\r\n\r\nabc")
    with serving(tmp_path / "lake", "--no-dashboard") as served, ExitStack() as open_:
        port = port_of(served)
        for number in range(300):
            open_.enter_context(connected(port, drips[number % 2]))
        began = time.monotonic()
        assert answer(port, whole(BODY)).startswith(b"HTTP/1.1 200")
        assert answer(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")[9:12] == b"200"
        assert time.monotonic() - began < 5
        began = time.monotonic()
        assert "everything that was acknowledged is stored" in served.stop()
        assert time.monotonic() - began < 15
    assert count(tmp_path / "lake") == 1


@pytest.mark.parametrize("begun", [HEAD[:40], HEAD + b"Content-Length: 1000000\r\n\r\nabc"])
def test_a_request_has_a_limit_of_time(
    ingest: Ingest, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often a byte comes: the connection ends."""
    monkeypatch.setattr(connections, "GRACE_S", 0.5)
    with (
        Receiver(ingest, http_port=0, grpc_port=None) as receiver,
        connected(receiver.http_port, begun) as connection,
    ):
        began = time.monotonic()
        connection.settimeout(0.05)
        said = None
        while not said:
            assert time.monotonic() - began < 10, "it is still open"
            try:
                connection.sendall(b"a")
                said = connection.recv(100) or b"closed"
            except TimeoutError:
                continue
            except OSError:
                said = b"closed"
        assert said == b"closed" or said.startswith(b"HTTP/1.1 408")
        assert poster(receiver)(BODY)[0] == 200


def silent(channel: grpc.Channel, over: threading.Event) -> grpc.Future:
    """A call of which no request comes until `over`."""

    def nothing() -> Iterator[bytes]:
        over.wait()
        yield from ()

    call = channel.stream_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
    return call.future(nothing())


def test_silent_streams_keep_nobody_out(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 calls by gRPC that say nothing: others are answered at once, and these end."""
    monkeypatch.setattr(grpc_module, "MESSAGE_S", 2.0)
    over = threading.Event()
    with (
        Receiver(ingest, http_port=None, grpc_port=0) as receiver,
        grpc.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as channel,
    ):
        calls = [silent(channel, over) for _ in range(20)]
        try:
            TraceServiceStub(channel).Export(ExportTraceServiceRequest.FromString(BODY), timeout=5)
            codes = {call.exception(timeout=20).code() for call in calls}
        finally:
            over.set()
    assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED}


def test_grpc_looks_at_the_token_before_the_message(ingest: Ingest) -> None:
    """A call without it ends though it has said nothing yet."""
    over = threading.Event()
    with (
        Receiver(ingest, http_port=None, grpc_port=0, token="s3cret") as receiver,
        grpc.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as channel,
    ):
        try:
            refused = silent(channel, over).exception(timeout=5)
        finally:
            over.set()
        assert refused.code() == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("token", [True, False], ids=["without the token", "where none is asked"])
def test_large_bodies_keep_nobody_out(tmp_path: Path, token: bool) -> None:
    """24 of 63 MiB at a time: the memory is bounded, others are answered, and it stops in time."""
    (tmp_path / "token").write_text("s3cret")
    options = ("--token-file", str(tmp_path / "token")) if token else ()
    # A field of protobuf that OTLP does not know.
    request = whole(b"\xfa\x07" + _varint(LARGE) + bytes(LARGE))
    over = threading.Event()
    with serving(tmp_path / "lake", "--no-dashboard", *options) as served:
        port = port_of(served)
        before = status(served, "VmRSS")
        senders = [
            threading.Thread(target=_floods, args=(port, request, over), daemon=True)
            for _ in range(24)
        ]
        for sender in senders:
            sender.start()
        slowest = 0.0
        for _ in range(10):
            began = time.monotonic()
            reply = answer(port, whole(BODY, headers=b"Authorization: Bearer s3cret\r\n"))
            slowest = max(slowest, time.monotonic() - began)
            assert reply[9:12] in (b"200", b"429"), reply
        peak = status(served, "VmHWM")
        began = time.monotonic()
        served.stop()
        stopped = time.monotonic() - began
        over.set()
    for sender in senders:
        sender.join(20)
    assert slowest < 8
    assert stopped < 25
    assert (peak - before) >> 10 < (100 if token else 600), f"{(peak - before) >> 10} MiB"


def _floods(port: int, request: bytes, over: threading.Event) -> None:
    while not over.is_set():
        try:
            answer(port, request)
        except OSError:
            continue


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is none on Windows")
def test_sighup_stores_and_goes_on(tmp_path: Path) -> None:
    """What was acknowledged is in the tables soon after; the process lives."""
    with serving(tmp_path / "lake", "--no-dashboard") as served:
        port = port_of(served)
        for seed in range(3):
            body = samples.spans(samples.CHAT, seed=seed).SerializeToString()
            assert answer(port, whole(body)).startswith(b"HTTP/1.1 200")
            served.process.send_signal(signal.SIGHUP)
            wait(lambda: count(tmp_path / "lake") == seed + 1)  # noqa: B023
        assert served.process.poll() is None
        served.stop()


def test_the_lake_is_its_owners(tmp_path: Path) -> None:
    """A new folder is for its owner alone; no file in it can be read by all."""
    before = os.umask(0o022)
    try:
        with serving(tmp_path / "lake", "--no-dashboard") as served:
            answer(port_of(served), whole(BODY))
            served.stop()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "lake").stat().st_mode) == 0o700
    readable = [
        str(path)
        for path in (tmp_path / "lake").rglob("*")
        if stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO
    ]
    assert readable == []


def test_a_lake_of_an_older_version_is_closed_to_others(tmp_path: Path) -> None:
    """What a group was let do stays; what everybody could do does not."""
    Ingest(tmp_path / "lake").close()
    (tmp_path / "lake").chmod(0o755)
    Ingest(tmp_path / "lake").close()
    assert stat.S_IMODE((tmp_path / "lake").stat().st_mode) == 0o750


def test_headers_of_the_answers(ingest: Ingest) -> None:
    """A refusal is JSON for a sender of JSON."""
    with Receiver(ingest, http_port=0, grpc_port=None, token="s3cret") as receiver:
        _, headers, body = poster(receiver)(b"{}", {"content-type": "application/json"})
        assert headers["content-type"] == "application/json"
        assert b"token is missing" in body
        assert poster(receiver)(BODY, {**PROTOBUF, "authorization": "Bearer s3cret"})[0] == 200
