"""Builds the canaries of a run and sends them by OTLP, over gRPC and HTTP."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from llm_otel import semconv
from llm_otel.errors import ConfigError
from llm_otel.stack.canary.positions import REQUESTS, Position, attribute, new_record, positions
from llm_otel.stack.canary.values import Marks, values

_TIMEOUT_SECONDS: Final = 20
_AT_ONCE: Final = 50
_METHODS: Final = {
    "traces": "trace.v1.Trace",
    "metrics": "metrics.v1.Metrics",
    "logs": "logs.v1.Logs",
}
_FIRST: Final = 1

# Sends a serialized request of a signal; False when it is refused.
Send = Callable[[str, bytes], bool]


@dataclass(frozen=True)
class Canary:
    """One value at one position.

    Attributes:
        index: What its mark says.
        position: Where it is.
        form: Of which type and form it is.
        protocol: `grpc` or `http`.
    """

    index: int
    position: Position
    form: str
    protocol: str

    @property
    def number(self) -> bool:
        """Whether it is a number."""
        return self.form == "number"


@dataclass
class Shipment:
    """What a run sent.

    Attributes:
        canaries: All of them by index.
        refused_indices: Indices of those that the endpoint refused.
    """

    canaries: dict[int, Canary]
    refused_indices: set[int]


def http(endpoint: str) -> Send:
    """Sends to an OTLP/HTTP endpoint, such as `http://localhost:4318`."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def send(signal: str, body: bytes) -> bool:
        url = f"{endpoint.rstrip('/')}/v1/{signal}"
        headers = {"content-type": "application/x-protobuf"}
        try:
            with opener.open(urllib.request.Request(url, body, headers), timeout=_TIMEOUT_SECONDS):  # noqa: S310 - the user's own endpoint
                return True
        except urllib.error.HTTPError as exc:
            exc.close()
            return False
        except OSError as exc:
            raise ConfigError(
                f"Nothing answers OTLP/HTTP at {endpoint} ({_why(exc)}): start the Collector there "
                "or name another --endpoint."
            ) from None

    return send


def grpc_(endpoint: str) -> Send:
    """Sends to an OTLP/gRPC endpoint, such as `localhost:4317`, without TLS."""
    channel = grpc.insecure_channel(endpoint.partition("://")[2] or endpoint)
    calls = {
        signal: channel.unary_unary(f"/opentelemetry.proto.collector.{name}Service/Export")
        for signal, name in _METHODS.items()
    }

    def send(signal: str, body: bytes) -> bool:
        try:
            calls[signal](body, timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError as exc:
            if exc.code() is grpc.StatusCode.UNAVAILABLE:
                raise ConfigError(
                    f"Nothing answers OTLP/gRPC at {endpoint}: start the Collector there or name "
                    "another --grpc-endpoint."
                ) from None
            return False
        return True

    return send


def send_all(marks: Marks, ways: Mapping[str, Send]) -> Shipment:
    """Send every canary over every protocol, and witnesses after them.

    Raises:
        ConfigError: An endpoint cannot be reached.
    """
    shipment = Shipment({}, set())
    indices = count(_FIRST)
    for protocol, send in ways.items():
        for signal in REQUESTS:
            pairs = list(_canary_requests(signal, protocol, marks, indices))
            shipment.canaries.update((canary.index, canary) for canary, _ in pairs)
            for start in range(0, len(pairs), _AT_ONCE):
                shipment.refused_indices |= _deliver(signal, pairs[start : start + _AT_ONCE], send)
            send(signal, _witness(signal, marks).SerializeToString())
    return shipment


def _canary_requests(
    signal: str, protocol: str, marks: Marks, indices: Iterator[int]
) -> Iterator[tuple[Canary, Any]]:
    for position in positions():
        if position.signal == signal:
            for index, form, value in values(position.takes, marks, indices):
                record = new_record(signal, index, position.points)
                position.write(record, value)
                yield Canary(index, position, form, protocol), record.request


def _deliver(signal: str, pairs: Sequence[tuple[Canary, Any]], send: Send) -> set[int]:
    """Send records in one request; one by one when it is refused, to know which it was for."""
    whole = REQUESTS[signal]()
    for _, request in pairs:
        whole.MergeFrom(request)
    if send(signal, whole.SerializeToString()):
        return set()
    if len(pairs) == 1:
        return {pairs[0][0].index}
    return set().union(*(_deliver(signal, [each], send) for each in pairs))


def _witness(signal: str, marks: Marks) -> Any:
    """A record with an allowed value of the right form."""
    record = new_record(signal, _FIRST)
    keys = {"metrics": (record.point, semconv.TENANT_ID)}
    where, key = keys.get(signal, (record.item, semconv.RESPONSE_ID))
    attribute(where.attributes, key, AnyValue(string_value=marks.witness))
    return record.request


def _why(exc: OSError) -> str:
    reason = getattr(exc, "reason", exc)
    return getattr(reason, "strerror", None) or str(reason)
