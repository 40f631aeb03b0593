"""CrewAI: what its event bus is told makes spans of crews, flows, agents, tools and searches.

The bus hands an event to its listeners in a pool of threads, perhaps after the call that the event
is about has begun. So we hear where the event is emitted, at the bus's public `emit`, and not as a
listener. Both ends of a step come in the same context, as CrewAI keeps a stack of events in a
context variable, so the step is current in between. It tells nothing of some ends, and of others
twice, as when a call fails: a stack of our own has each end close the innermost of its kind.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from crewai.events.event_bus import CrewAIEventsBus
from crewai.events.event_context import VALID_EVENT_PAIRS

from llm_otel import spans
from llm_otel.core.steps import Step
from llm_otel.frameworks.spec import Framework, OpenSteps, guarded
from llm_otel.seams.replacing import replaced

_steps = OpenSteps(lambda: FRAMEWORK)
# Type and id of the events whose steps are open here, the innermost last.
_open: ContextVar[tuple[tuple[str, str], ...]] = ContextVar("llm_otel.crewai", default=())
_ENDS_WITH_ERROR = ("_failed", "_error")


def _agent(role: Any, id_: Any) -> Step[Any]:
    # In YAML a role is mostly written as a paragraph.
    step: Step[Any] = spans.agent(role.strip() if isinstance(role, str) else None, id=id_)
    return step


# Type of an event that begins a step -> the step.
_STARTS: dict[str, Callable[[Any], Step[Any]]] = {
    "agent_execution_started": lambda event: _agent(event.agent.role, event.agent.id),
    "crew_kickoff_started": lambda event: spans.workflow(event.crew_name or "crew"),
    "flow_started": lambda event: spans.workflow(event.flow_name),
    "knowledge_search_query_started": lambda _event: spans.retrieval("knowledge"),
    "lite_agent_execution_started": lambda event: _agent(
        event.agent_info.get("role"), event.agent_info.get("id")
    ),
    "memory_query_started": lambda event: spans.retrieval("memory", top_k=event.limit),
    "tool_usage_started": lambda event: spans.tool(event.tool_name),
}


@guarded
def _hear(source: Any, event: Any) -> None:
    start = _STARTS.get(event.type)
    if start is not None:
        if event.type != "flow_started" or not _is_crewais_own(source):
            _begin(event, start(event))
    elif VALID_EVENT_PAIRS.get(event.type) in _STARTS:
        _end(source, event)


def _is_crewais_own(flow: Any) -> bool:
    """Whether a flow is one that CrewAI runs an agent in."""
    return type(flow).__module__.partition(".")[0] == "crewai"


def _begin(event: Any, step: Step[Any]) -> None:
    run = _steps.begin(event.event_id, step, current=True)
    if run is None:
        return
    _open.set((*_open.get(), (event.type, event.event_id)))
    if isinstance(run, spans.ToolRun):
        run.set_arguments(event.tool_args)
    elif isinstance(run, spans.RetrievalRun) and getattr(event, "query", None):
        run.set_query(event.query)


def _end(source: Any, event: Any) -> None:
    stack, start = _open.get(), VALID_EVENT_PAIRS[event.type]
    if start == "flow_started" and _is_crewais_own(source):
        return
    position = next((n for n in range(len(stack) - 1, -1, -1) if stack[n][0] == start), None)
    if position is None:
        return
    _open.set(stack[:position])
    error, error_type = _failure(event)
    for _, key in reversed(stack[position + 1 :]):  # of whose end nothing was told
        _steps.end(key, error, error_type=error_type)
    result = getattr(event, "output", None)
    _steps.end(stack[position][1], error, error_type=error_type, result=result)


def _failure(event: Any) -> tuple[BaseException | None, str | None]:
    if event.type.endswith(_ENDS_WITH_ERROR):
        reason = getattr(event, "error", None)  # of some events a text, of others an exception
        error = reason if isinstance(reason, BaseException) else sys.exc_info()[1]
        return error, "tool_error" if event.type.startswith("tool") else "agent_error"
    failed = getattr(event, "failure", None) is not None
    return None, "tool_error" if failed else None


def _hearing(original: Any) -> Callable[..., Any]:
    def emit(bus: Any, source: Any, event: Any) -> Any:
        result = original(bus, source, event)
        _hear(source, event)
        return result

    return emit


def _install() -> Callable[[], None]:
    with replaced.lock:
        replaced.put(CrewAIEventsBus, "emit", _hearing)
    return _steps.end_all  # the function is taken out with all others


FRAMEWORK: Framework = Framework(
    name="crewai",
    module="crewai.events.event_bus",
    supported=">=1.15",
    install=_install,
    instrumentors=("openinference.instrumentation.crewai", "opentelemetry.instrumentation.crewai"),
)
