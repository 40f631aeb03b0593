"""What a call is worth, and what is kept of its content: read one call at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import llm_otel
from llm_otel import semconv
from llm_otel.foreign.names.providers import maker_of, without_router
from llm_otel.lake.decode.values import as_text

LOCAL: Final = "local"
NO_COST: Final = (None, None, False)
PREFIX: Final = 1024

_CUT: Final = len(semconv.TAG_PREFIX)


def tags(attributes: Mapping[str, Any]) -> list[tuple[str, str]] | None:
    """The tags of a span, None where it has none."""
    found = [
        (name[_CUT:], as_text(value))
        for name, value in attributes.items()
        if name.startswith(semconv.TAG_PREFIX)
    ]
    return found or None


def local_cost(
    provider: str | None, model: str | None, usage: Sequence[int | None]
) -> tuple[float | None, str | None, bool]:
    """The cost of the counts of `USAGE` by our prices, for a sender that did not say.

    Returns:
        USD and its source (None: not known), and whether a part of the usage has no price.
    """
    if model is None:
        return NO_COST
    inputs, outputs, read, written, reasoning = (count or 0 for count in usage)
    if read > inputs or written > inputs or reasoning > outputs:
        return NO_COST
    biller = maker_of(model) if provider is None else provider
    model = without_router(model)
    options = {} if biller is None else {"provider": biller}
    used = llm_otel.Usage(
        input_tokens=inputs,
        output_tokens=outputs,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
    )
    cost = llm_otel.cost(used, model=model, **options)
    return NO_COST if cost is None else (cost.total, LOCAL, cost.incomplete)


def prefix_hash(system: str | None, messages: str | None) -> int | None:
    """A hash of the first characters of the captured input; None where there are fewer."""
    start = f"{system or ''}{messages or ''}"[:PREFIX]
    if len(start) < PREFIX:
        return None
    digest = hashlib.blake2b(start.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
