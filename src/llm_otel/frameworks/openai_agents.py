"""OpenAI Agents SDK: a processor of its traces makes spans of agents and tools.

A tool's span is current while the tool runs. Those of agents and runs begin in one function and end
in another, so they are not: calls find them by the SDK's own current span. Without the SDK's
tracing (`OPENAI_AGENTS_DISABLE_TRACING`, `RunConfig.tracing_disabled`) there are none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from agents import add_trace_processor
from agents.tracing import TracingProcessor, get_current_span, get_current_trace, get_trace_provider
from opentelemetry import trace as otel

from llm_otel import spans
from llm_otel.core import enclosing
from llm_otel.core.steps import StepRun
from llm_otel.frameworks.spec import Framework, OpenSteps, guarded
from llm_otel.seams.replacing import replaced

# What the SDK calls a run that the program gave no name.
_UNNAMED = "Agent workflow"
# What a tool failed with whose exception the SDK has turned into an answer for the model.
_FAILED = "tool_error"

_steps = OpenSteps(lambda: FRAMEWORK)
# Exceptions that were being handled when a span began: they are none of its own.
_handled: dict[str, int] = {}


class _Processor(TracingProcessor):
    """Hears of the start and the end of every span, in the place where it is."""

    active = True  # a processor cannot be taken away by itself

    @guarded
    def on_trace_start(self, trace: Any) -> None:
        outermost = not otel.get_current_span().is_recording()
        if self.active and (outermost or trace.name != _UNNAMED):
            _steps.begin(trace.trace_id, spans.workflow(trace.name))

    @guarded
    def on_trace_end(self, trace: Any) -> None:
        _steps.end(trace.trace_id)

    @guarded
    def on_span_start(self, span: Any) -> None:
        if not self.active:
            return
        parent, about = span.parent_id or span.trace_id, span.span_data
        if about.type == "agent":
            conversation = getattr(get_current_trace(), "group_id", None)
            agent = spans.agent(about.name, conversation_id=conversation)
            _steps.begin(span.span_id, agent, parent)
        elif about.type == "function":
            _steps.begin(span.span_id, spans.tool(about.name), parent, current=True)
        else:
            _steps.join(span.span_id, parent)
        _handled[span.span_id] = id(sys.exc_info()[1])

    @guarded
    def on_span_end(self, span: Any) -> None:
        handled = _handled.pop(span.span_id, None)
        error = sys.exc_info()[1]
        if id(error) == handled:
            error = None
        run, about = _steps.of(span.span_id), span.span_data
        if about.type == "function" and isinstance(run, spans.ToolRun) and about.input is not None:
            run.set_arguments(about.input)
        _steps.end(
            span.span_id,
            error,
            error_type=_FAILED if span.error is not None else None,
            result=getattr(about, "output", None),
        )

    def shutdown(self) -> None:
        pass

    def force_flush(self) -> None:
        pass


def _current_step() -> StepRun | None:
    span, trace = get_current_span(), get_current_trace()
    step = _steps.of(span.span_id) if span is not None else None
    return step if step is not None or trace is None else _steps.of(trace.trace_id)


def _keeping(processor: _Processor, original: Any) -> Callable[..., Any]:
    """A program that sets its processors takes out all others, but does not mean ours."""

    def set_processors(provider: Any, processors: Any) -> Any:
        result = original(provider, processors)
        if processor.active:
            provider.register_processor(processor)
        return result

    return set_processors


def _install() -> Callable[[], None]:
    processor = _Processor()
    add_trace_processor(processor)
    with replaced.lock:
        replaced.put(type(get_trace_provider()), "set_processors", partial(_keeping, processor))
    enclosing.add(_current_step)
    return partial(_remove, processor)


def _remove(processor: _Processor) -> None:
    processor.active = False
    enclosing.remove(_current_step)
    _steps.end_all()
    _handled.clear()


def _logfire() -> str | None:
    """Logfire, which puts a provider of its own around the SDK's."""
    module = type(get_trace_provider()).__module__
    return "logfire" if module.partition(".")[0] == "logfire" else None


FRAMEWORK: Framework = Framework(
    name="openai_agents",
    module="agents",
    supported=">=0.24",
    install=_install,
    instrumentors=(
        "openinference.instrumentation.openai_agents",
        "opentelemetry.instrumentation.openai_agents",
    ),
    other=_logfire,
)
