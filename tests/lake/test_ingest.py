"""What was acknowledged becomes rows, once, soon, and in spite of a full disk."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lake import samples

import llm_otel.lake
from llm_otel.lake.decode import METRICS, TRACES, span_columns
from llm_otel.lake.decode.span_batch import Batch
from llm_otel.lake.ingest import Busy, Ingest, Limits
from llm_otel.lake.segment import read


def count(path: Path, table: str = "spans") -> int:
    """Rows of a table."""
    found: int = llm_otel.lake.open(path).sql(f"SELECT count(*) FROM {table}").fetchall()[0][0]
    return found


def wait(condition: Callable[[], bool], seconds: float = 10) -> float:
    """How long it took until the condition held."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it never came"
        time.sleep(0.02)
    return time.monotonic() - began


def test_rows_are_there_soon_after_the_acknowledgement(tmp_path: Path) -> None:
    """Within two seconds, without anybody asking."""
    with Ingest(tmp_path) as ingest:
        ingest.accept(TRACES, samples.spans(samples.CHAT).SerializeToString()).result(10)
        assert wait(lambda: count(tmp_path) == 1) < 3  # 2 s, and what a busy machine adds
        assert count(tmp_path, "calls") == 1


def test_a_span_sent_again_counts_once(tmp_path: Path) -> None:
    """In the same batch, in a later one, and after a restart; its neighbours are stored."""
    sent = samples.spans(samples.CHAT, {"a": "b"}, samples.CHAT, seed=1)
    bodies = [sent.SerializeToString()]
    del sent.resource_spans[0].scope_spans[0].spans[0]
    new = sent.resource_spans[0].scope_spans[0].spans.add()
    new.CopyFrom(samples.spans(samples.CHAT, seed=2).resource_spans[0].scope_spans[0].spans[0])
    bodies.append(sent.SerializeToString())
    for _ in range(2):
        with Ingest(tmp_path) as ingest:
            for body in (bodies[0], bodies[0], bodies[1], bodies[0]):
                ingest.accept(TRACES, body).result(10)
                ingest.accept(TRACES, body).result(10)
                ingest.flush()
        assert (count(tmp_path), count(tmp_path, "calls")) == (4, 3)


def test_the_same_ids_on_another_day_are_another_span(tmp_path: Path) -> None:
    """Only the day is compared: a span that is sent again has the same start."""
    with Ingest(tmp_path) as ingest:
        for days in (0, 40):
            at = samples.NOW - days * 86400 * 10**9
            request = samples.spans(samples.CHAT, seed=1, time_ns=at)
            ingest.accept(TRACES, request.SerializeToString()).result(10)
    assert count(tmp_path) == 2


def test_a_request_of_many_days_does_not_hold_up_the_writer(tmp_path: Path) -> None:
    """Some milliseconds a day, whatever their number; sent again, nothing is stored twice."""
    request, days = samples.spans(samples.CHAT, seed=0), 600
    for day in range(1, days):
        at = samples.NOW - day * 86400 * 10**9
        request.MergeFrom(samples.spans(samples.CHAT, seed=day, time_ns=at))
    body = request.SerializeToString()
    with Ingest(tmp_path) as ingest:
        ingest.accept(TRACES, samples.spans(samples.CHAT, seed=days).SerializeToString())
        ingest.flush()
        began = time.process_time()
        ingest.accept(TRACES, body).result(10)
        ingest.flush()
        spent = time.process_time() - began
        ingest.accept(TRACES, body).result(10)
    assert count(tmp_path, "calls") == count(tmp_path) == days + 1
    assert spent / days < 0.0045, f"{spent / days * 1000:.1f} ms a day"


def test_what_an_ended_process_left_in_the_log_is_stored(tmp_path: Path) -> None:
    """The log alone is enough: its records become rows, up to a torn tail."""
    bodies = [samples.spans(samples.CHAT, seed=seed).SerializeToString() for seed in range(3)]
    with Ingest(tmp_path, Limits(flush_s=3600)) as ingest:
        for body in bodies:
            ingest.accept(TRACES, body).result(10)
        (segment,) = (tmp_path / "log").glob("*.log")
        left = segment.read_bytes()
    assert [record.body for record in read(_file(tmp_path / "whole", left))] == bodies
    for name, torn, whole in (
        ("torn", left[:-5], 2),
        ("header", left[:3], 0),
        ("flipped", left[:-9] + b"\xff" + left[-8:], 2),
        ("garbage", left + b"\x00" * 4096, 3),
    ):
        path = tmp_path / name
        (path / "log").mkdir(parents=True)
        _file(path / "log" / f"{7:016}.log", torn)
        with Ingest(path) as again:
            again.flush()
        assert count(path) == whole, name
        assert list((path / "log").glob(f"{7:016}.log")) == []


