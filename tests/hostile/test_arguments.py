"""Whatever a program passes, the same goes over the wire and the same comes back."""

from __future__ import annotations

import copy
import enum
import inspect
import json
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import httpx2
import openai
import pydantic
import pytest
from hostile.harness import (
    ASYNC,
    PROVEN,
    SYNC,
    Place,
    Program,
    each,
    unharmed,
    wait,
)
from hostile.sdks import QUESTION, SDKS, Sdk, ask, sdk_of
from openai import NOT_GIVEN, omit

from llm_otel import semconv
from llm_otel.testing import Provider

# httpx draws the boundary of a form by chance, unless it is told.
_FORM = {"content-type": "multipart/form-data; boundary=here"}

Arguments = Callable[[], dict[str, Any]]


class Message(pydantic.BaseModel):
    role: str = "user"
    content: str = "Hi"


class Answer(pydantic.BaseModel):
    text: str


class Sneaky:
    """Raises when anybody looks at it."""

    def _no(self, *_: Any) -> Any:
        raise RuntimeError("do not look at me")

    __bool__ = __eq__ = __repr__ = __str__ = __len__ = __iter__ = _no  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


class Body(dict[str, Any]):
    """A body of the program's own class."""


class Model(str, enum.Enum):
    BIG = "gpt-4o"


class Strange(str):
    """Text of the program's own class."""


