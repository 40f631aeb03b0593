"""The stores of `pages_beside.py`: filled once with the same spans, and counted."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from server_kinds import Places, Server
from server_load import SPANS
from server_process import Process, running

_FILLED = "filled"  # A file beside the store that says how many spans it has.
_POLL_S = 0.5
_PATIENCE_S = 3600


def places(folder: Path) -> Places:
    """Free ports, and the folder."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return Places(folder, *(each.getsockname()[1] for each in sockets))


def filled(server: Server, folder: Path, bodies: Sequence[bytes], spans: int) -> float | None:
    """Send the requests and wait until every span is a row; seconds, None where it had them.

    Raises:
        SystemExit: A request is refused, or spans are missing in the end.
    """
    marker = folder.with_suffix(f".{_FILLED}")
    if marker.exists() and marker.read_text() == str(spans):
        return None
    own = places(folder)
    with running(server, own):
        began = time.monotonic()
        for number, body in enumerate(bodies):
            _wait(server, own, (number + 1) * SPANS - server.backlog)
            _send(server, own, body)
        _wait(server, own, spans)
        seconds = time.monotonic() - began
    marker.write_text(str(spans))
    return seconds


def rows(server: Server, own: Places) -> int:
    """Spans that its pages can show."""
    return int(str(server.rows(own, "SELECT count(*) FROM spans")[0][0]))


def _wait(server: Server, own: Places, spans: float) -> None:
    """Until so many are rows."""
    until = time.monotonic() + _PATIENCE_S
    while spans > 0 and rows(server, own) < spans:
        if time.monotonic() > until:
            text = f"{server.title} has {rows(server, own)} of {spans} spans"
            raise SystemExit(f"benchmarks/pages_beside.py: {text}")
        time.sleep(_POLL_S)


def _send(server: Server, own: Places, body: bytes) -> None:
    headers = {"content-type": "application/x-protobuf", **server.headers}
    with closing(http.client.HTTPConnection("127.0.0.1", own.http, timeout=600)) as connection:
        connection.request("POST", "/v1/traces", body, headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        if answer.status != 200:
            reason = f"{server.title} refused spans: {answer.status} {text[:300]}"
            raise SystemExit(f"benchmarks/pages_beside.py: {reason}")


def memory(process: Process) -> int:
    """Bytes of all its processes; what they share is counted once (PSS)."""
    total = 0
    for number, _ in process.family():
        lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024
