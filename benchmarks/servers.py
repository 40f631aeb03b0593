"""`llm-otel serve`, Arize Phoenix and MLflow's server on the same work, in turns, in one run.

Each is started in a fresh folder (bytecode is compiled by a start before, not counted), loaded by
four clients for the same time or until the cap, killed with SIGKILL while they send, started again
on the same folder and counted, and then asked for its trace list and its cost summary.
Where an acknowledged span may still be in memory only, clients wait while there are more of these
than the server's own limit. What is readable is counted beside the server: rows of its spans.

    python benchmarks/servers.py [--seconds 120] [--cap 1000000] [--only NAME] [--own-names]
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import environments
from server_kinds import SERVERS, Places, Server, encoded
from server_load import CLIENTS, OWN_NAMES, SPANS, Load, number, templates
from server_process import START_S, ask, running
from subjects import OURS

_POLL_S = 0.5
_STABLE_S = 30
_ASKED = 6
_TRIES = 5


@dataclass(frozen=True)
class Figures:
    """One server's; times in seconds, `lost` and the like in spans."""

    start: float
    seconds: float
    acknowledged: int
    readable: int
    refused: int
    cpu: float
    start_again: float
    lost: int
    twice: int
    stored: int
    answers: dict[str, tuple[float, float]]
    load_before: float
    load_after: float


def measure(server: Server, bodies: Sequence[bytes], options: argparse.Namespace) -> Figures:
    """One server's figures."""
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _compiled(server, folder / "compiled")
        places = _places(folder / "measured")
        with running(server, places) as process:
            started = process.cpu()
            load = Load(bodies, places.http, server.headers, server.backlog)
            try:
                seconds, readable = _watch(server, places, load, options)
                cpu = process.cpu() - started
            finally:
                process.kill()
                load.join()
        with running(server, places) as again:
            held = _settled(server, places, load.acknowledged)
            answers = {each: _asked(server, places, each) for each in server.questions}
    return Figures(
        start=process.seconds,
        seconds=seconds,
        acknowledged=load.spans,
        readable=readable,
        refused=load.refused,
        cpu=cpu,
        start_again=again.seconds,
        lost=sum(max(0, SPANS - held.get(each, 0)) for each in load.acknowledged),
        twice=sum(max(0, count - SPANS) for count in held.values()),
        stored=sum(held.values()),
        answers=answers,
        load_before=before,
        load_after=os.getloadavg()[0],
    )


def _places(folder: Path) -> Places:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return Places(folder, *(each.getsockname()[1] for each in sockets))


def _compiled(server: Server, folder: Path) -> None:
    """Start it once, so that its bytecode is there; again only after a new installation."""
    marker = Path(environments.python(server.environment)).parents[1] / ".compiled"
    if not marker.exists():
        with running(server, _places(folder)):
            pass
        if server.environment != OURS:
            marker.touch()


def _watch(
    server: Server, places: Places, load: Load, options: argparse.Namespace
) -> tuple[float, int]:
    """Until the time is over or the cap reached: seconds, and spans that became readable in them.

    The clock starts with the fourth acknowledgement, when every client has been served once.
    """
    until = time.monotonic() + START_S
    while len(load.acknowledged) < CLIENTS:
        if time.monotonic() > until:
            raise SystemExit(f"benchmarks/servers.py: {server.title} took nothing in")
        time.sleep(0.01)
    first, began = _count(server, places), time.perf_counter()
    while True:
        time.sleep(_POLL_S)
        load.readable = _count(server, places)
        seconds = time.perf_counter() - began
        if seconds > options.seconds or load.readable >= options.cap:
            return seconds, load.readable - first


def _count(server: Server, places: Places) -> int:
    return int(str(server.rows(places, "SELECT count(*) FROM spans")[0][0]))


