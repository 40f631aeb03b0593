"""How many tokens a call used, by one rule whichever way its sender counts cached ones.

In the lake the input includes the tokens that were read from a cache or written to one, as the
conventions say. Anthropic and Amazon Bedrock report them beside the input, and some senders pass
that on unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llm_otel import semconv

USAGE: Final = (
    semconv.USAGE_INPUT_TOKENS,
    semconv.USAGE_OUTPUT_TOKENS,
    semconv.USAGE_CACHE_READ,
    semconv.USAGE_CACHE_WRITE,
    semconv.USAGE_REASONING,
)

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
    semconv.GENERATE_CONTENT,
    semconv.FETCH_RESPONSE,
)

Count = int | None


def whole_usage(
    counts: Sequence[Count],
    total: Count,
    operation: str | None,
    provider: str | None,
    *,
    unchanged: bool,
) -> list[Count]:
    """The counts of `USAGE` of a call, cached tokens inside the input and reasoning inside the
    output.

    Args:
        counts: As the sender counts, in the order of `USAGE`.
        total: The sum of all tokens.
        operation, provider: As of today.
        unchanged: Whether the sender passed on the names of Anthropic's usage.
    """
    inputs, outputs, *parts = counts
    cache_read, cache_write, reasoning = (count or 0 for count in parts)
    # Thoughts beside the output, as Gemini and xAI count them.
    if outputs is not None and reasoning > outputs:
        outputs += reasoning
    # Cached tokens beside the input: there are more of them, or the total needs them, or the
    # sender passed on what such a provider counts.
    cached = cache_read + cache_write
    if inputs is not None and cached:
        rest = None if total is None or outputs is None else total - inputs - outputs
        if cached > inputs:
            inputs += cached
        elif rest in (0, cache_read, cache_write, cached):
            inputs += rest or 0
        elif unchanged and provider in BESIDE:
            inputs += cached
    if total is not None:
        if inputs is None and outputs is None:
            inputs = total if operation in INPUT_ONLY else None
        elif inputs is not None and outputs is not None and provider in THINKING_IN_TOTAL:
            outputs += max(total - inputs - outputs, 0)
    return [inputs, outputs, *parts]


def is_partial(inputs: Count, outputs: Count, operation: str | None) -> bool:
    """Whether one of input and output is known and the other one, which is billed too, is not."""
    if inputs is None:
        return outputs is not None
    return outputs is None and operation in GENERATING
