"""Runs `llm-otel serve` as a program."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ANY_PORTS = ("--http-port", "0", "--grpc-port", "0", "--dashboard-port", "0")


class Served:
    """A running `llm-otel serve`, and the addresses that it printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        told = ""
        for line in process.stdout:
            told += line
            if "Ctrl-C" in line:
                break
        self.told = told
        self.http = self._address(r"OTLP +(http\S+) \(HTTP\)")
        self.dashboard = self._address(r"dashboard +(http://[^/\s]+)")

    def _address(self, pattern: str) -> str:
        found = re.search(pattern, self.told)
        return found[1] if found else ""

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Ask it to stop; what it said then."""
        self.process.send_signal(number)
        assert self.process.stdout is not None
        status = self.process.wait(30)
        rest = self.process.stdout.read()
        assert status == 0, self.told + rest
        return rest


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Served]:
    """Run `llm-otel serve` on free ports."""
    command = [sys.executable, "-m", "llm_otel", "serve", "--lake", str(folder)]
    with subprocess.Popen(
        [*command, *ANY_PORTS, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Served(process)
        finally:
            process.kill()
