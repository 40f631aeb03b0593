"""LangChain and LangGraph: a callback handler that their configure hook gives to every run.

Graphs, chains, models and tools are runs, each with the id of its parent. An agent, a tool and a
search get a span, and so does the outermost graph or chain; every other run lies in the step of its
parent. A run that is streamed is told of inside a generator, in the context of whoever reads that,
so only tools, searches and nodes of a graph are made current: those are no generators. The others
are found by LangChain's own context, which holds the id of the run that it is in.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from langchain_core.callbacks.base import BaseCallbackHandler
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers.context import register_configure_hook
from opentelemetry import trace

from llm_otel import spans
from llm_otel.core import enclosing
from llm_otel.core.steps import StepRun
from llm_otel.frameworks.spec import Framework, OpenSteps, guarded

_AGENT = "langchain_create_agent"
# What a graph is called that has no name.
_GRAPH = "LangGraph"
_NODE_TAG = "graph:step:"

_steps = OpenSteps(lambda: FRAMEWORK)


class _Handler(BaseCallbackHandler):
    """Hears of the start and the end of every run, in the place where it runs."""

    run_inline = True  # in a task of its own nothing could be made current
    ignore_llm = True
    ignore_chat_model = True
    ignore_retry = True
    ignore_custom_event = True

    @guarded
    def on_chain_start(
        self,
        serialized: Any,
        inputs: Any,
        *,
        run_id: Any,
        parent_run_id: Any = None,
        tags: Any = None,
        metadata: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        metadata = metadata or {}
        if any(tag.startswith(_NODE_TAG) for tag in tags or ()):
            _steps.join(run_id, parent_run_id, current=True)
        elif _is_agent(name, metadata):
            step = spans.agent(
                metadata.get("lc_agent_name") if name == _GRAPH else name,
                conversation_id=metadata.get("thread_id"),
            )
            _steps.begin(run_id, step, parent_run_id)
        elif parent_run_id is None and _is_workflow(metadata):
            _steps.begin(run_id, spans.workflow(name))
        else:
            _steps.join(run_id, parent_run_id)

    @guarded
    def on_tool_start(
        self,
        serialized: Any,
        input_str: str,
        *,
        run_id: Any,
        parent_run_id: Any = None,
        inputs: Any = None,
        **kwargs: Any,
    ) -> None:
        about = serialized or {}
        step = spans.tool(
            kwargs.get("name") or about.get("name"),
            call_id=kwargs.get("tool_call_id"),
            description=about.get("description"),
        )
        run = _steps.begin(run_id, step, parent_run_id, current=True)
        if run is not None:
            run.set_arguments(input_str if inputs is None else inputs)

    @guarded
    def on_retriever_start(
        self,
        serialized: Any,
        query: str,
        *,
        run_id: Any,
        parent_run_id: Any = None,
        metadata: Any = None,
        **kwargs: Any,
    ) -> None:
        metadata = metadata or {}
        store = metadata.get("ls_vector_store_provider") or metadata.get("ls_retriever_name")
        step = spans.retrieval(store or kwargs.get("name"))
        # LangChain tells nothing of the end of one that is cancelled: it would stay current.
        run = _steps.begin(run_id, step, parent_run_id, current=not _in_event_loop())
        if run is not None:
            run.set_query(query)

    @guarded
    def on_chain_end(self, outputs: Any, *, run_id: Any, **kwargs: Any) -> None:
        _steps.end(run_id)

    @guarded
    def on_tool_end(self, output: Any, *, run_id: Any, **kwargs: Any) -> None:
        failed = getattr(output, "status", None) == "error"
        _steps.end(
            run_id,
            error_type="tool_error" if failed else None,
            result=getattr(output, "content", output),
        )

    @guarded
    def on_retriever_end(self, documents: Any, *, run_id: Any, **kwargs: Any) -> None:
        run = _steps.of(run_id)
        if isinstance(run, spans.RetrievalRun):
            run.set_documents(map(_document, documents))
        _steps.end(run_id)

    @guarded
    def on_chain_error(self, error: BaseException, *, run_id: Any, **kwargs: Any) -> None:
        _steps.end(run_id, None if _is_no_error(error) else error)

    on_tool_error = on_retriever_error = on_chain_error


def _document(document: Any) -> dict[str, Any]:
    """A document of LangChain's as the conventions have it; asked only where it is recorded."""
    return {
        "id": getattr(document, "id", None),
        "content": getattr(document, "page_content", None),
    }


def _is_agent(name: str | None, metadata: dict[str, Any]) -> bool:
    """Whether a run is an agent's: what runs inside it has the same metadata, and another name."""
    if metadata.get("ls_integration") != _AGENT:
        return False
    return name in (_GRAPH, metadata.get("lc_agent_name", _GRAPH))


def _is_workflow(metadata: dict[str, Any]) -> bool:
    """Whether an outermost run is to be a span: a graph, and any chain that nothing is around."""
    return "ls_integration" in metadata or not trace.get_current_span().is_recording()


def _is_no_error(error: BaseException) -> bool:
    """Whether an exception is LangGraph's way to go on elsewhere: a handoff, an interrupt."""
    return any(each.__name__ == "GraphBubbleUp" for each in type(error).__mro__)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _current_step() -> StepRun | None:
    config = var_child_runnable_config.get()
    callbacks = config.get("callbacks") if config else None
    return _steps.of(getattr(callbacks, "parent_run_id", None))


class _Hook:
    """What LangChain asks for the handler in each place, as it asks a context variable."""

    handler: _Handler | None = None

    def get(self) -> _Handler | None:
        return self.handler


_HOOK = _Hook()
_registered: list[object] = []


def _install() -> Any:
    if register_configure_hook not in _registered:  # there is no way to take it back
        _registered.append(register_configure_hook)
        register_configure_hook(_HOOK, True)  # type: ignore[arg-type]
    _HOOK.handler = _Handler()
    enclosing.add(_current_step)
    return _remove


def _remove() -> None:
    _HOOK.handler = None
    enclosing.remove(_current_step)
    _steps.end_all()


def _langsmith() -> str | None:
    """LangSmith, where it is set to make OpenTelemetry spans of all runs."""
    utils = sys.modules.get("langsmith.utils")
    is_set = getattr(utils, "is_env_var_truish", None)
    if is_set is None or not is_set("OTEL_ENABLED"):
        return None
    return "langsmith" if is_set("TRACING") or is_set("TRACING_V2") else None


FRAMEWORK: Framework = Framework(
    name="langchain",
    module="langchain_core.tracers.context",
    supported=">=1,<2",
    install=_install,
    instrumentors=(
        "openinference.instrumentation.langchain",
        "opentelemetry.instrumentation.langchain",
        "opentelemetry.instrumentation.genai.langchain",
    ),
    other=_langsmith,
)
