"""What a span does: the words of each vocabulary, and which of them ask a provider."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from llm_otel import semconv
from llm_otel.foreign.word_cache import by_word

# Operations that ask a provider; all others (agents, tools, workflows, stores) are spans only.
CALLS: Final = frozenset(
    {
        semconv.CHAT,
        semconv.TEXT_COMPLETION,
        semconv.GENERATE_CONTENT,
        semconv.EMBEDDINGS,
        semconv.IMAGE_GENERATION,
        semconv.VIDEO_GENERATION,
        semconv.SPEECH,
        semconv.TRANSCRIPTION,
        semconv.MODERATION,
        semconv.RERANK,
        semconv.OCR,
        semconv.FETCH_RESPONSE,
        semconv.CANCEL_RESPONSE,
        semconv.CREATE_CACHE,
        semconv.CREATE_BATCH,
        semconv.FETCH_BATCH,
        semconv.CANCEL_BATCH,
    }
)

# The first of the two spans that Logfire makes of a stream: the other one is the call.
STREAM_START: Final = "stream_start"

# What other vocabularies call an operation, in lower case and with `_` for every space and dash.
OPERATIONS: Final[Mapping[str, str]] = {
    # OpenInference, OpenLLMetry, OpenLIT, LangSmith.
    "llm": semconv.CHAT,
    "completion": semconv.TEXT_COMPLETION,
    "embedding": semconv.EMBEDDINGS,
    "reranker": semconv.RERANK,
    "image": semconv.IMAGE_GENERATION,
    "audio": semconv.SPEECH,
    "text_to_speech": semconv.SPEECH,
    "speech_to_text": semconv.TRANSCRIPTION,
    "model_request": semconv.CHAT,
    "agent": semconv.INVOKE_AGENT,
    "tool": semconv.EXECUTE_TOOL,
    "workflow": semconv.INVOKE_WORKFLOW,
    "chain": semconv.INVOKE_WORKFLOW,
    "retriever": semconv.RETRIEVAL,
    # Semantic Kernel before 1.40, in Python and .NET.
    "chat.completions": semconv.CHAT,
    "chat.completion": semconv.CHAT,
    "chat_completions": semconv.CHAT,
    "chatcompletion": semconv.CHAT,
    "completions": semconv.CHAT,
    # Traceloop's OpenAI Agents, Sentry, the AI SDK's and Bedrock's own words.
    "response": semconv.CHAT,
    "generate_text": semconv.CHAT,
    "stream_text": semconv.CHAT,
    "generate_object": semconv.CHAT,
    "stream_object": semconv.CHAT,
    "text_generation": semconv.TEXT_COMPLETION,
    "invokemodel": semconv.CHAT,
    "invokemodelwithresponsestream": semconv.CHAT,
    "conversestream": semconv.CHAT,
    "embeddings.create": semconv.EMBEDDINGS,
    "models.generate_content": semconv.GENERATE_CONTENT,
    "chat.streaming_completions": semconv.CHAT,
    "text.completions": semconv.TEXT_COMPLETION,
    "text.streaming_completions": semconv.TEXT_COMPLETION,
    "text_completions": semconv.TEXT_COMPLETION,
    # LiteLLM: its functions' names (`litellm.types.utils.CallTypes`).
    "acompletion": semconv.CHAT,
    "chat_completion": semconv.CHAT,
    "text_completion": semconv.TEXT_COMPLETION,
    "atext_completion": semconv.TEXT_COMPLETION,
    "responses": semconv.CHAT,
    "aresponses": semconv.CHAT,
    "anthropic_messages": semconv.CHAT,
    "agenerate_content": semconv.GENERATE_CONTENT,
    "generate_content_stream": semconv.GENERATE_CONTENT,
    "agenerate_content_stream": semconv.GENERATE_CONTENT,
    "aembedding": semconv.EMBEDDINGS,
    "aimage_generation": semconv.IMAGE_GENERATION,
    "image_edit": semconv.IMAGE_GENERATION,
    "aimage_edit": semconv.IMAGE_GENERATION,
    "aspeech": semconv.SPEECH,
    "atranscription": semconv.TRANSCRIPTION,
    "amoderation": semconv.MODERATION,
    "arerank": semconv.RERANK,
    # Gemini CLI, Amazon Bedrock's own names, and what hand-written spans say.
    "llm_call": semconv.GENERATE_CONTENT,
    "generate": semconv.CHAT,
    "generation": semconv.CHAT,
    "messages": semconv.CHAT,
    "converse": semconv.CHAT,
    "converse_stream": semconv.CHAT,
    "invoke_model": semconv.CHAT,
    "invoke_model_with_response_stream": semconv.CHAT,
    "generatecontent": semconv.GENERATE_CONTENT,
    "embed": semconv.EMBEDDINGS,
    "embed_content": semconv.EMBEDDINGS,
}

# Parts of words for steps that ask no model themselves, whatever usage they sum up.
_STEPS_BY_WORD: Final = re.compile(
    "agent|tool|workflow|chain|task|step|run|turn|session|graph|crew|framework|retriev|memory|eval"
    "|guardrail|prompt|plan|search|query|generate(text|object)|streamtext"
)

# Runs of an agent at a provider, who asks the model: the request, where they have its usage.
# Azure AI Agents 1.1, and AI Projects 2.10 with the provider's name.
_REMOTE_RUNS: Final = frozenset({"process_thread_run", "get_thread_run"})
REMOTE_AGENTS: Final = frozenset({"microsoft.foundry"})

# Words that say that the answer was a stream.
STREAMS: Final = frozenset(
    {
        "chat.streaming_completions", "text.streaming_completions", "generate_content_stream",
        "agenerate_content_stream", "converse_stream", "invoke_model_with_response_stream",
    }
)  # fmt: skip

# Attributes by which an emitter says what kind of step a span is, the first decides. Such a kind
# wins over the operation's name, which somebody else may have written onto the span. Kinds in
# lower case; one that is not listed says nothing.
_AGENT, _TOOL, _FLOW = semconv.INVOKE_AGENT, semconv.EXECUTE_TOOL, semconv.INVOKE_WORKFLOW
_CHAT, _EMBED, _RERANK = semconv.CHAT, semconv.EMBEDDINGS, semconv.RERANK
_PLAIN_KINDS: Final = {
    "llm": _CHAT,
    "chat_model": _CHAT,
    "generation": _CHAT,
    "embedding": _EMBED,
    "reranker": _RERANK,
    "agent": _AGENT,
    "tool": _TOOL,
    "chain": _FLOW,
    "workflow": _FLOW,
    "task": "task",
    "retriever": semconv.RETRIEVAL,
    "guardrail": "guardrail",
    "evaluator": "evaluation",
    "prompt": "prompt",
    "parser": "parser",
    "memory": "memory",
    "span": "step",
    "event": "step",
    "module": "step",
    "component": "step",
    "function": "step",
    "rag": semconv.RETRIEVAL,
    "evaluation": "evaluation",
    "eval": "evaluation",
    "score": "evaluation",
    "classifier": "evaluation",
}
STEPS: Final[Mapping[str, Mapping[str, str]]] = {
    "openinference.span.kind": _PLAIN_KINDS,
    "traceloop.span.kind": _PLAIN_KINDS,
    "langfuse.observation.type": _PLAIN_KINDS,
    "mlflow.spanType": _PLAIN_KINDS,
    "langsmith.span.kind": _PLAIN_KINDS,
    "lmnr.span.type": _PLAIN_KINDS,
    "langwatch.span.type": _PLAIN_KINDS,
    "braintrust.span_attributes": _PLAIN_KINDS,
    # Alibaba's LoongSuite and others who wrote the kind before the conventions had operations.
    "gen_ai.span.kind": _PLAIN_KINDS,
    # https://ai-sdk.dev/docs/ai-sdk-core/telemetry: only the `do…` spans are requests.
    "ai.operationId": {
        "ai.generatetext.dogenerate": _CHAT,
        "ai.streamtext.dostream": _CHAT,
        "ai.generateobject.dogenerate": _CHAT,
        "ai.streamobject.dostream": _CHAT,
        "ai.embed.doembed": _EMBED,
        "ai.embedmany.doembed": _EMBED,
        "ai.rerank.dorerank": _RERANK,
        "ai.generatetext": "ai.generateText",
        "ai.streamtext": "ai.streamText",
        "ai.generateobject": "ai.generateObject",
        "ai.streamobject": "ai.streamObject",
        "ai.embed": "ai.embed",
        "ai.embedmany": "ai.embedMany",
        "ai.rerank": "ai.rerank",
        "ai.toolcall": _TOOL,
    },
    # Genkit's actions. https://genkit.dev/docs/observability
    "genkit:metadata:subtype": {
        "model": _CHAT,
        "background-model": _CHAT,
        "embedder": _EMBED,
        "reranker": _RERANK,
        "tool": _TOOL,
        "flow": _FLOW,
        "retriever": semconv.RETRIEVAL,
        "evaluator": "evaluation",
    },
    "genkit:type": {"util": "step", "userengagement": "step", "flowstep": "step"},
    # Claude Code. https://code.claude.com/docs/en/monitoring-usage
    "span.type": {
        "llm_request": _CHAT,
        "interaction": _AGENT,
        "tool": _TOOL,
        "tool.execution": "step",
        "tool.blocked_on_user": "step",
        "hook": "step",
    },
}
# Kinds whose answer is a stream.
STREAMED_STEPS: Final = frozenset({"ai.streamtext.dostream", "ai.streamobject.dostream"})

# A span whose name is one of these operations, or begins with one, was made for it, whatever a
# callback wrote onto it later as its operation or its kind.
STEP_NAMES: Final = frozenset({_FLOW, _AGENT, _TOOL, "create_agent", semconv.RETRIEVAL})

# Spans that name no operation: by their name, where they name a model or tokens too.
UNNAMED: Final[Mapping[str, str]] = {
    "call_llm": semconv.GENERATE_CONTENT,  # Google ADK before 2.0
    "llm_request": _CHAT,  # vLLM
    "claude_code.llm_request": _CHAT,
    "litellm_request": _CHAT,
}


@by_word
def may_be_call(word: str) -> bool:
    """Whether an operation that no table knows may be a request, where the span has a model and
    both counts of tokens."""
    if word in _REMOTE_RUNS:
        return True
    return word not in CALLS and _STEPS_BY_WORD.search(word.lower()) is None
