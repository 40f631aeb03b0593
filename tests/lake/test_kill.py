"""kill -9 at any point: every acknowledged row is readable, and none twice."""

from __future__ import annotations

import http.client
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lake import samples
from lake.test_ingest import wait

import llm_otel.lake
from llm_otel.lake.ingest import Ingest

VICTIM = Path(__file__).with_name("victim.py")
ROUNDS = 6
THREADS = 4
START = samples.NOW - 10**9


class Sender:
    """Sends until the other side dies; sends what was not acknowledged again.

    Attributes:
        acknowledged: Seeds of the requests that were answered with 200.
    """

    def __init__(self, number: int) -> None:
        self._next = number
        self.acknowledged: set[int] = set()

    def run(self, port: int) -> None:
        """One life of the receiver."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            while True:
                seed = self._next
                request = samples.spans(samples.CHAT, {}, samples.CHAT, seed=seed)
                self._post(connection, "/v1/traces", request)
                point = samples.counter(
                    len(self.acknowledged) + 1.0,
                    time_ns=samples.NOW + len(self.acknowledged),
                    start_ns=START,
                    labels={"model": f"m{seed % THREADS}"},
                )
                self._post(connection, "/v1/metrics", point)
                self.acknowledged.add(seed)
                self._next = seed + THREADS
        except (OSError, http.client.HTTPException):
            connection.close()

    def _post(self, connection: http.client.HTTPConnection, path: str, request: object) -> None:
        body = request.SerializeToString()  # type: ignore[attr-defined]
        connection.request("POST", path, body, {"content-type": "application/x-protobuf"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise OSError(answer.status)


@contextmanager
def victim(path: Path, senders: Sequence[Sender]) -> Iterator[None]:
    """A receiver that the senders send to during the block, and that is killed at its end."""
    command = [sys.executable, str(VICTIM), str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        threads = [threading.Thread(target=sender.run, args=(port,)) for sender in senders]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            process.kill()
            for thread in threads:
                thread.join()


def test_nothing_acknowledged_is_lost_and_nothing_is_twice(tmp_path: Path) -> None:
    """A real process is killed at random points while four clients send spans and metrics."""
    moments = random.Random(5)
    senders = [Sender(number) for number in range(THREADS)]
    for _ in range(ROUNDS):
        with victim(tmp_path, senders):
            # Not a wait for something: the kill is to come at a point that nobody chose.
            time.sleep(moments.uniform(0.05, 0.8))
    with Ingest(tmp_path) as ingest:
        ingest.flush()
    acknowledged = {seed for sender in senders for seed in sender.acknowledged}
    _check(tmp_path, acknowledged, senders)


def _check(path: Path, acknowledged: set[int], senders: list[Sender]) -> None:
    lake = llm_otel.lake.open(path)
    assert len(acknowledged) > 50, "too little was sent to say anything"
    expected = {
        span.span_id.hex()
        for seed in acknowledged
        for span in samples.spans(*[{}] * 3, seed=seed).resource_spans[0].scope_spans[0].spans
    }
    found = [row[0] for row in lake.spans().project("span_id").fetchall()]
    assert expected - set(found) == set()
    assert len(found) == len(set(found))
    # What was stored beyond the acknowledged is at most what each client had under way.
    assert len(found) <= len(expected) + 3 * THREADS
    calls = lake.sql(
        "SELECT count(*), count(DISTINCT span_id), (SELECT count(*) FROM spans) FROM calls"
    ).fetchall()[0]
    assert calls[0] == calls[1] == calls[2] * 2 // 3
    sums = lake.sql("SELECT model, sum(sum) FROM metrics_hourly GROUP BY 1 ORDER BY 1").fetchall()
    for (_, total), sender in zip(sums, senders):
        assert total in (len(sender.acknowledged), len(sender.acknowledged) + 1)


def test_readers_are_never_disturbed(tmp_path: Path) -> None:
    """Another process's rows only ever grow while it writes and compacts."""
    lake = llm_otel.lake.open(tmp_path)
    counts = [0]

    def more() -> bool:
        query = "SELECT count(*), count(DISTINCT span_id) FROM spans"
        rows, distinct = lake.sql(query).fetchall()[0]
        assert rows == distinct
        assert rows >= counts[-1]
        counts.append(rows)
        return rows > 300 and _compactions(tmp_path) > 1

    with victim(tmp_path, [Sender(0), Sender(1)]):
        wait(more, 30)
    assert len(set(counts)) > 3


def _compactions(path: Path) -> int:
    logs = (path / "spans" / "_delta_log").glob("*.json")
    return sum('"OPTIMIZE"' in log.read_text() for log in logs)
