"""A stream's usage: asked for where that is safe, and the program sees what it would have seen."""

from __future__ import annotations

import asyncio
import copy
import gzip
import json
from typing import Any

import openai
import pytest

import llm_otel
from tests.conformance.calls import BY_NAME, MESSAGES, method_of, reach
from tests.conformance.replay import http_client

CHAT = {"model": "gpt-4o", "messages": MESSAGES, "stream": True}
OPENAI_URL = "https://api.openai.com/v1"
AZURE_URL = "https://example.openai.azure.com"
ASKED = {"include_usage": True}


def client_at(p: Any, url: str, *, asynchronous: bool = False) -> Any:
    """A client that believes to speak to `url`."""
    prefix, kind = ("Async", "AsyncClient") if asynchronous else ("", "Client")
    http = http_client("openai", kind, p.origin)
    cls = getattr(openai, f"{prefix}OpenAI")
    return cls(base_url=url, api_key="test", max_retries=0, http_client=http)


def azure_at(p: Any, version: str) -> Any:
    """An Azure client of an API version."""
    return openai.AzureOpenAI(
        azure_endpoint=AZURE_URL,
        api_version=version,
        api_key="test",
        max_retries=0,
        http_client=http_client("openai", "Client", p.origin),
    )


def sent(p: Any) -> Any:
    """`stream_options` of the last request, as it went over the wire."""
    return p.requests[-1].json.get("stream_options")


def drain(client: Any, **more: Any) -> list[Any]:
    """The chunks of a chat stream."""
    with client:
        return list(client.chat.completions.create(**CHAT, **more))


def dumps(chunks: list[Any]) -> list[Any]:
    """Everything that a program can see of chunks or events."""
    return [(type(each), each.model_dump(exclude_unset=True), each.to_json()) for each in chunks]


def usage_of(telemetry: Any) -> tuple[Any, Any]:
    """What the one span tells of usage, and where it is from."""
    told = telemetry.span.attributes
    return told.get("gen_ai.usage.input_tokens"), told["llm_otel.usage.source"]


