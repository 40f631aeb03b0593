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


def by_host(host: str, port: int | None) -> str | None:
    """The provider behind a host, by its name or a parent domain, or by a well-known local port."""
    name = host
    while name:
        found = HOSTS.get(name)
        if found is not None:
            return found
        name = name.partition(".")[2]
    return PORTS.get(port) if port is not None else None
