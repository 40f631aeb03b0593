"""Who answers: what the vocabularies call a provider, and whose a model is by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from llm_otel.foreign.word_cache import by_word

# What other vocabularies call a provider, in lower case with `_` for every space and dash.
PROVIDERS: Final[Mapping[str, str]] = {
    "azure": "azure.ai.openai",
    "az.ai.openai": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "azureopenai": "azure.ai.openai",
    "azure_text": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference",
    "azure_ai": "azure.ai.inference",
    "azureaiinference": "azure.ai.inference",
    "az.ai.agents": "azure.ai.inference",
    "microsoft.foundry": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "amazon_bedrock": "aws.bedrock",
    "amazonbedrock": "aws.bedrock",
    "aws": "aws.bedrock",
    "aws_bedrock": "aws.bedrock",
    "vertexai": "gcp.vertex_ai",
    "vertex_ai": "gcp.vertex_ai",
    "vertex_ai_beta": "gcp.vertex_ai",
    "vertex": "gcp.vertex_ai",
    "google.vertex": "gcp.vertex_ai",
    "google_vertex": "gcp.vertex_ai",
    "google_vertexai": "gcp.vertex_ai",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "google_genai": "gcp.gemini",
    "google_gla": "gcp.gemini",
    "google_ai": "gcp.gemini",
    "google_ai_studio": "gcp.gemini",
    "googleai": "gcp.gemini",
    "googlegenai": "gcp.gemini",
    "google.generative_ai": "gcp.gemini",
    "generative_ai": "gcp.gemini",
    "gcp.gen_ai": "gcp.gen_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
    "grok": "x_ai",
    "togetherai": "together",
    "together_ai": "together",
    "watsonx": "ibm.watsonx.ai",
    "ibm.watson.ai": "ibm.watsonx.ai",
    "moonshot": "moonshot_ai",
    "moonshotai": "moonshot_ai",
    "fireworks_ai": "fireworks",
    "hugging_face": "huggingface",
}

# Other names of the conventions, and of ours: known in any case of letters.
_KNOWN: Final = frozenset(
    {
        "ai21", "aleph_alpha", "anthropic", "aws.bedrock", "azure.ai.inference", "azure.ai.openai",
        "cerebras", "cohere", "databricks", "deepinfra", "deepseek", "fireworks", "gcp.gemini",
        "gcp.vertex_ai", "groq", "huggingface", "ibm.watsonx.ai", "mistral_ai", "moonshot_ai",
        "nebius", "nvidia", "ollama", "openai", "openrouter", "perplexity", "replicate", "together",
        "vllm", "voyageai", "x_ai",
    }
)  # fmt: skip

# Frameworks and gateways that are named in the provider's place: they answer nothing themselves.
FRAMEWORKS: Final = frozenset(
    {
        "adk", "ag2", "agent_framework", "agno", "ai_sdk", "autogen", "browser_use",
        "claude_agent_sdk", "controlflow", "crewai", "dify", "dspy", "dynamiq",
        "flowise", "gateway", "gcp.vertex.agent", "genkit", "google_adk", "guidance", "haystack",
        "instructor", "julep", "kong", "langchain", "langfuse", "langgraph", "letta", "litellm",
        "litellm_proxy", "llama_index", "llamaindex", "llmgateway", "llm_otel", "mastra", "mem0",
        "microsoft.agent_framework", "microsoft.agents", "microsoft.semantic_kernel", "mlflow",
        "multion", "n8n", "openai_agents", "openinference", "openlit", "other", "_other",
        "portkey", "promptflow", "pydantic_ai", "semantic_kernel", "smolagents", "spring",
        "spring_ai", "strands", "strands_agents", "traceloop", "txtai", "unknown", "vercel",
        "vercel_ai", "vercel.ai", "vercel_ai_gateway", "none", "null", "",
    }
)  # fmt: skip

# Whose prices count where neither a provider nor a maker is known, as of `llm_otel.cost`.
DEFAULT_PROVIDER: Final = "openai"

# Behind a provider's name: the kind of interface that was spoken with it, as the AI SDK says it.
_INTERFACES: Final = frozenset(
    {
        "anthropic", "chat", "completion", "completions", "embed", "embedding", "embeddings",
        "evaluation", "files", "image", "images", "languagemodel", "language_model", "maas",
        "messages", "model", "moderation", "rerank", "reranking", "responses", "speech",
        "text_embedding", "transcription", "tts", "video",
    }
)  # fmt: skip

# Dify names the plugin that speaks with a provider: `langgenius/openai/openai`.
_PLUGIN: Final = re.compile(r"[\w-]+/[\w-]+/(?=[\w-]+$)")

# Whose a model is, by the start of its name: the price of its maker is the price that is meant
# where nobody is named who answers. Open weights are served by many, at many prices.
_MAKERS: Final = (
    (r"(ft:)?(gpt-(?!oss|j|neo|4all)|chatgpt|o[1-9](-|$)|text-embedding-(3|ada)|davinci|babbage"
     r"|dall-e|whisper-1|tts-1|omni-moderation|codex-|computer-use)", "openai"),
    (r"claude", "anthropic"),
    (r"(gemini|text-embedding-00|imagen-)", "gcp.gemini"),
    (r"(mistral-(large|medium|small|embed|moderation|ocr|saba)|codestral|ministral|magistral"
     r"|pixtral|devstral|open-mi[sx]tral)", "mistral_ai"),
    (r"(command|embed-(english|multilingual|v)|rerank-)", "cohere"),
    (r"deepseek-(chat|reasoner|coder$)", "deepseek"),
    (r"grok-", "x_ai"),
    (r"sonar", "perplexity"),
    (r"voyage-", "voyageai"),
    (r"(us|eu|apac|global|jp|au|us-gov)\.[a-z0-9]+\.", "aws.bedrock"),
    (r"(anthropic|amazon|meta|cohere|ai21|mistral|deepseek|qwen|openai)\.[a-z]", "aws.bedrock"),
    (r"arn:aws[a-z-]*:bedrock:", "aws.bedrock"),
)  # fmt: skip
_BY_START: Final = tuple((re.compile(pattern), maker) for pattern, maker in _MAKERS)
# A model as a resource of a collection, not of a provider.
_COLLECTIONS: Final = frozenset({"models", "publishers", "projects", "tunedmodels", "accounts"})


@by_word
def provider_of(word: str) -> str | None:
    """The conventions' name of the provider that a vocabulary calls `word`; None for a framework,
    which is none. A name that nobody knows stays as it is: it may be one of the user's own."""
    name = _PLUGIN.sub("", word.strip())
    while True:
        key = re.sub(r"[\s-]+", "_", name.lower())
        if key in FRAMEWORKS:
            return None
        if key in PROVIDERS:
            return PROVIDERS[key]
        if name.lower() in _KNOWN:
            return name.lower()
        start, _, interface = name.rpartition(".")
        if not start or interface.lower() not in _INTERFACES:
            return name
        name = start


