"""azure-ai-inference: who answers, what callers may pass, errors, the SDK's own tracing."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest
from azure.ai.inference import (
    ChatCompletionsClient,
    EmbeddingsClient,
    ImageEmbeddingsClient,
    aio,
    models,
)
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from azure.core.pipeline.transport import AioHttpTransport, RequestsTransport

from llm_otel import semconv
from llm_otel.testing import RateLimit, Reply, provider

# The SDK leaves sockets to the garbage collector, and so do others before this file.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

HOST = "https://example.services.ai.azure.com/models"
MODEL = "gpt-4o"
MESSAGES = [models.SystemMessage("Be short."), models.UserMessage("Hello there")]


def client_at(p: Any, kind: Any, endpoint: str = HOST, **more: Any) -> Any:
    """A client that believes to call an endpoint."""
    base = AioHttpTransport if "aio" in kind.__module__ else RequestsTransport

    class Redirected(base):
        def send(self, request: Any, **options: Any) -> Any:
            host, _, path = request.url.partition("://")[2].partition("/")
            assert host in endpoint
            request.url = f"{p.origin}/{path}"
            return super().send(request, **options)

    credential = AzureKeyCredential("test")
    return kind(endpoint, credential, transport=Redirected(), retry_total=0, **more)


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        (HOST, "azure.ai.inference"),
        ("https://my-model.eastus2.models.ai.azure.com", "azure.ai.inference"),
        ("https://models.inference.ai.azure.com", "github"),
        ("https://example.openai.azure.com/openai/deployments/gpt-4o", "azure.ai.openai"),
        ("https://ai.example.com/models", "azure.ai.inference"),
    ],
)
def test_who_answers(instrumented, p, endpoint, name):
    """By the host, else Azure AI."""
    telemetry = instrumented()
    with client_at(p, ChatCompletionsClient, endpoint) as client:
        client.complete(messages=MESSAGES, model=MODEL)
    attributes = telemetry.span.attributes
    assert attributes[semconv.PROVIDER_NAME] == name
    assert attributes[semconv.SERVER_ADDRESS] == endpoint.split("/")[2]


BODY = {"messages": [{"role": "user", "content": "Hello there"}], "model": MODEL}
BODIES = {
    "messages": lambda: {"messages": MESSAGES, "model": MODEL},
    "a dict": lambda: {"body": dict(BODY)},
    "bytes": lambda: {"body": json.dumps(BODY).encode()},
    "a file": lambda: {"body": io.BytesIO(json.dumps(BODY).encode())},
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies(instrumented, p, name):
    """Whatever the caller passes is sent as without us; a file is not read, so it tells nothing."""
    telemetry = instrumented()
    hooked: list[int] = []
    with client_at(p, ChatCompletionsClient) as client:
        client.complete(
            **BODIES[name](),
            raw_response_hook=lambda response: hooked.append(response.http_response.status_code),
        )
    asked = None if name == "a file" else MODEL
    attributes = telemetry.span.attributes
    assert hooked == [200]
    assert p.requests[0].json["model"] == MODEL
    assert attributes.get(semconv.REQUEST_MODEL) == asked
    assert attributes[semconv.RESPONSE_MODEL] == "gpt-4o-2024-08-06"
    (bill,) = p.bill.values()
    assert attributes[semconv.USAGE_INPUT_TOKENS] == bill.input_tokens


def test_defaults_of_the_client(instrumented, p):
    """What a client sends with each request, and what a request says in its place."""
    telemetry = instrumented()
    defaults = {"model": MODEL, "temperature": 0.1, "max_tokens": 9, "top_p": 0.5}
    with client_at(p, ChatCompletionsClient, **defaults, response_format="json_object") as client:
        client.complete(messages=MESSAGES, temperature=0.9, model_extras={"n": 2})
    attributes = telemetry.span.attributes
    assert attributes[semconv.REQUEST_MODEL] == MODEL
    assert attributes[semconv.REQUEST_TEMPERATURE] == 0.9
    assert attributes[semconv.REQUEST_MAX_TOKENS] == 9
    assert attributes[semconv.REQUEST_TOP_P] == 0.5
    assert attributes[semconv.REQUEST_CHOICE_COUNT] == 2
    assert attributes[semconv.OUTPUT_TYPE] == "json"
    assert len(attributes[semconv.RESPONSE_FINISH_REASONS]) == 2


TOOL = models.ChatCompletionsToolDefinition(
    function=models.FunctionDefinition(
        name="weather",
        description="The weather",
        parameters={"type": "object", "properties": {"city": {"type": "string"}}},
    )
)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_content(instrumented, p, stream):
    """Objects of the SDK in the conventions' shapes: images, tools and their calls."""
    telemetry = instrumented(capture_content="span_only")
    image = models.ImageContentItem(
        image_url=models.ImageUrl(url="https://images.example/cat.png", detail="low")
    )
    question = models.UserMessage([models.TextContentItem(text="Call the tool weather"), image])
    with client_at(p, ChatCompletionsClient) as client:
        answer = client.complete(
            messages=[MESSAGES[0], question], model=MODEL, tools=[TOOL], stream=stream
        )
        if stream:
            list(answer)
    attributes = telemetry.span.attributes
    system, user = json.loads(attributes[semconv.INPUT_MESSAGES])
    assert system["parts"] == [{"type": "text", "content": "Be short."}]
    assert user["parts"][0] == {"type": "text", "content": "Call the tool weather"}
    assert user["parts"][1]["uri"] == "https://images.example/cat.png"
    (output,) = json.loads(attributes[semconv.OUTPUT_MESSAGES])
    assert output["finish_reason"] == "tool_call"
    assert output["parts"][0]["name"] == "weather"
    assert attributes[semconv.RESPONSE_FINISH_REASONS] == ("tool_call",)


