"""Two tiers of Collectors with Kafka between them, under load, while parts of them are killed.

The real programs with the shipped configuration: a first tier that redacts, Kafka, a second tier,
and behind it Prometheus and `llm-otel serve`. Parts are killed with SIGKILL, one after the other
while the load goes on, and started again. Counted is what was acknowledged, what the lake holds of
it, and what it holds twice.

    python -m benchmarks.tiers [--rate 20000] [--seconds 60] [--kill tier2 tier1 kafka]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from benchmarks.tiers_load import COUNTER, Load
from benchmarks.tiers_programs import Programs, programs
from tests.stack.parts import fetch
from tools.binaries.build import Unavailable

RATE: Final = 20_000
KILLED: Final = ("tier2", "tier1")
_PATIENCE_S: Final = 600.0
_COUNTED: Final = 'max(last_over_time(gen_ai_tokens_consumed_total{service_name="assistant"}[1h]))'


@dataclass(frozen=True)
class Outcome:
    """What went in and what came out.

    Attributes:
        sent: Spans that the first tier acknowledged.
        sending_s: Until the last of them was, s.
        stored: Spans that the lake holds, each counted once.
        twice: Rows of the lake beyond these.
        drained_s: From the last acknowledged to the last stored, s.
        counted: What a cumulative counter came to: sent, in the lake, in Prometheus.
        scores: Log records: sent, in the lake.
        repeated: Requests sent again, as a killed tier had not answered.
        kafka_bytes: What the broker holds of the spans.
        cpu: Processor time of each program, s.
    """

    sent: int
    sending_s: float
    stored: int
    twice: int
    drained_s: float
    counted: tuple[int, float, float]
    scores: tuple[int, int]
    repeated: int
    kafka_bytes: int
    cpu: dict[str, float]

    @property
    def lost(self) -> int:
        """Spans acknowledged and not in the lake."""
        return self.sent - self.stored

    @property
    def whole(self) -> bool:
        """Whether everything is there once."""
        figures = (set(self.counted), set(self.scores))
        return not self.lost and not self.twice and all(len(each) == 1 for each in figures)


def measure(folder: Path, rate: float, spans: int, killed: Sequence[str]) -> Outcome:
    """Send so many spans through both tiers, kill what is named meanwhile, and count.

    Args:
        folder: An empty one.
        rate: Spans per second.
        spans: How many.
        killed: Which programs, at even distances of the load.
    """
    with programs(folder) as running:
        load = Load(running.otlp, rate)
        steps = [
            (spans * at // (len(killed) + 1), partial(running.crash, name))
            for at, name in enumerate(killed, 1)
        ]
        sending = load.run(spans, steps)
        began = time.monotonic()
        rows = "SELECT count(*) FROM spans"
        await_that(lambda: running.query(rows) >= load.spans)
        drained = time.monotonic() - began
        await_that(lambda: min(_counted(running)) >= load.counted)
        await_that(lambda: running.query("SELECT count(*) FROM scores") >= load.scores)
        distinct = running.query("SELECT count(DISTINCT (trace_id, span_id)) FROM spans")
        return Outcome(
            sent=load.spans,
            sending_s=sending,
            stored=distinct,
            twice=running.query(rows) - distinct,
            drained_s=drained,
            counted=(load.counted, *_counted(running)),
            scores=(load.scores, running.query("SELECT count(*) FROM scores")),
            repeated=load.repeated,
            kafka_bytes=running.kafka.size("llm-otel.traces"),
            cpu=running.cpu(),
        )


def await_that(arrived: Callable[[], bool], patience: float = _PATIENCE_S) -> None:
    """Wait until it is so, for `patience` seconds at most."""
    until = time.monotonic() + patience
    while not arrived() and time.monotonic() < until:
        time.sleep(0.5)


def _counted(running: Programs) -> tuple[float, float]:
    """What the counter came to, in the lake and in Prometheus."""
    gained = f"SELECT coalesce(sum(sum), 0) FROM metrics_hourly WHERE metric = '{COUNTER}'"
    url = f"http://{running.prometheus}/api/v1/query?{urlencode({'query': _COUNTED})}"
    result = json.loads(fetch(url))["data"]["result"]
    return running.query(gained), float(result[0]["value"][1]) if result else 0.0


def report(outcome: Outcome) -> str:
    """The figures as lines of text."""
    spent = sum(outcome.cpu.values())
    whole_s = outcome.sending_s + outcome.drained_s
    each = ", ".join(
        f"{name} {seconds:.0f} s ({outcome.sent / max(seconds, 0.01):,.0f} spans per CPU second)"
        for name, seconds in outcome.cpu.items()
        if name != "prometheus"
    )
    return "\n".join(
        (
            f"spans sent      {outcome.sent:,} ({outcome.sent / outcome.sending_s:,.0f} a second "
            f"for {outcome.sending_s:.0f} s; {outcome.repeated} requests sent again)",
            f"spans stored    {outcome.stored:,}, the last after {outcome.drained_s:.0f} s "
            f"({outcome.stored / whole_s:,.0f} a second from the first to the last)",
            f"spans lost      {outcome.lost:,}",
            f"spans twice     {outcome.twice:,}",
            "counter         sent {:,}; in the lake {:,.0f}, in Prometheus {:,.0f}".format(
                *outcome.counted
            ),
            "scores          sent {:,}; in the lake {:,}".format(*outcome.scores),
            f"Kafka's log     {outcome.kafka_bytes / outcome.sent:,.0f} bytes a span",
            f"processor time  {spent:.0f} s on {os.cpu_count()} cores "
            f"({outcome.sent / spent:,.0f} spans per CPU second): {each}",
        )
    )


def main() -> int:
    """Print the figures; 1 when something was lost or is there twice."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tiers")
    parser.add_argument("--rate", type=float, default=RATE, help="spans per second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--kill", nargs="*", choices=("tier1", "tier2", "kafka"), default=KILLED)
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as name:
            spans = int(options.rate * options.seconds)
            outcome = measure(Path(name), options.rate, spans, options.kill)
    except Unavailable as exc:
        sys.exit(f"tiers: {exc}")
    print(f"killed under load: {', '.join(options.kill) or 'nothing'}")
    print(report(outcome))
    return int(not outcome.whole)


if __name__ == "__main__":
    sys.exit(main())
