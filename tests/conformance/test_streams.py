"""Every way to leave a stream ends its call exactly once, at the moment it is left."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

import llm_otel
from tests.conformance.calls import MESSAGES, OPENAI, method_of, reach

BY_NAME = {call.name: call for call in OPENAI}
KINDS = [
    name
    for name in ("chat", "completion", "response")
    if hasattr(openai.OpenAI, BY_NAME[name].methods[0].split(".")[0])
]
HELPERS = [f"{kind} helper" for kind in KINDS if kind != "completion"]


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Nothing may wait for the cycle collector, except where a test runs it."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def client(p):
    with openai.OpenAI(base_url=p.url, api_key="test", max_retries=0) as made:
        yield made


def start(client: Any, name: str) -> Any:
    """Begin a stream, or make its helper."""
    call = BY_NAME[name]
    stream = {} if name.endswith("helper") else {"stream": True}
    return reach(client, method_of(client, call))(**call.arguments, **stream)


def check(telemetry: Any, finish: str, status: str = "UNSET") -> None:
    """One span with this end, and no call open."""
    span = telemetry.span
    assert (span.status, span.attributes["gen_ai.response.finish_reasons"]) == (status, (finish,))
    assert telemetry.value("gen_ai.requests.active") == 0
    assert telemetry.count("gen_ai.request.duration") == 1


# ---------------------------------------------------------------- sync
def drained(stream: Any) -> None:
    for _ in stream:
        pass


def drained_by_next(stream: Any) -> None:
    while next(stream, None) is not None:
        pass


def drained_and_closed(stream: Any) -> None:
    with stream:
        drained(stream)
    stream.close()


def broken_off_and_closed(stream: Any) -> None:
    for _ in stream:
        break
    stream.close()


def broken_off(stream: Any) -> None:
    for _ in stream:
        break


def left_by_an_error(stream: Any) -> None:
    with pytest.raises(KeyError), stream:
        for _ in stream:
            raise KeyError


def closed_unread(stream: Any) -> None:
    stream.close()


def dropped_unread(stream: Any) -> None:
    pass


LEFT = {
    drained: "stop",
    drained_by_next: "stop",
    drained_and_closed: "stop",
    broken_off_and_closed: "cancelled",
    broken_off: "cancelled",
    left_by_an_error: "cancelled",
    closed_unread: "cancelled",
    dropped_unread: "cancelled",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("leave", LEFT, ids=lambda leave: leave.__name__)
def test_leaving(instrumented, client, kind, leave):
    """However the caller leaves a stream, the call ends once, without an error."""
    telemetry = instrumented()
    leave(start(client, kind))
    gc.collect()
    check(telemetry, LEFT[leave])


@pytest.mark.parametrize("leave", [broken_off_and_closed, left_by_an_error, closed_unread])
@pytest.mark.parametrize("kind", KINDS)
def test_leaving_ends_at_once(instrumented, client, kind, leave):
    """A stream that is closed has ended by then, though the program keeps it."""
    telemetry = instrumented()
    kept = start(client, kind)
    leave(kept)
    check(telemetry, "cancelled")


def test_break_after_the_end(instrumented, client):
    """Who stops at the last choice's finish reason has it on the span."""
    telemetry = instrumented()
    with start(client, "chat") as stream:
        for chunk in stream:
            if chunk.choices[0].finish_reason:
                break
    check(telemetry, "stop")


@pytest.mark.parametrize("kind", HELPERS)
@pytest.mark.parametrize(
    ("events", "finish"), [(0, "cancelled"), (1, "cancelled"), (10_000, "stop")]
)
def test_leaving_a_helper(instrumented, client, kind, events, finish):
    """A `.stream()` helper ends with its `with` block, though the program keeps it."""
    telemetry = instrumented()
    with start(client, kind) as kept:
        for _ in zip(range(events), kept):
            pass
    check(telemetry, finish)
    assert kept is not None


def test_helper_left_by_an_error(instrumented, client):
    """The user's own error in a helper's block is not the provider's."""
    telemetry = instrumented()
    with pytest.raises(KeyError), start(client, "chat helper") as kept:
        next(iter(kept))
        raise KeyError
    check(telemetry, "cancelled")


def test_manager_never_entered(instrumented, client, p):
    """A helper that is made and not entered sends nothing and shows nothing."""
    telemetry = instrumented()
    start(client, "chat helper")
    gc.collect()
    assert telemetry.spans == []
    assert p.requests == []


@pytest.mark.parametrize("read", ["nothing", "a line", "all"])
def test_leaving_raw_bytes(instrumented, client, read):
    """A streamed response that is read as bytes, or not, ends with its block."""
    telemetry = instrumented()
    call = client.chat.completions.with_streaming_response.create
    with call(model="gpt-4o", messages=MESSAGES, stream=True) as response:
        if read == "a line":
            next(response.iter_lines())
        elif read == "all":
            response.read()
    span = telemetry.span
    assert span.status == "UNSET"
    assert telemetry.value("gen_ai.requests.active") == 0
    assert span.attributes.get("gen_ai.response.finish_reasons") == {
        "nothing": ("cancelled",), "a line": ("cancelled",), "all": ("stop",)
    }[read]  # fmt: skip


def test_error_in_a_stream(instrumented, client, p):
    """An error that the provider sends inside a stream is the call's."""
    telemetry = instrumented()
    p.enqueue("stream_error")
    with pytest.raises(openai.APIError):
        drained(start(client, "chat"))
    check(telemetry, "error", "ERROR")
    assert telemetry.value("gen_ai.errors", error_type="server") == 1


