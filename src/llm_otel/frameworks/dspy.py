"""DSPy: a callback makes spans of agents, tools, searches and the outermost program.

Both callbacks of a call come in one frame, around it, so its step is current in between. DSPy's
threads (`Parallel`, `Evaluate`) get none of the caller's context variables, but DSPy's own
settings: the context travels in one of these.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache, partial
from typing import Any, NamedTuple

import dspy
from dspy.utils.callback import BaseCallback
from opentelemetry import trace
from opentelemetry.context import Context, get_current

from llm_otel import spans
from llm_otel.attribution import merged
from llm_otel.base.activation import Run
from llm_otel.core.steps import Step
from llm_otel.frameworks.spec import Framework, OpenSteps, guarded
from llm_otel.seams.replacing import replaced

# DSPy's modules that are agents: they have a model choose tools until it is done.
_AGENTS = ("ReAct", "ReActV2", "CodeAct", "RLM", "Avatar")
# The setting of DSPy's that holds the context of the innermost call.
_SETTING = "llm_otel_context"

# Ways for DSPy to send requests, since 3.4, that take its own HTTP client wherever that can.
_UNSEEN = ("auto", "lm15")

_logger = logging.getLogger("llm_otel")
_steps = OpenSteps(lambda: FRAMEWORK)


class _Call(NamedTuple):
    """What to undo at the end of a call.

    Attributes:
        overrides: DSPy's settings, with the context.
        carried: The context of another thread that was made current.
    """

    overrides: AbstractContextManager[None]
    carried: Run | None


_calls: dict[str, _Call] = {}


class _Callback(BaseCallback):  # type: ignore[misc, unused-ignore]
    """Hears of the start and the end of every call, in its place."""

    @guarded
    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        run = _begin(call_id, lambda: _step(instance))
        if isinstance(run, spans.RetrievalRun):
            run.set_query(str(inputs.get("args") or inputs.get("kwargs")))

    @guarded
    def on_tool_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        run = _begin(call_id, lambda: spans.tool(instance.name, description=instance.desc))
        if isinstance(run, spans.ToolRun):
            run.set_arguments(inputs.get("kwargs", inputs))

    @guarded
    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        if getattr(instance, "engine", None) in _UNSEEN:
            _warn_of_engine()

    @guarded
    def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        _begin(call_id, lambda: None)

    @guarded
    def on_module_end(
        self, call_id: str, outputs: Any, exception: BaseException | None = None
    ) -> None:
        call = _calls.pop(call_id, None)
        if call is None:
            return
        call.overrides.__exit__(None, None, None)
        _steps.end(call_id, exception, result=outputs)
        if call.carried is not None:
            call.carried.__exit__(None, None, None)

    on_tool_end = on_evaluate_end = on_module_end


@cache
def _warn_of_engine() -> None:
    _logger.warning(
        "llm-otel does not see the requests that DSPy sends by its own HTTP client (lm15): they "
        "have no spans, no tokens and no cost. Use dspy.LM(..., engine='litellm')."
    )


def _step(module: Any) -> Step[Any] | None:
    """The step that a module of DSPy's is, or the outermost one of the program's; else None."""
    name, own = type(module).__name__, not type(module).__module__.startswith("dspy.")
    if isinstance(module, dspy.Retrieve):
        retrieval: Step[Any] = spans.retrieval(name, top_k=getattr(module, "k", None))
        return retrieval
    if any(each.__name__ in _AGENTS for each in type(module).__mro__):
        agent: Step[Any] = spans.agent(name)
        return agent
    return spans.workflow(name) if own and not dspy.settings.get("caller_modules") else None


def _begin(call_id: str, make: Callable[[], Step[Any] | None]) -> Any:
    carried = _carried()
    if carried is not None:
        carried.resume()
    step = make()
    run = None if step is None else _steps.begin(call_id, step, current=True)
    overrides = dspy.context(**{_SETTING: get_current()})
    overrides.__enter__()
    _calls[call_id] = _Call(overrides, carried)
    return run


def _carried() -> Run | None:
    """What makes the context of the thread current that this one works for, if it has none."""
    context = get_current()
    if trace.get_current_span(context) is not trace.INVALID_SPAN:
        return None
    outer = dspy.settings.get(_SETTING)
    return Run(merged(context, outer)) if isinstance(outer, Context) and outer else None


def _with(callback: _Callback, original: Any) -> Callable[..., Any]:
    """The callbacks that are asked for at each call, with ours: a program that configures its own
    replaces all others, but does not mean ours."""

    def get(settings: Any, key: str, default: Any = None) -> Any:
        value = original(settings, key, default)
        if key == "callbacks" and isinstance(value, list) and callback not in value:
            return [*value, callback]
        return value

    return get


def _install() -> Callable[[], None]:
    with replaced.lock:
        replaced.put(type(dspy.settings), "get", partial(_with, _Callback()))
    return _steps.end_all  # the function is taken out with all others


FRAMEWORK: Framework = Framework(
    name="dspy",
    module="dspy",
    supported=">=3,<4",
    install=_install,
    instrumentors=("openinference.instrumentation.dspy",),
)
