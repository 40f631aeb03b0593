"""The tables of what providers are called, report and answer hold together."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from genai_prices.data_snapshot import get_snapshot

from llm_otel import semconv
from llm_otel.pricing import table
from llm_otel.protocols.openai.usage import USAGE
from llm_otel.providers import dialects, error_codes
from llm_otel.providers import hosts as providers
from llm_otel.usage import Usage

# What a host or a path may have besides, for a pattern of the price list to match.
PARTS_BEFORE = ("", "x.", "api.", "oai.", "bedrock-runtime.us-east-1.")
PATHS = ("/v1", "/serving-endpoints", "/client/v4/accounts/x/ai/v1")

# Whose region stands in their name.
REGIONAL = ("bedrock-runtime.us-east-1.amazonaws.com",)

# Gateways that are told by their headers or by the setting `providers`, not by a host.
WITHOUT_HOST = {"litellm"}


@pytest.mark.parametrize("provider", get_snapshot().providers, ids=lambda each: each.id)
def test_every_provider_of_the_price_list_has_a_host(provider):
    """Who calls a host of the price list gets that provider's name on the span."""
    pattern = re.compile(provider.api_pattern)
    backend = "/" + provider.id.removeprefix("huggingface_")  # Hugging Face names it in the path
    urls = [
        f"https://{before}{host}{path}"
        for host in (*providers.HOSTS, *REGIONAL)
        for before in PARTS_BEFORE
        for path in (*PATHS, backend)
    ]
    assert any(map(pattern.match, urls)), provider.api_pattern


@pytest.mark.parametrize("name", sorted(set(dialects.DIALECTS) - WITHOUT_HOST))
def test_every_dialect_has_a_host(name):
    """A dialect of a provider that no host leads to would never be used."""
    regional = {provider for _, provider in providers._REGIONAL}
    assert name in {*providers.HOSTS.values(), *providers.PORTS.values(), *regional}


WHO = {
    "api.openai.com": "openai",
    "eu.api.openai.com": "openai",
    "api.openai.com.example.org": None,
    "me.openai.azure.com": "azure.ai.openai",
    "me.privatelink.openai.azure.com": "azure.ai.openai",
    "me.openai.azure.us": "azure.ai.openai",
    "me.cognitiveservices.azure.com": "azure.ai.openai",
    "me.services.ai.azure.com": "azure.ai.inference",
    "me.eastus2.models.ai.azure.com": "azure.ai.inference",
    "me.eastus2.inference.ml.azure.com": "azure.ai.inference",
    "models.inference.ai.azure.com": "github",
    "models.github.ai": "github",
    "api.anthropic.com": "anthropic",
    "claude.googleapis.com": "anthropic",
    "aws-external-anthropic.us-west-2.api.aws": "anthropic",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "us-central1-aiplatform.googleapis.com": "gcp.vertex_ai",
    "europe-west4-aiplatform.mtls.googleapis.com": "gcp.vertex_ai",
    "aiplatform.eu.rep.googleapis.com": "gcp.vertex_ai",
    "123.europe-west4-456.prediction.vertexai.goog": "gcp.vertex_ai",
    "storage.googleapis.com": None,
    "bedrock-runtime.us-east-1.amazonaws.com": "aws.bedrock",
    "bedrock-runtime.cn-north-1.amazonaws.com.cn": "aws.bedrock",
    "bedrock-runtime.eusc-de-east-1.amazonaws.eu": "aws.bedrock",
    "bedrock-runtime-fips.us-gov-west-1.amazonaws.com": "aws.bedrock",
    "bedrock-runtime.us-east-1.api.aws": "aws.bedrock",
    "bedrock-mantle.us-east-1.api.aws": "aws.bedrock",
    "bedrock-agent-runtime.eu-west-1.amazonaws.com": "aws.bedrock",
    "vpce-0a1b2c3d-4e5f6789.bedrock-runtime.us-east-1.vpce.amazonaws.com": "aws.bedrock",
    "vpce-0a1b-us-east-1a.bedrock-mantle.us-east-1.vpce.amazonaws.com": "aws.bedrock",
    # Anybody's.
    "llm-123.us-east-1.elb.amazonaws.com": None,
    "internal-bedrock-proxy-1.us-east-1.elb.amazonaws.com": None,
    "a1b2.execute-api.us-east-1.amazonaws.com": None,
    "bedrock.s3.us-east-1.amazonaws.com": None,
    "ec2-1-2-3-4.compute-1.amazonaws.com": None,
    "api.cohere.com": "cohere",
    "production.api.cohere.ai": "cohere",
    "api.mistral.ai": "mistral_ai",
    "codestral.mistral.ai": "mistral_ai",
    "api.groq.com": "groq",
    "api.together.xyz": "together",
    "ollama.com": "ollama",
    "router.huggingface.co": "huggingface",
    "api-inference.huggingface.co": "huggingface",
    "x1y2.us-east-1.aws.endpoints.huggingface.cloud": "huggingface",
    "api.voyageai.com": "voyageai",
    "ai.mongodb.com": "voyageai",
    "api.x.ai": "x_ai",
    "us-east-1.api.x.ai": "x_ai",
    "eu-west-1.api.x.ai": "x_ai",
    "grok.x.ai": None,
}


