"""Spans under the names and words of other instrumentations, or of older conventions, brought to
those of today: attributes of many spans at once, before they become columns.

A step that reads single values reads each different one once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llm_otel import semconv
from llm_otel.foreign.corrections import logged_seconds
from llm_otel.foreign.json_usage import TEXTS
from llm_otel.foreign.names.ai_sdk import MILLISECONDS
from llm_otel.foreign.names.content import CONTENT
from llm_otel.foreign.names.conventions import CLAUDE_CODE_SPAN
from llm_otel.foreign.names.operations import CALLS, STEP_NAMES, UNNAMED, may_be_call
from llm_otel.foreign.names.providers import provider_of
from llm_otel.foreign.operations import MODELS, TOKENS, WORKFLOW, operation_of
from llm_otel.foreign.quantities import MOST_USD, amount_of, flag
from llm_otel.foreign.usage import UNCHANGED, USAGE
from llm_otel.lake.decode import operations, unfolding
from llm_otel.lake.decode.any_values import object_array, to_wire
from llm_otel.lake.decode.attributes import Attributes, Mask, Places
from llm_otel.lake.decode.draft import Draft
from llm_otel.lake.decode.messages import put_messages
from llm_otel.lake.decode.renaming import claude_code, is_older, rename
from llm_otel.lake.decode.span_batch import ALIASES, Batch

_COST: Final = semconv.COST_AMOUNT
_FIRST_CHUNK: Final = semconv.RESPONSE_TIME_TO_FIRST_CHUNK
_PROVIDER: Final = semconv.PROVIDER_NAME
_REASONS: Final = semconv.RESPONSE_FINISH_REASONS
_STREAM: Final = semconv.REQUEST_STREAM

# Attribute -> its value, in lower case, on a span that failed.
_FAILURES: Final = {"langfuse.observation.level": "error", "success": "false"}
_FAILURE: Final = "error"
_CACHE_HIT: Final = "litellm.cache_hit"
# Where a cost that is none stays, if it came inside JSON.
_NO_COST: Final = "cost"
_LONGEST_COUNT: Final = 16

# The attributes, by their names of today, that a step reads or writes.
_LOCATED: Final = frozenset(
    {
        *(*operations.READ, *unfolding.READ, *USAGE, *CONTENT, _COST, _NO_COST, _CACHE_HIT),
        *(_FIRST_CHUNK, _PROVIDER, _REASONS, _STREAM, semconv.ERROR_TYPE, _FAILURE),
    }
)


def rewritten(batch: Batch) -> Batch:
    """The spans with the names and words of today."""
    attributes = batch.attributes
    older = attributes.having(filter(is_older, attributes.names))
    claude = np.flatnonzero(pc.equal(batch.names, CLAUDE_CODE_SPAN).to_numpy(False))
    if not (older.any() or len(claude) or _has_other_words(batch) or _has_both_names(attributes)):
        attributes.relabel(ALIASES)
        return batch
    unchanged, start = attributes.having(UNCHANGED), _starts(batch)
    attributes = _without_repeated(attributes)
    if len(claude):
        attributes = claude_code(attributes, claude)
    draft = Draft(attributes)
    rename(draft, _LOCATED)
    _seconds(draft)
    unfolding.unfold(draft)
    operations.put_operations(draft, batch.names)
    _providers(draft)
    _words(draft, older)
    _costs(draft)
    _reasons(draft, older)
    _failures(draft, older)
    put_messages(draft)
    return replace(batch, attributes=draft.attributes(), unchanged=unchanged, start=start)


def _without_repeated(attributes: Attributes) -> Attributes:
    """Of an attribute that a span has twice, the last value counts."""
    repeated = attributes.repeated()
    if not len(repeated):
        return attributes
    draft = Draft(attributes)
    draft.drop(repeated)
    return draft.attributes()


def _has_both_names(attributes: Attributes) -> bool:
    """Whether an attribute occurs under two names of the conventions."""
    return any({old, new} <= set(attributes.names) for old, new in ALIASES.items())


def _has_other_words(batch: Batch) -> bool:
    """Whether a span with names of today may need another operation or provider."""
    attributes = batch.attributes
    providers = attributes.column(_PROVIDER, "string").unique().drop_null().to_pylist()
    if any(provider_of(word) != word for word in providers):
        return True
    column = attributes.column(semconv.OPERATION_NAME, "string").dictionary_encode()
    words: list[str] = column.dictionary.to_pylist()
    if any(operation_of(word) != word for word in words):
        return True
    numbers = column.indices.fill_null(-1).to_numpy(False)
    calls = np.isin(numbers, [n for n, word in enumerate(words) if word in CALLS])
    if (calls & (attributes.having([WORKFLOW]) | _starts_with(batch.names, STEP_NAMES))).any():
        return True
    open_ = [-1, *(n for n, word in enumerate(words) if may_be_call(word))]
    unknown = np.isin(numbers, open_) & attributes.having(MODELS)
    requests = pc.is_in(batch.names, pa.array(sorted(UNNAMED))).to_numpy(False)
    return bool((unknown & (attributes.having(TOKENS) | requests)).any())


def _starts_with(names: pa.StringArray, starts: Iterable[str]) -> Mask:
    mask = np.zeros(len(names), bool)
    for start in starts:
        mask |= pc.starts_with(names, start).to_numpy(False)
    return mask


def _starts(batch: Batch) -> Places:
    """When each span began: a log of Logfire's is a moment, and tells how long a stream took."""
    attributes = batch.attributes
    rows = attributes.rows("logfire.span_type")
    moments = batch.spans.field("end").to_numpy().astype(np.int64) == batch.start
    rows = np.unique(rows[moments[rows]])
    if not len(rows):
        return batch.start
    start: Places = batch.start.copy()
    sent = attributes.dicts(rows, ("logfire.span_type", "request_data", "duration"))
    for row, each in zip(rows.tolist(), sent):
        start[row] -= int((logged_seconds(each) or 0) * 1e9)
    return start


