"""Why a span that is stored holds no model call, for whoever reads a page."""

from __future__ import annotations

import re
from typing import Final

from llm_otel import semconv
from llm_otel.lake.decode.names.operations import CALLS, STREAM_START

_REPEATS: Final = "repeats what the span {0} below it says"

# Operation -> the reason.
_OPERATIONS: Final = {
    semconv.INVOKE_AGENT: "an agent: its model calls are spans of their own",
    "create_agent": "makes an agent, and asks no model",
    semconv.INVOKE_WORKFLOW: "a workflow or chain: its model calls are spans of their own",
    semconv.EXECUTE_TOOL: "a tool",
    semconv.RETRIEVAL: "a search in a store",
    semconv.CACHED_ANSWER: "an answer from the program's own cache: no provider was asked",
    "framework": "a step of a framework",
    "step": "a step of a framework",
    "task": "a step of a framework",
    "guardrail": "a guardrail",
    "evaluation": "an evaluation",
    "prompt": "makes a prompt",
    "parser": "reads an answer",
    "memory": "a memory",
    "vectordb": "a search in a store",
    STREAM_START: "sends a request: Logfire's span 'streaming response from …' tells of its answer",
    "ai.generateText": _REPEATS.format("ai.generateText.doGenerate"),
    "ai.streamText": _REPEATS.format("ai.streamText.doStream"),
    "ai.generateObject": _REPEATS.format("ai.generateObject.doGenerate"),
    "ai.streamObject": _REPEATS.format("ai.streamObject.doStream"),
    "ai.embed": _REPEATS.format("ai.embed.doEmbed"),
    "ai.embedMany": _REPEATS.format("ai.embedMany.doEmbed"),
    "ai.rerank": _REPEATS.format("ai.rerank.doRerank"),
}

# Names of spans that name no operation -> the reason, the first that matches.
_NAMES: Final = tuple(
    (re.compile(pattern), reason)
    for pattern, reason in (
        (r"raw_gen_ai_request$", "repeats what LiteLLM's own span says"),
        (r"(Received|Failed) Proxy Server Request$", "the proxy's request: its call is below"),
        (r"(handle_responses|receiving_stream|receiving|session_task\.turn|run_turn)$",
         "Codex tells of the request in its event codex.sse_event: export logs too"),
        (r"claude_code\.", "a step of Claude Code"),
        (r"(invocation|agent_run|invoke_agent|agent run)\b",
         "an agent: its model calls are spans of their own"),
        (r"(execute_tool|running tool|tool)\b", "a tool"),
        (r"(workflow|executor|edge_group|message)\.", "a step of a framework"),
        (r"haystack\.(pipeline|component|async_pipeline)", "a step of a framework, or its usage "
         "is not told: Haystack tells it with the content of its components"),
        (r"(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|HTTP)\b", "an HTTP request"),
    )
)  # fmt: skip

_SILENT: Final = "names no operation that asks a model, and no model with its tokens"


def why_no_call(operation: str | None, name: str) -> str | None:
    """Why a span is no model call; None for one that is.

    Args:
        operation: The column `operation`.
        name: The column `name`.
    """
    if operation in CALLS:
        return None
    if operation in _OPERATIONS:
        return _OPERATIONS[operation]
    for pattern, reason in _NAMES:
        if pattern.match(name):
            return reason
    return _SILENT if operation is None else f"the operation {operation!r} asks no model"
