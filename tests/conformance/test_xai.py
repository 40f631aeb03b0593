"""xai_sdk against a real gRPC server: what it bills, how it fails, what it says, its own spans."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import grpc
import grpc._channel
import pytest
from conformance.xai_server import MODEL, Refusal, Server, completion, serving, usage
from content_schema import assert_valid
from opentelemetry import trace
from pydantic import BaseModel, ValidationError
from xai_sdk import AsyncClient, Client
from xai_sdk.aio import chat as aio_chat
from xai_sdk.aio import image as aio_image
from xai_sdk.chat import (
    assistant,
    developer,
    file,
    image,
    system,
    text,
    tool,
    tool_result,
    user,
)
from xai_sdk.proto import chat_pb2, image_pb2
from xai_sdk.sync import chat as sync_chat
from xai_sdk.sync import image as sync_image
from xai_sdk.tools import mcp, web_search

from llm_otel.clients import xai_sdk as spec

# 1.25 USD for a million tokens in, 0.2 for cached ones, 2.5 out.
PLAIN = 600 * 1.25 + 400 * 0.2 + (50 + 30) * 2.5  # millionths of a USD
SOON = {"interval": timedelta(milliseconds=1)}
TICKS = 10_000  # of a millionth of a USD


class City(BaseModel):
    """What `parse` is asked for."""

    name: str


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with serving(Server()) as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    running.answers = [completion("Hello there")]
    running.requests.clear()
    return running


def call(server: Server, how: str, asynchronous: bool = False, **settings: Any) -> Any:
    """What a program gets by one of the ways in which it can ask."""
    if asynchronous:
        return asyncio.run(_call_async(server, how, settings))
    with Client(**server.options()) as client, warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        if how.startswith("image"):
            batch = {"n": 2} if how == "image_batch" else {}
            draw = client.image.sample_batch if batch else client.image.sample
            return draw("A cat", MODEL, **batch)
        chat = client.chat.create(MODEL, **{"messages": [user("Hi")], **settings})
        if how == "compact_context":
            return client.chat.compact_context(MODEL, [user("Hi")])
        if how.startswith("stream"):
            return list(chat.stream() if how == "stream" else chat.stream_batch(2))
        return getattr(chat, how)(*_arguments(how), **(SOON if "defer" in how else {}))


async def _call_async(server: Server, how: str, settings: Any) -> Any:
    async with AsyncClient(**server.options()) as client:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            if how.startswith("image"):
                batch = {"n": 2} if how == "image_batch" else {}
                draw = client.image.sample_batch if batch else client.image.sample
                return await draw("A cat", MODEL, **batch)
            chat = client.chat.create(MODEL, **{"messages": [user("Hi")], **settings})
            if how == "compact_context":
                return await client.chat.compact_context(MODEL, [user("Hi")])
            if how.startswith("stream"):
                stream = chat.stream() if how == "stream" else chat.stream_batch(2)
                return [each async for each in stream]
            made = getattr(chat, how)(*_arguments(how), **(SOON if "defer" in how else {}))
            return await made


def _arguments(how: str) -> tuple[Any, ...]:
    return (City,) if how == "parse" else (2,) if how.endswith("_batch") else ()


SYNC_AND_ASYNC = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
HOWS = (
    "sample", "sample_batch", "stream", "stream_batch", "parse", "defer", "defer_batch", "compact",
    "compact_context",
)  # fmt: skip


# ------------------------------------------------------------------ calls
@SYNC_AND_ASYNC
@pytest.mark.parametrize("how", HOWS)
def test_chats(instrumented: Any, server: Server, how: str, asynchronous: bool) -> None:
    """Each way to ask is one call, with what xAI billed, by the real host."""
    telemetry = instrumented()
    batch = how.endswith("_batch")
    texts = ['{"name": "Rome"}'] * (2 if batch else 1)
    compacted = chat_pb2.CompactContextResponse(id="c1", encrypted_content="x", usage=usage())
    server.answers = [compacted if "compact" in how else completion(*texts)]
    call(server, how, asynchronous)
    assert len(server.requests) == 1
    attributes = telemetry.span.attributes
    value = telemetry.value
    expected: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "x_ai",
        "server.address": "api.x.ai",
        "server.port": 443,
        "gen_ai.request.model": MODEL,
        "gen_ai.response.id": "c1",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.cache_read.input_tokens": 400,
        "gen_ai.usage.output_tokens": 80,
        "gen_ai.usage.reasoning.output_tokens": 30,
    }
    if "compact" not in how:
        expected["gen_ai.response.model"] = MODEL
        expected["gen_ai.response.finish_reasons"] = ("stop",) * len(texts)
    if batch:
        expected["gen_ai.request.choice.count"] = 2
    assert {name: attributes.get(name) for name in expected} == expected
    assert attributes.get("gen_ai.request.stream", False) is how.startswith("stream")
    assert ("gen_ai.response.time_to_first_chunk" in attributes) is how.startswith("stream")
    assert value("gen_ai.tokens.consumed", token_type="input", provider="x_ai") == 1000
    assert value("gen_ai.tokens.consumed", token_type="output", provider="x_ai") == 80
    assert value("gen_ai.cost.usd") * 1e6 == pytest.approx(PLAIN)
    assert telemetry.count("gen_ai.request.duration") == 1


def test_what_the_caller_gets(instrumented: Any, server: Server) -> None:
    """The same values as without us; the stream stays a generator."""
    with Client(**server.options()) as client:
        chat = client.chat.create(MODEL, messages=[user("Hi")])
        without = [(r.content, c.content, r.finish_reason) for r, c in chat.stream()]
        instrumented()
        stream = chat.stream()
        assert type(stream).__name__ == "generator"
        assert [(r.content, c.content, r.finish_reason) for r, c in stream] == without
        assert chat.sample().proto == completion("Hello there")


USAGES: dict[str, tuple[dict[str, Any], tuple[int, int, float, str | None]]] = {
    "beside": ({}, (1000, 80, PLAIN, None)),
    "reasoning inside": (
        {"total_tokens": 1050}, (1000, 50, 600 * 1.25 + 400 * 0.2 + 50 * 2.5, None),
    ),
    "more than the parts": ({"total_tokens": 1090}, (1000, 80, PLAIN, "incomplete")),
    "no total": ({"total_tokens": 0}, (1000, 80, PLAIN, None)),
    "pictures": ({"prompt_image_tokens": 100, "prompt_text_tokens": 500},
                 (1000, 80, PLAIN, None)),
    "the provider's own cost": ({"cost_in_usd_ticks": 1234 * TICKS}, (1000, 80, 1234, None)),
    "tools": ({"server_side_tools_used": [1, 1]}, (1000, 80, PLAIN, "incomplete")),
    "tools that are in its cost": (
        {"server_side_tools_used": [1, 1], "cost_in_usd_ticks": 11_234 * TICKS},
        (1000, 80, 11_234, None),
    ),
    "live search": ({"num_sources_used": 3}, (1000, 80, PLAIN, "incomplete")),
}  # fmt: skip


@pytest.mark.parametrize("how", ["sample", "stream"])
@pytest.mark.parametrize("name", USAGES)
def test_usage(instrumented: Any, server: Server, name: str, how: str) -> None:
    """Tokens and cost, by hand; what nobody counts marks the cost."""
    counts, (tokens_in, tokens_out, cost, status) = USAGES[name]
    telemetry = instrumented()
    server.answers = [completion("Yes.", used=usage(**counts))]
    call(server, how)
    attributes = telemetry.span.attributes
    assert (
        attributes["gen_ai.usage.input_tokens"],
        attributes["gen_ai.usage.output_tokens"],
        round(telemetry.value("gen_ai.cost.usd") * 1e6, 3),
        attributes.get("llm_otel.cost.status"),
    ) == (tokens_in, tokens_out, round(cost, 3), status)


@SYNC_AND_ASYNC
@pytest.mark.parametrize("how", ["image", "image_batch"])
def test_images(instrumented: Any, server: Server, how: str, asynchronous: bool) -> None:
    """What pictures cost is what xAI says; there are no tokens."""
    telemetry = instrumented(capture_content="span_only")
    picture = image_pb2.GeneratedImage(url="https://imgen.x.ai/a.jpg?key=1")
    used = usage(prompt_tokens=0, prompt_text_tokens=0, cached_prompt_text_tokens=0,
                 completion_tokens=0, reasoning_tokens=0, total_tokens=0,
                 cost_in_usd_ticks=40_000 * TICKS)  # fmt: skip
    server.answers = [image_pb2.ImageResponse(images=[picture] * 2, model=MODEL, usage=used)]
    call(server, how, asynchronous)
    attributes = telemetry.span.attributes
    assert attributes["gen_ai.operation.name"] == "image_generation"
    assert telemetry.value("gen_ai.cost.usd") == pytest.approx(0.04)
    outputs = json.loads(attributes["gen_ai.output.messages"])
    assert outputs[0]["parts"] == [
        {"type": "uri", "modality": "image", "uri": "https://imgen.x.ai/a.jpg"}
    ]
    assert json.loads(attributes["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "A cat"}]}
    ]


def test_what_is_no_call(instrumented: Any, server: Server) -> None:
    """Nothing is sent for a chat without messages, and nothing is counted."""
    telemetry = instrumented()
    with Client(**server.options()) as client, pytest.raises(ValueError, match="No messages"):
        client.chat.create(MODEL).sample()
    assert telemetry.spans == []


def test_request_attributes(instrumented: Any, server: Server) -> None:
    telemetry = instrumented()
    call(server, "sample", temperature=0.2, top_p=0.9, max_tokens=99, seed=7, stop=["END"],
         frequency_penalty=0.5, presence_penalty=0.25, reasoning_effort="low",
         response_format=City)  # fmt: skip
    attributes = telemetry.span.attributes
    expected = {
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.max_tokens": 99,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.frequency_penalty": 0.5,
        "gen_ai.request.presence_penalty": 0.25,
        "gen_ai.request.reasoning.level": "low",
        "gen_ai.output.type": "json",
    }
    assert {name: attributes.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("number", "reason", "error"),
    [(1, "length", None), (2, "length", None), (3, "stop", None), (4, "tool_call", None),
     (5, "error", "timeout")],
)  # fmt: skip
@pytest.mark.parametrize("how", ["sample", "stream"])
def test_finish_reasons(
    instrumented: Any, server: Server, number: int, reason: str, error: str | None, how: str
) -> None:
    telemetry = instrumented()
    server.answers = [completion("Yes.", finish=number)]
    call(server, how)
    span = telemetry.span
    assert span.attributes["gen_ai.response.finish_reasons"] == (reason,)
    assert span.attributes.get("llm_otel.error.class") == error


# ------------------------------------------------------------------ errors
STATUSES = {
    "RESOURCE_EXHAUSTED": "rate_limit",
    "UNAUTHENTICATED": "authentication",
    "PERMISSION_DENIED": "permission",
    "INVALID_ARGUMENT": "invalid_request",
    "NOT_FOUND": "not_found",
    "DEADLINE_EXCEEDED": "timeout",
    "UNAVAILABLE": "server",
    "INTERNAL": "server",
    "FAILED_PRECONDITION": "invalid_request",
}
CREDITS = "Your team 16f2151a-40f4 has either used all available credits or reached its limit."


@SYNC_AND_ASYNC
@pytest.mark.parametrize("how", ["sample", "stream", "defer"])
@pytest.mark.parametrize("status", STATUSES)
def test_errors(
    instrumented: Any, server: Server, status: str, how: str, asynchronous: bool
) -> None:
    """The class of each status; the caller gets the SDK's own exception."""
    telemetry = instrumented()
    server.answers = [Refusal(grpc.StatusCode[status])]
    with pytest.raises(grpc.RpcError) as raised:
        call(server, how, asynchronous)
    assert raised.value.code().name == status
    assert telemetry.span.status == "ERROR"
    assert telemetry.span.attributes["llm_otel.error.class"] == STATUSES[status]
    assert telemetry.value("gen_ai.errors", error_type=STATUSES[status]) == 1


