"""Older names of attributes, in the place of which the names of today come."""

from __future__ import annotations

from collections.abc import Sequence, Set
from itertools import groupby
from typing import Any, Final

import numpy as np
import pyarrow.compute as pc

from llm_otel import semconv
from llm_otel.foreign.names import conventions
from llm_otel.foreign.names.content import PROPERTIES
from llm_otel.foreign.quantities import MOST_USD, amount_of, count_of
from llm_otel.foreign.renaming import MARKERS, rank_of, target_of
from llm_otel.foreign.usage import USAGE
from llm_otel.foreign.word_cache import by_word
from llm_otel.lake.decode.attributes import Attributes, Mask, Places
from llm_otel.lake.decode.draft import Draft
from llm_otel.lake.decode.messages import part_of
from llm_otel.lake.decode.span_batch import ALIASES

_COUNTS: Final = frozenset({*USAGE, semconv.COST_AMOUNT})


@by_word
def is_older(name: str) -> bool:
    """Whether an attribute of this name makes a span one of older names."""
    if name in ALIASES:
        return False
    return name in MARKERS or name.startswith(PROPERTIES) or part_of(name) is not None


def rename(draft: Draft, located: Set[str]) -> None:
    """All attributes under the names of today; the best of several for one stays.

    `located` are the names of today that `Draft.at` is to know afterwards.
    """
    by_target: dict[str, list[str]] = {}
    for name in draft.source.names:
        by_target.setdefault(target_of(name), []).append(name)
    # One for all names that no step looks at: there may be thousands, and it is as long as the
    # spans are many.
    scratch = np.full(draft.count, -1, np.int64)
    for target, names in by_target.items():
        for name in names:
            if name != target:
                draft.rename(draft.places(name), target)
        if target not in located and len(names) == 1:
            continue
        entries = scratch
        if target in located:
            entries = np.full(draft.count, -1, np.int64)
            draft.locate(target, entries)
        ranked = groupby(sorted(names, key=rank_of), key=rank_of)
        places = [[draft.places(name) for name in equal] for _, equal in ranked]
        _choose(draft, entries, places)
        if len(names) > 1:
            every = np.sort(np.concatenate([each for equal in places for each in equal]))
            if target in _COUNTS:
                _take_numbers(draft, target, entries, every)
            draft.drop(every[entries[draft.rows(every)] != every])


def _choose(draft: Draft, entries: Places, places: Sequence[Sequence[Places]]) -> None:
    """Set the entry of each span: one of the first of `places` that has one; of several of these,
    the first on the span."""
    for equal in reversed(places):
        each = equal[0] if len(equal) == 1 else np.sort(np.concatenate(equal))[::-1]
        entries[draft.rows(each)] = each


def _take_numbers(draft: Draft, target: str, entries: Places, every: Places) -> None:
    """Where the best of several entries is no count, or no cost that is known (several write 0
    for others), take the next one on the span that is."""
    is_number = amount_of if target == semconv.COST_AMOUNT else _is_count
    rows = np.flatnonzero(entries >= 0)
    rows = rows[~_are_counts(draft, target, entries[rows])]
    values = draft.objects(entries[rows])
    unknown = {row for row, value in zip(rows.tolist(), values) if not is_number(value)}
    others = every[np.isin(draft.rows(every), list(unknown))]
    for entry, row, value in zip(
        others.tolist(), draft.rows(others).tolist(), draft.objects(others)
    ):
        if row in unknown and is_number(value):
            entries[row] = entry
            unknown.remove(row)


def _are_counts(draft: Draft, target: str, entries: Places) -> Mask:
    """Whether each value is a number for sure, told by the columns."""
    counts = draft.values("int", entries)
    if target == semconv.COST_AMOUNT:
        counts = draft.values("double", entries)
        counts = pc.if_else(pc.and_(pc.greater(counts, 0), pc.less(counts, MOST_USD)), counts, None)
    known: Mask = counts.is_valid().to_numpy(False)
    return known


def _is_count(value: Any) -> bool:
    return count_of(value) is not None


def claude_code(attributes: Attributes, rows: Places) -> Attributes:
    """Claude Code's own names, which mean something on its spans alone, as names of today."""
    draft = Draft(attributes)
    for target in dict.fromkeys((*conventions.CLAUDE_CODE.values(), semconv.PROVIDER_NAME)):
        names = [name for name, today in conventions.CLAUDE_CODE.items() if today == target]
        every = [draft.places(name) for name in (target, *names)]
        places = [each[np.isin(draft.rows(each), rows)] for each in every]
        entries = np.full(draft.count, -1, np.int64)
        draft.locate(target, entries)
        _choose(draft, entries, [places])
        chosen = np.concatenate(places)
        draft.rename(chosen, target)
        draft.drop(chosen[entries[draft.rows(chosen)] != chosen])
    before = draft.dicts(rows, {*USAGE, semconv.PROVIDER_NAME})
    draft.update(rows, before, [_anthropic(dict(each)) for each in before])
    return draft.attributes()


def _anthropic(attributes: dict[str, Any]) -> dict[str, Any]:
    """Claude Code counts cached tokens beside the input, as its provider does."""
    cached = (semconv.USAGE_CACHE_READ, semconv.USAGE_CACHE_WRITE)
    counts = [count_of(attributes.get(name)) for name in (semconv.USAGE_INPUT_TOKENS, *cached)]
    if counts[0] is not None:
        attributes[semconv.USAGE_INPUT_TOKENS] = sum(count or 0 for count in counts)
    attributes.setdefault(semconv.PROVIDER_NAME, "anthropic")
    return attributes
