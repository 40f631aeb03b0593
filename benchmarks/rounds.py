"""Interleaved rounds: every subject once per round, so that the machine's drift hits all alike."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import environments
from subjects import OURS, PEERS, SUBJECTS
from workloads import OURS_ALONE

_WORKER = Path(__file__).with_name("worker.py")
_EVERYBODY = {**SUBJECTS, **PEERS}

CLOCKS = ("all", "caller")
FLOOR = "floor"


class Worker:
    """A subject in its own process, which waits between its turns."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._errors = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 - lives as long as we do
        self._process = subprocess.Popen(
            [environments.python(_EVERYBODY[subject].environment), str(_WORKER), subject],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environments.variables(),
        )

    def runs(self, workload: str) -> bool:
        """Whether the subject's environment has what the workload needs."""
        ours = _EVERYBODY[self.subject].environment == OURS
        return ours or workload not in OURS_ALONE

    def turn(self, workload: str, calls: int) -> Turn:
        """Measure a number of calls, without instrumentation and with it.

        Raises:
            SystemExit: The worker died; the end of what it said.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = json.dumps({"workload": workload, "calls": calls})
        answer = ""
        try:
            self._process.stdin.write(request + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            pass
        if not answer:
            self._errors.seek(0)
            errors = self._errors.read()[-2000:]
            raise SystemExit(f"bench: the worker of {self.subject!r} died in {workload}:\n{errors}")
        result: dict[str, dict[str, float]] = json.loads(answer)
        bare, instrumented = result["bare"], result["made"]
        return Turn(
            {clock: bare[clock] for clock in CLOCKS},
            {clock: instrumented[clock] - bare[clock] for clock in CLOCKS},
            instrumented["spans"],
        )

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()


@dataclass(frozen=True)
class Turn:
    """One subject's part of a round.

    Attributes:
        bare: µs of a call without instrumentation, by clock.
        added: µs that the subject adds, by clock.
        spans: Spans per call.
    """

    bare: dict[str, float]
    added: dict[str, float]
    spans: float


@dataclass
class Result:
    """What the rounds gave for one workload: medians, by clock and subject.

    Attributes:
        bare: µs of a call without instrumentation, in our environment.
        added: µs that a subject adds.
        ratio: What it adds over what the floor adds in the same round.
        spans: Spans per call, by subject.
    """

    bare: dict[str, float] = field(default_factory=dict)
    added: dict[str, dict[str, float]] = field(default_factory=dict)
    ratio: dict[str, dict[str, float]] = field(default_factory=dict)
    spans: dict[str, float] = field(default_factory=dict)


def measure(
    subjects: list[str], workloads: dict[str, int], generations: int, rounds: int
) -> dict[str, Result]:
    """Run everything; workload → result.

    Args:
        subjects: Names of subjects and peers; the floor is among them.
        workloads: Name → calls per turn.
        generations: How often all processes are started anew: where memory happens to lie is part
            of the noise.
        rounds: Rounds in each generation.
    """
    results: dict[str, list[dict[str, Turn]]] = {workload: [] for workload in workloads}
    for number in range(generations):
        workers = [Worker(name) for name in subjects]
        try:
            for workload, calls in workloads.items():
                _say(f"{workload}, processes {number + 1} of {generations}")
                able = [worker for worker in workers if worker.runs(workload)]
                results[workload] += _rounds(able, workload, calls, rounds)
        finally:
            for worker in workers:
                worker.close()
    return {workload: _result(turns) for workload, turns in results.items()}


def _rounds(
    workers: list[Worker], workload: str, calls: int, rounds: int
) -> Iterator[dict[str, Turn]]:
    for worker in workers:
        worker.turn(workload, calls)  # warm
    for number in range(rounds):
        # every other round backwards, so that nobody always follows the same neighbour
        order = workers if number % 2 == 0 else reversed(workers)
        yield {worker.subject: worker.turn(workload, calls) for worker in order}


def _result(rounds: list[dict[str, Turn]]) -> Result:
    result = Result()
    result.spans = {name: median(turns[name].spans for turns in rounds) for name in rounds[0]}
    for clock in CLOCKS:
        result.bare[clock] = median(turns[FLOOR].bare[clock] for turns in rounds)
        result.added[clock] = {
            name: median(turns[name].added[clock] for turns in rounds) for name in rounds[0]
        }
        result.ratio[clock] = {
            name: median(turns[name].added[clock] / turns[FLOOR].added[clock] for turns in rounds)
            for name in rounds[0]
        }
    return result


def _say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)
