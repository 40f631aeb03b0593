"""HTTP clients of httpx and httpx2 that answer from memory, and never all at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, NamedTuple


class Body(NamedTuple):
    """What is answered.

    Attributes:
        headers: Of the response, the content type among them.
        pieces: The body, as the network brings it.
    """

    headers: dict[str, str]
    pieces: Sequence[bytes]


# Gives the body by the request's path and its content.
Answer = Callable[[str, bytes], Body]


def client(library: Any, answer: Answer, **arguments: Any) -> Any:
    """A synchronous client of `httpx` or `httpx2`."""
    return library.Client(transport=_transport(library, answer), **arguments)


def async_client(library: Any, answer: Answer, **arguments: Any) -> Any:
    """An asynchronous one."""
    return library.AsyncClient(transport=_transport(library, answer), **arguments)


def _transport(library: Any, answer: Answer) -> Any:
    class Pieces(library.SyncByteStream, library.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, pieces: Sequence[bytes]) -> None:
            self._pieces = pieces

        def __iter__(self) -> Iterator[bytes]:
            yield from self._pieces

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in self._pieces:
                yield piece

        def close(self) -> None:
            pass

        async def aclose(self) -> None:
            pass

    class Memory(library.BaseTransport, library.AsyncBaseTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            body = answer(request.url.path, request.read())
            return library.Response(200, headers=body.headers, stream=Pieces(body.pieces))

        async def handle_async_request(self, request: Any) -> Any:
            body = answer(request.url.path, await request.aread())
            return library.Response(200, headers=body.headers, stream=Pieces(body.pieces))

    return Memory()
