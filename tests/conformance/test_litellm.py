"""litellm: its own HTTP paths and the SDK beneath, each request once; its callback's spans."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import threading
import time
from collections.abc import Iterator
from pkgutil import iter_modules
from typing import Any

import httpx
import pytest
from clients import litellm as table
from clients.litellm import litellm  # with what must be set before it is imported
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import llm_otel
from llm_otel import protocols, semconv
from llm_otel.clients import litellm as client
from llm_otel.protocols.paths import Paths
from llm_otel.testing import Reply

# Of pydantic, for litellm's own classes.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Items? '"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    # It leaves sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

table._import_all()
litellm.disable_hf_tokenizer_download = True

MESSAGES = [{"role": "user", "content": "Hello there"}]
# Provider as litellm calls it -> our name of who answers at an unknown host.
CHATS = {
    "openai/gpt-4o": "openai_compatible",
    "azure/gpt-4o": "azure.ai.openai",
    "groq/llama-3.3-70b-versatile": "openai_compatible",
    "deepseek/deepseek-chat": "openai_compatible",
    "mistral/mistral-large-latest": "openai_compatible",
    "hosted_vllm/served": "openai_compatible",
    "together_ai/some/model": "openai_compatible",
    "openrouter/some/model": "openai_compatible",
    "huggingface/some/model": "openai_compatible",
    "anthropic/claude-sonnet-5": "anthropic",
}


@pytest.fixture(autouse=True)
def no_leftovers() -> Iterator[None]:
    """What a test sets in litellm is for that test."""
    yield
    litellm.callbacks = []
    litellm.success_callback, litellm.failure_callback = [], []
    litellm._async_success_callback, litellm._async_failure_callback = [], []


def arguments(p: Any, model: str) -> dict[str, Any]:
    """Those of a request to the local provider."""
    provider = model.partition("/")[0]
    base = p.origin if provider in ("anthropic", "azure") else p.url
    given: dict[str, Any] = {"model": model, "api_key": "sk-test", "api_base": base}
    if provider == "azure":
        given["api_version"] = "2024-10-21"
    return {**given, "num_retries": 0, "max_retries": 0}


async def chat(p: Any, model: str, asynchronous: bool, stream: bool, **more: Any) -> None:
    """One chat, read to its end."""
    given = {**arguments(p, model), "messages": MESSAGES, "stream": stream, **more}
    if asynchronous:
        answer = await litellm.acompletion(**given)
        if stream:
            async for _ in answer:
                pass
    else:
        answer = litellm.completion(**given)
        if stream:
            list(answer)


def ask(p: Any, model: str, asynchronous: bool = False, stream: bool = False, **more: Any) -> None:
    """The same in a loop of its own."""
    asyncio.run(chat(p, model, asynchronous, stream, **more))


def settle(telemetry: Any) -> None:
    """Wait for the call to end: some versions leave the end of a stream unread, and a thread of
    theirs may hold it a little longer than the program."""
    deadline = time.monotonic() + 5
    while not telemetry.spans and time.monotonic() < deadline:
        gc.collect()
        threading.Event().wait(0.01)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("model", CHATS)
def test_chats(instrumented, p, model, asynchronous, stream):
    """One call with the provider's tokens, whichever way litellm takes to it."""
    telemetry = instrumented(stream_usage="always")
    ask(p, model, asynchronous, stream)
    settle(telemetry)
    (bill,) = p.bill.values()
    attributes = telemetry.span.attributes
    assert len(p.requests) == 1
    assert attributes[semconv.PROVIDER_NAME] == CHATS[model]
    assert attributes[semconv.REQUEST_MODEL] == model.partition("/")[2]
    assert attributes[semconv.USAGE_INPUT_TOKENS] == bill.input_tokens
    assert attributes[semconv.USAGE_OUTPUT_TOKENS] == bill.output_tokens
    assert attributes[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
    assert attributes[semconv.SERVER_ADDRESS] == "127.0.0.1"
    assert telemetry.value("gen_ai.tokens.consumed") == bill.input_tokens + bill.output_tokens


def test_every_protocol_is_known() -> None:
    """litellm calls all providers: a new protocol needs a row in its client's file."""
    modules = (
        importlib.import_module(f"{protocols.__name__}.{each.name}")
        for each in iter_modules(protocols.__path__)
    )
    tables = {
        f"{module.__name__}.{name}": value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, Paths) and name.isupper()
    }
    rows = [speaker.table for speaker in (*client._COMMON, *client._OWN)]
    missing = [name for name, each in tables.items() if not any(each is row for row in rows)]
    assert missing == ["llm_otel.protocols.xai.XAI"]  # over gRPC


