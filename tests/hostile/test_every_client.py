"""Every client library: values, exceptions, bytes on the wire, and every way to leave a stream.

The libraries, and how programs ask them, are the table of `tests/clients`.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Collection, Iterator
from functools import partial
from typing import Any

import clients
import pytest
from clients.spec import Client, Way
from hostile.harness import Place, Program, drive, each, entered, outcome, step, unharmed, wait
from hostile.telemetry import Watch, watched

from llm_otel import semconv
from llm_otel.clients import built_in
from llm_otel.testing import Provider, Reply

# Libraries leave sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

MODES: tuple[dict[str, Any], ...] = (
    {},
    {"capture_content": "span_and_event", "per_chunk_metric": True},
)


def _cases(*, streaming: bool | None = None, names: Collection[str] | None = None) -> Iterator[Any]:
    for name in names or clients.names():
        client = clients.load(name)
        for way in client.ways:
            if streaming in (None, way.streaming):
                for asynchronous in way.kinds:
                    kind = "async" if asynchronous else "sync"
                    label = f"{name}-{kind}-{way.name.replace(' ', '_')}"
                    yield pytest.param(client, way, asynchronous, id=label)


every_way = pytest.mark.parametrize(("client", "way", "asynchronous"), list(_cases()))
every_stream = pytest.mark.parametrize(
    ("client", "way", "asynchronous"), list(_cases(streaming=True))
)


def place(client: Client, asynchronous: bool) -> Place:
    """Where a program runs."""
    return Place(
        asynchronous,
        open=lambda server: client.make(server, asynchronous),
        volatile=client.volatile,
    )


async def answered(way: Way, client: Any) -> Any:
    """The whole answer, or all chunks."""
    found = await wait(way.ask(client))
    if not way.streaming:
        return way.shown(found)
    return [way.shown(chunk) async for chunk in each(way.stream(found))]


def told(watch: Watch) -> list[dict[str, Any]]:
    """The attributes of the spans."""
    return [dict(span.attributes or {}) for span in watch.spans.ended]


# ------------------------------------------------------------------ whole answers
def test_every_client_is_here() -> None:
    """No client library is hooked that these tests do not know."""
    alike = {"groq": "openai", "together": "openai"}  # generated as openai is
    files = {name.replace(".", "__") for name in built_in()}
    assert {alike.get(name, name) for name in files} == set(clients.names())


@every_way
def test_answers(server: Provider, client: Client, way: Way, asynchronous: bool) -> None:
    """The program gets what it would get, sends what it would send; the call tells the bill."""
    program = Program(partial(answered, way))
    for watch in unharmed(
        {way.name: program}, server, place(client, asynchronous), *MODES, calls=way.requests
    ):
        for span, attributes in zip(watch.spans.ended, told(watch)):
            assert attributes[semconv.OPERATION_NAME] == way.operation
            assert attributes[semconv.PROVIDER_NAME] == client.provider
            assert attributes.get(semconv.REQUEST_MODEL) == way.model
            assert span.name == " ".join(filter(None, (way.operation, way.model)))
            assert semconv.ERROR_TYPE not in attributes, attributes
        if way.counted:
            bills = server.bill.values()
            assert sum(bill.answers for bill in bills) == way.requests, server.requests
            billed = sum(bill.input_tokens for bill in bills)
            spent = sum(bill.output_tokens for bill in bills)
            assert watch.value("gen_ai.tokens.consumed", token_type="input") == billed
            assert watch.value("gen_ai.tokens.consumed", token_type="output") == spent
            assert watch.value("llm_otel.usage.unknown") == 0


# ------------------------------------------------------------------ failures
REFUSED = {
    "rate_limit": "rate_limit",
    "authentication": "authentication",
    "permission": "permission",
    "invalid_request": "invalid_request",
    "not_found": "not_found",
    "server_error": "server",
}


async def tried(way: Way, client: Any) -> Any:
    return await outcome(lambda: answered(way, client))


def programs(way: Way, **worlds: Any) -> dict[str, Program]:
    """One that asks in each of some worlds, by their names; all are compared in one go."""
    return {
        name: Program(partial(tried, way), **{kind: [each] * way.requests})
        for kind, all_of_a_kind in worlds.items()
        for name, each in all_of_a_kind.items()
    }


@every_way
def test_refusals(server: Provider, client: Client, way: Way, asynchronous: bool) -> None:
    """The SDK's exception goes on as it was; the call has its class."""
    refused = programs(way, faults={fault: fault for fault in REFUSED})
    (watch,) = unharmed(refused, server, place(client, asynchronous), {})
    kinds = [attributes.get(semconv.ERROR_CLASS) for attributes in told(watch)]
    # A library may give up after the first of several requests.
    assert list(dict.fromkeys(kinds)) == list(REFUSED.values()), told(watch)


BROKEN = {
    "empty": Reply(body=b"", headers={"content-type": "application/json"}),
    "half": Reply(body=b'{"id": "x", "mo', headers={"content-type": "application/json"}),
    "null": Reply(body=b"null", headers={"content-type": "application/json"}),
    "a list": Reply(body=b"[]", headers={"content-type": "application/json"}),
    "a text": Reply(body=b'"text"', headers={"content-type": "application/json"}),
    "nothing in it": Reply(body=b"{}", headers={"content-type": "application/json"}),
    "no content": Reply(status=204),
    "odd bytes": Reply(body=b"\xff\xfe\x00" * 50, headers={"content-type": "application/json"}),
    "an odd type": Reply(body=b"hello", headers={"content-type": "text/plain"}),
    "an error as HTML": Reply(status=502, body="<h1>502</h1>"),
    "an odd error": Reply(status=418, body=b"[1, {", headers={"content-type": "application/json"}),
    "cut off": Reply(body={"id": "x", "text": "y" * 500}, ending="cut"),
}


