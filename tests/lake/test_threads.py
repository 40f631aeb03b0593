"""A thread that ends, hangs or fails is said, and nothing is acknowledged that is not stored."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import pytest
from lake import samples
from lake.test_ingest import count, wait
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from receiver.test_http import BODY, poster
from receiver.test_strangers import answer, port_of, whole
from serving import serving

from llm_otel.lake import ingest as ingest_module
from llm_otel.lake import wal as log_module
from llm_otel.lake.batch import Batches
from llm_otel.lake.decode import TRACES
from llm_otel.lake.ingest import Busy, Ingest, Limits
from llm_otel.receiver import Receiver


def health(receiver: Receiver) -> tuple[int, dict[str, str]]:
    """The health page."""
    status, headers, body = poster(receiver)(b"", {}, path="/health", method="GET")
    assert headers["content-type"] == "application/json"
    page: dict[str, str] = json.loads(body)
    return status, page


def refuses(receiver: Receiver, reason: str) -> None:
    """Hold that both protocols and the health page give the reason."""
    status, page = health(receiver)
    assert (status, page["status"]) == (503, "failing"), page
    assert reason in page["reason"]
    status, headers, body = poster(receiver)(BODY)
    assert (status, reason.encode() in body) == (503, True), body
    assert int(headers["retry-after"]) > 0
    with grpc.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as channel:
        with pytest.raises(grpc.RpcError) as refused:
            TraceServiceStub(channel).Export(ExportTraceServiceRequest.FromString(BODY))
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        assert reason in refused.value.details()


@contextmanager
def both(path: Path, limits: Limits = Limits()) -> Iterator[tuple[Ingest, Receiver]]:  # noqa: B008
    """A lake and a receiver of both protocols in front of it."""
    with Ingest(path, limits) as ingest, Receiver(ingest, http_port=0, grpc_port=0) as receiver:
        yield ingest, receiver


def test_all_is_well(tmp_path: Path) -> None:
    """200 and JSON."""
    with both(tmp_path) as (_, receiver):
        assert health(receiver) == (200, {"status": "ok"})


def test_a_disk_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync that does not end: 503 with the reason until it does, then all is well again."""
    monkeypatch.setattr(log_module, "STUCK_S", 0.2)
    free, sync = threading.Event(), log_module._sync

    def hangs(descriptor: int) -> None:
        free.wait(30)
        sync(descriptor)

    with both(tmp_path, Limits(flush_s=3600)) as (ingest, receiver):
        monkeypatch.setattr(log_module, "_sync", hangs)
        done = ingest.accept(TRACES, BODY)
        wait(lambda: health(receiver)[0] == 503)
        refuses(receiver, "is being synced for")
        free.set()
        done.result(10)
        wait(lambda: health(receiver)[0] == 200)
        assert poster(receiver)(BODY)[0] == 200


def test_a_batch_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write of the tables that does not end."""
    monkeypatch.setattr(ingest_module, "_HANGING_S", 0.2)
    free, store = threading.Event(), Batches.store

    def hangs(self: Batches, *arguments: object) -> None:
        free.wait(30)
        store(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Batches, "store", hangs)
    with both(tmp_path) as (ingest, receiver):
        ingest.accept(TRACES, BODY).result(10)
        wait(lambda: health(receiver)[0] == 503)
        refuses(receiver, "is being written for")
        free.set()
        ingest.flush()
        assert health(receiver)[0] == 200
    assert count(tmp_path) == 1


def test_tables_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason of the last attempt is given; what was acknowledged waits, and is stored once it
    can be."""
    monkeypatch.setattr(ingest_module, "_FAILING_S", 0.2)
    store, broken = Batches.store, [True]

    def fails(self: Batches, *arguments: object) -> None:
        if broken[0]:
            raise OSError(5, "Input/output error")
        store(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Batches, "store", fails)
    with both(tmp_path, Limits(retry_s=0.05)) as (ingest, receiver):
        ingest.accept(TRACES, BODY).result(10)
        wait(lambda: health(receiver)[0] == 503)
        refuses(receiver, "Input/output error")
        with pytest.raises(Busy, match="Input/output error"):
            ingest.accept(TRACES, BODY)
        broken[0] = False
        wait(lambda: health(receiver)[0] == 200)
        ingest.flush()
    assert count(tmp_path) == 1


