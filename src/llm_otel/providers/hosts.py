"""Who answers at which host: the conventions' `gen_ai.provider.name`, else a name of ours."""

from __future__ import annotations

import re

# Host or parent domain -> provider.
HOSTS: dict[str, str] = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "openai.azure.us": "azure.ai.openai",
    "openai.azure.cn": "azure.ai.openai",
    "api.cognitive.microsoft.com": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "cognitiveservices.azure.us": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "models.ai.azure.com": "azure.ai.inference",
    "inference.ml.azure.com": "azure.ai.inference",
    "inference.ai.azure.com": "azure.ai.inference",
    "api.anthropic.com": "anthropic",
    "claude.googleapis.com": "anthropic",  # Anthropic's own API on Google Cloud
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
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
    "ollama.com": "ollama",
    "openrouter.ai": "openrouter",
    "api.together.xyz": "together",
    "api.together.ai": "together",
    "azure-api.net": "azure.ai.openai",
    "api.fireworks.ai": "fireworks",
    "api.cerebras.ai": "cerebras",
    "api.sambanova.ai": "sambanova",
    "api.deepinfra.com": "deepinfra",
    "api.novita.ai": "novita",
    "api.hyperbolic.xyz": "hyperbolic",
    "integrate.api.nvidia.com": "nvidia",
    "router.huggingface.co": "huggingface",
    "api-inference.huggingface.co": "huggingface",
    "endpoints.huggingface.cloud": "huggingface",
    "dashscope.aliyuncs.com": "alibaba",
    "dashscope-intl.aliyuncs.com": "alibaba",
    "dashscope-us.aliyuncs.com": "alibaba",
    "dashscope-finance.aliyuncs.com": "alibaba",
    "maas.aliyuncs.com": "alibaba",
    "open.bigmodel.cn": "zhipu",
    "api.z.ai": "zhipu",
    "api.minimax.io": "minimax",
    "api.minimax.chat": "minimax",
    "api.minimax.com": "minimax",
    "api.minimaxi.com": "minimax",
    "api.minimaxi.io": "minimax",
    "inference.baseten.co": "baseten",
    "models.github.ai": "github",
    "models.inference.ai.azure.com": "github",
    "githubcopilot.com": "github_copilot",
    "api.arcee.ai": "arcee",
    "api.avian.io": "avian",
    "api.cloudflare.com": "cloudflare",
    "gateway.ai.cloudflare.com": "cloudflare_gateway",
    "api.cursor.com": "cursor",
    "cloud.databricks.com": "databricks",
    "gcp.databricks.com": "databricks",
    "azuredatabricks.net": "databricks",
    "api.doubleword.ai": "doubleword",
    "elevenlabs.io": "elevenlabs",
    "api.meta.ai": "meta",
    "api.llama.com": "meta",
    "modal.run": "modal",
    "modal.direct": "modal",
    "endpoints.kepler.ai.cloud.ovh.net": "ovhcloud",
    "api.quicksilverpro.io": "quicksilverpro",
    "api.typesafe.ai": "typesafe",
    "api.voyageai.com": "voyageai",
    "ai.mongodb.com": "voyageai",
    "api.jina.ai": "jina",
    "api.mixedbread.com": "mixedbread",
    "api.studio.nebius.com": "nebius",
    "api.studio.nebius.ai": "nebius",
    "api.tokenfactory.nebius.com": "nebius",
    "api.scaleway.ai": "scaleway",
    "inference.api.nscale.com": "nscale",
    "api.lambda.ai": "lambda",
    "api.friendli.ai": "friendli",
    "api.inference.net": "inference_net",
    "llm.chutes.ai": "chutes",
    "api.parasail.io": "parasail",
    "api.gmi-serving.com": "gmi",
    "api.siliconflow.cn": "siliconflow",
    "api.siliconflow.com": "siliconflow",
    "volces.com": "volcengine",
    "byteplusapi.com": "volcengine",
    "bytepluses.com": "volcengine",
    "qianfan.baidubce.com": "baidu",
    "api.hunyuan.cloud.tencent.com": "tencent",
    "api.stepfun.com": "stepfun",
    "api.stepfun.ai": "stepfun",
    "api.baichuan-ai.com": "baichuan",
    "api.lingyiwanwu.com": "zero_one",
    "spark-api-open.xf-yun.com": "iflytek",
    "api-inference.modelscope.cn": "modelscope",
    "api.xiaomimimo.com": "xiaomi",
    "api.venice.ai": "venice",
    "api.synthetic.new": "synthetic",
    "aihubmix.com": "aihubmix",
    "api.inference.wandb.ai": "wandb",
    "api.inference.crusoecloud.com": "crusoe",
    "inference.do-ai.run": "digitalocean",
    "us.inference.heroku.com": "heroku",
    "api.nova.amazon.com": "amazon_nova",
    "api.v0.dev": "v0",
    "api.kimi.com": "moonshot_ai",
    "codestral.mistral.ai": "mistral_ai",
    "api.publicai.co": "publicai",
    "api.clarifai.com": "clarifai",
    "api.featherless.ai": "featherless",
    "snowflakecomputing.com": "snowflake",
    "api.upstage.ai": "upstage",
    "api.reka.ai": "reka",
    "api.ai21.com": "ai21",
    "api.writer.com": "writer",
    "api.inceptionlabs.ai": "inception",
    "api.morphllm.com": "morph",
    "api.replicate.com": "replicate",
    # Gateways: who answers is the gateway, which is also who bills.
    "ai-gateway.vercel.sh": "vercel",
    "router.requesty.ai": "requesty",
    "router.eu.requesty.ai": "requesty",
    "api.portkey.ai": "portkey",
    "ai-gateway.helicone.ai": "helicone",
    "api.llmgateway.io": "llmgateway",
    "gateway.pydantic.dev": "pydantic",
    "api.aimlapi.com": "aimlapi",
    "api.edenai.run": "edenai",
    "api.eu.edenai.run": "edenai",
    "api.poe.com": "poe",
    "nano-gpt.com": "nanogpt",
    "opencode.ai": "opencode",
    "api.roocode.com": "roocode",
    "api.kilo.ai": "kilo",
    "api.exa.ai": "exa",
    "api.cometapi.com": "cometapi",
    "zenmux.ai": "zenmux",
}

