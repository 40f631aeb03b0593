"""OTLP requests as messages, whatever form they came in; the modules beside it make rows of them.

`traces` decodes spans in five stages, each of many spans at once:

1. `wire`, `span_batch`: bodies become Arrow arrays; spans without ids or a start are left out.
2. `renaming`: other names of attributes become those of today, by the tables in `names/`.
3. `unfolding`: what single spans say inside JSON, or count in a way of their own, becomes
   attributes of today; the only stage that goes one span at a time.
4. `rewriting`: other words (operations, providers, costs, messages) become those of today.
5. `span_columns`, `call_columns`: attributes of today become the columns of the two tables.

Raises `BadPayload` where a body is not what it should be, with one clear reason.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llm_otel.lake.decode import json_mending, wire_mending

TRACES: Final = 1
METRICS: Final = 2
LOGS: Final = 3

_REQUESTS: Final[dict[int, Any]] = {
    TRACES: ExportTraceServiceRequest,
    METRICS: ExportMetricsServiceRequest,
    LOGS: ExportLogsServiceRequest,
}

# OTLP's JSON writes these as hex, where protobuf's JSON has base64.
_HEX: Final = frozenset(
    {"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"}
)


class BadPayload(ValueError):
    """The body is no request of its signal; the text says why."""


def from_protobuf(signal: int, body: bytes) -> Any:
    """The request in a protobuf body, its texts mended where they are no UTF-8.

    Raises:
        BadPayload: The body is no request of its signal.
    """
    return read_protobuf(signal, body)[0]


def read_protobuf(signal: int, body: bytes) -> tuple[Any, bytes]:
    """As `from_protobuf`, and the body to keep: as it came, or mended."""
    kind = _REQUESTS[signal]
    try:
        return kind.FromString(body), body
    except DecodeError:
        pass  # the records beside the one that cannot be read are good
    try:
        body = wire_mending.mended(body, kind.DESCRIPTOR)
        return kind.FromString(body), body
    except (DecodeError, wire_mending.Damaged) as error:
        name = kind.DESCRIPTOR.name
        raise BadPayload(f"the body is not a valid protobuf {name}: {error}") from error


def from_json(signal: int, body: bytes | str) -> Any:
    """The request in a JSON body (OTLP's JSON: ids in hex, enums as numbers), each value that its
    field cannot hold mended or left out.

    Raises:
        BadPayload: The body is no request of its signal.
    """
    kind = _REQUESTS[signal]
    name = kind.DESCRIPTOR.name
    try:
        parsed = json.loads(body)
        if not isinstance(parsed, dict):
            raise BadPayload(f"the body is not a JSON object of {name}")
        _base64_ids(parsed)
        return ParseDict(parsed, kind(), ignore_unknown_fields=True)
    except BadPayload:
        raise
    except Exception:  # noqa: BLE001 protobuf raises whatever comes up, SystemError too
        pass  # the records beside the one that cannot be read are good
    try:
        parsed = json_mending.parse(body)
    except (ValueError, RecursionError) as error:
        raise BadPayload(f"the body is not valid JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise BadPayload(f"the body is not a JSON object of {name}")
    try:
        mended = json_mending.mended(parsed, kind.DESCRIPTOR)
        return ParseDict(mended, kind())
    except Exception as error:
        raise BadPayload(f"the body is not a valid JSON {name}: {error}") from error


def _base64_ids(node: Any) -> None:
    """Rewrite the ids in place.

    Raises:
        ValueError: One is not hex.
    """
    if isinstance(node, list):
        for each in node:
            _base64_ids(each)
        return
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key in _HEX and isinstance(value, str):
            node[key] = base64.b64encode(bytes.fromhex(value)).decode()
        elif isinstance(value, (dict, list)):
            _base64_ids(value)
