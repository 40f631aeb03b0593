"""Scores and outcomes of a day's calls, and the hourly sums of its metrics."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llm_otel import semconv
from llm_otel.history import arrays, world
from llm_otel.history.arrays import Any1
from llm_otel.history.rows import Spans
from llm_otel.history.traces import Day
from llm_otel.history.world import FEATURES
from llm_otel.lake.schema import METRICS, OUTCOMES, SCORES

_JUDGED_AFTER_US: Final = 45_000_000
_TOLD_AFTER_US: Final = 240_000_000
_COPIED: Final = ("trace_id", "span_id", "response_id", "service_name", "environment", "model",
                  "feature", "tenant_id")  # fmt: skip


def scores_table(rng: np.random.Generator, spans: Spans, calls: pa.Table, day: Day) -> pa.Table:
    """Scores of a part of the answered chats; one model drifts, the new prompt is better."""
    c = spans.only(spans.call).columns
    parts = []
    for number, (name, features, share, mean, focus) in enumerate(world.EVALUATIONS):
        ours = np.isin(c["feature"], [world.FEATURE_NAMES.index(f) for f in features])
        ours &= (c["model"] != world.EMBEDDER) & (c["status"] == 0) & c["last"]
        rows = np.flatnonzero(ours & (rng.random(len(ours)) < share))
        centre = np.clip(mean + _moves(c, rows, day), 0.05, 0.97)
        score = rng.beta(centre * focus, (1 - centre) * focus)
        columns = {name: calls.column(name).take(pa.array(rows)) for name in _COPIED}
        columns |= {
            "time": arrays.times(c["time"][rows] + _JUDGED_AFTER_US),
            "evaluation": arrays.words([name], np.zeros(len(rows), np.int64)),
            "score": arrays.numbers(np.round(score, 4)),
            "label": arrays.words(["fail", "pass"], (score >= 0.6).astype(np.int64)),
            "event_id": arrays.numbers(_event_ids(day, number, len(rows))),
        }
        parts.append(arrays.table(SCORES.schema, _flat(columns), len(rows)))
    return pa.concat_tables(parts).sort_by("time")


def _moves(c: dict[str, Any1], rows: Any1, day: Day) -> Any1:
    drifting, drop = world.DRIFT
    since = max(0.0, day.progress - world.Story.drift) / (1 - world.Story.drift)
    drifts = c["model"][rows] == world.MODEL_NAMES.index(drifting)
    return np.asarray(drifts * drop * since + c["variant"][rows] * world.NEW_PROMPT[1])


def outcomes_table(rng: np.random.Generator, spans: Spans, calls: pa.Table, day: Day) -> pa.Table:
    """What the users did with the last answer of a trace."""
    c = spans.only(spans.call).columns
    parts = []
    for index, feature in enumerate(FEATURES):
        if feature.outcome is None:
            continue
        kind, share, success, value = feature.outcome
        last = (c["feature"] == index) & c["last"] & (c["model"] != world.EMBEDDER)
        rows = np.flatnonzero(last & (rng.random(len(last)) < share))
        chance = success + c["variant"][rows] * 0.04 - (c["status"][rows] != 0) * 0.6
        won = rng.random(len(rows)) < chance
        worth = np.round(value * rng.lognormal(0, 0.35, len(rows)), 2)
        columns = {name: calls.column(name).take(pa.array(rows)) for name in _COPIED}
        columns |= {
            "time": arrays.times(c["time"][rows] + _TOLD_AFTER_US),
            "kind": arrays.words([kind], np.zeros(len(rows), np.int64)),
            "success": arrays.numbers(won),
            "value_usd": arrays.numbers(worth, ~won),
            "event_id": arrays.numbers(_event_ids(day, 100 + index, len(rows))),
        }
        parts.append(arrays.table(OUTCOMES.schema, _flat(columns), len(rows)))
    return pa.concat_tables(parts).sort_by("time")


def _flat(columns: dict[str, Any]) -> dict[str, Any]:
    return {
        name: each.combine_chunks() if isinstance(each, pa.ChunkedArray) else each
        for name, each in columns.items()
    }


def _event_ids(day: Day, source: int, size: int) -> Any1:
    return (day.number * 1000 + source) * 1_000_000_000 + np.arange(size, dtype=np.int64)


# How much more an output token costs than one of the input, about.
_OUTPUT_COSTS: Final = 6.0
# Metric, the expression it sums over the calls, and the labels beside those of every call.
_CALL_LABELS: Final = ("service_name", "environment", "operation", "provider", "model", "feature",
                       "tenant_id")  # fmt: skip


def metrics_table(calls: pa.Table) -> pa.Table:
    """What the services' counters gained in each hour of the day, from its calls."""
    seconds = pc.cast(pc.round(pc.multiply(calls.column("duration_s"), 1e6)), pa.int64())
    ends = pc.add(calls.column("time"), pc.cast(seconds, pa.duration("us")))
    hours = pc.floor_temporal(ends, unit="hour")
    failed = pc.equal(calls.column("status"), "error")
    base = calls.select(
        [
            *_CALL_LABELS,
            "error_type",
            "instance",
            "duration_s",
            "input_tokens",
            "cost_usd",
            "output_tokens",
            "cache_read_tokens",
        ]
    ).append_column("hour", hours)
    parts = [
        _summed(base, semconv.REQUEST_DURATION, "duration_s", ("error_type",)),
        _summed(base, semconv.TOKENS_CONSUMED, "input_tokens", (), token_type=semconv.INPUT),
        _summed(base, semconv.TOKENS_CONSUMED, "output_tokens", (), token_type=semconv.OUTPUT),
        _summed(base, semconv.TOKENS_CACHED, "cache_read_tokens", (), cache=semconv.READ),
        *_costs(base),
        _summed(base.filter(failed), semconv.ERRORS, None, ("error_type",)),
        _unpriced(base, calls),
    ]
    return pa.concat_tables(parts).sort_by("hour")


