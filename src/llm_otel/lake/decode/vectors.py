"""OTLP traces as tables, a column at a time: what `decode.spans` does, several times as fast.

Requests with values that are of other types than the columns, or no numbers that can be right, are
left to `decode.spans`, which this is also tested against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llm_otel import semconv
from llm_otel.lake.decode import call_columns, span_columns, wire
from llm_otel.lake.decode.attributes import Attributes, Places
from llm_otel.lake.decode.names import CALLS
from llm_otel.lake.decode.names.conventions import CLAUDE_CODE_SPAN
from llm_otel.lake.decode.names.operations import NAMED, UNNAMED, may_be_call
from llm_otel.lake.decode.older import MODELS, TODAY, TOKENS, is_older
from llm_otel.lake.decode.older_columns import translated
from llm_otel.lake.decode.quantities import LIMITS
from llm_otel.lake.decode.span_columns import RENAMED, Batch
from llm_otel.lake.decode.usage import BESIDE, INPUT_ONLY, THINKING_IN_TOTAL, TOTALS, UNCHANGED
from llm_otel.lake.schema import CALLS as CALLS_TABLE
from llm_otel.lake.schema import SPANS as SPANS_TABLE

_OPERATIONS: Final = pa.array(sorted(CALLS))


@dataclass(frozen=True)
class Decoded:
    """What came of the bodies.

    Attributes:
        spans: Rows of the table `spans`.
        calls: Rows of the table `calls`.
        of_call: Which row of `spans` each row of `calls` belongs to.
        left: Positions of the bodies that are for `decode.spans`.
    """

    spans: pa.Table
    calls: pa.Table
    of_call: Places
    left: list[int]


def decode(bodies: Sequence[bytes]) -> Decoded:
    """The rows of requests, each valid protobuf."""
    batch, request = _batch(bodies)
    batch = _of_today(batch)
    left = _left(batch, request)
    if left:
        batch = batch.part(np.flatnonzero(~np.isin(request, list(left))))
    shared = span_columns.shared(batch)
    spans = {**shared, **span_columns.own(batch)}
    rows = np.flatnonzero(pc.is_in(shared["operation"], _OPERATIONS).to_numpy(False))
    calls = call_columns.columns(batch, spans, rows, _uneven(batch))
    return Decoded(
        pa.table([spans[name] for name in SPANS_TABLE.schema.names], schema=SPANS_TABLE.schema),
        pa.table([calls[name] for name in CALLS_TABLE.schema.names], schema=CALLS_TABLE.schema),
        rows,
        sorted(left),
    )


def _batch(bodies: Sequence[bytes]) -> tuple[Batch, Places]:
    """The spans of the requests, and the request that each belongs to."""
    by_request = wire.requests(bodies)
    resources = by_request.flatten()
    by_resource = resources.field("scope_spans")
    scopes = by_resource.flatten()
    by_scope = scopes.field("spans")
    spans = by_scope.flatten()
    scope = pc.list_parent_indices(by_scope)
    resource = pc.list_parent_indices(by_resource).take(scope)
    good = _acceptable(spans)
    if not good.all():
        chosen = pa.array(np.flatnonzero(good))
        spans, scope, resource = spans.take(chosen), scope.take(chosen), resource.take(chosen)
    request = pc.list_parent_indices(by_request).take(resource).to_numpy()
    names = scopes.field("scope").field("name").take(scope)
    attributes = Attributes(spans.field("attributes"))
    return Batch(spans, attributes, names, resources.field("resource"), resource), request


def _of_today(batch: Batch) -> Batch:
    """The spans, those of older names under the names of today."""
    attributes = batch.attributes
    names = [name for name in attributes.names if name not in RENAMED and is_older(name)]
    found = [attributes.rows(name) for name in names]
    found += [_other_words(batch, name) for name in TODAY]
    found += [_misnamed(batch), _unnamed(batch)]
    older = np.zeros(attributes.count, bool)
    for each in found:
        older[each] = True
    rows = np.flatnonzero(older)
    if not len(rows):
        return batch
    made = translated(attributes, batch.spans.field("name"), rows)
    return replace(batch, attributes=made, unchanged=_unchanged(attributes))


def _unchanged(attributes: Attributes) -> Places:
    """As `usage.is_unchanged`, of many."""
    rows = [attributes.rows(name) for name in attributes.among(UNCHANGED)]
    return np.unique(np.concatenate(rows)) if rows else np.empty(0, np.int64)


def _other_words(batch: Batch, name: str) -> Places:
    """The spans whose operation or provider has a name that is not today's."""
    words = batch.text(name).dictionary_encode()
    others = [n for n, word in enumerate(words.dictionary.to_pylist()) if not TODAY[name](word)]
    return np.flatnonzero(np.isin(words.indices.fill_null(-1).to_numpy(False), others))


def _misnamed(batch: Batch) -> Places:
    """The spans that were made for another step than the call that somebody wrote onto them, and
    those whose attributes mean something by the span's name alone."""
    calls = pc.is_in(batch.text(semconv.OPERATION_NAME), _OPERATIONS)
    names = batch.spans.field("name")
    in_workflow = np.zeros(batch.attributes.count, bool)
    in_workflow[batch.attributes.rows("gen_ai.workflow.name")] = True
    steps = pa.array(in_workflow)
    for start in NAMED:
        steps = pc.or_(steps, pc.starts_with(names, start).fill_null(False))
    claude = pc.equal(names, CLAUDE_CODE_SPAN).fill_null(False)
    return np.flatnonzero(pc.or_(pc.and_(calls, steps), claude).to_numpy(False))


