"""Instructions that a chat call adds, counted by valgrind's callgrind: times vary, these hardly do.

    python benchmarks/instructions.py [--src PATH …] [--workload chat] [--repeat 1]
        [--timers] [--steps]

Each subject (a bare call, the floor, ours) gets a process of its own under callgrind. Once it is
warm it forks twice: one child makes few calls, the other many, and both flush. The difference of
their counts, divided by the difference in calls, holds no start-up. What is printed is what ours
adds to a bare call, divided by what the floor adds.

`--src` counts the `src` folder of another checkout as well, in turns with this one: two versions
are comparable only when they are counted together, on one machine with the same packages.

Nothing is exported before the flush at the end, because timers tick by the clock: under valgrind a
reader that collects every second does so every 20 calls, and one run differs from the next by a
tenth. `--timers` leaves them on, as `run.py` has them. `--steps` counts what the sums of five
nested workflows and agents add to a call.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import environments

_HERE = Path(__file__).resolve()
# Calls that make everything warm, then those of the two children.
_WARM, _FEW, _MANY = 40, 64, 192
_MINUTES = 30
_NEVER_MS = 3_600_000
_STEPS = ("in five spans", "in five steps")
_HINT = (
    "instructions: valgrind is not installed, and nothing else counts instructions here. Install "
    "it (Debian, Ubuntu: apt-get install valgrind) and run this again."
)


def main() -> None:
    """Count and print."""
    options = _options()
    if shutil.which("valgrind") is None:
        raise SystemExit(_HINT)
    sources = [environments.ROOT / "src", *(path.resolve() for path in options.src)]
    for _ in range(options.repeat):
        bare = _count("bare", sources[0], options)
        floor = _count("floor", sources[0], options) - bare
        print(f"{options.workload}: a call itself {bare:,.0f}, floor adds {floor:,.0f}", flush=True)
        if options.steps:
            spans, steps = (_count(name, sources[0], options) for name in _STEPS)
            print(f"  the sums of five steps add {steps - spans:,.0f}", flush=True)
        for source in sources:
            ours = _count("ours", source, options) - bare
            print(
                f"  ours adds {ours:,.0f} = {ours / floor:.3f} of the floor  {source}", flush=True
            )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--src", type=Path, action="append", default=[], help="another checkout's")
    parser.add_argument(
        "--workload", default="chat", help="as in workloads.py, or a client's: `groq stream`"
    )
    parser.add_argument("--repeat", type=int, default=1, help="how often to count everything")
    parser.add_argument("--timers", action="store_true", help="export while calls are made, too")
    parser.add_argument("--steps", action="store_true", help="count the sums of steps, too")
    parser.add_argument("--subject", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.subject:
        _make_calls(options.subject, options.workload, timers=options.timers)
        raise SystemExit
    return options


def _count(subject: str, source: Path, options: argparse.Namespace) -> float:
    """Instructions per call of one subject."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/%p"]
        program = [sys.executable, str(_HERE), "--workload", options.workload]
        program += ["--subject", subject, *(["--timers"] if options.timers else [])]
        environment = environments.variables()
        environment |= {"PYTHONPATH": str(source), "PYTHONHASHSEED": "0"}
        process = subprocess.run(
            [*command, *program],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60 * _MINUTES,
        )
        children = process.stdout.split()
        if process.returncode or len(children) != 2:
            raise SystemExit(f"instructions: {subject} failed:\n{process.stderr[-2000:]}")
        few, many = (_total(Path(folder, child)) for child in children)
    return (many - few) / (_MANY - _FEW)


def _total(profile: Path) -> int:
    """All instructions of a profile that callgrind wrote."""
    for line in profile.read_text().splitlines():
        if line.startswith("totals:"):
            return int(line.split()[1])
    raise SystemExit(f"instructions: callgrind wrote no totals into {profile}.")


def _make_calls(subject: str, workload: str, *, timers: bool) -> None:
    """Run under callgrind: get warm, then make calls in two children; print their process ids."""
    import gc

    import subjects
    import telemetry
    import worker
    import workloads

    if not timers:
        telemetry._COLLECT_EVERY_MS = _NEVER_MS
        os.environ["OTEL_BSP_SCHEDULE_DELAY"] = str(_NEVER_MS)
    call = workloads.load(workload)
    known = {**subjects.SUBJECTS, **subjects.STEPS}
    runner = subjects.Plain() if subject == "bare" else known[subject].prepare()
    if subject == "ours" or subject in _STEPS:
        workloads.prepare(workload)
    worker.make(runner, call, _WARM)
    telemetry.flush()
    gc.collect()
    for times in (_FEW, _MANY):
        child = os.fork()
        if child == 0:
            worker.make(runner, call, _WARM)
            worker.make(runner, call, times)
            telemetry.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            raise SystemExit(f"a child ended with {status}")
        print(child, flush=True)


if __name__ == "__main__":
    main()
