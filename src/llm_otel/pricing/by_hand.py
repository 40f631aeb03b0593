"""The cost of a usage that the caller has in hand, outside any instrumented call."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from llm_otel.pricing.engine import Pricing
from llm_otel.pricing.rates import Cost
from llm_otel.usage import Usage

_WAIT_S: Final = 30.0
_QUANTITIES: Final = tuple(
    f.name for f in dataclasses.fields(Usage) if f.name not in ("extra", "partial")
)
_FRACTIONAL: Final = frozenset({"audio_seconds"})
# Each of these counts a part of the other.
_PARTS: Final = (
    ("cache_read_tokens", "input_tokens"),
    ("cache_write_tokens", "input_tokens"),
    ("cache_write_long_tokens", "cache_write_tokens"),
    ("audio_input_tokens", "input_tokens"),
    ("image_input_tokens", "input_tokens"),
    ("preview_searches", "web_searches"),
    ("annotated_pages", "pages"),
    ("audio_cache_read_tokens", "cache_read_tokens"),
    ("image_cache_read_tokens", "cache_read_tokens"),
    ("reasoning_tokens", "output_tokens"),
    ("audio_output_tokens", "output_tokens"),
    ("image_output_tokens", "output_tokens"),
)

_default: Pricing | None = None
_default_lock = threading.Lock()


def cost_by_hand(
    pricing: Pricing,
    usage: Usage | Mapping[str, Any] | None = None,
    *,
    model: str,
    provider: str = "openai",
    service_tier: str | None = None,
    host: str | None = None,
    when: datetime | None = None,
    duration_s: float | None = None,
    requests: int = 1,
    **quantities: float,
) -> Cost | None:
    """What `usage` costs in USD; None when the price is not known.

    Waits for the price table, up to 30 s, the first time in a process.

    Args:
        pricing: Whose prices.
        usage: A `Usage`, or a mapping with the names of its fields; None: by keyword.
        model, provider, service_tier, host, when, duration_s, requests: As of `Pricing.cost`.
        quantities: Fields of `Usage`.

    Raises:
        ValueError: A field is unknown, not a count, or larger than the field it is a part of.
    """
    if isinstance(usage, Usage):
        if quantities:
            raise ValueError("give either a Usage or its fields as keywords, not both")
        fields = usage
    else:
        fields = _usage({**(usage or {}), **quantities})
    pricing.start()
    pricing.wait(_WAIT_S)
    return pricing.cost(
        provider,
        model,
        fields,
        service_tier=service_tier,
        host=host,
        when=when,
        duration_s=duration_s,
        requests=requests,
    )


def cost(
    usage: Usage | Mapping[str, Any] | None = None, *, model: str, **options: Any
) -> Cost | None:
    """`cost_by_hand` at list prices, for a process that has no `Pricing` of its own."""
    global _default
    if _default is None:
        with _default_lock:
            _default = _default or Pricing()
    return cost_by_hand(_default, usage, model=model, **options)


def _usage(fields: Mapping[str, Any]) -> Usage:
    for name, value in fields.items():
        if name not in _QUANTITIES:
            raise ValueError(
                f"usage has no field {name!r}; its fields are {', '.join(_QUANTITIES)}"
            )
        kinds = (int, float) if name in _FRACTIONAL else (int,)
        number = isinstance(value, kinds) and not isinstance(value, bool)
        if not number or value < 0 or not math.isfinite(value):
            raise ValueError(f"usage field {name!r} must be a number, 0 or more, not {value!r}")
    for part, whole in _PARTS:
        if fields.get(part, 0) > fields.get(whole, 0):
            raise ValueError(f"usage field {part!r} is a part of {whole!r} and cannot exceed it")
    return Usage(**fields)
