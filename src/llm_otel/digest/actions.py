"""What somebody could do: only what the period's own rows show, with the numbers that show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from llm_otel import formats
from llm_otel.digest import sentences
from llm_otel.digest.model import NONE, Action
from llm_otel.lake.queries import marks
from llm_otel.lake.queries.reader import Reader

_LISTED: Final = 3
# Below this share of the period's cost nothing is worth anybody's time.
_LEAST_SHARE: Final = 0.02
# Input tokens for each output token from which on a prompt is called bloated.
BLOATED: Final = 10
# OpenAI caches prompts from 1,024 tokens on (platform.openai.com/docs/guides/prompt-caching).
_CACHEABLE_TOKENS: Final = 1024


@dataclass(frozen=True, slots=True)
class _Prompt:
    """How a feature asks a model."""

    feature: str | None
    model: str | None
    cost: float
    ratio: float
    input_tokens: float
    cached: float


@dataclass(frozen=True, slots=True)
class _Waste:
    """Calls that failed and were billed."""

    feature: str | None
    calls: int
    cost: float


@dataclass(frozen=True, slots=True)
class _Unpriced:
    model: str | None
    calls: int


# Embeddings have no output, so no ratio.
_PROMPTS: Final = """
    WITH paid AS (SELECT sum(cost_usd) AS total FROM {calls})
    SELECT feature, model, sum(cost_usd) AS cost,
        sum(input_tokens) / sum(output_tokens) AS ratio, avg(input_tokens) AS input_tokens,
        coalesce(sum(cache_read_tokens), 0) / sum(input_tokens) AS cached
    FROM {calls} WHERE output_tokens > 0 AND input_tokens > 0
    GROUP BY 1, 2 HAVING cost >= $share * (SELECT total FROM paid) AND ratio > $bloated
    ORDER BY cost DESC LIMIT $listed
"""
_WASTE: Final = """
    WITH paid AS (SELECT sum(cost_usd) AS total FROM {calls})
    SELECT feature, count(*) AS calls, sum(cost_usd) AS cost
    FROM {calls} WHERE status = 'error' AND cost_usd > 0
    GROUP BY 1 HAVING sum(cost_usd) >= $share * (SELECT total FROM paid)
    ORDER BY cost DESC LIMIT $listed
"""
_UNPRICED: Final = """
    SELECT model, count(*) AS calls FROM {calls}
    WHERE {status} IN ('unpriced', 'incomplete') AND status = 'ok'
    GROUP BY 1 ORDER BY calls DESC LIMIT $listed
""".replace("{status}", marks.STATUS)


def find(reader: Reader) -> Iterator[Action]:
    """What to do about a reader's window, the most rewarding first."""
    for waste in reader.rows(_WASTE, _Waste, share=_LEAST_SHARE, listed=_LISTED):
        yield Action(
            f"Feature {waste.feature or NONE} paid for {sentences.count(waste.calls)} calls that "
            "failed: look at their errors.",
            waste.cost,
        )
    for prompt in reader.rows(
        _PROMPTS, _Prompt, share=_LEAST_SHARE, bloated=BLOATED, listed=_LISTED
    ):
        yield Action(_advice(prompt))
    for unpriced in reader.rows(_UNPRICED, _Unpriced, listed=_LISTED):
        yield Action(
            f"Model {unpriced.model or NONE} has no price "
            f"({sentences.count(unpriced.calls)} calls) "
            "for all or a part of its usage: that cost is missing here; give it one under prices: "
            "in llm-otel.yaml."
        )


def _advice(prompt: _Prompt) -> str:
    finding = (
        f"Feature {prompt.feature or NONE} sends {prompt.model or NONE} {prompt.ratio:.0f} input "
        f"tokens for each output token ({sentences.usd(prompt.cost)} in all)"
    )
    if prompt.input_tokens >= _CACHEABLE_TOKENS and prompt.cached < 0.5:
        share = "none" if prompt.cached < 0.005 else formats.share(prompt.cached)
        return f"{finding}, {share} of them cached: put what repeats first, so that it is cached."
    return f"{finding}: shorten the prompt."
