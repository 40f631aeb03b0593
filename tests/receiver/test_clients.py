"""The exporters of OpenTelemetry and the library itself find the receiver and fill the lake."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from lake import samples
from lake.pages import content, text
from lake.test_ingest import count
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import llm_otel.lake
from llm_otel.dashboard.site import Site
from llm_otel.lake.ingest import Ingest, Limits
from llm_otel.lake.queries import Filter, Reader, dialogue, optimise, traces
from llm_otel.receiver import Receiver
from llm_otel.receiver import grpc as module


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    """A lake's writer."""
    with Ingest(tmp_path) as ingest:
        yield ingest


@pytest.fixture
def receiver(ingest: Ingest) -> Iterator[Receiver]:
    """Both protocols."""
    with Receiver(ingest, http_port=0, grpc_port=0) as receiver:
        yield receiver


@pytest.mark.parametrize("protocol", ["http", "gzip", "grpc"])
def test_opentelemetry_exporters(
    receiver: Receiver, ingest: Ingest, tmp_path: Path, protocol: str
) -> None:
    """Both protocols of the Python SDK."""
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider.add_span_processor(SimpleSpanProcessor(memory))
    with provider.get_tracer("t").start_as_current_span("chat gpt-4o") as span:
        span.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"})
    exporter: SpanExporter
    if protocol == "grpc":
        exporter = GrpcExporter(f"127.0.0.1:{receiver.grpc_port}", insecure=True)
    else:
        compression = Compression.Gzip if protocol == "gzip" else None
        url = f"http://127.0.0.1:{receiver.http_port}/v1/traces"
        exporter = HttpExporter(url, compression=compression)
    assert exporter.export(memory.get_finished_spans()) == SpanExportResult.SUCCESS
    exporter.shutdown()
    ingest.flush()
    assert (count(tmp_path), count(tmp_path, "calls")) == (1, 1)


def stub(receiver: Receiver) -> tuple[grpc.Channel, TraceServiceStub]:
    """A client without retries."""
    channel = grpc.insecure_channel(f"127.0.0.1:{receiver.grpc_port}")
    return channel, TraceServiceStub(channel)  # type: ignore[no-untyped-call]


def test_grpc_answers_like_http(ingest: Ingest, tmp_path: Path) -> None:
    """The token, partial success, a text that is no UTF-8, and a body that is none."""
    request = samples.spans(samples.CHAT, samples.CHAT)
    request.resource_spans[0].scope_spans[0].spans[0].span_id = b""
    with Receiver(ingest, http_port=None, grpc_port=0, token="s3cret") as receiver:
        channel, client = stub(receiver)
        with channel:
            with pytest.raises(grpc.RpcError) as refused:
                client.Export(request)
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
            metadata = (("authorization", "Bearer s3cret"),)
            answer = client.Export(request, metadata=metadata, compression=grpc.Compression.Gzip)
            assert answer.partial_success.rejected_spans == 1
            raw = channel.unary_unary(f"/{next(iter(module.SERVICES))}/Export")
            texts = samples.spans({**samples.CHAT, "note": "CUT"}, seed=9).SerializeToString()
            assert raw(texts.replace(b"CUT", b"\xe2\x82T"), metadata=metadata) == b""
            with pytest.raises(grpc.RpcError) as bad:
                raw(b"\xff\xff\xff", metadata=metadata)
            assert bad.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert "not a valid protobuf" in bad.value.details()
    ingest.flush()
    assert count(tmp_path) == 2


def test_grpc_says_when_to_come_back(tmp_path: Path) -> None:
    """UNAVAILABLE with RetryInfo, which exporters follow."""
    with (
        Ingest(tmp_path, Limits(free_bytes=1 << 60)) as ingest,
        Receiver(ingest, http_port=None, grpc_port=0) as receiver,
    ):
        channel, client = stub(receiver)
        with channel, pytest.raises(grpc.RpcError) as refused:
            client.Export(ExportTraceServiceRequest())
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        details = dict(refused.value.trailing_metadata())["grpc-status-details-bin"]
        info = RetryInfo()
        assert Status.FromString(details).details[0].Unpack(info)
        assert info.retry_delay.seconds > 0


_PROGRAM = """
import openai, llm_otel, sys
llm_otel.instrument(providers={"127.0.0.1": "openai"})
client = openai.OpenAI(api_key="x", base_url=sys.argv[1])
with llm_otel.attribution(tenant_id="acme", feature="support"):
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hi"}])
    llm_otel.outcome(success=True, kind="resolved", value_usd=2.0)
    llm_otel.score("relevance", 0.5)
"""


