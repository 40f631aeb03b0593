"""Applications that call models and send each span, count and score until it is taken.

Requests are built once, from spans that the library makes; a request's number is written into each
of its ids, so that the lake says later which of them it holds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.redaction import payload
from tests.lake import samples

SPANS_PER_REQUEST: Final = 200
SPANS_PER_TRACE: Final = 4
COUNTER: Final = "gen_ai.tokens.consumed"
SCORE: Final = "gen_ai.evaluation.result"
_CLIENTS: Final = 8
# In no UTF-8 text, and as long as the number that takes its place.
_MARK: Final = b"\xf5\xfe\xf6\xff"
_EXPORT: Final = "/opentelemetry.proto.collector.{0}.v1.{1}Service/Export"
_CHANNEL: Final = [
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.initial_reconnect_backoff_ms", 50),
]


def template() -> bytes:
    """A request, with `_MARK` where its number goes; every span is an answered chat of its own."""
    request = ExportTraceServiceRequest.FromString(payload(SPANS_PER_REQUEST))
    spans = [s for r in request.resource_spans for c in r.scope_spans for s in c.spans]
    now = time.time_ns()
    for index, span in enumerate(spans):
        trace = index // SPANS_PER_TRACE
        span.trace_id = _MARK + (trace + 1).to_bytes(12, "big")
        span.span_id = _MARK + (index + 1).to_bytes(4, "big")
        span.start_time_unix_nano, span.end_time_unix_nano = now - 900_000_000, now
        for attribute in span.attributes:
            if attribute.key == "gen_ai.response.id":
                attribute.value.string_value = f"chatcmpl-{index}"
    return request.SerializeToString()


class Load:
    """Sends at a rate for as long as it is told; catches up after a pause.

    Args:
        target: Where the first tier takes OTLP by gRPC.
        rate: Spans per second.

    Attributes:
        requests: The numbers of the requests of spans that were taken.
        counted: What the counter came to.
        scores: How many scores were taken.
        repeated: How often a request of either was sent again, as nobody took it.
    """

    def __init__(self, target: str, rate: float) -> None:
        channel = grpc.insecure_channel(target, _CHANNEL)
        self._exports = {
            signal: channel.unary_unary(_EXPORT.format(signal, signal.capitalize()))
            for signal in ("trace", "metrics", "logs")
        }
        self._rate = rate
        self._body = template()
        self._lock = threading.Lock()
        self._next = 0
        self.requests: list[int] = []
        self.counted = self.scores = self.repeated = 0

    @property
    def spans(self) -> int:
        """Spans that were taken."""
        return len(self.requests) * SPANS_PER_REQUEST

    def run(self, spans: int, at: list[tuple[int, Callable[[], None]]]) -> float:
        """Send so many spans.

        Args:
            spans: How many.
            at: What to do once so many spans were taken.

        Returns:
            How long it took until the last was taken, s.
        """
        requests = -(-spans // SPANS_PER_REQUEST)
        began, began_ns = time.monotonic(), time.time_ns()
        over = threading.Event()
        with ThreadPoolExecutor(_CLIENTS + 1) as pool:
            clients = [pool.submit(self._client, requests, began) for _ in range(_CLIENTS)]
            other = pool.submit(self._others, began_ns, over)
            for count, action in sorted(at, key=lambda each: each[0]):
                while self.spans < count and not all(client.done() for client in clients):
                    time.sleep(0.01)
                action()
            for client in clients:
                client.result()
            elapsed = time.monotonic() - began
            over.set()
            other.result()
        return elapsed

    def _client(self, requests: int, began: float) -> None:
        while True:
            with self._lock:
                number = self._next
                self._next += 1
            if number >= requests:
                return
            due = began + number * SPANS_PER_REQUEST / self._rate
            time.sleep(max(0.0, due - time.monotonic()))
            self.send("trace", self._body.replace(_MARK, number.to_bytes(4, "big")))
            self.requests.append(number)

    def _others(self, began: int, over: threading.Event) -> None:
        """Five times a second, the counter of one process and a score."""
        while not over.wait(0.2):
            now = time.time_ns()
            self.counted += 1
            count = samples.counter(self.counted, time_ns=now, start_ns=began, name=COUNTER)
            self.send("metrics", count.SerializeToString())
            score = {"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": 0.5}
            event = samples.event(SCORE, score, time_ns=now)
            self.send("logs", event.SerializeToString())
            self.scores += 1

    def send(self, signal: str, body: bytes) -> None:
        """Send a request of `trace`, `metrics` or `logs` until it is taken."""
        export: Any = self._exports[signal]
        while True:
            try:
                export(body, timeout=20, wait_for_ready=True)
                return
            except grpc.RpcError as exc:
                if exc.code().name not in (
                    "UNAVAILABLE",
                    "DEADLINE_EXCEEDED",
                    "RESOURCE_EXHAUSTED",
                ):
                    raise
                self.repeated += 1
                time.sleep(0.05)
