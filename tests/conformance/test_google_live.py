"""A live session of google-genai is one call, whose usage is that of its turns."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import websockets.asyncio.client
import websockets.asyncio.server
from google import genai
from google.genai import errors, live

from llm_otel import semconv

MODEL = "gemini-live-2.5-flash"  # 0.5 and 2 USD for a million; audio 3 and 12
CONFIG = {"response_modalities": ["AUDIO"], "temperature": 0.5}
Message = dict[str, Any]


def turn(prompt: int, text: int, audio: int) -> list[Message]:
    """The messages of a turn of the model: usage so far, and in the end the whole."""
    used = {
        "promptTokenCount": prompt,
        "responseTokenCount": text + audio,
        "totalTokenCount": prompt + text + audio,
        "responseTokensDetails": [
            {"modality": "TEXT", "tokenCount": text},
            {"modality": "AUDIO", "tokenCount": audio},
        ],
    }
    said = {"modelTurn": {"parts": [{"text": "Yes."}], "role": "model"}}
    return [
        {"serverContent": said, "usageMetadata": {**used, "responseTokenCount": 1}},
        {"serverContent": said},
        {"serverContent": {"turnComplete": True}, "usageMetadata": used},
    ]


@pytest.fixture
def told(instrumented):
    return instrumented()


def run(
    monkeypatch: pytest.MonkeyPatch,
    turns: list[list[Message]],
    program: Callable[[Any], Awaitable[None]],
    code: int | None = None,
) -> list[Message]:
    """Run a program in a session with a server that answers each message by a turn.

    Args:
        monkeypatch: Brings the SDK to the server.
        turns: What the server sends.
        program: Gets the session.
        code: With which the server closes the session after the turns.
    """
    received: list[Message] = []

    async def serve(socket: Any) -> None:
        received.append(json.loads(await socket.recv()))
        await socket.send(json.dumps({"setupComplete": {}}))
        for messages in turns:
            received.append(json.loads(await socket.recv()))
            for message in messages:
                await socket.send(json.dumps(message))
        if code is not None:
            await socket.close(code, "no")
        await socket.wait_closed()

    async def both() -> None:
        async with websockets.asyncio.server.serve(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            connect = websockets.asyncio.client.connect

            def redirected(uri: str, **options: Any) -> Any:
                assert uri.startswith("wss://generativelanguage.googleapis.com/")
                options.pop("ssl", None)
                return connect(f"ws://127.0.0.1:{port}", **options)

            monkeypatch.setattr(live, "ws_connect", redirected)
            client = genai.Client(api_key="test")
            async with client.aio.live.connect(model=MODEL, config=CONFIG) as session:
                await program(session)
            await client.aio.aclose()
            client.close()

    asyncio.run(both())
    return received


async def say(session: Any) -> int:
    """Say something, and hear the answer; how many messages that had."""
    content = {"role": "user", "parts": [{"text": "Hello"}]}
    await session.send_client_content(turns=content, turn_complete=True)
    return len([message async for message in session.receive()])


def test_a_session_is_a_call(monkeypatch, told):
    """Its turns add up, the last usage of each."""
    heard: list[int] = []

    async def program(session: Any) -> None:
        heard.append(await say(session))
        heard.append(await say(session))

    received = run(monkeypatch, [turn(100, 10, 20), turn(150, 30, 40)], program)
    assert heard == [3, 3]
    assert len(received) == 3
    span = told.span
    attributes = span.attributes
    assert span.name == f"generate_content {MODEL}"
    assert span.status == "UNSET"
    assert attributes["gen_ai.provider.name"] == "gcp.gemini"
    assert attributes["server.address"] == "generativelanguage.googleapis.com"
    assert attributes["gen_ai.request.temperature"] == 0.5
    assert attributes["gen_ai.output.type"] == "speech"
    assert attributes["gen_ai.usage.input_tokens"] == 250
    assert attributes["gen_ai.usage.output_tokens"] == 100
    assert attributes["gen_ai.usage.audio.output_tokens"] == 60
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",)
    cost = 250 * 0.5 + 40 * 2 + 60 * 12
    assert told.value("gen_ai.cost.usd") * 1e6 == pytest.approx(cost)
    assert told.value("llm_otel.internal_errors") == 0


def test_a_session_that_is_left_in_a_turn(monkeypatch, told):
    """It is cancelled; its last turn may have used more."""

    async def program(session: Any) -> None:
        content = {"role": "user", "parts": [{"text": "Hello"}]}
        await session.send_client_content(turns=content, turn_complete=True)
        async for _ in session.receive():
            break

    run(monkeypatch, [turn(100, 10, 20)], program)
    attributes = told.span.attributes
    assert attributes["gen_ai.response.finish_reasons"] == ("cancelled",)
    assert attributes["llm_otel.cost.status"] == "incomplete"


@pytest.mark.parametrize(
    ("code", "kind"), [(1000, None), (1008, "invalid_request"), (1011, "server")]
)
def test_a_session_that_the_server_closes(monkeypatch, told, code, kind):
    """Normally, which is no error to us, or with a code that tells what failed."""

    async def program(session: Any) -> None:
        await say(session)
        with pytest.raises(errors.APIError):
            await anext(session.receive())

    run(monkeypatch, [turn(100, 10, 20)], program, code)
    assert told.span.attributes.get("llm_otel.error.class") == kind
    assert told.span.attributes["gen_ai.usage.input_tokens"] == 100
    assert "http.response.status_code" not in told.span.attributes


def test_a_session_without_a_turn_is_unknown(monkeypatch, told):
    """Nobody told a usage."""

    async def program(session: Any) -> None:
        assert session.setup_complete is not None

    run(monkeypatch, [], program)
    assert told.span.attributes[semconv.USAGE_SOURCE] == "unknown"


def test_nobody_there(monkeypatch, told):
    """A session that cannot be opened failed."""

    def refused(uri: str, **_: Any) -> Any:
        raise ConnectionRefusedError(uri)

    monkeypatch.setattr(live, "ws_connect", refused)

    async def program() -> None:
        client = genai.Client(api_key="test")
        async with client.aio.live.connect(model=MODEL, config=CONFIG):
            pass

    with pytest.raises(ConnectionRefusedError):
        asyncio.run(program())
    assert told.span.attributes["llm_otel.error.class"] == "connection"
