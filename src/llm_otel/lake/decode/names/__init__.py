"""The vocabularies of other instrumentations, as data: one file for each family.

`older` and `logs` and `metrics` read these tables; a new emitter is a table here, not code there.
"""

from __future__ import annotations

from llm_otel.lake.decode.names.content import CONTENT
from llm_otel.lake.decode.names.operations import CALLS

__all__ = ["CALLS", "CONTENT"]
