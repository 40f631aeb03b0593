"""Files of OTLP into a lake: what the Collector's file exporter writes."""

from __future__ import annotations

import gzip
import io
import json
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from llm_otel.lake.admission import admit
from llm_otel.lake.decode import LOGS, METRICS, TRACES, BadPayload, from_json
from llm_otel.lake.failures import first_line
from llm_otel.lake.ingest import Busy, Ingest

_SIGNALS: Final = {"resourceSpans": TRACES, "resourceMetrics": METRICS, "resourceLogs": LOGS}
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
# So many requests may wait for the disk at a time.
_WAITING: Final = 64
_NAMED: Final = 20
# As of a request that is sent. A line of a small compressed file may be of any length.
LONGEST_LINE: Final = 64 << 20
_PIECE: Final = 1 << 20


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

    def leave_out(self, sentence: str) -> None:
        """Count a line that was not taken, and keep the sentence if it is one of the first."""
        self.left_out += 1
        if len(self.wrong) < _NAMED:
            self.wrong.append(sentence)


def import_file(ingest: Ingest, path: Path, progress: Callable[[int], None]) -> Imported:
    """Take the requests of a file; durable when it returns.

    Args:
        ingest: The lake's writer; what it has already is not taken again.
        path: JSON, one OTLP request a line, plain or compressed with gzip or zstd.
        progress: Called with the bytes of the file that were read so far.

    Raises:
        OSError: The file cannot be read, or the lake takes nothing.
    """
    result = Imported()
    waiting: deque[Future[None]] = deque()
    with path.open("rb") as raw:
        number = 0
        try:
            for number, line in enumerate(_lines(_content(raw)), 1):
                try:
                    if line is None:
                        raise BadPayload(f"it is longer than {LONGEST_LINE >> 20} MiB")
                    if line.strip():
                        durable, refusal = _accept(ingest, line)
                        waiting.append(durable)
                        result.requests += 1
                        if refusal and len(result.wrong) < _NAMED:
                            result.wrong.append(f"{path}, line {number}: {refusal}")
                except BadPayload as exc:
                    result.leave_out(f"{path}, line {number}, is left out: {exc}")
                if len(waiting) >= _WAITING:
                    waiting.popleft().result()
                progress(raw.tell())
        except _Broken as exc:
            result.leave_out(f"{path}, line {number + 1}, is left out, and what follows: {exc}")
    for durable in waiting:
        durable.result()
    if result.left_out > len(result.wrong):
        result.wrong.append(
            f"{path}: {result.left_out - len(result.wrong)} more lines are left out."
        )
    return result


class _Broken(Exception):
    """The compressed file is damaged from here on."""


class _Pieces(io.RawIOBase):
    """A decompressing file whose errors are all `_Broken`."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            # `read` would lose what comes before the damage.
            piece: bytes = self._file.read1(len(buffer))
        except (EOFError, OSError, zlib.error) as exc:
            raise _Broken(f"it is damaged or cut: {first_line(exc)}") from exc
        buffer[: len(piece)] = piece
        return len(piece)


def _content(raw: BinaryIO) -> io.BufferedIOBase | BinaryIO:
    """The file, decompressed."""
    start = raw.read(4)
    raw.seek(0)
    if start.startswith(_GZIP):
        return io.BufferedReader(_Pieces(gzip.GzipFile(fileobj=raw)))
    if start == _ZSTD:
        import pyarrow as pa

        return io.BufferedReader(_Pieces(pa.CompressedInputStream(raw, "zstd")))
    return raw


def _lines(content: io.BufferedIOBase | BinaryIO) -> Iterator[bytes | None]:
    """The lines; None for one that is longer than any request, of which little is in memory."""
    while line := content.readline(LONGEST_LINE + 1):
        if len(line) <= LONGEST_LINE:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = content.readline(_PIECE)
        yield None


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
    except RecursionError as exc:
        raise BadPayload("it is nested too deeply") from exc
    except ValueError as exc:
        raise BadPayload(f"it is not valid JSON: {exc}") from exc
    for key, signal in _SIGNALS.items():
        if isinstance(keys, dict) and key in keys:
            return signal
    raise BadPayload(f"it is no OTLP request: none of {', '.join(_SIGNALS)} is in it")