def test_connection_lost_in_a_stream(instrumented, client, p):
    """A connection that breaks inside a stream is a connection error."""
    telemetry = instrumented()
    p.enqueue("disconnect")
    with pytest.raises(Exception, match="closed|incomplete|peer|onnection"):
        drained(start(client, "chat"))
    check(telemetry, "error", "ERROR")
    assert telemetry.value("gen_ai.errors", error_type="connection") == 1


def test_made_before(instrumented, client):
    """Raw-response methods that were taken before `instrument()` are seen after it, once."""
    create = client.chat.completions.with_raw_response.create
    streaming = client.chat.completions.with_streaming_response.create
    telemetry = instrumented()
    create(model="gpt-4o", messages=MESSAGES)
    with streaming(model="gpt-4o", messages=MESSAGES) as response:
        response.read()
    assert [span.name for span in telemetry.spans] == ["chat gpt-4o"] * 2


def test_made_before_and_used_after(instrumented, client):
    """Methods taken while instrumented are plain again after `uninstrument()`."""
    telemetry = instrumented()
    create = client.chat.completions.with_raw_response.create
    llm_otel.uninstrument()
    create(model="gpt-4o", messages=MESSAGES)
    assert telemetry.spans == []


@pytest.mark.parametrize("leave", [drained, broken_off_and_closed, broken_off])
def test_uninstrumented_meanwhile(instrumented, client, leave):
    """A stream that is open at `uninstrument()` ends as it would have."""
    telemetry = instrumented()
    stream = start(client, "chat")
    next(stream)
    llm_otel.uninstrument()
    leave(stream)
    del stream
    gc.collect()
    check(telemetry, LEFT[leave])


# ---------------------------------------------------------------- async
async def adrained(stream: Any) -> None:
    async for _ in stream:
        pass


async def abroken_off_and_closed(stream: Any) -> None:
    async for _ in stream:
        break
    await stream.close()


async def abroken_off(stream: Any) -> None:
    async for _ in stream:
        break


async def aleft_by_an_error(stream: Any) -> None:
    with pytest.raises(KeyError):
        async with stream:
            async for _ in stream:
                raise KeyError


async def aclosed_unread(stream: Any) -> None:
    await stream.close()


async def adropped_unread(stream: Any) -> None:
    pass


LEFT_ASYNC = {
    adrained: "stop",
    abroken_off_and_closed: "cancelled",
    abroken_off: "cancelled",
    aleft_by_an_error: "cancelled",
    aclosed_unread: "cancelled",
    adropped_unread: "cancelled",
}


def in_loop(p: Any, program: Callable[[Any], Any]) -> None:
    """Run a program with an asynchronous client."""

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=p.url, api_key="test", max_retries=0) as client:
            await program(client)
            gc.collect()

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("leave", LEFT_ASYNC, ids=lambda leave: leave.__name__)
def test_leaving_async(instrumented, p, kind, leave):
    """However the caller leaves an asynchronous stream, the call ends once, without an error."""
    telemetry = instrumented()

    async def program(client: Any) -> None:
        await leave(await start(client, kind))

    in_loop(p, program)
    check(telemetry, LEFT_ASYNC[leave])


@pytest.mark.parametrize("kind", HELPERS)
def test_leaving_an_async_helper(instrumented, p, kind):
    """An asynchronous helper ends with its block."""
    telemetry = instrumented()

    async def program(client: Any) -> None:
        async with start(client, kind) as kept:
            async for _ in kept:
                break
        check(telemetry, "cancelled")
        assert kept is not None

    in_loop(p, program)
    check(telemetry, "cancelled")


def test_async_manager_never_entered(instrumented, p):
    """An asynchronous helper that is never entered warns as the SDK alone would, and shows nothing."""

    async def program(client: Any) -> None:
        start(client, "chat helper")
        gc.collect()

    def warned() -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            in_loop(p, program)
        return [str(each.message) for each in caught]

    alone = warned()
    telemetry = instrumented()
    assert warned() == alone
    assert telemetry.spans == []


@pytest.mark.parametrize("fault", ["hang", "stall"])
def test_task_cancelled(instrumented, p, fault):
    """A task that is cancelled while it waits for the provider counts as cancelled."""
    telemetry = instrumented()
    p.enqueue(fault)

    async def program(client: Any) -> None:
        waiting = asyncio.Event()

        async def read() -> None:
            waiting.set()
            async for _ in await start(client, "chat"):
                waiting.set()

        task = asyncio.create_task(read())
        await waiting.wait()
        if fault == "stall":
            waiting.clear()
            await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    in_loop(p, program)
    span = telemetry.span
    assert (span.status, span.attributes["llm_otel.error.class"]) == ("ERROR", "cancelled")
    assert telemetry.value("gen_ai.errors", error_type="cancelled") == 1
    assert telemetry.value("gen_ai.requests.active") == 0


def test_loop_closed_meanwhile(instrumented, p):
    """An asynchronous stream that outlives its loop ends when the loop does."""
    telemetry = instrumented()

    async def main() -> Any:
        client = openai.AsyncOpenAI(base_url=p.url, api_key="test", max_retries=0)
        stream = await start(client, "chat")
        await stream.__anext__()
        return client, stream

    kept = asyncio.run(main())
    check(telemetry, "cancelled")
    assert kept is not None
