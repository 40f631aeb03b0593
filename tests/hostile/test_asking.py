"""A hook that asks for a stream's usage: the program sees what it would have seen without us."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
import toysdk
from hostile.asked import asking
from hostile.harness import Place, client_for, drive, each, entered, wait, wire
from hostile.telemetry import Watch, watched

from llm_otel import semconv
from llm_otel.seams import event_filter
from llm_otel.testing import Provider, ReceivedRequest, Reply

pytestmark = pytest.mark.usefixtures("toy")

PATH = "/v1/chat/completions"
BODY: dict[str, Any] = {"model": "toy-1", "messages": [], "stream": True}
ASKED = {"include_usage": True}
SYNC = Place(False, make=toysdk.Client)
ASYNC = Place(True, make=toysdk.AsyncClient)
ALWAYS = {"stream_usage": "always"}


def _nodes(body: Any) -> list[dict[str, Any]]:
    """What OpenAI sends: to who asks, null in every chunk and one more with the usage."""
    chunk = {"id": "c1", "object": "chat.completion.chunk", "model": "toy-1-0"}
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": {"content": '"usage": null, said the toy'}, "finish_reason": None},
        {"index": 0, "delta": {}, "finish_reason": "stop"},
    ]
    nodes: list[dict[str, Any]] = [{**chunk, "choices": [choice]} for choice in choices]
    if not (body.get("stream_options") or {}).get("include_usage"):
        return nodes
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return [*({**node, "usage": None} for node in nodes), {**chunk, "choices": [], "usage": usage}]


def lines(request: ReceivedRequest) -> Reply:
    """One chunk a line, as JSON."""
    text = "".join(json.dumps(node) + "\n" for node in _nodes(request.json))
    return Reply(body=text, headers={"content-type": "application/x-ndjson"})


def events(request: ReceivedRequest) -> Reply:
    """Server-sent events."""
    text = "".join(f"data: {json.dumps(node)}\n\n" for node in _nodes(request.json))
    return Reply(body=text + "data: [DONE]\n\n", headers={"content-type": "text/event-stream"})


def compressed(request: ReceivedRequest) -> Reply:
    """The same, compressed."""
    plain = events(request)
    assert isinstance(plain.body, str)
    headers = {**plain.headers, "content-encoding": "gzip"}
    return Reply(body=gzip.compress(plain.body.encode()), headers=headers)


# ------------------------------------------------------------------ the ways
async def chunks(client: Any, body: Any) -> Any:
    """Objects by an iterator of a class of its own."""
    return [node async for node in each(await wait(client.chunks(PATH, body)))]


async def reader(client: Any, body: Any) -> Any:
    """Objects by something in a dict that can be iterated over."""
    opened = await wait(client.reader(path=PATH, body=body))
    return [node async for node in each(opened["stream"])]


async def mapped(client: Any, body: Any) -> Any:
    """Objects by an iterator of Python's own."""
    return list(client.mapped(PATH, body)) if isinstance(client, toysdk.Client) else None


async def texts(client: Any, body: Any) -> Any:
    """Lines of text by a generator."""
    lines = [line async for line in each(await wait(client.texts(PATH, body=body)))]
    return [line for line in lines if line]


async def lines_of_a_response(client: Any, body: Any) -> Any:
    """Lines of an HTTP response."""
    response = await wait(client.post(PATH, body, stream=True))
    asynchronous = isinstance(client, toysdk.AsyncClient)
    opened = response.aiter_lines() if asynchronous else response.iter_lines()
    return [line async for line in each(opened)]


async def read_response(client: Any, body: Any) -> Any:
    """The body of an HTTP response that the SDK has read."""
    return (await wait(client.post(PATH, body))).text


WAYS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[ReceivedRequest], Reply]]] = {
    "chunks": (chunks, lines),
    "reader": (reader, lines),
    "mapped": (mapped, lines),
    "texts": (texts, events),
    "response": (lines_of_a_response, events),
    "compressed response": (lines_of_a_response, compressed),
    "read response": (read_response, events),
}


