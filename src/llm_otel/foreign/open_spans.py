"""What request a span that is still open was made for, by what its maker wrote at its start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llm_otel import semconv
from llm_otel.foreign.names.operations import CALLS, STEPS
from llm_otel.foreign.operations import decide
from llm_otel.foreign.renaming import RENAMED

_OLDER: Final = tuple(name for name, today in RENAMED.items() if today == semconv.OPERATION_NAME)
# The attributes that name an operation, or the kind of a step.
NAMING: Final = frozenset({semconv.OPERATION_NAME, *_OLDER, *STEPS})

# Operations that are the same work: an interface is called one or the other.
_TEXT: Final = frozenset(
    {semconv.CHAT, semconv.TEXT_COMPLETION, semconv.GENERATE_CONTENT, semconv.OCR}
)


def request_of(attributes: Mapping[str, Any], name: str) -> str | None:
    """The operation of the request that a span was made for; None for a span of anything else.

    Args:
        attributes: The span's, as far as they are set.
        name: The span's.
    """
    if NAMING.isdisjoint(attributes):
        return None
    naming = {key: value for key, value in attributes.items() if key in NAMING}
    if semconv.OPERATION_NAME not in naming:
        word = next((naming[key] for key in _OLDER if key in naming), None)
        if word is not None:
            naming[semconv.OPERATION_NAME] = word
    kind = naming.get("mlflow.spanType")
    if isinstance(kind, str):
        naming["mlflow.spanType"] = kind.strip('"')  # it is JSON
    decide(naming, name)
    operation = naming.get(semconv.OPERATION_NAME)
    return operation if operation in CALLS else None


def is_same_work(operation: str, other: str) -> bool:
    """Whether two operations are names of one kind of work."""
    return operation == other or (operation in _TEXT and other in _TEXT)
