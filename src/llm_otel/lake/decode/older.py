"""Attributes of other instrumentations as the conventions of today name them.

Most spans of an emitter have the same attributes. What is to be done with these is decided once for
each list of names, and kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from llm_otel import semconv
from llm_otel.lake.decode import corrections, json_usage
from llm_otel.lake.decode.messages import Part, gather, part_of
from llm_otel.lake.decode.names import ai_sdk, conventions, json_texts, langsmith, openinference
from llm_otel.lake.decode.names.content import INDEXED, PROPERTIES, TEXTS
from llm_otel.lake.decode.names.operations import (
    CALLS,
    NAMED,
    OPERATIONS,
    STEPS,
    STREAMED_STEPS,
    STREAMS,
    UNNAMED,
    may_be_call,
)
from llm_otel.lake.decode.names.providers import provider_of
from llm_otel.lake.decode.quantities import amount_of, count_of, flag
from llm_otel.lake.decode.usage import USAGE

# Older name -> name of today; the first of those for one name wins.
RENAMED: Final = {
    **langsmith.RENAMED,
    **conventions.RENAMED,
    **ai_sdk.RENAMED,
    **openinference.RENAMED,
    **json_texts.RENAMED,
    **ai_sdk.MILLISECONDS,
}
_RANKS: Final = {name: rank for rank, name in enumerate(RENAMED)}

# A span that has none of these speaks the names of today.
MARKERS: Final = frozenset(
    {
        *RENAMED,
        *STEPS,
        *TEXTS,
        *json_usage.TEXTS,
        *corrections.NAMES,
        *(
            f"{prefix}0.{inner}{field}"
            for prefix, inner, _ in INDEXED
            for field in ("role", "content")
        ),
    }
)
MODELS: Final = (semconv.REQUEST_MODEL, semconv.RESPONSE_MODEL)
TOKENS: Final = (semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS)

# Attribute -> its value, in lower case, on a span that failed.
FAILURES: Final = {"langfuse.observation.level": "error", "success": "false"}

# What an older name becomes where a better one says the same.
_TWIN: Final = "\0"
_LONGEST_COUNT: Final = 16
_MOST_PLANS: Final = 4096


class _Plan(NamedTuple):
    """What is to be done with the attributes of one list of names.

    Attributes:
        names: What each becomes, in their order.
        milliseconds: Those, by their new names, that hold milliseconds for seconds.
        texts: Those that hold JSON to look into.
        steps: Those that say what kind of step the span is.
        contents: Those that are a text of messages.
        failures: Those that may say that the span failed.
        indexed: Those that are a part of a message: name, list, number of the message, its field.
        cost: The older name of the cost; None where it has today's, or there is none.
        twins: Other names of a count or the cost, by their place, for where the best has no number.
        corrections: What else its emitter counts in a way of its own.
        older: Whether anything is older at all.
    """

    names: tuple[str, ...]
    milliseconds: tuple[str, ...]
    texts: tuple[str, ...]
    steps: tuple[str, ...]
    contents: tuple[str, ...]
    failures: tuple[str, ...]
    indexed: tuple[Part, ...]
    cost: str | None
    twins: tuple[tuple[int, str], ...]
    corrections: tuple[corrections.Correction, ...]
    older: bool


_plans: dict[tuple[str, ...], _Plan] = {}


def normalise(attributes: dict[str, Any], span_name: str = "") -> dict[str, Any]:
    """The attributes under the names of today; a name of today wins over an older one beside it."""
    if span_name == conventions.CLAUDE_CODE_SPAN:
        attributes = _claude_code(attributes)
    names = tuple(attributes)
    plan = _plans.get(names)
    if plan is None:
        if len(_plans) >= _MOST_PLANS:
            _plans.clear()
        plan = _plans[names] = _plan(names)
    if plan.older:
        values = tuple(attributes.values())
        attributes = dict(zip(plan.names, values))
        attributes.pop(_TWIN, None)
        for place, target in plan.twins:
            if _is_no_number(target, attributes[target]):
                attributes[target] = values[place]
        for name in plan.milliseconds:
            attributes[name] = _seconds(attributes[name])
        answered = bool(plan.texts) and json_usage.unpack(attributes, plan.texts)
        corrections.put_right(attributes, plan.corrections, answered=answered)
    with_operation(attributes, span_name, plan.steps)
    _provider(attributes)
    if plan.older:
        _words(attributes)
        _cost(attributes, plan)
        _reasons(attributes)
        _failure(attributes, plan.failures)
        if plan.indexed or plan.contents:
            gather(attributes, plan.indexed, plan.contents)
    return attributes


@lru_cache(maxsize=_MOST_PLANS)
def is_older(name: str) -> bool:
    """Whether an attribute of this name makes a span one of older names."""
    return name in MARKERS or name.startswith(PROPERTIES) or part_of(name) is not None


# By the attribute, whether a word is one of today's.
TODAY: Final[Mapping[str, Callable[[str], bool]]] = {
    semconv.OPERATION_NAME: lambda word: _operation_of(word) == word,
    semconv.PROVIDER_NAME: lambda word: provider_of(word) == word,
}


def _plan(names: tuple[str, ...]) -> _Plan:
    best: dict[str, str] = {}
    for name in names:
        target = target_of(name)
        held = best.get(target)
        if held is None or rank_of(name) < rank_of(held):
            best[target] = name
    renamed = tuple(target if best[target := target_of(name)] == name else _TWIN for name in names)
    pairs = dict(zip(names, renamed))
    cost = best.get(semconv.COST_AMOUNT)
    indexed = tuple(part for name in names if (part := part_of(name)) is not None)
    return _Plan(
        renamed,
        tuple(pairs[name] for name in ai_sdk.MILLISECONDS if pairs.get(name, _TWIN) != _TWIN),
        tuple(name for name in names if name in json_usage.TEXTS),
        tuple(name for name in STEPS if name in pairs),
        tuple(name for name in TEXTS if name in pairs),
        tuple(name for name in FAILURES if name in pairs),
        indexed,
        cost if cost != semconv.COST_AMOUNT else None,
        tuple(
            (place, target)
            for place, name in enumerate(names)
            if renamed[place] == _TWIN and (target := target_of(name)) in _NUMBERS
        ),
        corrections.of_names(names),
        renamed != names or not MARKERS.isdisjoint(names) or bool(indexed),
    )


def target_of(name: str) -> str:
    """What an attribute is called today."""
    if name.startswith(PROPERTIES) and name not in RENAMED:
        return semconv.TAG_PREFIX + name[len(PROPERTIES) :]
    return RENAMED.get(name, name)


_NUMBERS: Final = frozenset({*USAGE, semconv.COST_AMOUNT})


def _is_no_number(target: str, value: Any) -> bool:
    """Whether a value is no count, or no cost that is known: several write 0 for others."""
    return not amount_of(value) if target == semconv.COST_AMOUNT else count_of(value) is None


def rank_of(name: str) -> int:
    """Of several names for one attribute, the lowest wins."""
    return _RANKS.get(name, -1)


def _claude_code(attributes: dict[str, Any]) -> dict[str, Any]:
    """Claude Code's own names; it counts cached tokens beside the input, as its provider does."""
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        found.setdefault(conventions.CLAUDE_CODE.get(name, name), value)
    cached = (semconv.USAGE_CACHE_READ, semconv.USAGE_CACHE_WRITE)
    counts = [count_of(found.get(name)) for name in (semconv.USAGE_INPUT_TOKENS, *cached)]
    if counts[0] is not None:
        found[semconv.USAGE_INPUT_TOKENS] = sum(count or 0 for count in counts)
    found.setdefault(semconv.PROVIDER_NAME, "anthropic")
    return found


