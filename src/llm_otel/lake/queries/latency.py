"""How long calls and spans take: distribution, over time, by model and by span name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llm_otel.lake.queries import durations
from llm_otel.lake.queries.durations import NamedPercentiles, Percentiles, TimedPercentiles
from llm_otel.lake.queries.reader import Reader

_BINS: Final = """
    SELECT exp(floor(bin / 10.0) / 10) AS low, exp((floor(bin / 10.0) + 1) / 10) AS high,
        sum(n)::BIGINT AS calls
    FROM durations GROUP BY ALL ORDER BY low
"""
_SPANS: Final = """
    SELECT any_value(name) AS name, floor(ln(duration_s + 0.000001) * 100)::INTEGER AS bin,
        count(*) AS n
    FROM {spans} WHERE duration_s IS NOT NULL GROUP BY hash(name), bin
"""
_CHUNKS: Final = """
    SELECT any_value(model) AS name, floor(ln(first_chunk_s + 0.000001) * 100)::INTEGER AS bin,
        count(*) AS n
    FROM {calls} WHERE first_chunk_s IS NOT NULL GROUP BY hash(model), bin
"""


@dataclass(frozen=True)
class Bin:
    """Calls that took from `low` to `high` seconds."""

    low: float
    high: float
    calls: int


@dataclass(frozen=True)
class Latency:
    """What the page shows, in seconds."""

    all: Percentiles
    before: Percentiles
    points: list[TimedPercentiles]
    bins: list[Bin]
    models: list[NamedPercentiles]
    spans: list[NamedPercentiles]
    first_chunk: list[NamedPercentiles]
    first_chunk_all: Percentiles


def latency(reader: Reader) -> Latency:
    """Read all of it."""
    durations.keep_durations(reader)
    durations.keep_durations(reader, before=True)
    reader.keep("span_durations", _SPANS)
    reader.keep("first_chunks", _CHUNKS)
    return Latency(
        durations.overall(reader),
        durations.overall(reader, "durations_before"),
        durations.over_time(reader),
        reader.rows(_BINS, Bin),
        durations.by_model(reader),
        reader.rows(durations.percentiles_sql("name", "span_durations"), NamedPercentiles),
        reader.rows(durations.percentiles_sql("name", "first_chunks"), NamedPercentiles),
        durations.overall(reader, "first_chunks"),
    )
