"""Calls cut short from outside: cancelled, timed out, dropped, interrupted by the transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from hostile.bodies import SSE, reply
from hostile.harness import (
    Place,
    Program,
    Run,
    each,
    outcome,
    step,
    unharmed,
    wait,
)
from hostile.sdks import SDKS, Sdk, ask, sdk_of

from llm_otel import semconv
from llm_otel.testing import Provider, Reply

SILENT = Reply(ending="silence")
SETTINGS: dict[str, Any] = {"capture_content": "span_and_event"}


def endless(sdk: Sdk) -> Reply:
    return sdk.wire.begun(ending="hang")


def good(sdk: Sdk) -> Reply:
    return reply(sdk.wire.answer)


async def chat(client: Any, **more: Any) -> Any:
    return await wait(ask(client, **more))


async def _cancelled(work: Any) -> BaseException | None:
    """Cancel a coroutine once it waits for the server; the exception that it ended in."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait([task], timeout=0.1)
    assert not done, "it should have waited"
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as raised:
        await task
    return raised.value


async def cancelled_request(client: Any) -> Any:
    return await _cancelled(chat(client))


async def cancelled_stream_request(client: Any) -> Any:
    return await _cancelled(chat(client, stream=True))


async def cancelled_reader(client: Any) -> Any:
    stream = await chat(client, stream=True)
    first = [await step(stream) for _ in (*sdk_of(client).wire.start, "chunk")]
    return first, await _cancelled(step(stream)), await outcome(lambda: step(stream))


async def cancelled_group(client: Any) -> Any:
    work = [asyncio.ensure_future(chat(client)) for _ in range(3)]
    await asyncio.sleep(0.1)
    for task in work:
        task.cancel()
    return await asyncio.gather(*work, return_exceptions=True)


async def timed_out_by_asyncio(client: Any) -> Any:
    return await asyncio.wait_for(chat(client), 0.1)


async def coroutine_closed(client: Any) -> Any:
    work = chat(client)
    work.send(None)
    work.close()
    await asyncio.sleep(0)


async def coroutine_never_awaited(client: Any) -> Any:
    ask(client).close()


async def timed_out_request(client: Any) -> Any:
    return await chat(client, timeout=0.05)


async def timed_out_stream(client: Any) -> Any:
    stream = await chat(client, stream=True, timeout=httpx2.Timeout(5, read=0.05))
    found: list[Any] = []
    try:
        async for chunk in each(stream):
            found.append(chunk)
    except Exception as error:
        return found, error


async def retried(client: Any) -> Any:
    return await chat(client.with_options(max_retries=2))


async def retried_in_vain(client: Any) -> Any:
    return await chat(client.with_options(max_retries=1))


_AGAIN = reply({"error": {"message": "later"}}, 503, retry_after_ms="1", x_should_retry="true")
_NOT_AGAIN = reply({"error": {"message": "never"}}, 500, x_should_retry="false")
CUT = Reply(ending="cut", body=b"x" * 10)

ASYNC, BOTH = (True,), (False, True)
# Program, replies, with which kinds of client, the class of error that its calls end in.
CASES: tuple[tuple[Run, list[Any], tuple[bool, ...], str | None], ...] = (
    (cancelled_request, [SILENT], ASYNC, semconv.CANCELLED),
    (cancelled_stream_request, [SILENT], ASYNC, semconv.CANCELLED),
    (cancelled_reader, [endless], ASYNC, semconv.CANCELLED),
    (cancelled_group, [SILENT] * 3, ASYNC, semconv.CANCELLED),
    (timed_out_by_asyncio, [SILENT], ASYNC, semconv.CANCELLED),
    (coroutine_closed, [SILENT], ASYNC, None),
    (coroutine_never_awaited, [], ASYNC, None),
    (timed_out_request, [SILENT], BOTH, semconv.TIMEOUT),
    (timed_out_stream, [endless], BOTH, semconv.TIMEOUT),
    (retried, [_AGAIN, CUT, good], BOTH, None),
    (retried_in_vain, [_AGAIN, _NOT_AGAIN], BOTH, semconv.SERVER),
)
PLACES = [Place(asynchronous, sdk=sdk) for sdk in SDKS for asynchronous in BOTH]
PARAMETERS = [
    pytest.param(run, replies, place, error, id=f"{run.__name__}-{place.name}")
    for run, replies, kinds, error in CASES
    for place in PLACES
    if place.asynchronous in kinds
]


@pytest.mark.parametrize(("run", "replies", "place", "error"), PARAMETERS)
def test_interrupted(
    server: Provider, run: Run, replies: list[Any], place: Place, error: str | None
) -> None:
    """The program meets the same exception, and each of its calls ends once, as what it was."""
    answers = [each if isinstance(each, Reply) else each(place.sdk) for each in replies]
    (watch,) = unharmed({"it": Program(run, answers)}, server, place, SETTINGS)
    told = [(span.attributes or {}).get(semconv.ERROR_CLASS) for span in watch.spans.ended]
    assert set(told) <= {error}, told
    assert error is None or told, "the call left no span"


# ------------------------------------------------------------------ odd exceptions from below
class _Odd(BaseException):
    """No `Exception`, and its text and attributes cannot be read."""

    @property
    def response(self) -> Any:
        raise ValueError("not to be read")

    def __str__(self) -> str:
        return "odd"


class _WithResponse(Exception):
    """As other HTTP libraries raise: its response is not httpx's."""

    def __init__(self) -> None:
        super().__init__("with response")
        self.response = {"status": 500}
        self.code = ["x"]
        self.status_code = "500"


ODD: tuple[BaseException, ...] = (
    KeyboardInterrupt(),
    SystemExit(3),
    GeneratorExit(),
    _Odd(),
    _WithResponse(),
    RecursionError("deep"),
    MemoryError(),
    StopIteration(1),
    httpx2.ReadError("gone"),
    httpx2.PoolTimeout("full"),
    ConnectionResetError("reset"),
)


class _Failing(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """A transport that raises at once, or in the middle of the body."""

    def __init__(self, error: BaseException, *, inside: bool) -> None:
        self._error = error
        self._inside = inside

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if not self._inside:
            raise self._error
        return httpx2.Response(200, headers=SSE, stream=_Breaking(self._error))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return self.handle_request(request)


class _Breaking(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield b"data: {}\n\n"
        raise self._error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"data: {}\n\n"
        raise self._error


async def _everything(client: Any) -> Any:
    stream = await chat(client, stream=True)
    return [chunk async for chunk in each(stream)]


@pytest.mark.parametrize("inside", [False, True], ids=["at once", "in the body"])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
def test_transport_that_raises(
    server: Provider, error: BaseException, place: Place, inside: bool
) -> None:
    """Whatever an HTTP client of the program's own raises, it arrives as it would without us."""
    make = httpx2.AsyncClient if place.asynchronous else httpx2.Client
    transport = _Failing(error, inside=inside)

    async def run(client: Any) -> Any:
        with_own = client.with_options(http_client=make(transport=transport))
        return await (_everything(with_own) if inside else chat(with_own))

    unharmed({"it": Program(run)}, server, place, SETTINGS, calls=1)
