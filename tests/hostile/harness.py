"""Run one program without and with `instrument()` and compare what it can tell apart.

A program is a coroutine function of a client. It is written once: `wait`, `each` and `entered` work
on the objects of either client, and with the sync one a program never really waits.
"""

from __future__ import annotations

import asyncio
import difflib
import inspect
import pprint
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
from hostile import asked
from hostile.sdks import OPENAI, Sdk
from hostile.shapes import shape
from hostile.telemetry import Watch, watched

from llm_otel.testing import Provider, Reply

Run = Callable[[Any], Awaitable[Any]]

# Neither says anything about what the program did.
_VOLATILE = frozenset({"host", "x-stainless-read-timeout"})

# Of a line in a failing test's diff.
_WIDEST = 400


# ------------------------------------------------------------------ one text for both clients
async def wait(value: Any) -> Any:
    """The result of a call of either client."""
    return await value if inspect.isawaitable(value) else value


async def each(stream: Any) -> AsyncIterator[Any]:
    """The items of an iterable of either kind. Leaving this loop leaves the inner one alone."""
    if hasattr(stream, "__aiter__"):
        async for item in stream:
            yield item
    else:
        for item in stream:
            yield item


async def step(stream: Any) -> Any:
    """`next()` of either kind."""
    return await anext(stream) if hasattr(stream, "__anext__") else next(stream)


@asynccontextmanager
async def entered(manager: Any) -> AsyncIterator[Any]:
    """`with` or `async with`."""
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


async def outcome(run: Callable[[], Any]) -> tuple[str, Any]:
    """What a call gave or raised, as a value, so that a program can go on."""
    try:
        return "returned", await wait(run())
    except Exception as error:
        return "raised", error


