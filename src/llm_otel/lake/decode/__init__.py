"""OTLP requests as messages, whatever form they came in; the modules beside it make rows of them.

Raises `BadPayload` where a body is not what it should be, with one clear reason.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TRACES: Final = 1
METRICS: Final = 2
LOGS: Final = 3

_REQUESTS: Final[dict[int, Any]] = {
    TRACES: ExportTraceServiceRequest,
    METRICS: ExportMetricsServiceRequest,
    LOGS: ExportLogsServiceRequest,
}

# OTLP's JSON writes these as hex, where protobuf's JSON has base64.
_HEX: Final = frozenset({"traceId", "spanId", "parentSpanId"})


class BadPayload(ValueError):
    """The body is no request of its signal; the text says why."""


def from_protobuf(signal: int, body: bytes) -> Any:
    """The request in a protobuf body."""
    try:
        return _REQUESTS[signal].FromString(body)
    except DecodeError as error:
        name = _REQUESTS[signal].DESCRIPTOR.name
        raise BadPayload(f"the body is not a valid protobuf {name}: {error}") from error


def from_json(signal: int, body: bytes | str) -> Any:
    """The request in a JSON body (OTLP's JSON: ids in hex, enums as numbers)."""
    name = _REQUESTS[signal].DESCRIPTOR.name
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadPayload(f"the body is not valid JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise BadPayload(f"the body is not a JSON object of {name}")
    try:
        _base64_ids(parsed)
        return ParseDict(parsed, _REQUESTS[signal](), ignore_unknown_fields=True)
    except (ParseError, ValueError, TypeError, RecursionError) as error:
        raise BadPayload(f"the body is not a valid JSON {name}: {error}") from error


def _base64_ids(node: Any) -> None:
    """Rewrite the ids in place."""
    if isinstance(node, list):
        for each in node:
            _base64_ids(each)
        return
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key in _HEX and isinstance(value, str):
            try:
                node[key] = base64.b64encode(bytes.fromhex(value)).decode()
            except ValueError as error:
                raise BadPayload(f"{key} {value[:40]!r} is not hex") from error
        elif isinstance(value, (dict, list)):
            _base64_ids(value)
