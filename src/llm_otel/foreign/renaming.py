"""What another vocabulary's attribute is called today."""

from __future__ import annotations

from typing import Final

from llm_otel import semconv
from llm_otel.foreign import corrections, json_usage
from llm_otel.foreign.names import ai_sdk, conventions, json_texts, langsmith, openinference
from llm_otel.foreign.names.content import INDEXED, PROPERTIES, TEXTS
from llm_otel.foreign.names.operations import STEPS

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


def target_of(name: str) -> str:
    """What an attribute is called today."""
    if name.startswith(PROPERTIES) and name not in RENAMED:
        return semconv.TAG_PREFIX + name[len(PROPERTIES) :]
    return RENAMED.get(name, name)


def rank_of(name: str) -> int:
    """Of several names for one attribute, the lowest wins; of equal ones, the first on the span."""
    return _RANKS.get(name, -1)
