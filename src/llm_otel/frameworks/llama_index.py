"""LlamaIndex: a span handler of its dispatcher makes spans of agents, workflows, tools, searches.

Each function that LlamaIndex instruments has an id and that of its parent; one that is none of
these lies in the step of its parent. Tools and searches begin and end in one frame, so they are
current meanwhile. Running an agent or a workflow gives a handler at once, and its steps run in
tasks of their own: calls find these by LlamaIndex's own context variable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from llama_index_instrumentation import root_dispatcher
from llama_index_instrumentation.span import active_span_id
from llama_index_instrumentation.span_handlers import BaseSpanHandler

from llm_otel import spans
from llm_otel.core import enclosing
from llm_otel.core.steps import StepRun
from llm_otel.frameworks.spec import Framework, OpenSteps, guarded

_AGENT, _TEAM, _WORKFLOW, _TOOL, _SEARCH = "agent", "team", "workflow", "tool", "search"
# LlamaIndex's base classes -> what an object of them is; the first that it is an object of.
_BASES = {
    "BaseWorkflowAgent": _AGENT,
    "AgentWorkflow": _TEAM,
    "Workflow": _WORKFLOW,
    "BaseTool": _TOOL,
    "BaseRetriever": _SEARCH,
}
# What of them is a step, by the name of the method.
_METHODS = {
    "run": (_AGENT, _TEAM, _WORKFLOW),
    "call": (_TOOL,),
    "acall": (_TOOL,),
    "retrieve": (_SEARCH,),
    "aretrieve": (_SEARCH,),
}
_MOST_RUNS = 1_000

_steps = OpenSteps(lambda: FRAMEWORK)
# The latest runs of agents and workflows -> their parents. LlamaIndex leaves the id of a run in the
# context of whoever started it, where it is not: what a run does lies in its steps.
_runs: dict[str, str | None] = {}
# A run of several agents -> whose turn it is, and its key.
_turns: dict[str, tuple[str, str]] = {}
# The call of a tool -> the id that the model gave it.
_call_ids: dict[str, str] = {}


class _Handler(BaseSpanHandler[Any]):
    """Hears of the start and the end of every instrumented function, in its place."""

    @guarded
    def new_span(
        self,
        id_: str,
        bound_args: Any,
        instance: Any = None,
        parent_span_id: str | None = None,
        tags: Any = None,
        **kwargs: Any,
    ) -> None:
        method = id_.partition("-")[0].rpartition(".")[2]
        kind = _kind(instance.__class__, method)
        if kind == _TOOL:
            _begin_tool(id_, instance, parent_span_id, bound_args)
        elif kind == _SEARCH:
            _begin_search(id_, instance, parent_span_id, bound_args)
        elif kind is not None:
            _begin_run(id_, kind, instance, parent_span_id)
        else:
            _begin_function(id_, method, parent_span_id, bound_args)

    @guarded
    def prepare_to_exit_span(
        self,
        id_: str,
        bound_args: Any,
        instance: Any = None,
        result: Any = None,
        **kwargs: Any,
    ) -> None:
        run = _steps.of(id_)
        if isinstance(run, spans.RetrievalRun) and isinstance(result, list):
            run.set_documents(map(_document, result))
        _end(id_, result=getattr(result, "content", None))

    @guarded
    def prepare_to_drop_span(
        self,
        id_: str,
        bound_args: Any,
        instance: Any = None,
        err: BaseException | None = None,
        **kwargs: Any,
    ) -> None:
        _end(id_, err)


@lru_cache(maxsize=256)
def _kind(cls: Any, method: str) -> str | None:
    """What step a method of a class is; None where it is none."""
    names = [each.__name__ for each in cls.__mro__]
    kind = next((kind for base, kind in _BASES.items() if base in names), None)
    return kind if kind in _METHODS.get(method, ()) else None


def _begin_tool(id_: str, tool: Any, parent: str | None, bound_args: Any) -> None:
    around = _steps.of(_place(parent))
    own = parent is not None and parent.startswith(f"{type(tool).__name__}.")
    if own and isinstance(around, spans.ToolRun):  # a tool's `acall` calls its `call`
        _steps.join(id_, parent)
        return
    about = tool.metadata
    step = spans.tool(
        about.name, call_id=_call_ids.get(parent or ""), description=about.description
    )
    run = _steps.begin(id_, step, _place(parent), current=True)
    if run is not None:
        run.set_arguments(bound_args.arguments.get("kwargs") or dict(bound_args.arguments))


def _begin_search(id_: str, retriever: Any, parent: str | None, bound_args: Any) -> None:
    step = spans.retrieval(
        type(retriever).__name__, top_k=getattr(retriever, "similarity_top_k", None)
    )
    run = _steps.begin(id_, step, _place(parent), current=True)
    query = bound_args.arguments.get("str_or_query_bundle")
    if run is not None:
        run.set_query(getattr(query, "query_str", query))


def _begin_run(id_: str, kind: str, instance: Any, parent: str | None) -> None:
    place = _place(parent)
    if len(_runs) >= _MOST_RUNS:
        _runs.pop(next(iter(_runs)), None)
    _runs[id_] = place
    if kind == _AGENT:
        _steps.begin(id_, spans.agent(instance.name, description=instance.description), place)
    else:
        _steps.begin(id_, spans.workflow(type(instance).__name__), place)


def _begin_function(id_: str, method: str, parent: str | None, bound_args: Any) -> None:
    """A function that is no step; of a workflow's steps two tell more."""
    event = bound_args.arguments.get("ev")
    if method == "call_tool" and event is not None:
        _call_ids[id_] = event.tool_id
    if method == "setup_agent" and parent is not None and parent.startswith("AgentWorkflow."):
        _turn(parent, event.current_agent_name)
    turn = _turns.get(parent or "")
    _steps.join(id_, parent if turn is None else turn[1])


