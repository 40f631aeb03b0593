"""Starts programs in processes of their own, ends them by SIGTERM, sees what arrives."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from otlp_receiver import OtlpReceiver
from programs import SOURCE

CALLS = 10
# How long a program may take to be ready, on a busy machine (s).
PATIENCE = 60

# What every program can begin with: `call()` makes one call to an LLM and `ready()` says that the
# program may be ended.
PROGRAM = """
import openai, os, signal, sys, threading, time
import llm_otel

client = openai.OpenAI(base_url=os.environ["PROVIDER_URL"], api_key="test")

def call(times=1):
    for _ in range(times):
        client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}]
        )

def ready():
    print("PROGRAM READY", flush=True)

"""


@dataclass(frozen=True)
class Death:
    """How a program ended.

    Attributes:
        code: As `subprocess` gives it: -15 for SIGTERM.
        seconds: From the signal to the end.
        output: What it printed and logged.
        calls: How many calls arrived: as spans, and counted by a metric; see `calls()`.
    """

    code: int
    seconds: float
    output: str
    calls: tuple[int, int] = (0, 0)


class Running:
    """A program that runs, in a process group of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.output = ""

    def wait_for(self, text: str, times: int = 1) -> None:
        """Read what it prints until that holds `text`, so many times."""
        assert self.process.stdout is not None
        pipe, deadline = self.process.stdout.fileno(), time.monotonic() + PATIENCE
        while self.output.count(text) < times:
            left = deadline - time.monotonic()
            assert select.select([pipe], [], [], max(0, left))[0], f"no {text!r}: {self.output}"
            printed = os.read(pipe, 65536).decode()
            assert printed, f"ended without {text!r}: {self.output}"
            self.output += printed

    def terminate(self) -> Death:
        """End it as `docker stop` does."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        rest, _ = self.process.communicate(timeout=PATIENCE)
        seconds = time.monotonic() - began
        return Death(self.process.returncode, seconds, self.output + rest.decode())


@contextmanager
def running(
    command: Sequence[str], folder: Path, receiver: OtlpReceiver, provider_url: str, **more: str
) -> Iterator[Running]:
    """A program that exports to `receiver` and is killed with all its children in the end."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "LLM_OTEL_"))}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={
            **kept,
            "PYTHONPATH": os.pathsep.join((str(SOURCE), str(folder))),
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": "*",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "PROVIDER_URL": provider_url,
            **more,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        start_new_session=True,
    )
    try:
        yield Running(process)
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.communicate()


def die(
    program: str, folder: Path, receiver: OtlpReceiver, provider_url: str, **more: str
) -> Death:
    """Run PROGRAM and `program`, and end it by SIGTERM when it says that it is ready."""
    script = folder / "program.py"
    script.write_text(PROGRAM + textwrap.dedent(program))
    command = [sys.executable, str(script)]
    with running(command, folder, receiver, provider_url, **more) as started:
        started.wait_for("PROGRAM READY")
        death = started.terminate()
    return replace(death, calls=calls(receiver))


def calls(receiver: OtlpReceiver) -> tuple[int, int]:
    """How many calls arrived: as spans, and counted by the metric of their durations."""
    spans = sum(name.startswith("chat") for name in receiver.spans())
    last: dict[tuple[bytes, str], int] = {}
    for resource in receiver.resources("/v1/metrics"):
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.name != "gen_ai.request.duration":
                    continue
                for point in metric.histogram.data_points:
                    series = resource.resource.SerializeToString(), str(point.attributes)
                    last[series] = point.count
    return spans, sum(last.values())
