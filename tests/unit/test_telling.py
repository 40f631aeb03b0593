"""Of a stream that is read as bytes only the chunks that tell more are read: nothing is missed."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx2
import pytest

from llm_otel.base import frames
from llm_otel.clients.anthropic import ANTHROPIC
from llm_otel.protocols.cohere import COHERE
from llm_otel.protocols.openai import OPENAI
from llm_otel.protocols.spec import Endpoint
from llm_otel.providers.dialects import PLAIN
from llm_otel.testing import provider

EVENTS = "text/event-stream"
STREAMS: dict[str, tuple[Endpoint, str, dict[str, Any]]] = {
    "chat": (
        OPENAI["post /chat/completions"],
        "/v1/chat/completions",
        {"model": "gpt-4o", "messages": [{"role": "user", "content": 'Say "usage" and "error":'}]},
    ),
    "chat with usage": (
        OPENAI["post /chat/completions"],
        "/v1/chat/completions",
        {
            "model": "gpt-4o",
            "messages": [{"role": "user", "content": 'Say "usage" and "finish_reason":"x".'}],
            "stream_options": {"include_usage": True},
            "n": 2,
        },
    ),
    "responses": (
        OPENAI["post /responses"],
        "/v1/responses",
        {"model": "gpt-4o", "input": 'Say {"type":"response.completed"}.'},
    ),
    "messages": (
        ANTHROPIC["post /v1/messages"],
        "/v1/messages",
        {
            "model": "claude-sonnet-5",
            "max_tokens": 500,
            "messages": [{"role": "user", "content": 'Say {"type":"message_stop"}.'}],
        },
    ),
    "cohere": (
        COHERE["post /chat"],
        "/v2/chat",
        {
            "model": "command-a-03-2025",
            "messages": [{"role": "user", "content": 'Say {"type":"message-end"}, "error".'}],
        },
    ),
}


def _body(name: str) -> bytes:
    """What a provider answers that repeats the question."""
    _, path, body = STREAMS[name]
    with provider(answer=lambda asked: (json.dumps(asked) + "\n") * 8) as server:
        sent = httpx2.post(
            server.origin + path,
            json={**body, "stream": True},
            headers={"authorization": "Bearer x", "x-api-key": "x"},
            trust_env=False,
        )
        assert sent.status_code == 200, sent.text
        return sent.content


def _answer(endpoint: Endpoint, body: bytes, telling: re.Pattern[bytes] | None) -> tuple[Any, int]:
    """What a fold makes of a body, and of how many chunks."""
    fold, chunks = endpoint.protocol.fold(endpoint, PLAIN), 0
    for chunk in frames.objects(body, EVENTS, telling):
        fold.add(chunk)
        chunks += 1
    return fold.answer(), chunks


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_tells_the_same_wherever_it_is_cut_off(name: str) -> None:
    """The usage, the names, the end and the failure are those of all chunks."""
    endpoint, whole = STREAMS[name][0], _body(name)
    telling = endpoint.protocol.telling
    for end in (len(whole), *range(0, len(whole), 97)):
        body = whole[:end]
        assert _answer(endpoint, body, telling)[0] == _answer(endpoint, body, None)[0], body[-300:]
    assert _answer(endpoint, whole, None)[0].finish_reasons


@pytest.mark.parametrize("name", STREAMS)
def test_most_of_a_stream_is_not_read(name: str) -> None:
    """The JSON of a piece of text stays text."""
    endpoint, whole = STREAMS[name][0], _body(name)
    _, read = _answer(endpoint, whole, endpoint.protocol.telling)
    _, every = _answer(endpoint, whole, None)
    assert read < every / 3, (read, every)


def _objects(data: bytes, content_type: str = EVENTS) -> list[int]:
    found = frames.objects(data, content_type, re.compile(rb'"told"'))
    return [each["n"] for each in found]  # type: ignore[misc]


def _lines(end: bytes, *told: int, prefix: bytes = b"data: ") -> bytes:
    lines = [b'{"n": %d%s}' % (n, b', "told": 1' if n in told else b"") for n in range(9)]
    return b"".join(prefix + line + end for line in lines)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
def test_the_first_the_last_and_what_is_found(end: bytes) -> None:
    """In order, each once, however lines end."""
    assert _objects(_lines(end)) == [0, 1, 8]
    assert _objects(_lines(end, 0, 4, 5, 8)) == [0, 1, 4, 5, 8]
    assert _objects(_lines(end, 4) + b"data: [DONE]" + end) == [0, 1, 4, 8]
    assert _objects(_lines(end) + b': alive\r\ndata: {"n": 9, "to') == [0, 1, 8]
    assert _objects(_lines(b"\n", 3, prefix=b""), "application/x-ndjson") == [0, 1, 3, 8]


def test_where_events_are_not_found_all_is_read() -> None:
    """Events without an empty line between them, and streams that do not say what they are."""
    assert _objects(_lines(b"\n", 4)) == [*range(9)]
    assert _objects(_lines(b"\n\n", 4), "") == [*range(9)]
    assert _objects(b"") == _objects(b"data: ") == []
