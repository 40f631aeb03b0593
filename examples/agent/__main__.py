"""`python -m examples.agent`: both services, a few questions, the tree and the cost of one.

The services export to a receiver of this program, as `llm-otel serve` is one; where
`OTEL_EXPORTER_OTLP_ENDPOINT` is set, they export there, and send a copy of their spans here.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import threading
import webbrowser
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from examples import local
from examples.agent import report, running
from llm_otel import serve
from llm_otel.serve import Places

QUESTIONS = (
    ("acme", "Where is the parcel of my order 1000?"),
    ("acme", "May the milk jug go into the dishwasher?"),
    ("globex", "When does the parcel of order 1000 arrive, and how long is the warranty?"),
)


def main(arguments: list[str] | None = None) -> int:
    """Run it; 0 when telemetry and providers agree on the cost of the first question."""
    options = _parser().parse_args(arguments)
    local.bypass_proxies()
    endpoint = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    if not endpoint:
        os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf"  # of our own receiver
    with ExitStack() as stack:
        folder = options.lake or Path(stack.enter_context(TemporaryDirectory(prefix="llm-otel-")))
        places = Places(http_port=0, grpc_port=0, dashboard_port=0)
        here = stack.enter_context(serve.running(folder, places))
        servers = stack.enter_context(running.providers())
        with running.services(servers, endpoint or here.http, here.http if endpoint else None) as s:
            before = running.bill_usd(servers)  # the embeddings of the manual
            first = _ask(s, 0)
            billed = running.bill_usd(servers) - before
            for number in range(1, len(QUESTIONS)):
                _ask(s, number)
        here.flush()
        agreed = _explain(folder, first, billed)
        if endpoint:
            print(f"In your own backend: trace {first['trace_id']}, sent to {endpoint}")
        page = f"{here.dashboard}/traces/{first['trace_id']}"
        print(f"In the dashboard:    {page}", flush=True)
        if sys.stdout.isatty() and not options.headless:
            webbrowser.open(page)
            print("Ctrl-C ends it.")
            with suppress(KeyboardInterrupt):
                threading.Event().wait()
    return 0 if agreed else 1


def _ask(support: running.Support, number: int) -> dict[str, Any]:
    tenant, question = QUESTIONS[number]
    answer = support.ask(question, tenant, f"session-{number}")
    print(f"{tenant}: {question}\n  {answer['text']}", flush=True)
    return answer


def _explain(folder: Path, answer: dict[str, Any], billed: float) -> bool:
    """Print the tree of a question and its cost; whether all agree on that."""
    trace_id, totals = answer["trace_id"], answer["totals"]
    shares = {share.service: share for share in report.shares(folder, trace_id)}
    if "support" not in shares:
        print("\nNothing was recorded. Is OTEL_SDK_DISABLED set?")
        return False
    print("\nThe first question, in both services:\n", *report.tree(folder, trace_id), sep="\n")
    print(f"\ncurrent_totals() of support:  ${totals['cost_usd']:.6f}, {totals['calls']} calls")
    for share in shares.values():
        print(f"calls of {share.service + ':':<20} ${share.cost_usd:.6f}, {share.calls} calls")
    print(f"the providers' bill:          ${billed:.6f}\n")
    own = math.isclose(shares["support"].cost_usd, totals["cost_usd"], rel_tol=1e-9)
    total = sum(share.cost_usd for share in shares.values())
    agreed = own and math.isclose(total, billed, rel_tol=1e-9)
    print("They agree." if agreed else "They DIFFER.")
    return agreed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m examples.agent", description="Run the agent and its two services."
    )
    parser.add_argument("--headless", action="store_true", help="end instead of showing the page")
    parser.add_argument("--lake", type=Path, help="keep what was received in this folder")
    return parser


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except running.NotStartedError as error:
        raise SystemExit(str(error)) from None
