"""The shipped Collector with what the library sends: keys and types stay, nothing is lost."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import openai
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from stack.catchers import wait_for
from stack.collector_rig import OVERLAYS, Collector, Metrics, Traces, exporting
from stack.parts import fetch

import llm_otel
from llm_otel import semconv, testing
from llm_otel.stack.canary.positions import attribute, new_record
from llm_otel.stack.canary.sending import grpc_
from llm_otel.stack.collector.allowed import CONTENT, METRICS

KEY = b"0123456789abcdef0123456789abcdef0123"
DEADLINE_SECONDS = 30
# What may change between the library and the backend: these go, the Collector's docs say so.
GOES = {*CONTENT, semconv.USER_ID}


class Stack:
    """A Collector with its receivers, and what the library sent to it."""

    def __init__(self, folder: Path) -> None:
        self.traces, self.metrics = Traces(), Metrics()
        (folder / "key").write_bytes(KEY)
        self.metrics.__enter__()
        self.collector = Collector(
            folder,
            OVERLAYS / "user-hash.yaml",
            tempo=f"127.0.0.1:{self.traces.port}",
            prometheus=self.metrics.endpoint,
            environment={"USER_ID_KEY_FILE": str(folder / "key")},
        )
        self.sent = InMemorySpanExporter()

    def stop(self) -> None:
        """Stop all."""
        self.collector.part.stop()
        self.metrics.__exit__(None, None, None)
        self.traces.stop()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Collector that calls, steps, a failure, a score and an outcome were sent to."""
    made = Stack(tmp_path_factory.mktemp("collector"))
    sent = SimpleSpanProcessor(made.sent)
    settings = {"user_id": "plain", "capture_content": "span_and_event"}
    try:
        with exporting(made.collector.http, "test", sent, **settings):
            call_everything()
        ours = len(made.sent.get_finished_spans())
        wait_for(lambda: len(made.traces.spans()) >= ours, "all spans", DEADLINE_SECONDS)
        wait_for(made.metrics.metrics, "metrics", DEADLINE_SECONDS)
        yield made
    finally:
        made.stop()


def call_everything() -> None:
    """A little of each that the library knows."""
    messages = [{"role": "user", "content": "a prompt"}]
    with (
        testing.provider() as provider,
        openai.OpenAI(base_url=provider.url, api_key="key", max_retries=0) as client,
        llm_otel.attribution(tenant_id="acme", feature="chat", user_id="ada", session_id="s1"),
        llm_otel.workflow("triage"),
        llm_otel.agent("helper"),
        llm_otel.tool("search"),
    ):
        client.chat.completions.create(
            model="gpt-4o", messages=messages, stop=["END"], temperature=0.2, seed=7, n=2
        )
        client.embeddings.create(model="text-embedding-3-small", input="text")
    llm_otel.score("relevance", 0.9, label="pass", explanation="because")
    llm_otel.outcome(success=True, kind="resolved", value_usd=2.5)


def attributes(items: Any) -> dict[str, str]:
    """Key → which kind of value, as OTLP has it."""
    return {each.key: each.value.WhichOneof("value") for each in items}


def test_spans_come_out_with_the_same_keys_and_types(stack: Stack) -> None:
    """All but content and the plain user id; lists stay lists under their own names."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    sent = encode_spans(stack.sent.get_finished_spans()).resource_spans[0].scope_spans[0].spans
    came = {span.span_id: span for span in stack.traces.spans()}
    assert len(sent) == 5
    for span in sent:
        wanted = {k: v for k, v in attributes(span.attributes).items() if k not in GOES}
        if semconv.USER_ID in attributes(span.attributes):
            wanted[semconv.USER_HASH] = "string_value"
        got = came[span.span_id]
        assert attributes(got.attributes) == wanted, span.name
        assert got.name == span.name
        assert (got.start_time_unix_nano, got.status.code) == (
            span.start_time_unix_nano,
            span.status.code,
        )


def test_values_come_out_unchanged(stack: Stack) -> None:
    """A chat call's span says what it said."""
    sent = next(s for s in stack.sent.get_finished_spans() if s.name == "chat gpt-4o")
    came = next(s for s in stack.traces.spans() if s.name == "chat gpt-4o")
    for each in came.attributes:
        kind = each.value.WhichOneof("value")
        value = getattr(each.value, kind)
        if kind == "array_value":
            value = tuple(item.string_value for item in value.values)
        if each.key != semconv.USER_HASH:
            assert sent.attributes[each.key] == value, each.key


