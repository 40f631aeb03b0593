"""What a program can find out about the SDK's own classes and objects is the same with us."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import pickle
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import wrapt
from hostile.harness import (
    Place,
    Program,
    client_for,
    each,
    outcome,
    run,
    unharmed,
    wait,
)
from hostile.sdks import SDKS, Sdk, ask, raw, sdk_of
from hostile.telemetry import watched

import llm_otel
from llm_otel.testing import Provider

sdks = pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
PLACES = [Place(asynchronous, sdk=sdk) for sdk in SDKS for asynchronous in (False, True)]
places = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)

_METHODS = ("request", "_process_response", "post", "get_api_list")


def _classes(sdk: Sdk) -> tuple[type[Any], ...]:
    base = sdk.module._base_client
    return base.SyncAPIClient, base.AsyncAPIClient


async def facts(client: Any) -> Any:
    """All that `inspect` and friends tell of a client."""
    create = sdk_of(client).messages(client).create
    methods = [getattr(client, name) for name in _METHODS] + [create, client.models.list]
    return [
        [
            str(inspect.signature(method)),
            inspect.iscoroutinefunction(method),
            inspect.ismethod(method),
            inspect.isfunction(getattr(type(client), method.__name__, None)),
            callable(method),
            method.__name__,
            method.__qualname__,
            method.__module__,
            method.__doc__,
            method.__self__ is client,
            inspect.getsource(method),
        ]
        for method in methods
    ] + [type(client), [cls.__name__ for cls in type(client).__mro__], sorted(dir(client))]


async def typing_hints(client: Any) -> Any:
    classes = _classes(sdk_of(client))
    return [inspect.getfullargspec(cls.request) for cls in classes], {
        name: str(inspect.signature(getattr(cls, name))) for cls in classes for name in _METHODS
    }


async def copies(client: Any) -> Any:
    answer = await wait(ask(client))
    return answer, [
        copy.copy(answer),
        copy.deepcopy(answer),
        pickle.loads(pickle.dumps(answer)),
        answer.model_copy(deep=True),
        repr(answer) == repr(copy.deepcopy(answer)),
        hash(type(answer)),
        answer == copy.deepcopy(answer),
        type(answer) is sdk_of(client).answer,
        answer.to_json(),
    ]


async def chunk_copies(client: Any) -> Any:
    stream = await wait(ask(client, stream=True))
    chunks = [chunk async for chunk in each(stream)]
    return [(pickle.loads(pickle.dumps(c)), c.to_json(), c.to_dict(), repr(c)) for c in chunks]


async def streams(client: Any) -> Any:
    stream = await wait(ask(client, stream=True))
    seen = [
        type(stream),
        inspect.isgenerator(stream._iterator),
        inspect.isasyncgen(stream._iterator),
        sorted(vars(stream)),
        isinstance(stream.response, httpx2.Response),
        isinstance(stream.response.stream, (httpx2.SyncByteStream, httpx2.AsyncByteStream)),
        stream.response.is_closed,
        sorted(vars(stream.response)),
    ]
    return seen, [chunk async for chunk in each(stream)], stream.response.is_closed


def _copied(value: Any) -> Any:
    """What `copy` and `pickle` make of a function, and whether it is still the same."""
    found = [copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))]
    return [(type(each), each == value, each.__qualname__) for each in found]


async def function_copies(client: Any) -> Any:
    functions = [
        getattr(cls, name) for cls in (*_classes(sdk_of(client)), type(client)) for name in _METHODS
    ]
    holder = {"callback": client.request, "of": [type(client).request]}
    shallow = copy.copy(client)
    return [
        [_copied(function) for function in functions],
        [type(each) for each in functions],
        [each is getattr(type(client), name) for name, each in zip(_METHODS, functions[-4:])],
        type(copy.copy(client.request)),
        copy.copy(client.request) == client.request,
        copy.copy(holder)["callback"] == client.request,
        await outcome(lambda: copy.deepcopy(holder)["of"][0] is type(client).request),
        await outcome(lambda: type(copy.deepcopy(client.request))),
        await outcome(lambda: type(pickle.loads(pickle.dumps(client.request)))),
        await outcome(lambda: type(copy.deepcopy(client))),
        type(shallow),
        sorted(vars(shallow)) == sorted(vars(client)),
        await wait(ask(shallow)),
    ]


async def function_tools(client: Any) -> Any:
    """What `functools`, `inspect` and `typing` make of the functions."""
    found = []
    for name in _METHODS:
        function = getattr(type(client), name)
        partial = functools.partial(function, client)

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return args, kwargs

        found.append(
            (
                str(inspect.signature(partial)),
                str(inspect.signature(functools.partialmethod(function).func)),
                str(inspect.signature(wrapper)),
                wrapper.__name__,
                wrapper.__doc__,
                inspect.unwrap(function).__qualname__,
                inspect.isroutine(function),
                inspect.isdatadescriptor(function),
                hash(function) == hash(getattr(type(client), name)),
                str(inspect.signature(inspect.getattr_static(client, name))),
                type(inspect.getattr_static(type(client), name)),
                inspect.getsourcelines(function)[1],
                inspect.getfullargspec(function),
                inspect.getmodule(function),
                sorted(function.__annotations__),
            )
        )
    return found


async def raw_objects(client: Any) -> Any:
    create = sdk_of(client).messages(client).with_raw_response.create
    response = await wait(raw(client))
    first, second = [await wait(response.parse()) for _ in "12"]
    return (
        sorted(vars(response)),
        response.headers,
        response.request_id,
        response.retries_taken,
        first,
        first is second,
        repr(response),
        response.elapsed.total_seconds() > 0,
        response.http_request,
        str(inspect.signature(create)),
        inspect.iscoroutinefunction(create),
    )


@pytest.mark.parametrize(
    "place",
    [*PLACES, *(replace(each, base_url=each.sdk.proven) for each in PLACES if each.sdk.proven)],
    ids=lambda place: f"{place.name}-{place.base_url}",
)
def test_objects(server: Provider, place: Place) -> None:
    """Signatures, sources, kinds of function, copies, pickles, representations, types."""
    programs = {p.__name__: Program(p) for p in (facts, typing_hints, copies, raw_objects)}
    unharmed(programs, server, place, {}, {"capture_content": "span_only"})
    unharmed(
        {p.__name__: Program(p) for p in (streams, chunk_copies)},
        server,
        place,
        {},
        asks=place.base_url is not None,
    )


@places
def test_functions(server: Provider, place: Place) -> None:
    """Functions that we stand in for are copied, pickled and inspected as those of the SDK."""
    programs = {p.__name__: Program(p) for p in (function_copies, function_tools)}
    unharmed(programs, server, place, {}, calls=1)


@sdks
def test_uninstrument_puts_the_very_same_functions_back(sdk: Sdk) -> None:
    """After `uninstrument()` the classes hold what they held before, by identity."""

    def held() -> list[Any]:
        return [inspect.getattr_static(cls, name) for cls in _classes(sdk) for name in _METHODS]

    before = held()
    for _ in range(2):
        with watched():
            during = held()
        after = held()
        assert [one is other for one, other in zip(before, after)] == [True] * len(before)
        assert not any(one is other for one, other in zip(before[:2], during))


@sdks
def test_client_made_before_and_used_after(server: Provider, sdk: Sdk) -> None:
    """Bound methods from before `instrument()` are seen; those taken inside it are not, after."""
    client = client_for(server, Place(False, sdk=sdk))
    create = sdk.messages(client).create
    with watched() as watch:
        server.reset()
        create(**sdk.question)
        kept = sdk.messages(client).create
    kept(**sdk.question)
    client.close()
    watch.check(calls=1)


@sdks
def test_wrapper_put_over_ours_survives(server: Provider, sdk: Sdk) -> None:
    """Somebody's wrapper around ours stays when we go, and what is left of us passes through."""
    seen = []
    base = _classes(sdk)[0]

    def wrap(inner: Any) -> Any:
        @functools.wraps(inner)
        def request(self: Any, *args: Any, **kwargs: Any) -> Any:
            seen.append(args)
            return inner(self, *args, **kwargs)

        return request

    original = inspect.getattr_static(base, "request")
    client = client_for(server, Place(False, sdk=sdk))
    server.reset()
    try:
        with watched() as watch:
            base.request = wrap(base.request)  # type: ignore[attr-defined]
            ask(client)
        ask(client)
        with watched() as again:
            ask(client)
    finally:
        client.close()
        base.request = original  # type: ignore[attr-defined]
    assert len(seen) == 3
    watch.check(calls=1)
    again.check(calls=1)