def _unpriced(base: pa.Table, calls: pa.Table) -> pa.Table:
    """The calls without a price, which are counted by model and provider alone."""
    rows = base.filter(pc.is_valid(calls.column("cost_status")))
    for name in ("operation", "feature", "tenant_id"):
        nothing = pa.nulls(len(rows), rows.schema.field(name).type)
        rows = rows.set_column(rows.column_names.index(name), name, nothing)
    return _summed(rows, semconv.REQUESTS_UNPRICED, None, ())


def _costs(base: pa.Table) -> list[pa.Table]:
    """The cost by type of token. Output costs a multiple of input, here the same for all models:
    the sum of both is what the calls cost."""
    tokens_in, tokens_out = (
        pc.fill_null(pc.cast(base.column(name), pa.float64()), 0.0)
        for name in ("input_tokens", "output_tokens")
    )
    output_weight = pc.multiply(tokens_out, _OUTPUT_COSTS)
    both = pc.add(tokens_in, output_weight)
    share = pc.if_else(
        pc.greater(both, 0.0), pc.divide(output_weight, pc.max_element_wise(both, 1.0)), 0.0
    )
    of_output = pc.multiply(base.column("cost_usd"), share)
    parts = {
        semconv.INPUT: pc.subtract(base.column("cost_usd"), of_output),
        semconv.OUTPUT: of_output,
    }
    place = base.column_names.index("cost_usd")
    return [
        _summed(base.set_column(place, "cost_usd", cost), semconv.COST, "cost_usd", (),
                token_type=kind)
        for kind, cost in parts.items()
    ]  # fmt: skip


def _summed(
    base: pa.Table, metric: semconv.Metric, column: str | None, more: tuple[str, ...], **labels: str
) -> pa.Table:
    """One metric's rows: the sum of `column` (None: the number of rows) by hour and labels."""
    keys = ["hour", *_CALL_LABELS, "instance", *more]
    over: list[Any] = (
        [([], "count_all")] if column is None else [(column, "sum"), (column, "count")]
    )
    sums = base.group_by(keys, use_threads=False).aggregate(over)
    size = sums.num_rows
    counts = sums.column("count_all" if column is None else f"{column}_count")
    totals = counts if column is None else sums.column(f"{column}_sum")
    columns: dict[str, Any] = {key: sums.column(key) for key in keys}
    columns |= {name: pa.array([value] * size, pa.string()) for name, value in labels.items()}
    columns |= {
        "metric": pa.array([metric.name] * size, pa.string()),
        "instrument": pa.array([metric.kind] * size, pa.string()),
        "sum": totals,
        "count": counts if metric.kind == "histogram" else None,
    }
    whole = arrays.table(METRICS.schema, _flat(columns), size)
    return whole.filter(pc.greater(whole.column("sum"), 0))
