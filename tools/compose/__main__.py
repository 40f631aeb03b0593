"""`python -m tools.compose`: start the compose file on a real engine, and look at everything.

`--all` adds the slow tests: every overlay, a real Kafka. What follows goes to pytest.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

from tools.binaries.build import ROOT, Unavailable
from tools.compose import images, kafka
from tools.compose.engine import Engine, engine

# What every service of the compose file is run with.
LIMITS = ("--memory=32m", "--memory-swap=32m", "--cpus=0.1", "--pids-limit=16", "--read-only")


def main() -> int:
    """Run the tests of the compose file.

    Returns:
        The tests' exit code; 1 where an image cannot be had; 0 with one sentence where there can
        be no engine, unless `LLM_OTEL_TEST_ENGINE` is `required`.
    """
    # an engine that was started here ends with the run, however that ends
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with engine() as here:
            return _look(here, sys.argv[1:])
    except Unavailable as exc:
        print(f"compose: the compose file is NOT TESTED in this run: {exc}", flush=True)
        return int(os.environ.get("LLM_OTEL_TEST_ENGINE") == "required")


def _look(here: Engine, options: list[str]) -> int:
    """Run the tests on an engine.

    Raises:
        Unavailable: It cannot run what the compose file wants of it.
    """
    began = time.monotonic()
    everything = "--all" in options
    wanted = [*images.pinned(), *([kafka.IMAGE] if everything else ())]
    try:
        for image, state in images.provide(here, wanted).items():
            print(f"compose: {image}: {state}", flush=True)
    except Unavailable as exc:
        print(f"compose: FAILED: there is an engine, but {exc}", flush=True)
        return 1
    # a kernel without limits says so here, in one line, and not in each test
    here.docker("run", "--rm", *LIMITS, wanted[0], "true")
    print(f"compose: engine and images: {time.monotonic() - began:.0f} s", flush=True)
    slow = {"LLM_OTEL_TEST_ALL": "1"} if everything else {}
    others = [each for each in options if each != "--all"]
    code = subprocess.call(
        [sys.executable, "-m", "pytest", "-s", "tests/compose", *others],
        cwd=ROOT,
        env={**here.environment, "LLM_OTEL_TEST_COMPOSE": "1", **slow},
    )
    if here.ours:
        # layers of images of before, or the cache grows with every change
        with suppress(Unavailable):
            here.docker("image", "prune", "--force")
            here.docker("builder", "prune", "--force", "--keep-storage", "2gb")
    print(f"compose: all of it: {time.monotonic() - began:.0f} s", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
