"""Websockets where events overlap, go wrong or come late: each response keeps its own story."""

from __future__ import annotations

import copy
import importlib
import inspect
import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import time_ns
from typing import Any

import pytest

import llm_otel
from llm_otel.testing import SpanRecord, Telemetry

pytest.importorskip("websockets", reason="the server of these tests is made with it")
openai = pytest.importorskip("openai")
realtime = pytest.importorskip(
    "openai.resources.realtime.realtime", reason="this SDK has no realtime.connect()"
)
responses = pytest.importorskip("openai.resources.responses.responses")


def needs(present: bool, what: str) -> Any:
    """Skip a test where the SDK lacks something."""
    return pytest.mark.skipif(not present, reason=f"this SDK has no {what}")


RESPONSES = needs(hasattr(responses, "ResponsesConnection"), "responses.connect()")

pytestmark = pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")

SETTINGS: dict[str, Any] = {"providers": {"127.0.0.1": "openai"}}
USAGE = {"total_tokens": 15, "input_tokens": 10, "output_tokens": 5}
Serve = Callable[[Any], None]


@contextmanager
def client_of(serve: Serve) -> Iterator[Any]:
    """A client of a local server that treats each connection as `serve` says."""
    from websockets.sync.server import serve as listen

    with listen(serve, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        port = server.socket.getsockname()[1]
        try:
            # Older SDKs take `http` in the base URL for `wss`.
            yield openai.OpenAI(websocket_base_url=f"ws://127.0.0.1:{port}/v1", api_key="test")
        finally:
            server.shutdown()
            thread.join(10)


def say(socket: Any, kind: str, **fields: Any) -> None:
    """Send an event."""
    socket.send(json.dumps({"type": kind, **fields}))


def begin(socket: Any, key: str, lane: str | None = None, **fields: Any) -> None:
    """Send that a response has begun."""
    response = {"id": key, "status": "in_progress", "output": [], **fields}
    say(socket, "response.created", response=response, **({"stream_id": lane} if lane else {}))


def done(socket: Any, key: str, **fields: Any) -> None:
    """Send the end of a realtime response."""
    response = {"id": key, "status": "completed", "output": [], "usage": USAGE, **fields}
    say(socket, "response.done", response=response)


def completed(socket: Any, key: str, lane: str | None = None) -> None:
    """Send the end of a response of the Responses API."""
    response = {"id": key, "status": "completed", "output": [], "usage": USAGE, "model": "gpt-5"}
    say(socket, "response.completed", response=response, **({"stream_id": lane} if lane else {}))


def span_of(telemetry: Telemetry, key: str) -> SpanRecord:
    """The one span of a response."""
    spans = [span for span in telemetry.spans if span.attributes.get("gen_ai.response.id") == key]
    assert len(spans) == 1, telemetry
    return spans[0]


def named(telemetry: Telemetry, operation: str) -> list[SpanRecord]:
    """The spans of an operation."""
    return [s for s in telemetry.spans if s.attributes.get("gen_ai.operation.name") == operation]


def read_until(connection: Any, kind: str, times: int = 1) -> None:
    """Read until an event has come so often."""
    while times:
        times -= connection.recv().type == kind


# ------------------------------------------------------------------ which request, which response
def test_speech_overtakes_an_out_of_band_request(instrumented):
    """A response that the server begins by itself does not take the place of one with metadata."""
    telemetry = instrumented(**SETTINGS)

    def serve(socket: Any) -> None:
        socket.recv()
        begin(socket, "spoken", metadata=None)
        begin(socket, "asked", metadata={"topic": "triage"})
        done(socket, "spoken", metadata=None)
        done(socket, "asked", metadata={"topic": "triage"})
        socket.recv()

    with client_of(serve) as client, client.realtime.connect(model="gpt-realtime") as connection:
        with llm_otel.attribution(feature="triage"):
            connection.response.create(
                response={"conversation": "none", "metadata": {"topic": "triage"}}
            )
        read_until(connection, "response.done", 2)
        connection.send({"type": "input_audio_buffer.clear"})
    assert span_of(telemetry, "asked").attributes.get("feature") == "triage", telemetry
    assert span_of(telemetry, "spoken").attributes.get("feature") is None, telemetry
    assert telemetry.count("gen_ai.request.duration") == 2, telemetry


@RESPONSES
def test_lanes_do_not_mix(instrumented):
    """Requests on a lane and on no lane keep apart, whichever begins first."""
    telemetry = instrumented(**SETTINGS)

    def serve(socket: Any) -> None:
        socket.recv()
        socket.recv()
        begin(socket, "plain")
        begin(socket, "laned", "a")
        say(socket, "response.output_text.delta", delta="x", stream_id="a", output_index=0)
        completed(socket, "plain")
        completed(socket, "laned", "a")
        socket.recv()

    with client_of(serve) as client, client.responses.connect() as connection:
        with llm_otel.attribution(feature="laned"):
            connection.send({"type": "response.create", "model": "gpt-5", "stream_id": "a"})
        with llm_otel.attribution(feature="plain"):
            connection.send({"type": "response.create", "model": "gpt-5"})
        read_until(connection, "response.completed", 2)
        connection.send({"type": "response.create", "model": "gpt-5"})
    for key in ("plain", "laned"):
        assert span_of(telemetry, key).attributes.get("feature") == key, telemetry
    first = "gen_ai.response.time_to_first_chunk"
    assert first in span_of(telemetry, "laned").attributes, telemetry
    assert first not in span_of(telemetry, "plain").attributes, telemetry


@RESPONSES
def test_successor_on_a_lane(instrumented):
    """A response that follows by itself on a lane gets the chunks of that lane."""
    telemetry = instrumented(**SETTINGS)

    def serve(socket: Any) -> None:
        socket.recv()
        begin(socket, "first")
        begin(socket, "successor", "a")
        say(socket, "response.output_text.delta", delta="x", stream_id="a", output_index=0)
        completed(socket, "first")
        completed(socket, "successor", "a")
        socket.recv()

    with client_of(serve) as client, client.responses.connect() as connection:
        connection.send({"type": "response.create", "model": "gpt-5"})
        read_until(connection, "response.completed", 2)
    first = "gen_ai.response.time_to_first_chunk"
    assert first in span_of(telemetry, "successor").attributes, telemetry
    assert first not in span_of(telemetry, "first").attributes, telemetry


def test_error_of_another_event_without_ids(instrumented):
    """An error that names no event and is not about the response leaves the response alone."""
    telemetry = instrumented(**SETTINGS)
    error = {
        "type": "invalid_request_error",
        "code": "input_audio_buffer_commit_empty",
        "message": "buffer too small",
        "event_id": None,
    }

    def serve(socket: Any) -> None:
        socket.recv()
        socket.recv()
        say(socket, "error", error=error)
        begin(socket, "r1")
        done(socket, "r1")
        socket.recv()

    with client_of(serve) as client, client.realtime.connect(model="gpt-realtime") as connection:
        connection.response.create()
        connection.input_audio_buffer.commit()
        read_until(connection, "response.done")
    assert telemetry.count("gen_ai.request.duration") == 1, telemetry
    assert telemetry.value("gen_ai.errors") == 0, telemetry


def test_refused_response(instrumented):
    """A request that the server refuses, though it names no event, is a failed call."""
    telemetry = instrumented(**SETTINGS)
    error = {
        "type": "invalid_request_error",
        "code": "conversation_already_has_active_response",
        "message": "busy",
        "event_id": None,
    }

    def serve(socket: Any) -> None:
        socket.recv()
        begin(socket, "r1")
        socket.recv()
        say(socket, "error", error=error)
        done(socket, "r1")
        socket.recv()

    with client_of(serve) as client, client.realtime.connect(model="gpt-realtime") as connection:
        connection.response.create()
        read_until(connection, "response.created")
        connection.response.create()
        read_until(connection, "response.done")
    assert telemetry.count("gen_ai.request.duration") == 2, telemetry
    assert telemetry.value("gen_ai.errors") == 1, telemetry
    assert span_of(telemetry, "r1").attributes["gen_ai.response.finish_reasons"] == ("stop",)


# ------------------------------------------------------------------ what a request says
@RESPONSES
@needs(hasattr(realtime.RealtimeConnectionManager, "send"), "queue before the connection")
def test_queued_before_connecting(instrumented):
    """A request that waits in the manager for the connection is a call of who queued it."""
    telemetry = instrumented(**SETTINGS)

    def serve(socket: Any) -> None:
        socket.recv()
        begin(socket, "r1")
        completed(socket, "r1")
        socket.recv()

    with client_of(serve) as client:
        manager = client.responses.connect()
        with llm_otel.attribution(feature="queued"):
            manager.send({"type": "response.create", "model": "gpt-5", "max_output_tokens": 77})
        with manager as connection:
            read_until(connection, "response.completed")
    span = span_of(telemetry, "r1")
    assert span.attributes.get("feature") == "queued", telemetry
    assert span.attributes.get("gen_ai.request.model") == "gpt-5", telemetry
    assert span.attributes.get("gen_ai.request.max_tokens") == 77, telemetry


@pytest.mark.parametrize("conversation", ["none", "auto"])
def test_conversation_id(instrumented, conversation):
    """`conversation` of a realtime request is a mode; the id is in the response."""
    telemetry = instrumented(**SETTINGS)

    def serve(socket: Any) -> None:
        socket.recv()
        begin(socket, "r1", conversation_id="conv_1")
        done(socket, "r1", conversation_id="conv_1")
        socket.recv()

    with client_of(serve) as client, client.realtime.connect(model="gpt-realtime") as connection:
        connection.response.create(response={"conversation": conversation})
        read_until(connection, "response.done")
    assert span_of(telemetry, "r1").attributes.get("gen_ai.conversation.id") == "conv_1", telemetry


def test_an_end_that_is_sent_twice_counts_once(instrumented):
    """A second `response.done` of the same response is no second call."""
    telemetry = instrumented(**SETTINGS)

    def serve(socket: Any) -> None:
        socket.recv()
        begin(socket, "r1")
        done(socket, "r1")
        done(socket, "r1")
        socket.recv()

    with client_of(serve) as client, client.realtime.connect(model="gpt-realtime") as connection:
        connection.response.create()
        read_until(connection, "response.done", times=2)
    span_of(telemetry, "r1")
    assert telemetry.count("gen_ai.request.duration") == 1, telemetry


def test_model_is_told_after_the_request(instrumented):
    """A request that is sent before the server names the model is counted under that model."""
    telemetry = instrumented(**SETTINGS)

    def serve(socket: Any) -> None:
        socket.recv()
        say(socket, "session.created", session={"type": "realtime", "model": "gpt-realtime"})
        begin(socket, "r1")
        done(socket, "r1")
        socket.recv()

    with client_of(serve) as client, client.realtime.connect(call_id="rtc_1") as connection:
        connection.response.create()
        read_until(connection, "response.done")
    assert telemetry.value("gen_ai.tokens.consumed", model="gpt-realtime") == 15, telemetry
    assert telemetry.value("gen_ai.cost.usd", model="gpt-realtime") > 0, telemetry


@pytest.mark.parametrize(
    ("make", "provider"),
    [
        (lambda url: openai.OpenAI(base_url=url, api_key="test"), "ollama"),
        (
            lambda url: openai.AzureOpenAI(
                azure_endpoint=url, api_version="2024-10-21", api_key="test"
            ),
            "azure.ai.openai",
        ),
    ],
)
def test_who_answers(instrumented, make, provider):
    """The host of a connection is that of the client's requests, as is who answers there."""
    telemetry = instrumented(providers={"127.0.0.1": "ollama"} if provider == "ollama" else {})
    client = make("http://127.0.0.1:9/v1")
    with pytest.raises(OSError, match=r".*"):
        client.realtime.connect(model="gpt-realtime").enter()
    attributes = telemetry.span.attributes
    assert attributes["gen_ai.provider.name"] == provider, telemetry
    assert (attributes["server.address"], attributes["server.port"]) == ("127.0.0.1", 9), telemetry


# ------------------------------------------------------------------ transcriptions
def transcription_server(*events: dict[str, Any]) -> Serve:
    """Commits speech, waits for a message, and tells what came of its transcription."""

    def serve(socket: Any) -> None:
        session = {"audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}}
        say(socket, "session.created", session={"model": "gpt-realtime", **session})
        say(socket, "input_audio_buffer.committed", item_id="i1")
        socket.recv()
        for event in events:
            socket.send(json.dumps(event))
        socket.recv()

    return serve


def transcribe(client: Any, last: str) -> int:
    """Read to the last event; returns when speech had been committed (ns)."""
    with client.realtime.connect(model="gpt-realtime") as connection:
        read_until(connection, "input_audio_buffer.committed")
        committed = time_ns()
        connection.send({"type": "input_audio_buffer.clear"})
        read_until(connection, last)
    return committed


_TRANSCRIPTION = "conversation.item.input_audio_transcription."


def test_transcription_lasts_from_speech_to_text(instrumented):
    """A transcription begins when the speech is committed, not when its text is there."""
    telemetry = instrumented(**SETTINGS)
    usage = {"type": "tokens", **USAGE}
    event = {"type": f"{_TRANSCRIPTION}completed", "item_id": "i1", "content_index": 0}
    with client_of(transcription_server({**event, "transcript": "Hi", "usage": usage})) as client:
        committed = transcribe(client, event["type"])
    (span,) = named(telemetry, "transcription")
    assert span.start <= committed, telemetry


def test_transcription_fails(instrumented):
    """A transcription that fails is a failed call."""
    telemetry = instrumented(**SETTINGS)
    event = {
        "type": f"{_TRANSCRIPTION}failed",
        "item_id": "i1",
        "content_index": 0,
        "error": {"type": "server_error", "code": "server_error", "message": "no"},
    }
    with client_of(transcription_server(event)) as client:
        transcribe(client, event["type"])
    assert telemetry.value("gen_ai.errors", operation="transcription", error_type="server") == 1, (
        telemetry
    )


def test_transcription_without_usage(instrumented):
    """A transcription that tells no usage is a call whose usage is unknown."""
    telemetry = instrumented(**SETTINGS)
    event = {"type": f"{_TRANSCRIPTION}completed", "item_id": "i1", "content_index": 0}
    with client_of(transcription_server({**event, "transcript": "Hi"})) as client:
        transcribe(client, event["type"])
    assert telemetry.value("llm_otel.usage.unknown", operation="transcription") == 1, telemetry


# ------------------------------------------------------------------ connections that break
def test_broken_connection_is_an_error(instrumented):
    """The span of a connection that the server breaks off says so."""
    telemetry = instrumented(**SETTINGS)
    from websockets.exceptions import ConnectionClosedError

    with (
        client_of(lambda socket: socket.close(1011)) as client,
        client.realtime.connect(model="gpt-realtime") as connection,
        pytest.raises(ConnectionClosedError),
    ):
        connection.recv()
    (span,) = telemetry.spans
    assert span.status == "ERROR", telemetry
    assert span.attributes.get("error.type") == "websockets.exceptions.ConnectionClosedError"
    assert telemetry.count("gen_ai.request.duration") == 0, telemetry


@needs("on_reconnecting" in inspect.signature(realtime.Realtime.connect).parameters, "reconnection")
def test_reconnecting(instrumented):
    """What was under way when a connection broke has failed; what follows is on the same span."""
    telemetry = instrumented(**SETTINGS)
    connections = []

    def serve(socket: Any) -> None:
        connections.append(socket)
        if len(connections) == 1:
            socket.recv()
            begin(socket, "lost")
            socket.close(1011)
            return
        say(socket, "session.created", session={"model": "gpt-realtime"})
        socket.recv()
        begin(socket, "kept")
        done(socket, "kept")
        socket.recv()

    with (
        client_of(serve) as client,
        client.realtime.connect(
            model="gpt-realtime", on_reconnecting=lambda _event: None, initial_delay=0.001
        ) as connection,
    ):
        connection.response.create()
        for event in connection:
            if event.type == "session.created":
                connection.response.create()
            elif event.type == "response.done":
                break
    assert telemetry.count("gen_ai.request.duration") == 2, telemetry
    assert telemetry.value("gen_ai.errors", error_type="connection") == 1, telemetry
    assert telemetry.value("gen_ai.tokens.consumed") == 15, telemetry
    (connect,) = [s for s in telemetry.spans if s.parent_id is None]
    assert connect.status != "ERROR", telemetry
    assert connect.attributes.get("http.request.resend_count") == 1, telemetry


# ------------------------------------------------------------------ who reads, and what is hooked
def test_read_by_a_thread(instrumented):
    """What the server begins while a thread reads that knows nothing belongs to who connected."""
    telemetry = instrumented(**SETTINGS)

    def serve(socket: Any) -> None:
        begin(socket, "r1")
        done(socket, "r1")
        socket.recv()

    with (
        client_of(serve) as client,
        llm_otel.attribution(feature="phone"),
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        reader = threading.Thread(target=read_until, args=(connection, "response.done"))
        reader.start()
        reader.join(10)
    assert span_of(telemetry, "r1").attributes.get("feature") == "phone", telemetry


def test_imported_anew(instrumented, monkeypatch):
    """The classes of an SDK's module that is purged and imported anew are hooked as well."""
    name = "openai.resources.realtime.realtime"
    module = importlib.import_module(name)
    package = importlib.import_module("openai.resources.realtime")
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(package, "realtime", module)
    instrumented(**SETTINGS)
    del sys.modules[name]
    anew = importlib.import_module(name)
    assert anew is not module
    for cls in (anew.RealtimeConnection, anew.AsyncRealtimeConnection):
        assert hasattr(cls.recv_bytes, "__wrapped__"), cls


def test_hooks_are_pickled_and_copied_as_what_they_replace(instrumented):
    """Functions of the hooked classes are plain functions, as before."""
    from openai.resources.realtime.realtime import RealtimeConnection as Connection

    instrumented(**SETTINGS)
    for name in ("recv_bytes", "send", "close"):
        function = vars(Connection).get(name, getattr(Connection, name))
        assert copy.deepcopy(function) is function, name
        assert pickle.loads(pickle.dumps(getattr(Connection, name))) is not None, name


def test_no_websocket_code_before_a_connection():
    """A program that connects nowhere does not load what follows connections."""
    program = (
        "import sys, llm_otel; llm_otel.instrument(setup=False)\n"
        "import openai.resources.responses.responses\n"
        "print([name for name in sys.modules if name.startswith('llm_otel.seams.websockets.')])"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.strip() == "['llm_otel.seams.websockets.classes']", told
