"""One subject in a process of its own, which makes calls without and with instrumentation.

Started by `rounds.py` in the environment of its subject. Reads `{"workload", "calls"}`, one a line,
and answers with µs per call.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import subjects
import telemetry
import workloads
from switch import Switch

# Calls before each measurement: changing a class makes Python forget what it learned about it.
_WARM = 10


def main(name: str) -> None:
    """Measure what is asked for until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a subject prints is not an answer
    calls = workloads.calls()
    for call in calls.values():
        once(call)  # so that all of the client is imported
    switch = Switch(*workloads.PACKAGES)
    subject = {**subjects.SUBJECTS, **subjects.PEERS}[name].prepare()
    switch.learn()
    bare = subjects.Plain()
    for line in sys.stdin:
        request = json.loads(line)
        call, times = calls[request["workload"]], request["calls"]
        switch.off()
        result = {"bare": measure(bare, call, times)}
        switch.on()
        result["made"] = measure(subject, call, times)
        print(json.dumps(result), file=answers, flush=True)


_loop = asyncio.new_event_loop()


def once(call: Callable[[], Any]) -> None:
    """Make one call of either kind."""
    result = call()
    if asyncio.iscoroutine(result):
        _loop.run_until_complete(result)


def _many(subject: subjects.Plain, call: Callable[[], Any], times: int) -> None:
    for _ in range(times):
        subject.run(call)


async def _many_async(subject: subjects.Plain, call: Callable[[], Any], times: int) -> None:
    for _ in range(times):
        await subject.run_async(call)


def make(subject: subjects.Plain, call: workloads.Call, times: int) -> None:
    """Make calls, one after the other."""
    if call.asynchronous:
        _loop.run_until_complete(_many_async(subject, call, times))
    else:
        _many(subject, call, times)


def measure(
    subject: subjects.Plain, call: workloads.Call, times: int, warm: int = _WARM
) -> dict[str, float]:
    """CPU per call in µs: of all threads with the export, and of the caller's thread alone."""
    make(subject, call, warm)
    telemetry.flush()
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
