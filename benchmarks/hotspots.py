"""Where our time goes: functions by their own time, profiled. Run by `run.py --profile`."""

from __future__ import annotations

import cProfile
import pstats
import sys

import subjects
import telemetry
import worker
import workloads

_CALLS = 500
_LINES = 40


def main(workload: str) -> None:
    """Print the functions of llm-otel and of OpenTelemetry in which a call spends most.

    A profiler makes short functions look longer than they are: compare, and measure with `run.py`.
    """
    call = workloads.load(workload)
    subject = subjects.SUBJECTS["ours"].prepare()
    workloads.prepare(workload)
    worker.make(subject, call, 50)
    profiler = cProfile.Profile()
    profiler.enable()
    worker.make(subject, call, _CALLS)
    telemetry.flush()
    profiler.disable()
    rows = [
        (own / _CALLS * 1e6, total / _CALLS * 1e6, count / _CALLS, _place(where))
        for where, (_, count, own, total, _) in pstats.Stats(profiler).stats.items()  # type: ignore[attr-defined]
        if "llm_otel" in where[0] or "opentelemetry" in where[0]
    ]
    print("   own µs  total µs  calls")
    for own, total, count, place in sorted(rows, reverse=True)[:_LINES]:
        print(f"{own:9.2f} {total:9.2f} {count:6.1f}  {place}")


def _place(where: tuple[str, int, str]) -> str:
    file, line, name = where
    for root in ("llm_otel/", "opentelemetry/"):
        if root in file:
            return f"{root}{file.rpartition(root)[2]}:{line} {name}"
    return f"{file}:{line} {name}"


if __name__ == "__main__":
    main(sys.argv[1])