DAMAGED = ("malformed_json", "truncated", "disconnect", "stream_error", "html")


@every_way
def test_broken_answers(server: Provider, client: Client, way: Way, asynchronous: bool) -> None:
    """Whatever comes back, the program sees what it would have seen, and each call ends once."""
    bodies = {name: reply for name, reply in BROKEN.items() if name not in way.endless}
    broken = programs(way, replies=bodies, faults={fault: fault for fault in DAMAGED})
    unharmed(broken, server, place(client, asynchronous), *MODES)


PAGES = {
    "HTML": Reply(body=b"<h1>Welcome</h1>", headers={"content-type": "text/html; charset=utf-8"}),
    "JSON": Reply(body=b'{"detail": "moved"}', headers={"content-type": "application/json"}),
    "a text": Reply(body=b"upstream is away", headers={"content-type": "text/plain"}),
}
# Clients whose streams let us see what type of body the response has.
TELL_TYPES = ("anthropic", "azure__ai__inference", "litellm", "mistralai", "openai")


@pytest.mark.parametrize(
    ("client", "way", "asynchronous"), list(_cases(streaming=True, names=TELL_TYPES))
)
def test_pages_in_place_of_a_stream(
    server: Provider, client: Client, way: Way, asynchronous: bool
) -> None:
    """A proxy's page with status 200 fails the call, though some libraries make a stream without a
    chunk of it."""
    pages = programs(way, replies=PAGES)
    (watch,) = unharmed(pages, server, place(client, asynchronous), {})
    kinds = [attributes.get(semconv.ERROR_CLASS) for attributes in told(watch)]
    assert kinds == ["other"] * len(PAGES), told(watch)


# ------------------------------------------------------------------ leaving
def first(stream: Any) -> Any:
    """An iterator over a stream."""
    return stream.__aiter__() if hasattr(stream, "__aiter__") else iter(stream)


async def opened(way: Way, client: Any) -> Any:
    return way.stream(await wait(way.ask(client)))


async def broken_off(way: Way, client: Any) -> None:
    async for _ in each(await opened(way, client)):
        break


async def dropped_midway(way: Way, client: Any) -> Any:
    iterator = first(await opened(way, client))
    chunk = way.shown(await step(iterator))
    del iterator
    gc.collect()
    return chunk


async def dropped_unread(way: Way, client: Any) -> None:
    await wait(way.ask(client))
    gc.collect()


async def closed_midway(way: Way, client: Any) -> Any:
    stream = await opened(way, client)
    iterator = first(stream)
    chunk = way.shown(await step(iterator))
    for holder in (stream, iterator):
        for name in ("aclose", "close"):
            if hasattr(holder, name):
                await wait(getattr(holder, name)())
                return name, chunk
    return None, chunk


async def raised_in_the_loop(way: Way, client: Any) -> None:
    async for chunk in each(await opened(way, client)):
        raise LookupError("mine", way.shown(chunk))


LEFT = (broken_off, dropped_midway, dropped_unread, closed_midway, raised_in_the_loop)


@every_stream
def test_leaving(server: Provider, client: Client, way: Way, asynchronous: bool) -> None:
    """The stream that is left is one call that was cancelled, and no error."""
    left = {leave.__name__: Program(partial(leave, way)) for leave in LEFT}
    calls = way.requests * (len(LEFT) - way.lazy)
    for watch in unharmed(left, server, place(client, asynchronous), *MODES, calls=calls):
        for attributes in told(watch):
            assert attributes.get(semconv.RESPONSE_FINISH_REASONS) == ("cancelled",), attributes
            assert semconv.ERROR_TYPE not in attributes


@every_stream
def test_read_on_after_a_break(
    server: Provider, client: Client, way: Way, asynchronous: bool
) -> None:
    """Who breaks a loop off and goes on reading reads the rest."""

    async def program(made: Any) -> Any:
        iterator = first(await opened(way, made))
        one = way.shown(await step(iterator))
        return one, [way.shown(chunk) async for chunk in each(iterator)]

    (watch,) = unharmed(
        {"on": Program(program)}, server, place(client, asynchronous), {}, calls=way.requests
    )
    for attributes in told(watch):
        assert attributes.get(semconv.RESPONSE_FINISH_REASONS) != ("cancelled",), attributes


# ------------------------------------------------------------------ nobody there
@every_way
def test_nothing_is_left_behind(
    server: Provider, client: Client, way: Way, asynchronous: bool
) -> None:
    """After `uninstrument()` a client that was made before is as if we had never been there."""
    server.reset()

    async def program() -> list[int]:
        async with entered(client.make(server, asynchronous)) as made:
            with watched() as watch:
                await answered(way, made)
            seen = len(watch.spans.ended)
            await answered(way, made)
            return [seen, len(watch.spans.ended)]

    seen = asyncio.run(program()) if asynchronous else drive(program())
    assert seen == [way.requests, way.requests]
