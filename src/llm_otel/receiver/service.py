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
from llm_otel.receiver.memory import Memory

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
    """The lake as an OTLP service; `token` is asked of every sender where it is not None.

    Attributes:
        memory: What the bodies of requests may take.
    """

    def __init__(self, ingest: Ingest, token: str | None) -> None:
        self._ingest = ingest
        self.memory = Memory()
        self._token = None if token is None else f"bearer {token}".encode()

    def allows(self, authorization: str | None) -> bool:
        """Whether a sender with this `Authorization` may send; takes the same time for all."""
        if self._token is None:
            return True
        scheme, _, secret = (authorization or "").partition(" ")
        return hmac.compare_digest(f"{scheme.lower()} {secret}".encode(), self._token)

    def problem(self) -> str | None:
        """Why nothing can be stored, as a sentence; None where all is well."""
        return self._ingest.problem()

    def health(self, problem: str | None) -> dict[str, Any]:
        """What the health page says of a problem, or of none; how much was refused of each kind."""
        state = {"status": "ok"} if problem is None else {"status": "failing", "reason": problem}
        refusals = self._ingest.refusals.counts()
        return {**state, **({"refused": refusals} if refusals else {})}

    def accept(self, signal: int, body: bytes) -> Future[None]:
        """Take a request; done when it is durable.

        Raises:
            Busy: Nothing was taken.
        """
        return self._ingest.accept(signal, body)

    def response(self, signal: int, request: Any, body: bytes) -> tuple[Any, bytes]:
        """The message to answer a request with, and what to store of it: what is refused is
        counted, and said in the message."""
        admission = admit(signal, request, self._ingest.window())
        response = _RESPONSES[signal]()
        if not admission.refusals:
            return response, body
        for kind, number in admission.refusals.items():
            self._ingest.refusals.add(kind, admission.reason, number)
        setattr(response.partial_success, _REJECTED[signal], sum(admission.refusals.values()))
        response.partial_success.error_message = admission.reason
        return response, admission.request.SerializeToString()
