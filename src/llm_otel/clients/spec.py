"""What a client's file says: which package it is, and what its requests are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from llm_otel.protocols.paths import Paths
from llm_otel.protocols.spec import Endpoint, Request, Socket

Shape: TypeAlias = Literal[
    "sync",
    "async",
    "generator",
    "async_generator",
    "context",
    "async_context",
    "response",
    "async_response",
]

# Shapes of functions that send the request when they are called, so that its arguments can change.
_SENDS_AT_ONCE = ("sync", "async", "response", "async_response")

# Positional and named arguments of a function.
Arguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
Ask: TypeAlias = Callable[
    [tuple[Any, ...], dict[str, Any], Mapping[str, object]],
    Arguments,
]


class ResponseHeaders(dict[str, str]):
    """Headers by their names in lower case, for SDKs that have them in no object of httpx."""

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        """Names and values as bytes, as httpx has them."""
        return [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in self.items()
        ]


class Response(NamedTuple):
    """An HTTP response that an SDK keeps to itself, as far as it tells.

    Attributes:
        headers: Its headers.
        status_code: Its status.
        retries: How often the request was sent again.
    """

    headers: ResponseHeaders
    status_code: int | None = None
    retries: int = 0


def as_it_is(value: Any) -> Any:
    """What a hook does with an answer or a chunk that is a node already."""
    return value


@dataclass(frozen=True, eq=False)
class Hook:
    """A function of an SDK through which its requests go.

    Hook the one function that all requests of a kind pass, as near to HTTP as the request is still
    an object. The shape says when the function sends the request, and what it gives:

    - `sync`, `async`: calling it (or awaiting it) sends the request and gives the answer; for a
      `Request` that is `streaming`, an iterator of chunks, or what holds one (`stream_at`).
    - `generator`, `async_generator`: it gives an iterator of chunks that sends the request at its
      first step. The function may be a generator function, or a plain or coroutine function that
      makes such an iterator; the call begins at the first step.
    - `context`, `async_context`: it gives a context manager; entering sends the request and gives
      an HTTP response that is not read yet.
    - `response`, `async_response`: as `sync` and `async`, but what it gives is an HTTP response as
      httpx has it, read or unread, of any status. The body is read as the caller reads it, by its
      content type: JSON, server-sent events, lines of JSON, an event stream of AWS.

    A function that sends several kinds of request, or that gives an answer in one case and a lazy
    iterator in another, gets several hooks: each one's `request` gives None for what the others
    see. So do versions of an SDK whose signatures differ: a hook is used if the function has its
    `parameters`. Where no hook of a function fits, it is left alone, with one warning.

    Example:
        ```python
        def _request(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
            given = named(("path", "body", "stream"), args, kwargs)
            return Request(
                "post",
                given["path"],
                given["body"],
                streaming=given.get("stream") is True,
                base_url=client.base_url,
            )

        Hook("_http", "Client.send", "response", _request, parameters=("path", "body", "stream"))
        ```

    Attributes:
        module: Where the class is, below the client's package; "" for the package itself.
        function: `Class.method`.
        shape: See above.
        request: Gives the request in a client (the method's `self`), the positional and the named
            arguments; None for one that is not to be seen. It changes nothing, reads no iterator,
            and gives the URL as an absolute one, or relative to a `base_url` (a text, or the
            client's own URL object, which is the quicker). An SDK that knows operations in place
            of URLs gets a URL of its own making. `body` is a dict, and what it holds is JSON.
        answer: Gives the node that the protocol reads (a dict, or an object with such fields) in
            what the function gave. Not asked where that is an HTTP response.
        chunk: The same for a chunk; None for one that tells nothing.
        goes_on: Whether a chunk that is not the first only goes on with what came before: the quick
            way for nearly all chunks that `chunk` would have to parse. Asked where nobody but the
            fold looks at them.
        parameters: Names that the function's signature must have.
        stream_at: The way to the iterator in what the function gave: keys of dicts, attributes of
            objects; the last is replaced. `("_iterator",)` keeps the SDK's own stream object.
        body_key: Key of what the caller reads as a file, in the dict that the function gave. The
            call ends when it was read, and `answer` gets a copy of the dict with the bytes that
            were read in this place. Of a `streaming` request it may be the iterator.
        concerns: Whether a client's requests may be any of ours. Asked first, and all that the
            clients of other services of an SDK get to see of us. For `sync` and `async`.
        response: Tells of the HTTP response by what the function gave, or by the exception that it
            raised: request id, limits, resends. For `sync` and `async`.
        resends: Of a function that calls itself to try again: how often it has done so, by the
            named arguments of such a call.
        ask: Gives the arguments, positional and named, with what is added to the request's body so
            that its stream reports the usage. It changes no object of the caller's. None: nobody
            asks. What comes of it is kept from the caller: in chunks that are objects, dicts or
            lines of text, and in the bytes of an HTTP response. Only for shapes whose function
            sends the request when it is called.
        messages: Of a session that entering a manager gives in place of a response, the coroutine
            function that gives one message of the server. The messages are the chunks of one call,
            which ends when the manager is left. For `async_context`.
    """

    module: str
    function: str
    shape: Shape
    request: Callable[[Any, tuple[Any, ...], dict[str, Any]], Request | None]
    answer: Callable[[Any], object] = as_it_is
    chunk: Callable[[Any], object] = as_it_is
    goes_on: Callable[[Any], bool] | None = None
    parameters: tuple[str, ...] = ()
    stream_at: tuple[str, ...] = ()
    body_key: str | None = None
    concerns: Callable[[Any], bool] | None = None
    response: Callable[[Any], Response | None] | None = None
    resends: Callable[[dict[str, Any]], int] | None = None
    ask: Ask | None = None
    messages: str = ""

    def __post_init__(self) -> None:
        if self.shape not in get_args(Shape):
            raise ValueError(
                f"The hook of {self.function} has the shape {self.shape!r}; it can be one of "
                f"{', '.join(get_args(Shape))}."
            )
        if "." not in self.function:
            raise ValueError(
                f"The hook of {self.function!r} names no class; write it as Class.method."
            )
        if self.ask is not None and self.shape not in _SENDS_AT_ONCE:
            raise ValueError(
                f"The hook of {self.function} cannot ask for usage: its shape is {self.shape!r}, "
                f"and it would have to be one of {', '.join(_SENDS_AT_ONCE)}."
            )


@dataclass(frozen=True, eq=False)
class Override:
    """A function of an SDK that is replaced, though no request goes through it.

    Attributes:
        module: Where the class is, below the client's package; "" for the package itself.
        function: `Class.method`.
        make: Gives the function in the place of the SDK's own, which it gets.
        parameters: Names that the function's signature must have; else it is left alone, with one
            warning.
    """

    module: str
    function: str
    make: Callable[[Any], Callable[..., Any]]
    parameters: tuple[str, ...] = ()


def named(
    parameters: tuple[str, ...], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of a function by name.

    Args:
        parameters: Names of its positional parameters, in their order, without `self`.
        args, kwargs: What it was called with.
    """
    return {**dict(zip(parameters, args)), **kwargs}


def adding_to(position: int, name: str) -> Ask:
    """A hook's `ask` for a function that gets the request's body as a dict.

    Args:
        position, name: Of the body among the function's arguments, without `self`.
    """

    def ask(
        args: tuple[Any, ...], kwargs: dict[str, Any], additions: Mapping[str, object]
    ) -> Arguments:
        if name in kwargs:
            return args, {**kwargs, name: {**kwargs[name], **additions}}
        body = {**args[position], **additions}
        return (*args[:position], body, *args[position + 1 :]), kwargs

    return ask


@dataclass(frozen=True, eq=False)
class ClientSpec:
    """One client library, and how it is hooked: the base classes of a generated SDK, or functions.

    Attributes:
        package: Import name and distribution of the client.
        supported: Version bounds that the test matrix proves, as a PEP 440 specifier.
        provider: Who answers when the host tells nothing better.
        endpoints: `method /path` to endpoint, see `Paths`: found by how a request's path ends, so
            that what a client or a gateway puts in front of it does not matter. Clients that speak
            the same protocol share one table.
        base_module: Of an SDK of the Stainless generator, the module of the base classes.
        classes: Names of its sync and its async base class.
        hooks: Functions through which its requests go; a client with these is none of that
            generator's.
        overrides: Functions of such a client that would harm what we emit.
        sockets: Protocols that it speaks over a WebSocket.
        passes_on: Whether a client would itself send the ids of the current span to the provider,
            without making a span: then it gets to see the program's span, not ours.
    """

    package: str
    supported: str
    provider: str
    endpoints: Mapping[str, Endpoint]
    base_module: str = "_base_client"
    classes: tuple[str, str] = ("SyncAPIClient", "AsyncAPIClient")
    hooks: tuple[Hook, ...] = ()
    overrides: tuple[Override, ...] = ()
    sockets: tuple[Socket, ...] = ()
    passes_on: Callable[[Any], bool] | None = None

    @cached_property
    def match(self) -> Callable[[str, str], Endpoint | None]:
        """Gives the endpoint of a method and a URL, see `Paths.match`."""
        table = self.endpoints
        return (table if isinstance(table, Paths) else Paths(table)).match