def run(server: Provider, name: str, place: Place, body: dict[str, Any] = BODY) -> tuple[Any, Any]:
    """What a program sees, and what went over the wire."""
    program, reply = WAYS[name]
    server.reset()
    server.on("*", reply)

    async def main() -> Any:
        async with entered(client_for(server, place)) as client:
            return await program(client, body)

    seen = asyncio.run(main()) if place.asynchronous else drive(main())
    return seen, wire(server)


def tokens(watch: Watch) -> Any:
    """The input and output tokens of the only span."""
    (span,) = watch.spans.ended
    found = dict(span.attributes or {})
    return found.get(semconv.USAGE_INPUT_TOKENS), found.get(semconv.USAGE_OUTPUT_TOKENS)


CASES = [
    pytest.param(name, place, id=f"{name}-{place.name}")
    for name in WAYS
    for place in (SYNC, ASYNC)
    if not (name == "mapped" and place.asynchronous)
]


@pytest.mark.parametrize(("name", "place"), CASES)
def test_what_was_asked_for_is_hidden(server: Provider, name: str, place: Place) -> None:
    """The tokens are known, and no chunk, line or byte is another than without us."""
    alone, sent = run(server, name, place)
    for settings in (ALWAYS, {**ALWAYS, "capture_content": "span_and_event"}):
        with watched(**settings) as watch:
            seen, asked_for = run(server, name, place)
        watch.check(1)
        assert seen == alone
        assert asked_for == [asking(entry) for entry in sent]
        assert asked_for != sent
        assert tokens(watch) == (7, 3)
    assert BODY == {"model": "toy-1", "messages": [], "stream": True}


@pytest.mark.parametrize("body", [
    {**BODY, "stream_options": {"include_usage": False}},
    {**BODY, "stream_options": {"include_usage": True}},
    {**BODY, "stream": False},
], ids=["refused", "wanted", "no stream"])  # fmt: skip
@pytest.mark.parametrize(("name", "place"), CASES)
def test_the_caller_decides(server: Provider, name: str, place: Place, body: Any) -> None:
    """Who says what they want gets that, and sends that."""
    alone = run(server, name, place, body)
    with watched(**ALWAYS) as watch:
        assert run(server, name, place, body) == alone
    watch.check(1)
    wanted = (body.get("stream_options") or {}).get("include_usage")
    assert tokens(watch) == ((7, 3) if wanted else (None, None))


@pytest.mark.parametrize(("name", "place"), CASES)
def test_only_a_host_that_is_known_to_answer(server: Provider, name: str, place: Place) -> None:
    """Elsewhere nothing is added, and the usage is unknown."""
    alone = run(server, name, place)
    with watched() as watch:
        assert run(server, name, place) == alone
    watch.check(1)
    assert tokens(watch) == (None, None)
    assert watch.value("llm_otel.usage.unknown") == 1


@pytest.mark.parametrize("place", [SYNC, ASYNC], ids=lambda place: place.name)
@pytest.mark.parametrize("name", ["response", "compressed response"])
def test_never_where_it_could_not_be_hidden(
    server: Provider, monkeypatch: pytest.MonkeyPatch, name: str, place: Place
) -> None:
    """An httpx that has no content decoder of this name has nothing to filter by."""
    monkeypatch.setattr(event_filter, "_response_has_decoder", lambda _module: False)
    alone = run(server, name, place)
    with watched(**ALWAYS) as watch:
        assert run(server, name, place) == alone
    watch.check(1)


@pytest.mark.parametrize("place", [SYNC, ASYNC], ids=lambda place: place.name)
def test_a_function_that_tries_again_by_itself(server: Provider, place: Place) -> None:
    """What asks for usage is sent again, asks for it once, and is one call."""

    def reply(request: ReceivedRequest) -> Reply:
        return events(request) if len(server.requests) > 2 else Reply(status=503, body={})

    async def main() -> Any:
        async with entered(client_for(server, place)) as client:
            return await lines_of_a_response(client, BODY)

    server.reset()
    server.on("*", reply)
    with watched(**ALWAYS) as watch:
        seen = asyncio.run(main()) if place.asynchronous else drive(main())
    watch.check(1)
    assert [request.json["stream_options"] for request in server.requests] == [ASKED] * 3
    assert not any('"prompt_tokens"' in line for line in seen), seen
    assert tokens(watch) == (7, 3)
