"""Streams and steps that the garbage collector ends while somebody holds a lock."""

from __future__ import annotations

import pytest
from hostile.sdks import SDKS, Sdk
from programs import run

from llm_otel.testing import Provider

# Every way to drop something unfinished, as part of a reference cycle: only the collector ends it.
# The vendor's span processor takes a lock that cannot be taken twice, as many do; who holds it
# while the collector runs is the test's parameter.
PROGRAM = """
import faulthandler, gc, logging, sys, threading, weakref
import {module}
import llm_otel
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

faulthandler.dump_traceback_later({deadline}, exit=True)

LOCK = threading.Lock()
armed, collected_at = [], []
ended = threading.Semaphore(0)
spans = []


def collect():
    if armed:
        armed.clear()
        gc.collect()
        collected_at.append(time.time_ns())


class Vendor(SpanProcessor):
    def on_start(self, span, parent_context=None):
        with LOCK:
            if {holder!r} == "span processor":
                collect()

    def on_end(self, span):
        with LOCK:
            if span.name != "trigger":
                spans.append(span)
                ended.release()


class Exporter(SpanExporter):
    def export(self, spans):
        with LOCK:
            if {holder!r} == "exporter":
                collect()


class Handler(logging.Handler):
    def emit(self, record):
        with LOCK:
            collect()


def trigger():
    if {holder!r} == "program":
        with LOCK:
            collect()
    elif {holder!r} == "log handler":
        logging.getLogger("app").warning("something")
    else:
        tracers.get_tracer("app").start_span("trigger").end()


tracers = TracerProvider()
tracers.add_span_processor(Vendor())
tracers.add_span_processor(SimpleSpanProcessor(Exporter()))
reader = InMemoryMetricReader()
logging.getLogger("app").addHandler(Handler())
logging.getLogger("app").propagate = False
meters = MeterProvider([reader])
llm_otel.instrument(tracer_provider=tracers, meter_provider=meters, clients=({module!r},))
client = {module}.{client}(base_url={url!r}, api_key="test")
chat = client.{resource}
ASK = dict({question}, stream=True)


class Cycle:
    def __init__(self, *held):
        self.held, self.me = held, self


def midway():
    stream = chat.create(**ASK)
    next(stream)
    Cycle(stream)


def unread():
    Cycle(chat.create(**ASK))


def raw():
    Cycle(chat.with_raw_response.create(**ASK))


def in_a_generator():
    def body():
        with chat.create(**ASK) as stream:
            yield from stream

    running = body()
    next(running)
    Cycle(running)


def in_a_generator_that_goes_on():
    def body():
        stream = chat.create(**ASK)
        try:
            yield from stream
        except GeneratorExit:
            pass
        stream.close()

    running = body()
    next(running)
    Cycle(running)


def closed_by_an_object():
    class Owner:
        def __init__(self):
            self.stream, self.me = chat.create(**ASK), self
            next(self.stream)

        def __del__(self):
            self.stream.close()

    Owner()


def closed_by_a_weak_reference():
    stream = chat.create(**ASK)
    next(stream)
    owner = Cycle()
    weakref.finalize(owner, stream.close)


def decorated_step():
    @llm_otel.tool
    def search():
        yield 1
        yield 2

    running = search()
    next(running)
    Cycle(running)


def decorated_step_that_goes_on():
    @llm_otel.tool
    def search():
        try:
            yield 1
        except GeneratorExit:
            return

    running = search()
    next(running)
    Cycle(running)


def step_in_a_generator():
    def body():
        with llm_otel.workflow("research"):
            yield 1

    running = body()
    next(running)
    Cycle(running)


def step_that_fails_when_closed():
    def body():
        with llm_otel.workflow("research"):
            try:
                yield 1
            finally:
                raise LookupError("mine")

    running = body()
    next(running)
    Cycle(running)


sys.unraisablehook = lambda *_: None
gc.collect()
gc.disable()
for drop in {drops}:
    globals()[drop]()
    armed.append(True)
    trigger()
    assert ended.acquire(timeout=5), f"{{drop}} left its span open"
    span = spans.pop()
    assert span.end_time <= collected_at.pop(), f"{{drop}} ended its span as of later"
    assert not spans, spans
    print(drop, "ended")
data = reader.get_metrics_data()
active = [
    point.value
    for scope in data.resource_metrics[0].scope_metrics
    for metric in scope.metrics
    if metric.name == "gen_ai.requests.active"
    for point in metric.data.data_points
]
print("active", active)
faulthandler.cancel_dump_traceback_later()
"""
DROPS = (
    "midway",
    "unread",
    "raw",
    "in_a_generator",
    "in_a_generator_that_goes_on",
    "closed_by_an_object",
    "closed_by_a_weak_reference",
    "decorated_step",
    "decorated_step_that_goes_on",
    "step_in_a_generator",
    "step_that_fails_when_closed",
)
DEADLINE = 20  # seconds


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
@pytest.mark.parametrize("holder", ["span processor", "exporter", "log handler", "program"])
def test_a_collection_inside_somebodys_lock_hangs_nobody(
    server: Provider, holder: str, sdk: Sdk
) -> None:
    """What is dropped ends elsewhere, soon, once, and as of when it was dropped."""
    server.reset()
    program = PROGRAM.format(
        url=server.origin + sdk.root,
        holder=holder,
        drops=DROPS,
        deadline=DEADLINE,
        module=sdk.name,
        client=sdk.clients[0].__name__,
        resource=sdk.resource,
        question=sdk.question,
    )
    ended = run(program)
    assert ended.out.splitlines() == [f"{drop} ended" for drop in DROPS] + ["active [0]"], (
        ended.out,
        "\n".join(ended.log),
    )
    assert (ended.code, ended.log) == (0, [])
