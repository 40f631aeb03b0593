"""What each client library's call costs with us, beside the floor's, on a transport of its own.

    python benchmarks/client_rows.py [CLIENT …] [--processes 3] [--turns 30] [--all]

A client has a process of its own, in which a bare call, the floor and ours take turns, in an order
drawn anew each time; see `pairs.py` for why. `--all` measures its other calls, too.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import clients
import environments
from clients.spec import CHUNKS, STREAM, WHOLE

_TURNS = 30
# Calls in a turn: as many as take so long (s), between these bounds.
_TURN_SECONDS = 0.06
_FEWEST, _MOST = 4, 30
_PROCESSES = 3
_STATES = ("bare", "floor", "ours")


@dataclass(frozen=True)
class Row:
    """One kind of call: CPU of all threads, export included, in µs; medians.

    Attributes:
        bare: Of a call without instrumentation.
        floor, ours: What these add to it.
    """

    bare: float
    floor: float
    ours: float

    @property
    def ratio(self) -> float:
        """What ours adds by what the floor adds."""
        return self.ours / self.floor

    @property
    def per_chunk(self) -> float:
        """µs a chunk that ours adds beyond the floor."""
        return (self.ours - self.floor) / CHUNKS


def measure(
    names: list[str], processes: int, *, every: bool = False, turns: int = _TURNS
) -> dict[str, dict[str, Row]]:
    """Client → call → medians over so many processes.

    Args:
        names: Clients.
        processes: How many for each.
        every: Calls other than a whole answer and a stream, too.
        turns: In each process.
    """
    found = {}
    for name in names:
        print(f"bench: {name} on its own transport", file=sys.stderr, flush=True)
        runs = [_in_a_process(name, every, turns) for _ in range(processes)]
        found[name] = {
            call: Row(
                *(median(run[call][key] for run in runs) for key in ("bare", "floor", "ours"))
            )
            for call in runs[0]
        }
    return found


def _in_a_process(name: str, every: bool, turns: int) -> dict[str, dict[str, float]]:
    command = [sys.executable, str(Path(__file__)), name, "--here", "--turns", str(turns)]
    command += ["--all"] if every else []
    process = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env=environments.variables()
    )
    figures: dict[str, dict[str, float]] = json.loads(process.stdout.splitlines()[-1])
    return figures


def _here(name: str, every: bool, turns: int) -> dict[str, dict[str, float]]:
    """Measure a client in this process."""
    import gc

    import subjects
    import worker
    from switch import Switch

    client = clients.load(name)
    calls = client.calls()
    for each in calls.values():
        worker.once(each)  # so that all of the client is imported
    switch = Switch(*client.packages)
    ours = subjects.SUBJECTS["ours"].prepare()
    client.prepare()
    switch.learn()
    states = {"bare": subjects.Plain(), "floor": subjects.Floor(), "ours": ours}
    gc.collect()
    gc.freeze()
    order = random.Random(1)
    found = {}
    for kind, call in calls.items():
        if not every and kind not in (WHOLE, STREAM):
            continue
        times = _calls_in_a_turn(worker.measure(states["bare"], call, _FEWEST, _FEWEST)["caller"])
        figures: dict[str, list[float]] = {state: [] for state in states}
        for number in range(turns + 1):
            for state in order.sample(list(states), len(states)):
                switch.on() if state == "ours" else switch.off()
                used = worker.measure(states[state], call, times, _FEWEST)["all"]
                if number:  # the first is for the caches
                    figures[state].append(used)
        bare = figures["bare"]
        found[kind] = asdict(
            Row(
                median(bare),
                *(
                    median(value - base for value, base in zip(figures[state], bare))
                    for state in ("floor", "ours")
                ),
            )
        )
    return found


def _calls_in_a_turn(microseconds: float) -> int:
    return max(_FEWEST, min(_MOST, int(_TURN_SECONDS * 1e6 / microseconds)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("client", nargs="*", choices=[[], *clients.names()], default=[])
    parser.add_argument("--processes", type=int, default=_PROCESSES)
    parser.add_argument("--turns", type=int, default=_TURNS, help="in each process")
    parser.add_argument("--all", action="store_true", help="calls of every kind")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.client or clients.names()
    if options.here:
        print(json.dumps(_here(names[0], options.all, options.turns)))
        return
    measured = measure(names, options.processes, every=options.all, turns=options.turns)
    for name, rows in measured.items():
        for kind, row in rows.items():
            chunk = f", {row.per_chunk:5.2f} µs a chunk" if STREAM in kind else ""
            print(
                f"{name:24} {kind:16} {row.bare:7.0f} µs, floor {row.floor:4.0f}, "
                f"ours {row.ours:4.0f} = {row.ratio:.2f}{chunk}"
            )


if __name__ == "__main__":
    main()
