"""The columns of `calls`, of many calls at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llm_otel import semconv
from llm_otel.lake.decode import calls
from llm_otel.lake.decode.attributes import Places
from llm_otel.lake.decode.span_columns import Batch, Columns
from llm_otel.lake.decode.usage import GENERATING, TOTALS, USAGE, usage_of
from llm_otel.lake.decode.values import text
from llm_otel.lake.schema import CALLS

_TEXTS: Final = {
    "response_id": semconv.RESPONSE_ID,
    "response_model": semconv.RESPONSE_MODEL,
    "cost_source": semconv.COST_SOURCE,
    "prompt_name": semconv.PROMPT_NAME,
    "prompt_version": semconv.PROMPT_VERSION,
}
_COUNTS: Final = {
    "status_code": semconv.HTTP_STATUS_CODE,
    "input_tokens": semconv.USAGE_INPUT_TOKENS,
    "output_tokens": semconv.USAGE_OUTPUT_TOKENS,
    "cache_read_tokens": semconv.USAGE_CACHE_READ,
    "reasoning_tokens": semconv.USAGE_REASONING,
    "retries": semconv.HTTP_RESEND_COUNT,
}
_REALS: Final = {
    "first_chunk_s": semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
    "cost_usd": semconv.COST_AMOUNT,
}
# The columns of `USAGE`, and what decides how these add up.
_COUNTED: Final = calls.COUNTS
_WORDS: Final = {semconv.PROVIDER_NAME: "provider", semconv.OPERATION_NAME: "operation"}
_WRITTEN: Final = (semconv.USAGE_CACHE_WRITE, semconv.USAGE_CACHE_WRITE_V141)
_COST_TEXTS: Final = (semconv.COST_CURRENCY, semconv.COST_STATUS, semconv.USAGE_SOURCE)
_TIERS: Final = (semconv.OPENAI_RESPONSE_SERVICE_TIER, semconv.OPENAI_REQUEST_SERVICE_TIER)

KINDS_OF_VALUES: Final = {
    **dict.fromkeys((*_TEXTS.values(), *_TIERS, *_COST_TEXTS), "string"),
    **dict.fromkeys((*_COUNTS.values(), *_WRITTEN), "int"),
    **dict.fromkeys(_REALS.values(), "double"),
    semconv.REQUEST_STREAM: "bool",
}

_TYPES: Final = {column.name: column.type for column in CALLS.columns}


def columns(batch: Batch, spans: Columns, rows: Places, uneven: Places) -> Columns:
    """The columns of the spans at `rows`.

    Args:
        batch: All spans.
        spans: The columns of the table `spans`, of all.
        rows: The spans that are calls.
        uneven: The spans whose usage is not what their attributes say one by one.
    """
    chosen = pa.array(rows)
    wanted = {name: column for name, column in spans.items() if name in _TYPES}
    made = {name: each.take(chosen) for name, each in {**wanted, **_attributes(batch)}.items()}
    made |= _usage(batch, made, rows, uneven)
    made |= _cost(batch, made, rows)
    made["tags"] = _tags(batch, rows)
    made["prefix_hash"] = _prefix_hashes(spans, rows)
    return made


def _attributes(batch: Batch) -> Columns:
    """What is an attribute and nothing else, for every span."""
    given = batch.attributes
    numbers, reasons = given.lists(semconv.RESPONSE_FINISH_REASONS)
    words = [[x if x is None or isinstance(x, str) else text(x) for x in r] for r in reasons]
    streaming = given.column(semconv.REQUEST_STREAM, "bool", pa.bool_())
    return {
        **{name: batch.text(key) for name, key in _TEXTS.items()},
        **{name: given.column(key, "int", _TYPES[name]) for name, key in _COUNTS.items()},
        **{name: given.column(key, "double", _TYPES[name]) for name, key in _REALS.items()},
        "cache_write_tokens": pc.coalesce(*(given.column(k, "int", pa.int64()) for k in _WRITTEN)),
        "finish_reasons": pa.array(words, _TYPES["finish_reasons"]).take(numbers),
        "streaming": streaming.fill_null(False),
        "service_tier": batch.first_text(*_TIERS),
    }


def _usage(batch: Batch, made: Columns, rows: Places, uneven: Places) -> Columns:
    """The counts of tokens as `usage.usage_of` has them, one call at a time where it adds some."""
    mask = np.isin(rows, uneven)
    if not mask.any():
        return {}
    places = pa.array(np.flatnonzero(mask))
    attributes = batch.attributes
    totals = pc.coalesce(*(attributes.column(name, "int", pa.int64()) for name in TOTALS))
    facts = {TOTALS[0]: totals.take(pa.array(rows[mask]))}
    facts |= {name: made[column].take(places) for name, column in _WORDS.items()}
    facts |= {name: made[column].take(places) for name, column in zip(USAGE, _COUNTED)}
    unchanged = np.isin(rows[mask], batch.unchanged).tolist()
    usages = []
    for known, passed_on in zip(zip(*(column.to_pylist() for column in facts.values())), unchanged):
        call = {name: value for name, value in zip(facts, known) if value is not None}
        usages.append(usage_of(call, call, unchanged=passed_on))
    return {
        name: pc.replace_with_mask(made[name], pa.array(mask), pa.array(counts, made[name].type))
        for name, counts in zip(_COUNTED, zip(*usages))
    }


def _cost(batch: Batch, made: Columns, rows: Places) -> Columns:
    """The cost where it is in USD; our price where the sender said none; what is wrong with it."""
    amount, source = made["cost_usd"], made["cost_source"]
    currency, status, usage_source = (batch.text(x).take(pa.array(rows)) for x in _COST_TEXTS)
    known = pc.and_(amount.is_valid(), pc.equal(pc.utf8_upper(currency), "USD").fill_null(True))
    columns = {
        "cost_usd": pc.if_else(known, amount, pa.scalar(None, pa.float64())),
        "cost_source": pc.if_else(known, source, pa.scalar(None, pa.string())),
        "incomplete": pc.and_(known, pc.equal(status, semconv.COST_INCOMPLETE).fill_null(False)),
    }
    partial = _partial(made)
    used = pc.or_(made["input_tokens"].is_valid(), made["output_tokens"].is_valid())
    mask = pc.and_not(pc.and_(amount.is_null(), used), partial)
    places = np.flatnonzero(mask.to_numpy(False))
    if len(places):
        read = (made[name].take(pa.array(places)).to_pylist() for name in calls.PRICED_BY)
        costs = zip(*(calls.local_cost(*known) for known in _priced(read)))
        for (name, column), values in zip(columns.items(), costs):
            columns[name] = pc.replace_with_mask(column, mask, pa.array(values, column.type))
    columns["cost_status"] = _cost_status(
        columns["cost_usd"].is_valid(), columns.pop("incomplete"), usage_source, partial, made
    )
    return columns


def _partial(made: Columns) -> pa.Array:
    """As `usage.is_partial`, of many."""
    generating = pc.is_in(made["operation"], pa.array(GENERATING))
    no_input, no_output = (made[name].is_null() for name in ("input_tokens", "output_tokens"))
    return pc.if_else(no_input, pc.invert(no_output), pc.and_(no_output, generating))


def _cost_status(
    priced: pa.Array,
    incomplete: pa.Array,
    usage_source: pa.Array,
    partial: pa.Array,
    made: Columns,
) -> pa.Array:
    """As `calls.cost_status`, of many."""
    used = (
        pc.not_equal(made[name], 0).fill_null(False) for name in ("input_tokens", "output_tokens")
    )
    estimated, unknown = (
        pc.equal(usage_source, word).fill_null(False)
        for word in (semconv.USAGE_ESTIMATED, semconv.USAGE_UNKNOWN)
    )
    unpriced = pc.invert(priced)
    cases = (
        (semconv.COST_INCOMPLETE, incomplete),
        (semconv.USAGE_ESTIMATED, pc.and_(estimated, priced)),
        (semconv.COST_UNPRICED, pc.and_(estimated, unpriced)),
        (semconv.USAGE_UNKNOWN, pc.and_(pc.or_(unknown, partial), unpriced)),
        (semconv.COST_UNPRICED, pc.and_(unpriced, pc.or_(*used))),
    )
    names = [str(number) for number in range(len(cases))]
    conditions = pa.StructArray.from_arrays([each for _, each in cases], names=names)
    return pc.case_when(conditions, *(pa.scalar(word) for word, _ in cases))


def _priced(columns: Iterable[list[Any]]) -> Iterator[tuple[Any, Any, Any, list[int | None]]]:
    """What `calls.local_cost` takes, of each row of the columns of `calls.PRICED_BY`."""
    for operation, provider, model, response_model, *usage in zip(*columns):
        yield operation, provider, response_model or model, usage


def _tags(batch: Batch, rows: Places) -> pa.Array:
    """One by one, where there are any."""
    given = batch.attributes
    names = {name for name in given.names if name.startswith(semconv.TAG_PREFIX)}
    tagged = {row for name in names for row in given.rows(name).tolist()}
    made = [calls.tags(given.at(row, names)) if row in tagged else None for row in rows.tolist()]
    return pa.array(made, _TYPES["tags"])


def _prefix_hashes(spans: Columns, rows: Places) -> pa.Array:
    """One by one, where content was captured."""
    system, messages = spans["system_instructions"], spans["input_messages"]
    captured = pc.or_(system.is_valid(), messages.is_valid()).to_numpy(False)
    chosen = captured[rows]
    made = np.full(len(rows), None, object)
    texts = (column.take(pa.array(rows[chosen])).to_pylist() for column in (system, messages))
    made[chosen] = [calls.prefix_hash(*each) for each in zip(*texts)]
    return pa.array(made, pa.int64())
