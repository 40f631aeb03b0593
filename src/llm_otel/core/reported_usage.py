"""Reads the usage that a provider reports, in whatever words and however many parts.

The provider's total is a check sum. What it holds beyond input and output is either known to be
something (thoughts, cached tokens, audio), or marks the usage: its cost is then incomplete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from llm_otel.base import read
from llm_otel.base.read import MOST_TOKENS
from llm_otel.clients.spec import Endpoint, UsageMap
from llm_otel.providers.dialects import Dialect
from llm_otel.usage import Usage

# Counts under the names of `Usage`, and some that only serve to find those.
Counts = dict[str, Any]

# Kinds of requests that are billed for their input alone.
_INPUT_ONLY = frozenset({"embeddings", "rerank"})

# Fields of `Usage` that need no arithmetic.
_PARTS = frozenset({
    "audio_input_tokens", "image_input_tokens", "audio_output_tokens", "image_output_tokens",
    "audio_cache_read_tokens", "image_cache_read_tokens", "reasoning_tokens", "web_searches",
})  # fmt: skip

# The counts that most usages hold, and no others.
_PLAIN = frozenset({"input_tokens", "output_tokens", "total_tokens"})


def usage(
    node: object, endpoint: Endpoint, dialect: Dialect, reported: object = None
) -> Usage | None:
    """The usage in an answer or a chunk; None when it holds none, or only zeros.

    Zeros are no knowledge: providers send them as placeholders, and for calls that they failed to
    count. Every call that is billed has at least one token or second.

    Args:
        node: The answer, a body or an SDK's object.
        endpoint: Where the numbers are.
        dialect: What is particular to the provider.
        reported: The usage itself where `node` does not hold it, as the chunks of a stream do.
    """
    counts: Counts = {}
    fields: Mapping[str, object] = {}
    if reported is not None:
        fields = read.fields(reported)
        _collect(counts, fields, endpoint.usage)
    else:
        for way in endpoint.usage_at:
            fields = read.fields(read.path(node, way))
            _collect(counts, fields, endpoint.usage)
            if counts:
                break
    if not counts and endpoint.usage_beside:
        _collect(counts, read.fields(node), endpoint.usage_beside)
    if not counts:
        return None
    beside = not counts.keys() <= _PLAIN and _as_anthropic(fields)
    return _usage(counts, endpoint, dialect, cache_beside=beside)


def _as_anthropic(fields: Mapping[str, object]) -> bool:
    """Whether a usage is Anthropic's own, whose input does not hold the cached tokens.

    new-api says so in a field; else its key names do, without any of OpenAI's.
    """
    if fields.get("prompt_tokens") is not None:
        return fields.get("usage_semantic") == "anthropic"
    return fields.get("total_tokens") is None and not _ANTHROPIC.isdisjoint(fields)


_ANTHROPIC = frozenset({"cache_read_input_tokens", "cache_creation_input_tokens"})


def merged(parts: Iterable[object]) -> Mapping[str, object]:
    """One usage from those of a stream's chunks: the largest of each count.

    A chunk may report what was used so far, a part of the counts, or zeros after the real usage.
    """
    result: dict[str, object] = {}
    for part in parts:
        _merge(result, read.fields(part))
    return result


def _merge(into: dict[str, object], part: Mapping[str, object]) -> None:
    for key, value in part.items():
        if value is None:
            continue
        known = into.get(key)
        if read.is_node(value):
            inner: dict[str, object] = {}
            if type(known) is dict:
                inner = known
            _merge(inner, read.fields(value))
            into[key] = inner
        elif known is None or not (_is_number(known) and _is_number(value) and known > value):  # type: ignore[operator]
            into[key] = value


def _is_number(value: object) -> bool:
    return type(value) is int or type(value) is float


def _collect(counts: Counts, reported: Mapping[str, object], names: UsageMap) -> None:
    """Add the counts that `names` knows; of two names for one count the larger number holds."""
    for key, value in reported.items():
        if not value:
            continue
        destination = names.get(key)
        if type(destination) is str:
            if type(value) is int:  # as `read.count` gives it, without the call
                if counts.get(destination, 0) < value <= MOST_TOKENS:
                    counts[destination] = value
            else:
                amount = _AMOUNTS.get(destination, read.count)(value)
                if amount > counts.get(destination, 0):
                    counts[destination] = amount
        elif destination is not None:
            _collect(counts, read.fields(value), destination)  # type: ignore[arg-type]


def _largest(value: object) -> int:
    """The largest count in or below a node."""
    if not read.is_node(value):
        return read.count(value)
    return max(map(_largest, read.fields(value).values()), default=0)


# How to read what is no plain count.
_AMOUNTS: Mapping[str, Callable[[object], float]] = {
    "audio_seconds": read.seconds,
    "uncounted_tools": _largest,
}


def _usage(
    counts: Counts, endpoint: Endpoint, dialect: Dialect, *, cache_beside: bool
) -> Usage | None:
    of = counts.get
    total, seconds = of("total_tokens", 0), of("audio_seconds", 0.0)
    if seconds:
        seconds = read.seconds(seconds)
    result = Usage(of("input_tokens", 0), of("output_tokens", 0), audio_seconds=seconds)
    if not counts.keys() <= _PLAIN:
        _fill_parts(result, counts)
        if cache_beside:
            result.input_tokens += result.cache_read_tokens + result.cache_write_tokens
        else:
            _add_cache_beside(result, total, dialect, "cache_read_input_tokens" in counts)
    if endpoint.kind in _INPUT_ONLY:
        result.input_tokens = result.input_tokens or total
    if total != result.input_tokens + result.output_tokens or result.reasoning_tokens:
        _explain(result, total, dialect, input_only=endpoint.kind in _INPUT_ONLY)
    if endpoint.kind == "image" and not result.image_output_tokens:
        # The Images endpoints give no details: what they put out is an image.
        result.image_output_tokens = max(result.output_tokens - of("text_output_tokens", 0), 0)
    if not (result.input_tokens or result.output_tokens or seconds):
        return None
    # No prompt is empty: an input of 0 was not counted.
    contradictory = result.reasoning_tokens > result.output_tokens
    unread = not (result.input_tokens or seconds) or contradictory
    result.partial = unread or "uncounted_tools" in counts
    return result


def _fill_parts(result: Usage, counts: Counts) -> None:
    of = counts.get
    result.cache_read_tokens = max(of("cache_read_tokens", 0), of("cache_read_input_tokens", 0))
    long = result.cache_write_long_tokens = of("cache_write_long_tokens", 0)
    lifetimes = of("cache_write_short_tokens", 0) + long
    result.cache_write_tokens = max(of("cache_write_tokens", 0), lifetimes)
    for name in counts.keys() & _PARTS:
        setattr(result, name, counts[name])


def _add_cache_beside(result: Usage, total: int, dialect: Dialect, exclusive_name: bool) -> None:
    """Add cached tokens that lie beside the input, as Anthropic counts them.

    Most gateways keep Anthropic's names and add the tokens to OpenAI's `prompt_tokens`, some do
    not. The total shows it, or an input smaller than its parts.
    https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching
    """
    read_tokens, written, known = (
        result.cache_read_tokens,
        result.cache_write_tokens,
        result.input_tokens,
    )
    beside = read_tokens + written
    if not beside:
        return
    too_small = False
    if written or exclusive_name:
        too_small = read_tokens > known or (not read_tokens and written > known)
    # Where thoughts are in the total alone, a rest as large as the cache is chance.
    in_total = not dialect.thoughts_in_total and total == known + result.output_tokens + beside
    if too_small or in_total:
        result.input_tokens += beside


# Sums that proxies make of many tokens are off by one or two.
_MANY = 50
_ROUNDING = 2


def _explain(result: Usage, total: int, dialect: Dialect, *, input_only: bool) -> None:
    """Find what the total holds beyond input and output; what nothing explains marks the usage."""
    thoughts, excess = result.reasoning_tokens, total - result.input_tokens - result.output_tokens
    all_thoughts = excess > 0 and abs(excess - thoughts) <= (thoughts >= _MANY) * _ROUNDING
    # xAI and others report the reasoning beside the output, not inside it.
    if thoughts and (all_thoughts or (thoughts > result.output_tokens and excess)):
        result.output_tokens += thoughts
        excess = 0 if all_thoughts else excess - thoughts
    if excess <= 0:
        return
    if dialect.thoughts_in_total and result.input_tokens and not input_only:
        result.output_tokens += excess
    elif input_only or result.audio_seconds or (result.input_tokens and result.output_tokens):
        result.unexplained_tokens = excess
    elif result.output_tokens:
        result.input_tokens = excess
    elif result.input_tokens:
        result.output_tokens = excess