def _seconds(draft: Draft) -> None:
    """Milliseconds as seconds."""
    for name in MILLISECONDS:
        entries = draft.places(name)
        rows = draft.rows(entries)
        best = draft.at(_FIRST_CHUNK)[rows] == entries
        rows, entries = rows[best], entries[best]
        seconds = [_thousandth(value) for value in draft.objects(entries)]
        known = np.array([value is not None for value in seconds], bool)
        values = pa.array([value for value in seconds if value is not None], pa.float64())
        draft.put(rows[known], _FIRST_CHUNK, "double", values)


def _thousandth(value: Any) -> float | None:
    try:
        return float(value) / 1000
    except (TypeError, ValueError, OverflowError):
        return None


def _texts(draft: Draft, name: str, among: Mask | None = None) -> tuple[Places, Places, list[str]]:
    """The spans whose attribute is a text, the number of each one's text, and the different
    texts."""
    entries = draft.at(name)
    there = entries >= 0 if among is None else (entries >= 0) & among
    rows = np.flatnonzero(there)
    encoded = draft.values("string", entries[rows]).dictionary_encode()
    known = encoded.indices.is_valid().to_numpy(False)
    numbers = encoded.indices.drop_null().to_numpy().astype(np.int64)
    return rows[known], numbers, encoded.dictionary.to_pylist()


def _put_readings(
    draft: Draft, name: str, among: Mask, field: str, reading: Callable[[str], Any]
) -> None:
    """In the place of each text put what it means; None: it stays."""
    rows, numbers, words = _texts(draft, name, among)
    readings = object_array([reading(word) for word in words])
    if not len(rows):
        return
    changed = np.array([each is not None for each in readings])[numbers]
    values = pa.array(readings.tolist(), draft.source.values.type.field(field).type)
    draft.put(rows[changed], name, field, values.take(pa.array(numbers[changed])))


def _providers(draft: Draft) -> None:
    """The provider by today's name; a framework, which is none, stays under the older one."""
    rows, numbers, words = _texts(draft, _PROVIDER)
    providers = [provider_of(word) for word in words]
    frameworks = np.array([each is None for each in providers], bool)[numbers]
    draft.move(rows[frameworks], _PROVIDER, "gen_ai.system")
    changed = np.array([p not in (None, w) for p, w in zip(providers, words)], bool)[numbers]
    values = pa.array(providers, pa.string()).take(pa.array(numbers[changed]))
    draft.put(rows[changed], _PROVIDER, "string", values)


