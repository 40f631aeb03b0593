"""The columns of `spans`, of many spans at once."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llm_otel import semconv
from llm_otel.lake.decode.attributes import Attributes, Places
from llm_otel.lake.decode.names import CONTENT
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
from llm_otel.lake.decode.values import mapping, text

Columns = dict[str, pa.Array]

# A name of v1.41 that has become another.
RENAMED: Final = {semconv.USAGE_CACHE_WRITE_V141: semconv.USAGE_CACHE_WRITE}

# Column -> attribute: a text in both tables, and in `spans` alone.
_SHARED: Final = {
    "operation": semconv.OPERATION_NAME,
    "provider": semconv.PROVIDER_NAME,
    "model": semconv.REQUEST_MODEL,
    "tenant_id": semconv.TENANT_ID,
    "feature": semconv.FEATURE,
    "session_id": semconv.SESSION_ID,
    "conversation_id": semconv.CONVERSATION_ID,
}
_CONTENTS: Final = dict(zip(("input_messages", "output_messages", "system_instructions"), CONTENT))
_SOURCES: Final = ("service_name", "environment", "resource", "instance")
_USERS: Final = (semconv.USER_HASH, semconv.USER_ID)

# What decides the status: the first two mean that it is not ok.
_FAILED: Final = (semconv.ERROR_CLASS, semconv.ERROR_TYPE)
_STATUS: Final = (*_FAILED, semconv.HTTP_STATUS_CODE, semconv.RESPONSE_FINISH_REASONS)

KINDS_OF_VALUES: Final = {
    **dict.fromkeys((*_SHARED.values(), *CONTENT, *_USERS, *_FAILED), "string"),
    semconv.RESPONSE_FINISH_REASONS: "array",
}


@dataclass(frozen=True)
class Batch:
    """Some spans, as `decode.wire` gives them.

    Attributes:
        spans: The structs.
        attributes: Their attributes.
        scope: The name of each span's scope.
        resources: All resources, on the wire.
        resource: The position of each span's resource among these.
        unchanged: The spans whose sender passed on the names of Anthropic's usage.
    """

    spans: pa.Array
    attributes: Attributes
    scope: pa.Array
    resources: pa.Array
    resource: pa.Array
    unchanged: Places = field(default_factory=lambda: np.empty(0, np.int64))

    def part(self, rows: Places) -> Batch:
        """Some of the spans."""
        chosen = pa.array(rows)
        return Batch(
            self.spans.take(chosen),
            Attributes(self.attributes.lists_of.take(chosen)),
            self.scope.take(chosen),
            self.resources,
            self.resource.take(chosen),
            np.flatnonzero(np.isin(rows, self.unchanged)),
        )

    def text(self, name: str) -> pa.Array:
        """An attribute that is a text, of each span."""
        return self.attributes.column(name, "string", pa.string())

    def left_early(self) -> Places:
        """The spans whose answer was not read to its end."""
        numbers, reasons = self.attributes.lists(semconv.RESPONSE_FINISH_REASONS)
        left = [number for number, each in enumerate(reasons) if each == [semconv.CANCELLED]]
        return np.flatnonzero(np.isin(numbers.fill_null(-1).to_numpy(False), left))

    def first_text(self, *names: str) -> pa.Array:
        """The first of some attributes that is not empty."""
        *better, last = (self.text(name) for name in names)
        return pc.coalesce(*map(none_if_empty, better), last)


def shared(batch: Batch) -> Columns:
    """The columns that `calls` has too."""
    spans = batch.spans
    start = spans.field("start").to_numpy().astype(np.int64)
    length = spans.field("end").to_numpy().astype(np.int64) - start
    return {
        "time": pa.array(start // 1000).cast(pa.timestamp("us")),
        "trace_id": _hex(spans.field("trace_id")),
        "span_id": _hex(spans.field("span_id")),
        "parent_span_id": none_if_empty(_hex(spans.field("parent_span_id"))),
        "name": spans.field("name"),
        "duration_s": pa.array(length / 1e9, mask=(length < 0) | (length > LONGEST)),
        "user": batch.first_text(*_USERS),
        **{column: batch.text(name) for column, name in _SHARED.items()},
        **_sources(batch),
        **_status(batch),
    }


def own(batch: Batch) -> Columns:
    """The columns that `calls` has not."""
    spans = batch.spans
    kinds = spans.field("kind").to_numpy()
    known = (kinds >= 0) & (kinds < len(KINDS))
    return {
        "kind": pa.array(KINDS, pa.string()).take(pa.array(np.where(known, kinds, 0))),
        "status_message": none_if_empty(spans.field("status").field("message")),
        "scope": none_if_empty(batch.scope),
        "attributes": batch.attributes.json(CONTENT, RENAMED),
        "events": _parsed(spans.field("events"), Span.Event, events_text),
        "links": _parsed(spans.field("links"), Span.Link, links_text),
        **{column: batch.text(name) for column, name in _CONTENTS.items()},
    }


def none_if_empty(texts: pa.Array) -> pa.Array:
    """NULL for an empty text."""
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def _sources(batch: Batch) -> Columns:
    """What the resources tell; few resources come again and again."""
    encoded = batch.resources.dictionary_encode()
    found: list[tuple[Any, ...]] = []
    for wire in encoded.dictionary.to_pylist():
        said = mapping(Resource.FromString(wire).attributes)
        found.append((*source_of(said), text(said), instance_of(said)))
    numbers = encoded.indices.take(batch.resource)
    columns = zip(*found) if found else [()] * len(_SOURCES)
    return {
        name: pa.array([_as_text(value) for value in values], pa.string()).take(numbers)
        for name, values in zip(_SOURCES, columns)
    }


def _status(batch: Batch) -> Columns:
    """Status and class of the error: most are ok, the others are looked at one by one."""
    attributes, codes = batch.attributes, batch.spans.field("status").field("code")
    numbers = codes.fill_null(0).to_numpy(False)
    status = np.full(len(numbers), "ok", object)
    kinds = np.full(len(numbers), None, object)
    left = [batch.left_early(), np.flatnonzero(numbers == ERROR)]
    left += [attributes.rows(name) for name in _FAILED]
    events = batch.spans.field("events")
    for row in np.unique(np.concatenate(left)).tolist():
        seen = [Span.Event.FromString(each) for each in events[row].as_py() or ()]
        status[row], kinds[row] = status_of(int(numbers[row]), attributes.at(row, _STATUS), seen)
    return {"status": pa.array(status, pa.string()), "error_type": pa.array(kinds, pa.string())}


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


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else text(value)
