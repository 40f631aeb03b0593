"""What is Ollama's own: counts that are left out, models that are loaded, lines, content."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import httpx
import ollama
import pytest
from clients.redirect import transport
from content_schema import assert_valid

from llm_otel.testing import Reply

MODEL = "llama3.2"
MESSAGES = [{"role": "user", "content": "Hello there"}]
HEAD = {"model": MODEL, "created_at": "2023-11-14T22:13:20Z"}
END = {"done": True, "done_reason": "stop", "total_duration": 2}
COUNTS = {"prompt_eval_count": 1000, "eval_count": 100}


@pytest.fixture
def client(p):
    made = ollama.Client(host="http://gpu-1:11434", transport=transport(httpx, p, False))
    yield made
    made._client.close()


def whole(**more: Any) -> Reply:
    said = {"message": {"role": "assistant", "content": "Yes."}, "response": "Yes."}
    return Reply(body={**HEAD, **said, **END, **more})


def lines(*nodes: dict[str, Any]) -> Reply:
    text = "".join(json.dumps({**HEAD, **node}) + "\n" for node in nodes)
    return Reply(headers={"content-type": "application/x-ndjson"}, body=text)


def streamed(**more: Any) -> Reply:
    piece = {"message": {"role": "assistant", "content": "Yes."}, "response": "Yes."}
    last = {"message": {"role": "assistant", "content": ""}, "response": ""}
    return lines({**piece, "done": False}, {**last, **END, **more})


def ask(client: Any, method: str, how: str, **more: Any) -> Any:
    said = {"messages": MESSAGES} if method == "chat" else {"prompt": "Hello there"}
    answered = getattr(client, method)(model=MODEL, stream=how == "stream", **said, **more)
    return list(answered) if how == "stream" else answered


every_way = [
    pytest.mark.parametrize("method", ["chat", "generate"]),
    pytest.mark.parametrize("how", ["whole", "stream"]),
]


def both(function: Any) -> Any:
    for mark in every_way:
        function = mark(function)
    return function


# Counts -> input and output, status of the cost.
USAGES: dict[str, tuple[dict[str, Any], tuple[int, int, str | None]]] = {
    "all": (COUNTS, (1000, 100, None)),
    "the prompt was cached": ({"eval_count": 100}, (0, 100, "incomplete")),
    "nothing was put out": ({"prompt_eval_count": 1000}, (1000, 0, None)),
}
PRICES = [{"model": MODEL, "provider": "ollama", "input": 1, "output": 2}]


@both
@pytest.mark.parametrize("name", USAGES)
def test_usage(instrumented, p, client, method, how, name):
    """Counts of the last object, at the program's own prices; what is left out is unknown."""
    telemetry = instrumented(prices=PRICES)
    counts, (tokens_in, tokens_out, status) = USAGES[name]
    p.enqueue(streamed(**counts) if how == "stream" else whole(**counts))
    ask(client, method, how)
    attributes = telemetry.span.attributes
    operation = {"chat": "chat", "generate": "text_completion"}[method]
    assert telemetry.span.name == f"{operation} {MODEL}"
    assert attributes["gen_ai.provider.name"] == "ollama"
    assert attributes["server.address"] == "gpu-1"
    assert attributes["gen_ai.response.model"] == MODEL
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert attributes.get("gen_ai.usage.input_tokens", 0) == tokens_in
    assert attributes["gen_ai.usage.output_tokens"] == tokens_out
    cost = tokens_in * 1e-6 + tokens_out * 2e-6
    assert attributes["gen_ai.usage.cost.amount"] == pytest.approx(cost)
    assert attributes.get("llm_otel.cost.status") == status


@both
def test_no_counts(instrumented, p, client, method, how):
    """An answer without counts leaves the usage unknown."""
    telemetry = instrumented()
    p.enqueue(streamed() if how == "stream" else whole())
    ask(client, method, how)
    assert telemetry.span.attributes["llm_otel.usage.source"] == "unknown"
    assert telemetry.value("llm_otel.usage.unknown") == 1


@both
def test_at_the_limit(instrumented, p, client, method, how):
    """An answer that was cut at `num_predict` says so."""
    telemetry = instrumented()
    ask(client, method, how, options={"num_predict": 3})
    attributes = telemetry.span.attributes
    assert attributes["gen_ai.response.finish_reasons"] == ("length",)
    assert attributes["gen_ai.usage.output_tokens"] == 3 == p.bill[MODEL].output_tokens