@pytest.mark.parametrize("status", ["RESOURCE_EXHAUSTED", "PERMISSION_DENIED"])
def test_without_money(instrumented: Any, server: Server, status: str) -> None:
    """Only the message says that the credits are used up; it is read and not kept."""
    telemetry = instrumented()
    server.answers = [Refusal(grpc.StatusCode[status], CREDITS)]
    with pytest.raises(grpc.RpcError):
        call(server, "sample")
    assert telemetry.span.attributes["llm_otel.error.class"] == "insufficient_funds"
    assert "16f2151a" not in repr(telemetry)


@SYNC_AND_ASYNC
def test_no_connection(instrumented: Any, server: Server, asynchronous: bool) -> None:
    telemetry = instrumented()
    nobody = Server(proxy="127.0.0.1:1")
    with pytest.raises(grpc.RpcError) as raised:
        call(nobody, "sample", asynchronous)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert telemetry.span.attributes["llm_otel.error.class"] == "connection"


@SYNC_AND_ASYNC
def test_an_error_in_a_stream(instrumented: Any, server: Server, asynchronous: bool) -> None:
    """What came before it is counted, as a part."""
    telemetry = instrumented()
    server.answers = [Refusal(grpc.StatusCode.UNAVAILABLE, "overloaded", after=2)]
    with pytest.raises(grpc.RpcError):
        call(server, "stream", asynchronous)
    attributes = telemetry.span.attributes
    assert attributes["llm_otel.error.class"] == "server"
    assert attributes["gen_ai.usage.input_tokens"] == 1000
    assert attributes["llm_otel.cost.status"] == "incomplete"


