"""The usage of OpenAI's endpoints, in the words and parts of all who imitate them.

The provider's total is a check sum. What it holds beyond input and output is either known to be
something (thoughts, cached tokens, audio), or marks the usage: its cost is then incomplete.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llm_otel.protocols import usage as reported_usage
from llm_otel.protocols.spec import Endpoint, UsageMap
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.providers.dialects import Dialect

# Lifetimes of what was written to a cache: Anthropic's 5 minutes and 1 hour, OpenAI's 12 hours.
# https://docs.anthropic.com/en/api/messages (usage.cache_creation)
_LIFETIMES: UsageMap = {
    "ephemeral_5m_input_tokens": "cache_write_short_tokens",
    "ephemeral_1h_input_tokens": "cache_write_long_tokens",
    "ttl_30m_tokens": "cache_write_short_tokens",
    "ttl_12h_tokens": "cache_write_long_tokens",
}

_CACHED_PARTS: UsageMap = {
    "audio_tokens": "audio_cache_read_tokens",
    "image_tokens": "image_cache_read_tokens",
    "cached_image_tokens": "image_cache_read_tokens",
}

# What was read from a cache and written to one, by OpenAI's names and those that gateways pass on
# or invent: Anthropic's (top level or details), LiteLLM's, DashScope's, new-api's, Bedrock's,
# Requesty's (caching) and Bifrost's (cached_read).
_CACHE: UsageMap = {
    "cached_tokens": "cache_read_tokens",
    "num_cached_tokens": "cache_read_tokens",  # Mistral
    "cache_read_tokens": "cache_read_tokens",
    "cached_input_tokens": "cache_read_tokens",
    "cached_content_token_count": "cache_read_tokens",
    "cachedContentTokenCount": "cache_read_tokens",
    "cache_read_input_tokens": "cache_read_input_tokens",
    "cacheReadInputTokens": "cache_read_input_tokens",
    "cacheReadInputTokenCount": "cache_read_input_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_input_tokens": "cache_write_tokens",
    "cache_creation_tokens": "cache_write_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
    "cached_creation_tokens": "cache_write_tokens",
    "caching_tokens": "cache_write_tokens",
    "cacheWriteInputTokens": "cache_write_tokens",
    "cacheWriteInputTokenCount": "cache_write_tokens",
    "cache_creation": _LIFETIMES,
    "cache_creation_token_details": _LIFETIMES,
    "cache_write_tokens_details": _LIFETIMES,
    "cached_read_tokens": "cache_read_tokens",
    "cached_write_tokens": "cache_write_tokens",
    "cache_creation_5m_tokens": "cache_write_short_tokens",
    "cache_creation_1h_tokens": "cache_write_long_tokens",
    "cache_creation_5m_input_tokens": "cache_write_short_tokens",
    "cache_creation_1h_input_tokens": "cache_write_long_tokens",
    "claude_cache_creation_5_m_tokens": "cache_write_short_tokens",
    "claude_cache_creation_1_h_tokens": "cache_write_long_tokens",
    "cached_tokens_details": _CACHED_PARTS,
}

_INPUT_PARTS: UsageMap = {
    **_CACHE,
    **_LIFETIMES,
    "audio_tokens": "audio_input_tokens",
    "image_tokens": "image_input_tokens",
    "web_search_requests": "web_searches",
}
_OUTPUT_PARTS: UsageMap = {
    "reasoning_tokens": "reasoning_tokens",
    "audio_tokens": "audio_output_tokens",
    "image_tokens": "image_output_tokens",
    "text_tokens": "text_output_tokens",
}

# The usage of every endpoint. Which words a provider uses does not depend on the endpoint: there
# are gateways that answer chat in the words of the Responses API, and the other way round.
# https://platform.openai.com/docs/api-reference/chat/object, …/responses/object,
# …/images/object, …/audio/json-object
USAGE: UsageMap = {
    **_CACHE,
    "prompt_tokens": "input_tokens",
    "input_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "output_tokens": "output_tokens",
    # watsonx.ai: https://cloud.ibm.com/apidocs/watsonx-ai
    "input_token_count": "input_tokens",
    "generated_token_count": "output_tokens",
    "total_tokens": "total_tokens",
    "prompt_tokens_details": _INPUT_PARTS,
    "prompt_token_details": _INPUT_PARTS,  # Mistral
    "input_tokens_details": _INPUT_PARTS,
    "input_token_details": _INPUT_PARTS,
    "completion_tokens_details": _OUTPUT_PARTS,
    "output_tokens_details": _OUTPUT_PARTS,
    "output_token_details": _OUTPUT_PARTS,
    # DeepSeek: https://api-docs.deepseek.com/api/create-chat-completion
    "prompt_cache_hit_tokens": "cache_read_tokens",
    # Perplexity, SGLang and others put it beside the output's tokens.
    "reasoning_tokens": "reasoning_tokens",
    # Transcription: OpenAI bills tokens or seconds, Mistral seconds besides the tokens.
    # https://docs.mistral.ai/capabilities/audio/
    "seconds": "audio_seconds",
    "prompt_audio_seconds": "audio_seconds",
    # Searches: Perplexity's deep research; Anthropic's usage, passed on by gateways.
    "num_search_queries": "web_searches",
    "server_tool_use": {
        "web_search_requests": "web_searches",
        "code_execution_requests": "uncounted_tools",
    },
    # Tools that the provider ran and bills by a price of their own: any number below marks the
    # cost. Mistral: connectors; Volcengine: tool_usage; DashScope: x_tools and plugins.
    "connectors": "uncounted_tools",
    "tool_usage": "uncounted_tools",
    "x_tools": "uncounted_tools",
    "plugins": "uncounted_tools",
}


def usage(
    node: object, endpoint: Endpoint, dialect: Dialect, reported: object = None
) -> Usage | None:
    """As `protocols.usage.usage`, with what imitators make of the numbers put right.

    Args:
        node: The answer, a body or an SDK's object.
        endpoint: Where the numbers are.
        dialect: What is particular to the provider.
        reported: The usage itself where `node` does not hold it, as the chunks of a stream do.
    """
    counts, fields = reported_usage.counted(node, endpoint, reported)
    if not counts:
        return None
    result, total = reported_usage.of_counts(counts), counts.get("total_tokens", 0)
    if not counts.keys() <= reported_usage.PLAIN:
        if _as_anthropic(fields):
            result.input_tokens += result.cache_read_tokens + result.cache_write_tokens
        else:
            _add_cache_beside(result, total, dialect, "cache_read_input_tokens" in counts)
    if endpoint.input_only:
        result.input_tokens = result.input_tokens or total
    if total != result.input_tokens + result.output_tokens or result.reasoning_tokens:
        _explain(result, total, dialect, input_only=endpoint.input_only)
    if endpoint.images_out and not result.image_output_tokens:
        # The Images endpoints give no details: what they put out is an image.
        result.image_output_tokens = max(
            result.output_tokens - counts.get("text_output_tokens", 0), 0
        )
    if not (result.input_tokens or result.output_tokens or result.audio_seconds):
        return None
    unread = not (result.input_tokens or result.audio_seconds)
    contradictory = result.reasoning_tokens > result.output_tokens
    result.partial = unread or contradictory or "uncounted_tools" in counts
    return result


def _as_anthropic(fields: Mapping[str, object]) -> bool:
    """Whether a usage is Anthropic's own, whose input does not hold the cached tokens.

    new-api says so in a field; else its key names do, without any of OpenAI's.
    """
    if fields.get("prompt_tokens") is not None:
        return fields.get("usage_semantic") == "anthropic"
    return fields.get("total_tokens") is None and not _ANTHROPIC.isdisjoint(fields)


_ANTHROPIC = frozenset({"cache_read_input_tokens", "cache_creation_input_tokens"})


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
