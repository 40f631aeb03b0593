"""For your own tests: `capture()` your code's telemetry, and a local `provider()` to call."""

from __future__ import annotations

from llm_otel.testing.capture import capture
from llm_otel.testing.clock import FakeClock
from llm_otel.testing.provider import (
    FAULTS,
    Bill,
    Latency,
    Provider,
    RateLimit,
    ReceivedRequest,
    Reply,
    provider,
)
from llm_otel.testing.records import EventRecord, Exemplar, LogRecord, Point, SpanRecord
from llm_otel.testing.telemetry import Telemetry

__all__ = [
    "FAULTS",
    "Bill",
    "EventRecord",
    "Exemplar",
    "FakeClock",
    "Latency",
    "LogRecord",
    "Point",
    "Provider",
    "RateLimit",
    "ReceivedRequest",
    "Reply",
    "SpanRecord",
    "Telemetry",
    "capture",
    "provider",
]