def _file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_pressure_is_said_before_memory_is_gone(tmp_path: Path) -> None:
    """Above the limit nothing is taken, and the sender is told when to come back."""
    body = samples.spans(samples.CHAT).SerializeToString()
    limits = Limits(flush_s=3600, pending_bytes=3 * len(body))
    with Ingest(tmp_path, limits) as ingest:
        for _ in range(3):
            ingest.accept(TRACES, body).result(10)
        with pytest.raises(Busy, match="send again later") as busy:
            ingest.accept(TRACES, body)
        assert (busy.value.retry_after, busy.value.full) == (1, False)
        ingest.flush()
        ingest.accept(TRACES, body).result(10)


def test_a_full_disk_refuses_and_says_so(tmp_path: Path) -> None:
    """Before the last byte is used."""
    body = samples.spans(samples.CHAT).SerializeToString()
    with Ingest(tmp_path, Limits(free_bytes=1 << 60)) as ingest:
        with pytest.raises(Busy, match="is full") as busy:
            ingest.accept(TRACES, body)
        assert busy.value.full


_WRITES = """
import resource, sys
from pathlib import Path
from llm_otel.lake.wal import LogFull, WriteAheadLog
from llm_otel.lake.segment import Record
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = WriteAheadLog(Path(sys.argv[1]), 0, 1 << 30)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, -1))
for number in range(30):
    record = Record(1, number, bytes([number]) * 900)
    try:
        log.append(record, record).result(10)
        print(number)
    except LogFull:
        pass
"""


def test_a_write_that_fails_leaves_no_torn_record(tmp_path: Path) -> None:
    """A file that may not grow: what was acknowledged is read back, nothing else is."""
    done = subprocess.run(
        [sys.executable, "-c", _WRITES, str(tmp_path)], capture_output=True, text=True, check=True
    )
    acknowledged = [int(line) for line in done.stdout.split()]
    found = [rec.received for path in sorted(tmp_path.glob("*.log")) for rec in read(path)]
    assert found == acknowledged
    assert len(acknowledged) >= 10


def test_a_request_that_cannot_be_decoded_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept in a file; the other requests, and the spans beside the bad one, are stored."""
    columns = span_columns.columns

    def fails(batch: Batch) -> dict[str, Any]:
        if "poison" in batch.attributes.names:
            raise RuntimeError("a bug of ours")
        return columns(batch)

    monkeypatch.setattr(span_columns, "columns", fails)
    many = [samples.CHAT] * 5
    poison = samples.spans(*many, {"poison": 1}, *many, seed=1).SerializeToString()
    with Ingest(tmp_path) as ingest:
        ingest.accept(TRACES, poison).result(10)
        ingest.accept(TRACES, samples.spans(samples.CHAT, seed=2).SerializeToString()).result(10)
    assert (count(tmp_path), count(tmp_path, "calls")) == (11, 11)
    (kept,) = (tmp_path / "rejected").iterdir()
    assert kept.read_bytes() == poison


def test_a_table_that_cannot_be_written_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each commit may fail once: in the end every row is there, none twice."""
    from llm_otel.lake.delta import TableStore

    append, failed = TableStore.append, set()

    def fails(self: TableStore, *arguments: object) -> None:
        for when in ("before", "after"):
            if when == "after":
                append(self, *arguments)  # type: ignore[arg-type]
            if (self.table.name, when) not in failed:
                failed.add((self.table.name, when))
                raise OSError(28, "No space left on device")

    monkeypatch.setattr(TableStore, "append", fails)
    body = samples.spans(samples.CHAT, {}).SerializeToString()
    start = samples.NOW - 10**9
    metric = samples.counter(2.0, time_ns=samples.NOW, start_ns=start)
    later = samples.counter(5.0, time_ns=samples.NOW + 1, start_ns=start)
    with Ingest(tmp_path, Limits(retry_s=0.01)) as ingest:
        for signal, sent in ((TRACES, body), (METRICS, metric.SerializeToString())) * 2:
            ingest.accept(signal, sent).result(10)
            ingest.flush()
        ingest.accept(METRICS, later.SerializeToString()).result(10)
    assert len(failed) == 6
    assert (count(tmp_path), count(tmp_path, "calls")) == (2, 1)
    assert llm_otel.lake.open(tmp_path).sql("SELECT sum(sum) FROM metrics_hourly").fetchall() == [
        (5.0,)
    ]