def _seconds(value: Any) -> Any:
    try:
        return float(value) / 1000
    except (TypeError, ValueError):
        return value


def _operation_of(word: str) -> str:
    if word in CALLS:
        return word
    key = word.lower()
    if key in CALLS:
        return key
    return OPERATIONS.get(key) or OPERATIONS.get(key.replace(" ", "_").replace("-", "_"), word)


def with_operation(attributes: dict[str, Any], span_name: str, steps: tuple[str, ...]) -> None:
    """Say what the span does in the words of today, whoever says it first:

    what its emitter calls the step, a name that can only be that of another step, the operation
    that somebody named, the name of a span that is always a call, a model and its tokens.
    """
    word = attributes.get(semconv.OPERATION_NAME)
    operation = _operation_of(word) if isinstance(word, str) else None
    if isinstance(word, str) and word in STREAMS:
        attributes.setdefault(semconv.REQUEST_STREAM, True)
    step = None
    for name in steps:
        kind = attributes[name]
        if isinstance(kind, str) and (step := STEPS[name].get(kind.lower())) is not None:
            if kind.lower() in STREAMED_STEPS:
                attributes.setdefault(semconv.REQUEST_STREAM, True)
            break
    if step is not None:
        if step not in CALLS or operation not in CALLS:
            operation = step
    elif operation in CALLS and span_name.startswith(NAMED):
        operation = span_name.partition(" ")[0]
    elif operation in CALLS and "gen_ai.workflow.name" in attributes:
        operation = semconv.INVOKE_WORKFLOW
    elif operation is None and (is_call(attributes) or _is_request(attributes, span_name)):
        operation = UNNAMED.get(span_name) or _by_model(attributes)
    elif operation == semconv.INVOKE_AGENT:
        operation = semconv.CHAT if corrections.is_remote_run(attributes) else operation
    elif operation is not None and may_be_call(operation) and _has_both(attributes):
        operation = semconv.CHAT
    if operation is not None:
        attributes[semconv.OPERATION_NAME] = operation


