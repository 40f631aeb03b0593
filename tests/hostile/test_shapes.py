"""Functions of every shape that a hook can have: whole, left in every way, failed, by bytes.

The SDK is a toy, hooked as a third party's package hooks its own: by an entry point, a table of
functions and a protocol.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any
from zlib import crc32

import httpx2
import pytest
import toysdk
from hostile.harness import Place, Program, Run, each, entered, outcome, step, unharmed, wait
from hostile.telemetry import Watch

from llm_otel import semconv
from llm_otel.testing import Provider, Reply

BODY: dict[str, Any] = {"text": "Hi", "temperature": 0.5}
PATH = "/models/toy-1:say"
SYNC = Place(False, make=toysdk.Client)
ASYNC = Place(True, make=toysdk.AsyncClient)

LAST = {"id": "t1", "model": "toy-1-0", "text": "b", "stop": "end", "tokens": {"in": 7, "out": 3}}
CHUNK = {"text": "a"}
WHOLE = Reply(body=LAST)


def lines(*nodes: Any, ending: Any = "complete") -> Reply:
    """Lines of JSON."""
    chunks = [json.dumps(node).encode() + b"\n" for node in nodes]
    return Reply(chunks=chunks, headers={"content-type": "application/x-ndjson"}, ending=ending)


def events(*nodes: Any, ending: Any = "complete") -> Reply:
    """Server-sent events."""
    chunks = [b"event: say\ndata: " + json.dumps(node).encode() + b"\n\n" for node in nodes]
    return Reply(chunks=chunks, headers={"content-type": "text/event-stream"}, ending=ending)


def message(payload: bytes, **headers: str) -> bytes:
    """One message of an event stream of AWS."""
    head = b"".join(
        bytes([len(name) + 1]) + b":" + name.encode() + b"\x07"
        + struct.pack(">H", len(value)) + value.encode()
        for name, value in ((name.replace("_", "-"), value) for name, value in headers.items())
    )  # fmt: skip
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    prelude += struct.pack(">I", crc32(prelude))
    return prelude + head + payload + struct.pack(">I", crc32(prelude + head + payload))


def aws(*nodes: Any, ending: Any = "complete") -> Reply:
    """An event stream of AWS whose chunks carry the nodes."""
    chunks = [
        message(
            json.dumps({"bytes": base64.b64encode(json.dumps(node).encode()).decode()}).encode(),
            message_type="event",
            event_type="chunk",
            content_type="application/json",
        )
        for node in nodes
    ]
    kind = "application/vnd.amazon.eventstream"
    return Reply(chunks=chunks, headers={"content-type": kind}, ending=ending)


pytestmark = pytest.mark.usefixtures("toy")


# ------------------------------------------------------------------ the ways
# Name -> the function that opens something to read chunks from.
OPENERS: dict[str, Callable[[Any], Any]] = {
    "chunks": lambda client: client.chunks(PATH, BODY),
    "reader": lambda client: client.reader(PATH, BODY),
    "lines": lambda client: client.lines(path=PATH, body=BODY),
    "either": lambda client: client.either(PATH, BODY, stream=True),
}
GENERATORS = ("lines", "either")
WAYS: dict[str, tuple[Any, str, tuple[str, ...]]] = {}
LEFT, END = "cancelled", "end"


def way(finish: str, *openers: str) -> Callable[[Any], Any]:
    """Register a program; with no names it is for all openers."""

    def register(run: Any) -> Any:
        WAYS[run.__name__] = (run, finish, openers or tuple(OPENERS))
        return run

    return register


async def opened(client: Any, opener: str) -> Any:
    stream = await wait(OPENERS[opener](client))
    return stream["stream"] if opener == "reader" else stream


async def closed(stream: Any) -> Any:
    return await wait(stream.aclose() if hasattr(stream, "aclose") else stream.close())


def first(stream: Any) -> Any:
    """An iterator over it."""
    return stream.__aiter__() if hasattr(stream, "__aiter__") else iter(stream)


@way(END)
async def drained(client: Any, opener: str) -> Any:
    return [chunk async for chunk in each(await opened(client, opener))]


@way(END)
async def stepped_to_the_end(client: Any, opener: str) -> Any:
    iterator = first(await opened(client, opener))
    found = []
    for _ in range(5):
        try:
            found.append(await step(iterator))
        except (StopIteration, StopAsyncIteration) as end:
            found.append((type(end), getattr(end, "value", None)))
    return found


@way(END)
async def broken_off_and_resumed(client: Any, opener: str) -> Any:
    iterator = first(await opened(client, opener))
    one = await step(iterator)
    return one, [chunk async for chunk in each(iterator)]


@way(LEFT)
async def broken_off(client: Any, opener: str) -> None:
    async for _ in each(await opened(client, opener)):
        break


@way(LEFT)
async def dropped_midway(client: Any, opener: str) -> Any:
    iterator = first(await opened(client, opener))
    chunk = await step(iterator)
    del iterator
    gc.collect()
    await asyncio.sleep(0) if asyncio._get_running_loop() else None
    return chunk


@way(LEFT)
async def closed_midway(client: Any, opener: str) -> Any:
    stream = await opened(client, opener)
    iterator = first(stream)
    chunk = await step(iterator)
    await closed(stream if opener == "reader" else iterator)
    return chunk


@way(LEFT)
async def exception_in_the_loop(client: Any, opener: str) -> Any:
    async for chunk in each(await opened(client, opener)):
        raise LookupError("mine", chunk["text"])


@way(LEFT, "chunks")
async def left_in_a_with_block(client: Any, opener: str) -> Any:
    async with entered(await opened(client, opener)) as stream:
        return await step(stream), type(stream).__name__, isinstance(stream, object)


@way(LEFT, "chunks", "reader")
async def closed_unread(client: Any, opener: str) -> Any:
    stream = await opened(client, opener)
    await closed(stream)
    return stream.response.is_closed


@way(LEFT, "chunks", "reader")
async def dropped_unread(client: Any, opener: str) -> Any:
    await opened(client, opener)
    gc.collect()


@way(END, "chunks", "reader")
async def as_it_was(client: Any, opener: str) -> Any:
    """Classes, attributes and what an attribute leads to."""
    stream = await opened(client, opener)
    kinds = (toysdk.client.Chunks, toysdk.client.AsyncChunks, toysdk.client.Reader,
             toysdk.client.AsyncReader)  # fmt: skip
    stream.mine = 1
    seen = [isinstance(stream, kind) for kind in kinds], stream.response.status_code, stream.mine
    return seen, hasattr(stream, "nothing"), [chunk async for chunk in each(stream)]


@way(LEFT, *GENERATORS)
async def thrown_into(client: Any, opener: str) -> Any:
    generator = await opened(client, opener)
    await step(generator)
    throw = getattr(generator, "athrow", None) or generator.throw
    return await outcome(lambda: throw(GeneratorExit("mine")))


@way(END, *GENERATORS)
async def sent_into(client: Any, opener: str) -> Any:
    generator = await opened(client, opener)
    send = getattr(generator, "asend", None) or generator.send
    found = [await wait(send(None)), await wait(send("x"))]
    return found, [chunk async for chunk in each(generator)], type(generator)


def _by_way() -> Iterator[Any]:
    for name, (_, _, openers) in WAYS.items():
        for opener in openers:
            for place in (SYNC, ASYNC):
                yield pytest.param(name, opener, place, id=f"{name}-{opener}-{place.name}")


@pytest.mark.parametrize(("name", "opener", "place"), list(_by_way()))
def test_left(server: Provider, name: str, opener: str, place: Place) -> None:
    """The program cannot tell us from nobody; its call ends once, for the right reason."""
    run, finish, _ = WAYS[name]

    async def program(client: Any) -> Any:
        return await run(client, opener)

    for settings in ({}, {"capture_content": "span_and_event", "per_chunk_metric": True}):
        replies = [lines(CHUNK, LAST)]
        (watch,) = unharmed({name: Program(program, replies)}, server, place, settings, calls=1)
        told = attributes(watch)
        assert told.get(semconv.RESPONSE_FINISH_REASONS) == (finish,), told
        assert semconv.ERROR_TYPE not in told
        if finish == END:
            assert (told[semconv.USAGE_INPUT_TOKENS], told[semconv.USAGE_OUTPUT_TOKENS]) == (7, 3)


def attributes(watch: Watch) -> dict[str, Any]:
    """Those of the only span."""
    (span,) = watch.spans.ended
    return dict(span.attributes or {})


async def mapped(client: Any) -> Any:
    drained = list(client.mapped(PATH, BODY))
    left = next(client.mapped(PATH, BODY))
    client.mapped(PATH, BODY)
    gc.collect()
    return drained, left


def test_an_iterator_of_pythons_own(server: Provider) -> None:
    """Its class cannot be extended: a generator goes in its place."""
    program = Program(mapped, [lines(CHUNK, LAST)] * 3)
    (watch,) = unharmed({"mapped": program}, server, SYNC, {}, calls=3)
    told = [(s.attributes or {})[semconv.RESPONSE_FINISH_REASONS] for s in watch.spans.ended]
    assert sorted(told) == [(LEFT,), (LEFT,), (END,)]


async def never_begun(client: Any) -> Any:
    stream = await wait(client.lines(PATH, BODY))
    await closed(stream)
    await wait(client.either(PATH, BODY, True))
    gc.collect()
    return [await outcome(lambda: client.lines("too", "many", "arguments", 4))]


@pytest.mark.parametrize("place", [SYNC, ASYNC], ids=lambda place: place.name)
def test_a_lazy_generator_that_never_began_is_no_call(server: Provider, place: Place) -> None:
    """It sends no request, so there is nothing to count."""
    unharmed({"never": Program(never_begun)}, server, place, {}, calls=0)


# ------------------------------------------------------------------ whole answers and failures
async def asked(client: Any) -> Any:
    return await wait(client.ask(PATH, BODY)), await wait(client.either(PATH, body=BODY))


async def tried(client: Any) -> Any:
    found = [await outcome(lambda: client.ask(PATH, BODY))]
    for opener in OPENERS:
        if opener not in GENERATORS:
            found.append(await outcome(lambda opener=opener: opened(client, opener)))
            continue
        found.append(await outcome(lambda opener=opener: drained(client, opener)))
    return found


@pytest.mark.parametrize("place", [SYNC, ASYNC], ids=lambda place: place.name)
def test_whole_answers(server: Provider, place: Place) -> None:
    """One call each, also where a function with a hook calls another."""
    (watch,) = unharmed({"asked": Program(asked, [WHOLE] * 2)}, server, place, {}, calls=2)
    for span in watch.spans.ended:
        told = dict(span.attributes or {})
        assert span.name == "chat"
        assert told[semconv.RESPONSE_MODEL] == "toy-1-0"
        assert told[semconv.USAGE_INPUT_TOKENS] == 7
        assert told[semconv.REQUEST_TEMPERATURE] == 0.5
        assert told[semconv.PROVIDER_NAME] == "toy"
        assert told[semconv.SERVER_ADDRESS] == "127.0.0.1"


@pytest.mark.parametrize("place", [SYNC, ASYNC], ids=lambda place: place.name)
def test_failures(server: Provider, place: Place) -> None:
    """The SDK's exception goes on as it was, and is the call's."""
    refused = Reply(status=429, body={"error": "slow down"})
    program = Program(tried, [refused] * 5)
    (watch,) = unharmed({"tried": program}, server, place, {}, calls=5)
    for span in watch.spans.ended:
        told = dict(span.attributes or {})
        assert told[semconv.ERROR_TYPE] == "toysdk.client.ToyError", told
        assert told[semconv.HTTP_STATUS_CODE] == 429
    assert watch.value("gen_ai.errors", error_type="rate_limit") == 5


# ------------------------------------------------------------------ responses
async def context_read(client: Any) -> Any:
    async with entered(client.opened(PATH, BODY)) as response:
        reading = response.aiter_lines() if hasattr(response, "aiter_lines") else None
        if isinstance(client, toysdk.Client):
            reading = response.iter_lines()
        return response.status_code, [line async for line in each(reading)]


async def context_left(client: Any) -> Any:
    async with entered(client.opened(PATH, BODY)) as response:
        return response.status_code


async def context_raised(client: Any) -> Any:
    async with entered(client.opened(PATH, BODY)):
        raise LookupError("mine")


async def response_whole(client: Any) -> Any:
    return await wait(client.post(PATH, BODY))


async def response_read(client: Any) -> Any:
    response = await wait(client.post(PATH, BODY, stream=True))
    data = await wait(response.read() if isinstance(client, toysdk.Client) else response.aread())
    return data, response.is_closed


async def response_closed(client: Any) -> Any:
    response = await wait(client.post(PATH, BODY, stream=True))
    await wait(response.close() if isinstance(client, toysdk.Client) else response.aclose())


async def response_dropped(client: Any) -> Any:
    response = await wait(client.post(PATH, BODY, stream=True))
    return response.status_code


class Marked(httpx2.SyncByteStream):
    """A stream that somebody put into a response, and looks for there."""

    mine = 7

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __iter__(self) -> Iterator[bytes]:
        yield from self.inner

    def close(self) -> None:
        self.inner.close()


async def response_with_a_stream_of_its_own(client: Any) -> Any:
    def mark(response: Any) -> None:
        response.stream = Marked(response.stream)

    client.http.event_hooks = {"response": [mark]}
    response = client.post(PATH, BODY, stream=True)
    found = response.stream.mine, hasattr(response.stream, "nothing"), len(response.read())
    return found, type(response.stream.inner).__name__


def test_a_stream_that_somebody_put_there(server: Provider) -> None:
    """What it has beyond what httpx knows is there as before."""
    program = Program(response_with_a_stream_of_its_own, [lines(CHUNK, LAST)])
    (watch,) = unharmed({"marked": program}, server, SYNC, {}, calls=1)
    assert attributes(watch)[semconv.USAGE_INPUT_TOKENS] == 7


FRAMES = {"lines": lines, "events": events, "aws": aws}
RESPONSES: tuple[tuple[Run, str], ...] = (
    (context_read, END),
    (context_left, LEFT),
    (context_raised, LEFT),
    (response_whole, END),
    (response_read, END),
    (response_closed, LEFT),
    (response_dropped, LEFT),
)


@pytest.mark.parametrize("frames", list(FRAMES))
@pytest.mark.parametrize("place", [SYNC, ASYNC], ids=lambda place: place.name)
@pytest.mark.parametrize(
    ("run", "finish"), RESPONSES, ids=lambda each: getattr(each, "__name__", each)
)
def test_responses(server: Provider, run: Run, finish: str, place: Place, frames: str) -> None:
    """What the caller reads of a body is what we know of it, in whatever frames it comes."""
    replies = [FRAMES[frames](CHUNK, LAST)]
    (watch,) = unharmed({"response": Program(run, replies)}, server, place, {}, calls=1)
    told = attributes(watch)
    if finish == END:
        assert told[semconv.RESPONSE_FINISH_REASONS] == (END,)
        assert (told[semconv.USAGE_INPUT_TOKENS], told[semconv.USAGE_OUTPUT_TOKENS]) == (7, 3)
    else:
        assert told[semconv.RESPONSE_FINISH_REASONS] == (LEFT,)
        assert semconv.USAGE_INPUT_TOKENS not in told


@pytest.mark.parametrize("place", [SYNC, ASYNC], ids=lambda place: place.name)
@pytest.mark.parametrize("run", [response_whole, response_read, response_closed, context_read])
def test_a_response_that_is_an_error(server: Provider, run: Run, place: Place) -> None:
    """The SDK makes an exception of it later, if at all: the status tells."""
    replies = [Reply(status=401, body={"error": "who are you"})]
    (watch,) = unharmed({"refused": Program(run, replies)}, server, place, {}, calls=1)
    told = attributes(watch)
    assert told[semconv.ERROR_TYPE] == "401"
    assert told[semconv.HTTP_STATUS_CODE] == 401
    assert watch.value("gen_ai.errors", error_type="authentication") == 1


@pytest.mark.parametrize("place", [SYNC, ASYNC], ids=lambda place: place.name)
def test_an_sdk_that_tries_again_by_calling_itself(server: Provider, place: Place) -> None:
    """One request is one call."""
    replies = [Reply(status=503, body={})] * 2 + [WHOLE]
    (watch,) = unharmed({"again": Program(response_whole, replies)}, server, place, {}, calls=1)
    assert attributes(watch)[semconv.USAGE_INPUT_TOKENS] == 7


@pytest.mark.parametrize("ending", ["cut", "hang"])
@pytest.mark.parametrize("opener", list(OPENERS))
def test_a_stream_that_breaks(server: Provider, opener: str, ending: Any) -> None:
    """What the connection does to the caller is the call's end; hanging, the caller leaves."""

    async def program(client: Any) -> Any:
        iterator = first(await opened(client, opener))
        found = [await step(iterator)]
        if ending == "cut":
            found.append(await outcome(lambda: step(iterator)))
        return found

    replies = [lines(CHUNK, ending=ending)]
    (watch,) = unharmed({"broken": Program(program, replies)}, server, SYNC, {}, calls=1)
    told = attributes(watch)
    assert (semconv.ERROR_TYPE in told) == (ending == "cut"), told


