"""Every way to make every call, on every SDK: one span, its names, the metrics of its usage."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

import openai
import pytest

from tests.conformance.calls import BY_NAME, SDKS, every_call, make, make_async

CALLS = [
    pytest.param(sdk, call, how, id=f"{sdk.client}-{call.name}-{how}")
    for sdk, call, how in every_call()
]
CHAT = BY_NAME["chat"]
# openai 3 takes clients of either library, those before only httpx.
HTTP_LIBRARIES = ("httpx", "httpx2") if hasattr(openai._base_client, "httpx2") else ("httpx",)

PROVIDERS = (
    ("https://api.openai.com/v1", "openai"),
    ("https://eu.api.openai.com/v1", "openai"),
    ("https://example.openai.azure.com/openai/v1", "azure.ai.openai"),
    ("https://api.groq.com/openai/v1", "groq"),
    ("https://api.deepseek.com", "deepseek"),
    ("https://api.mistral.ai/v1", "mistral_ai"),
    ("https://api.x.ai/v1", "x_ai"),
    ("https://openrouter.ai/api/v1", "openrouter"),
    ("https://api.together.xyz/v1", "together"),
    ("https://api.fireworks.ai/inference/v1", "fireworks"),
    ("https://api.perplexity.ai", "perplexity"),
    ("https://api.moonshot.ai/v1", "moonshot_ai"),
    ("https://generativelanguage.googleapis.com/v1beta/openai", "gcp.gemini"),
    ("https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", "aws.bedrock"),
    ("http://localhost:11434/v1", "ollama"),
    ("http://192.168.0.7:11434/v1", "ollama"),
    ("http://localhost:8000/v1", "openai_compatible"),
    ("https://notapi.openai.com.example.org/v1", "openai_compatible"),
)


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(("sdk", "call", "how"), CALLS)
def test_call(instrumented, p, sdk, call, how, asynchronous):
    """A call is one client span with its names, and the metrics sum to what the span tells."""
    telemetry = instrumented()
    if asynchronous:
        got = asyncio.run(make_async(sdk, call, how, p.origin))
    else:
        got = make(sdk, call, how, p.origin)

    span = telemetry.span
    told = span.attributes
    model = call.arguments.get("model", "none")
    assert span.kind == "CLIENT"
    assert span.status == "UNSET"
    assert span.name == (call.operation if model == "none" else f"{call.operation} {model}")
    assert told["gen_ai.operation.name"] == call.operation
    assert told["gen_ai.provider.name"] == sdk.provider
    assert told.get("gen_ai.request.model", "none") == model
    server = f"http://{told['server.address']}:{told['server.port']}"
    assert server == p.origin
    assert told.get("gen_ai.request.stream", False) is (how.endswith("stream") or how == "helper")
    check_usage(told, got)
    check_metrics(telemetry, told, model)


def check_usage(told: dict[str, Any], got: list[Any]) -> None:
    """The span has the ids and tokens of the answer that the caller got."""
    for answer in got:
        usage = getattr(answer, "usage", None) or {}
        usage = usage if isinstance(usage, dict) else vars(usage)
        tokens = usage.get("prompt_tokens") or usage.get("input_tokens")
        if tokens:
            assert told["gen_ai.usage.input_tokens"] == tokens
        if getattr(answer, "choices", None):
            assert told["gen_ai.response.id"] == answer.id
            assert told["gen_ai.response.model"] == answer.model


def check_metrics(telemetry: Any, told: dict[str, Any], model: str) -> None:
    """One duration under the call's labels, its tokens, and nothing left open."""
    labels = {
        "model": model,
        "provider": told["gen_ai.provider.name"],
        "operation": told["gen_ai.operation.name"],
    }
    tokens = told.get("gen_ai.usage.input_tokens", 0) + told.get("gen_ai.usage.output_tokens", 0)
    value = telemetry.value
    assert telemetry.count("gen_ai.request.duration", **labels) == 1
    assert telemetry.count("gen_ai.request.duration") == 1
    assert value("gen_ai.tokens.consumed", **labels) == tokens
    assert value("gen_ai.requests.active", **labels) == 0
    assert value("gen_ai.errors") == 0
    streamed = told.get("gen_ai.request.stream", False)
    assert telemetry.count("gen_ai.request.time_to_first_chunk") == int(streamed)