# ------------------------------------------------------------------ embeddings
def test_embeddings(instrumented, p):
    """Of texts and of images, each a call."""
    telemetry = instrumented()
    with client_at(p, EmbeddingsClient, dimensions=8) as client:
        client.embed(input=["Hello", "there"], model="text-embedding-3-small")
    image = models.ImageEmbeddingInput(image="data:image/png;base64,AAAA", text="A cat")
    with client_at(p, ImageEmbeddingsClient) as client:
        client.embed(input=[image], model="embed-v4")
    names = [span.name for span in telemetry.spans]
    assert names == ["embeddings text-embedding-3-small", "embeddings embed-v4"]
    billed = sum(bill.input_tokens for bill in p.bill.values())
    assert telemetry.value("gen_ai.tokens.consumed", token_type="input") == billed
    assert telemetry.spans[0].attributes[semconv.EMBEDDINGS_DIMENSION_COUNT] == 8


def test_cost_by_hand(instrumented, p):
    """GPT-4o costs 2.5 USD and 10 USD for a million tokens, an embedding 0.02 USD."""
    telemetry = instrumented(providers={"example.services.ai.azure.com": "azure.ai.openai"})
    with client_at(p, ChatCompletionsClient) as client:
        client.complete(messages=MESSAGES, model=MODEL)
    with client_at(p, EmbeddingsClient) as client:
        client.embed(input=["Hello"], model="text-embedding-3-small")
    chat, embedding = p.bill[MODEL], p.bill["text-embedding-3-small"]
    cost = chat.input_tokens * 2.5 + chat.output_tokens * 10 + embedding.input_tokens * 0.02
    assert telemetry.value("gen_ai.cost.usd") == pytest.approx(cost / 1e6)


# ------------------------------------------------------------------ errors and headers
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("rate_limit", "rate_limit"),
        ("authentication", "authentication"),
        ("content_filter", "content_filter"),
        ("server_error", "server"),
    ],
)
def test_errors(instrumented, p, fault, kind, stream):
    """The class is by the provider's code and the status; the exception is the SDK's."""
    telemetry = instrumented()
    p.enqueue(fault)
    with client_at(p, ChatCompletionsClient) as client, pytest.raises(HttpResponseError):
        client.complete(messages=MESSAGES, model=MODEL, stream=stream)
    assert telemetry.span.attributes[semconv.ERROR_CLASS] == kind


def test_nobody_there(instrumented, p):
    """`ServiceRequestError` is a connection that failed."""
    telemetry = instrumented()
    client = ChatCompletionsClient(
        "http://127.0.0.1:9/models", AzureKeyCredential("test"), retry_total=0
    )
    with client, pytest.raises(ServiceRequestError):
        client.complete(messages=MESSAGES, model=MODEL)
    assert telemetry.span.attributes[semconv.ERROR_CLASS] == "connection"