@pytest.mark.parametrize("opener", list(OPENERS))
def test_a_task_that_is_cancelled(server: Provider, opener: str) -> None:
    """While it waits for a chunk: the call was cancelled, and the caller knows as ever."""

    async def program(client: Any) -> Any:
        begun = asyncio.Event()

        async def read() -> None:
            async for _ in each(await opened(client, opener)):
                begun.set()

        task = asyncio.create_task(read())
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    replies = [lines(CHUNK, ending="hang")]
    (watch,) = unharmed({"cancelled": Program(program, replies)}, server, ASYNC, {}, calls=1)
    told = attributes(watch)
    assert told[semconv.ERROR_TYPE] == "asyncio.exceptions.CancelledError"
    assert told[semconv.RESPONSE_FINISH_REASONS] == (LEFT,)
    assert watch.value("gen_ai.errors", error_type="cancelled") == 1


def test_many_threads(server: Provider) -> None:
    """Streams that are read side by side end each in its own call."""

    async def program(client: Any) -> Any:
        found: list[Any] = []
        threads = [
            threading.Thread(target=lambda: found.append(list(client.lines(PATH, BODY))))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    replies = [lines(CHUNK, LAST)] * 8
    unharmed({"threads": Program(program, replies)}, server, SYNC, {}, calls=8)
