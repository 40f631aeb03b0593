"""`python -m llm_otel.testing.provider --port 9999`: the provider as a program of its own."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from . import provider
from .faults import FAULTS


def main(arguments: list[str] | None = None) -> int:
    """Serves until interrupted; returns the exit code."""
    options = _parser().parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        serving = provider(
            seed=options.seed,
            latency=options.latency,
            faults=dict(options.fault),
            host=options.host,
            port=options.port,
        ).start()
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(
        f"serving the OpenAI protocol at {serving.url}, Anthropic's at {serving.origin}\n"
    )
    sys.stdout.flush()
    # A signal that comes between Python's last look for one and the wait is seen at its end.
    while not stopped.wait(1):
        pass
    serving.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m llm_otel.testing.provider",
        description="A deterministic local provider that speaks OpenAI's protocol and Anthropic's.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9999, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds to the first byte")
    parser.add_argument(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="NAME=RATE",
        help=f"share of requests, e.g. hang=0.01; names: {', '.join(FAULTS)}",
    )
    return parser


def _fault(text: str) -> tuple[str, float]:
    name, _, rate = text.partition("=")
    return name, float(rate)


if __name__ == "__main__":
    raise SystemExit(main())
