"""Which spans of older names are for `translation`, one at a time: few of what emitters send."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llm_otel import semconv
from llm_otel.lake.decode import corrections, json_usage, older
from llm_otel.lake.decode.attributes import Attributes, Places
from llm_otel.lake.decode.draft import NOTHING, Draft
from llm_otel.lake.decode.messages import part_of
from llm_otel.lake.decode.names.ai_sdk import MILLISECONDS
from llm_otel.lake.decode.names.content import TEXTS
from llm_otel.lake.decode.names.conventions import CLAUDE_CODE_SPAN
from llm_otel.lake.decode.names.json_texts import FIELDS, SUMMED, USAGES
from llm_otel.lake.decode.names.operations import REMOTE_AGENTS, STEPS
from llm_otel.lake.decode.usage import USAGE
from llm_otel.lake.decode.word_cache import by_word

Mask = npt.NDArray[np.bool_]

# Name of today -> the kinds that its values have with nearly all emitters.
_KINDS: Final = {
    **dict.fromkeys((semconv.OPERATION_NAME, semconv.PROVIDER_NAME, *older.MODELS), ("string",)),
    **dict.fromkeys(USAGE, ("int",)),
    semconv.REQUEST_STREAM: ("string", "bool"),
    semconv.COST_AMOUNT: ("int", "double"),
}

# JSON of which only these keys are read: a text without them says nothing.
_PATHS: Final = {
    name: [*(path for path, _ in FIELDS.get(name, ())), *USAGES.get(name, ())]
    for name in json_usage.TEXTS - SUMMED.keys()
    if all(target != name for _, target in FIELDS.get(name, ()))
}
_KEYS: Final = {
    name: sorted({str(path[0]) for path in paths}) for name, paths in _PATHS.items() if all(paths)
}
# Where a key may be written with escapes, it may be any.
_SPEAKING: Final = {name: rf"\\u|{'|'.join(map(re.escape, keys))}" for name, keys in _KEYS.items()}


def rare(attributes: Attributes, draft: Draft, names: pa.Array) -> Mask:
    """Whether each span has something that `older_columns` does not translate."""
    mask = np.zeros(draft.count, bool)

    def mark(places: Places) -> None:
        mask[draft.rows[places]] = True

    mark(np.flatnonzero(draft.kinds == NOTHING))
    mark(attributes.repeated())
    mask |= pc.equal(names, CLAUDE_CODE_SPAN).fill_null(False).to_numpy(False)
    costs = np.zeros(draft.count, np.int64)
    for name in attributes.names:
        places = attributes.places(name)
        kinds = _kinds(name)
        if kinds is not None:
            usual = np.zeros(len(draft.fields) + 1, bool)
            usual[[draft.kind(kind) for kind in kinds]] = True
            mark(places[~usual[draft.kinds[places]]])
        if name in _SPEAKING:
            texts = draft.values("string", places)
            speaks = pc.match_substring_regex(texts, _SPEAKING[name]).fill_null(True)
            mark(places[speaks.to_numpy(False)])
        if name in older.FAILURES:
            mark(places[_failed(draft, name, places)])
        target = older.target_of(name)
        if target != name and older.rank_of(name) < 0:
            # Neither of two is better: the first on the span wins.
            twins = attributes.rows(target)
            mark(places[np.isin(draft.rows[places], twins)])
        if target == semconv.COST_AMOUNT:
            costs[draft.rows[places]] += 1
        if target == semconv.COST_AMOUNT or name in MILLISECONDS:
            numbers = draft.values("double", places)
            mark(places[~pc.is_finite(numbers).fill_null(True).to_numpy(False)])
        if target == semconv.PROVIDER_NAME:
            providers = draft.values("string", places)
            remote = pc.is_in(providers, pa.array(sorted(REMOTE_AGENTS)))
            mark(places[remote.to_numpy(False)])
        if name in corrections.NAMES:
            mark(_corrected(attributes, draft, name, places))
    mask |= costs > 1
    if _KEYS.keys() & set(attributes.names):
        mask |= _costs_in_two_places(attributes, draft, costs)
    return mask


def _corrected(attributes: Attributes, draft: Draft, name: str, places: Places) -> Places:
    """The entries of a name whose spans its emitter may have written in a way of its own."""
    needed = corrections.NEEDED.get(name)
    if needed is None:
        return places
    others = [each for each in attributes.names if older.target_of(each) in needed]
    rows = [draft.rows[attributes.places(each)] for each in others]
    return places[np.isin(draft.rows[places], np.concatenate([*rows, []]))]


def _costs_in_two_places(
    attributes: Attributes, draft: Draft, costs: npt.NDArray[np.int64]
) -> Mask:
    """The spans with JSON that may hold a cost, and one under its name of today."""
    with_json = np.zeros(draft.count, bool)
    for name in _KEYS:
        with_json[draft.rows[attributes.places(name)]] = True
    return with_json & (costs > 0)


def _failed(draft: Draft, name: str, places: Places) -> Mask:
    texts = pc.utf8_lower(draft.values("string", places))
    failed = pc.equal(texts, older.FAILURES[name]).fill_null(False)
    no = pc.invert(draft.values("bool", places)).fill_null(False)
    mask: Mask = pc.or_(failed, no).to_numpy(False)
    return mask


@by_word
def _kinds(name: str) -> tuple[str, ...] | None:
    """The kinds of values of an attribute that are usual; None: any, empty: none."""
    if (name in json_usage.TEXTS and name not in _KEYS) or "\0" in name:
        return ()
    if name == "litellm.cache_hit":
        return ()
    if name in STEPS or name in TEXTS or name in _KEYS or part_of(name) is not None:
        return ("string",)
    if name in MILLISECONDS:
        return ("int", "double")
    target = older.target_of(name)
    if target == semconv.RESPONSE_FINISH_REASONS:
        return ("string", "array")
    return _KINDS.get(target)