def _words(draft: Draft, older: Mask) -> None:
    """Micrometer's word for no model, and counts and flags that are texts."""
    for name in MODELS:
        rows, numbers, words = _texts(draft, name, older)
        absent = np.array([word == semconv.NONE for word in words], bool)[numbers]
        draft.remove(rows[absent], name)
    for name in USAGE:
        _put_readings(draft, name, older, "int", _count)
    _put_readings(draft, _STREAM, older, "bool", flag)


def _count(word: str) -> int | None:
    return int(word) if word.isdecimal() and len(word) < _LONGEST_COUNT else None


def _costs(draft: Draft) -> None:
    """A cost that somebody else computed: taken where it can be one.

    0 for tokens that were used is what several write where they know no price, and no cost then;
    an answer from LiteLLM's cache is free.
    """
    entries, places = draft.at(_COST), draft.places(_COST)
    today = np.zeros(draft.count, bool)
    today[draft.rows(places)] = entries[draft.rows(places)] == places
    rows = np.flatnonzero((entries >= 0) & (~today | draft.source.having(TEXTS)))
    if not len(rows):
        return
    entries, today = entries[rows], today[rows]
    values = draft.values("double", entries)
    doubles = values.is_valid().to_numpy(False)
    amounts = values.fill_null(np.nan).to_numpy(False).copy()
    others = [amount_of(value) for value in draft.objects(entries[~doubles])]
    amounts[~doubles] = [np.nan if amount is None else amount for amount in others]
    refused = ~((amounts >= 0) & (amounts <= MOST_USD))
    free = np.flatnonzero(amounts == 0)
    refused[free] = [_is_used(each) for each in draft.dicts(rows[free], (*TOKENS, _CACHE_HIT))]
    known = ~refused & ~doubles
    draft.put(rows[known], _COST, "double", pa.array(amounts[known]))
    by_name: dict[str, list[int]] = {}
    for row, entry in zip(rows[refused].tolist(), entries[refused].tolist()):
        name = draft.sent_name(entry)
        by_name.setdefault(_NO_COST if name in (None, _COST) else name, []).append(row)
    for name, listed in by_name.items():
        draft.move(np.array(listed), _COST, name)


def _is_used(attributes: dict[str, Any]) -> bool:
    """Whether a span used tokens, and its answer came from no cache."""
    used = any(attributes.get(name) for name in TOKENS)
    return used and str(attributes.get(_CACHE_HIT)).lower() != "true"


def _reasons(draft: Draft, older: Mask) -> None:
    """Why the answer ended, as a list."""
    _put_readings(draft, _REASONS, older, "array", lambda word: to_wire(_reasons_of(word))[1])


def _reasons_of(text: str) -> list[Any]:
    """Reasons that are one text, as a list; Python's and Spring's enumerations by their plain
    words."""
    words: Any = [text]
    if text.startswith("["):
        try:
            words = json.loads(text)
        except (ValueError, RecursionError):
            words = text.strip("[]").split(",")
    elif "FinishReason." in text:
        words = text.split(",")
    return [_reason(word) for word in words]


def _reason(word: Any) -> Any:
    if not isinstance(word, str):
        return word
    enumeration, _, reason = word.strip().rpartition(".")
    return reason.lower() if enumeration == "FinishReason" else word.strip()


def _failures(draft: Draft, older: Mask) -> None:
    """A failure that no status of the span tells: Langfuse's level, Claude Code's success."""
    for name, word in _FAILURES.items():
        entries = draft.places(name)
        failed = pc.equal(pc.utf8_lower(draft.values("string", entries)), word).fill_null(False)
        if word == "false":
            failed = pc.or_(failed, pc.invert(draft.values("bool", entries)).fill_null(False))
        rows = draft.rows(entries[failed.to_numpy(False)])
        rows = rows[older[rows] & (draft.at(semconv.ERROR_TYPE)[rows] < 0)]
        errors = [each.get(_FAILURE) or "_OTHER" for each in draft.dicts(rows, (_FAILURE,))]
        draft.put_objects(rows, semconv.ERROR_TYPE, errors)
