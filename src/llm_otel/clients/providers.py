"""Who answers at which host: the conventions' `gen_ai.provider.name`, else a name of ours."""

from __future__ import annotations

# Host or parent domain -> provider.
HOSTS: dict[str, str] = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "openai.azure.us": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "models.ai.azure.com": "azure.ai.inference",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "amazonaws.com": "aws.bedrock",
    "api.aws": "aws.bedrock",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "ml.cloud.ibm.com": "ibm.watsonx.ai",
    "api.mistral.ai": "mistral_ai",
    "api.moonshot.ai": "moonshot_ai",
    "api.moonshot.cn": "moonshot_ai",
    "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai",
    "openrouter.ai": "openrouter",
    "api.together.xyz": "together",
    "api.together.ai": "together",
    "api.fireworks.ai": "fireworks",
    "api.cerebras.ai": "cerebras",
    "api.sambanova.ai": "sambanova",
    "api.deepinfra.com": "deepinfra",
    "api.novita.ai": "novita",
    "api.hyperbolic.xyz": "hyperbolic",
    "integrate.api.nvidia.com": "nvidia",
    "router.huggingface.co": "huggingface",
    "dashscope.aliyuncs.com": "alibaba",
    "dashscope-intl.aliyuncs.com": "alibaba",
    "open.bigmodel.cn": "zhipu",
    "api.z.ai": "zhipu",
    "api.minimax.io": "minimax",
    "inference.baseten.co": "baseten",
    "models.github.ai": "github",
}

# Local servers that always listen on one port.
PORTS: dict[int, str] = {11434: "ollama", 1234: "lmstudio"}

# Hosts that bill as OpenAI does and are proven to accept `stream_options.include_usage`.
USAGE_ON_REQUEST_HOSTS: frozenset[str] = frozenset({"api.openai.com"})

# Azure answers 400 to `stream_options` in versions before these (reported in public threads on
# 2024-05-01-preview to 2024-08-01-preview; `stream_options` is in the specification from
# 2024-09-01-preview and in the GA version 2024-10-21 on).
# https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
AZURE_USAGE_VERSIONS: frozenset[str] = frozenset(
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


def by_host(host: str, port: int | None) -> str | None:
    """The provider behind a host, by its name or a parent domain, or by a well-known local port."""
    name = host
    while name:
        found = HOSTS.get(name)
        if found is not None:
            return found
        name = name.partition(".")[2]
    return PORTS.get(port) if port is not None else None
