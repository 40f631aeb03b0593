"""What both protocols share: take a request into the lake, say what was left out, check a token."""

from __future__ import annotations

import hmac
from concurrent.futures import Future
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from llm_otel.lake.admission import admit
from llm_otel.lake.decode import LOGS, METRICS, TRACES
from llm_otel.lake.ingest import Ingest

_RESPONSES: Final[dict[int, Any]] = {
    TRACES: ExportTraceServiceResponse,
    METRICS: ExportMetricsServiceResponse,
    LOGS: ExportLogsServiceResponse,
}
_REJECTED: Final = {
    TRACES: "rejected_spans",
    METRICS: "rejected_data_points",
    LOGS: "rejected_log_records",
}

# Above what any exporter sends: the Collector's batches of 8,192 spans are 5 to 30 MB.
LARGEST_BODY: Final = 64 << 20

# How long a request waits for room before the sender is told to come back.
PATIENCE_S: Final = 5.0

# How long the disk may take.
SYNC_S: Final = 60.0


class Service:
    """The lake as an OTLP service; `token` is asked of every sender where it is not None."""

    def __init__(self, ingest: Ingest, token: str | None) -> None:
        self._ingest = ingest
        self._token = None if token is None else f"bearer {token}".encode()

    def allows(self, authorization: str | None) -> bool:
        """Whether a sender with this `Authorization` may send; takes the same time for all."""
        if self._token is None:
            return True
        scheme, _, secret = (authorization or "").partition(" ")
        return hmac.compare_digest(f"{scheme.lower()} {secret}".encode(), self._token)

    def export(self, signal: int, request: Any, body: bytes) -> tuple[Future[None], Any]:
        """Take a request: done when it is durable; the message to answer it with then.

        Raises:
            Busy: nothing was taken.
        """
        admission = admit(signal, request, self._ingest.window())
        if admission.refused:
            body = admission.request.SerializeToString()
        done = self._ingest.accept(signal, body)
        response = _RESPONSES[signal]()
        for kind, number in admission.refused.items():
            self._ingest.refusals.add(kind, admission.reason, number)
        if admission.refused:
            partial = response.partial_success
            setattr(partial, _REJECTED[signal], sum(admission.refused.values()))
            partial.error_message = admission.reason
        return done, response
