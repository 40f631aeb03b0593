"""Clients that a program made for itself, mocked, or put its own functions into, work as before."""

from __future__ import annotations

import functools
import threading
import unittest.mock
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import openai
import pytest
from hostile.harness import QUESTION, SYNC, Place, Program, http_client, outcome, unharmed, wait
from hostile.telemetry import watched
from openai.resources.chat.completions import Completions

from llm_otel.testing import Provider


class Overriding(openai.OpenAI):
    """Counts, changes what it likes, and goes on."""

    def request(self, cast_to: Any, options: Any, **more: Any) -> Any:
        options.headers = {**(options.headers or {}), "x-mine": "1"}
        return super().request(cast_to, options, **more)


class AsyncOverriding(openai.AsyncOpenAI):
    async def request(self, cast_to: Any, options: Any, **more: Any) -> Any:
        options.headers = {**(options.headers or {}), "x-mine": "1"}
        return await super().request(cast_to, options, **more)


class Caching(openai.OpenAI):
    """Never asks anybody."""

    def request(self, cast_to: Any, options: Any, **more: Any) -> Any:
        return {"answered": "from the cache"}


class Preparing(openai.OpenAI):
    """Changes the options that go over the wire, and looks at the response."""

    def _prepare_options(self, options: Any) -> Any:
        options.json_data = {**options.json_data, "model": "another"}
        return options

    def _process_response(self, **keywords: Any) -> Any:
        found = super()._process_response(**keywords)
        found.mine = True
        return found


class Broken(openai.OpenAI):
    """Its own code raises."""

    def _prepare_options(self, options: Any) -> Any:
        raise LookupError("mine")


async def chat(client: Any) -> Any:
    return await wait(client.chat.completions.create(model="gpt-4o", messages=QUESTION))


class _Hidden:
    """An object that lets nobody look at it."""

    def __getattribute__(self, name: str) -> Any:
        raise PermissionError(name)


class StrangeChunks(openai.OpenAI):
    """Makes of a stream's chunks what it likes."""

    def _process_response_data(self, *, data: Any, **_: Any) -> Any:
        strange = [None, 5, data, _Hidden(), SimpleNamespace(choices=iter(())), Choices([data])]
        return strange[len(data["choices"][0]["delta"].get("content") or "") % len(strange)]


class Choices(list[Any]):
    """A list of its own kind, in place of a chunk."""

    @property
    def choices(self) -> Any:
        raise LookupError("mine")


async def strange_chunks(client: Any) -> Any:
    stream = client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True)
    return [type(chunk).__name__ for chunk in stream]


def test_chunks_of_its_own(server: Provider) -> None:
    """What no provider ever sent comes out of a stream as it went in."""
    place = Place(False, make=StrangeChunks)
    unharmed({"stream": Program(strange_chunks)}, server, place, {}, calls=1)


@pytest.mark.parametrize(
    ("make", "calls"),
    [(Overriding, 1), (AsyncOverriding, 1), (Caching, 0), (Preparing, 1), (Broken, 1)],
)
def test_subclasses(server: Provider, make: type[Any], calls: int) -> None:
    """A client class of the program's own works as it did."""
    place = Place(issubclass(make, openai.AsyncOpenAI), make=make)
    unharmed({"chat": Program(chat)}, server, place, {}, calls=calls)


def _retrying(inner: Any) -> Any:
    @functools.wraps(inner)
    def create(*args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    return create


class _Endless:
    """As `unittest.mock.call`: every attribute is another one of its kind."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._inner(*args, **kwargs)

    def __get__(self, owner: Any, _: Any = None) -> Any:
        return functools.partial(self._inner, owner)

    def __getattr__(self, name: str) -> Any:
        return _Endless(self._inner)


@pytest.mark.parametrize("patch", [_retrying, _Endless], ids=["retries", "endless"])
def test_patched_create(
    server: Provider, patch: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a program puts in place of the SDK's functions is nobody's rival and works as ever."""
    monkeypatch.setattr(Completions, "create", patch(Completions.create))
    unharmed({"chat": Program(chat)}, server, SYNC, {}, calls=1)


async def mocked(client: Any) -> Any:
    client.request = unittest.mock.MagicMock(return_value="mocked")
    return client.chat.completions.create(model="gpt-4o", messages=QUESTION)


async def nested(client: Any) -> Any:
    """An HTTP hook that calls a model itself, and one that lists the models."""
    inner = client.with_options()
    depth = []

    def ask(_: Any) -> None:
        if not depth:
            depth.append("asked")
            depth.append(inner.embeddings.create(model="e", input="x"))
            depth.append(inner.models.retrieve("gpt-4o"))

    client._client.event_hooks = {"request": [ask], "response": []}
    return client.chat.completions.create(model="gpt-4o", messages=QUESTION), depth


async def hook_raises(client: Any) -> Any:
    def refuse(_: Any) -> None:
        raise PermissionError("hook")

    client._client.event_hooks = {"request": [], "response": [refuse]}
    return await outcome(lambda: client.chat.completions.create(model="m", messages=QUESTION))


async def many_at_once(client: Any) -> Any:
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(client.models.list(timeout=5).object))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize(
    ("program", "calls"), [(mocked, 0), (nested, 2), (hook_raises, 1), (many_at_once, 0)]
)
def test_odd_clients(server: Provider, program: Any, calls: int) -> None:
    """Mocks, and hooks of the HTTP client that call models, or raise."""
    unharmed({"it": Program(program)}, server, SYNC, {}, calls=calls)


def test_module_level_client(server: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """`openai.chat.completions.create` of the module is seen as any other call."""
    for name, value in (("api_key", "x"), ("base_url", f"{server.url}/"), ("max_retries", 0)):
        monkeypatch.setattr(openai, name, value)
    monkeypatch.setattr(openai, "_client", None)
    with http_client(server, asynchronous=False) as own:
        monkeypatch.setattr(openai, "http_client", own)
        server.reset()
        with watched() as watch:
            answer = openai.chat.completions.create(model="gpt-4o", messages=QUESTION)
    assert type(answer) is openai.types.chat.ChatCompletion
    watch.check(calls=1)