# ---------------------------------------------------------------- what the program sees
@pytest.mark.parametrize("name", ["chat", "completion", "chat helper"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_program_sees_the_same(instrumented, p, name, asynchronous):
    """On a proven host usage is asked for and told, and no chunk is another than without us."""

    def run() -> list[Any]:
        p.reset()
        if asynchronous:
            return dumps(asyncio.run(_stream_async(client_at(p, OPENAI_URL, asynchronous=True))))
        with client_at(p, OPENAI_URL) as client:
            return dumps(_stream(client))

    def begin(client: Any) -> Any:
        method = reach(client, method_of(client, BY_NAME[name]))
        stream = {} if name.endswith("helper") else {"stream": True}
        return method(**BY_NAME[name].arguments, **stream)

    def _stream(client: Any) -> list[Any]:
        with begin(client) as stream:
            chunks = list(stream)
        final = getattr(stream, "get_final_completion", None)
        return [*chunks, final()] if final is not None else chunks

    async def _stream_async(client: Any) -> list[Any]:
        async with client:
            begun = begin(client)
            async with begun if name.endswith("helper") else await begun as stream:
                chunks = [chunk async for chunk in stream]
            final = getattr(stream, "get_final_completion", None)
            return [*chunks, await final()] if final is not None else chunks

    alone = run()
    assert sent(p) is None
    telemetry = instrumented()
    assert run() == alone
    assert sent(p) == ASKED
    tokens, source = usage_of(telemetry)
    assert tokens > 0
    assert source == "provider"
    assert telemetry.value("gen_ai.tokens.consumed", token_type="input") == tokens


def test_arguments_stay_as_they_are(instrumented, p):
    """Neither the caller's messages nor their `stream_options` or `extra_body` are touched."""
    instrumented()
    given = {"stream_options": {"include_obfuscation": False}, "extra_body": {"top_k": 3}}
    kept = copy.deepcopy(given)
    drain(client_at(p, OPENAI_URL), **given)
    assert given == kept
    assert sent(p) == {"include_obfuscation": False, **ASKED}
    assert p.requests[-1].json["top_k"] == 3


def test_options_in_the_extra_body(instrumented, p):
    """`stream_options` in `extra_body` win, as they do in the SDK."""
    instrumented()
    extra = {"stream_options": {"include_obfuscation": False}}
    drain(client_at(p, OPENAI_URL), extra_body=extra)
    assert sent(p) == {"include_obfuscation": False, **ASKED}
    assert extra == {"stream_options": {"include_obfuscation": False}}


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("mode", ["never", "proven", "always"])
def test_caller_decides(instrumented, p, mode, include):
    """Who says `include_usage` gets what they said, chunk and all."""
    telemetry = instrumented(stream_usage=mode)
    chunks = drain(client_at(p, OPENAI_URL), stream_options={"include_usage": include})
    assert sent(p) == {"include_usage": include}
    assert (chunks[-1].usage is not None) is include
    assert usage_of(telemetry)[1] == ("provider" if include else "unknown")


def test_usage_that_nobody_asked_for(instrumented, p):
    """Usage that a provider sends beside its choices is the program's too."""
    telemetry = instrumented(stream_usage="always")
    p.on("*", lambda _request: _volunteering())
    chunks = drain(client_at(p, "https://api.together.xyz/v1"))
    assert [chunk.usage and chunk.usage.total_tokens for chunk in chunks] == [3]
    assert usage_of(telemetry) == (1, "provider")


def _volunteering() -> Any:
    event = (
        '{"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": '
        '[{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}], "usage": '
        '{"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}'
    )
    return llm_otel.testing.Reply(
        headers={"content-type": "text/event-stream"}, body=f"data: {event}\n\ndata: [DONE]\n\n"
    )


# ---------------------------------------------------------------- where it is asked for
@pytest.mark.parametrize(
    ("mode", "url", "asked"),
    [
        ("proven", OPENAI_URL, True),
        ("proven", "https://api.example.com/v1", False),
        ("proven", "https://api.deepseek.com", True),
        ("proven", "https://api.x.ai/v1", True),
        ("proven", "https://api.fireworks.ai/v1", True),
        ("proven", "https://generativelanguage.googleapis.com/v1", True),
        ("proven", "http://localhost:11434/v1", True),
        ("proven", "https://api.groq.com/openai/v1", False),
        ("proven", "https://api.mistral.ai/v1", False),
        ("always", "https://api.mistral.ai/v1", False),
        ("proven", "https://openrouter.ai/v1", False),
        ("proven", "https://deepseek.example.com/v1", False),
        ("proven", f"{AZURE_URL}/openai/v1", True),
        ("always", OPENAI_URL, True),
        ("always", "https://api.example.com/v1", True),
        ("never", OPENAI_URL, False),
        ("never", f"{AZURE_URL}/openai/v1", False),
    ],
)
def test_hosts(instrumented, p, mode, url, asked):
    """The setting `stream_usage` and the host decide."""
    telemetry = instrumented(stream_usage=mode)
    drain(client_at(p, url))
    assert sent(p) == (ASKED if asked else None)
    assert usage_of(telemetry)[1] == ("provider" if asked else "unknown")
    unknown = telemetry.value("llm_otel.usage.unknown")
    assert unknown == (0 if asked else 1)


@pytest.mark.parametrize(
    ("version", "asked"),
    [
        ("2023-07-01-preview", False),
        ("2024-02-01", False),
        ("2024-06-01", False),
        ("2024-08-01-preview", False),
        ("2024-09-01-preview", True),
        ("2024-10-21", True),
        ("2025-04-01-preview", True),
        ("2099-01-01", False),
    ],
)
def test_azure_versions(instrumented, p, version, asked):
    """Azure is asked in the API versions of the table alone: others answer 400."""
    instrumented()
    drain(azure_at(p, version))
    assert sent(p) == (ASKED if asked else None)


RAW = {"way": ["parse", "read", "lines", "bytes"], "encoding": ["identity", "gzip"]}


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("encoding", RAW["encoding"])
@pytest.mark.parametrize("way", RAW["way"])
def test_asked_behind_a_raw_response(instrumented, p, way, encoding, asynchronous):
    """`with_raw_response` has usage asked for, and what the caller makes of it is the same."""

    def alone_or_with_us() -> Any:
        p.reset()
        p.on("*", lambda request: _encoded(request, encoding))
        return asyncio.run(_read_raw_async(p, way)) if asynchronous else _read_raw(p, way)

    alone = alone_or_with_us()
    assert sent(p) is None
    telemetry = instrumented()
    assert alone_or_with_us() == alone
    assert sent(p) == ASKED
    assert usage_of(telemetry) == (1, "provider")


def _read_raw(p: Any, way: str) -> Any:
    with client_at(p, OPENAI_URL) as client:
        raw = client.chat.completions.with_raw_response.create(**CHAT)
        response = raw.http_response
        if way == "parse":
            assert raw.parse() is raw.parse()
            return dumps(list(raw.parse()))
        if way == "read":
            return response.read(), response.text
        return list(response.iter_lines()) if way == "lines" else b"".join(response.iter_bytes())


async def _read_raw_async(p: Any, way: str) -> Any:
    async with client_at(p, OPENAI_URL, asynchronous=True) as client:
        raw = await client.chat.completions.with_raw_response.create(**CHAT)
        response = raw.http_response
        if way == "parse":
            return dumps([chunk async for chunk in raw.parse()])
        if way == "read":
            return await response.aread(), response.text
        if way == "lines":
            return [line async for line in response.aiter_lines()]
        return b"".join([data async for data in response.aiter_bytes()])


def _encoded(request: Any, encoding: str) -> Any:
    """Two chunks as OpenAI sends them, in one piece, compressed or not."""
    asked = (request.json.get("stream_options") or {}).get("include_usage")
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choice = {"index": 0, "delta": {"content": '\\"usage\\":null'}, "finish_reason": None}
    ended = {"index": 0, "delta": {}, "finish_reason": "stop"}
    null = {"usage": None} if asked else {}
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    chunks = [{**chunk, "choices": [each], **null, "obfuscation": "x"} for each in (choice, ended)]
    if asked:
        chunks.append({**chunk, "choices": [], "usage": usage})
    body = "".join(f"data: {json.dumps(each)}\n\n" for each in chunks) + "data: [DONE]\n\n"
    headers = {"content-type": "text/event-stream", "content-encoding": encoding}
    packed = gzip.compress(body.encode()) if encoding == "gzip" else body.encode()
    return llm_otel.testing.Reply(headers=headers, body=packed)


# ---------------------------------------------------------------- what the log says
def told_of(caplog: Any) -> list[str]:
    """The lines of the log that name the setting."""
    return [each.getMessage() for each in caplog.records if "stream_usage" in each.getMessage()]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_host_without_usage_is_named_once(instrumented, p, caplog, asynchronous):
    """A stream whose usage nobody asked for is one line a host, which names host and setting."""
    instrumented()

    async def drain_async(url: str) -> None:
        async with client_at(p, url, asynchronous=True) as client:
            async for _ in await client.chat.completions.create(**CHAT):
                pass

    for host in ("one.example.com", "one.example.com", "two.example.com"):
        url = f"https://{host}/v1"
        if asynchronous:
            asyncio.run(drain_async(url))
        else:
            drain(client_at(p, url))
    lines = told_of(caplog)
    assert [line.count("one.example.com") for line in lines] == [1, 0], lines
    assert "two.example.com" in lines[1]


@pytest.mark.parametrize(
    ("settings", "url", "more"),
    [
        ({"stream_usage": "never"}, "https://api.example.com/v1", {}),
        ({"stream_usage": "always"}, "https://api.example.com/v1", {}),
        ({}, OPENAI_URL, {}),
        ({}, "https://api.mistral.ai/v1", {}),
        ({}, "https://api.example.com/v1", {"stream_options": {"include_usage": False}}),
        ({}, "https://api.example.com/v1", {"stream_options": {"include_usage": True}}),
        ({}, "https://api.example.com/v1", {"extra_body": {"stream_options": ASKED}}),
        ({"estimate_usage": True}, "https://api.example.com/v1", {}),
    ],
)
def test_no_word_of_a_host(instrumented, p, caplog, settings, url, more):
    """Nothing is said where usage came, or where the program or its settings decided."""
    instrumented(**settings)
    drain(client_at(p, url), **more)
    assert told_of(caplog) == []


def test_no_word_of_a_host_whose_stream_was_left(instrumented, p, caplog):
    """A stream that was left early would have told no usage anyhow."""
    instrumented()
    with (
        client_at(p, "https://api.example.com/v1") as client,
        client.chat.completions.create(**CHAT) as stream,
    ):
        next(stream)
    assert told_of(caplog) == []


@pytest.mark.parametrize("mode", ["proven", "always"])
def test_never_where_bytes_are_read(instrumented, p, mode):
    """Who reads the bytes gets the bytes that they would have got."""
    telemetry = instrumented(stream_usage=mode)
    with (
        client_at(p, OPENAI_URL) as client,
        client.chat.completions.with_streaming_response.create(**CHAT) as response,
    ):
        response.read()
    assert sent(p) is None
    assert usage_of(telemetry)[1] == "unknown"


@pytest.mark.parametrize("mode", ["proven", "always"])
@pytest.mark.parametrize("name", sorted({"chat", "response", "embeddings"} & set(BY_NAME)))
def test_never_without_need(instrumented, p, mode, name):
    """Whole answers and the Responses API tell their usage by themselves: nothing is added."""
    instrumented(stream_usage=mode)
    call = BY_NAME[name]
    with client_at(p, OPENAI_URL) as client:
        reach(client, method_of(client, call))(**call.arguments)
    assert sent(p) is None


# ---------------------------------------------------------------- estimates
def test_estimate(instrumented, p):
    """With `estimate_usage` a stream without usage is counted locally, and says so."""
    telemetry = instrumented(stream_usage="never", estimate_usage=True)
    chunks = drain(client_at(p, OPENAI_URL))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    tokens, source = usage_of(telemetry)
    assert source == "estimated"
    assert tokens == -(-len("Hello there") // 4)
    assert telemetry.span.attributes["gen_ai.usage.output_tokens"] == -(-len(text) // 4)
    assert telemetry.value("llm_otel.usage.unknown") == 0


def test_no_estimate_of_what_is_told(instrumented, p):
    """What the provider tells is never replaced by an estimate."""
    telemetry = instrumented(estimate_usage=True)
    drain(client_at(p, OPENAI_URL))
    assert usage_of(telemetry)[1] == "provider"


# ---------------------------------------------------------------- machines paid by the hour
def test_time_of_a_machine_is_billed_without_usage(instrumented, p):
    """A server of one's own that reports no usage: what its time costs is known all the same."""
    telemetry = instrumented(stream_usage="never", prices=[{"per_hour": 3600}])
    drain(client_at(p, OPENAI_URL))
    (duration,) = telemetry.points("gen_ai.request.duration")
    assert telemetry.value("gen_ai.cost.usd", token_type="other") == pytest.approx(duration.value)
    assert telemetry.span.attributes["gen_ai.usage.cost.amount"] == pytest.approx(duration.value)
    assert telemetry.value("gen_ai.requests.unpriced") == 0
    assert telemetry.value("llm_otel.usage.unknown") == 1
