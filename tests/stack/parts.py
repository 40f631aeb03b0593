"""Starts the stack's real programs for a test, on free ports, and stops them after it."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tools.binaries.build import find

ROOT = Path(__file__).resolve().parents[2]
OFF = os.environ.get("LLM_OTEL_TEST_STACK", "").lower() == "off"


def program(name: str) -> Path:
    """Where a real program of the stack is; the test is skipped where the user said so."""
    if OFF:
        pytest.skip("LLM_OTEL_TEST_STACK=off: NOT tested on the real parts")
    return find(name)


# Below those that the system gives to outgoing connections, one of which could take it before the
# program does; for each worker others (and for whoever is none), from another place in each run.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw3").removeprefix("gw")) % 4
_PORTS = itertools.islice(
    itertools.cycle(range(20_000 + 3_000 * _WORKER, 23_000 + 3_000 * _WORKER)),
    secrets.randbelow(3_000),
    None,
)


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    for port in _PORTS:
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
    raise AssertionError("the ports never end")


def fetch(url: str, data: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """The body of an answer, never by a proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, data, dict(headers or {})), timeout=30) as answer:
        return bytes(answer.read())


class Part:
    """One running program.

    Args:
        name: The program, as `tools.binaries` knows it.
        arguments: Its command line.
        ready: An address that answers 200 when it is ready.
        log: Where its output goes.
        environment: Variables beside those of the test.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        ready: str,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = [str(program(name)), *arguments]
        self._environment = {**os.environ, **(environment or {})}
        self.ready = ready
        self.log = log
        self.start()

    def start(self) -> None:
        """Start it (again), and wait until it is ready."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self._command, stdout=out, stderr=out, env=self._environment
            )
        until = time.monotonic() + 60
        while True:
            try:
                fetch(self.ready)
                return
            except (urllib.error.URLError, OSError):
                ended = self.process.poll() is not None
                if ended or time.monotonic() > until:
                    self.stop()
                    text = self.log.read_text(errors="replace")[-3000:]
                    why = "ended" if ended else "was not ready after 60 s"
                    pytest.fail(f"{self._command[0]} {why}:\n{text}")
                time.sleep(0.05)

    def kill(self) -> None:
        """Kill it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Ask it to stop; kill it when it does not."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