@SYNC_AND_ASYNC
def test_what_cannot_be_parsed_was_billed(
    instrumented: Any, server: Server, asynchronous: bool
) -> None:
    telemetry = instrumented()
    with pytest.raises(ValidationError):
        call(server, "parse", asynchronous)
    assert telemetry.span.status == "ERROR"
    assert telemetry.span.attributes["gen_ai.usage.output_tokens"] == 80
    assert telemetry.value("gen_ai.cost.usd") * 1e6 == pytest.approx(PLAIN)


def test_a_stream_left_early(instrumented: Any, server: Server) -> None:
    telemetry = instrumented()
    with Client(**server.options()) as client:
        stream = client.chat.create(MODEL, messages=[user("Hi")]).stream()
        next(stream)
        stream.close()
    span = telemetry.span
    assert span.status == "UNSET"
    assert span.attributes["gen_ai.response.finish_reasons"] == ("cancelled",)
    assert span.attributes["llm_otel.cost.status"] == "incomplete"


# ------------------------------------------------------------------ the host
@pytest.mark.parametrize("renamed", ["the channel's target", "the stub"])
def test_without_private_names(
    instrumented: Any, server: Server, monkeypatch: pytest.MonkeyPatch, renamed: str
) -> None:
    """Other versions may have other names: then the host is unknown, and the provider is not."""
    telemetry = instrumented()
    if renamed == "the stub":
        other = property(
            lambda chat: vars(chat)["stub"], lambda chat, stub: setattr(chat, "stub", stub)
        )
        monkeypatch.setattr(sync_chat.Chat, "_stub", other, raising=False)
    else:
        monkeypatch.setattr(grpc._channel._UnaryUnaryMultiCallable, "__init__", _renamed)
    call(server, "sample")
    attributes = telemetry.span.attributes
    assert attributes["gen_ai.provider.name"] == "x_ai"
    assert "server.address" not in attributes


