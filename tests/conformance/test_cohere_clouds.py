"""Cohere's clients for AWS: their HTTP client's hooks send what is asked of Cohere elsewhere."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import cohere
import httpx
import pytest
from clients.redirect import transport

from llm_otel.clients import cohere as spec
from llm_otel.testing import Reply
from tests.conformance.test_cohere import MODEL, OLD, make

pytest.importorskip("boto3")
# Who replaces a response's stream leaves its socket to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

KEYS = {"aws_access_key": "a", "aws_secret_key": "b", "aws_region": "us-east-1"}
COUNTS = {
    "x-amzn-bedrock-input-token-count": "9",
    "x-amzn-bedrock-output-token-count": "4",
    "content-type": "application/json",
}


_opened: list[Any] = []


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """The SDK's clients for AWS cannot be closed by their user."""
    yield
    while _opened:
        _opened.pop().close()


def on_aws(kind: Any, p: Any) -> Any:
    client = kind(**KEYS)
    http_client = client._client_wrapper.httpx_client.httpx_client
    http_client._transport = transport(httpx, p, False)
    _opened.append(http_client)
    return client


# Client -> provider, host.
CLOUDS = {
    "BedrockClient": ("aws.bedrock", "bedrock-runtime.us-east-1.amazonaws.com"),
    "SagemakerClient": ("aws.sagemaker", "runtime.sagemaker.us-east-1.amazonaws.com"),
}


@pytest.mark.parametrize("name", CLOUDS)
def test_chat(instrumented, p, name):
    """The call is of the cloud that answers, with the counts that its headers hold."""
    telemetry = instrumented()
    p.enqueue(Reply(body={"text": "Yes.", "finish_reason": "COMPLETE"}, headers=COUNTS))
    answered = on_aws(getattr(cohere, name), p).chat(**OLD)
    assert answered.text == "Yes."
    attributes = telemetry.span.attributes
    provider, host = CLOUDS[name]
    assert attributes["gen_ai.provider.name"] == provider
    assert attributes["server.address"] == host
    assert attributes["gen_ai.request.model"] == MODEL
    assert attributes["gen_ai.usage.input_tokens"] == 9
    assert attributes["gen_ai.usage.output_tokens"] == 4


def test_no_counts(instrumented, p):
    """Where the headers hold no counts, the usage is unknown."""
    telemetry = instrumented()
    p.enqueue(
        Reply(
            body={"text": "Yes.", "finish_reason": "COMPLETE"},
            headers={"content-type": "application/json"},
        )
    )
    on_aws(cohere.BedrockClient, p).chat(**OLD)
    assert telemetry.span.attributes["llm_otel.usage.source"] == "unknown"


def test_stream(instrumented, p):
    """The SDK makes lines of Bedrock's frames, under the content type of the frames."""
    telemetry = instrumented()
    metrics = {"inputTokenCount": 9, "outputTokenCount": 4}
    nodes = [
        {"is_finished": False, "event_type": "text-generation", "text": "Yes."},
        {"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE",
         "response": {"response_id": "c1", "text": "Yes."},
         "amazon-bedrock-invocationMetrics": metrics},
    ]  # fmt: skip
    frames = [
        b"\x00frame" + json.dumps({"bytes": b64encode(json.dumps(n).encode()).decode()}).encode()
        for n in nodes
    ]
    headers = {"content-type": "application/vnd.amazon.eventstream"}
    p.enqueue(Reply(headers=headers, body=b"\n".join(frames) + b"\n"))
    chunks = list(on_aws(cohere.BedrockClient, p).chat_stream(**OLD))
    assert [chunk.event_type for chunk in chunks] == ["text-generation", "stream-end"]
    attributes = telemetry.span.attributes
    assert attributes["gen_ai.provider.name"] == "aws.bedrock"
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert attributes["gen_ai.usage.input_tokens"] == 9
    assert attributes["gen_ai.usage.output_tokens"] == 4


def test_other_hooks(instrumented, p):
    """A program's own hooks change nothing."""
    telemetry = instrumented()
    seen: list[str] = []
    with make(cohere.Client, p) as client:
        http = client._client_wrapper.httpx_client.httpx_client
        http.event_hooks = {"request": [lambda request: seen.append(request.url.host)]}
        client.chat(**OLD)
    assert seen == ["api.cohere.com"]
    assert telemetry.span.attributes["gen_ai.provider.name"] == "cohere"


def test_hooks_that_changed(instrumented, p, monkeypatch):
    """Of hooks that close over other variables, the cloud is known and the region is not."""
    telemetry = instrumented()
    monkeypatch.setattr(spec, "_variables", lambda _: {})
    p.enqueue(Reply(body={"text": "Yes.", "finish_reason": "COMPLETE"}, headers=COUNTS))
    on_aws(cohere.BedrockClient, p).chat(**OLD)
    assert telemetry.span.attributes["gen_ai.provider.name"] == "aws.bedrock"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://cohere-r.eastus2.models.ai.azure.com", "azure.ai.inference"),
        ("https://cohere-r.eastus2.inference.ai.azure.com", "azure.ai.inference"),
        ("https://inference.generativeai.us-chicago-1.oci.oraclecloud.com", "oci"),
        ("https://cohere.example.org", "cohere"),
    ],
)
def test_other_hosts(instrumented, p, url, name):
    """Who answers is seen by the host; on a host of one's own it is a model of Cohere's."""
    telemetry = instrumented()
    with make(cohere.ClientV2, p, base_url=url) as client:
        client.chat(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
    assert telemetry.span.attributes["gen_ai.provider.name"] == name
