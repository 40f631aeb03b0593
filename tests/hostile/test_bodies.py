"""Whatever a server answers, the program sees what it would have seen without us."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import groq
import httpx
import pytest
import together
from hostile import anthropic_bodies, bodies
from hostile.harness import (
    PROVEN,
    Place,
    Program,
    Run,
    each,
    entered,
    outcome,
    unharmed,
    wait,
)
from hostile.sdks import ANTHROPIC, OPENAI, SDKS, Sdk, ask, helper, is_async, raw, sdk_of, streaming

from llm_otel.testing import Provider, Reply

PLAIN = {"stream_usage": "never"}
EVERYTHING = {
    "stream_usage": "never",
    "capture_content": "span_and_event",
    "redact": lambda text: text[::-1],
    "semconv": "both",
    "estimate_usage": True,
}


async def chat(client: Any) -> Any:
    return await wait(ask(client))


async def chat_raw(client: Any) -> Any:
    response = await wait(raw(client))
    return response, await outcome(lambda: response.parse())


async def chat_bytes(client: Any) -> Any:
    async with entered(streaming(client)) as response:
        first = await outcome(lambda: response.read())
        return first, await outcome(lambda: response.parse()), response


async def responses(client: Any) -> Any:
    return await wait(client.responses.create(model="gpt-5", input="Hello"))


async def embeddings(client: Any) -> Any:
    return await wait(client.embeddings.create(model="text-embedding-3-small", input="Hello"))


async def images(client: Any) -> Any:
    return await wait(client.images.generate(model="gpt-image-1", prompt="a cat"))


async def fetched(client: Any) -> Any:
    return await wait(client.responses.retrieve("resp_1"))


async def batch(client: Any) -> Any:
    return await wait(client.batches.retrieve("batch_1"))


async def chat_stream(client: Any) -> Any:
    return await _all(await wait(ask(client, stream=True)))


async def chat_stream_bytes(client: Any) -> Any:
    async with entered(streaming(client, stream=True)) as response:
        return await _all(response.iter_lines()), response


async def chat_stream_raw(client: Any) -> Any:
    response = await wait(raw(client, stream=True))
    return await _all(await wait(response.parse())), response


async def chat_stream_raw_parsed(client: Any) -> Any:
    return (await chat_stream_raw(client))[0]


async def chat_stream_raw_read(client: Any) -> Any:
    """Every other way to read the response of a raw call."""
    first, second, third = [await wait(raw(client, stream=True)) for _ in range(3)]
    if is_async(client):
        first, second, third = (each.http_response for each in (first, second, third))
        return (
            await outcome(first.aread),
            await outcome(lambda: _all(second.aiter_lines())),
            await outcome(lambda: _joined(third.aiter_bytes())),
        )
    return (
        await outcome(first.http_response.read),
        await outcome(lambda: list(second.http_response.iter_lines())),
        await outcome(lambda: _joined(third.http_response.iter_bytes())),
    )


async def _joined(stream: Any) -> bytes:
    """What is read, however it is cut into pieces."""
    return b"".join([data async for data in each(stream)])


async def chat_helper(client: Any) -> Any:
    async with entered(helper(client)) as stream:
        events = await _all(stream)
        return events, await outcome(getattr(stream, sdk_of(client).final))


async def responses_stream(client: Any) -> Any:
    return await _all(await wait(client.responses.create(model="gpt-5", input="Hi", stream=True)))


async def responses_helper(client: Any) -> Any:
    async with entered(client.responses.stream(model="gpt-5", input="Hi")) as stream:
        return await _all(stream), await outcome(lambda: stream.get_final_response())


async def beta_helper(client: Any) -> Any:
    async with entered(client.beta.messages.stream(**sdk_of(client).question)) as stream:
        return await _all(stream), await outcome(stream.get_final_message)


async def _all(stream: Any) -> Any:
    """Everything that came before the end or an exception, and that exception."""
    found = []
    try:
        async for item in each(stream):
            found.append(item)
    except Exception as error:
        return found, error
    return found, None


CASES: tuple[tuple[Run, dict[str, Reply]], ...] = (
    (chat, bodies.bodies(bodies.CHAT)),
    (chat_raw, bodies.RAW),
    (chat_bytes, bodies.RAW),
    (responses, bodies.bodies(bodies.RESPONSE)),
    (embeddings, bodies.bodies(bodies.EMBEDDINGS)),
    (images, bodies.RAW),
    (fetched, bodies.RAW),
    (batch, bodies.RAW),
    (chat_stream, {**bodies.streams(), **bodies.USAGE_STREAMS}),
    (chat_stream_bytes, {**bodies.FRAMES, **bodies.USAGE_STREAMS}),
    (chat_stream_raw, bodies.FRAMES),
    (chat_helper, {**bodies.streams(), **bodies.USAGE_STREAMS}),
    (responses_stream, bodies.RESPONSE_STREAMS),
    (responses_helper, bodies.RESPONSE_STREAMS),
)
ANTHROPIC_CASES: tuple[tuple[Run, dict[str, Reply]], ...] = (
    (chat, anthropic_bodies.bodies()),
    (chat_raw, bodies.raw(ANTHROPIC.wire)),
    (chat_bytes, bodies.raw(ANTHROPIC.wire)),
    (chat_stream, anthropic_bodies.streams()),
    (chat_stream_bytes, anthropic_bodies.streams()),
    (chat_stream_raw, bodies.frames(ANTHROPIC.wire)),
    (chat_helper, anthropic_bodies.streams()),
    (beta_helper, anthropic_bodies.streams()),
)
PARAMETERS = [
    pytest.param(sdk, run, replies, id=f"{sdk.name}-{run.__name__}")
    for sdk, cases in ((OPENAI, CASES), (ANTHROPIC, ANTHROPIC_CASES))
    if sdk in SDKS
    for run, replies in cases
]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(("sdk", "run", "replies"), PARAMETERS)
def test_bodies(
    server: Provider, sdk: Sdk, run: Run, replies: dict[str, Reply], asynchronous: bool
) -> None:
    """The program gets the same value or exception, and each request is told as one call."""
    programs = {name: Program(run, [reply]) for name, reply in replies.items()}
    settings = PLAIN if asynchronous else EVERYTHING
    unharmed(programs, server, Place(asynchronous, sdk=sdk), settings, calls=len(programs))


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    "run",
    [chat_stream, chat_helper, chat_stream_raw_parsed, chat_stream_raw_read, chat_stream_bytes],
)
def test_streams_whose_usage_we_ask_for(server: Provider, run: Run, asynchronous: bool) -> None:
    """The program sees what it would have seen of a stream without usage, also where it may parse
    the response or read it; who reads bytes alone is never asked for more."""
    replies = bodies.streams() if run is chat_stream else bodies.FRAMES
    programs = {name: Program(run, [reply] * 3) for name, reply in replies.items()}
    calls: int | None = len(programs)
    if run is chat_stream_raw_read:
        # The oracle ends its lines in one way alone.
        del programs["carriage returns"]
        calls = None
    place = Place(asynchronous, PROVEN)
    unharmed(programs, server, place, {}, calls=calls, asks=run is not chat_stream_bytes)


def _on_httpx(make: Callable[..., Any]) -> Callable[..., Any]:
    """A client of another SDK, on the HTTP library that it brings, made faster without TLS."""
    asynchronous = make.__name__.startswith("Async")

    def client(base_url: str, http_client: Any, **settings: Any) -> Any:
        if asynchronous:
            own: Any = httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(verify=False))
        else:
            own = httpx.Client(transport=httpx.HTTPTransport(verify=False))
        return make(base_url=base_url.removesuffix("/v1"), http_client=own, **settings)

    return client


async def other_chat(client: Any) -> Any:
    return await wait(client.chat.completions.create(**OPENAI.question))


async def other_chat_stream(client: Any) -> Any:
    return await _all(await wait(client.chat.completions.create(**OPENAI.question, stream=True)))


CLIENTS: tuple[tuple[type[Any], bool], ...] = (
    (groq.Groq, False),
    (groq.AsyncGroq, True),
    (together.Together, False),
    (together.AsyncTogether, True),
)


@pytest.mark.parametrize("run", [other_chat, other_chat_stream])
@pytest.mark.parametrize(("make", "asynchronous"), CLIENTS, ids=[c.__name__ for c, _ in CLIENTS])
def test_other_clients(server: Provider, run: Run, make: type[Any], asynchronous: bool) -> None:
    """The SDKs of the same generator, on httpx, meet the same bodies and go on the same."""
    replies = bodies.RAW if run is other_chat else {**bodies.FRAMES, **bodies.USAGE_STREAMS}
    programs = {name: Program(run, [reply]) for name, reply in replies.items()}
    place = Place(asynchronous, make=_on_httpx(make))
    unharmed(programs, server, place, EVERYTHING, calls=len(programs))