class Lookup(Mapping[str, Any]):
    """A mapping that is no dict."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def once(*items: Any) -> Iterator[Any]:
    """A generator: whoever reads it, is the only one."""
    yield from items


_TOOL = {
    "type": "function",
    "function": {"name": "find", "parameters": {"type": "object", "properties": {}}},
}
_ASSISTANT = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "x", "arguments": "{"}}],
}

# Keywords of `chat.completions.create`, made anew for each run, over the usual ones.
CHAT: dict[str, Arguments] = {
    "usual": dict,
    "generator of messages": lambda: {"messages": once(*QUESTION, *QUESTION)},
    "generator of parts": lambda: {
        "messages": [{"role": "user", "content": once({"type": "text", "text": "Hi"})}]
    },
    "generator of tools": lambda: {"tools": once(_TOOL)},
    "generator that raises": lambda: {"messages": (1 / 0 for _ in "x")},
    "iterators": lambda: {"messages": map(dict, QUESTION), "stop": iter(["a", "b"])},
    "tuple": lambda: {"messages": tuple(QUESTION), "stop": ("a",)},
    "dict values": lambda: {"messages": {1: QUESTION[0]}.values()},
    "none among messages": lambda: {"messages": [None, *QUESTION, None]},
    "none": lambda: {"messages": None},
    "string": lambda: {"messages": "Hi"},
    "number": lambda: {"messages": 7},
    "pydantic messages": lambda: {"messages": [Message(), Message(content="x")]},
    "sdk messages": lambda: {
        "messages": [
            openai.types.chat.ChatCompletionMessage(role="assistant", content="x"), *QUESTION
        ]
    },
    "mappings": lambda: {
        "messages": [Lookup(role="user", content="x"), types.MappingProxyType({"role": "user"})]
    },
    "dict of their own": lambda: {"messages": [Body(QUESTION[0])], "metadata": Body(a="b")},
    "sneaky message": lambda: {"messages": [Sneaky()]},
    "sneaky content": lambda: {"messages": [{"role": "user", "content": Sneaky()}]},
    "sneaky argument": lambda: {"temperature": Sneaky(), "seed": Sneaky(), "stop": Sneaky()},
    "sneaky extra": lambda: {"extra_body": {"model": Sneaky(), "stream_options": Sneaky()}},
    "sneaky tool": lambda: {"tools": [Sneaky()], "tool_choice": Sneaky()},
    "sneaky model": lambda: {"model": Sneaky()},
    "exception class": lambda: {"messages": [ValueError], "model": ValueError},
    "surrogate": lambda: {"messages": [{"role": "user", "content": "\ud800"}], "model": "\udfff"},
    "surrogate model": lambda: {"extra_body": {"model": "gpt-\ud800"}, "stop": ["\ud800"]},
    "bytes": lambda: {"messages": [{"role": "user", "content": b"\xff"}]},
    "not given": lambda: {
        "temperature": NOT_GIVEN, "tools": NOT_GIVEN, "stop": omit, "seed": omit,
        "stream_options": omit, "extra_body": None, "extra_headers": None, "user": NOT_GIVEN,
    },
    "messages omitted": lambda: {"messages": omit},
    "model omitted": lambda: {"model": omit},
    "model none": lambda: {"model": None},
    "model number": lambda: {"model": 4},
    "model enum": lambda: {"model": Model.BIG},
    "model of their own": lambda: {"model": Strange("gpt-4o")},
    "model empty": lambda: {"model": ""},
    "model elsewhere": lambda: {"extra_body": {"model": "gpt-5"}},
    "extra options": lambda: {"extra_body": {"stream_options": {"include_usage": True}}},
    "extra options none": lambda: {"extra_body": {"stream_options": None}},
    "extra options odd": lambda: {"extra_body": {"stream_options": ["x"]}},
    "extra mapping": lambda: {
        "extra_body": types.MappingProxyType({"stream_options": {"include_usage": True}})
    },
    "extra mapping without": lambda: {"extra_body": Lookup(seed=1)},
    "extra list": lambda: {"extra_body": ["x"]},
    "extra string": lambda: {"extra_body": "x"},
    "extra with odd keys": lambda: {"extra_body": {1: 2, None: 3, "a": {2: 3}}},
    "usage refused": lambda: {"stream_options": {"include_usage": False}},
    "usage asked": lambda: {"stream_options": {"include_usage": True}},
    "options without usage": lambda: {"stream_options": {"include_obfuscation": False}},
    "options empty": lambda: {"stream_options": {}},
    "options odd": lambda: {"stream_options": "x"},
    "options mapping": lambda: {"stream_options": Lookup(include_usage=True)},
    "options none": lambda: {"stream_options": None},
    "headers": lambda: {"extra_headers": {"x-a": "b", "authorization": "Bearer mine"}},
    "headers omitted": lambda: {"extra_headers": {"user-agent": omit}},
    "headers odd": lambda: {"extra_headers": {"x-a": 7}},
    "own trace": lambda: {
        "extra_headers": {
            "traceparent": "00-1-1-00", "baggage": "llm_otel.tenant_id=x", "idempotency-key": "1"
        }
    },
    "raw by hand": lambda: {"extra_headers": {"X-Stainless-Raw-Response": "true"}},
    "raw oddly": lambda: {"extra_headers": {"X-Stainless-Raw-Response": "odd"}},
    "query": lambda: {"extra_query": {"a": [1, 2], "b": {"c": None}}},
    "timeout": lambda: {"timeout": httpx2.Timeout(9, connect=3)},
    "timeout none": lambda: {"timeout": None},
    "timeout odd": lambda: {"timeout": "soon"},
    "huge numbers": lambda: {"max_tokens": 2**70, "seed": -(2**70), "n": 2**64, "top_p": 10**400},
    "not finite": lambda: {"temperature": float("nan"), "top_p": float("inf")},
    "booleans": lambda: {"max_tokens": True, "n": True, "temperature": False, "stop": True},
    "wrong types": lambda: {
        "stop": [1, None, "x"], "response_format": "json", "reasoning_effort": 3, "tools": "all",
        "service_tier": ["flex"], "metadata": {"a": 1}, "user": 5,
    },
    "odd keys": lambda: {"metadata": {1: "a", None: "b", ("x",): "c"}},
    "tool calls": lambda: {
        "messages": [
            *QUESTION, _ASSISTANT, {"role": "tool", "tool_call_id": "1", "content": ["x", None]}
        ]
    },
    "odd parts": lambda: {
        "messages": [
            {"role": "user", "content": [None, "x", 1, {"type": None}, {"type": "image_url"},
                                         {"type": "image_url", "image_url": 5},
                                         {"type": "input_audio", "input_audio": {"data": 1}}]}
        ]
    },
    "odd roles": lambda: {"messages": [{"role": None}, {"role": 3, "content": {}}, {}]},
    "unknown keyword": lambda: {"hello": 1},
    "deep": lambda: {"metadata": _deep(200)},
}  # fmt: skip


def _deep(levels: int) -> Any:
    found: Any = "x"
    for _ in range(levels):
        found = {"a": found}
    return found


def _keywords(sdk: Sdk, keywords: dict[str, Any]) -> dict[str, Any]:
    """Keywords of openai's method as those of an SDK's own; what that does not know goes into
    `extra_body`."""
    known = inspect.signature(sdk.messages(sdk.clients[0](api_key="x")).create).parameters
    own = {id(NOT_GIVEN): sdk.module.NOT_GIVEN, id(omit): sdk.module.omit}
    named = {sdk.renamed.get(key, key): own.get(id(v), v) for key, v in keywords.items()}
    extra = {key: named.pop(key) for key in [*named] if key not in known and key != "hello"}
    if extra and type(named.get("extra_body") or {}) is dict:
        named["extra_body"] = {**extra, **(named.get("extra_body") or {})}
    return named


def chat(arguments: Arguments, **more: Any) -> Callable[[Sdk], Program]:
    def program(sdk: Sdk) -> Program:
        async def run(client: Any) -> Any:
            keywords = {**sdk.question, **more, **_keywords(sdk, arguments())}
            found = await wait(sdk.messages(client).create(**keywords))
            if more.get("stream") and hasattr(found, "_iterator"):
                return [chunk async for chunk in each(found)]
            return found

        return Program(run, [sdk.wire.stream()] if more else [])

    return program


PLACES = [Place(asynchronous, sdk=sdk) for sdk in SDKS for asynchronous in (False, True)]
places = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)


@places
def test_chat(server: Provider, place: Place) -> None:
    """Every argument of a chat, with content capture on: the same request, the same result."""
    programs = {name: chat(arguments)(place.sdk) for name, arguments in CHAT.items()}
    unharmed(programs, server, place, {"capture_content": "span_and_event"})


@places
def test_stream(server: Provider, place: Place) -> None:
    """The same for streams; on a proven host exactly the request for usage is added."""
    programs = {name: chat(each, stream=True)(place.sdk) for name, each in CHAT.items()}
    unharmed(programs, server, place, {"capture_content": "span_only"})
    if place.sdk.proven is None:
        return
    ours = replace(place, base_url=place.sdk.proven)
    unharmed(programs, server, ours, {"stream_usage": "never"})
    # The exception for text that cannot be sent holds all of the text.
    sendable = {name: p for name, p in programs.items() if not name.startswith("surrogate")}
    unharmed(sendable, server, ours, {}, asks=True)


# ------------------------------------------------------------------ other endpoints
_PARSED = {"model": "gpt-4o", "messages": QUESTION, "response_format": Answer}
OTHERS: dict[str, Callable[[Any], Any]] = {
    "generator of input": lambda c: c.responses.create(model="gpt-5", input=once(*QUESTION)),
    "input none": lambda c: c.responses.create(model="gpt-5", input=[None, "x", 1]),
    "input sneaky": lambda c: c.responses.create(model="gpt-5", input=[Sneaky()]),
    "no arguments": lambda c: c.responses.create(),
    "instructions odd": lambda c: c.responses.create(model="gpt-5", input="x", instructions=[1]),
    "reasoning odd": lambda c: c.responses.create(
        model="gpt-5", input="x", reasoning=["x"], text=5, tools=once(None), conversation=[1]
    ),
    "responses parse": lambda c: c.responses.parse(model="gpt-5", input="x", text_format=Answer),
    "chat parse": lambda c: c.chat.completions.parse(**_PARSED),
    "chat parse cut": lambda c: c.chat.completions.parse(**_PARSED, max_tokens=1),
    "embeddings of tokens": lambda c: c.embeddings.create(model="m", input=once([1, 2], [3])),
    "embeddings of nothing": lambda c: c.embeddings.create(model="m", input=None),
    "embeddings as floats": lambda c: c.embeddings.create(
        model="text-embedding-3-small", input=["a", "b"], encoding_format="float"
    ),
    "completion": lambda c: c.completions.create(model="m", prompt=once("a", "b"), stop="x"),
    "image": lambda c: c.images.generate(model="gpt-image-1", prompt=Strange("a cat"), n=1),
    "moderation": lambda c: c.moderations.create(input=once("a", "b")),
    "speech": lambda c: c.audio.speech.create(model="tts-1", voice="alloy", input="Hi"),
    "transcription": lambda c: c.audio.transcriptions.create(
        model="whisper-1", file=b"abc", extra_headers=_FORM
    ),
    "transcription, odd file": lambda c: c.audio.transcriptions.create(model="whisper-1", file=5),
    "models": lambda c: c.models.retrieve("gpt-4o"),
    "retrieve with odd id": lambda c: c.responses.retrieve("a/b?c#d"),
    "retrieve empty": lambda c: c.responses.retrieve(""),
    "retrieve unknown": lambda c: c.responses.retrieve("resp_x"),
}


def other(call: Callable[[Any], Any]) -> Program:
    async def run(client: Any) -> Any:
        return await wait(call(client))

    return Program(run)


@pytest.mark.parametrize("place", [SYNC, ASYNC], ids=["sync", "async"])
def test_other_endpoints(server: Provider, place: Place) -> None:
    """Odd arguments of other endpoints, and of what the SDK parses."""
    programs = {name: other(call) for name, call in OTHERS.items()}
    unharmed(programs, server, place, {"capture_content": "span_and_event"})


# ------------------------------------------------------------------ below the resources
_BODY = {"model": "gpt-4o", "messages": QUESTION}
_PATH = "/chat/completions"
Chunk = openai.types.chat.ChatCompletionChunk


def _options(client: Any, **more: Any) -> Any:
    sdk = sdk_of(client)
    given = {"method": "post", "url": sdk.path, "json_data": sdk.question, **more}
    return sdk.module._models.FinalRequestOptions.construct(**given)


def _post(client: Any, **keywords: Any) -> Any:
    return client.post(sdk_of(client).path, **keywords)


def _body(client: Any) -> dict[str, Any]:
    return sdk_of(client).question


DIRECT: dict[str, Callable[[Any], Any]] = {
    "to dict": lambda c: _post(c, cast_to=dict, body=_body(c)),
    "to object": lambda c: _post(c, cast_to=object, body=_body(c)),
    "to text": lambda c: _post(c, cast_to=str, body=_body(c)),
    "to bytes": lambda c: _post(c, cast_to=bytes, body=_body(c)),
    "to nothing": lambda c: _post(c, cast_to=None, body=_body(c)),
    "to response": lambda c: _post(c, cast_to=httpx2.Response, body=_body(c)),
    "to model": lambda c: _post(c, cast_to=Answer, body=_body(c)),
    "to list": lambda c: _post(c, cast_to=list[int], body=_body(c)),
    "body of their own": lambda c: _post(c, cast_to=dict, body=Body(_body(c))),
    "body mapping": lambda c: _post(c, cast_to=dict, body=Lookup(**_body(c))),
    "body list": lambda c: _post(c, cast_to=dict, body=[_body(c)]),
    "body text": lambda c: _post(c, cast_to=dict, body="x"),
    "body bytes": lambda c: _post(c, cast_to=dict, body=json.dumps(_body(c)).encode()),
    "body sneaky": lambda c: _post(c, cast_to=dict, body=Sneaky()),
    "body with generator": lambda c: _post(
        c, cast_to=dict, body={"model": "m", "messages": once(*QUESTION)}
    ),
    "no body": lambda c: _post(c, cast_to=dict),
    "content": lambda c: _post(c, cast_to=dict, content=json.dumps(_body(c)).encode()),
    "get": lambda c: c.get(sdk_of(c).path, cast_to=dict),
    "query in path": lambda c: c.post(sdk_of(c).path + "?a=b", cast_to=dict, body=_body(c)),
    "no path": lambda c: c.post("", cast_to=dict, body=_body(c)),
    "path none": lambda c: c.post(None, cast_to=dict, body=_body(c)),
    "request": lambda c: c.request(dict, _options(c)),
    "request by keyword": lambda c: c.request(options=_options(c), cast_to=dict),
    "request mixed": lambda c: c.request(_options(c), cast_to=dict),
    "method in capitals": lambda c: c.request(dict, _options(c, method="POST")),
    "method none": lambda c: c.request(dict, _options(c, method=None)),
    "no options": lambda c: c.request(dict),
    "no arguments": lambda c: c.request(),
    "options dict": lambda c: c.request(dict, {"method": "post", "url": sdk_of(c).path}),
    "options sneaky": lambda c: c.request(dict, Sneaky()),
    "too many": lambda c: c.request(dict, _options(c), None, 5),
    "unknown keyword": lambda c: c.request(dict, _options(c), hello=1),
    "stream without class": lambda c: c.request(sdk_of(c).chunk, _options(c), stream=True),
    "stream in extra": lambda c: c.request(
        sdk_of(c).chunk,
        _options(c, extra_json={"stream": True, "stream_options": ["x"]}),
        stream=True,
    ),
    "stream number": lambda c: c.request(sdk_of(c).chunk, _options(c), stream=1, stream_cls=None),
}


@pytest.mark.parametrize(
    "place",
    [*PLACES, *(replace(each, base_url=each.sdk.proven) for each in PLACES if each.sdk.proven)],
    ids=lambda place: f"{place.name}-{place.base_url}",
)
def test_direct(server: Provider, place: Place) -> None:
    """The client's own methods, with anything in place of what they expect."""
    programs = {name: other(call) for name, call in DIRECT.items()}
    unharmed(programs, server, place, {"capture_content": "span_and_event"})


