"""Reads the usage that a provider reports by what its protocol's `UsageMap` says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from llm_otel.base import read
from llm_otel.base.read import MOST_TOKENS
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.protocols.spec import Endpoint, UsageMap

# Counts under the names of `Usage`, and some that only serve to find those. What is reported beside
# a count, to be added to it, stands under that count's name with a `+` in front, by its own name.
Counts = dict[str, Any]
_BESIDE = "+"
# What a part can be added to.
_SUMS = ("input_tokens", "output_tokens")

# Fields of `Usage` that need no arithmetic.
_PARTS = frozenset({
    "audio_input_tokens", "image_input_tokens", "audio_output_tokens", "image_output_tokens",
    "audio_cache_read_tokens", "image_cache_read_tokens", "reasoning_tokens", "web_searches",
    "search_units", "pages", "annotated_pages", "images", "image_pixels",
})  # fmt: skip

# The counts that most usages hold, and no others.
PLAIN = frozenset({"input_tokens", "output_tokens", "total_tokens"})


def usage(node: object, endpoint: Endpoint, reported: object = None) -> Usage | None:
    """The usage in an answer or a chunk; None when it holds none, or only zeros.

    Zeros are no knowledge: providers send them as placeholders, and for calls that they failed to
    count. Every call that is billed has at least one token or second.

    Args:
        node: The answer, a body or an SDK's object.
        endpoint: Where the numbers are.
        reported: The usage itself where `node` does not hold it, as the chunks of a stream do.
    """
    counts, _ = counted(node, endpoint, reported)
    if not counts:
        return None
    result = of_counts(counts)
    holds = result.input_tokens or result.output_tokens or result.audio_seconds
    return result if holds or result.in_units else None


def counted(
    node: object, endpoint: Endpoint, reported: object = None
) -> tuple[Counts, Mapping[str, object]]:
    """What is counted where an endpoint says, and the object that was read for it."""
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
    return counts, fields


def of_counts(counts: Counts) -> Usage:
    """The usage that counts make, `partial` where tools were billed that nobody counted, or where
    the input was not: no prompt is empty."""
    of = counts.get
    seconds = of("audio_seconds", 0.0)
    if seconds:
        seconds = read.seconds(seconds)
    result = Usage(of("input_tokens", 0), of("output_tokens", 0), audio_seconds=seconds)
    if not counts.keys() <= PLAIN:
        _fill_parts(result, counts)
        for name in _SUMS:
            if parts := of(_BESIDE + name):
                setattr(result, name, getattr(result, name) + sum(parts.values()))
        result.partial = "uncounted_tools" in counts
    if not (result.input_tokens or seconds or result.in_units):
        result.partial = True
    return result


def _fill_parts(result: Usage, counts: Counts) -> None:
    of = counts.get
    result.cache_read_tokens = max(of("cache_read_tokens", 0), of("cache_read_input_tokens", 0))
    long = result.cache_write_long_tokens = of("cache_write_long_tokens", 0)
    lifetimes = of("cache_write_short_tokens", 0) + long
    result.cache_write_tokens = max(of("cache_write_tokens", 0), lifetimes)
    for name in counts.keys() & _PARTS:
        setattr(result, name, counts[name])


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
        elif destination is None:
            pass
        elif type(destination) is tuple:
            _add_beside(counts, destination, read.count(value))
        else:
            _collect(counts, read.fields(value), destination)  # type: ignore[arg-type]


def _add_beside(counts: Counts, destination: tuple[str, ...], amount: int) -> None:
    """Count what a provider reports beside the counts that hold it in `Usage`."""
    name, *sums = destination
    counts[name] = amount = max(counts.get(name, 0), amount)
    for each in sums:
        counts.setdefault(_BESIDE + each, {})[name] = amount


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