def _is_request(attributes: dict[str, Any], span_name: str) -> bool:
    """Whether a span is named as only requests are, and names a model; it may have failed."""
    return span_name in UNNAMED and any(attributes.get(name) for name in MODELS)


def is_call(attributes: dict[str, Any]) -> bool:
    """Whether a span that names no operation has a model and what it used, as only calls do."""
    return (
        any(attributes.get(name) for name in MODELS)
        and any(attributes.get(name) is not None for name in TOKENS)
        and semconv.AGENT_NAME not in attributes
    )


def _has_both(attributes: dict[str, Any]) -> bool:
    """Whether a span has a model, and tokens in and out."""
    counts = (semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS)
    return is_call(attributes) and all(attributes.get(name) is not None for name in counts)


def _by_model(attributes: dict[str, Any]) -> str:
    model = next(attributes[name] for name in MODELS if attributes.get(name))
    embeds = "embed" in str(model).lower() and not attributes.get(semconv.USAGE_OUTPUT_TOKENS)
    return semconv.EMBEDDINGS if embeds else semconv.CHAT


def _provider(attributes: dict[str, Any]) -> None:
    """The provider by today's name. A framework is none: it stays under the older name."""
    word = attributes.get(semconv.PROVIDER_NAME)
    if isinstance(word, str):
        provider = provider_of(word)
        if provider is None:
            del attributes[semconv.PROVIDER_NAME]
            attributes["gen_ai.system"] = word
        elif provider != word:
            attributes[semconv.PROVIDER_NAME] = provider


def _cost(attributes: dict[str, Any], plan: _Plan) -> None:
    """A cost that somebody else computed: taken where it can be one.

    0 for tokens that were used is what several write where they know no price, and no cost then;
    an answer from LiteLLM's cache is free.
    """
    if semconv.COST_AMOUNT not in attributes or (plan.cost is None and not plan.texts):
        return
    amount = amount_of(attributes[semconv.COST_AMOUNT])
    free = amount == 0 and any(attributes.get(name) for name in TOKENS)
    if free and str(attributes.get("litellm.cache_hit")).lower() == "true":
        free = False
    if amount is None or free:
        kept = attributes.pop(semconv.COST_AMOUNT)
        attributes.setdefault(plan.cost or "cost", kept)
    else:
        attributes[semconv.COST_AMOUNT] = amount


def _words(attributes: dict[str, Any]) -> None:
    """Values as texts: counts, whether a stream, and Micrometer's word for no model."""
    for name in MODELS:
        if attributes.get(name) == semconv.NONE:
            del attributes[name]
    for name in USAGE:
        value = attributes.get(name)
        if type(value) is str and value.isdecimal() and len(value) < _LONGEST_COUNT:
            attributes[name] = int(value)
    stream = attributes.get(semconv.REQUEST_STREAM)
    if type(stream) is str:
        attributes[semconv.REQUEST_STREAM] = flag(stream)


def _reasons(attributes: dict[str, Any]) -> None:
    """Why the answer ended, as a list."""
    reasons = attributes.get(semconv.RESPONSE_FINISH_REASONS)
    if isinstance(reasons, str):
        attributes[semconv.RESPONSE_FINISH_REASONS] = reasons_of(reasons)


def reasons_of(text: str) -> list[Any]:
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
    return [_word(each) for each in words]


def _failure(attributes: dict[str, Any], names: tuple[str, ...]) -> None:
    """A failure that no status of the span tells: Langfuse's level, Claude Code's success."""
    for name in names:
        if str(attributes.get(name)).lower() == FAILURES[name]:
            attributes.setdefault(semconv.ERROR_TYPE, attributes.get("error") or "_OTHER")


def _word(reason: Any) -> Any:
    if not isinstance(reason, str):
        return reason
    enumeration, _, word = reason.strip().rpartition(".")
    return word.lower() if enumeration == "FinishReason" else reason.strip()
