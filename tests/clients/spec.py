"""What a file of this folder says of a client library: how to make a client, how programs ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llm_otel.testing import Provider
from tests.conformance.expected import Facts
from tests.conformance.replay import Exchange

SYNC, ASYNC = False, True


def as_it_is(value: Any) -> Any:
    """The value."""
    return value


@dataclass(frozen=True)
class Way:
    """One way in which programs ask.

    A way is written once for the sync and the async client: what it gives is awaited where it must
    be.

    Attributes:
        name: For the reader: `chat`, `chat stream`, `embeddings`, `raw chat`.
        ask: Sends the request of a client to the local provider, which answers as the real one
            does; gives the answer, or what there is to iterate over.
        streaming: What it gives is chunks.
        operation: `gen_ai.operation.name`.
        model: What is asked for; None where the span has none.
        kinds: With which clients: `SYNC`, `ASYNC`.
        stream: Leads from what `ask` gave to the iterable of chunks.
        lazy: Nothing is sent before the first chunk is asked for.
        counted: The provider tells the usage, and bills it.
        shown: What can be compared in an answer or a chunk; by default all that
            `hostile.shapes.shape` sees.
        requests: How many requests, and so calls, it makes.
        endless: Names of broken answers that the library itself never stops to read.
    """

    name: str
    ask: Callable[[Any], Any]
    streaming: bool = False
    operation: str = "chat"
    model: str | None = None
    kinds: tuple[bool, ...] = (SYNC, ASYNC)
    stream: Callable[[Any], Any] = as_it_is
    lazy: bool = False
    counted: bool = True
    shown: Callable[[Any], Any] = as_it_is
    requests: int = 1
    endless: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Recorded:
    """Recorded exchanges, and how a program makes them again.

    Attributes:
        name: Of the file: `cohere` for `cohere.jsonl`.
        ask: Sends the recorded request of an exchange (the file's README tells its keys) by the
            client's public method, sync or async; gives what that gives, to be awaited and iterated
            over where it must be.
        facts: What its span must show, read from the recorded body by the tests' own parser.
        stream: Leads from what `ask` gave to the iterable of chunks; None for a whole answer.
        fails: Whether the library may raise where the status is no error's.
    """

    name: str
    ask: Callable[[Any, Exchange], Any]
    facts: Callable[[Exchange], Facts]
    stream: Callable[[Any, Exchange], Any | None]
    fails: Callable[[Exchange], bool] = lambda _: False


@dataclass(frozen=True)
class Client:
    """A client library.

    Attributes:
        provider: `gen_ai.provider.name` of who it believes to call.
        make: Gives a context manager (sync, or async for an async client) that gives a client
            without retries and closes it. All that it sends reaches the local provider, though it
            believes to call the real host. A client that is a context manager will do.
        ways: How programs ask.
        volatile: Names of request headers, in lower case, that differ from run to run.
        recorded: Recorded exchanges that it can make again.
    """

    provider: str
    make: Callable[[Provider, bool], Any]
    ways: tuple[Way, ...]
    volatile: frozenset[str] = frozenset()
    recorded: tuple[Recorded, ...] = ()
