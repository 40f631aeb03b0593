"""smolagents: its agents and tools are wrapped, as it has no interface to hear of them.

Its `step_callbacks` belong to one agent, and come when a step is over. So we wrap what a program
calls: `MultiStepAgent.run` and `Tool.__call__`. The executor that runs an agent's code in a thread
of its own hands the context on to it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from inspect import isgenerator, signature
from typing import Any

from smolagents import MultiStepAgent
from smolagents.tools import PipelineTool, Tool

from llm_otel import spans
from llm_otel.attribution import propagate
from llm_otel.base import activation, guard
from llm_otel.core.steps import Step
from llm_otel.frameworks.spec import Framework, OpenSteps
from llm_otel.seams.replacing import replaced

# The tool by which an agent says that it is done; it gives what it gets.
_DONE = "final_answer"
_EXECUTOR = "smolagents.local_python_executor"

_steps = OpenSteps(lambda: FRAMEWORK)


def _agent(agent: Any) -> Step[Any] | None:
    if _steps.is_others():
        return None
    step: Step[Any] = spans.agent(
        getattr(agent, "name", None) or type(agent).__name__,
        model=getattr(agent.model, "model_id", None),
        description=getattr(agent, "description", None),
    )
    return step


def _tool(tool: Any) -> Step[Any] | None:
    if tool.name == _DONE or _steps.is_others():
        return None
    step: Step[Any] = spans.tool(tool.name, description=tool.description)
    return step


def _made(make: Callable[[Any], Step[Any] | None], of: Any) -> Step[Any] | None:
    try:
        return make(of)
    except Exception as exc:  # noqa: BLE001
        guard.handle("framework", exc)
        return None


def _running(original: Any) -> Callable[..., Any]:
    parameters = signature(original)

    def run(agent: Any, /, *args: Any, **kwargs: Any) -> Any:
        step = _made(_agent, agent)
        if step is None:
            return original(agent, *args, **kwargs)
        if not _streams(parameters, agent, args, kwargs):
            with step:
                return original(agent, *args, **kwargs)
        stream = original(agent, *args, **kwargs)
        if not isgenerator(stream):
            return stream
        return activation.generator(lambda: stream, lambda _args, _kwargs: step.begin())()

    return run


def _streams(parameters: Any, agent: Any, args: Any, kwargs: Any) -> bool:
    try:
        return bool(parameters.bind(agent, *args, **kwargs).arguments.get("stream"))
    except TypeError:  # the agent itself will say so
        return False


def _calling(original: Any) -> Callable[..., Any]:
    def call(tool: Any, /, *args: Any, **kwargs: Any) -> Any:
        step = _made(_tool, tool)
        if step is None:
            return original(tool, *args, **kwargs)
        with step as run:
            arguments = {k: v for k, v in kwargs.items() if k != "sanitize_inputs_outputs"}
            run.set_arguments([*args] if args else arguments)
            result = original(tool, *args, **kwargs)
            run.returned(result)
        return result

    return call


class _Executor(ThreadPoolExecutor):
    """A pool whose work has the context of whoever gives it."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(propagate(fn), *args, **kwargs)


def _install() -> Callable[[], None]:
    with replaced.lock:
        replaced.put(MultiStepAgent, "run", _running)
        for cls in (Tool, PipelineTool):
            replaced.put(cls, "__call__", _calling)
    module = sys.modules.get(_EXECUTOR)
    if getattr(module, "ThreadPoolExecutor", None) is ThreadPoolExecutor:
        vars(module)["ThreadPoolExecutor"] = _Executor
    return partial(_remove, module)


def _remove(module: Any) -> None:
    if getattr(module, "ThreadPoolExecutor", None) is _Executor:
        module.ThreadPoolExecutor = ThreadPoolExecutor


FRAMEWORK: Framework = Framework(
    name="smolagents",
    module="smolagents",
    supported=">=1.26,<2",
    install=_install,
    instrumentors=("openinference.instrumentation.smolagents",),
)