_init = grpc._channel._UnaryUnaryMultiCallable.__init__


def _renamed(self: Any, channel: Any, *args: Any) -> None:
    _init(self, _Elsewhere(channel), *args)


class _Elsewhere:
    """A channel whose target has another name."""

    def __init__(self, channel: Any) -> None:
        self._own = channel

    def __getattr__(self, name: str) -> Any:
        if name == "target":
            raise AttributeError(name)
        return getattr(self._own, name)


@pytest.mark.parametrize("host", ["api.x.ai", "eu-west-1.api.x.ai", "us-east-1.api.x.ai:443"])
def test_hosts(host: str) -> None:
    with Client(api_key="test", api_host=host) as client:
        chat = client.chat.create(MODEL, messages=[user("Hi")])
        request = spec._whole(chat, (), {})
    assert request is not None
    assert request.base_url == f"https://{host}"


# ------------------------------------------------------------------ content
def said(telemetry: Any) -> SimpleNamespace:
    """The content on the one span; it has the conventions' shapes."""
    attributes = telemetry.span.attributes
    names = {"inputs": "input.messages", "outputs": "output.messages",
             "system": "system_instructions", "tools": "tool.definitions"}  # fmt: skip
    content = SimpleNamespace(
        **{key: json.loads(attributes.get(f"gen_ai.{name}", "[]")) for key, name in names.items()}
    )
    assert_valid(content)
    return content


