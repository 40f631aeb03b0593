"""OTLP traces as nested Arrow arrays, straight from the wire format.

`ptars` needs a message that does not contain itself, which OTLP's AnyValue does. The messages here
have OTLP's field numbers, with everything below the first level (lists, maps, events, links,
resources) as the bytes it is on the wire.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import pyarrow as pa
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

_TEXT, _BYTES = Field.TYPE_STRING, Field.TYPE_BYTES
_INT, _INT32, _TIME = Field.TYPE_INT64, Field.TYPE_INT32, Field.TYPE_FIXED64
_PACKAGE: Final = "llm_otel.wire"

# Message -> field -> number and type; a list marks a repeated field, a name a message of ours.
_MESSAGES: Final[dict[str, dict[str, tuple[int, Any]]]] = {
    "AnyValue": {
        "string": (1, _TEXT),
        "bool": (2, Field.TYPE_BOOL),
        "int": (3, _INT),
        "double": (4, Field.TYPE_DOUBLE),
        "array": (5, _BYTES),
        "map": (6, _BYTES),
        "bytes": (7, _BYTES),
    },
    "KeyValue": {"key": (1, _TEXT), "value": (2, "AnyValue")},
    "Status": {"message": (2, _TEXT), "code": (3, _INT32)},
    "Span": {
        "trace_id": (1, _BYTES),
        "span_id": (2, _BYTES),
        "parent_span_id": (4, _BYTES),
        "name": (5, _TEXT),
        "kind": (6, _INT32),
        "start": (7, _TIME),
        "end": (8, _TIME),
        "attributes": (9, ["KeyValue"]),
        "events": (11, [_BYTES]),
        "links": (13, [_BYTES]),
        "status": (15, "Status"),
    },
    "Scope": {"name": (1, _TEXT)},
    "ScopeSpans": {"scope": (1, "Scope"), "spans": (2, ["Span"])},
    "ResourceSpans": {"resource": (1, _BYTES), "scope_spans": (2, ["ScopeSpans"])},
    "Request": {"resource_spans": (1, ["ResourceSpans"])},
}


def requests(bodies: Sequence[bytes]) -> pa.Array:
    """The lists of `ResourceSpans` of the bodies of requests, one for each."""
    return _handler().list_to_record_batch(list(bodies)).column(0)


@lru_cache(maxsize=1)
def _handler() -> Any:
    import ptars

    file = FileDescriptorProto(name="llm_otel_wire.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            added = message.field.add(name=field, number=number)
            repeated = isinstance(kind, list)
            one = kind[0] if repeated else kind
            added.label = Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL
            if isinstance(one, str):
                added.type, added.type_name = Field.TYPE_MESSAGE, f".{_PACKAGE}.{one}"
            else:
                added.type = one
            if name == "AnyValue":
                added.oneof_index = 0
        if name == "AnyValue":
            message.oneof_decl.add(name="value")
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    request = pool.FindMessageTypeByName(f"{_PACKAGE}.Request")
    return ptars.HandlerPool([request.file]).get_for_message(request)