@pytest.mark.parametrize("keep_alive", [None, 0])
def test_loading_a_model(instrumented, client, keep_alive):
    """A request without a prompt has a model loaded or unloaded, and uses no token."""
    telemetry = instrumented()
    client.generate(model=MODEL, keep_alive=keep_alive)
    client.chat(model=MODEL, keep_alive=keep_alive)
    reason = "load" if keep_alive is None else "unload"
    for span in telemetry.spans:
        assert span.attributes["gen_ai.response.finish_reasons"] == (reason,)
        assert span.attributes["gen_ai.usage.input_tokens"] == 0
        assert span.attributes["llm_otel.usage.source"] == "provider"
    assert telemetry.value("llm_otel.usage.unknown") == 0


def test_embeddings(instrumented, p, client):
    """Embeddings have an input alone; the older endpoint tells nothing of it."""
    telemetry = instrumented()
    client.embed(model="all-minilm", input=["Hello", "there"])
    client.embeddings(model="all-minilm", prompt="Hello")
    first, second = telemetry.spans
    assert (first.name, second.name) == ("embeddings all-minilm",) * 2
    assert first.attributes["gen_ai.usage.input_tokens"] == p.bill["all-minilm"].input_tokens == 4
    assert "gen_ai.usage.output_tokens" not in first.attributes
    assert second.attributes["llm_otel.usage.source"] == "unknown"


@pytest.mark.skipif(not hasattr(ollama.Client, "systemone"), reason="this version has none")
def test_scores(instrumented, p, client):
    """Questions about a text have a usage of their own."""
    telemetry = instrumented()
    answer = {"type": "noul", "noul": 0.5}
    usage = {"input_tokens": 12, "output_tokens": 3}
    p.enqueue(Reply(body={"model": MODEL, "answers": {"a": answer}, "usage": usage}))
    client.systemone(
        model=MODEL, state="A text.", questions={"a": {"type": "noul", "instructions": "?"}}
    )
    attributes = telemetry.span.attributes
    assert attributes["gen_ai.usage.input_tokens"] == 12
    assert attributes["gen_ai.usage.output_tokens"] == 3


def test_what_is_no_call(instrumented, p, client):
    """Lists of models, pulls and searches of the web are no calls of a model."""
    telemetry = instrumented()
    p.enqueue(
        Reply(body={"models": []}),
        Reply(body={"models": []}),
        Reply(body={"status": "success"}),
        lines({"status": "pulling"}, {"status": "success"}),
    )
    client.list()
    client.ps()
    client.pull(MODEL)
    list(client.pull(MODEL, stream=True))
    if hasattr(client, "web_search"):
        p.enqueue(Reply(body={"results": []}))
        client._client.headers["authorization"] = "Bearer key"
        client.web_search("rivers")
    assert telemetry.spans == []


def test_request(instrumented, client):
    """Options, format and thinking are the conventions' attributes."""
    telemetry = instrumented()
    options = {"temperature": 0.5, "top_k": 5, "top_p": 0.9, "num_predict": 30, "seed": 7,
               "stop": ["END"], "frequency_penalty": 0.1, "presence_penalty": 0.2,
               "num_ctx": 4096}  # fmt: skip
    client.chat(model=MODEL, messages=MESSAGES, options=options, format="json")
    client.chat(model=MODEL, messages=MESSAGES, format={"type": "object", "properties": {}})
    first, second = (
        {
            key: value
            for key, value in span.attributes.items()
            if key.startswith(("gen_ai.request.", "gen_ai.output"))
        }
        for span in telemetry.spans
    )
    assert first == {
        "gen_ai.request.model": MODEL,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_k": 5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.max_tokens": 30,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.frequency_penalty": 0.1,
        "gen_ai.request.presence_penalty": 0.2,
        "gen_ai.output.type": "json",
    }
    assert second == {"gen_ai.request.model": MODEL, "gen_ai.output.type": "json"}


# ------------------------------------------------------------------ failures
STATUSES = {
    400: "invalid_request", 401: "authentication", 403: "permission", 404: "not_found",
    429: "rate_limit", 500: "server", 503: "server",
}  # fmt: skip


