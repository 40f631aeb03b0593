"""Every way to leave an asynchronous stream ends its call exactly once."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import openai
import pytest

from tests.conformance.calls import BY_NAME
from tests.conformance.streams import HELPERS, KINDS, check, start

pytestmark = pytest.mark.usefixtures("no_collector")


async def drained(stream: Any) -> None:
    async for _ in stream:
        pass


async def broken_off_and_closed(stream: Any) -> None:
    async for _ in stream:
        break
    await stream.close()


async def broken_off(stream: Any) -> None:
    async for _ in stream:
        break


async def left_by_an_error(stream: Any) -> None:
    with suppress(KeyError):
        async with stream:
            async for _ in stream:
                raise KeyError


async def closed_unread(stream: Any) -> None:
    await stream.close()


async def dropped_unread(stream: Any) -> None:
    pass


LEFT = {
    drained: "stop",
    broken_off_and_closed: "cancelled",
    broken_off: "cancelled",
    left_by_an_error: "cancelled",
    closed_unread: "cancelled",
    dropped_unread: "cancelled",
}


def in_loop(p: Any, program: Callable[[Any], Any]) -> None:
    """Run a program with an asynchronous client."""

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=p.url, api_key="test", max_retries=0) as client:
            await program(client)
            gc.collect()

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("leave", LEFT, ids=lambda leave: leave.__name__)
def test_leaving_async(instrumented, p, kind, leave):
    """However the caller leaves an asynchronous stream, the call ends once, without an error."""
    telemetry = instrumented()

    async def program(client: Any) -> None:
        await leave(await start(client, kind))

    in_loop(p, program)
    check(telemetry, LEFT[leave])


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
    """A helper that is never entered warns as the SDK alone would, and shows nothing."""

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


@pytest.mark.parametrize("raw", [False, True], ids=["parsed", "raw"])
@pytest.mark.parametrize("fault", ["hang", "stall"])
def test_task_cancelled(instrumented, p, fault, raw):
    """A task that is cancelled while it waits for the provider counts as cancelled."""
    telemetry = instrumented()
    p.enqueue(fault)

    async def program(client: Any) -> None:
        waiting = asyncio.Event()

        async def read() -> None:
            waiting.set()
            async for _ in await start_raw(client) if raw else await start(client, "chat"):
                waiting.set()

        async def start_raw(client: Any) -> Any:
            create = client.chat.completions.with_raw_response.create
            return (await create(**BY_NAME["chat"].arguments, stream=True)).parse()

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
    assert span.attributes["gen_ai.response.finish_reasons"] == ("cancelled",)
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