def _unnamed(batch: Batch) -> Places:
    """The spans that name no operation that is known, and have a model and tokens, or a name, as
    only calls do."""
    attributes = batch.attributes

    def known(names: tuple[str, ...], field: str, kind: pa.DataType) -> pa.Array:
        return pc.coalesce(*(attributes.column(name, field, kind) for name in names)).is_valid()

    requests = pc.is_in(batch.spans.field("name"), pa.array(sorted(UNNAMED)))
    used = pc.or_(known(TOKENS, "int", pa.int64()), requests)
    unnamed = pc.and_(known(MODELS, "string", pa.string()), used)
    words = attributes.column(semconv.OPERATION_NAME, "string", pa.string()).dictionary_encode()
    open_ = [n for n, word in enumerate(words.dictionary.to_pylist()) if may_be_call(word)]
    unknown = np.isin(words.indices.fill_null(-1).to_numpy(False), [-1, *open_])
    return np.flatnonzero(unnamed.to_numpy(False) & unknown)


def _left(batch: Batch, request: Places) -> set[int]:
    """The requests that are not for us."""
    attributes = batch.attributes
    kinds = {**span_columns.KINDS_OF_VALUES, **call_columns.KINDS_OF_VALUES}
    rows = [attributes.misfits(name, kind) for name, kind in kinds.items()]
    rows += [
        attributes.outside(name, kinds[name], LIMITS[RENAMED.get(name, name)].most)
        for name in (*LIMITS, *RENAMED)
    ]
    rows += [attributes.misfits(name, "int") for name in attributes.among(TOTALS)]
    rows += [_logged(attributes)]
    return {int(number) for each in rows if len(each) for number in np.unique(request[each])}


def _logged(attributes: Attributes) -> Places:
    """The spans that may be a log with a length of its own, as of `corrections.logged_seconds`."""
    return np.intersect1d(attributes.rows("logfire.span_type"), attributes.rows("duration"))


def _uneven(batch: Batch) -> Places:
    """The spans whose usage is not what their attributes say one by one."""
    beside, thoughts = _cached_beside(batch.attributes), _thoughts_beside(batch.attributes)
    return np.unique(np.concatenate([beside, thoughts, _by_provider(batch), _by_total(batch)]))


def _by_provider(batch: Batch) -> Places:
    """The spans whose provider decides whether cached tokens are beside the input."""
    cached = [batch.attributes.rows(name) for name in (semconv.USAGE_CACHE_READ, *RENAMED.values())]
    rows = np.intersect1d(batch.unchanged, np.concatenate(cached))
    if not len(rows):
        return rows
    beside = pc.is_in(batch.text(semconv.PROVIDER_NAME), pa.array(sorted(BESIDE)))
    found: Places = rows[beside.take(pa.array(rows)).to_numpy(False)]
    return found


def _cached_beside(attributes: Attributes) -> Places:
    """The spans whose cached tokens may stand beside the input, as `usage.usage_of` decides."""

    def column(name: str, missing: int = 0) -> npt.NDArray[np.int64]:
        found = attributes.column(name, "int", pa.int64()).fill_null(missing)
        counts: npt.NDArray[np.int64] = found.to_numpy(False)
        return counts

    names = attributes.among((semconv.USAGE_CACHE_READ, semconv.USAGE_CACHE_WRITE, *RENAMED))
    cached = sum((column(name) for name in names), np.zeros(attributes.count, np.int64))
    if not cached.any():
        return np.flatnonzero(cached)
    inputs = column(semconv.USAGE_INPUT_TOKENS, -1)
    beside = cached > inputs
    whole = inputs + column(semconv.USAGE_OUTPUT_TOKENS)
    for name in attributes.among(TOTALS):
        rows = attributes.rows(name)
        beside[rows] |= column(name)[rows] != whole[rows]
    return np.flatnonzero(beside & (cached > 0) & (inputs >= 0))


def _by_total(batch: Batch) -> Places:
    """The spans whose total may tell a count, as `usage.usage_of` decides."""
    attributes = batch.attributes
    names = attributes.among(TOTALS)
    if not names:
        return np.empty(0, np.int64)
    rows = np.unique(np.concatenate([attributes.rows(name) for name in names]))
    inputs, outputs = (
        attributes.column(name, "int", pa.int64())
        for name in (semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS)
    )
    alone = pc.is_in(batch.text(semconv.OPERATION_NAME), pa.array(sorted(INPUT_ONLY)))
    gemini = pc.is_in(batch.text(semconv.PROVIDER_NAME), pa.array(sorted(THINKING_IN_TOTAL)))
    chosen = pc.or_(
        pc.and_(pc.and_(inputs.is_null(), outputs.is_null()), alone),
        pc.and_(pc.and_(inputs.is_valid(), outputs.is_valid()), gemini),
    )
    found: Places = rows[chosen.take(pa.array(rows)).to_numpy(False)]
    return found


def _thoughts_beside(attributes: Attributes) -> Places:
    """The spans whose reasoning is not inside the output, as `usage.usage_of` decides."""
    thoughts, output = (
        attributes.column(name, "int", pa.int64())
        for name in (semconv.USAGE_REASONING, semconv.USAGE_OUTPUT_TOKENS)
    )
    return np.flatnonzero(pc.greater(thoughts, output).fill_null(False).to_numpy(False))


def _acceptable(spans: pa.Array) -> npt.NDArray[np.bool_]:
    """As `decode.spans.acceptable`."""
    good: npt.NDArray[np.bool_] = spans.field("start").to_numpy() > 0
    for name, width in (("trace_id", 16), ("span_id", 8)):
        ids = spans.field(name)
        good &= pc.binary_length(ids).to_numpy() == width
        good &= pc.not_equal(ids, pa.scalar(bytes(width), pa.binary())).to_numpy(False)
    return good
