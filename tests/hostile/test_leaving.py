"""Every way to leave a stream: the program sees what it would have seen, and the call ends once."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hostile.bodies import SSE
from hostile.harness import (
    ASYNC,
    SYNC,
    Place,
    Program,
    Run,
    each,
    entered,
    outcome,
    step,
    unharmed,
    wait,
)
from hostile.sdks import OPENAI, SDKS, Sdk, ask, helper, is_async, raw, sdk_of, streaming

from llm_otel import semconv
from llm_otel.testing import Provider, Reply


def whole(sdk: Sdk) -> Reply:
    """A stream in one write, so that it is no chance what has been read when the program leaves."""
    stream = sdk.wire.stream(sdk.wire.chunk, sdk.wire.chunk)
    return Reply(body=b"".join(stream.chunks or ()), headers=SSE)


def endless(sdk: Sdk) -> Reply:
    """A stream whose end never comes: what leaves early must not need it."""
    begun = b"".join(sdk.wire.begun().chunks or ())
    return Reply(chunks=[begun], headers=SSE, ending="hang")


MODES: tuple[dict[str, Any], ...] = (
    {"stream_usage": "never", "per_chunk_metric": True},
    {"capture_content": "span_and_event"},
)
# On a host that gives a stream's usage to who asks for it.
PROVEN_MODES: tuple[dict[str, Any], ...] = ({"stream_usage": "never"}, {})

# Name of a program to it and to the finish reason that its span tells.
WAYS: dict[str, tuple[Run, str | None]] = {}
BOTH, ONLY_SYNC, ONLY_ASYNC = (SYNC, ASYNC), (SYNC,), (ASYNC,)
_KINDS: dict[str, tuple[Place, ...]] = {}


_LEFT = "cancelled"


def way(finish: str | None, places: tuple[Place, ...] = BOTH) -> Callable[[Run], Run]:
    """Register a program."""

    def register(run: Run) -> Run:
        WAYS[run.__name__] = (run, finish)
        _KINDS[run.__name__] = places
        return run

    return register


async def start(client: Any, **more: Any) -> Any:
    return await wait(ask(client, stream=True, **more))


async def close(stream: Any) -> None:
    await wait(stream.close())


# ------------------------------------------------------------------ to its end
@way("stop")
async def drained(client: Any) -> Any:
    return [chunk async for chunk in each(await start(client))]


@way("stop")
async def drained_twice(client: Any) -> Any:
    stream = await start(client)
    first = [chunk async for chunk in each(stream)]
    return first, [chunk async for chunk in each(stream)]


@way("stop")
async def stepped_to_the_end(client: Any) -> Any:
    stream = await start(client)
    found = []
    for _ in range(9):
        try:
            found.append(await step(stream))
        except (StopIteration, StopAsyncIteration) as end:
            found.append(type(end))
    return found


@way("stop")
async def broken_off_and_resumed(client: Any) -> Any:
    stream = await start(client)
    async for chunk in each(stream):
        first = chunk
        break
    return first, [chunk async for chunk in each(stream)]


@way("stop")
async def two_iterators_at_once(client: Any) -> Any:
    stream = await start(client)
    one, other = (
        stream.__aiter__() if hasattr(stream, "__aiter__") else iter(stream) for _ in "ab"
    )
    return [await step(one), await step(other), await step(one)], [c async for c in each(other)]


@way("stop")
async def in_a_with_block(client: Any) -> Any:
    async with entered(await start(client)) as stream:
        return [chunk async for chunk in each(stream)]


@way("stop", ONLY_SYNC)
async def from_another_thread(client: Any) -> Any:
    stream = await start(client)
    found: list[Any] = [next(stream)]
    reader = threading.Thread(target=lambda: found.extend(stream))
    reader.start()
    reader.join()
    return found


@way("stop", ONLY_ASYNC)
async def from_another_task(client: Any) -> Any:
    stream = await start(client)

    async def read() -> list[Any]:
        return [chunk async for chunk in stream]

    return await asyncio.create_task(read())


# ------------------------------------------------------------------ early
@way(_LEFT)
async def broken_off(client: Any) -> None:
    async for _ in each(await start(client)):
        break


@way(_LEFT)
async def broken_off_and_closed(client: Any) -> Any:
    stream = await start(client)
    async for _ in each(stream):
        break
    await close(stream)
    await close(stream)
    return stream.response.is_closed, await outcome(lambda: step(stream))


@way(_LEFT)
async def closed_unread(client: Any) -> Any:
    stream = await start(client)
    await close(stream)
    return await outcome(lambda: step(stream))


@way(_LEFT)
async def dropped_unread(client: Any) -> Any:
    await start(client)
    gc.collect()


@way(_LEFT)
async def dropped_midway(client: Any) -> Any:
    stream = await start(client)
    chunk = await step(stream)
    del stream
    gc.collect()
    await asyncio.sleep(0) if asyncio._get_running_loop() else None
    return chunk


@way(_LEFT)
async def next_then_closed(client: Any) -> Any:
    stream = await start(client)
    chunk = await step(stream)
    await close(stream)
    return chunk, [await outcome(lambda: step(stream)) for _ in range(2)]


@way(_LEFT)
async def response_closed(client: Any) -> Any:
    stream = await start(client)
    chunk = await step(stream)
    response = stream.response
    await wait(response.aclose() if hasattr(stream, "__anext__") else response.close())
    return chunk, response.is_closed


@way(_LEFT)
async def with_block_left_early(client: Any) -> Any:
    async with entered(await start(client)) as stream:
        return await step(stream)


@way(_LEFT)
async def exception_in_the_loop(client: Any) -> Any:
    async for chunk in each(await start(client)):
        raise LookupError("mine", chunk.__class__)


@way(_LEFT)
async def exception_in_a_with_block(client: Any) -> Any:
    async with entered(await start(client)) as stream:
        async for chunk in each(stream):
            raise LookupError("mine", chunk.__class__)


@way(_LEFT, ONLY_SYNC)
async def keyboard_interrupt_in_the_loop(client: Any) -> Any:
    for _ in await start(client):
        raise KeyboardInterrupt


@way(_LEFT, ONLY_SYNC)
async def generator_closed_by_a_web_server(client: Any) -> Any:
    def body() -> Any:
        yield from ask(client, stream=True)

    running = body()
    chunk = next(running)
    running.close()
    return chunk


@way(_LEFT, ONLY_ASYNC)
async def generator_closed_by_an_async_server(client: Any) -> Any:
    async def body() -> Any:
        async for chunk in await start(client):
            yield chunk

    running = body()
    chunk = await anext(running)
    await running.aclose()
    return chunk


@way(_LEFT)
async def client_closed_midway(client: Any) -> Any:
    stream = await start(client)
    chunk = await step(stream)
    await wait(client.close())
    return chunk


# ------------------------------------------------------------------ below the SDK's stream
@way(None)
async def below_read(client: Any) -> Any:
    stream = await start(client, **sdk_of(client).refused)
    response = stream.response
    return await wait(response.aread() if hasattr(stream, "__anext__") else response.read())


@way(None)
async def below_lines(client: Any) -> Any:
    stream = await start(client, **sdk_of(client).refused)
    response = stream.response
    lines = response.aiter_lines() if hasattr(stream, "__anext__") else response.iter_lines()
    return [line async for line in each(lines)]


# ------------------------------------------------------------------ raw responses
@way("stop")
async def raw_parsed(client: Any) -> Any:
    response = await wait(raw(client, stream=True))
    return [chunk async for chunk in each(await wait(response.parse()))]


@way(None)
async def raw_parsed_and_left(client: Any) -> Any:
    response = await wait(raw(client, stream=True))
    return await step(await wait(response.parse()))


@way(None)
async def raw_dropped(client: Any) -> Any:
    response = await wait(raw(client, stream=True))
    return response.headers["content-type"], response.status_code


@way(None)
async def raw_closed(client: Any) -> Any:
    response = (await wait(raw(client, stream=True))).http_response
    await wait(response.aclose() if is_async(client) else response.close())
    return response.status_code, response.is_closed, response.is_stream_consumed


@way("stop")
async def bytes_drained(client: Any) -> Any:
    async with entered(streaming(client, stream=True)) as response:
        return b"".join([data async for data in each(response.iter_bytes())])


@way("stop")
async def bytes_parsed(client: Any) -> Any:
    async with entered(streaming(client, stream=True)) as response:
        return [chunk async for chunk in each(await wait(response.parse()))]


@way(None)
async def lines_left(client: Any) -> Any:
    async with entered(streaming(client, stream=True)) as response:
        return await step(response.iter_lines())


@way(None)
async def bytes_unread(client: Any) -> Any:
    async with entered(streaming(client, stream=True)) as response:
        return response.status_code


@way(None)
async def exception_beside_bytes(client: Any) -> Any:
    async with entered(streaming(client, stream=True)):
        raise LookupError("mine")


# ------------------------------------------------------------------ helpers
@way("stop")
async def helper_drained(client: Any) -> Any:
    async with entered(helper(client)) as stream:
        return [event async for event in each(stream)]


@way("stop")
async def helper_final_answer(client: Any) -> Any:
    async with entered(helper(client)) as stream:
        return await wait(getattr(stream, sdk_of(client).final)())


@way("stop")
async def helper_until_done(client: Any) -> Any:
    async with entered(helper(client)) as stream:
        await wait(stream.until_done())
        return getattr(stream, sdk_of(client).snapshot)


@way(_LEFT)
async def helper_left(client: Any) -> Any:
    async with entered(helper(client)) as stream:
        return await step(stream)


@way(_LEFT)
async def helper_unread(client: Any) -> Any:
    async with entered(helper(client)):
        pass


@way(_LEFT)
async def helper_closed(client: Any) -> Any:
    async with entered(helper(client)) as stream:
        event = await step(stream)
        await close(stream)
        return event


@way(_LEFT)
async def exception_in_a_helper(client: Any) -> Any:
    async with entered(helper(client)):
        raise LookupError("mine")


@way("stop")
async def responses_final(client: Any) -> Any:
    async with entered(client.responses.stream(model="gpt-5", input="Hi")) as stream:
        return await wait(stream.get_final_response())


@way(_LEFT)
async def responses_left(client: Any) -> Any:
    async with entered(client.responses.stream(model="gpt-5", input="Hi")) as stream:
        return await step(stream)


CASES = [
    pytest.param(name, place, id=f"{name}-{place.name}")
    for sdk in SDKS
    for name, places in _KINDS.items()
    for place in (Place(each.asynchronous, sdk=sdk) for each in places)
    if sdk is OPENAI or not name.startswith("responses_")
]


@pytest.mark.parametrize(("name", "place"), CASES)
def test_left(server: Provider, name: str, place: Place) -> None:
    """The program cannot tell us from nobody; its call ends once, for the right reason."""
    run, finish = WAYS[name]
    for base_url, settings, replies in _cases(name, place.sdk):
        where = replace(place, base_url=base_url)
        (watch,) = unharmed(
            {name: Program(run, replies)},
            server,
            where,
            settings,
            calls=1,
            asks=base_url is not None and not settings and _parsed(name),
        )
        told = watch.spans.ended[0].attributes or {}
        reasons = told.get(semconv.RESPONSE_FINISH_REASONS)
        assert finish is None or reasons == (finish,), f"{base_url} {settings}: {reasons}"
        assert semconv.ERROR_TYPE not in told


def _cases(name: str, sdk: Sdk) -> Iterator[tuple[str | None, dict[str, Any], list[Reply]]]:
    replies = [] if name.startswith("responses_") else [whole(sdk)]
    for settings in MODES:
        yield None, settings, replies
    if sdk.proven is not None:
        for settings in PROVEN_MODES:
            yield sdk.proven, settings, replies
    if WAYS[name][1] == _LEFT and not name.startswith("responses_"):
        yield None, {}, [endless(sdk)]


def _parsed(name: str) -> bool:
    """We ask for the usage of streams that the SDK parses, unless the program said not to."""
    return not name.startswith(("bytes_", "lines_", "below_", "exception_beside_"))
