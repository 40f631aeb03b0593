"""Connections over a WebSocket: a span for each, and a call for each response on it."""

from __future__ import annotations

import asyncio
import gc
import importlib
import inspect
from collections.abc import Mapping

import pytest
from opentelemetry import baggage, context

import llm_otel

pytest.importorskip("websockets", reason="the server of these tests is made with it")
_REALTIME = pytest.importorskip(
    "openai.resources.realtime.realtime", reason="this SDK has no realtime.connect()"
)
_RESPONSES = importlib.import_module("openai.resources.responses.responses")
_NO_RESPONSES = pytest.mark.skipif(
    not hasattr(_RESPONSES, "ResponsesConnection"), reason="this SDK has no responses.connect()"
)

from tests.conformance.sockets import (  # noqa: E402
    entered,
    realtime,
    run,
    serving,
    spoken,
    until,
    wait,
    written,
)

# The SDK uses websockets in a way that its newest versions warn of.
pytestmark = pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")

PROVIDERS = {"127.0.0.1": "openai"}
FLAVOURS = pytest.mark.parametrize("flavour", ["sync", "async"])
SPOKEN = {
    "total_tokens": 1500,
    "input_tokens": 1000,
    "output_tokens": 500,
    "input_token_details": {
        "cached_tokens": 300,
        "text_tokens": 400,
        "audio_tokens": 600,
        "image_tokens": 0,
        "cached_tokens_details": {"text_tokens": 100, "audio_tokens": 200},
    },
    "output_token_details": {"text_tokens": 100, "audio_tokens": 400},
}
# gpt-realtime, USD per million: text 4, its cache 0.40; audio 32, its cache 0.40; out 16 and 64.
SPOKEN_USD = (300 * 4 + 100 * 0.4 + 400 * 32 + 200 * 0.4 + 100 * 16 + 400 * 64) / 1e6
WRITTEN = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 120,
}


def reasons(span):
    """A span's finish reasons."""
    return span.attributes.get("gen_ai.response.finish_reasons")


async def speak(client, times=1, **fields):
    """Ask for responses over one realtime connection and read to the end of the last."""
    async with entered(client.realtime.connect(model="gpt-realtime")) as connection:
        events = []
        for _ in range(times):
            await wait(connection.response.create(**fields))
            events += await until(connection, "response.done")
        return events


async def write(client, kind="response.completed", **fields):
    """Ask for one response over a connection of the Responses API."""
    async with entered(client.responses.connect()) as connection:
        await wait(connection.response.create(model="gpt-5", input="Hello", **fields))
        return await until(connection, kind)


# ------------------------------------------------------------------ spans, tokens, cost
@FLAVOURS
def test_realtime(instrumented, flavour):
    """Each response is a call below the connection's span, with audio at its own rates."""
    telemetry = instrumented(providers=PROVIDERS)
    keys = iter(["resp_1", "resp_2"])
    with serving(lambda _event: spoken(next(keys), SPOKEN)) as server:
        run(flavour, server.url, lambda client: speak(client, times=2))
    assert telemetry.tree().splitlines() == [
        "connect gpt-realtime",
        "  chat gpt-realtime",
        "  chat gpt-realtime",
    ]
    connection, first, second = telemetry.spans
    assert (connection.kind, first.kind) == ("CLIENT", "CLIENT")
    assert [each.attributes["gen_ai.response.id"] for each in (first, second)] == [
        "resp_1",
        "resp_2",
    ]
    told = first.attributes
    assert told["gen_ai.usage.input_tokens"] == 1000
    assert told["gen_ai.usage.output_tokens"] == 500
    assert told["gen_ai.usage.audio.input_tokens"] == 600
    assert told["gen_ai.usage.audio.output_tokens"] == 400
    assert told["gen_ai.usage.cache_read.input_tokens"] == 300
    assert told["gen_ai.usage.cost.amount"] == pytest.approx(SPOKEN_USD)
    assert told["gen_ai.request.stream"] is True
    assert 0 < told["gen_ai.response.time_to_first_chunk"] < first.seconds
    assert reasons(first) == ("stop",)
    assert telemetry.count("gen_ai.request.duration") == 2, telemetry
    assert telemetry.count("gen_ai.request.duration", operation="chat") == 2
    assert telemetry.value("gen_ai.cost.usd") == pytest.approx(2 * SPOKEN_USD)
    assert telemetry.value("gen_ai.requests.active") == 0