# Hosts with the region in their name: a pattern of the whole host, and the provider. They come
# before the parent domains.
# https://cloud.google.com/vertex-ai/docs/reference/rest#service-endpoint
# https://docs.aws.amazon.com/general/latest/gr/bedrock.html; what else is below AWS's domains (load
# balancers, functions, buckets) is anybody's
# https://docs.aws.amazon.com/bedrock/latest/userguide/vpc-interface-endpoints.html
# https://platform.claude.com/docs/en/build-with-claude/claude-platform-on-aws
# https://docs.aws.amazon.com/general/latest/gr/sagemaker.html
# https://docs.oracle.com/iaas/api/#/en/generative-ai-inference/
_REGIONAL: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[a-z0-9-]+-aiplatform(\.mtls)?\.googleapis\.com"), "gcp.vertex_ai"),
    (re.compile(r"aiplatform\.[a-z0-9-]+\.rep\.googleapis\.com"), "gcp.vertex_ai"),
    (re.compile(r"[a-z0-9.-]+\.prediction\.vertexai\.goog"), "gcp.vertex_ai"),
    (
        re.compile(
            r"([a-z0-9-]+\.)?bedrock(-runtime|-mantle|-agent-runtime)?(-fips)?\.[a-z0-9-]+\."
            r"((vpce\.)?amazonaws\.(com|com\.cn|eu)|api\.aws|api\.amazonwebservices\.(com\.cn|eu))"
        ),
        "aws.bedrock",
    ),
    (re.compile(r"([a-z0-9-]+\.)?aws-external-anthropic\.[a-z0-9-]+\.api\.aws"), "anthropic"),
    (re.compile(r"runtime\.sagemaker\.[a-z0-9-]+\.amazonaws\.com(\.cn)?"), "aws.sagemaker"),
    (re.compile(r"inference\.generativeai\.[a-z0-9-]+\.oci\.oraclecloud\.com"), "oci"),
)

# Local servers that always listen on one port.
PORTS: dict[int, str] = {11434: "ollama", 1234: "lmstudio"}


def by_host(host: str, port: int | None) -> str | None:
    """The provider behind a host, by its name or a parent domain, or by a well-known local port."""
    for pattern, provider in _REGIONAL:
        if pattern.fullmatch(host):
            return provider
    name = host
    while name:
        provider_name = HOSTS.get(name)
        if provider_name is not None:
            return provider_name
        name = name.partition(".")[2]
    return PORTS.get(port) if port is not None else None