# ------------------------------------------------------------------ other functions
def embed(p: Any) -> None:
    litellm.embedding(input=["Hello"], **arguments(p, "hosted_vllm/embedder"))


def rerank(p: Any) -> None:
    given = {**arguments(p, "hosted_vllm/reranker"), "query": "a", "documents": ["b", "c"]}
    litellm.rerank(**given)


def respond(p: Any) -> None:
    litellm.responses(input="Hello", **arguments(p, "openai/gpt-4o"))


def respond_in_pieces(p: Any) -> None:
    list(litellm.responses(input="Hello", stream=True, **arguments(p, "openai/gpt-4o")))


def complete(p: Any) -> None:
    litellm.text_completion(prompt="Hello", **arguments(p, "text-completion-openai/gpt-4o"))


def draw(p: Any) -> None:
    litellm.image_generation(prompt="A cat", **arguments(p, "openai/gpt-image-1"))


def transcribe(p: Any) -> None:
    litellm.transcription(file=("a.wav", b"RIFF" * 100), **arguments(p, "openai/whisper-1"))


def messages(p: Any) -> None:
    given = {**arguments(p, "anthropic/claude-sonnet-5"), "max_tokens": 20}
    asyncio.run(litellm.anthropic.messages.acreate(messages=MESSAGES, **given))


