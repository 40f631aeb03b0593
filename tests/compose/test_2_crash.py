"""Every service is killed under load, one after the other, and nothing is lost."""

from __future__ import annotations

import secrets
import threading
import time
import urllib.error
from functools import partial

import pytest
from compose.stack import Stack, ask
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from stack.parts import fetch

SERVICE = "crash"
COUNTER = "gen_ai.tokens.consumed"
# Each goes on with its data on its volume; the last two have none.
VICTIMS = (
    "otel-collector", "tempo", "prometheus", "analytics", "alertmanager", "notifications",
    "grafana", "collector-ready",
)  # fmt: skip
_PAUSE_S = 0.02


def _attribute(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


class Sender(threading.Thread):
    """An application that calls models, and sends each span and count until it is taken."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._end = threading.Event()
        self._began = time.time_ns()
        self.traces: list[str] = []

    def run(self) -> None:
        while not self._end.wait(_PAUSE_S):
            trace = secrets.token_bytes(16)
            self._send("traces", self._span(trace).SerializeToString())
            self.traces.append(trace.hex())
            self._send("metrics", self._count(len(self.traces)).SerializeToString())

    def reached(self, count: int) -> bool:
        """Whether so many calls were taken."""
        return len(self.traces) >= count

    def close(self) -> None:
        """Send nothing more; what is on its way is finished."""
        self._end.set()
        self.join(60)
        assert not self.is_alive(), "the Collector takes nothing"

    def _send(self, signal: str, body: bytes) -> None:
        headers = {"Content-Type": "application/x-protobuf"}
        while True:
            try:
                fetch(f"{self._url}/v1/{signal}", body, headers)
                return
            except urllib.error.HTTPError as exc:
                if exc.code not in (429, 502, 503, 504):
                    raise
            except OSError:
                pass
            time.sleep(0.1)

    def _span(self, trace: bytes) -> ExportTraceServiceRequest:
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        resource.resource.attributes.append(_attribute("service.name", SERVICE))
        span = resource.scope_spans.add().spans.add()
        span.trace_id, span.span_id = trace, trace[:8]
        span.name, span.kind = "chat gpt-4o-mini", Span.SPAN_KIND_CLIENT
        span.end_time_unix_nano = time.time_ns()
        span.start_time_unix_nano = span.end_time_unix_nano - 1_000_000
        for key, value in (
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "openai"),
            ("gen_ai.request.model", "gpt-4o-mini"),
        ):
            span.attributes.append(_attribute(key, value))
        return request

    def _count(self, count: int) -> ExportMetricsServiceRequest:
        request = ExportMetricsServiceRequest()
        resource = request.resource_metrics.add()
        resource.resource.attributes.append(_attribute("service.name", SERVICE))
        metric = resource.scope_metrics.add().metrics.add()
        metric.name, metric.unit = COUNTER, "{token}"
        metric.sum.is_monotonic = True
        cumulative = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        metric.sum.aggregation_temporality = cumulative
        point = metric.sum.data_points.add()
        point.as_int = count
        point.start_time_unix_nano = self._began
        point.time_unix_nano = time.time_ns()
        point.attributes.append(_attribute("model", "gpt-4o-mini"))
        return request


@pytest.fixture(scope="module")
def sent(stack: Stack) -> list[str]:
    """Traces that were acknowledged while every service was killed once, and came back."""
    stack.up()
    sender = Sender(stack.url("OTLP_HTTP"))
    sender.start()
    began = time.monotonic()
    for service in VICTIMS:
        before = len(sender.traces)
        pid = stack.kill(service)
        ask(partial(stack.runs_anew, service, pid), 60, f"{service} after its crash")
        ask(partial(sender.reached, before + 1), 60, f"a call after the crash of {service}")
    sender.close()
    ask(lambda: all(map(stack.healthy, VICTIMS)), 90, "everything healthy again")
    stack.note("kill -9 of eight services, to all healthy", time.monotonic() - began)
    return sender.traces


def test_tempo_has_every_trace(stack: Stack, sent: list[str]) -> None:
    """Each span that was acknowledged is found by its trace."""
    assert len(sent) > 100
    missing = set(sent)

    def complete() -> bool:
        missing.difference_update([each for each in missing if stack.has_trace(each)])
        return not missing

    ask(complete, 60, f"the traces of {len(sent)} calls")


def test_the_lake_has_every_call_once(stack: Stack, sent: list[str]) -> None:
    """Nothing is lost, and what was sent twice is counted once."""
    rows = (
        "SELECT count(*) n, count(DISTINCT trace_id) traces FROM calls "
        f"WHERE service_name = '{SERVICE}'"
    )

    def counts() -> dict[str, int] | None:
        (row,) = stack.sql(rows)
        return row if row["traces"] >= len(sent) else None

    assert ask(counts, 60, "the calls in the lake") == {"n": len(sent), "traces": len(sent)}


def test_prometheus_has_the_last_count(stack: Stack, sent: list[str]) -> None:
    """The counter ends where the application left it, and never went back."""
    series = f'gen_ai_tokens_consumed_total{{service_name="{SERVICE}"}}'

    def last() -> float:
        found = stack.query(f"max(last_over_time({series}[1h]))")
        return float(found[0]["value"][1]) if found else 0.0

    ask(lambda: last() == len(sent), 60, f"a count of {len(sent)}")
    assert [each["value"][1] for each in stack.query(f"resets({series}[1h])")] == ["0"]


def test_everything_is_as_before(stack: Stack, sent: list[str]) -> None:
    """The doctor finds a stack that works."""
    ran = stack.run("llm-otel", "doctor")
    assert ran.returncode == 0, ran.stdout