# ------------------------------------------------------------------ programs
@dataclass(frozen=True)
class Program:
    """A program and its world.

    Attributes:
        run: Gets a client; what it returns or raises is compared.
        replies: What the server answers, in this order; after them as its provider would. They are
            given the usage of a stream where that was asked for.
        faults: Names of faults of the server's, for the first requests.
        client: Further arguments for the client.
    """

    run: Run
    replies: Sequence[Reply] = ()
    faults: Sequence[str] = ()
    client: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where a program runs.

    Attributes:
        asynchronous: With which kind of client.
        base_url: Whom the client believes to call; None for the local server by its own name.
        make: The class of the client, if not the library's own.
        sdk: The client library.
        open: Makes a context manager that gives the client; then all of these do not matter.
        volatile: Names of request headers, in lower case, that differ from run to run.
    """

    asynchronous: bool
    base_url: str | None = None
    make: Callable[..., Any] | None = None
    sdk: Sdk = OPENAI
    open: Callable[[Provider], Any] | None = None
    volatile: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return f"{self.sdk.name}-{'async' if self.asynchronous else 'sync'}"


SYNC, ASYNC = Place(False), Place(True)

# A host that is proven to give a stream's usage to who asks.
PROVEN = OPENAI.proven


@dataclass(frozen=True)
class Record:
    """What one run showed: what the program got or raised, what went over the wire, warnings."""

    outcome: Any
    wire: list[Any]
    warnings: list[Any]


def run(program: Program, server: Provider, place: Place) -> Record:
    """Run a program once."""
    server.reset()
    server.enqueue(*program.faults)
    replies = iter(program.replies)
    server.on("*", lambda request: asked.told(request, next(replies, None)))
    main = _main(program, server, place)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            value = asyncio.run(main) if place.asynchronous else drive(main)
            seen = ("returned", shape(value))
        except BaseException as error:
            seen = ("raised", shape(error))
    # When a socket that the program dropped is found, is chance.
    told = [(w.category, str(w.message)) for w in warned if w.category is not ResourceWarning]
    return Record(seen, wire(server, place.volatile), told)


def drive(coroutine: Any) -> Any:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("a program with a sync client has nothing to wait for")


async def _main(program: Program, server: Provider, place: Place) -> Any:
    if place.open is not None:
        opened = place.open(server)
    else:
        opened = client_for(server, place, **program.client)
    async with entered(opened) as client:
        return await program.run(client)


def client_for(server: Provider, place: Place, **arguments: Any) -> Any:
    """A client whose requests all reach the local server, whoever it believes to call."""
    settings = {
        "base_url": place.base_url or server.origin + place.sdk.root,
        "api_key": "sk-test",
        "max_retries": 0,
        **arguments,
    }
    if "http_client" not in settings:
        settings["http_client"] = http_client(server, place.asynchronous)
    make = place.make or place.sdk.clients[place.asynchronous]
    return make(**settings)


def http_client(server: Provider, asynchronous: bool, **arguments: Any) -> Any:
    """An HTTP client of the kind that the SDKs bring, on the transport below."""
    arguments = {"follow_redirects": True, "trust_env": False, **arguments}
    if asynchronous:
        return httpx2.AsyncClient(transport=_AsyncToServer(server), **arguments)
    return httpx2.Client(transport=_ToServer(server), **arguments)


class _ToServer(httpx2.HTTPTransport):
    def __init__(self, server: Provider) -> None:
        super().__init__(verify=False)
        self._origin = httpx2.URL(server.origin)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return super().handle_request(_redirected(request, self._origin))


class _AsyncToServer(httpx2.AsyncHTTPTransport):
    def __init__(self, server: Provider) -> None:
        super().__init__(verify=False)
        self._origin = httpx2.URL(server.origin)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await super().handle_async_request(_redirected(request, self._origin))


def _redirected(request: httpx2.Request, origin: httpx2.URL) -> httpx2.Request:
    url = request.url.copy_with(scheme=origin.scheme, host=origin.host, port=origin.port)
    return httpx2.Request(
        request.method,
        url,
        headers=request.headers,
        stream=request.stream,
        extensions=request.extensions,
    )


# ------------------------------------------------------------------ comparing
def wire(server: Provider, volatile: frozenset[str] = frozenset()) -> list[Any]:
    """The requests that reached the server: method, target, headers, body."""
    left_out = _VOLATILE | volatile
    return [
        (
            request.method,
            request.target,
            {k: v for k, v in request.headers.items() if k not in left_out},
            request.body,
        )
        for request in server.requests
    ]


def difference(bare: Record, ours: Record) -> str:
    """What differs between a run without and one with us, as a diff; empty if nothing does."""
    if bare == ours:
        return ""
    lines = difflib.unified_diff(
        pprint.pformat(bare, width=120).splitlines(),
        pprint.pformat(ours, width=120).splitlines(),
        "without instrument()",
        "with instrument()",
        lineterm="",
        n=1,
    )
    return "\n".join(line[:_WIDEST] for line in lines)


def asked_for(record: Record) -> Record:
    """The record of a run without us as it should be with us where we ask for usage."""
    return replace(record, wire=[asked.asking(entry) for entry in record.wire])


def unharmed(
    programs: Mapping[str, Program],
    server: Provider,
    place: Place,
    *modes: Mapping[str, Any],
    calls: int | None = None,
    asks: bool = False,
) -> list[Watch]:
    """Run programs without and with us; fail on any difference, or on telemetry left undone.

    Args:
        programs: By name.
        server: The server.
        place: Where they run.
        modes: Settings of `instrument()`, one mapping for each time to compare.
        calls: How many calls all programs together make; None where that does not matter.
        asks: We are expected to ask for the usage of their streams.

    Returns:
        What we emitted in each mode.
    """
    bare = {name: run(program, server, place) for name, program in programs.items()}
    if asks:
        bare = {
            n: replace(r, wire=[asked.asking(each) for each in r.wire]) for n, r in bare.items()
        }
    watches = []
    for settings in modes:
        wrong = []
        with watched(**settings) as watch:
            for name, program in programs.items():
                told = difference(bare[name], run(program, server, place)) or watch.wrong()
                if told:
                    wrong.append(f"{name}: {told}")
            watch.settle()
        assert not wrong, "\n".join([f"{len(wrong)} of {len(bare)} with {settings}", *wrong])
        watch.check(calls)
        watches.append(watch)
    return watches
