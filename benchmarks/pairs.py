"""What is smaller than the noise between processes: measured in turns within one.

    python benchmarks/pairs.py chunk | "message chunk" | "no SDK" | "roll-up"

Two processes that do the same differ by a percent of a call, by where their memory happens to lie:
of a stream that is 100 µs, half of what a hundred chunks may cost. So ours takes turns with what it
is compared to (the floor's stream; a bare call; for the sums of five nested steps the same call in
these spans without sums) in one process, in an order drawn anew each time,
and the differences are taken turn by turn; a few processes show how far that goes.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path
from statistics import median

import environments

# Turns, calls in each.
_TURNS = {"chunk": (40, 20), "message chunk": (40, 20), "no SDK": (100, 40), "roll-up": (200, 40)}
_STREAMS = {"chunk": "stream", "message chunk": "message stream"}
_PROCESSES = 5


def measure(processes: int = _PROCESSES) -> dict[str, list[float]]:
    """µs for a chunk beyond the floor's stream, for a chat call without an SDK, and for adding a
    call to the sums of five steps; one figure for each process, sorted."""
    return {what: sorted(_in_a_process(what) for _ in range(processes)) for what in _TURNS}


def _in_a_process(what: str) -> float:
    process = subprocess.run(
        [sys.executable, str(Path(__file__)), what],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=environments.variables(),
    )
    return float(json.loads(process.stdout))


def main(what: str) -> None:
    """Measure here and print the figure."""
    import gc

    import subjects
    import transport
    import worker
    import workloads
    from switch import Switch

    calls = workloads.calls()
    for each in calls.values():
        worker.once(each)  # so that all of the client is imported
    switch = Switch(*workloads.PACKAGES)
    stream = _STREAMS.get(what)
    sums = what == "roll-up"
    if sums:
        subjects.SUBJECTS["ours"].prepare()
        base, ours = subjects.Inside(sums=False), subjects.Inside(sums=True)
    else:
        ours = subjects.SUBJECTS["ours" if stream else "ours, no SDK"].prepare()
        switch.learn()
        base = subjects.Floor() if stream else subjects.Plain()
    call = calls[stream or "chat"]
    turns, times = _TURNS[what]
    order = random.Random(1)
    gc.collect()
    gc.freeze()

    def turn(on: bool) -> float:
        subject = ours if on else base
        if sums:
            subject.enter()
        else:
            switch.on() if on else switch.off()
        return worker.measure(subject, call, times)["all"]

    differences = []
    for number in range(turns + 1):
        times_by_state = {}
        for on in order.sample((False, True), 2):
            times_by_state[on] = turn(on)
        if number:  # the first is for the caches
            differences.append(times_by_state[True] - times_by_state[False])
    print(json.dumps(median(differences) / (transport.CHUNKS if stream else 1)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=_TURNS)
    main(parser.parse_args().what)