def _settled(server: Server, places: Places, requests: Iterable[int]) -> dict[int, int]:
    """Spans of each request, once all of `requests` are there or no more come."""
    query = "SELECT substr(span_id, 1, 8), count(*) FROM spans GROUP BY 1"
    held: dict[int, int] = {}
    last_change = time.monotonic()
    while time.monotonic() - last_change < _STABLE_S:
        counts = {number(str(key)): int(str(n)) for key, n in server.rows(places, query)}
        if counts != held:
            held, last_change = counts, time.monotonic()
        if all(held.get(each, 0) >= SPANS for each in requests):
            break
        time.sleep(_POLL_S)
    return held


def _asked(server: Server, places: Places, name: str) -> tuple[float, float]:
    """Seconds of the first answer, and of the median one of those after it."""
    question = server.questions[name]
    took = []
    for _ in range(_ASKED):
        began = time.perf_counter()
        status, text = _insist(server, places, encoded(question), question.path)
        took.append(time.perf_counter() - began)
        if status != 200 or not question.check(text):
            reason = f"{server.title} did not answer {name}: {status} {text[:600]}"
            raise SystemExit(f"benchmarks/servers.py: {reason}")
    return took[0], statistics.median(took[1:])


def _insist(server: Server, places: Places, body: bytes | None, path: str) -> tuple[int, str]:
    """Ask again where the connection breaks, as a browser does; the tries count as time."""
    for _ in range(_TRIES):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return ask(server.asked(places), path, body)
    raise SystemExit(f"benchmarks/servers.py: {server.title} closed {path} {_TRIES} times")


def table(figures: dict[str, Figures]) -> str:
    """The figures in Markdown, a column for each server."""
    acknowledged = {each.title: each.acknowledged for each in SERVERS}

    def times(name: str) -> list[str]:
        pairs = [each.answers[name] for each in figures.values()]
        return [f"{first:.2f} s, then {then:.2f} s" for first, then in pairs]

    every = list(figures.values())
    rows = {
        "an acknowledged span is": [acknowledged[name] for name in figures],
        "start to the first answer": [f"{each.start:.1f} s" for each in every],
        "load lasted": [f"{each.seconds:.0f} s" for each in every],
        "spans acknowledged": [f"{each.acknowledged:,}" for each in every],
        "spans that became readable": [f"{each.readable:,}" for each in every],
        "**readable a second**": [f"**{each.readable / each.seconds:,.0f}**" for each in every],
        "server's CPU for 1,000 readable": [
            f"{each.cpu / max(1, each.readable) * 1000:.3g} s" for each in every
        ],
        "requests refused": [f"{each.refused:,}" for each in every],
        "**acknowledged spans lost to kill -9**": [f"**{each.lost:,}**" for each in every],
        "spans stored twice": [f"{each.twice:,}" for each in every],
        "start after the kill": [f"{each.start_again:.1f} s" for each in every],
        "spans in the store when asked": [f"{each.stored:,}" for each in every],
        "trace list": times("trace list"),
        "cost summary": times("cost summary"),
        "load average before, after": [
            f"{each.load_before:.1f}, {each.load_after:.1f}" for each in every
        ],
    }
    lines = ["| | " + " | ".join(figures) + " |", "|---|" + "---|" * len(figures)]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(row)} |" for name, row in rows.items())])


def main() -> None:
    """Measure each, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=120, help="of load, for each server")
    parser.add_argument("--cap", type=int, default=1_000_000, help="readable spans that end it")
    parser.add_argument("--only", choices=[each.environment for each in SERVERS])
    parser.add_argument("--own-names", action="store_true", help="without OpenInference's names")
    options = parser.parse_args()
    bodies = templates(OWN_NAMES) if options.own_names else templates()
    size = sum(map(len, bodies)) / len(bodies) / SPANS
    print(f"{os.cpu_count()} cores, {SPANS} spans a request, {size:.0f} bytes a span", flush=True)
    figures = {}
    for server in SERVERS:
        if options.only in (None, server.environment):
            environments.python(server.environment)
            figures[server.title] = measure(server, bodies, options)
            print(server.title, asdict(figures[server.title]), flush=True)
    print(table(figures))


if __name__ == "__main__":
    main()