@_NO_RESPONSES
@FLAVOURS
def test_responses(instrumented, flavour):
    """The Responses API over a WebSocket has the calls that it has over HTTP."""
    telemetry = instrumented(providers=PROVIDERS)
    with serving(lambda _event: written("resp_1", WRITTEN)) as server:
        run(flavour, server.url, write)
    assert telemetry.tree().splitlines() == ["connect", "  chat gpt-5"]
    told = telemetry.spans[1].attributes
    assert told["gen_ai.response.model"] == "gpt-5-2025-08-07"
    assert told["gen_ai.usage.input_tokens"] == 100
    assert told["gen_ai.usage.reasoning.output_tokens"] == 5
    assert told["openai.api.type"] == "responses"
    assert reasons(telemetry.spans[1]) == ("stop",)
    assert told["gen_ai.usage.cost.amount"] > 0


@pytest.mark.parametrize(
    ("end", "reason", "kind"),
    [
        ({"status": "cancelled", "status_details": {"reason": "turn_detected"}}, "cancelled", None),
        (
            {"status": "incomplete", "status_details": {"reason": "max_output_tokens"}},
            "length",
            None,
        ),
        (
            {"status": "incomplete", "status_details": {"reason": "content_filter"}},
            "content_filter",
            None,
        ),
        ({"output": [{"type": "function_call", "name": "f"}]}, "tool_call", None),
        (
            {
                "status": "failed",
                "status_details": {
                    "error": {"type": "server_error", "code": "rate_limit_exceeded"}
                },
            },
            "error",
            "rate_limit",
        ),
    ],
)
def test_ends_of_realtime(instrumented, end, reason, kind):
    """The status of a realtime response is its finish reason or its class of error."""
    telemetry = instrumented(providers=PROVIDERS)
    with serving(lambda _event: spoken("resp_1", SPOKEN, **end)) as server:
        run("sync", server.url, speak)
    call = telemetry.spans[1]
    assert reasons(call) == (reason,)
    assert call.attributes.get("llm_otel.error.class") == kind, call.attributes
    assert (call.status == "ERROR") is (kind is not None)
    assert call.attributes["gen_ai.usage.input_tokens"] == 1000


@FLAVOURS
def test_server_begins(instrumented, flavour):
    """A response that the server begins when somebody stops speaking is a call as well."""
    telemetry = instrumented(providers=PROVIDERS)
    greeting = [
        {"type": "session.created", "session": {"model": "gpt-realtime-mini"}},
        *spoken("resp_1", SPOKEN),
    ]

    async def listen(client):
        async with entered(client.realtime.connect(model="gpt-realtime")) as connection:
            await until(connection, "response.done")

    with serving(lambda _event: [], greeting) as server:
        run(flavour, server.url, listen)
    assert telemetry.tree().splitlines() == ["connect gpt-realtime", "  chat gpt-realtime-mini"]
    assert telemetry.value("gen_ai.tokens.consumed", model="gpt-realtime-mini") == 1500