def _the_writer(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(Ingest, "_flush", lambda *_, **__: 1 / 0)
    return "the thread that writes the lake has ended"


def _the_log(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(log_module, "_settle", lambda *_: 1 / 0)
    return "the thread that syncs the log has ended"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("ends", [_the_writer, _the_log])
def test_a_thread_that_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: Callable[[pytest.MonkeyPatch], str]
) -> None:
    """Whatever ended it: nothing is acknowledged, and the health page says which one it was."""
    with both(tmp_path, Limits(flush_s=0.05)) as (ingest, receiver):
        assert health(receiver)[0] == 200
        with monkeypatch.context() as patch:
            reason = ends(patch)
            ingest.accept(TRACES, BODY)
            wait(lambda: health(receiver)[0] == 503)
        refuses(receiver, reason)
    assert ingest.unstored() or count(tmp_path) == 1


def test_nothing_is_stored_after_what_could_not_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables remember the newest segment: at the end an older one stays with all that follow,
    and the next start stores them in their order."""
    store, failed = Batches.store, []

    def fails(self: Batches, segment: int, records: object) -> None:
        if not failed or failed == [segment]:
            failed[:] = [segment]
            raise OSError(28, "No space left on device")
        store(self, segment, records)  # type: ignore[arg-type]

    bodies = [samples.spans(samples.CHAT, seed=seed).SerializeToString() for seed in range(3)]
    with monkeypatch.context() as patch:
        patch.setattr(Batches, "store", fails)
        ingest = Ingest(tmp_path, Limits(flush_bytes=1, flush_s=3600))
        for body in bodies:
            ingest.accept(TRACES, body).result(10)
        ingest.close()
    assert len(ingest.unstored()) == 3
    with Ingest(tmp_path) as again:
        again.flush()
    assert count(tmp_path) == 3
    assert again.unstored() == []


def test_the_farewell_is_true(tmp_path: Path) -> None:
    """A table that cannot be written: the last sentence says that something is not stored, and
    where it is; the next start stores it."""
    with serving(tmp_path / "lake", "--no-dashboard") as served:
        blocked = tmp_path / "lake" / "spans"
        blocked.rename(tmp_path / "away")
        blocked.write_bytes(b"")
        assert answer(port_of(served), whole(BODY)).startswith(b"HTTP/1.1 200")
        farewell = served.stop()
        blocked.unlink()
        (tmp_path / "away").rename(blocked)
    assert "everything that was acknowledged is stored" not in farewell
    (segment,) = (path for path in (tmp_path / "lake" / "log").glob("*.log") if path.stat().st_size)
    assert str(segment) in farewell
    with serving(tmp_path / "lake", "--no-dashboard") as served:
        assert "everything that was acknowledged is stored" in served.stop()
    assert count(tmp_path / "lake") == 1


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is none on Windows")
def test_a_flush_that_does_not_end_holds_nothing_up(tmp_path: Path) -> None:
    """A table that cannot be written, and SIGHUP: SIGTERM ends the process within its grace."""
    with serving(tmp_path / "lake", "--no-dashboard") as served:
        blocked = tmp_path / "lake" / "spans"
        blocked.rename(tmp_path / "away")
        blocked.write_bytes(b"")
        assert answer(port_of(served), whole(BODY)).startswith(b"HTTP/1.1 200")
        served.process.send_signal(signal.SIGHUP)
        began = time.monotonic()
        assert "everything that was acknowledged is stored" not in served.stop()
    assert time.monotonic() - began < 20


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")
def test_file_descriptors_run_out(tmp_path: Path) -> None:
    """While none is left nothing is lost that was acknowledged; afterwards all goes on by itself:
    both protocols, the log, the tables."""
    bodies = [samples.spans(samples.CHAT, seed=seed).SerializeToString() for seed in range(60)]
    acknowledged = set()
    with serving(tmp_path / "lake", "--no-dashboard") as served, ExitStack() as open_:
        port, pid = port_of(served), served.process.pid
        assert answer(port, whole(bodies[0])).startswith(b"HTTP/1.1 200")
        acknowledged.add(0)
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 3, limits[1]))
        for _ in range(20):
            connection = socket.create_connection(("127.0.0.1", port), 5)
            open_.enter_context(connection)
        for number in range(1, 30):
            try:
                with socket.create_connection(("127.0.0.1", port), 1) as connection:
                    connection.sendall(whole(bodies[number]))
                    if connection.recv(4096).startswith(b"HTTP/1.1 200"):
                        acknowledged.add(number)
            except OSError:
                continue
        open_.close()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        until = time.monotonic() + 30
        for number in range(30, 60):
            while not answer(port, whole(bodies[number])).startswith(b"HTTP/1.1 200"):
                assert time.monotonic() < until, "it does not recover"
                time.sleep(0.1)
            acknowledged.add(number)
        wait(lambda: count(tmp_path / "lake") >= len(acknowledged), 30)
        channel = grpc.insecure_channel(served.told.split("(HTTP), ")[1].split()[0])
        with channel:
            last = samples.spans(samples.CHAT, seed=99)
            TraceServiceStub(channel).Export(last, timeout=10)
        assert answer(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")[9:12] == b"200"
        assert "everything that was acknowledged is stored" in served.stop()
    assert count(tmp_path / "lake") >= len(acknowledged) + 1
