"""The vocabularies of other instrumentations, as data: one file for each family.

`older` and `logs` and `metrics` read these tables; a new emitter is a table here, not code there.
The Collector of the stack renames by `OLDER`, `OPERATIONS` and `PROVIDERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llm_otel.lake.decode.names import ai_sdk, conventions, openinference
from llm_otel.lake.decode.names.content import CONTENT
from llm_otel.lake.decode.names.operations import CALLS, OPERATIONS
from llm_otel.lake.decode.names.providers import PROVIDERS

__all__ = ["CALLS", "CONTENT", "OLDER", "OPERATIONS", "PROVIDERS"]

# Another name of an attribute -> today's.
OLDER: Final[Mapping[str, str]] = {
    **ai_sdk.RENAMED,
    **openinference.RENAMED,
    **conventions.RENAMED,
}
