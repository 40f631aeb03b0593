"""What each span does, in the words of today: `foreign.operations` for many at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from llm_otel import semconv
from llm_otel.foreign.names.operations import REMOTE_AGENTS, STEPS, UNNAMED
from llm_otel.foreign.operations import MODELS, TOKENS, WORKFLOW, decide, step_named_by
from llm_otel.lake.decode.attributes import Mask, Places
from llm_otel.lake.decode.draft import Draft

_OPERATION: Final = semconv.OPERATION_NAME
_PROVIDER: Final = semconv.PROVIDER_NAME
_STREAM: Final = semconv.REQUEST_STREAM

# The attributes that decide.
READ: Final = frozenset(
    {
        _OPERATION, _PROVIDER, _STREAM, WORKFLOW, semconv.AGENT_NAME, semconv.TOTAL_CALLS, *STEPS,
        *MODELS, *TOKENS,
    }
)  # fmt: skip
# More combinations than this are numbered anew before another column comes to them.
_MOST_COMBINATIONS: Final = 2**40


def put_operations(draft: Draft, span_names: pa.StringArray) -> None:
    """Give each span its operation, decided once for each combination of what decides."""
    texts = {name: _encoded(draft, name) for name in (_OPERATION, *STEPS)}
    models = {name: _encoded(draft, name, _kind_of_model) for name in MODELS}
    truths = {name: _truths(draft, name) for name in TOKENS}
    names = (WORKFLOW, semconv.AGENT_NAME, semconv.TOTAL_CALLS)
    flags = {name: draft.at(name) >= 0 for name in names}
    providers, words = _encoded(draft, _PROVIDER)
    flags[_PROVIDER] = _chosen(providers, [word in REMOTE_AGENTS for word in words])
    spans, kinds = _kinds_of_spans(span_names)
    columns = [numbers for numbers, _ in (texts | models).values()]
    columns += [spans, *truths.values(), *(each.astype(np.int64) for each in flags.values())]
    first, combination = _combinations(columns)
    operations: list[str | None] = []
    streams = np.zeros(len(first), bool)
    for number, at in enumerate(first.tolist()):
        example: dict[str, Any] = {
            name: words[numbers[at]]
            for name, (numbers, words) in (texts | models).items()
            if numbers[at] >= 0
        }
        example |= {name: truth[at] == 2 for name, truth in truths.items() if truth[at]}
        example |= {name: True for name, each in flags.items() if each[at]}
        if _PROVIDER in example:
            example[_PROVIDER] = next(iter(REMOTE_AGENTS))
        before = example.get(_OPERATION)
        decide(example, kinds[spans[at]])
        after = example.get(_OPERATION)
        operations.append(after if after != before else None)
        streams[number] = _STREAM in example
    changed = np.flatnonzero(np.array([each is not None for each in operations])[combination])
    words_of_today = pa.array(operations, pa.string()).take(pa.array(combination[changed]))
    draft.put(changed, _OPERATION, "string", words_of_today)
    streamed = np.flatnonzero(streams[combination] & (draft.at(_STREAM) < 0))
    draft.put(streamed, _STREAM, "bool", pa.array(np.ones(len(streamed), bool)))


def _encoded(
    draft: Draft, name: str, kind: Callable[[Any], str] | None = None
) -> tuple[Places, list[str]]:
    """The text of each span's attribute as the number of a different one, -1 for none, and these.

    With `kind`, the kinds of all values in the place of texts.
    """
    entries = draft.at(name)
    encoded = draft.values("string", entries).dictionary_encode()
    numbers = encoded.indices.fill_null(-1).to_numpy(False).astype(np.int64)
    words: list[str] = encoded.dictionary.to_pylist()
    if kind is None:
        return numbers, words
    others = np.flatnonzero((numbers < 0) & (entries >= 0))
    values = draft.objects(entries[others]).tolist()
    numbers[others] = [-1 if value is None else len(words) + n for n, value in enumerate(values)]
    kinds = [kind(value) for value in (*words, *values)]
    different = list(dict.fromkeys(kinds))
    table = np.array([*map(different.index, kinds), -1], np.int64)
    return table[numbers], different


def _truths(draft: Draft, name: str) -> Places:
    """Of each span: 2 for a value that is true in Python, 1 for one that is not, 0 for none."""
    entries = draft.at(name)
    counts = draft.values("int", entries)
    truths = np.where(counts.is_valid().to_numpy(False), 1, 0)
    truths += counts.fill_null(0).to_numpy(False) != 0
    others = np.flatnonzero((truths == 0) & (entries >= 0))
    values = draft.objects(entries[others])
    truths[others] = [0 if value is None else 1 + bool(value) for value in values]
    return truths


def _chosen(numbers: Places, chosen: Sequence[bool]) -> Mask:
    """Which of `numbers` (-1: none) are chosen."""
    mask: Mask = np.array([*chosen, False], bool)[numbers]
    return mask


def _kinds_of_spans(names: pa.StringArray) -> tuple[Places, list[str]]:
    """What of each span's name decides the operation, as the number of a kind, and the kinds."""
    encoded = names.dictionary_encode()
    kinds = [_kind_of_span(name) for name in encoded.dictionary.to_pylist()]
    different = list(dict.fromkeys(kinds))
    table = np.array([*map(different.index, kinds)], np.int64)
    return table[encoded.indices.to_numpy()], different


def _kind_of_model(model: Any) -> str:
    """What of a model's name decides the operation."""
    if not model:
        return ""
    return "embed" if "embed" in str(model).lower() else "other"


def _kind_of_span(name: str) -> str:
    """What of a span's name decides the operation."""
    return step_named_by(name) or (name if name in UNNAMED else "")


def _combinations(columns: Sequence[Places]) -> tuple[Places, Places]:
    """Where each combination of numbers (-1 and more) is first, and which one each place has."""
    key, size = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        width = int(column.max(initial=0)) + 2
        if size * width > _MOST_COMBINATIONS:
            different, key = np.unique(key, return_inverse=True)
            size = len(different)
        key, size = key * width + column + 1, size * width
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    return first, inverse