_OWN_PROGRAM = """
import httpx, openai, llm_otel, sys
llm_otel.instrument(providers={"127.0.0.1": "openai"})
url = sys.argv[1] + "/chat/completions"
body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
with llm_otel.attribution(tenant_id="acme", feature="support"):
    with llm_otel.call(provider="openai", url=url, body=body) as call:
        call.set_response(httpx.post(url, json=body))
    with llm_otel.call("router", provider="acme"):
        openai.OpenAI(api_key="x", base_url=sys.argv[1]).chat.completions.create(**body)
    with llm_otel.call("house-7b", provider="acme"):
        pass
    with llm_otel.cached("gpt-4o", provider="openai", saved_usd=0.5):
        pass
    with llm_otel.cached("gpt-4o", provider="openai"):
        pass
"""


def _run(
    receiver: Receiver, ingest: Ingest, url: str, program: str = _PROGRAM, **variables: str
) -> None:
    """The program, which says nothing but the port, and what to call the local provider."""
    environment = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.http_port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": "assistant",
        **variables,
    }
    command = [sys.executable, "-c", program, url]
    subprocess.run(command, check=True, env=environment, timeout=60)
    ingest.flush()


@pytest.mark.parametrize("where", ["span_only", "event_only"])
def test_messages_are_shown_wherever_they_were_captured(
    receiver: Receiver, ingest: Ingest, tmp_path: Path, p: Any, where: str
) -> None:
    """On the span, or on the event beside it: the trace has them."""
    captured = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": where}
    _run(receiver, ingest, p.url, **captured)
    lake = llm_otel.lake.open(tmp_path)
    ((trace_id,),) = lake.sql("SELECT trace_id FROM calls").fetchall()
    (span,) = traces.trace(lake, trace_id)
    assert dialogue.messages(span.input_messages) == [("user", "Hi")]
    ((role, said),) = dialogue.messages(span.output_messages)
    assert role == "assistant"
    assert said
    assert len(lake.messages().fetchall()) == (where == "event_only")


def test_the_library_fills_every_table(
    receiver: Receiver, ingest: Ingest, tmp_path: Path, p: Any
) -> None:
    """Calls, money, scores and outcomes."""
    _run(receiver, ingest, p.url)
    lake = llm_otel.lake.open(tmp_path)
    call = lake.sql("SELECT service_name, tenant_id, feature, model, status FROM calls").fetchall()
    assert call == [("assistant", "acme", "support", "gpt-4o", "ok")]
    money = lake.sql(
        "SELECT (SELECT sum(cost_usd) FROM calls), "
        "(SELECT sum(sum) FROM metrics_hourly WHERE metric = 'gen_ai.cost.usd')"
    ).fetchall()[0]
    assert money[0] == pytest.approx(money[1])
    assert money[0] > 0
    assert [count(tmp_path, table) for table in ("scores", "outcomes")] == [1, 1]


def test_a_call_of_ones_own_is_a_call_and_a_cached_answer_is_none(
    receiver: Receiver, ingest: Ingest, tmp_path: Path, p: Any
) -> None:
    """Two requests are two calls, the one through a client inside included; the third told no
    usage; what was answered from the cache is on the page of savings."""
    _run(receiver, ingest, p.url, _OWN_PROGRAM)
    lake = llm_otel.lake.open(tmp_path)
    columns = "model, provider, tenant_id, status, input_tokens, cost_status, cost_usd > 0"
    (first, second, third) = lake.sql(f"SELECT {columns} FROM calls ORDER BY time").fetchall()
    tokens = p.bill["gpt-4o"].input_tokens // 2
    assert first == second == ("gpt-4o", "openai", "acme", "ok", tokens, None, True)
    assert third == ("house-7b", "acme", "acme", "ok", None, "unknown", None)
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    window = Filter(now - timedelta(hours=1), now + timedelta(hours=1))
    (cached,) = optimise.optimise(Reader(lake, window)).cached
    assert cached == optimise.Cached("support", "gpt-4o", "openai", 2, 0.5, 1)
    page = text(content(Site(lake, clock=lambda: datetime.now(timezone.utc)), "/optimise"))
    assert "2 answers, of 1 the saving is not known" in page
    assert "Answered from your own cache" in page
