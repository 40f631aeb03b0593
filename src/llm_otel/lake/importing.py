"""Files of OTLP into a lake: what the Collector's file exporter writes."""

from __future__ import annotations

import gzip
import io
import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from llm_otel.lake.admission import admit
from llm_otel.lake.decode import LOGS, METRICS, TRACES, BadPayload, from_json
from llm_otel.lake.ingest import Busy, Ingest

_SIGNALS: Final = {"resourceSpans": TRACES, "resourceMetrics": METRICS, "resourceLogs": LOGS}
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
# So many requests may wait for the disk at a time.
_WAITING: Final = 64
_NAMED: Final = 20


@dataclass
class Imported:
    """What became of a file.

    Attributes:
        requests: How many lines were taken.
        wrong: A sentence for each line that was not, the first ones of them.
    """

    requests: int = 0
    wrong: list[str] = field(default_factory=list)
    left_out: int = 0


def import_file(ingest: Ingest, path: Path, progress: Callable[[int], None]) -> Imported:
    """Take the requests of a file; durable when it returns.

    Args:
        ingest: The lake's writer; what it has already is not taken again.
        path: JSON, one OTLP request a line, plain or compressed with gzip or zstd.
        progress: Called with the bytes of the file that were read so far.

    Raises:
        OSError: The file cannot be read.
    """
    found = Imported()
    waiting: deque[Future[None]] = deque()
    with path.open("rb") as raw:
        for number, line in enumerate(_lines(raw), 1):
            if not line.strip():
                continue
            try:
                done, refused = _accept(ingest, line)
                waiting.append(done)
                found.requests += 1
                if refused and len(found.wrong) < _NAMED:
                    found.wrong.append(f"{path}, line {number}: {refused}")
            except BadPayload as exc:
                found.left_out += 1
                if len(found.wrong) < _NAMED:
                    found.wrong.append(f"{path}, line {number}, is left out: {exc}")
            if len(waiting) >= _WAITING:
                waiting.popleft().result()
            progress(raw.tell())
    for done in waiting:
        done.result()
    if found.left_out > len(found.wrong):
        found.wrong.append(f"{path}: {found.left_out - len(found.wrong)} more lines are left out.")
    return found


def _lines(raw: BinaryIO) -> Iterator[bytes]:
    start = raw.read(4)
    raw.seek(0)
    if start.startswith(_GZIP):
        return iter(gzip.GzipFile(fileobj=raw))
    if start == _ZSTD:
        import pyarrow as pa

        return iter(io.BufferedReader(pa.CompressedInputStream(raw, "zstd")))
    return iter(raw)


def _accept(ingest: Ingest, line: bytes) -> tuple[Future[None], str]:
    """Done when it is durable, and which records of the line were refused."""
    signal = _signal(line)
    admission = admit(signal, from_json(signal, line), ingest.window())
    body = admission.request.SerializeToString()
    while True:
        try:
            return ingest.accept(signal, body), admission.reason
        except Busy as busy:
            if busy.full:
                raise OSError(str(busy)) from busy
            time.sleep(0.05)


def _signal(line: bytes) -> int:
    try:
        keys = json.loads(line)
    except ValueError as exc:
        raise BadPayload(f"it is not valid JSON: {exc}") from exc
    for key, signal in _SIGNALS.items():
        if isinstance(keys, dict) and key in keys:
            return signal
    raise BadPayload(f"it is no OTLP request: none of {', '.join(_SIGNALS)} is in it")
