"""Runs small programs in processes of their own, to see what they export and how they end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

from llm_otel.sdk import setup

SOURCE = Path(setup.__file__).parents[2]

# What every program below begins with; `use()` uses each signal once.
PROGRAM = """
import time
from opentelemetry import metrics, trace
from opentelemetry._logs import LogRecord, get_logger
from llm_otel.sdk import setup
from llm_otel.settings import Settings

def use(name="work"):
    with trace.get_tracer("app").start_as_current_span(name):
        pass
    metrics.get_meter("app").create_counter("uses").add(1)
    get_logger("app").emit(LogRecord(event_name="used"))
"""
# Warnings are errors, but for Python's own about a fork beside threads: there always are some.
WARNINGS = ("-W", "error", "-W", "ignore:This process:DeprecationWarning")
SET_UP_AND_USE = "providers = setup.configure(Settings.resolve())\nuse()\n"


@dataclass
class Ended:
    """A program that ended: what it logged, and how long it took after its last line (s)."""

    code: int
    out: str
    log: list[str]
    delay: float


def run(program: str, *path: Path, first: str = "", **environment: str) -> Ended:
    """Run `first`, PROGRAM and `program` in a process of its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "LLM_OTEL_"))}
    text = first + PROGRAM + textwrap.dedent(program) + "\nprint('ended at', time.monotonic())\n"
    done = subprocess.run(
        [sys.executable, *WARNINGS, "-c", text],
        env={
            **kept,
            "PYTHONPATH": os.pathsep.join(map(str, (SOURCE, *path))),
            "NO_PROXY": "*",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=30,
    )
    end = time.monotonic()
    out, _, last = done.stdout.rpartition("ended at ")
    return Ended(done.returncode, out, done.stderr.splitlines(), end - float(last or "nan"))


def nowhere() -> str:
    """An endpoint where nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{held.getsockname()[1]}"
