"""The vocabularies of other instrumentations, as data: one file for each family.

The library, the lake and the stack's Collector read these tables: a new emitter is a table here,
and no code there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llm_otel import semconv
from llm_otel.foreign.names import ai_sdk, conventions, langsmith, openinference, operations
from llm_otel.foreign.names.content import CONTENT
from llm_otel.foreign.names.operations import CALLS
from llm_otel.foreign.names.providers import PROVIDERS

__all__ = ["CALLS", "CONTENT", "OLDER", "OPERATIONS", "PROVIDERS"]

# Attributes that name the kind of a step, and nothing else of anybody's.
_KINDS: Final = {
    name: kinds
    for name, kinds in operations.STEPS.items()
    if name not in ("span.type", "genkit:type", "braintrust.span_attributes")
}

# What other vocabularies call an operation, wherever they do.
OPERATIONS: Final[Mapping[str, str]] = {
    **{word: today for kinds in _KINDS.values() for word, today in kinds.items()},
    **operations.OPERATIONS,
}

# Another name of an attribute -> today's.
OLDER: Final[Mapping[str, str]] = {
    **dict.fromkeys(_KINDS, semconv.OPERATION_NAME),
    **langsmith.RENAMED,
    **ai_sdk.RENAMED,
    **openinference.RENAMED,
    **conventions.RENAMED,
}
