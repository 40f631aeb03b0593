"""The columns of `calls`, of many calls at once."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llm_otel import semconv
from llm_otel.foreign.names.conventions import TOTAL_TOKENS
from llm_otel.foreign.quantities import LIMITS, TOKENS, flag
from llm_otel.foreign.usage import USAGE
from llm_otel.lake.decode import calls
from llm_otel.lake.decode.attributes import Attributes, Mask, Places, none_if_empty
from llm_otel.lake.decode.span_batch import Batch
from llm_otel.lake.decode.span_columns import Columns
from llm_otel.lake.decode.usage import Sender, is_partial, whole_usage
from llm_otel.lake.decode.values import as_text
from llm_otel.lake.refusals import Refusals
from llm_otel.lake.schema import CALLS

_TEXTS: Final = {
    "agent": semconv.AGENT_NAME,
    "response_id": semconv.RESPONSE_ID,
    "response_model": semconv.RESPONSE_MODEL,
    "cost_source": semconv.COST_SOURCE,
    "prompt_name": semconv.PROMPT_NAME,
    "prompt_version": semconv.PROMPT_VERSION,
}
_COUNTS: Final = dict(
    zip(
        ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
         "reasoning_tokens"),
        USAGE,
    )
)  # fmt: skip
_NUMBERS: Final = {
    **_COUNTS,
    "status_code": semconv.HTTP_STATUS_CODE,
    "retries": semconv.HTTP_RESEND_COUNT,
    "first_chunk_s": semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
    "cost_usd": semconv.COST_AMOUNT,
}
# What is billed: a value that is no number there leaves the usage in doubt.
_BILLED: Final = (semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS, semconv.COST_AMOUNT)
_TIERS: Final = (semconv.OPENAI_RESPONSE_SERVICE_TIER, semconv.OPENAI_REQUEST_SERVICE_TIER)
# Those that decide the price, where they are texts.
_PRICED_BY: Final = (semconv.PROVIDER_NAME, semconv.RESPONSE_MODEL, semconv.REQUEST_MODEL)

_TYPES: Final = {column.name: column.type for column in CALLS.columns}


def columns(batch: Batch, spans: Columns, rows: Places, refusals: Refusals) -> Columns:
    """The columns of the spans at `rows`.

    Args:
        batch: All spans.
        spans: The columns of the table `spans`, of all.
        rows: The spans that are calls.
        refusals: Counts the values of these that are no numbers.
    """
    chosen = pa.array(rows)
    wanted = {name: column for name, column in spans.items() if name in _TYPES}
    made = {name: each.take(chosen) for name, each in {**wanted, **_attributes(batch)}.items()}
    doubtful = np.zeros(len(batch), bool)
    unknown: list[tuple[str, int, Any]] = []
    for column, name in _NUMBERS.items():
        numbers, refused = batch.attributes.quantity(name, LIMITS[name])
        made[column] = numbers.take(chosen).cast(_TYPES[column])
        unknown += [(name, row, value) for row, value in refused]
        if name in _BILLED:
            doubtful[[row for row, _ in refused]] = True
    made |= _usage(batch, made, rows)
    made |= _cost(batch.attributes, made, rows, doubtful[rows])
    made["tags"] = _tags(batch.attributes, rows)
    made["prefix_hash"] = _prefix_hashes(spans, rows)
    is_call = set(rows.tolist()) if unknown else set()
    for name, row, value in unknown:
        if row in is_call:
            refusals.add(LIMITS[name].kind, f"{name} is {value!r:.80}")
    return made


def _attributes(batch: Batch) -> Columns:
    """What is an attribute and nothing else, for every span."""
    given = batch.attributes
    numbers, reasons = given.lists(semconv.RESPONSE_FINISH_REASONS)
    words = [[x if x is None else as_text(x) for x in each] for each in reasons]
    streaming = given.column(semconv.REQUEST_STREAM, "bool", flag)
    return {
        **{name: given.texts(key) for name, key in _TEXTS.items()},
        "finish_reasons": pa.array(words, _TYPES["finish_reasons"]).take(numbers),
        "streaming": streaming.fill_null(False),
        "service_tier": given.first_text(*_TIERS),
    }


def _usage(batch: Batch, made: Columns, rows: Places) -> Columns:
    """The counts of tokens, whichever way the sender counts cached ones and thoughts."""
    total, _ = batch.attributes.quantity(TOTAL_TOKENS, TOKENS)
    provider = batch.attributes.column(semconv.PROVIDER_NAME, "string")
    chosen = pa.array(rows)
    unchanged = np.zeros(len(rows), bool) if batch.unchanged is None else batch.unchanged[rows]
    sender = Sender(total.take(chosen), made["operation"], provider.take(chosen), unchanged)
    return dict(zip(_COUNTS, whole_usage([made[name] for name in _COUNTS], sender)))


def _cost(given: Attributes, made: Columns, rows: Places, doubtful: Mask) -> Columns:
    """The cost where it is in USD; our price where the sender said none; what is wrong with it."""
    chosen = pa.array(rows)
    amount, source = made["cost_usd"], made["cost_source"]
    currency, status, usage_source = (
        given.texts(name).take(chosen)
        for name in (semconv.COST_CURRENCY, semconv.COST_STATUS, semconv.USAGE_SOURCE)
    )
    known = pc.and_(amount.is_valid(), pc.equal(pc.utf8_upper(currency), "USD").fill_null(True))
    columns = {
        "cost_usd": pc.if_else(known, amount, pa.scalar(None, pa.float64())),
        "cost_source": pc.if_else(known, source, pa.scalar(None, pa.string())),
        "incomplete": pc.and_(known, pc.equal(status, semconv.COST_INCOMPLETE).fill_null(False)),
    }
    partial = is_partial(made["input_tokens"], made["output_tokens"], made["operation"])
    used = pc.or_(made["input_tokens"].is_valid(), made["output_tokens"].is_valid())
    mask = pc.and_not(pc.and_(amount.is_null(), used), partial)
    places = np.flatnonzero(mask.to_numpy(False))
    if len(places):
        provider, *models = (given.column(name, "string").take(chosen) for name in _PRICED_BY)
        model = pc.coalesce(none_if_empty(models[0]), models[1])
        read = (provider, model, *(made[name] for name in _COUNTS))
        priced = zip(*(column.take(pa.array(places)).to_pylist() for column in read))
        costs = zip(*(calls.local_cost(sender, asked, usage) for sender, asked, *usage in priced))
        for (name, column), values in zip(columns.items(), costs):
            columns[name] = pc.replace_with_mask(column, mask, pa.array(values, column.type))
    columns["cost_status"] = _cost_status(
        columns["cost_usd"].is_valid(),
        columns.pop("incomplete"),
        usage_source,
        pc.or_(partial, pa.array(doubtful)),
        made,
    )
    return columns


def _cost_status(
    priced: pa.Array,
    incomplete: pa.Array,
    usage_source: pa.Array,
    partial: pa.Array,
    made: Columns,
) -> pa.Array:
    """What is wrong with the cost of each call; NULL where nothing is, or nothing was billed.

    Args:
        priced: Whether it has a cost.
        incomplete: Whether a part of the usage has no price.
        usage_source: Who counted the tokens.
        partial: Whether a part of what was billed is missing or cannot be read.
        made: The counts.
    """
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


def _tags(given: Attributes, rows: Places) -> pa.Array:
    """One by one, where there are any."""
    names = [name for name in given.names if name.startswith(semconv.TAG_PREFIX)]
    made = np.full(len(rows), None, object)
    places = np.flatnonzero(given.having(names)[rows])
    for place, tags in zip(places.tolist(), given.dicts(rows[places], names)):
        made[place] = calls.tags(tags)
    return pa.array(made.tolist(), _TYPES["tags"])


def _prefix_hashes(spans: Columns, rows: Places) -> pa.Array:
    """One by one, where content was captured."""
    system, messages = spans["system_instructions"], spans["input_messages"]
    captured = pc.or_(system.is_valid(), messages.is_valid()).to_numpy(False)
    chosen = captured[rows]
    made = np.full(len(rows), None, object)
    texts = (column.take(pa.array(rows[chosen])).to_pylist() for column in (system, messages))
    made[chosen] = [calls.prefix_hash(*each) for each in zip(*texts)]
    return pa.array(made, pa.int64())