FUNCTIONS = {
    "embeddings": (embed, "embeddings embedder"),
    "rerank": (rerank, "rerank reranker"),
    "responses": (respond, "chat gpt-4o"),
    "responses stream": (respond_in_pieces, "chat gpt-4o"),
    "completion": (complete, "text_completion gpt-4o"),
    "image": (draw, "image_generation gpt-image-1"),
    "transcription": (transcribe, "transcription whisper-1"),
    "messages": (messages, "chat claude-sonnet-5"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(instrumented, p, name):
    """One request, one call."""
    function, span = FUNCTIONS[name]
    telemetry = instrumented()
    function(p)
    assert len(p.requests) == 1
    assert telemetry.span.name == span
    assert telemetry.span.status == "UNSET"
    bills = p.bill.values()
    billed = sum(bill.input_tokens + bill.output_tokens for bill in bills)
    if name not in ("image", "rerank"):  # the provider's bill has none
        assert telemetry.value("gen_ai.tokens.consumed") == billed


def test_a_response_that_is_fetched_is_counted_once(instrumented, p):
    """`get_responses` tells of a response whose tokens are counted already."""
    telemetry = instrumented()
    given = arguments(p, "openai/gpt-4o")
    made = litellm.responses(input="Hello", **given)
    given.pop("model")
    litellm.get_responses(response_id=made.id, custom_llm_provider="openai", **given)
    assert [span.name for span in telemetry.spans] == ["chat gpt-4o", "fetch_response"]
    (bill,) = p.bill.values()
    spent = telemetry.value("gen_ai.tokens.consumed")
    assert spent == bill.input_tokens + bill.output_tokens


# ------------------------------------------------------------------ retries, fallbacks, errors
def test_router(instrumented, p):
    """Each request that the Router sends is one call: here one that fails, and its fallback."""
    telemetry = instrumented(stream_usage="always")
    models = ("anthropic/claude-sonnet-5", "groq/llama-3.3-70b-versatile")
    router = litellm.Router(
        model_list=[
            {"model_name": name, "litellm_params": arguments(p, model)}
            for name, model in zip("ab", models)
        ],
        fallbacks=[{"a": ["b"]}],
        num_retries=1,
        retry_after=0,
    )
    p.enqueue("server_error")
    answer = asyncio.run(router.acompletion(model="a", messages=MESSAGES))
    assert answer.choices[0].message.content
    spans = telemetry.spans
    assert len(spans) == len(p.requests) > 1
    assert [span.name for span in spans[-1:]] == ["chat llama-3.3-70b-versatile"]
    failed = [span.attributes.get(semconv.ERROR_CLASS) for span in spans]
    assert failed == ["server"] * (len(spans) - 1) + [None]
    assert telemetry.value("gen_ai.errors") == len(spans) - 1


ERRORS = {
    "rate_limit": "rate_limit",
    "quota": "rate_limit",
    "authentication": "authentication",
    "context_length": "invalid_request",
    "content_filter": "content_filter",
    "insufficient_funds": "insufficient_funds",
    "capacity": "server",
}


@pytest.mark.parametrize("fault", ERRORS)
def test_errors(instrumented, p, fault):
    """The class is by what the provider says, in the body of an exception of httpx."""
    telemetry = instrumented()
    p.enqueue(fault)
    with pytest.raises(Exception, match=r"."):
        ask(p, "hosted_vllm/served")
    assert telemetry.span.attributes[semconv.ERROR_CLASS] == ERRORS[fault]


def test_timeout_and_connection(instrumented, p):
    """Neither has a status."""
    telemetry = instrumented()
    p.enqueue(Reply(ending="silence"))
    with pytest.raises(litellm.Timeout):
        ask(p, "hosted_vllm/served", timeout=0.2)
    with pytest.raises(litellm.exceptions.InternalServerError):
        ask(p, "hosted_vllm/served", api_base="http://127.0.0.1:9/v1")
    classes = [span.attributes[semconv.ERROR_CLASS] for span in telemetry.spans]
    assert classes == ["timeout", "connection"]


def test_cost_by_hand(instrumented, p):
    """Claude Sonnet 5 costs 2 USD and 10 USD for a million tokens; GPT-4o 2.5 and 10."""
    telemetry = instrumented(providers={"127.0.0.1": "anthropic"})
    ask(p, "anthropic/claude-sonnet-5")
    (bill,) = p.bill.values()
    cost = telemetry.value("gen_ai.cost.usd")
    assert cost == pytest.approx(bill.input_tokens * 2e-6 + bill.output_tokens * 10e-6)


def test_cost_by_hand_of_responses(instrumented, p):
    """The same for another protocol."""
    telemetry = instrumented(providers={"127.0.0.1": "openai"})
    respond(p)
    (bill,) = p.bill.values()
    cost = telemetry.value("gen_ai.cost.usd")
    assert cost == pytest.approx(bill.input_tokens * 2.5e-6 + bill.output_tokens * 10e-6)


def test_cost_that_a_proxy_reports(instrumented, p):
    """LiteLLM's own proxy tells the cost in a header."""
    telemetry = instrumented()
    headers = {"x-litellm-response-cost": "0.5"}
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}  # fmt: skip
    p.enqueue(Reply(headers=headers, body=body))
    ask(p, "hosted_vllm/served")
    assert telemetry.value("gen_ai.cost.usd") == 0.5


# ------------------------------------------------------------------ a stream's usage
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_asked_for_usage_is_hidden(instrumented, p, asynchronous):
    """Its own wire is as without us but for the key that asks, and so are its chunks."""

    async def chunks() -> list[Any]:
        given = {**arguments(p, "hosted_vllm/served"), "messages": MESSAGES, "stream": True}
        p.reset()
        if asynchronous:
            found = [chunk async for chunk in await litellm.acompletion(**given)]
        else:
            found = list(litellm.completion(**given))
        return [table._shown(chunk) for chunk in found]

    alone, sent = asyncio.run(chunks()), p.requests[-1].body
    telemetry = instrumented(stream_usage="always")
    assert asyncio.run(chunks()) == alone
    more = {**json.loads(sent), "stream_options": {"include_usage": True}}
    # As its own JSON has it, or that of the SDK beneath older versions.
    texts = [json.dumps(more), json.dumps(more, separators=(",", ":"))]
    assert p.requests[-1].body.decode() in texts
    settle(telemetry)
    assert telemetry.value("llm_otel.usage.unknown") == 0


# ------------------------------------------------------------------ its callback
def test_its_callback_keeps_off_our_spans(instrumented, p):
    """Our workflow says nothing of a chat; a span of litellm's own says all that it has to."""
    from litellm.integrations.opentelemetry import OpenTelemetry, OpenTelemetryConfig

    telemetry = instrumented()
    exporter = InMemorySpanExporter()
    callback = OpenTelemetry(config=OpenTelemetryConfig(exporter=exporter))
    litellm.callbacks = [callback]

    async def program() -> None:
        with llm_otel.workflow("answer"):
            await chat(p, "anthropic/claude-sonnet-5", True, False)
            await asyncio.wait_for(_logged(exporter), 10)

    asyncio.run(program())
    ours, call = telemetry.spans
    assert ours.name == "invoke_workflow answer"
    foreign = {name for name in ours.attributes if not name.startswith("llm_otel.total.")}
    assert foreign == {semconv.OPERATION_NAME, semconv.WORKFLOW_NAME}
    assert ours.status == "UNSET"
    assert call.name == "chat claude-sonnet-5"
    theirs = {span.name: span for span in exporter.get_finished_spans()}
    assert "litellm_request" in theirs, theirs
    told = dict(theirs["litellm_request"].attributes or {})
    assert told["gen_ai.usage.input_tokens"] == call.attributes[semconv.USAGE_INPUT_TOKENS]
    assert "Hello there" in json.dumps(told, default=str)
    context = theirs["litellm_request"].context
    assert f"{context.trace_id:032x}" == ours.trace_id


async def _logged(exporter: InMemorySpanExporter) -> None:
    """Return when litellm's worker has told its callback of the call."""
    from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

    await GLOBAL_LOGGING_WORKER.flush()
    while not any(span.name == "litellm_request" for span in exporter.get_finished_spans()):
        await asyncio.sleep(0.01)


# ------------------------------------------------------------------ Vertex AI's partners
CLAUDE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5-20251001",
    "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn",
    "usage": {"input_tokens": 1000, "output_tokens": 200},
}  # fmt: skip
MISTRAL = {
    "id": "c1", "object": "chat.completion", "created": 1, "model": "mistral-large-2411",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"},
                 "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200},
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "body"), [("claude-haiku-4-5@20251001", CLAUDE), ("mistral-large-2411", MISTRAL)]
)
def test_partners_of_vertex(instrumented, p, monkeypatch, model, body):
    """Their models are asked by a path of Google's, and answer as at home."""
    base = importlib.import_module("litellm.llms.vertex_ai.vertex_llm_base").VertexBase
    for name in ("_ensure_access_token", "get_access_token"):
        monkeypatch.setattr(base, name, lambda *_, **__: ("token", "project"))
    send = httpx.HTTPTransport.handle_request

    def redirected(transport: Any, request: Any) -> Any:
        assert request.url.host == "us-east5-aiplatform.googleapis.com"
        request.url = httpx.URL(p.origin + request.url.raw_path.decode())
        return send(transport, request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", redirected)
    telemetry = instrumented()
    p.enqueue(Reply(body=body))
    litellm.completion(
        model=f"vertex_ai/{model}", messages=MESSAGES, max_tokens=9, num_retries=0,
        vertex_project="project", vertex_location="us-east5",
    )  # fmt: skip
    attributes = telemetry.span.attributes
    assert attributes[semconv.PROVIDER_NAME] == "gcp.vertex_ai"
    assert attributes[semconv.REQUEST_MODEL] == model
    assert attributes[semconv.USAGE_INPUT_TOKENS] == 1000
    assert attributes[semconv.USAGE_OUTPUT_TOKENS] == 200
    assert attributes[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
