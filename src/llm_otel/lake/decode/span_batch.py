"""Many spans of many requests, as nested Arrow arrays straight from the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llm_otel import semconv
from llm_otel.lake.decode import wire
from llm_otel.lake.decode.attributes import Attributes, Mask, Places

# A name of v1.41 that has become another: what our own spans have by default.
ALIASES: Final = {semconv.USAGE_CACHE_WRITE_V141: semconv.USAGE_CACHE_WRITE}


@dataclass(frozen=True)
class Batch:
    """Some spans, each with ids and a start.

    Attributes:
        spans: The structs, as of `wire`.
        attributes: Their attributes.
        scope: The name of each span's scope.
        resources: All resources, on the wire.
        resource: The position of each span's resource among these.
        request: The position of each span's request.
        start: When each span began, in ns.
        unchanged: The spans whose sender passed on the names of Anthropic's usage; None: none.
    """

    spans: pa.StructArray
    attributes: Attributes
    scope: pa.StringArray
    resources: pa.BinaryArray
    resource: pa.Array
    request: Places
    start: Places
    unchanged: Mask | None = None

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def names(self) -> pa.StringArray:
        """The name of each span."""
        return self.spans.field("name")


def read(bodies: Sequence[bytes]) -> Batch:
    """The spans of requests, each valid protobuf; those with bad ids are left out."""
    by_request = wire.requests(bodies)
    resources = by_request.flatten()
    by_resource = resources.field("scope_spans")
    scopes = by_resource.flatten()
    by_scope = scopes.field("spans")
    spans = by_scope.flatten()
    scope = pc.list_parent_indices(by_scope)
    resource = pc.list_parent_indices(by_resource).take(scope)
    good = _acceptable(spans)
    if not good.all():
        chosen = pa.array(np.flatnonzero(good))
        spans, scope, resource = spans.take(chosen), scope.take(chosen), resource.take(chosen)
    request = pc.list_parent_indices(by_request).take(resource).to_numpy()
    names = scopes.field("scope").field("name").take(scope)
    return _batch(spans, names, resources.field("resource"), resource, request)


def part(batch: Batch, rows: Places) -> Batch:
    """Some of the spans of a batch that is as it came."""
    chosen = pa.array(rows)
    return _batch(
        batch.spans.take(chosen),
        batch.scope.take(chosen),
        batch.resources,
        batch.resource.take(chosen),
        batch.request[rows],
    )


def _batch(
    spans: pa.StructArray,
    scope: pa.StringArray,
    resources: pa.BinaryArray,
    resource: pa.Array,
    request: Places,
) -> Batch:
    start = spans.field("start").to_numpy().astype(np.int64)
    attributes = Attributes(spans.field("attributes"))
    return Batch(spans, attributes, scope, resources, resource, request, start)


def _acceptable(spans: pa.StructArray) -> Mask:
    """As `spans.acceptable`, of many."""
    good: Mask = spans.field("start").to_numpy() > 0
    for name, width in (("trace_id", 16), ("span_id", 8)):
        ids = spans.field(name)
        good &= pc.binary_length(ids).to_numpy() == width
        good &= pc.not_equal(ids, pa.scalar(bytes(width), pa.binary())).to_numpy(False)
    return good
