"""What both services do when they start: telemetry, a port, an HTTP server."""

from __future__ import annotations

import os
import socket

import uvicorn
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from starlette.types import ASGIApp

import llm_otel
from examples import local

COPY_TO = "AGENT_EXAMPLE_COPY_TO"  # `python -m examples.agent` prints its tree from this copy


def instrument() -> None:
    """Set llm-otel up; a service of your own needs no more than the first call."""
    try:
        llm_otel.instrument(
            # what the services learn from each other about a call; providers never do
            baggage=["tenant_id", "feature", "session_id"],
            flush_on_sigterm=True,  # that is how a service is ended
        )
    except llm_otel.ConfigError as error:
        raise SystemExit(str(error)) from None
    local.wait_for_prices()
    receiver, provider = os.environ.get(COPY_TO), trace.get_tracer_provider()
    if receiver and isinstance(provider, TracerProvider):
        exporter = OTLPSpanExporter(endpoint=f"{receiver}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))


def serve(app: ASGIApp) -> None:
    """Serve on a free port, whose address is printed, until SIGTERM."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run([listening])
