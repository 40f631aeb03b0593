"""How much of everything so many calls a second want, from what was measured.

Each figure says which measurement it is from; what nobody can measure for you, how your calls are
spread, is in `Workload`. The table in docs/scale.md is this one.

    python -m benchmarks.sizing [CALLS_PER_SECOND ...] [--spans-per-call 2] [--combinations 30] …
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Final

from llm_otel import semconv

RATES: Final = (10, 1_000, 100_000)
_DAY_S: Final = 86_400
# Nothing runs above half of what it could: the rest is for peaks and for what waits after a pause.
_HEADROOM: Final = 2

# benchmarks.redaction: redacted, 200 spans a request, GOGC=400
COLLECTOR_SPANS_PER_CPU_S: Final = 26_000
# benchmarks.lake: our own spans; and what one process makes readable on two cores
LAKE_SPANS_PER_CPU_S: Final = 55_000
LAKE_SPANS_PER_S: Final = 32_500
# benchmarks.lake: compacted, with all ids, conversations and users (30 without any id)
LAKE_BYTES_PER_CALL: Final = 74
# benchmarks.tiers: the broker; the whole way from the first tier to the lake, Kafka included
KAFKA_SPANS_PER_CPU_S: Final = 31_000
TIERS_SPANS_PER_CPU_S: Final = 6_200
# benchmarks.tiers: the broker's log
KAFKA_BYTES_PER_SPAN: Final = 830
# benchmarks.series: Prometheus 3.15, 30 samples a series, histograms of the library
PROMETHEUS_BYTES_PER_SERIES: Final = 2_100
# benchmarks.redaction.payload: as OTLP, uncompressed
OTLP_BYTES_PER_SPAN: Final = 842


@dataclass(frozen=True)
class Workload:
    """What nobody but you knows; the defaults are those of the table.

    Attributes:
        spans_per_call: A call, and the steps of the application around it.
        calls_per_process: Calls a second that one process of an application makes.
        combinations: Of model, operation, feature and tenant that a process uses; at most 1,500.
        models: Models that a process uses.
        kafka_hours: How long Kafka keeps what was read already.
        trace_days: How long traces are kept.
    """

    spans_per_call: float = 2
    calls_per_process: float = 20
    combinations: int = 30
    models: int = 3
    kafka_hours: float = 24
    trace_days: float = 14


# What a call with tokens and a cost touches: (metric, series of it for a set of labels).
_ATTRIBUTED: Final = (
    (semconv.REQUEST_DURATION, 1),
    (semconv.TIME_TO_FIRST_CHUNK, 1),
    (semconv.TOKENS_CONSUMED, 2),
    (semconv.TOKENS_CACHED, 1),
    (semconv.COST, 2),
)
_BY_MODEL: Final = (
    (semconv.REQUESTS_ACTIVE, 1),
    (semconv.V141_OPERATION_DURATION, 1),
    (semconv.V141_TIME_TO_FIRST_CHUNK, 1),
    (semconv.V141_TOKEN_USAGE, 2),
)


def _series(metrics: Sequence[tuple[semconv.Metric, int]]) -> int:
    """Series in Prometheus; a histogram has its buckets, the one without end, sum and count."""
    return sum(n * (len(m.buckets) + 3 if m.kind == "histogram" else 1) for m, n in metrics)


SERIES_PER_COMBINATION: Final = _series(_ATTRIBUTED)
SERIES_PER_MODEL: Final = _series(_BY_MODEL)


@dataclass(frozen=True)
class Size:
    """What a rate of calls wants.

    Attributes:
        calls: A second.
        spans: A second.
        processes: Of applications.
        collector_cores: Of one tier.
        tiers_cores: Of two tiers, Kafka and the lake together.
        kafka_cores: Of its brokers, without replication.
        kafka_gb: What Kafka keeps, one replica, GB.
        series: Active ones in Prometheus.
        prometheus_gb: Memory of Prometheus for them, GB.
        lakes: Processes of `llm-otel serve`, each with a lake.
        lake_cores: Of all of them.
        lake_gb_a_day: Of calls on disk or in a bucket.
        traces_gb: What the traces are before their store compresses them, GB.
    """

    calls: float
    spans: float
    processes: int
    collector_cores: float
    tiers_cores: float
    kafka_cores: float
    kafka_gb: float
    series: int
    prometheus_gb: float
    lakes: int
    lake_cores: float
    lake_gb_a_day: float
    traces_gb: float


def size(calls: float, work: Workload = Workload()) -> Size:
    """What `calls` a second want of each part, half of it headroom where it is processors."""
    spans = calls * work.spans_per_call
    processes = math.ceil(calls / work.calls_per_process)
    combinations = min(work.combinations, semconv.MAX_COMBINATIONS)
    series = processes * (combinations * SERIES_PER_COMBINATION + work.models * SERIES_PER_MODEL)
    cores = {
        "collector_cores": COLLECTOR_SPANS_PER_CPU_S,
        "tiers_cores": TIERS_SPANS_PER_CPU_S,
        "kafka_cores": KAFKA_SPANS_PER_CPU_S,
        "lake_cores": LAKE_SPANS_PER_CPU_S,
    }
    return Size(
        calls=calls,
        spans=spans,
        processes=processes,
        **{name: _HEADROOM * spans / rate for name, rate in cores.items()},
        kafka_gb=spans * KAFKA_BYTES_PER_SPAN * work.kafka_hours * 3600 / 1e9,
        series=series,
        prometheus_gb=_HEADROOM * series * PROMETHEUS_BYTES_PER_SERIES / 1e9,
        lakes=math.ceil(_HEADROOM * spans / LAKE_SPANS_PER_S),
        lake_gb_a_day=calls * LAKE_BYTES_PER_CALL * _DAY_S / 1e9,
        traces_gb=spans * OTLP_BYTES_PER_SPAN * _DAY_S * work.trace_days / 1e9,
    )


_ROWS: Final[tuple[tuple[str, Callable[[Size], float]], ...]] = (
    ("spans a second", lambda s: s.spans),
    ("processes of applications", lambda s: s.processes),
    ("Collector, cores of one tier", lambda s: s.collector_cores),
    ("two tiers, Kafka and lake, cores", lambda s: s.tiers_cores),
    ("Kafka, cores", lambda s: s.kafka_cores),
    ("Kafka, GB kept for a day, one replica", lambda s: s.kafka_gb),
    ("active series", lambda s: s.series),
    ("memory for these series, GB", lambda s: s.prometheus_gb),
    ("lakes", lambda s: s.lakes),
    ("lakes, cores together", lambda s: s.lake_cores),
    ("lakes, GB of calls a day", lambda s: s.lake_gb_a_day),
    ("traces of two weeks, GB before compression", lambda s: s.traces_gb),
)


def table(rates: Sequence[float] = RATES, work: Workload = Workload()) -> str:
    """The sizes as Markdown, a column for each rate."""
    sizes = [size(rate, work) for rate in rates]
    head = "".join(f" {rate:,.10g} |" for rate in rates)
    lines = [f"| calls a second |{head}", "|---|" + "---:|" * len(rates)]
    for title, value in _ROWS:
        cells = "".join(f" {_figure(value(each))} |" for each in sizes)
        lines.append(f"| {title} |{cells}")
    return "\n".join(lines) + "\n"


def _figure(value: float) -> str:
    """Two digits of what is estimated; whole numbers as they are."""
    if isinstance(value, int) or value == 0:
        return f"{value:,}"
    digits = 1 - math.floor(math.log10(value))
    return f"{round(value, digits):,.{max(digits, 0)}f}"


@dataclass(frozen=True)
class Step:
    """The rate at which the compose file's part is half full, and what then helps."""

    part: str
    calls: float
    help: str