@both
@pytest.mark.parametrize("status", STATUSES)
def test_statuses(instrumented, p, client, method, how, status):
    """A refusal is one failed call with its class."""
    telemetry = instrumented()
    p.enqueue(Reply(status=status, body={"error": "no"}))
    with pytest.raises(ollama.ResponseError, match="no"):
        ask(client, method, how)
    attributes = telemetry.span.attributes
    assert attributes["error.type"] == "ollama._types.ResponseError"
    assert attributes["llm_otel.error.class"] == STATUSES[status]
    assert attributes["http.response.status_code"] == status


@pytest.mark.parametrize("method", ["chat", "generate"])
def test_error_in_a_stream(instrumented, p, client, method):
    """An error after the first pieces is the server's, and has no status."""
    telemetry = instrumented()
    p.enqueue("stream_error")
    with pytest.raises(ollama.ResponseError):
        ask(client, method, "stream")
    attributes = telemetry.span.attributes
    assert attributes["llm_otel.error.class"] == "server"
    assert "http.response.status_code" not in attributes
    assert telemetry.span.status == "ERROR"


def test_nobody_there(instrumented):
    """No server is a failure of the connection."""
    telemetry = instrumented()
    client = ollama.Client(host="http://127.0.0.1:9")
    with pytest.raises((ConnectionError, httpx.ConnectError)):  # the latter before 0.4.5
        ask(client, "chat", "whole")
    client._client.close()
    assert telemetry.span.attributes["llm_otel.error.class"] == "connection"


# ------------------------------------------------------------------ ways to ask
def test_async(instrumented, p):
    """The asynchronous client: whole answers and streams."""
    telemetry = instrumented()

    async def program() -> None:
        client = ollama.AsyncClient(
            host="http://localhost:11434", transport=transport(httpx, p, True)
        )
        await client.chat(model=MODEL, messages=MESSAGES)
        async for _ in await client.chat(model=MODEL, messages=MESSAGES, stream=True):
            pass
        async for _ in await client.generate(model=MODEL, prompt="Hello", stream=True):
            pass
        await client._client.aclose()

    asyncio.run(program())
    assert len(telemetry.spans) == 3
    billed = p.bill[MODEL]
    assert telemetry.value("gen_ai.tokens.consumed", token_type="input") == billed.input_tokens
    assert telemetry.value("gen_ai.tokens.consumed", token_type="output") == billed.output_tokens


def test_another_signature(instrumented, client, monkeypatch, caplog):
    """A version whose functions we do not know is left alone, with one warning."""
    original = ollama.Client._request

    def other(self: Any, kind: Any, *args: Any, **kwargs: Any) -> Any:
        return original(self, kind, *args, **kwargs)

    monkeypatch.setattr(ollama.Client, "_request", other)
    telemetry = instrumented()
    ask(client, "chat", "whole")
    assert telemetry.spans == []
    (record,) = [each for each in caplog.records if "stays out" in each.message]
    assert "`Client._request`" in record.message


@pytest.mark.parametrize(
    ("host", "name"),
    [("https://ollama.com", "ollama"), ("http://box.example:8080", "ollama"),
     ("https://api.groq.com", "groq")],
)  # fmt: skip
def test_hosts(instrumented, p, host, name):
    """The provider is Ollama on any host that is no other's."""
    telemetry = instrumented()
    made = ollama.Client(host=host, transport=transport(httpx, p, False))
    ask(made, "chat", "whole")
    made._client.close()
    assert telemetry.span.attributes["gen_ai.provider.name"] == name


PROGRAM = """
{first}
import os, sys
{second}
with capture(setup=False) as telemetry:
    chat(model="llama3.2", messages=[{{"role": "user", "content": "Hello"}}])
    list(generate(model="llama3.2", prompt="Hello", stream=True))
    print([span.name for span in telemetry.spans])
"""
IMPORTS = ("from ollama import chat, generate", "from llm_otel.testing import capture")


