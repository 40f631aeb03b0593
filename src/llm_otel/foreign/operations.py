"""What a span does, in the words of today."""

from __future__ import annotations

from typing import Any, Final

from llm_otel import semconv
from llm_otel.foreign.corrections import is_remote_run
from llm_otel.foreign.names.operations import (
    CALLS,
    OPERATIONS,
    STEP_NAMES,
    STEPS,
    STREAMED_STEPS,
    STREAMS,
    UNNAMED,
    may_be_call,
)

MODELS: Final = (semconv.REQUEST_MODEL, semconv.RESPONSE_MODEL)
TOKENS: Final = (semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS)
WORKFLOW: Final = "gen_ai.workflow.name"

_OPERATION: Final = semconv.OPERATION_NAME
_STREAM: Final = semconv.REQUEST_STREAM


def operation_of(word: str) -> str:
    """Today's word for an operation."""
    if word in CALLS:
        return word
    key = word.lower()
    if key in CALLS:
        return key
    return OPERATIONS.get(key) or OPERATIONS.get(key.replace(" ", "_").replace("-", "_"), word)


def step_named_by(span_name: str) -> str | None:
    """The operation that a span was made for by its name: a callback may have taken it for its own
    and written a request's operation or kind onto it."""
    word = span_name.partition(" ")[0]
    return word if word in STEP_NAMES else None


def decide(attributes: dict[str, Any], span_name: str) -> None:
    """Say what the span does in the words of today, whoever says it first:

    what its emitter calls the step, a name that can only be that of another step, the operation
    that somebody named, the name of a span that is always a call, a model and its tokens.
    """
    word = attributes.get(_OPERATION)
    operation = operation_of(word) if isinstance(word, str) else None
    if isinstance(word, str) and word in STREAMS:
        attributes.setdefault(_STREAM, True)
    step = None
    for name in STEPS:
        kind = attributes.get(name)
        if isinstance(kind, str) and (step := STEPS[name].get(kind.lower())) is not None:
            if kind.lower() in STREAMED_STEPS:
                attributes.setdefault(_STREAM, True)
            break
    step_name = step_named_by(span_name)
    if step is not None and not (step in CALLS and step_name and operation is not None):
        if step not in CALLS or operation not in CALLS:
            operation = step
    elif operation in CALLS and step_name:
        operation = step_name
    elif operation in CALLS and WORKFLOW in attributes:
        operation = semconv.INVOKE_WORKFLOW
    elif operation is None and (_is_call(attributes) or _is_request(attributes, span_name)):
        operation = UNNAMED.get(span_name) or _by_model(attributes)
    elif operation == semconv.INVOKE_AGENT:
        operation = semconv.CHAT if is_remote_run(attributes) else operation
    elif operation is not None and may_be_call(operation) and _has_both(attributes):
        operation = semconv.CHAT
    if semconv.TOTAL_CALLS in attributes and operation in CALLS:
        # Sums of calls that are spans of their own, whatever somebody else wrote onto the span.
        is_agent = semconv.AGENT_NAME in attributes
        operation = semconv.INVOKE_AGENT if is_agent else semconv.INVOKE_WORKFLOW
    if operation is not None:
        attributes[_OPERATION] = operation


def _is_request(attributes: dict[str, Any], span_name: str) -> bool:
    """Whether a span is named as only requests are, and names a model; it may have failed."""
    return span_name in UNNAMED and any(attributes.get(name) for name in MODELS)


def _is_call(attributes: dict[str, Any]) -> bool:
    """Whether a span that names no operation has a model and what it used, as only calls do."""
    return (
        any(attributes.get(name) for name in MODELS)
        and any(name in attributes for name in TOKENS)
        and semconv.AGENT_NAME not in attributes
    )


def _has_both(attributes: dict[str, Any]) -> bool:
    """Whether a span has a model, and tokens in and out."""
    return _is_call(attributes) and all(name in attributes for name in TOKENS)


def _by_model(attributes: dict[str, Any]) -> str:
    model = next(attributes[name] for name in MODELS if attributes.get(name))
    embeds = "embed" in str(model).lower() and not attributes.get(semconv.USAGE_OUTPUT_TOKENS)
    return semconv.EMBEDDINGS if embeds else semconv.CHAT