def steps(work: Workload = Workload()) -> list[Step]:
    """Where the parts of the compose file, with its limits, are used by half; the lowest first."""
    collector_cores, prometheus_gb = 2, 1.07
    parts = (
        Step(
            "Collector, 2 cores",
            collector_cores * COLLECTOR_SPANS_PER_CPU_S / work.spans_per_call,
            "more Collectors, or two tiers with Kafka",
        ),
        Step(
            "Prometheus, 1 GiB",
            prometheus_gb * 1e9 / PROMETHEUS_BYTES_PER_SERIES / size(1e6, work).series * 1e6,
            "more memory, then one for each part of the applications, and Thanos",
        ),
        Step(
            "one lake", LAKE_SPANS_PER_S / work.spans_per_call, "a lake for each part of the load"
        ),
    )
    return sorted(
        (Step(s.part, s.calls / _HEADROOM, s.help) for s in parts), key=lambda step: step.calls
    )


def steps_table(work: Workload = Workload()) -> str:
    """The steps as Markdown."""
    lines = ["| part | half full at calls a second | then |", "|---|---:|---|"]
    lines += [f"| {s.part} | {_figure(s.calls)} | {s.help} |" for s in steps(work)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing")
    parser.add_argument("rates", nargs="*", type=float, default=RATES, metavar="CALLS_PER_SECOND")
    for each in fields(Workload):
        flag = "--" + each.name.replace("_", "-")
        parser.add_argument(flag, type=type(each.default), default=each.default)
    options = vars(parser.parse_args())
    rates = options.pop("rates")
    work = Workload(**options)
    print(table(rates, work), steps_table(work), sep="\n", end="")


if __name__ == "__main__":
    main()
