"""One subject in a process of its own, and its twin without instrumentation.

The twin is forked off before the subject is prepared. Two processes that were started apart differ
by some percent of a call, by where their memory happens to lie: more than what is measured here.

Started by `rounds.py` in the environment of its subject. Reads `{"workload", "calls", "bare"}`, one
a line, and answers with µs per call.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

import subjects
import telemetry
import workloads


def main(name: str) -> None:
    """Measure what is asked for until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a subject prints is not an answer
    asked_of_twin, answers_of_twin = _fork_twin()
    subject = {**subjects.SUBJECTS, **subjects.PEERS}[name].prepare()
    _serve(subject, sys.stdin, answers, twin=(asked_of_twin, answers_of_twin))


def _fork_twin() -> tuple[TextIO, TextIO]:
    """A process that makes the same calls without instrumentation; ends when its pipe closes."""
    asked_read, asked_write = os.pipe()
    answer_read, answer_write = os.pipe()
    if os.fork() == 0:
        os.close(asked_write)
        os.close(answer_read)
        _serve(subjects.Plain(), os.fdopen(asked_read), os.fdopen(answer_write, "w"))
        os._exit(0)
    os.close(asked_read)
    os.close(answer_write)
    return os.fdopen(asked_write, "w"), os.fdopen(answer_read)


def _serve(
    subject: subjects.Plain,
    asked: TextIO,
    answers: TextIO,
    twin: tuple[TextIO, TextIO] | None = None,
) -> None:
    loop = asyncio.new_event_loop()
    calls = workloads.calls()
    for line in asked:
        wanted = json.loads(line)
        if wanted["bare"] and twin is not None:
            print(line, file=twin[0], end="", flush=True)
            answer = twin[1].readline()
        else:
            asynchronous = workloads.WORKLOADS[wanted["workload"]][0]
            make = _many_async(loop) if asynchronous else _many
            found = _measure(make, subject, calls[wanted["workload"]], wanted["calls"])
            answer = json.dumps(found) + "\n"
        print(answer, file=answers, end="", flush=True)


def _many(subject: subjects.Plain, call: Callable[[], Any], times: int) -> None:
    for _ in range(times):
        subject.run(call)


def _many_async(loop: asyncio.AbstractEventLoop) -> Callable[..., None]:
    async def many(subject: subjects.Plain, call: Callable[[], Any], times: int) -> None:
        for _ in range(times):
            await subject.run_async(call)

    return lambda *args: loop.run_until_complete(many(*args))


def _measure(make: Any, subject: subjects.Plain, call: Any, times: int) -> dict[str, float]:
    """CPU per call in µs: of all threads with the export, and of the caller's thread alone."""
    gc.collect()
    spans = telemetry.SpansDropped.count
    process, thread = time.process_time_ns(), time.thread_time_ns()
    make(subject, call, times)
    thread = time.thread_time_ns() - thread
    telemetry.flush()
    process = time.process_time_ns() - process
    return {
        "all": process / times / 1000,
        "caller": thread / times / 1000,
        "spans": (telemetry.SpansDropped.count - spans) / times,
    }


if __name__ == "__main__":
    main(sys.argv[1])
