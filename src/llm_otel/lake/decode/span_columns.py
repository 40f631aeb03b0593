"""The columns of `spans`, of many spans at once."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llm_otel import semconv
from llm_otel.foreign.names import CONTENT
from llm_otel.lake.decode.attributes import Attributes, Mask, none_if_empty
from llm_otel.lake.decode.span_batch import Batch
from llm_otel.lake.decode.spans import (
    ERROR,
    KINDS,
    LONGEST,
    events_text,
    instance_of,
    links_text,
    source_of,
    status_of,
)
from llm_otel.lake.decode.values import as_text, mapping, text

Columns = dict[str, pa.Array]

# Column -> attribute that is a text.
_TEXTS: Final = {
    "operation": semconv.OPERATION_NAME,
    "provider": semconv.PROVIDER_NAME,
    "model": semconv.REQUEST_MODEL,
    "tenant_id": semconv.TENANT_ID,
    "feature": semconv.FEATURE,
    "session_id": semconv.SESSION_ID,
    "conversation_id": semconv.CONVERSATION_ID,
    **dict(zip(("input_messages", "output_messages", "system_instructions"), CONTENT)),
}
_SOURCES: Final = ("service_name", "environment", "resource", "instance", "release")

# What decides the status: the first two mean that it is not ok.
_FAILED: Final = (semconv.ERROR_CLASS, semconv.ERROR_TYPE)
_STATUS: Final = (*_FAILED, semconv.HTTP_STATUS_CODE, semconv.RESPONSE_FINISH_REASONS)


def columns(batch: Batch) -> Columns:
    """The columns; `calls` has most of them too, and `release` alone."""
    spans, attributes = batch.spans, batch.attributes
    length = spans.field("end").to_numpy().astype(np.int64) - batch.start
    kinds = spans.field("kind").to_numpy()
    known = (kinds >= 0) & (kinds < len(KINDS))
    return {
        "time": pa.array(batch.start // 1000).cast(pa.timestamp("us")),
        "trace_id": _hex(spans.field("trace_id")),
        "span_id": _hex(spans.field("span_id")),
        "parent_span_id": none_if_empty(_hex(spans.field("parent_span_id"))),
        "name": batch.names,
        "kind": pa.array(KINDS, pa.string()).take(pa.array(np.where(known, kinds, 0))),
        "duration_s": pa.array(length / 1e9, mask=(length < 0) | (length > LONGEST)),
        "status_message": none_if_empty(spans.field("status").field("message")),
        "scope": none_if_empty(batch.scope),
        "user": attributes.first_text(semconv.USER_HASH, semconv.USER_ID),
        "attributes": attributes.json(CONTENT),
        "events": _parsed(spans.field("events"), Span.Event, events_text),
        "links": _parsed(spans.field("links"), Span.Link, links_text),
        **{column: attributes.texts(name) for column, name in _TEXTS.items()},
        **_sources(batch),
        **_status(batch),
    }


def _sources(batch: Batch) -> Columns:
    """What the resources tell; few resources come again and again."""
    encoded = batch.resources.dictionary_encode()
    found: list[tuple[Any, ...]] = []
    for wire in encoded.dictionary.to_pylist():
        said = mapping(Resource.FromString(wire).attributes)
        release = said.get("service.version")
        found.append((*source_of(said), text(said), instance_of(said), release))
    numbers = encoded.indices.take(batch.resource)
    columns = zip(*found) if found else [()] * len(_SOURCES)
    return {
        name: pa.array([_text(value) for value in values], pa.string()).take(numbers)
        for name, values in zip(_SOURCES, columns)
    }


def _status(batch: Batch) -> Columns:
    """Status and class of the error: most are ok, the others are looked at one by one."""
    attributes, codes = batch.attributes, batch.spans.field("status").field("code")
    numbers = codes.fill_null(0).to_numpy(False)
    status = np.full(len(numbers), "ok", object)
    kinds = np.full(len(numbers), None, object)
    rows = np.flatnonzero((numbers == ERROR) | attributes.having(_FAILED) | _left_early(attributes))
    events = batch.spans.field("events")
    for row, said in zip(rows.tolist(), attributes.dicts(rows, _STATUS)):
        seen = [Span.Event.FromString(each) for each in events[row].as_py() or ()]
        status[row], kind = status_of(int(numbers[row]), said, seen)
        kinds[row] = _text(kind)
    return {"status": pa.array(status, pa.string()), "error_type": pa.array(kinds, pa.string())}


def _left_early(attributes: Attributes) -> Mask:
    """Whether the answer of each span was not read to its end."""
    numbers, reasons = attributes.lists(semconv.RESPONSE_FINISH_REASONS)
    left = [number for number, words in enumerate(reasons) if words == [semconv.CANCELLED]]
    mask: Mask = np.isin(numbers.fill_null(-1).to_numpy(False), left)
    return mask


def _parsed(lists: pa.Array, message: Any, printed: Callable[[Any], str]) -> pa.Array:
    """The few lists that hold anything, as JSON."""
    made: list[str | None] = [None] * len(lists)
    for row in np.flatnonzero(pc.list_value_length(lists).fill_null(0).to_numpy(False)):
        made[row] = printed([message.FromString(each) for each in lists[int(row)].as_py()])
    return pa.array(made, pa.string())


def _hex(ids: pa.Array) -> pa.Array:
    """Binary as hex text, by the buffers: each byte becomes two letters."""
    _, offsets, data = ids.buffers()
    ends = np.frombuffer(offsets, np.int32)[ids.offset : ids.offset + len(ids) + 1]
    letters = binascii.hexlify(b"" if data is None else memoryview(data)[ends[0] : ends[-1]])
    doubled = ((ends - ends[0]) * 2).astype(np.int32)
    return pa.StringArray.from_buffers(len(ids), pa.py_buffer(doubled), pa.py_buffer(letters))


def _text(value: Any) -> str | None:
    return None if value is None else as_text(value)