# What stands in front of a model's name and is no part of it: routers and plugins, or Pydantic
# AI's `openai:`.
_ROUTERS: Final = re.compile(
    r"(openrouter/|litellm_proxy/|googleai/|vertexai/)|([a-z-]+):(?=[a-z])", re.IGNORECASE
)


@by_word
def without_router(model: str) -> str:
    """A model's name as price lists have it, without who passed the request on."""
    match = _ROUTERS.match(model)
    if match is None:
        return model
    provider = provider_of(match[2]) if match[2] else ""
    known = not match[2] or provider in _KNOWN or provider in PROVIDERS.values()
    return model[match.end() :] if known else model


@by_word
def maker_of(model: str) -> str | None:
    """The provider whose price is meant where only the model is named; None where none is."""
    name = model.strip().lower()
    for pattern, maker in _BY_START:
        if pattern.match(name):
            return maker
    prefix, _, rest = name.partition("/")
    if not rest:
        # Pydantic AI: `openai:gpt-4o`
        prefix, _, rest = name.partition(":")
        known = provider_of(prefix) if rest else None
        return known if known in PROVIDERS.values() or known in _KNOWN else None
    if prefix in _COLLECTIONS:
        return maker_of(name.rpartition("/")[2])
    return provider_of(prefix) or maker_of(rest)
