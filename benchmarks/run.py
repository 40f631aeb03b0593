"""What a call costs with us, beside a floor and our peers, all in one run.

python benchmarks/run.py [--quick] [--peers all|otel,…] [--profile WORKLOAD] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import client_rows
import clients
import environments
import pairs
import report
import rounds
import startup
from subjects import PEERS, SUBJECTS

# Calls in one turn.
_CALLS = {
    "chat": 100,
    "async chat": 100,
    "embeddings": 100,
    "responses": 100,
    "raw chat": 100,
    "stream": 50,
    "messages": 100,
    "message stream": 50,
}
# Processes started anew, rounds in each.
_ROUNDS, _QUICK_ROUNDS = (3, 8), (1, 5)
_QUICK_SUBJECTS = ("floor", "ours", "ours, no SDK")
_GROWTH, _QUICK_GROWTH = (100_000, 10_000), (4_000, 400)


def main() -> None:
    """Measure and print."""
    options = _options()
    if options.profile:
        _python("hotspots.py", options.profile)
        return
    subjects = list(_QUICK_SUBJECTS if options.quick else SUBJECTS) + options.peers
    generations, each = _QUICK_ROUNDS if options.quick else _ROUNDS
    names = dict.fromkeys(_environment(name) for name in subjects)
    versions = {name: environments.versions(name) for name in names}
    print(report.heading(versions))
    results = rounds.measure(subjects, _CALLS, generations, each)
    print("bench: small figures in one process, start-up, growth", file=sys.stderr, flush=True)
    small = pairs.measure(1) if options.quick else pairs.measure()
    rows = client_rows.measure(clients.names(), 1 if options.quick else 3)
    started = startup.measure(3 if options.quick else 15)
    sizes = _QUICK_GROWTH if options.quick else _GROWTH
    growth = json.loads(_python("growth.py", *map(str, sizes), read=True))
    print(report.tables(results, SUBJECTS | PEERS))
    print(report.clients(rows))
    print(report.targets(results, small, started, growth, sizes))
    if options.json:
        document = {
            "versions": versions,
            "workloads": {name: asdict(result) for name, result in results.items()},
            "pairs": small,
            "clients": {
                name: {k: asdict(row) for k, row in of.items()} for name, of in rows.items()
            },
            "startup": asdict(started),
            "growth": growth,
        }
        Path(options.json).write_text(json.dumps(document, indent=1) + "\n")


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds, few subjects: a minute")
    parser.add_argument(
        "--peers",
        type=_peers,
        default=[],
        help=f"who stands beside us, each in its own environment: all, or of {', '.join(PEERS)}",
    )
    parser.add_argument(
        "--profile",
        metavar="WORKLOAD",
        help="where our time goes, and nothing else: `chat`, or a client's, `groq stream`",
    )
    parser.add_argument("--json", metavar="FILE", help="write every figure there")
    return parser.parse_args()


def _peers(text: str) -> list[str]:
    names = list(PEERS) if text == "all" else [name for name in text.split(",") if name]
    for name in names:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(PEERS)}")
    return names


def _environment(subject: str) -> str:
    return (SUBJECTS | PEERS)[subject].environment


def _python(script: str, *args: str, read: bool = False) -> str:
    process = subprocess.run(
        [sys.executable, str(Path(__file__).with_name(script)), *args],
        stdout=subprocess.PIPE if read else None,
        text=True,
        check=True,
        env=environments.variables(),
    )
    return process.stdout or ""


if __name__ == "__main__":
    main()
