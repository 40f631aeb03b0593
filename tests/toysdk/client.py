"""The toy's clients. Each function sends one request, in its own way."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2


class ToyError(Exception):
    """What the toy makes of an error."""

    def __init__(self, response: Any) -> None:
        super().__init__(f"HTTP {response.status_code}")
        self.status_code = response.status_code
        self.response = response


def checked(response: Any) -> Any:
    """The response; an error's is read and raised."""
    if response.status_code >= 400:
        response.read()
        raise ToyError(response)
    return response


class Chunks:
    """An iterator of a class of its own."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.lines = response.iter_lines()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return json.loads(next(self.lines))

    def __enter__(self) -> Chunks:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        self.response.close()


class Reader:
    """Something to iterate over, which is no iterator."""

    def __init__(self, response: Any) -> None:
        self.response = response

    def __iter__(self) -> Iterator[Any]:
        for line in self.response.iter_lines():
            yield json.loads(line)

    def close(self) -> None:
        self.response.close()


class Client:
    """The synchronous client."""

    def __init__(self, base_url: str, http_client: Any = None, **_: Any) -> None:
        self.base_url = base_url
        self.http = http_client or httpx2.Client(trust_env=False)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        self.http.close()

    def request(self, path: str, body: Any) -> Any:
        return self.http.build_request("POST", self.base_url + path, json=body)

    def ask(self, path: str, body: Any) -> Any:
        """sync"""
        return checked(self.http.send(self.request(path, body))).json()

    def chunks(self, path: str, body: Any, stream: bool = True) -> Any:
        """sync, with an iterator of its own class"""
        return Chunks(checked(self.http.send(self.request(path, body), stream=True)))

    def reader(self, path: str, body: Any) -> Any:
        """sync, with something in a dict that can be iterated over"""
        response = checked(self.http.send(self.request(path, body), stream=True))
        return {"headers": {"x": "1"}, "stream": Reader(response)}

    def mapped(self, path: str, body: Any) -> Any:
        """sync, with an iterator of Python's own"""
        response = checked(self.http.send(self.request(path, body), stream=True))
        return map(json.loads, response.iter_lines())

    def texts(self, path: str, body: Any) -> Any:
        """sync, with a generator of the lines as they came"""
        return checked(self.http.send(self.request(path, body), stream=True)).iter_lines()

    def lines(self, path: str, body: Any) -> Iterator[Any]:
        """generator"""
        with self.http.stream("POST", self.base_url + path, json=body) as response:
            for line in checked(response).iter_lines():
                told = yield json.loads(line)
                if told is not None:
                    yield {"told": told}
        return "the end"

    def either(self, path: str, body: Any, stream: bool = False) -> Any:
        """sync or generator, as ollama has it"""
        return self.lines(path, body) if stream else self.ask(path, body)

    @contextmanager
    def opened(self, path: str, body: Any) -> Iterator[Any]:
        """context"""
        with self.http.stream("POST", self.base_url + path, json=body) as response:
            yield response

    def post(self, path: str, body: Any, stream: bool = False, again: int = 0) -> Any:
        """response, of any status; tries again by calling itself"""
        response = self.http.send(self.request(path, body), stream=stream)
        if response.status_code == 503 and again < 2:
            return self.post(path, body, stream, again + 1)
        return response


class AsyncChunks:
    """The same for the asynchronous client."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.lines = response.aiter_lines()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return json.loads(await self.lines.__anext__())

    async def __aenter__(self) -> AsyncChunks:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    async def close(self) -> None:
        await self.response.aclose()


class AsyncReader:
    """Something to iterate over, which is no iterator."""

    def __init__(self, response: Any) -> None:
        self.response = response

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for line in self.response.aiter_lines():
            yield json.loads(line)

    async def close(self) -> None:
        await self.response.aclose()


class AsyncClient:
    """The asynchronous client."""

    def __init__(self, base_url: str, http_client: Any = None, **_: Any) -> None:
        self.base_url = base_url
        self.http = http_client or httpx2.AsyncClient(trust_env=False)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    async def close(self) -> None:
        await self.http.aclose()

    def request(self, path: str, body: Any) -> Any:
        return self.http.build_request("POST", self.base_url + path, json=body)

    async def _streamed(self, path: str, body: Any) -> Any:
        response = await self.http.send(self.request(path, body), stream=True)
        if response.status_code >= 400:
            await response.aread()
        return checked(response)

    async def ask(self, path: str, body: Any) -> Any:
        return checked(await self.http.send(self.request(path, body))).json()

    async def chunks(self, path: str, body: Any, stream: bool = True) -> Any:
        return AsyncChunks(await self._streamed(path, body))

    async def reader(self, path: str, body: Any) -> Any:
        return {"headers": {"x": "1"}, "stream": AsyncReader(await self._streamed(path, body))}

    async def texts(self, path: str, body: Any) -> Any:
        return (await self._streamed(path, body)).aiter_lines()

    async def lines(self, path: str, body: Any) -> AsyncIterator[Any]:
        """async_generator"""
        async with self.http.stream("POST", self.base_url + path, json=body) as response:
            if response.status_code >= 400:
                await response.aread()
            async for line in checked(response).aiter_lines():
                told = yield json.loads(line)
                if told is not None:
                    yield {"told": told}

    async def either(self, path: str, body: Any, stream: bool = False) -> Any:
        """async, or async_generator behind a coroutine"""
        return self.lines(path, body) if stream else await self.ask(path, body)

    @asynccontextmanager
    async def opened(self, path: str, body: Any) -> AsyncIterator[Any]:
        """async_context"""
        async with self.http.stream("POST", self.base_url + path, json=body) as response:
            yield response

    async def post(self, path: str, body: Any, stream: bool = False, again: int = 0) -> Any:
        """async_response, of any status; tries again by calling itself"""
        response = await self.http.send(self.request(path, body), stream=stream)
        if response.status_code == 503 and again < 2:
            return await self.post(path, body, stream, again + 1)
        return response