def test_module_level_client(instrumented, p, monkeypatch):
    """The client that the module makes by itself is seen like any other."""
    monkeypatch.setattr(openai, "api_key", "test")
    monkeypatch.setattr(openai, "base_url", p.url + "/")
    telemetry = instrumented()
    try:
        openai.chat.completions.create(**CHAT.arguments)
    finally:
        openai._reset_client()
    assert telemetry.span.name == "chat gpt-4o"


@pytest.mark.parametrize("library", HTTP_LIBRARIES)
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("how", ["plain", "raw", "streaming", "stream", "streaming stream"])
def test_http_client(instrumented, p, library, asynchronous, how):
    """A client of the caller's own, of either httpx, changes nothing."""
    http = importlib.import_module(library)
    telemetry = instrumented()
    if asynchronous:
        asyncio.run(make_async(SDKS[0], CHAT, how, p.origin, http_client=http.AsyncClient()))
    else:
        make(SDKS[0], CHAT, how, p.origin, http_client=http.Client())
    assert telemetry.span.name == "chat gpt-4o"
    assert telemetry.value("gen_ai.requests.active") == 0


@pytest.mark.parametrize(("url", "provider"), PROVIDERS)
def test_provider_by_host(instrumented, url, provider):
    """The provider is named by the host of the base URL, and by the port of local servers."""
    telemetry = instrumented()
    with (
        openai.OpenAI(
            base_url=url, api_key="test", max_retries=0, http_client=refusing()
        ) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        client.chat.completions.create(**CHAT.arguments)
    assert telemetry.span.attributes["gen_ai.provider.name"] == provider
    assert telemetry.span.attributes["llm_otel.error.class"] == "connection"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.groq.com/openai/v1/chat/completions?beta=1", "chat gpt-4o"),
        ("https://api.groq.com/chat/completions", "chat gpt-4o"),
        ("https://api.groq.com/openai/v1/models", None),
        ("https://api.groq.com/embeddings/next", None),
        ("https://api.groq.com", None),
    ],
)
def test_absolute_url(instrumented, url, name):
    """A path that is given whole is known by its end, and its host is whose it is."""
    telemetry = instrumented()
    with (
        openai.OpenAI(api_key="test", max_retries=0, http_client=refusing()) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        client.post(url, body=dict(CHAT.arguments), cast_to=dict)
    assert [span.name for span in telemetry.spans] == ([name] if name else [])
    if name:
        assert telemetry.span.attributes["gen_ai.provider.name"] == "groq"
        assert telemetry.span.attributes["server.address"] == "api.groq.com"


@pytest.mark.parametrize("named", ["llm.example.com", "llm.example.com:8443"])
def test_provider_by_setting(instrumented, named):
    """`providers` names a host, or a host with its port, that nobody else knows."""
    telemetry = instrumented(providers={named: "in_house"})
    url = "https://llm.example.com:8443/v1"
    with (
        openai.OpenAI(
            base_url=url, api_key="test", max_retries=0, http_client=refusing()
        ) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        client.chat.completions.create(**CHAT.arguments)
    assert telemetry.span.attributes["gen_ai.provider.name"] == "in_house"


def refusing() -> Any:
    """An HTTP client of the SDK's own library whose every connection is refused."""
    base = openai._base_client
    library = base.httpx2 if hasattr(base, "httpx2") else base.httpx

    def refuse(request: Any) -> Any:
        raise library.ConnectError("refused", request=request)

    return library.Client(transport=library.MockTransport(refuse))