def called(call_id: str, name: str, arguments: str, kind: int = 1) -> chat_pb2.ToolCall:
    function = chat_pb2.FunctionCall(name=name, arguments=arguments)
    return chat_pb2.ToolCall(id=call_id, type=kind, status=1, function=function)


WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}


def test_content_of_a_request(instrumented: Any, server: Server) -> None:
    telemetry = instrumented(capture_content="span_only")
    answered = assistant("Let me look.")
    answered.tool_calls.append(called("t1", "get_weather", '{"city": "Rome"}'))
    call(
        server,
        "sample",
        tools=[
            tool("get_weather", "The weather.", WEATHER),
            web_search(),
            mcp("https://m.org/", authorization="secret"),
        ],
        messages=[
            system("Be brief."),
            developer("Really."),
            user("Look:", image("data:image/png;base64,aGVsbG8="), file("file_1")),
            answered,
            tool_result("Sunny", tool_call_id="t1"),
            user(text("And"), image("https://h.org/a.png?key=1")),
        ],
    )
    content = said(telemetry)
    assert "secret" not in repr(telemetry)
    assert content.tools == [
        {"type": "function", "name": "get_weather", "description": "The weather.",
         "parameters": WEATHER},
        {"type": "web_search", "name": "web_search"},
        {"type": "mcp", "name": "mcp"},
    ]  # fmt: skip
    assert content.inputs == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "developer", "parts": [{"type": "text", "content": "Really."}]},
        {"role": "user", "parts": [
            {"type": "text", "content": "Look:"},
            {"type": "omitted_blob", "modality": "image", "mime_type": "image/png",
             "byte_length": 5},
            {"type": "file", "modality": "document", "file_id": "file_1"}]},
        {"role": "assistant", "parts": [
            {"type": "text", "content": "Let me look."},
            {"type": "tool_call", "name": "get_weather", "id": "t1",
             "arguments": {"city": "Rome"}}]},
        {"role": "tool", "parts": [
            {"type": "tool_call_response", "id": "t1", "response": "Sunny"}]},
        {"role": "user", "parts": [
            {"type": "text", "content": "And"},
            {"type": "uri", "modality": "image", "uri": "https://h.org/a.png"}]},
    ]  # fmt: skip


def spoken(index: int, finish: int, **message: Any) -> chat_pb2.CompletionOutput:
    message = {"role": chat_pb2.ROLE_ASSISTANT, **message}
    return chat_pb2.CompletionOutput(
        index=index, finish_reason=finish, message=chat_pb2.CompletionMessage(**message)
    )


@pytest.mark.parametrize("how", ["sample", "stream"])
def test_content_of_an_answer(instrumented: Any, server: Server, how: str) -> None:
    """Reasoning, text and calls of the program's tools."""
    telemetry = instrumented(capture_content="span_only")
    output = spoken(0, 4, content="Wait.", reasoning_content="Rome?",
                    tool_calls=[called("t1", "get_weather", '{"city": "Rome"}')])  # fmt: skip
    server.answers = [completion(outputs=[output])]
    call(server, how)
    end = " " if how == "stream" else ""
    assert said(telemetry).outputs == [
        {"role": "assistant", "finish_reason": "tool_call", "parts": [
            {"type": "reasoning", "content": "Rome?"},
            {"type": "text", "content": f"Wait.{end}"},
            {"type": "tool_call", "name": "get_weather", "id": "t1",
             "arguments": {"city": "Rome"}}]},
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["sample", "stream"])
def test_tools_of_the_provider(instrumented: Any, server: Server, how: str) -> None:
    """Turns and results are outputs of their own, and one choice."""
    telemetry = instrumented(capture_content="span_only")
    search = called("s1", "web_search", '{"query": "Rome"}', kind=2)
    server.answers = [
        completion(
            outputs=[
                spoken(0, 4, tool_calls=[search]),
                spoken(1, 3, role=chat_pb2.ROLE_TOOL, content="found", tool_calls=[search]),
                spoken(2, 3, content="A city."),
            ]
        )
    ]
    call(server, how, tools=[web_search()])
    assert telemetry.span.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    end = " " if how == "stream" else ""
    assert said(telemetry).outputs == [
        {"role": "assistant", "finish_reason": "stop", "parts": [
            {"type": "server_tool_call", "id": "s1", "name": "web_search",
             "server_tool_call": {"type": "web_search", "input": {"query": "Rome"}}},
            {"type": "server_tool_call_response", "id": "s1",
             "server_tool_call_response": {"type": "web_search", "content": f"found{end}"}},
            {"type": "text", "content": f"A city.{end}"}]},
    ]  # fmt: skip


