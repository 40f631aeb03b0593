"""Every way to leave a stream ends its call exactly once, at the moment it is left."""

from __future__ import annotations

import gc
from contextlib import suppress
from typing import Any

import openai
import pytest

import llm_otel
from tests.conformance.calls import MESSAGES
from tests.conformance.streams import HELPERS, KINDS, check, start

pytestmark = pytest.mark.usefixtures("no_collector")


def drained(stream: Any) -> None:
    for _ in stream:
        pass


def drained_by_next(stream: Any) -> None:
    while next(stream, None) is not None:
        pass


def drained_and_closed(stream: Any) -> None:
    with stream:
        drained(stream)
    stream.close()


def broken_off_and_closed(stream: Any) -> None:
    for _ in stream:
        break
    stream.close()


def broken_off(stream: Any) -> None:
    for _ in stream:
        break


def left_by_an_error(stream: Any) -> None:
    with suppress(KeyError), stream:
        for _ in stream:
            raise KeyError


def closed_unread(stream: Any) -> None:
    stream.close()


def dropped_unread(stream: Any) -> None:
    pass


LEFT = {
    drained: "stop",
    drained_by_next: "stop",
    drained_and_closed: "stop",
    broken_off_and_closed: "cancelled",
    broken_off: "cancelled",
    left_by_an_error: "cancelled",
    closed_unread: "cancelled",
    dropped_unread: "cancelled",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("leave", LEFT, ids=lambda leave: leave.__name__)
def test_leaving(instrumented, client, kind, leave):
    """However the caller leaves a stream, the call ends once, without an error."""
    telemetry = instrumented()
    leave(start(client, kind))
    gc.collect()
    check(telemetry, LEFT[leave])


@pytest.mark.parametrize("leave", [broken_off_and_closed, left_by_an_error, closed_unread])
@pytest.mark.parametrize("kind", KINDS)
def test_leaving_ends_at_once(instrumented, client, kind, leave):
    """A stream that is closed has ended by then, though the program keeps it."""
    telemetry = instrumented()
    kept = start(client, kind)
    leave(kept)
    check(telemetry, "cancelled")


def test_break_after_the_end(instrumented, client):
    """Who stops at the last choice's finish reason has it on the span."""
    telemetry = instrumented()
    with start(client, "chat") as stream:
        for chunk in stream:
            if chunk.choices[0].finish_reason:
                break
    check(telemetry, "stop")


@pytest.mark.parametrize("kind", HELPERS)
@pytest.mark.parametrize(
    ("events", "finish"), [(0, "cancelled"), (1, "cancelled"), (10_000, "stop")]
)
def test_leaving_a_helper(instrumented, client, kind, events, finish):
    """A `.stream()` helper ends with its `with` block, though the program keeps it."""
    telemetry = instrumented()
    with start(client, kind) as kept:
        for _ in zip(range(events), kept):
            pass
    check(telemetry, finish)
    assert kept is not None


def test_helper_left_by_an_error(instrumented, client):
    """The user's own error in a helper's block is not the provider's."""
    telemetry = instrumented()
    with suppress(KeyError), start(client, "chat helper") as kept:
        next(iter(kept))
        raise KeyError
    check(telemetry, "cancelled")


def test_manager_never_entered(instrumented, client, p):
    """A helper that is made and not entered sends nothing and shows nothing."""
    telemetry = instrumented()
    start(client, "chat helper")
    gc.collect()
    assert telemetry.spans == []
    assert p.requests == []


@pytest.mark.parametrize("read", ["nothing", "a line", "all"])
def test_leaving_raw_bytes(instrumented, client, read):
    """A streamed response that is read as bytes, or not, ends with its block."""
    telemetry = instrumented()
    call = client.chat.completions.with_streaming_response.create
    with call(model="gpt-4o", messages=MESSAGES, stream=True) as response:
        if read == "a line":
            next(response.iter_lines())
        elif read == "all":
            response.read()
    span = telemetry.span
    assert span.status == "UNSET"
    assert telemetry.value("gen_ai.requests.active") == 0
    assert span.attributes.get("gen_ai.response.finish_reasons") == {
        "nothing": ("cancelled",), "a line": ("cancelled",), "all": ("stop",)
    }[read]  # fmt: skip


def test_error_in_a_stream(instrumented, client, p):
    """An error that the provider sends inside a stream is the call's."""
    telemetry = instrumented()
    p.enqueue("stream_error")
    with pytest.raises(openai.APIError):
        drained(start(client, "chat"))
    check(telemetry, "error", "ERROR")
    assert telemetry.value("gen_ai.errors", error_type="server") == 1


def test_connection_lost_in_a_stream(instrumented, client, p):
    """A connection that breaks inside a stream is a connection error."""
    telemetry = instrumented()
    p.enqueue("disconnect")
    with pytest.raises(Exception, match=r"closed|incomplete|peer|onnection"):
        drained(start(client, "chat"))
    check(telemetry, "error", "ERROR")
    assert telemetry.value("gen_ai.errors", error_type="connection") == 1


def test_connection_lost_in_raw_bytes(instrumented, client, p):
    """A connection that breaks while the caller reads bytes is a connection error too."""
    telemetry = instrumented()
    p.enqueue("disconnect")
    call = client.chat.completions.with_streaming_response.create
    with (
        call(model="gpt-4o", messages=MESSAGES, stream=True) as response,
        pytest.raises(Exception, match=r"closed|incomplete|peer|onnection"),
    ):
        response.read()
    check(telemetry, "error", "ERROR")
    assert telemetry.value("gen_ai.errors", error_type="connection") == 1


def test_made_before(instrumented, client):
    """Raw-response methods that were taken before `instrument()` are seen after it, once."""
    create = client.chat.completions.with_raw_response.create
    streaming = client.chat.completions.with_streaming_response.create
    telemetry = instrumented()
    create(model="gpt-4o", messages=MESSAGES)
    with streaming(model="gpt-4o", messages=MESSAGES) as response:
        response.read()
    assert [span.name for span in telemetry.spans] == ["chat gpt-4o"] * 2


def test_made_before_and_used_after(instrumented, client):
    """Methods taken while instrumented are plain again after `uninstrument()`."""
    telemetry = instrumented()
    create = client.chat.completions.with_raw_response.create
    llm_otel.uninstrument()
    create(model="gpt-4o", messages=MESSAGES)
    assert telemetry.spans == []


@pytest.mark.parametrize("leave", [drained, broken_off_and_closed, broken_off])
def test_uninstrumented_meanwhile(instrumented, client, leave):
    """A stream that is open at `uninstrument()` ends as it would have."""
    telemetry = instrumented()
    stream = start(client, "chat")
    next(stream)
    llm_otel.uninstrument()
    leave(stream)
    del stream
    gc.collect()
    check(telemetry, LEFT[leave])