def _turn(run: str, name: str) -> None:
    """The agent of this name is at work now, in a run of several."""
    before = _turns.get(run)
    if before is not None and before[0] == name:
        return
    if before is not None:
        _steps.end(before[1])
    key = f"{name}-{run}"
    _turns[run] = (name, key)
    _steps.begin(key, spans.agent(name), run)


def _end(id_: str, error: BaseException | None = None, result: Any = None) -> None:
    _call_ids.pop(id_, None)
    turn = _turns.pop(id_, None)
    if turn is not None:
        _steps.end(turn[1], error)
    _steps.end(id_, error, result=result)


def _place(id_: str | None) -> str | None:
    """Where the code is that LlamaIndex's context says is in `id_`: never in a run itself."""
    while id_ in _runs:
        id_ = _runs[id_]
    return id_


def _document(node: Any) -> Mapping[str, Any]:
    """A node of LlamaIndex's as the conventions have it; asked only where it is recorded."""
    return {"id": node.node_id, "score": node.score, "content": node.text}


def _current_step() -> StepRun | None:
    return _steps.of(_place(active_span_id.get()))


def _install() -> Callable[[], None]:
    handler = _Handler()
    root_dispatcher.add_span_handler(handler)
    enclosing.add(_current_step)
    return partial(_remove, handler)


def _remove(handler: _Handler) -> None:
    handlers = root_dispatcher.span_handlers
    handlers[:] = [each for each in handlers if each is not handler]
    enclosing.remove(_current_step)
    _steps.end_all()
    for names in (_runs, _turns, _call_ids):
        names.clear()


def _own_otel() -> str | None:
    """LlamaIndex's own OpenTelemetry package, which is a span handler, too."""
    modules = (type(each).__module__ for each in root_dispatcher.span_handlers)
    return next((each for each in modules if each.startswith("llama_index.observability")), None)


FRAMEWORK: Framework = Framework(
    name="llama_index",
    module="llama_index_instrumentation",
    supported=">=0.14",
    install=_install,
    instrumentors=(
        "openinference.instrumentation.llama_index",
        "opentelemetry.instrumentation.llamaindex",
    ),
    other=_own_otel,
)
