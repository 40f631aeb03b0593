"""`python -m tools.compose`: start the compose file on a real engine, and look at everything."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tools.binaries.build import ROOT, Unavailable
from tools.compose import images
from tools.compose.engine import engine


def main() -> int:
    """Run the tests of the compose file.

    Returns:
        The tests' exit code; 0 with one sentence where there can be no engine, unless this is
        continuous integration as root, where there can.
    """
    began = time.monotonic()
    try:
        with engine() as here:
            states = images.provide(here, images.pinned())
            for image, state in states.items():
                print(f"compose: {image}: {state}", flush=True)
            print(f"compose: engine and images: {time.monotonic() - began:.0f} s", flush=True)
            return subprocess.call(
                [sys.executable, "-m", "pytest", "tests/compose", *sys.argv[1:]],
                cwd=ROOT,
                env={**here.environment, "LLM_OTEL_TEST_COMPOSE": "on"},
            )
    except Unavailable as exc:
        print(f"compose: the compose file is NOT TESTED in this run: {exc}", flush=True)
        return 1 if os.environ.get("CI") and os.geteuid() == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