def test_the_overlay_hashes_users_as_the_library_does(stack: Stack) -> None:
    """HMAC-SHA-256 with the key in the file: the same pseudonym from both."""
    wanted = hmac.new(KEY, b"ada", hashlib.sha256).hexdigest()
    came = next(s for s in stack.traces.spans() if s.name == "chat gpt-4o")
    values = {each.key: each.value.string_value for each in came.attributes}
    assert values[semconv.USER_HASH] == wanted
    assert semconv.USER_ID not in values


def test_metrics_come_out_with_their_labels(stack: Stack) -> None:
    """The cost and duration of a call by all of its labels."""
    names = {metric.name for metric in METRICS}
    assert set(stack.metrics.metrics()) <= names
    points = [
        point
        for resource in stack.metrics.resources("/v1/metrics")
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == semconv.REQUEST_DURATION.name
        for point in metric.histogram.data_points
    ]
    labels = set(semconv.CALL_LABELS)
    assert points
    assert all(attributes(point.attributes).keys() == labels for point in points)


def test_events_come_out_without_content(stack: Stack) -> None:
    """Scores and outcomes are kept on the Collector's volume, explanations are not."""
    folder = stack.collector.events
    text = wait_for(lambda: "".join(path.read_text() for path in folder.iterdir()), "events")
    for wanted in (semconv.EVENT_EVALUATION, semconv.EVENT_OUTCOME, semconv.OUTCOME_VALUE):
        assert wanted in text
    assert "because" not in text
    assert "a prompt" not in text


def test_the_collector_tells_of_itself(stack: Stack) -> None:
    """Metrics by pull, in the names that the alerts use."""
    text = fetch(stack.collector.own_metrics).decode()
    for name in ("otelcol_receiver_accepted_spans{", "otelcol_exporter_queue_size{"):
        assert f"\n{name}" in text, [line for line in text.splitlines() if "accepted" in line]


def test_what_is_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """Kill -9 under load with Tempo down: each span that was acknowledged arrives after it."""
    lost = Traces()
    port = lost.port
    lost.stop()
    with Metrics() as metrics:
        collector = Collector(tmp_path, tempo=f"127.0.0.1:{port}", prometheus=metrics.endpoint)
        acknowledged = load(collector, kill_after=60)
        traces = Traces(port)
        with collector.part:
            collector.part.start()
            wait_for(
                lambda: acknowledged <= {span.span_id for span in traces.spans()},
                "all that was acknowledged",
                DEADLINE_SECONDS,
            )
    counts = Counter(span.span_id for span in traces.spans())
    traces.stop()
    repeated = sum(count - 1 for count in counts.values())
    assert len(acknowledged) >= 60
    assert repeated <= len(acknowledged), counts.most_common(3)


def load(collector: Collector, kill_after: int) -> set[bytes]:
    """Send spans one by one from three threads until the Collector is killed; those it took."""
    taken: set[bytes] = set()
    enough = threading.Event()

    def send(first: int) -> None:
        send_one = grpc_(collector.grpc)
        for number in range(first, first + 100_000):
            try:
                if not send_one("traces", new_record("traces", number).request.SerializeToString()):
                    return
            except (llm_otel.ConfigError, grpc.RpcError):
                return
            taken.add(number.to_bytes(8, "big"))
            if len(taken) >= kill_after:
                enough.set()

    threads = [threading.Thread(target=send, args=(n * 1_000_000 + 1,)) for n in range(3)]
    for thread in threads:
        thread.start()
    assert enough.wait(DEADLINE_SECONDS)
    collector.part.kill()
    for thread in threads:
        thread.join()
    return taken


def test_a_wrong_form_on_a_metric_becomes_other(stack: Stack) -> None:
    """A label's value that is no plain word does not merge the series with one without it."""
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue

    made = new_record("metrics", 77)
    attribute(made.point.attributes, semconv.FEATURE, AnyValue(string_value="my own words"))
    attribute(made.point.attributes, semconv.TENANT_ID, AnyValue(string_value="tenant-77"))
    assert grpc_(stack.collector.grpc)("metrics", made.request.SerializeToString())

    def features() -> set[str]:
        return {
            each.value.string_value
            for resource in stack.metrics.resources("/v1/metrics")
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.sum.data_points
            if any(a.value.string_value == "tenant-77" for a in point.attributes)
            for each in point.attributes
            if each.key == semconv.FEATURE
        }

    assert wait_for(features, "the label") == {semconv.OTHER}