@pytest.mark.parametrize("host", WHO)
def test_who_answers(host):
    """Regions, private endpoints and clouds of a provider have its name; neighbours have not."""
    assert providers.by_host(host, 443) == WHO[host]


def test_hosts_are_lower_case_names():
    """Hosts are compared as URLs give them: lower case, no scheme, port or path."""
    for host in providers.HOSTS:
        assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", host), host


def test_error_words_are_normal_and_unique():
    """Each word belongs to one class, and is written as `errors.by_code` looks it up."""
    words = [word for words in error_codes._WORDS.values() for word in words.split()]
    assert [word for word, times in Counter(words).items() if times > 1] == []
    for word in words:
        assert re.fullmatch(r"[a-z0-9_]+", word), word


@pytest.mark.parametrize(
    "codes",
    [error_codes.BY_STATUS, error_codes.BY_WORD, error_codes.FAILED_FINISHES]
    + [dialect.error_codes for dialect in dialects.DIALECTS.values()],
)
def test_error_classes_exist(codes):
    """Every class is one of the contract's."""
    assert set(codes.values()) <= set(semconv.ERROR_CLASSES)


def test_finish_words_are_lower_case():
    """Finish reasons are compared in lower case."""
    assert [word for word in error_codes.FAILED_FINISHES if word != word.lower()] == []


def test_cost_headers_are_lower_case():
    """Headers are compared in lower case, as bytes."""
    reports = [*dialects.DIALECTS.values(), dialects.of("nobody", known_host=False)]
    headers = [header for dialect in reports for header in dialect.cost_headers]
    headers += [report.sign for dialect in reports for report in dialect.costs]
    assert headers
    for header in headers:
        assert isinstance(header, bytes)
        assert header == header.lower()


@pytest.mark.parametrize("name", sorted(dialects.DIALECTS))
def test_cost_reports_have_a_unit(name):
    """A reported amount has a scale above 0, and an own key says where the rest is."""
    for report in dialects.DIALECTS[name].costs:
        assert report.usd > 0
        assert report.at
        assert bool(report.own_key) == bool(report.upstream)


def test_prefixes_belong_to_providers_of_the_price_list():
    """A prefix or another name of a provider that the list lacks would never be used."""
    ids = {provider.id for provider in get_snapshot().providers}
    assert set(table._PREFIXES) <= ids
    assert set(table._PROVIDERS.values()) <= ids
    assert set(table._OTHER_NAMES.values()) <= ids
    for name in table._OTHER_NAMES:
        assert re.fullmatch(r"[a-z0-9]+", name), name


def test_usage_names_lead_to_counts_that_are_read():
    """Every destination in the usage table is a field of `Usage` or one that finds such a field."""
    helpers = {
        "total_tokens", "cache_read_input_tokens", "cache_write_short_tokens",
        "text_output_tokens", "uncounted_tools",
    }  # fmt: skip
    known = {*Usage.__dataclass_fields__, *helpers}
    pending: list[object] = [USAGE]
    while pending:
        node = pending.pop()
        if isinstance(node, str):
            assert node in known, node
        else:
            pending.extend(node.values())  # type: ignore[attr-defined]
