"""Realistic history, made up from a seed: for demonstrations, tests and benchmarks.

`world` holds who calls what and what happens, as data; `traces` draws a day with numpy, `rows`,
`signals` and `content` turn it into the lake's tables. The same arguments give the same rows on
the same version of numpy. Needs the extra `local`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Final

import numpy as np
import pyarrow as pa

from llm_otel.history import world
from llm_otel.history.content import with_content
from llm_otel.history.rows import calls_table, flatten, spans_table
from llm_otel.history.signals import metrics_table, outcomes_table, scores_table
from llm_otel.history.traces import Day, draw_steps, draw_traces

__all__ = ["Batch", "generate"]

_US: Final = 1_000_000
_CALLS_PER_TRACE: Final = sum(
    feature.share * sum(step.is_call for step in feature.steps) for feature in world.FEATURES
) / sum(feature.share for feature in world.FEATURES)


@dataclass(frozen=True)
class Batch:
    """One day: table name of the lake → its rows, sorted by time."""

    day: date
    tables: dict[str, pa.Table]


def generate(
    days: int = 30,
    *,
    end: datetime | None = None,
    calls_per_day: int = 4000,
    seed: int = 7,
    spans: float = 1.0,
    content_per_day: int = 4,
) -> Iterator[Batch]:
    """Make up the days before `end`, the oldest first.

    Args:
        days: How many, the day of `end` included.
        end: No row is later; UTC where it has no zone; None: now.
        calls_per_day: Provider calls on a mean day.
        seed: Another seed, another history.
        spans: Part of the traces whose spans are in `spans`, 0 to 1.
        content_per_day: Traces a day with captured messages.

    Yields:
        One `Batch` a day with `calls`, `spans`, `scores`, `outcomes` and `metrics_hourly`.

    Raises:
        ValueError: `days` or `calls_per_day` is less than 1, or `spans` is not a part.
    """
    if days < 1 or calls_per_day < 1:
        raise ValueError("days and calls_per_day must be at least 1")
    if not 0 <= spans <= 1:
        raise ValueError(f"spans must be between 0 and 1, not {spans}")
    until = (
        (end or datetime.now(timezone.utc)).astimezone(timezone.utc)
        if end is None or end.tzinfo
        else end.replace(tzinfo=timezone.utc)
    )
    first = until.date() - timedelta(days=days - 1)
    weights = [
        world.WEEKDAYS[(first + timedelta(days=n)).weekday()] * world.GROWTH_PER_DAY**n
        for n in range(days)
    ]
    for number, weight in enumerate(weights):
        day = _day(first + timedelta(days=number), number, days)
        calls = calls_per_day * weight * days / sum(weights)
        yield _batch(day, calls, seed, int(until.timestamp() * _US), spans, content_per_day)


def _day(when: date, number: int, days: int) -> Day:
    start = datetime.combine(when, time(), timezone.utc)
    incident = number == int(world.Story.incident * days)
    start_us = int(start.timestamp()) * _US
    return Day(number, start_us, when.weekday(), number / days, incident)


def _batch(
    day: Day, calls: float, seed: int, until_us: int, spans: float, content_per_day: int
) -> Batch:
    rng = np.random.default_rng([seed, day.number])
    traces = calls / _CALLS_PER_TRACE
    parts = []
    for index, feature in enumerate(world.FEATURES):
        count = int(rng.poisson(traces * feature.share))
        starts = draw_traces(rng, index, count, day)
        parts.append((starts, draw_steps(rng, starts, day)))
    flat = flatten(rng, parts)
    flat = flat.only(flat.columns["time"] < until_us)
    call_rows = calls_table(flat, day)
    sampled_spans = flat.only(flat.trace_ids[:, 0] < round(spans * 256))
    tables = {
        "calls": call_rows,
        "spans": with_content(rng, spans_table(sampled_spans, day), content_per_day),
        "scores": scores_table(rng, flat, call_rows, day),
        "outcomes": outcomes_table(rng, flat, call_rows, day),
        "metrics_hourly": metrics_table(call_rows),
    }
    when = datetime.fromtimestamp(day.start_us / _US, timezone.utc).date()
    return Batch(when, tables)