def test_transcription(instrumented):
    """A transcription of the user's speech is a call of its own, priced as its own model; what was
    said is not captured."""
    telemetry = instrumented(providers=PROVIDERS, capture_content="span_and_event")
    model = {"audio": {"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}}}
    usage = {
        "type": "tokens",
        "total_tokens": 110,
        "input_tokens": 100,
        "input_token_details": {"audio_tokens": 100, "text_tokens": 0},
        "output_tokens": 10,
    }
    kind = "conversation.item.input_audio_transcription.completed"
    greeting = [
        {"type": "session.updated", "session": model},
        {"type": kind, "item_id": "item_1", "transcript": "Hello", "usage": usage},
    ]

    async def listen(client):
        async with entered(client.realtime.connect(model="gpt-realtime")) as connection:
            await until(connection, kind)

    with serving(lambda _event: [], greeting) as server:
        run("sync", server.url, listen)
    assert telemetry.tree().splitlines() == [
        "connect gpt-realtime",
        "  transcription gpt-4o-mini-transcribe",
    ]
    assert telemetry.value("gen_ai.cost.usd") == pytest.approx((100 * 3 + 10 * 5) / 1e6)
    assert "Hello" not in repr(telemetry)


def test_parents(instrumented):
    """A response is below the span that the program has opened since it connected."""
    telemetry = instrumented(providers=PROVIDERS)

    async def ask(client):
        with llm_otel.workflow("outer"):
            async with entered(client.realtime.connect(model="gpt-realtime")) as connection:
                await wait(connection.response.create())
                await until(connection, "response.done")
                with llm_otel.agent("inner"):
                    await wait(connection.response.create())
                    await until(connection, "response.done")

    with serving(lambda _event: spoken("resp_1", SPOKEN)) as server:
        run("sync", server.url, ask)
    assert telemetry.tree().splitlines() == [
        "invoke_workflow outer",
        "  connect gpt-realtime",
        "    chat gpt-realtime",
        "  invoke_agent inner",
        "    chat gpt-realtime",
    ]


@pytest.mark.skipif(
    not hasattr(_REALTIME.RealtimeConnectionManager, "send"), reason="this SDK queues nothing"
)
@FLAVOURS
def test_queued_before_connecting(instrumented, flavour):
    """A response that is queued before the connection is open is a call as well."""
    telemetry = instrumented(providers=PROVIDERS)

    async def ask(client):
        manager = client.realtime.connect(model="gpt-realtime")
        manager.send({"type": "response.create"})
        async with entered(manager) as connection:
            await until(connection, "response.done")

    with serving(lambda _event: spoken("resp_1", SPOKEN)) as server:
        run(flavour, server.url, ask)
    assert telemetry.tree().splitlines() == ["connect gpt-realtime", "  chat gpt-realtime"]
    assert telemetry.value("gen_ai.tokens.consumed") == 1500


# ------------------------------------------------------------------ errors and early ends
@FLAVOURS
@pytest.mark.parametrize("api", ["realtime", pytest.param("responses", marks=_NO_RESPONSES)])
def test_error_event(instrumented, flavour, api):
    """An error event fails the response that was asked for, under the provider's code."""
    telemetry = instrumented(providers=PROVIDERS)
    error = {"type": "invalid_request_error", "code": "rate_limit_exceeded", "message": "secret"}

    async def ask(client):
        connect = (
            client.realtime.connect(model="gpt-realtime")
            if api == "realtime"
            else client.responses.connect()
        )
        async with entered(connect) as connection:
            more = {} if api == "realtime" else {"model": "gpt-5"}
            await wait(connection.response.create(**more))
            return await until(connection, "error")

    with serving(lambda _event: [{"type": "error", "error": error}]) as server:
        run(flavour, server.url, ask)
    call = telemetry.spans[1]
    assert (call.status, call.error) == ("ERROR", "rate_limit_exceeded")
    assert call.attributes["llm_otel.error.class"] == "rate_limit"
    assert telemetry.spans[0].status == "UNSET"
    assert telemetry.value("gen_ai.errors", error_type="rate_limit") == 1
    assert "secret" not in repr(telemetry)


def test_error_of_another_event(instrumented):
    """An error that names another event of the client's leaves the response alone."""
    telemetry = instrumented(providers=PROVIDERS)
    error = {"type": "error", "error": {"code": "invalid_value", "event_id": "event_of_update"}}
    with serving(lambda _event: [error, *spoken("resp_1", SPOKEN)]) as server:
        run("sync", server.url, lambda client: speak(client, event_id="event_of_create"))
    assert [span.status for span in telemetry.spans] == ["UNSET", "UNSET"]
    assert telemetry.count("gen_ai.request.duration") == 1


@FLAVOURS
def test_left_open(instrumented, flavour):
    """A response that is open when the program closes the connection was cancelled."""
    telemetry = instrumented(providers=PROVIDERS)

    async def leave(client):
        async with entered(client.realtime.connect(model="gpt-realtime")) as connection:
            await wait(connection.response.create())
            await until(connection, "response.output_audio.delta")

    with serving(lambda _event: spoken("resp_1")[:2]) as server:
        run(flavour, server.url, leave)
    call = telemetry.spans[1]
    assert (reasons(call), call.status) == (("cancelled",), "UNSET")
    assert call.attributes["gen_ai.response.id"] == "resp_1"
    assert telemetry.value("gen_ai.requests.active") == 0


@FLAVOURS
def test_server_closes(instrumented, flavour):
    """A connection that breaks while a response is open fails that call; the program sees what it
    would have seen."""
    telemetry = instrumented(providers=PROVIDERS)

    async def ask(client):
        async with entered(client.realtime.connect(model="gpt-realtime")) as connection:
            await wait(connection.response.create())
            await until(connection, "never")

    with serving(lambda _event: None) as server, pytest.raises(Exception, match="1011") as raised:
        run(flavour, server.url, ask)
    assert type(raised.value).__name__ == "ConnectionClosedError"
    assert telemetry.spans[1].attributes["llm_otel.error.class"] == "connection"
    assert len(telemetry.spans) == 2


@FLAVOURS
def test_two_in_flight(instrumented, flavour):
    """Two responses at once end under their own ids, tokens and callers."""
    telemetry = instrumented(providers=PROVIDERS, max_tenants=10)
    first, second = (
        spoken("resp_1", SPOKEN),
        spoken("resp_2", {"input_tokens": 7, "total_tokens": 7}),
    )
    waiting = []

    def script(event):
        waiting.append(event)
        if len(waiting) < 2:
            return []
        return [first[0], second[0], second[1], first[1], second[3], first[3]]

    async def ask(client):
        async with entered(client.realtime.connect(model="gpt-realtime")) as connection:
            for tenant in ("acme", "umbrella"):
                with llm_otel.attribution(tenant_id=tenant):
                    await wait(connection.response.create())
            await until(connection, "response.done", times=2)

    with serving(script) as server:
        run(flavour, server.url, ask)
    calls = telemetry.spans[1:]
    assert [
        (each.attributes["gen_ai.response.id"], each.attributes["tenant_id"]) for each in calls
    ] == [("resp_1", "acme"), ("resp_2", "umbrella")]
    assert telemetry.value("gen_ai.tokens.consumed", tenant_id="acme") == 1500
    assert telemetry.value("gen_ai.tokens.consumed", tenant_id="umbrella") == 7


@FLAVOURS
def test_no_connection(instrumented, flavour):
    """A handshake that fails is an error of the connection, and of no call."""
    telemetry = instrumented(providers=PROVIDERS)
    with serving(lambda _event: []) as server:
        url = server.url
    with pytest.raises(OSError, match=r".*") as raised:
        run(flavour, url, speak)
    assert telemetry.span.name == "connect gpt-realtime"
    assert (telemetry.span.status, telemetry.span.error) == (
        "ERROR",
        type(raised.value).__name__,
    )
    assert telemetry.count("gen_ai.request.duration") == 0


def test_dropped(instrumented):
    """A connection that is dropped without being closed leaves nothing open."""
    telemetry = instrumented(providers=PROVIDERS)

    async def drop(client):
        connection = client.realtime.connect(model="gpt-realtime").enter()
        connection.response.create()
        await until(connection, "response.output_audio.delta")
        connection._connection.close()

    with serving(lambda _event: spoken("resp_1")[:2]) as server:
        run("sync", server.url, drop)
        gc.collect()
        llm_otel.uninstrument()
    assert [reasons(span) for span in telemetry.spans] == [None, ("cancelled",)]


# ------------------------------------------------------------------ the program sees no difference
async def everything(client):
    """What a program gets, whichever way it reads."""
    seen = []
    connect = client.realtime.connect(model="gpt-realtime")
    connection = await wait(connect.enter())
    seen.append((type(connection).__name__, sorted(vars(connection))))
    await wait(connection.response.create(response={"instructions": "Be brief."}))
    await wait(connection.send({"type": "response.create", "response": {"metadata": {"a": "b"}}}))
    if hasattr(connection, "send_raw"):
        await wait(connection.send_raw('{"type": "response.create"}'))
    raw = await wait(connection.recv_bytes())
    seen.append((type(raw).__name__, raw))
    event = await wait(connection.recv())
    seen.append((type(event).__name__, event.to_dict()))
    asked = 3 if hasattr(connection, "send_raw") else 2
    events = await until(connection, "response.done", times=asked)
    seen += [(type(each).__name__, each.to_dict()) for each in events]
    seen.append(await wait(connection.close()))
    with pytest.raises(Exception, match=r".*") as raised:
        await wait(connection.recv())
    seen.append((type(raised.value).__name__, str(raised.value)))
    return seen


@FLAVOURS
def test_same_program(instrumented, flavour):
    """Values, types, exceptions, order and what goes over the wire are the same."""
    results, messages, headers = [], [], []
    for on in (False, True):
        if on:
            instrumented(providers=PROVIDERS, capture_content="span_only")
        with serving(lambda event: spoken("resp_" + str(len(event)), SPOKEN)) as server:
            results.append(run(flavour, server.url, everything))
            messages.append(server.messages)
            headers.append(
                [
                    {
                        name: value
                        for name, value in each.items()
                        if name not in ("host", "sec-websocket-key")
                    }
                    for each in server.headers
                ]
            )
    assert results[0] == results[1]
    assert messages[0] == messages[1]
    assert headers[0] == headers[1]


@FLAVOURS
def test_baggage_stays_here(instrumented, flavour):
    """What is current in the handshake carries none of the library's baggage."""
    instrumented(providers=PROVIDERS, baggage=["tenant_id"])
    seen = []

    class Noting(Mapping):
        """Headers that the SDK reads while it connects."""

        def __iter__(self):
            seen.append(dict(baggage.get_all()))
            return iter(())

        def __getitem__(self, name):
            raise KeyError(name)

        def __len__(self):
            return 0

    async def ask(client):
        with llm_otel.attribution(tenant_id="acme"):
            before = context.get_current()
            manager = client.realtime.connect(model="gpt-realtime", extra_headers=Noting())
            async with entered(manager) as connection:
                assert context.get_current() is before
                await wait(connection.response.create())
                await until(connection, "response.done")

    with serving(lambda _event: spoken("resp_1", SPOKEN)) as server:
        run(flavour, server.url, ask)
    assert seen
    assert not any("acme" in each.values() for each in seen), seen


def test_uninstrument(instrumented):
    """The classes are what they were, and what was open has ended."""
    classes = [
        getattr(module, prefix + name)
        for module, api in ((_REALTIME, "Realtime"), (_RESPONSES, "Responses"))
        for prefix in ("", "Async")
        for name in (f"{api}Connection", f"{api}ConnectionManager")
        if hasattr(module, prefix + name)
    ]
    before = [dict(vars(cls)) for cls in classes]
    telemetry = instrumented(providers=PROVIDERS)
    assert [dict(vars(cls)) for cls in classes] != before

    async def ask(client):
        with client.realtime.connect(model="gpt-realtime") as connection:
            connection.response.create()
            await until(connection, "response.output_audio.delta")
            llm_otel.uninstrument()
            assert len(telemetry.spans) == 2
            connection.response.create()
            await until(connection, "response.done")

    with serving(lambda _event: spoken("resp_1", SPOKEN)) as server:
        run("sync", server.url, ask)
    assert [reasons(span) for span in telemetry.spans] == [None, ("cancelled",)]
    after = [dict(vars(cls)) for cls in classes]
    assert after == before


def test_hooks_look_like_the_functions(instrumented):
    """Signatures, and what is a coroutine function, are the SDK's."""
    names = ("recv", "recv_bytes", "send", "close")
    classes = (_REALTIME.RealtimeConnection, _REALTIME.AsyncRealtimeConnection)

    def look():
        return [
            (inspect.signature(getattr(cls, name)), inspect.iscoroutinefunction(getattr(cls, name)))
            for cls in classes
            for name in names
        ]

    before = look()
    instrumented()
    assert look() == before


@FLAVOURS
def test_fault_of_ours(instrumented, monkeypatch, flavour):
    """A failure inside llm-otel costs telemetry and nothing else."""
    from llm_otel.base import guard
    from llm_otel.seams.websockets import session as websocket_session

    instrumented(providers=PROVIDERS)
    monkeypatch.setattr(guard, "strict", False)
    for name in ("sending", "received", "end"):
        monkeypatch.setattr(websocket_session.Session, name, lambda *_args, **_kwargs: 1 / 0)
    with serving(lambda _event: spoken("resp_1", SPOKEN)) as server:
        events = run(flavour, server.url, speak)
    assert [event.type for event in events][-1] == "response.done"


def test_cancelled_reading(instrumented):
    """Giving up one attempt to read ends nothing."""
    telemetry = instrumented(providers=PROVIDERS)

    async def ask(client):
        async with client.realtime.connect(model="gpt-realtime") as connection:
            reading = asyncio.ensure_future(connection.recv())
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await connection.response.create()
            await until(connection, "response.done")

    with serving(lambda _event: spoken("resp_1", SPOKEN)) as server:
        run("async", server.url, ask)
    assert [reasons(span) for span in telemetry.spans] == [None, ("stop",)]


def test_body_of_a_realtime_request(instrumented):
    """What `response.create` sets is on the span."""
    telemetry = instrumented(providers=PROVIDERS)
    with serving(lambda _event: spoken("resp_1", SPOKEN)) as server:
        run("sync", server.url, lambda client: speak(client, response={"max_output_tokens": 99}))
    assert telemetry.spans[1].attributes["gen_ai.request.max_tokens"] == 99
    assert realtime("resp_1")["id"] == telemetry.spans[1].attributes["gen_ai.response.id"]