_STREAMED = {**_BODY, "stream": True}
STREAMED: dict[str, dict[str, Any]] = {
    "to dict": {"cast_to": dict, "body": _STREAMED},
    "to object": {"cast_to": object, "body": _STREAMED},
    "to another model": {"cast_to": Answer, "body": _STREAMED},
    "body bytes": {"cast_to": Chunk, "body": json.dumps(_STREAMED).encode()},
    "content": {"cast_to": Chunk, "content": json.dumps(_STREAMED).encode()},
    "not streaming": {"cast_to": Chunk, "body": _BODY},
    "streaming refused": {
        "cast_to": Chunk, "body": _STREAMED, "options": {"extra_json": {"stream": False}}
    },
    "asked elsewhere": {
        "cast_to": Chunk,
        "body": _STREAMED,
        "options": {"extra_json": Lookup(stream_options={"include_usage": True})},
    },
}  # fmt: skip


@pytest.mark.parametrize("place", [SYNC, ASYNC], ids=["sync", "async"])
@pytest.mark.parametrize("keywords", STREAMED.values(), ids=STREAMED)
def test_direct_stream_is_not_asked_for_usage(
    server: Provider, keywords: dict[str, Any], place: Place
) -> None:
    """Where we could not add to the body, or hide what comes of it, we leave the stream alone."""

    async def run(client: Any) -> Any:
        stream_cls = (openai.AsyncStream if place.asynchronous else openai.Stream)[Chunk]
        arguments = {"stream": True, "stream_cls": stream_cls, **copy.deepcopy(keywords)}
        return [chunk async for chunk in each(await wait(client.post(_PATH, **arguments)))]

    where = Place(place.asynchronous, PROVEN)
    unharmed({"it": Program(run)}, server, where, {}, calls=1)


