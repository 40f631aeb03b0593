"""What the garbage collector ends at awkward moments."""

from __future__ import annotations

import gc
import threading
from typing import Any

import openai
import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.metrics._internal._view_instrument_match import _ViewInstrumentMatch
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

import llm_otel
from llm_otel.base import finalizers, fork
from llm_otel.core.ledger import Beginning, Ledger
from llm_otel.core.metrics.pending_counters import PendingCounters
from llm_otel.seams import imports
from llm_otel.testing import Provider, capture

QUESTION: Any = [{"role": "user", "content": "Hi"}]


def _drop_a_stream(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True)
    next(stream)


@pytest.mark.parametrize(
    ("owner", "method"),
    [
        (PendingCounters, "put"),
        (_ViewInstrumentMatch, "consume_measurement"),
        (SpanProcessor, "on_end"),
    ],
    ids=["our sums", "the SDK's metrics", "the SDK's spans"],
)
def test_a_collection_inside_a_lock_blocks_nobody(
    p: Provider, monkeypatch: pytest.MonkeyPatch, owner: type, method: str
) -> None:
    """A dropped stream that is collected while a lock is held ends later, and once."""
    with capture(providers={"127.0.0.1": "openai"}) as got:
        client = openai.OpenAI(base_url=p.url, api_key="test")
        gc.collect()
        gc.disable()
        try:
            _drop_a_stream(client)
            original = getattr(owner, method)

            def collecting(*args: Any) -> Any:
                monkeypatch.undo()
                gc.collect()
                return original(*args)

            monkeypatch.setattr(owner, method, collecting)
            done = threading.Event()

            def call() -> None:
                client.chat.completions.create(model="gpt-4o", messages=QUESTION)
                got.value("gen_ai.requests.active")
                done.set()

            threading.Thread(target=call, daemon=True).start()
            assert done.wait(10), "the host hangs in our lock"
        finally:
            gc.enable()
        client.chat.completions.create(model="gpt-4o", messages=QUESTION)
        gc.collect()
    finish = sorted(
        str(span.attributes.get("gen_ai.response.finish_reasons")) for span in got.spans
    )
    assert len(finish) == 3, got.tree()
    assert got.value("gen_ai.requests.active") == 0


class _Names(SpanProcessor):
    def __init__(self) -> None:
        self.ended: list[str] = []

    def on_end(self, span: Any) -> None:
        self.ended.append(span.name)


@pytest.mark.parametrize("way", ["closed", "with block", "read to its end"])
def test_a_stream_that_is_left_on_purpose_ends_at_once(p: Provider, way: str) -> None:
    """Its span is exported before the next statement of the program."""
    names, tracers = _Names(), TracerProvider()
    tracers.add_span_processor(names)
    llm_otel.instrument(tracer_provider=tracers, setup=False)
    try:
        client = openai.OpenAI(base_url=p.url, api_key="test")
        stream = client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True)
        if way == "closed":
            next(stream)
            stream.close()
        elif way == "with block":
            with stream:
                next(stream)
        else:
            list(stream)
        assert names.ended == ["chat gpt-4o"]
    finally:
        llm_otel.uninstrument()


def test_what_a_suppressed_call_finds_waiting_is_left_alone(p: Provider) -> None:
    """A processor that calls a model with its lock held, suppressed, does not end others' calls."""
    lock, seen = threading.Lock(), []

    class Judging(SpanProcessor):
        def on_end(self, span: Any) -> None:
            with lock, suppress_instrumentation():
                seen.append(span.name)
                finalizers.pending.append(finalizers._End(lambda _: span_of_another.end(), at))
                client.chat.completions.create(model="gpt-4o", messages=QUESTION)

    tracers = TracerProvider()
    client = openai.OpenAI(base_url=p.url, api_key="test")
    llm_otel.instrument(tracer_provider=tracers, setup=False)
    span_of_another = tracers.get_tracer("test").start_span("another")
    at = finalizers.now()
    tracers.add_span_processor(Judging())
    try:
        client.chat.completions.create(model="gpt-4o", messages=QUESTION)
        assert seen == ["chat gpt-4o"]
    finally:
        finalizers.pending.clear()
        llm_otel.uninstrument()


def test_instrumenting_again_and_again_leaves_nothing_behind() -> None:
    """No hook, handler or method piles up over many `instrument()`s."""
    with capture():
        before = (len(fork._methods), sum(map(len, imports._watched.values())))
    for _ in range(10):
        with capture():
            pass
        gc.collect()
    with capture():
        after = (len(fork._methods), sum(map(len, imports._watched.values())))
    assert after[0] <= before[0] + 10, (before, after)
    assert after[1] == before[1]


def test_a_stand_in_for_the_client_is_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of applications put mocks in place of modules: `instrument()` works all the same."""
    import sys
    import types

    stand_in = types.ModuleType("groq")
    stand_in.__spec__ = None
    monkeypatch.setitem(sys.modules, "groq", stand_in)
    with capture():
        assert hasattr(openai.OpenAI.request, "__wrapped__")


def test_the_ledger_outlives_a_fork_by_labels() -> None:
    """Whose usage it is, is told by labels, not by sums that a child has forgotten."""
    ledger = Ledger(capacity=2)
    first = Beginning({"model": "gpt-5"}, None)
    assert ledger.begin("resp_1", first)
    assert not ledger.begin("resp_1", Beginning({"model": "another"}, None))
    assert ledger.claim("resp_1") == (True, first)
    assert ledger.claim("resp_1") == (False, None)
    for number in range(3):
        assert ledger.claim(f"resp_x{number}")[0]
    assert ledger.claim("resp_1")[0], "the oldest ids are forgotten"


def test_a_span_processor_may_make_calls_of_its_own(p: Provider) -> None:
    """No end of ours runs inside a lock that a processor's own call would need."""
    client = openai.OpenAI(base_url=p.url, api_key="test")
    made: list[str] = []

    class Calling(SpanProcessor):
        def on_end(self, span: Any) -> None:
            if not made:
                made.append(span.name)
                client.chat.completions.create(model="gpt-4o", messages=QUESTION)

    tracers = TracerProvider()
    tracers.add_span_processor(Calling())
    llm_otel.instrument(tracer_provider=tracers, setup=False)
    try:
        client.chat.completions.create(model="gpt-4o", messages=QUESTION)
    finally:
        llm_otel.uninstrument()
    assert made == ["chat gpt-4o"]
    assert len(p.requests) == 2
