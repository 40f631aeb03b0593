"""Run the whole suite: this environment first, then the oldest and newest clients and SDKs.

`--all` adds what takes long and changes seldom: every overlay of the compose file, a real Kafka,
every way in which a program can be ended, the oldest versions of each client.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Files in the order of their names: those of the fewest tests, which would else come last, are
# among the longest.
PYTEST = ("-m", "pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
LIBRARY = ("tests/unit", "tests/conformance", "tests/hostile", "tests/contract")

# These need the programs that the first of them builds.
BINARIES = ("the real Collector, Prometheus, Alertmanager and Compose", ["-m", "tools.binaries"])
COMPOSE = ("the compose file on a real Docker engine", ["-m", "tools.compose"])
SCALE = ("Kafka, Thanos, a bucket, Kubernetes", ["-m", "pytest", "-n", "0", "tests/scale"])

MATRIX = ("the oldest and newest clients and SDKs", ["tests/matrix.py", "--tested-here"])

# What runs, and what it proves; the first that fails ends the run.
STAGES: tuple[tuple[str, list[str]], ...] = (
    BINARIES,
    ("a real browser", ["-m", "tools.browser"]),
    # By itself: it holds how long programs take to end, which heavy neighbours would stretch.
    ("the library on the newest clients", [*PYTEST, *LIBRARY]),
    (
        "the stack, the local mode and the examples",
        [
            *PYTEST,
            "tests",
            *(f"--ignore={each}" for each in (*LIBRARY, "tests/compose", "tests/scale")),
        ],
    ),
    COMPOSE,
    SCALE,
    # The newest are most often those of this environment, on which these tests have run.
    MATRIX,
)

OFF = os.environ.get("LLM_OTEL_TEST_STACK", "").lower() == "off"
LEFT_OUT = (
    "test: LLM_OTEL_TEST_STACK=off: the Collector, Prometheus, Alertmanager and Compose are NOT "
    "TESTED in this run; what passes says nothing about the stack."
)


def main() -> int:
    """Run every stage.

    Returns:
        The exit code of the first stage that fails, else 0.
    """
    everything = "--all" in sys.argv[1:]
    left_out = (BINARIES, COMPOSE, SCALE) if OFF else () if everything else (SCALE,)
    stages = [each for each in STAGES if each not in left_out]
    if everything:
        os.environ["LLM_OTEL_TEST_ALL"] = "1"
    if OFF:
        print(LEFT_OUT, flush=True)
    for stage in stages:
        title, arguments = stage
        print(f"test: {title}", flush=True)
        began = time.monotonic()
        slow = ["--all"] if everything and stage in (COMPOSE, MATRIX) else []
        code = subprocess.call([sys.executable, *arguments, *slow], cwd=ROOT)
        print(f"test: {title}: {time.monotonic() - began:.0f} s", flush=True)
        if code:
            print(f"test: FAILED: {title}", flush=True)
            return code
    if OFF:
        print(LEFT_OUT, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