async def chat(client: Any) -> Any:
    return await wait(ask(client))


# ------------------------------------------------------------------ nothing is kept alive
@sdks
def test_what_the_program_drops_is_gone(server: Provider, sdk: Sdk) -> None:
    """We keep no client, answer, chunk or response alive."""

    def references(client: Any) -> Iterator[weakref.ref[Any]]:
        yield weakref.ref(ask(client))
        stream = ask(client, stream=True)
        yield from [weakref.ref(chunk) for chunk in stream]
        yield weakref.ref(stream.response)

    server.reset()
    with watched():
        client = client_for(server, Place(False, sdk=sdk))
        kept = list(references(client))
        client.close()
        kept.append(weakref.ref(client))
        del client
        gc.collect()
        alive = [reference() for reference in kept if reference() is not None]
    assert alive == []


@sdks
def test_instrument_twice_changes_nothing(server: Provider, sdk: Sdk) -> None:
    """A second `instrument()` neither wraps again nor makes a second span."""
    program = Program(chat)
    with watched() as watch:
        llm_otel.instrument()
        run(program, server, Place(False, sdk=sdk))
    watch.check(calls=1)


@places
def test_subclass_wrapped_before_us(
    server: Provider, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another library wrapped on the client itself, before us, does not go past us."""
    seen = []

    def counting(wrapped: Any, _client: Any, args: Any, kwargs: Any) -> Any:
        seen.append(kwargs)
        return wrapped(*args, **kwargs)

    cls = place.sdk.clients[place.asynchronous]
    theirs = wrapt.FunctionWrapper(inspect.getattr_static(cls, "request"), counting)
    monkeypatch.setattr(cls, "request", theirs)
    for _ in range(2):
        unharmed({"chat": Program(chat)}, server, place, {}, calls=1)
        assert vars(cls)["request"] is theirs
    assert len(seen) == 4


# ------------------------------------------------------------------ answers from memory
def _drained(stream: Any) -> None:
    """Only then the SDK itself holds nothing: until its end a stream is a cycle of its own."""
    response = weakref.ref(stream.response)
    assert list(stream)
    del stream
    assert response() is None


def _closed(stream: Any) -> None:
    next(stream)
    stream.close()


def _closed_by_another(stream: Any) -> None:
    """What is put over our function on the response is called, and calls ours."""
    response, seen = stream.response, []
    ours = response.close
    response.close = lambda: seen.append("closed") or ours()
    next(stream)
    stream.close()
    assert seen == ["closed"]


def _closed_when_gone(stream: Any) -> None:
    close = stream.response.close
    del stream
    gc.collect()
    close()


@sdks
@pytest.mark.parametrize("leave", [_drained, _closed, _closed_by_another, _closed_when_gone])
def test_an_answer_from_memory(sdk: Sdk, leave: Callable[[Any], None]) -> None:
    """A cache's or a test's transport: the stream ends once, and we keep no part of it."""
    with _from_memory(sdk) as client:
        gc.collect()
        gc.disable()
        try:
            leave(ask(client, stream=True))
        finally:
            gc.enable()


@sdks
def test_a_close_of_the_transports_own_is_called(sdk: Sdk) -> None:
    """What a transport put on its very response is called as ever."""
    closed: list[Any] = []

    def own(response: Any) -> None:
        response.close = functools.partial(closed.append, response)

    with _from_memory(sdk, own) as client:
        with ask(client, stream=True) as stream:
            next(stream)
        assert closed == [stream.response]


@contextmanager
def _from_memory(sdk: Sdk, own: Callable[[Any], None] = lambda _: None) -> Iterator[Any]:
    """A client whose every answer lies in memory as a whole; one call is made and seen."""
    events = b"".join(sdk.wire.stream(sdk.wire.chunk).chunks or ())

    def answer(_: Any) -> Any:
        headers = {"content-type": "text/event-stream"}
        response = httpx2.Response(200, headers=headers, content=events)
        own(response)
        return response

    transport = httpx2.Client(transport=httpx2.MockTransport(answer))
    with watched() as watch, sdk.clients[0](api_key="x", http_client=transport) as client:
        yield client
    watch.check(calls=1)
