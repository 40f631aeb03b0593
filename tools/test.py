"""Run the whole suite: this environment first, then the oldest and newest clients and SDKs."""

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

# What runs, and what it proves; the first that fails ends the run.
STAGES: tuple[tuple[str, list[str]], ...] = (
    ("the real Collector, Prometheus, Alertmanager and Compose", ["-m", "tools.binaries"]),
    ("a real browser", ["-m", "tools.browser"]),
    # By itself: it holds how long programs take to end, which heavy neighbours would stretch.
    ("the library on the newest clients", [*PYTEST, *LIBRARY]),
    (
        "the stack, the local mode and the examples",
        [*PYTEST, "tests", *(f"--ignore={each}" for each in LIBRARY)],
    ),
    ("the oldest and newest clients and SDKs", ["tests/matrix.py"]),
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
    stages = STAGES[1:] if OFF else STAGES
    if OFF:
        print(LEFT_OUT, flush=True)
    for title, arguments in stages:
        print(f"test: {title}", flush=True)
        began = time.monotonic()
        code = subprocess.call([sys.executable, *arguments], cwd=ROOT)
        print(f"test: {title}: {time.monotonic() - began:.0f} s", flush=True)
        if code:
            print(f"test: FAILED: {title}", flush=True)
            return code
    if OFF:
        print(LEFT_OUT, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
