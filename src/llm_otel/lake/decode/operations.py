"""What each span does, in the words of today."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from llm_otel import semconv
from llm_otel.lake.decode.attributes import Mask, Places
from llm_otel.lake.decode.corrections import is_remote_run
from llm_otel.lake.decode.draft import Draft
from llm_otel.lake.decode.names.operations import (
    CALLS,
    NAMED,
    OPERATIONS,
    REMOTE_AGENTS,
    STEPS,
    STREAMED_STEPS,
    STREAMS,
    UNNAMED,
    may_be_call,
)

MODELS: Final = (semconv.REQUEST_MODEL, semconv.RESPONSE_MODEL)
TOKENS: Final = (semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS)
WORKFLOW: Final = "gen_ai.workflow.name"

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


def operation_of(word: str) -> str:
    """Today's word for an operation."""
    if word in CALLS:
        return word
    key = word.lower()
    if key in CALLS:
        return key
    return OPERATIONS.get(key) or OPERATIONS.get(key.replace(" ", "_").replace("-", "_"), word)


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
        _decide(example, kinds[spans[at]])
        after = example.get(_OPERATION)
        operations.append(after if after != before else None)
        streams[number] = _STREAM in example
    changed = np.flatnonzero(np.array([each is not None for each in operations])[combination])
    words_of_today = pa.array(operations, pa.string()).take(pa.array(combination[changed]))
    draft.put(changed, _OPERATION, "string", words_of_today)
    streamed = np.flatnonzero(streams[combination] & (draft.at(_STREAM) < 0))
    draft.put(streamed, _STREAM, "bool", pa.array(np.ones(len(streamed), bool)))


def _decide(attributes: dict[str, Any], span_name: str) -> None:
    """Say what the span does in the words of today, whoever says it first:

    what its emitter calls the step, a name that can only be that of another step, the operation
    that somebody named, the name of a span that is always a call, a model and its tokens.
    """
    word = attributes.get(_OPERATION)
    operation = None if word is None else operation_of(word)
    if word in STREAMS:
        attributes[_STREAM] = True
    step = None
    for name in STEPS:
        kind = attributes.get(name, "").lower()
        if (step := STEPS[name].get(kind)) is not None:
            if kind in STREAMED_STEPS:
                attributes[_STREAM] = True
            break
    if step is not None:
        if step not in CALLS or operation not in CALLS:
            operation = step
    elif operation in CALLS and span_name.startswith(NAMED):
        operation = span_name.partition(" ")[0]
    elif operation in CALLS and WORKFLOW in attributes:
        operation = semconv.INVOKE_WORKFLOW
    elif operation is None and (_is_call(attributes) or _is_request(attributes, span_name)):
        operation = UNNAMED.get(span_name) or _by_model(attributes)
    elif operation == semconv.INVOKE_AGENT:
        operation = semconv.CHAT if is_remote_run(attributes) else operation
    elif operation is not None and may_be_call(operation) and _has_both(attributes):
        operation = semconv.CHAT
    if semconv.TOTAL_CALLS in attributes and operation in CALLS:
        # Sums of calls that are spans of their own, whatever somebody else wrote onto the span.
        is_agent = semconv.AGENT_NAME in attributes
        operation = semconv.INVOKE_AGENT if is_agent else semconv.INVOKE_WORKFLOW
    if operation is not None:
        attributes[_OPERATION] = operation


def _is_request(attributes: dict[str, Any], span_name: str) -> bool:
    """Whether a span is named as only requests are, and names a model; it may have failed."""
    return span_name in UNNAMED and any(attributes.get(name) for name in MODELS)


def _is_call(attributes: dict[str, Any]) -> bool:
    """Whether a span that names no operation has a model and what it used, as only calls do."""
    return (
        any(attributes.get(name) for name in MODELS)
        and any(name in attributes for name in TOKENS)
        and semconv.AGENT_NAME not in attributes
    )


def _has_both(attributes: dict[str, Any]) -> bool:
    """Whether a span has a model, and tokens in and out."""
    return _is_call(attributes) and all(name in attributes for name in TOKENS)


def _by_model(attributes: dict[str, Any]) -> str:
    model = next(attributes[name] for name in MODELS if attributes.get(name))
    embeds = model == "embed" and not attributes.get(semconv.USAGE_OUTPUT_TOKENS)
    return semconv.EMBEDDINGS if embeds else semconv.CHAT


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
    if name.startswith(NAMED):
        return name.partition(" ")[0] + " "
    return name if name in UNNAMED else ""


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