@pytest.mark.parametrize("order", [IMPORTS, IMPORTS[::-1]], ids=["ollama first", "ours first"])
def test_functions_of_the_module(p, order):
    """The functions of the package are methods of a client that its import makes: they are hooked,
    whoever comes first."""
    program = PROGRAM.format(first=order[0], second=order[1])
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={"OLLAMA_HOST": p.origin, "PATH": ""},
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == str(["chat llama3.2", "text_completion llama3.2"])


# ------------------------------------------------------------------ content
CALL = {"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
# Versions that do not know the name of a result's tool do not send it.
NAMED = {"id": "get_weather"} if "tool_name" in ollama.Message.model_fields else {}
SAID_CALL = {"type": "tool_call", "name": "get_weather", "arguments": {"city": "Paris"}}
PIECES = (
    {"message": {"role": "assistant", "content": "", "thinking": "Let me "}, "done": False},
    {"message": {"role": "assistant", "content": "", "thinking": "see."}, "done": False},
    {"message": {"role": "assistant", "content": "It is "}, "done": False},
    {"message": {"role": "assistant", "content": "sunny."}, "done": False},
    {"message": {"role": "assistant", "content": "", "tool_calls": [CALL]}, "done": False},
    {"message": {"role": "assistant", "content": ""}, **END, **COUNTS},
)
MESSAGE = {
    "role": "assistant", "content": "It is sunny.", "thinking": "Let me see.", "tool_calls": [CALL],
}  # fmt: skip
SAID = [{"type": "text", "content": "It is sunny."}, SAID_CALL]
if "thinking" in ollama.Message.model_fields:  # older versions drop it
    SAID.insert(0, {"type": "reasoning", "content": "Let me see."})


def content(telemetry: Any) -> SimpleNamespace:
    """The content on the one span, which has the conventions' shapes."""
    attributes = telemetry.span.attributes
    names = {"inputs": "input.messages", "outputs": "output.messages",
             "system": "system_instructions", "tools": "tool.definitions"}  # fmt: skip
    said = {key: json.loads(attributes.get(f"gen_ai.{n}", "[]")) for key, n in names.items()}
    assert_valid(SimpleNamespace(**said))
    return SimpleNamespace(**said)


def outputs(reason: str, parts: list[Any]) -> list[Any]:
    return [{"role": "assistant", "parts": parts, "finish_reason": reason}]


@pytest.mark.parametrize("how", ["whole", "stream", "left"])
def test_content_of_a_chat(instrumented, p, client, how):
    """Messages, pictures as a mark, tools and their results; a stream's pieces are one message."""
    telemetry = instrumented(capture_content="span_only")
    if how == "whole":
        p.enqueue(Reply(body={**HEAD, "message": MESSAGE, **END, **COUNTS}))
    else:
        p.enqueue(lines(*PIECES))
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Look.", "images": [b"hello"]},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "sunny", "tool_name": "get_weather"},
    ]
    answered = client.chat(model=MODEL, messages=messages, tools=[TOOL], stream=how != "whole")
    if how == "stream":
        list(answered)
    elif how == "left":
        for _ in range(4):
            next(answered)
        answered.close()
    said = content(telemetry)
    assert said.inputs == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "Look."},
                {"type": "omitted_blob", "modality": "image", "byte_length": 5},
            ],
        },
        {"role": "assistant", "parts": [SAID_CALL]},
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", **NAMED, "response": "sunny"}],
        },
    ]
    if how == "left":
        assert said.outputs == outputs("cancelled", SAID[:-1])
    else:
        assert said.outputs == outputs("stop", SAID)
    (tool,) = said.tools
    assert (tool["name"], tool["description"]) == ("get_weather", "The weather.")


@pytest.mark.parametrize("how", ["whole", "stream"])
def test_content_of_a_generation(instrumented, p, client, how):
    """The system's text is the instructions, the prompt a message."""
    telemetry = instrumented(capture_content="span_only")
    p.enqueue(streamed(**COUNTS) if how == "stream" else whole(**COUNTS))
    answered = client.generate(
        model=MODEL, prompt="Hello", system="Be brief.", stream=how == "stream"
    )
    if how == "stream":
        list(answered)
    said = content(telemetry)
    assert said.system == [{"type": "text", "content": "Be brief."}]
    assert said.inputs == [{"role": "user", "parts": [{"type": "text", "content": "Hello"}]}]
    assert said.outputs == outputs("stop", [{"type": "text", "content": "Yes."}])
