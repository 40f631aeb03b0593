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
from hostile.harness import Place, Program, http_client, outcome, unharmed, wait
from hostile.sdks import QUESTION, SDKS, Sdk, ask
from hostile.telemetry import watched

from llm_otel.testing import Provider

sdks = pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)


def overriding(base: type[Any]) -> type[Any]:
    """Counts, changes what it likes, and goes on."""

    class Overriding(base):
        def request(self, cast_to: Any, options: Any, **more: Any) -> Any:
            options.headers = {**(options.headers or {}), "x-mine": "1"}
            return super().request(cast_to, options, **more)

    return Overriding


def caching(base: type[Any]) -> type[Any]:
    """Never asks anybody."""

    class Caching(base):
        def request(self, cast_to: Any, options: Any, **more: Any) -> Any:
            return {"answered": "from the cache"}

    return Caching


def preparing(base: type[Any]) -> type[Any]:
    """Changes the options that go over the wire, and looks at the response."""

    class Preparing(base):
        def _prepare_options(self, options: Any) -> Any:
            options.json_data = {**options.json_data, "model": "another"}
            return options

        def _process_response(self, **keywords: Any) -> Any:
            found = super()._process_response(**keywords)
            found.mine = True
            return found

    return Preparing


def broken(base: type[Any]) -> type[Any]:
    """Its own code raises."""

    class Broken(base):
        def _prepare_options(self, options: Any) -> Any:
            raise LookupError("mine")

    return Broken


async def chat(client: Any) -> Any:
    return await wait(ask(client))


class _Hidden:
    """An object that lets nobody look at it."""

    def __getattribute__(self, name: str) -> Any:
        raise PermissionError(name)


def _text(data: Any) -> str:
    choices = data.get("choices") or [data]
    delta = choices[0].get("delta") or {}
    return delta.get("content") or delta.get("text") or ""


def strange(base: type[Any]) -> type[Any]:
    """Makes of a stream's chunks what it likes."""

    class StrangeChunks(base):
        def _process_response_data(self, *, data: Any, **_: Any) -> Any:
            hidden = SimpleNamespace(choices=iter(()), type=iter(()))
            kinds = [None, 5, data, _Hidden(), hidden, Choices([data])]
            return kinds[len(_text(data)) % len(kinds)]

    return StrangeChunks


class Choices(list[Any]):
    """A list of its own kind, in place of a chunk."""

    @property
    def choices(self) -> Any:
        raise LookupError("mine")


async def strange_chunks(client: Any) -> Any:
    return [type(chunk).__name__ for chunk in ask(client, stream=True)]


@sdks
def test_chunks_of_its_own(server: Provider, sdk: Sdk) -> None:
    """What no provider ever sent comes out of a stream as it went in."""
    place = Place(False, make=strange(sdk.clients[0]), sdk=sdk)
    unharmed({"stream": Program(strange_chunks)}, server, place, {}, calls=1)


@sdks
@pytest.mark.parametrize(
    ("make", "asynchronous", "calls"),
    [(overriding, False, 1), (overriding, True, 1), (caching, False, 0), (preparing, False, 1),
     (broken, False, 1)],
)  # fmt: skip
def test_subclasses(
    server: Provider, sdk: Sdk, make: Callable[..., Any], asynchronous: bool, calls: int
) -> None:
    """A client class of the program's own works as it did."""
    place = Place(asynchronous, make=make(sdk.clients[asynchronous]), sdk=sdk)
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


@sdks
@pytest.mark.parametrize("patch", [_retrying, _Endless], ids=["retries", "endless"])
def test_patched_create(
    server: Provider,
    sdk: Sdk,
    patch: Callable[[Any], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a program puts in place of the SDK's functions is nobody's rival and works as ever."""
    resource = type(sdk.messages(sdk.clients[0](api_key="x")))
    monkeypatch.setattr(resource, "create", patch(resource.create))
    unharmed({"chat": Program(chat)}, server, Place(False, sdk=sdk), {}, calls=1)


async def mocked(client: Any) -> Any:
    client.request = unittest.mock.MagicMock(return_value="mocked")
    return ask(client)


async def nested(client: Any) -> Any:
    """An HTTP hook that calls a model itself, and one that lists the models."""
    inner = client.with_options()
    depth = []

    def call(_: Any) -> None:
        if not depth:
            depth.append("asked")
            depth.append(ask(inner))
            depth.append(inner.models.list().data)

    client._client.event_hooks = {"request": [call], "response": []}
    return ask(client), depth


async def hook_raises(client: Any) -> Any:
    def refuse(_: Any) -> None:
        raise PermissionError("hook")

    client._client.event_hooks = {"request": [], "response": [refuse]}
    return await outcome(lambda: ask(client))


async def many_at_once(client: Any) -> Any:
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(len(client.models.list(timeout=5).data)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@sdks
@pytest.mark.parametrize(
    ("program", "calls"), [(mocked, 0), (nested, 2), (hook_raises, 1), (many_at_once, 0)]
)
def test_odd_clients(server: Provider, sdk: Sdk, program: Any, calls: int) -> None:
    """Mocks, and hooks of the HTTP client that call models, or raise."""
    unharmed({"it": Program(program)}, server, Place(False, sdk=sdk), {}, calls=calls)


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