def test_a_chat_that_goes_on_while_it_is_streamed(instrumented: Any, server: Server) -> None:
    """What the program appends meanwhile is not what was sent."""
    telemetry = instrumented(capture_content="span_only")
    with Client(**server.options()) as client:
        chat = client.chat.create(MODEL, messages=[user("Hi")])
        for index, _ in enumerate(chat.stream()):
            if not index:
                chat.append(user("Next"))
    assert len(said(telemetry).inputs) == 1


# ------------------------------------------------------------------ the SDK's own spans
@pytest.fixture
def with_sdk_spans(instrumented: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Telemetry in which the SDK's tracers are, which keep the provider that they found first."""
    telemetry = instrumented()
    provider = telemetry._memory.tracer_provider
    for module in (sync_chat, aio_chat, sync_image, aio_image):
        monkeypatch.setattr(module, "tracer", provider.get_tracer(module.__name__))
    return telemetry


def _theirs(telemetry: Any) -> list[dict[str, Any]]:
    """The SDK's spans, without what differs from run to run."""
    return [
        {name: value for name, value in span.attributes.items() if not name.endswith("start_time")}
        for span in telemetry.spans
        if span.name.startswith(("chat.", "image."))
    ]


@SYNC_AND_ASYNC
@pytest.mark.parametrize("how", [*HOWS[:7], "image"])
def test_the_sdks_own_spans(
    with_sdk_spans: Any, server: Server, how: str, asynchronous: bool
) -> None:
    """They stand below ours, whole as without us; our metrics count the call once."""
    telemetry = with_sdk_spans
    picture = image_pb2.GeneratedImage(url="https://imgen.x.ai/a.jpg")
    drawn = image_pb2.ImageResponse(images=[picture], model=MODEL, usage=usage())
    server.answers = [drawn if how == "image" else completion(*['{"name": "Rome"}'] * 2)]
    with _suppressed():
        call(server, how, asynchronous)
    call(server, how, asynchronous)
    alone, below = _theirs(telemetry)
    assert below == alone
    native = "image.sample" if how == "image" else f"chat.{how}"
    operation = "image_generation" if how == "image" else "chat"
    assert telemetry.tree() == f"{native} {MODEL}\n{operation} {MODEL}\n  {native} {MODEL}"
    assert telemetry.count("gen_ai.request.duration") == 1
    assert telemetry.value("gen_ai.tokens.consumed") == 1080
    assert trace.get_current_span() is trace.INVALID_SPAN


def _suppressed() -> Any:
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    return suppress_instrumentation()


@SYNC_AND_ASYNC
def test_what_is_current_while_a_stream_is_read(
    with_sdk_spans: Any, server: Server, asynchronous: bool
) -> None:
    """The SDK's span, as without us; behind the stream, what was current before it."""

    def current() -> str:
        return getattr(trace.get_current_span(), "name", "nothing")

    async def read() -> list[str]:
        async with AsyncClient(**server.options()) as client:
            chat = client.chat.create(MODEL, messages=[user("Hi")])
            return [current() async for _ in chat.stream()] + [current()]

    if asynchronous:
        seen = asyncio.run(read())
    else:
        with Client(**server.options()) as client:
            stream = client.chat.create(MODEL, messages=[user("Hi")]).stream()
            seen = [current() for _ in stream] + [current()]
    assert seen == [f"chat.stream {MODEL}"] * 3 + ["nothing"]
