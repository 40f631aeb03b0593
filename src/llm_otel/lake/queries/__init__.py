"""The named queries over the lake that dashboard, digest and exports share.

A `Filter` says which rows count, a `Reader` runs queries about it on one state of the lake; one
module a subject holds the texts and the types of their answers. Needs the extra `local`.
"""

from __future__ import annotations

from llm_otel.lake.queries.filters import Filter
from llm_otel.lake.queries.reader import Reader

__all__ = ["Filter", "Reader"]
