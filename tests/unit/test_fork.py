"""A child counts from 0: the sum over a parent and its children is the true cost."""

from __future__ import annotations

import os
from collections import defaultdict

import pytest
from otlp_receiver import OtlpReceiver
from programs import Ended, run

from llm_otel import semconv
from llm_otel.testing import Provider, provider

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

CALLS = """
import multiprocessing, os, sys
import openai
import llm_otel
from opentelemetry import metrics

llm_otel.instrument(providers={{"127.0.0.1": "openai"}})
llm_otel.cost(model="gpt-4o", input_tokens=1)  # waits for the prices
client = openai.OpenAI(base_url={url!r}, api_key="test")

def call(times):
    # Two processes that write to one connection at once would garble their requests.
    with openai.OpenAI(base_url={url!r}, api_key="test") as client:
        for _ in range(times):
            client.chat.completions.create(
                model="gpt-4o", messages=[{{"role": "user", "content": "Hi"}}]
            )

"""

PRE_FORK = """
call(2)
children = []
for times in (3, 4):
    child = os.fork()
    if child == 0:
        call(times)
        sys.exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
call(1)
"""

MULTIPROCESSING = """
call(2)
context = multiprocessing.get_context("fork")
children = [context.Process(target=call, args=(times,)) for times in (3, 4)]
for child in children:
    child.start()
for child in children:
    child.join()
call(1)
"""

COLLECTED_BEFORE = """
call(2)
metrics.get_meter_provider().force_flush()
child = os.fork()
if child == 0:
    call(7)
    sys.exit(0)
os.waitpid(child, 0)
call(1)
"""

STREAM_ACROSS = """
stream = client.chat.completions.create(
    model="gpt-4o", messages=[{{"role": "user", "content": "Hi"}}], stream=True,
    stream_options={{"include_usage": True}},
)
next(stream)
child = os.fork()
if child == 0:
    stream.close()
    client.close()
    call(1)
    sys.exit(0)
os.waitpid(child, 0)
for _ in stream:
    pass
client.close()
call(8)
"""

# A thread that the child does not have is inside `instrument()` while the process forks.
LOCKED = """
import threading
from llm_otel import lifecycle
from llm_otel.core.metrics import instruments
held, done = threading.Event(), threading.Event()
def hold():
    with lifecycle._lock, instruments._registry_lock:
        held.set()
        done.wait()
holder = threading.Thread(target=hold)
holder.start()
held.wait()
child = os.fork()
if child == 0:
    llm_otel.uninstrument()
    llm_otel.instrument(providers={{"127.0.0.1": "openai"}})
    call(4)
    sys.exit(0)
os.waitpid(child, 0)
done.set()
holder.join()
call(6)
"""

# Threads that the child does not have collect, export and record while the process forks.
EXPORTING = """
import threading
from llm_otel.sdk import setup
meters = setup._own_providers[1]
meter = metrics.get_meter("app")
uses = meter.create_counter("uses")
uses.add(1)
(storage,) = meters._measurement_consumer._reader_storages.values()
(reader,) = meters._measurement_consumer._reader_storages
(match,) = storage._instrument_view_instrument_matches[uses]
(sum,) = match._attributes_aggregation.values()
held, done = threading.Event(), threading.Event()
def hold():
    with reader._export_lock, meters._measurement_consumer._lock, match._lock, sum._lock:
        held.set()
        done.wait()
holder = threading.Thread(target=hold)
holder.start()
held.wait()
child = os.fork()
if child == 0:
    call(4)
    uses.add(1)
    sys.exit(0)
os.waitpid(child, 0)
done.set()
holder.join()
call(6)
"""


def _sums(receiver: OtlpReceiver, metric: semconv.Metric) -> dict[str, float]:
    """The last value of a counter, or the count of a histogram, summed by instance."""
    last: dict[tuple[str, str], float] = {}
    for resource in receiver.resources("/v1/metrics"):
        instance = next(
            attribute.value.string_value
            for attribute in resource.resource.attributes
            if attribute.key == "service.instance.id"
        )
        for scope in resource.scope_metrics:
            for found in scope.metrics:
                if found.name == metric.name:
                    for point in found.sum.data_points:
                        value = point.as_double or point.as_int
                        last[instance, str(point.attributes)] = value
                    for point in found.histogram.data_points:
                        last[instance, str(point.attributes)] = point.count
    sums: dict[str, float] = defaultdict(float)
    for (instance, _), value in last.items():
        sums[instance] += value
    return dict(sums)


def _ended(program: str, serving: Provider, receiver: OtlpReceiver) -> Ended:
    return run(
        CALLS.format(url=serving.url) + program.replace("{{", "{").replace("}}", "}"),
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
    )


@pytest.mark.parametrize(
    ("program", "processes"),
    [
        (PRE_FORK, 3),
        (MULTIPROCESSING, 3),
        (COLLECTED_BEFORE, 2),
        (STREAM_ACROSS, 2),
        (LOCKED, 2),
        (EXPORTING, 2),
    ],
    ids=["pre-fork", "multiprocessing", "collected before", "stream across", "locked", "exporting"],
)
def test_parent_and_children_sum_to_the_true_cost(program: str, processes: int) -> None:
    """Ten calls are ten calls, whoever makes them, each process under its own instance id."""
    with provider() as serving, OtlpReceiver() as receiver:
        ended = _ended(program, serving, receiver)
        bill = serving.bill["gpt-4o"]
    assert (ended.code, ended.log) == (0, [])
    durations = _sums(receiver, semconv.REQUEST_DURATION)
    assert (len(durations), sum(durations.values())) == (processes, 10), durations
    tokens = sum(_sums(receiver, semconv.TOKENS_CONSUMED).values())
    assert tokens == bill.input_tokens + bill.output_tokens
    cost = sum(_sums(receiver, semconv.COST).values())
    expected = (bill.input_tokens * 2.5 + bill.output_tokens * 10) / 1e6
    assert cost == pytest.approx(expected, rel=1e-9)
    assert len(receiver.spans()) == 10, receiver.spans()
    assert set(_sums(receiver, semconv.REQUESTS_ACTIVE).values()) == {0}
