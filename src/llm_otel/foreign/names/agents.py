"""What coding agents tell in events and metrics of their own.

Sources: Claude Code 2.1 (https://code.claude.com/docs/en/monitoring-usage), Codex 0.137
(`codex-rs/otel/src/events/session_telemetry.rs`), Gemini CLI 0.45
(`packages/core/src/telemetry`, docs/cli/telemetry.md) and Qwen Code, which came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from llm_otel import semconv

# Some of these are in every request with such events: others need not be read again.
MARKERS: Final = (b"claude_code", b"codex.", b"gemini_cli.", b"qwen-code.")


@dataclass(frozen=True)
class Agent:
    """A coding agent.

    Attributes:
        provider: Who answers; None: whoever made the model, whose name it is known by.
        fallback: Who answers where the model's maker is not known.
        operation: Of its requests.
        streams: Whether its answers are streams.
    """

    provider: str | None
    fallback: str | None
    operation: str = semconv.CHAT
    streams: bool = False


CLAUDE_CODE: Final = Agent(None, "anthropic")
CODEX: Final = Agent(None, "openai", streams=True)
GEMINI_CLI: Final = Agent("gcp.gen_ai", None, semconv.GENERATE_CONTENT)
QWEN_CODE: Final = Agent(None, None)


@dataclass(frozen=True)
class RequestEvent:
    """An event that tells of one request to a provider.

    Attributes:
        agent: Whose.
        counts: Name of today -> the attributes whose counts add up to it.
        failed: Whether the request failed.
        needs: One of these attributes must be there.
        when: Values that attributes must have.
    """

    agent: Agent
    counts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    failed: bool = False
    needs: tuple[str, ...] = ()
    when: Mapping[str, str] = field(default_factory=dict)


_CLAUDE_COUNTS: Final = {
    semconv.USAGE_INPUT_TOKENS: ("input_tokens", "cache_read_tokens", "cache_creation_tokens"),
    semconv.USAGE_OUTPUT_TOKENS: ("output_tokens",),
    semconv.USAGE_CACHE_READ: ("cache_read_tokens",),
    semconv.USAGE_CACHE_WRITE: ("cache_creation_tokens",),
}
# `tool_token_count` is the sum of all, whatever it is called.
_CODEX_COUNTS: Final = {
    semconv.USAGE_INPUT_TOKENS: ("input_token_count",),
    semconv.USAGE_OUTPUT_TOKENS: ("output_token_count",),
    semconv.USAGE_CACHE_READ: ("cached_token_count",),
    semconv.USAGE_CACHE_WRITE: ("cache_write_token_count",),
    semconv.USAGE_REASONING: ("reasoning_token_count",),
}
# Thoughts and the tokens of tools are billed, and in neither of the two counts.
_GEMINI_COUNTS: Final = {
    semconv.USAGE_INPUT_TOKENS: ("input_token_count", "tool_token_count"),
    semconv.USAGE_OUTPUT_TOKENS: ("output_token_count", "thoughts_token_count"),
    semconv.USAGE_CACHE_READ: ("cached_content_token_count",),
    semconv.USAGE_REASONING: ("thoughts_token_count",),
}
_QWEN_COUNTS: Final = {
    **_GEMINI_COUNTS,
    # OpenAI's way of counting: thoughts are in the output.
    semconv.USAGE_INPUT_TOKENS: ("input_token_count",),
    semconv.USAGE_OUTPUT_TOKENS: ("output_token_count",),
}
_COMPLETED: Final = {"event.kind": "response.completed"}
_ERRORS: Final = ("error", "error.message", "error_message", "error.type", "error_type")

# Event -> what it tells, the first that fits.
EVENTS: Final[Mapping[str, tuple[RequestEvent, ...]]] = {
    "claude_code.api_request": (RequestEvent(CLAUDE_CODE, _CLAUDE_COUNTS),),
    "claude_code.api_error": (RequestEvent(CLAUDE_CODE, failed=True),),
    "codex.sse_event": (
        RequestEvent(CODEX, _CODEX_COUNTS, needs=("input_token_count",), when=_COMPLETED),
        RequestEvent(CODEX, failed=True, needs=_ERRORS),
    ),
    "codex.api_request": (RequestEvent(CODEX, failed=True, needs=_ERRORS),),
    "gemini_cli.api_response": (RequestEvent(GEMINI_CLI, _GEMINI_COUNTS),),
    "gemini_cli.api_error": (RequestEvent(GEMINI_CLI, failed=True),),
    "qwen-code.api_response": (RequestEvent(QWEN_CODE, _QWEN_COUNTS),),
    "qwen-code.api_error": (RequestEvent(QWEN_CODE, failed=True),),
}

# Attribute of an event -> its name of today. All others may be content, and are left out.
FIELDS: Final[Mapping[str, str]] = {
    "model": semconv.REQUEST_MODEL,
    "cost_usd": semconv.COST_AMOUNT,
    "request_id": semconv.RESPONSE_ID,
    "response_id": semconv.RESPONSE_ID,
    "session.id": semconv.SESSION_ID,
    "conversation.id": semconv.CONVERSATION_ID,
    "user.id": semconv.USER_ID,
    "service_tier": semconv.OPENAI_RESPONSE_SERVICE_TIER,
    "finish_reasons": semconv.RESPONSE_FINISH_REASONS,
    semconv.TENANT_ID: semconv.TENANT_ID,
    semconv.FEATURE: semconv.FEATURE,
    "app.version": "app.version",
    "prompt.id": "prompt.id",
    "prompt_id": "prompt.id",
    "query_source": "query_source",
}
STATUS: Final = ("status_code", "http.response.status_code")
ERROR_TYPES: Final = ("error.type", "error_type")
DURATION: Final = "duration_ms"
FIRST_CHUNK_MS: Final = "ttft_ms"
# What the events of one question to an agent have in common.
TRACES: Final = ("session.id", "conversation.id", "prompt.id", "prompt_id")

# Events beside those: they tell the same again, or hold no request.
KNOWN: Final = ("claude_code.", "codex.", "gemini_cli.", "qwen-code.")


@dataclass(frozen=True)
class AgentMetric:
    """A metric of an agent.

    Attributes:
        agent: Whose.
        type: The attribute that says which tokens; empty for money.
        metrics: Value of `type` -> the metrics of ours that it counts for, with their own label.
        priced: Whether the cost is worked out from the tokens, as no metric tells it.
    """

    agent: Agent
    type: str
    metrics: Mapping[str, tuple[tuple[str, str], ...]]
    priced: bool = False


_INPUT: Final = (semconv.TOKENS_CONSUMED.name, "input")
_OUTPUT: Final = (semconv.TOKENS_CONSUMED.name, "output")
_READ: Final = (semconv.TOKENS_CACHED.name, "read")
_WRITTEN: Final = (semconv.TOKENS_CACHED.name, "write")
_REASONING: Final = (semconv.TOKENS_REASONING.name, "")
_GEMINI_TYPES: Final = {
    "input": (_INPUT,),
    "tool": (_INPUT,),
    "output": (_OUTPUT,),
    "thought": (_OUTPUT, _REASONING),
    "cache": (_READ,),
}

# Gemini CLI tells the same tokens in the conventions' metric too, without thoughts.
METRICS: Final[Mapping[str, AgentMetric]] = {
    "claude_code.cost.usage": AgentMetric(CLAUDE_CODE, "", {"": ((semconv.COST.name, ""),)}),
    "claude_code.token.usage": AgentMetric(
        CLAUDE_CODE,
        "type",
        {
            "input": (_INPUT,),
            "cacheRead": (_INPUT, _READ),
            "cacheCreation": (_INPUT, _WRITTEN),
            "output": (_OUTPUT,),
        },
    ),
    "codex.turn.token_usage": AgentMetric(
        CODEX,
        "token_type",
        {
            "input": (_INPUT,),
            "cached_input": (_READ,),
            "output": (_OUTPUT,),
            "reasoning_output": (_REASONING,),
        },
        priced=True,
    ),
    "gemini_cli.token.usage": AgentMetric(GEMINI_CLI, "type", _GEMINI_TYPES, priced=True),
    "qwen-code.token.usage": AgentMetric(
        QWEN_CODE, "type", {**_GEMINI_TYPES, "tool": (), "thought": (_REASONING,)}, priced=True
    ),
}