def test_limits_of_a_stream(instrumented):
    """A stream's response is at hand, a whole answer's is not."""
    telemetry = instrumented()
    with (
        provider(rate_limit=RateLimit(requests=60)) as p,
        client_at(p, ChatCompletionsClient) as client,
    ):
        list(client.complete(messages=MESSAGES, model=MODEL, stream=True))
    assert telemetry.value("gen_ai.ratelimit.requests.limit") == 60


# ------------------------------------------------------------------ its own tracing
@pytest.mark.parametrize("first", ["theirs", "ours"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_its_own_tracing(instrumented, p, first, stream):
    """`AIInferenceInstrumentor` sees what it sees without us, and so do we, in either order."""
    from azure.ai.inference.tracing import AIInferenceInstrumentor
    from azure.core.settings import settings

    settings.tracing_implementation = "opentelemetry"
    instrumentor = AIInferenceInstrumentor()
    try:
        if first == "theirs":
            instrumentor.instrument()
        telemetry = instrumented()
        if first == "ours":
            instrumentor.instrument()
        with client_at(p, ChatCompletionsClient) as client:
            answer = client.complete(
                messages=MESSAGES,
                model=MODEL,
                stream=stream,
                model_extras={"stream_options": {"include_usage": True}} if stream else None,
            )
            chunks = list(answer) if stream else []
        assert not stream or chunks
    finally:
        instrumentor.uninstrument()
        settings.tracing_implementation = None
    (bill,) = p.bill.values()
    (call,) = [span for span in telemetry.spans if span.name == f"chat {MODEL}"]
    assert call.attributes[semconv.USAGE_INPUT_TOKENS] == bill.input_tokens
    assert call.attributes[semconv.RESPONSE_FINISH_REASONS] == ("stop",)


@pytest.mark.parametrize("leave", [False, True], ids=["read", "left"])
@pytest.mark.parametrize("first", ["nobody", "theirs", "ours"])
def test_its_own_tracing_of_an_async_stream(instrumented, p, first, leave):
    """The same, though its stream reads past the one that it is given; the program's stream is of
    its class, and closes as without us."""
    from azure.ai.inference.tracing import AIInferenceInstrumentor
    from azure.core.settings import settings

    settings.tracing_implementation = "opentelemetry"
    instrumentor = AIInferenceInstrumentor()
    names = []

    async def program() -> None:
        async with client_at(p, aio.ChatCompletionsClient) as client:
            stream = await client.complete(messages=MESSAGES, model=MODEL, stream=True)
            assert type(stream).__name__ == "AsyncStreamWrapper"
            async with stream:
                async for chunk in stream:
                    names.append(chunk.id)
                    if leave:
                        break

    try:
        if first in ("nobody", "theirs"):
            instrumentor.instrument()
        telemetry = None if first == "nobody" else instrumented()
        if first == "ours":
            instrumentor.instrument()
        asyncio.run(program())
    finally:
        instrumentor.uninstrument()
        settings.tracing_implementation = None
    assert len(names) == 1 if leave else len(names) > 1
    if telemetry is not None:
        attributes = telemetry.span.attributes
        reason = "cancelled" if leave else "stop"
        assert attributes[semconv.RESPONSE_FINISH_REASONS] == (reason,)
        assert leave or attributes[semconv.RESPONSE_ID] == names[0]


def test_async_stream_that_is_left(instrumented, p):
    """It is closed, and its call was cancelled."""
    telemetry = instrumented()

    async def program() -> None:
        async with client_at(p, aio.ChatCompletionsClient) as client:
            stream = await client.complete(messages=MESSAGES, model=MODEL, stream=True)
            async for _ in stream:
                break
            await stream.aclose()

    asyncio.run(program())
    assert telemetry.span.attributes[semconv.RESPONSE_FINISH_REASONS] == ("cancelled",)


def test_a_broken_event(instrumented, p):
    """The SDK's exception ends the call."""
    telemetry = instrumented()
    p.enqueue(Reply(headers={"content-type": "text/event-stream"}, body="event: x\n\n"))
    with client_at(p, ChatCompletionsClient) as client, pytest.raises(ValueError, match="SSE"):
        list(client.complete(messages=MESSAGES, model=MODEL, stream=True))
    assert telemetry.span.status == "ERROR"
