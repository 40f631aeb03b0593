"""How many tokens a call used, by one rule whichever way its sender counts cached ones.

In the lake the input includes the tokens that were read from a cache or written to one, as the
conventions say. Anthropic and Amazon Bedrock report them beside the input, and some senders pass
that on unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llm_otel import semconv
from llm_otel.lake.decode.quantities import count

USAGE: Final = (
    semconv.USAGE_INPUT_TOKENS,
    semconv.USAGE_OUTPUT_TOKENS,
    semconv.USAGE_CACHE_READ,
    semconv.USAGE_CACHE_WRITE,
    semconv.USAGE_REASONING,
)

# The sum of all tokens, under the names of several instrumentations.
TOTALS: Final = ("gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total")

# Anthropic's own names: who passes these on passes on its way of counting too.
UNCHANGED: Final = frozenset(
    {"gen_ai.usage.cache_read_input_tokens", "gen_ai.usage.cache_creation_input_tokens"}
)
BESIDE: Final = frozenset({"anthropic", "aws.bedrock"})

# Whose thoughts some senders leave out of the output: they are in the total alone.
THINKING_IN_TOTAL: Final = frozenset({"gcp.gemini", "gcp.vertex_ai", "gcp.gen_ai"})

# Operations that are billed for their input alone.
INPUT_ONLY: Final = frozenset({semconv.EMBEDDINGS, semconv.RERANK})

# Operations whose answer is made of tokens: without their count the usage is not whole.
GENERATING: Final = (
    semconv.CHAT,
    semconv.TEXT_COMPLETION,
    "generate_content",
    semconv.FETCH_RESPONSE,
)


def is_unchanged(attributes: Mapping[str, Any]) -> bool:
    """Whether a sender passed on the names of Anthropic's usage, before these are renamed."""
    return not UNCHANGED.isdisjoint(attributes)


def usage_of(
    attributes: Mapping[str, Any], numbers: Mapping[str, Any], *, unchanged: bool
) -> list[int | None]:
    """The five counts of `USAGE`, cached tokens inside the input.

    Args:
        attributes: Of the span, under the names of today.
        numbers: Those that are numbers, as of `quantities.numbers`.
        unchanged: As of `is_unchanged`.
    """
    usage = [numbers.get(name) for name in USAGE]
    if usage[4] and usage[1] is not None and usage[4] > usage[1]:
        usage[1] += usage[4]  # thoughts beside the output, as Gemini and xAI count them
    total = count(next((attributes[name] for name in TOTALS if name in attributes), None))
    named = attributes.get(semconv.PROVIDER_NAME)
    provider = named if isinstance(named, str) else None
    if usage[0] is not None and (usage[2] or usage[3]):
        by_provider = unchanged and provider in BESIDE
        usage[0] += _beside(usage, total, by_provider=by_provider)
    if total is None:
        return usage
    if usage[0] is None and usage[1] is None:
        if attributes.get(semconv.OPERATION_NAME) in INPUT_ONLY:
            usage[0] = total
    elif usage[0] is not None and usage[1] is not None and provider in THINKING_IN_TOTAL:
        usage[1] += max(total - usage[0] - usage[1], 0)
    return usage


def _beside(usage: list[int | None], total: int | None, *, by_provider: bool) -> int:
    """How many cached tokens the input does not include."""
    inputs, read, written = (usage[at] or 0 for at in (0, 2, 3))
    cached = read + written
    if cached > inputs:
        return cached
    if total is not None and usage[1] is not None:
        rest = total - inputs - usage[1]
        if rest in (0, read, written, cached):
            return rest
    return cached if by_provider else 0


def is_partial(usage: list[int | None], operation: object) -> bool:
    """Whether one of input and output is known and the other one, which is billed too, is not."""
    if usage[0] is None:
        return usage[1] is not None
    return usage[1] is None and operation in GENERATING