# ------------------------------------------------------------------ the program's own objects
def test_arguments_stay_as_they_are(server: Provider) -> None:
    """Asking for usage changes nothing that the program holds."""
    keywords: dict[str, Any] = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream_options": {"include_obfuscation": False},
        "extra_body": {"a": [1]},
        "extra_headers": {"x-a": "b"},
    }
    options = openai._models.FinalRequestOptions.construct(
        method="post", url=_PATH, json_data={**_BODY, "stream": True}
    )
    before = copy.deepcopy((keywords, options.json_data))

    async def run(client: Any) -> Any:
        first = client.chat.completions.create(**keywords, stream=True)
        second = client.request(Chunk, options, stream=True, stream_cls=openai.Stream[Chunk])
        return list(first), list(second)

    unharmed({"it": Program(run)}, server, Place(False, PROVEN), {}, calls=2, asks=True)
    assert (keywords, options.json_data) == before


@places
def test_content_is_what_was_sent(server: Provider, place: Place) -> None:
    """What the program does to its messages while a stream runs is not taken for the prompt."""

    async def run(client: Any) -> Any:
        messages: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "first"}]}]
        stream = await wait(ask(client, messages=messages, stream=True))
        messages[0]["content"][0]["text"] = "changed"
        messages[0]["content"].append({"type": "text", "text": "more"})
        messages.append({"role": "user", "content": "later"})
        return [chunk async for chunk in each(stream)]

    program = {"it": Program(run, [place.sdk.wire.stream()])}
    (watch,) = unharmed(program, server, place, {"capture_content": "span_only"})
    told = watch.spans.ended[0].attributes or {}
    said = json.loads(str(told[semconv.INPUT_MESSAGES]))
    assert said == [{"role": "user", "parts": [{"type": "text", "content": "first"}]}], said
