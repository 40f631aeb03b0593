"""A server of `server_kinds.py` as a running program, with all the processes that it starts."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import environments
from server_kinds import Places, Server

START_S = 240
_TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """A running server and all the processes that it started.

    Raises:
        SystemExit: It does not answer in time, or ended.
    """

    def __init__(self, server: Server, places: Places) -> None:
        places.folder.mkdir(exist_ok=True)
        began = time.perf_counter()
        self._log = places.folder.with_suffix(".log")
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                server.command(places),
                env={**environments.variables(), **server.variables(places)},
                cwd=places.folder,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        try:
            for port, path in server.ready(places):
                self._wait(port, path, server.title)
        except BaseException:
            self.kill()
            raise
        self.seconds = time.perf_counter() - began

    def _wait(self, port: int, path: str, title: str) -> None:
        until = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if ask(port, path)[0] == 200:
                    return
            if self._process.poll() is not None or time.monotonic() > until:
                log = self._log.read_text(errors="replace")[-2000:]
                raise SystemExit(f"benchmarks/servers.py: {title} does not answer:\n{log}")
            time.sleep(0.02)

    def family(self) -> list[tuple[int, float]]:
        """Process ids and their CPU seconds, the first one's first."""
        parents, used = {}, {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                parents[int(folder.name)] = int(fields[1])
                used[int(folder.name)] = sum(map(int, fields[11:15])) / _TICKS
        processes = [self._process.pid]
        for each in processes:
            processes += [child for child, parent in parents.items() if parent == each]
        return [(each, used.get(each, 0.0)) for each in processes]

    def cpu(self) -> float:
        """CPU seconds of all of them."""
        return sum(used for _, used in self.family())

    def kill(self) -> None:
        """SIGKILL to all of them."""
        for each, _ in self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        self._process.wait()


def ask(port: int, path: str, body: bytes | None = None) -> tuple[int, str]:
    """Status and text of one answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        headers = {"content-type": "application/json"} if body else {}
        connection.request("POST" if body else "GET", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@contextlib.contextmanager
def running(server: Server, places: Places) -> Iterator[Process]:
    """Start it, and kill it in the end."""
    process = Process(server, places)
    try:
        yield process
    finally:
        process.kill()
