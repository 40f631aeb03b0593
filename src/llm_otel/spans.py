"""The application's own steps as spans: workflow, agent, tool, retrieval, embedding.

Each is a context manager (`with`, `async with`) and a decorator of functions, coroutine functions
and generators of both kinds. Calls made inside are its children. An exception is recorded and goes
on unchanged. Without `instrument()` they go to the SDK that the
program has set up, if it has one. No value makes them raise: an argument of a wrong form is left
out with one warning, and a step without a name is a span named by its operation.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, overload

from opentelemetry.context import Context, create_key, get_value, set_value
from opentelemetry.trace import SpanKind

from llm_otel import semconv
from llm_otel.base import arguments
from llm_otel.core.steps import Kind, Step, StepRun

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R", bound=StepRun)

_AGENT_NAME = create_key("llm_otel.agent")

_WORKFLOW = Kind(semconv.INVOKE_WORKFLOW, semconv.WORKFLOW_NAME, semconv.INVOKE_WORKFLOW_DURATION)
_AGENT = Kind(semconv.INVOKE_AGENT, semconv.AGENT_NAME, semconv.INVOKE_AGENT_DURATION)
_TOOL = Kind(semconv.EXECUTE_TOOL, semconv.TOOL_NAME, semconv.EXECUTE_TOOL_DURATION)
RETRIEVAL = Kind(
    semconv.RETRIEVAL,
    semconv.DATA_SOURCE_ID,
    semconv.V141_OPERATION_DURATION,
    span_kind=SpanKind.CLIENT,
    named=False,
)
_EMBEDDING = Kind(
    semconv.EMBEDDINGS,
    semconv.REQUEST_MODEL,
    semconv.V141_OPERATION_DURATION,
    span_kind=SpanKind.CLIENT,
    latest=semconv.LATEST_EMBEDDINGS_DURATION,
)


class AgentRun(StepRun):
    """An agent at work; tools inside carry its name."""

    def _handed_down(self, context: Context) -> Context:
        return set_value(_AGENT_NAME, self._attributes.get(semconv.AGENT_NAME), context)


class ToolRun(StepRun):
    """A tool at work. Arguments and result are content: recorded only with capture on spans."""

    def set_arguments(self, value: object) -> None:
        """What the tool was called with: plain data, a pydantic object or a JSON string."""
        self._capture(semconv.TOOL_CALL_ARGUMENTS, lambda: value)

    def set_result(self, value: object) -> None:
        """What the tool gave: plain data, a pydantic object or a string."""
        self._capture(semconv.TOOL_CALL_RESULT, lambda: value)

    def called(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._capture(semconv.TOOL_CALL_ARGUMENTS, lambda: _bound(fn, args, kwargs))

    def returned(self, value: Any) -> None:
        if value is not None:
            self.set_result(value)

    def _inherited(self, context: Context) -> dict[str, Any]:
        name = get_value(_AGENT_NAME, context)
        return {} if name is None else {semconv.AGENT_NAME: name}


class RetrievalRun(StepRun):
    """A search at work. Query and documents are content: recorded only with capture on spans."""

    def set_query(self, text: str) -> None:
        """What was searched for."""
        self._capture(semconv.RETRIEVAL_QUERY_TEXT, lambda: text)

    def set_documents(self, documents: Sequence[object]) -> None:
        """What was found: mappings, by the conventions with `id` and `score`."""
        self._capture(semconv.RETRIEVAL_DOCUMENTS, lambda: list(documents))


class EmbeddingRun(StepRun):
    """An embedding at work."""

    def set_usage(self, input_tokens: int) -> None:
        """How many tokens were embedded."""
        count = arguments.count("set_usage()", "input_tokens", input_tokens)
        if count is not None:
            self._span.set_attribute(semconv.USAGE_INPUT_TOKENS, count)


@overload
def workflow(name: F) -> F: ...
@overload
def workflow(name: str | None = None) -> Step[StepRun]: ...
def workflow(name: Any = None) -> Any:
    """A fixed course of several calls, agents or tools: span `invoke_workflow {name}`.

    Args:
        name: One of few names; a decorated function's own when left out.
    """
    return _step("workflow()", _WORKFLOW, StepRun, name, {})


@overload
def agent(name: F) -> F: ...
@overload
def agent(
    name: str | None = None,
    *,
    model: str | None = None,
    id: str | None = None,
    description: str | None = None,
    conversation_id: str | None = None,
) -> Step[AgentRun]: ...
def agent(
    name: Any = None,
    *,
    model: str | None = None,
    id: str | None = None,
    description: str | None = None,
    conversation_id: str | None = None,
) -> Any:
    """An agent that runs in this process: span `invoke_agent {name}`.

    Args:
        name: One of few names; a decorated function's own when left out.
        model: The model it uses, if it is always the same.
        id: The agent's lasting id.
        description: What it is for.
        conversation_id: The conversation it takes part in; on this span only: for the calls inside
            too, `attribution(conversation_id=…)`.
    """
    text = partial(arguments.text, "agent()")
    attributes = {
        semconv.REQUEST_MODEL: text("model", model),
        semconv.AGENT_ID: text("id", id),
        semconv.AGENT_DESCRIPTION: arguments.prose("agent()", "description", description),
        semconv.CONVERSATION_ID: text("conversation_id", conversation_id),
    }
    return _step("agent()", _AGENT, AgentRun, name, attributes)


@overload
def tool(name: F) -> F: ...
@overload
def tool(
    name: str | None = None,
    *,
    type: str = semconv.FUNCTION,
    call_id: str | None = None,
    description: str | None = None,
) -> Step[ToolRun]: ...
def tool(
    name: Any = None,
    *,
    type: str = semconv.FUNCTION,
    call_id: str | None = None,
    description: str | None = None,
) -> Any:
    """A tool that runs in this process: span `execute_tool {name}`.

    Args:
        name: The tool's name; a decorated function's own when left out.
        type: `function`, `extension` or `datastore`.
        call_id: The id that the model gave the tool call.
        description: What it is for.
    """
    text = partial(arguments.text, "tool()")
    attributes = {
        semconv.TOOL_TYPE: text("type", type),
        semconv.TOOL_CALL_ID: text("call_id", call_id),
        semconv.TOOL_DESCRIPTION: arguments.prose("tool()", "description", description),
    }
    return _step("tool()", _TOOL, ToolRun, name, attributes)


@overload
def retrieval(data_source_id: F) -> F: ...
@overload
def retrieval(
    data_source_id: str | None = None,
    *,
    provider: str | None = None,
    top_k: int | None = None,
    model: str | None = None,
) -> Step[RetrievalRun]: ...
def retrieval(
    data_source_id: Any = None,
    *,
    provider: str | None = None,
    top_k: int | None = None,
    model: str | None = None,
) -> Any:
    """A search in a vector store or an index: span `retrieval {data_source_id}`.

    Args:
        data_source_id: The store, collection or index.
        provider: Who runs it (`gen_ai.provider.name`).
        top_k: How many documents were asked for.
        model: The embedding or reranking model, if the store calls one itself.
    """
    text = partial(arguments.text, "retrieval()")
    attributes = {
        semconv.PROVIDER_NAME: text("provider", provider),
        semconv.REQUEST_MODEL: text("model", model),
        semconv.RETRIEVAL_TOP_K: arguments.count("retrieval()", "top_k", top_k),
    }
    return _step("retrieval()", RETRIEVAL, RetrievalRun, data_source_id, attributes)


def embedding(
    model: str, *, provider: str = semconv.IN_PROCESS, dimensions: int | None = None
) -> Step[EmbeddingRun]:
    """Embeddings made by a library that llm-otel does not instrument: span `embeddings {model}`.

    Args:
        model: The model's name.
        provider: Who runs it (`gen_ai.provider.name`).
        dimensions: The length of the vectors.
    """
    attributes = {
        semconv.PROVIDER_NAME: arguments.text("embedding()", "provider", provider),
        semconv.EMBEDDINGS_DIMENSION_COUNT: arguments.count(
            "embedding()", "dimensions", dimensions
        ),
    }
    step: Step[EmbeddingRun] = _step("embedding()", _EMBEDDING, EmbeddingRun, model, attributes)
    return step


def _step(
    call: str, kind: Kind, run: type[R], name: Any, attributes: Mapping[str, str | int | None]
) -> Any:
    """The step; or, of a decorator without parentheses, the decorated function."""
    if callable(name):
        return Step(kind, run, None, attributes)(name)
    return Step(kind, run, arguments.text(call, "the name", name), attributes)


def _bound(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The call's arguments by name, without the object that a method belongs to."""
    arguments = inspect.signature(fn).bind(*args, **kwargs).arguments
    return {name: value for name, value in arguments.items() if name not in ("self", "cls")}
