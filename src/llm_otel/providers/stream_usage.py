"""What a host does about a stream's usage: sends it unasked, sends it on request, or refuses.

Each host has its source: the provider's documentation, or a public recording of its answers.
A host that sends usage unasked is never asked: there is nothing to win, and one of them refuses.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

StreamUsage: TypeAlias = Literal["on request", "unasked", "refused", "unknown"]

ON_REQUEST: Final = "on request"
UNASKED: Final = "unasked"
REFUSED: Final = "refused"
UNKNOWN: Final = "unknown"

_RECORDED = "https://github.com/pydantic/pydantic-ai/blob/main/tests/models/cassettes/"
_TOGETHER = (
    "https://github.com/Arize-ai/openinference/blob/main/python/instrumentation/"
    "openinference-instrumentation-together/tests/openinference/instrumentation/together/cassettes/"
    "test_instrumentor/test_chat_stream.yaml"
)
_AI_SDK = "https://github.com/vercel/ai/blob/main/packages/"

# Host or parent domain -> what it does, and where that is known from.
HOSTS: dict[str, tuple[StreamUsage, str]] = {
    "api.openai.com": (
        ON_REQUEST,
        "https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream_options",
    ),
    "api.deepseek.com": (
        ON_REQUEST,
        _RECORDED + "test_deepseek/test_deepseek_model_thinking_stream.yaml",
    ),
    "api.fireworks.ai": (
        ON_REQUEST,
        "https://reference.langchain.com/python/langchain-fireworks/chat_models/ChatFireworks/"
        "stream_usage",
    ),
    "api.moonshot.ai": (ON_REQUEST, _AI_SDK + "moonshotai/src/moonshotai-provider.ts"),
    "api.moonshot.cn": (ON_REQUEST, _AI_SDK + "moonshotai/src/moonshotai-provider.ts"),
    "api.sambanova.ai": (
        ON_REQUEST,
        "https://reference.langchain.com/v0.3/python/community/chat_models/"
        "langchain_community.chat_models.sambanova.ChatSambaNovaCloud.html",
    ),
    "api.x.ai": (ON_REQUEST, _AI_SDK + "xai/src/xai-chat-language-model.ts"),
    "api.z.ai": (ON_REQUEST, _RECORDED + "test_zai/test_zai_thinking_stream.yaml"),
    "dashscope.aliyuncs.com": (ON_REQUEST, "https://alibabacloud.com/help/en/model-studio/stream"),
    "dashscope-intl.aliyuncs.com": (
        ON_REQUEST,
        "https://alibabacloud.com/help/en/model-studio/stream",
    ),
    "generativelanguage.googleapis.com": (
        ON_REQUEST,
        "https://github.com/tomyeo88/HAI5014-MyFirstLLMChatbot/blob/main/gemini_streaming.py",
    ),
    "inference.baseten.co": (
        ON_REQUEST,
        "https://raw.githubusercontent.com/api-evangelist/baseten/refs/heads/main/json-schema/"
        "baseten-chatcompletionresponse-schema.json",
    ),
    "api.inference.crusoecloud.com": (
        ON_REQUEST,
        _RECORDED + "test_crusoe/test_crusoe_model_streaming.yaml",
    ),
    "ml.cloud.ibm.com": (
        ON_REQUEST,
        "https://ibm.github.io/watsonx-ai-node-sdk/interfaces/1_7_x.gateway.StreamOptions.html",
    ),
    "ollama.com": (ON_REQUEST, "https://docs.ollama.com/api/openai-compatibility"),
    "router.huggingface.co": (
        ON_REQUEST,
        "https://github.com/huggingface/huggingface.js/blob/main/packages/tasks/src/tasks/"
        "chat-completion/spec/input.json",
    ),
    "snowflakecomputing.com": (
        ON_REQUEST,
        _RECORDED + "test_snowflake/test_snowflake_model_streaming.yaml",
    ),
    "api.cerebras.ai": (
        UNASKED,
        _AI_SDK + "cerebras/src/fixtures/cererebras-structured-output-tools.1.chunks.txt",
    ),
    # In `x_groq` of the last chunk.
    "api.groq.com": (UNASKED, _RECORDED + "test_groq/test_groq_model_thinking_part_iter.yaml"),
    # Answers 422 to `stream_options`.
    "api.mistral.ai": (UNASKED, "https://github.com/openai/openai-agents-python/issues/442"),
    "api.novita.ai": (
        UNASKED,
        _RECORDED + "test_stream_close/test_cancel_recorded_provider_stream%5Bhuggingface%5D.yaml",
    ),
    "api.perplexity.ai": (
        UNASKED,
        _AI_SDK + "perplexity/src/__fixtures__/perplexity-text.chunks.txt",
    ),
    # In the chunk that ends the choice.
    "api.together.ai": (UNASKED, _TOGETHER),
    "api.together.xyz": (UNASKED, _TOGETHER),
    "openrouter.ai": (UNASKED, "https://openrouter.ai/docs/use-cases/usage-accounting"),
}

# Local servers that always listen on one port.
PORTS: dict[int, tuple[StreamUsage, str]] = {
    11434: (ON_REQUEST, "https://docs.ollama.com/api/openai-compatibility"),
}

# Azure answers 400 to `stream_options` in versions before these (reported in public threads on
# 2024-05-01-preview to 2024-08-01-preview; `stream_options` is in the specification from
# 2024-09-01-preview and in the GA version 2024-10-21 on).
# https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
AZURE_VERSIONS: frozenset[str] = frozenset(
    {
        "2024-09-01-preview",
        "2024-10-01-preview",
        "2024-10-21",
        "2024-12-01-preview",
        "2025-01-01-preview",
        "2025-02-01-preview",
        "2025-03-01-preview",
        "2025-04-01-preview",
        "preview",
        "latest",
        "v1",
    }
)
_FIRST_AZURE_VERSION = "2024-09-01"
_DATED = re.compile(r"20\d\d-\d\d-\d\d")


def by_host(host: str, port: int | None) -> StreamUsage:
    """What a host does about a stream's usage, by its name or a parent domain, or by its port."""
    name = host
    while name:
        entry = HOSTS.get(name)
        if entry is not None:
            return entry[0]
        name = name.partition(".")[2]
    return PORTS[port][0] if port in PORTS else UNKNOWN


def by_azure_version(version: str | None) -> StreamUsage:
    """What Azure OpenAI does in an API version (`2024-10-21`); None is no version."""
    if version in AZURE_VERSIONS:
        return ON_REQUEST
    dated = version is not None and _DATED.match(version)
    return REFUSED if dated and dated[0] < _FIRST_AZURE_VERSION else UNKNOWN
