"""The life of one step of the application: a span, current while the step's code runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode

from llm_otel import semconv
from llm_otel.attribution import NOTHING as NO_ATTRIBUTION
from llm_otel.attribution import current as current_attribution
from llm_otel.base import arguments, finalizers, guard, otel_internals
from llm_otel.base.activation import Run, Scoped, wrap
from llm_otel.core import enclosing, errors, lost_context, peer_spans
from llm_otel.core.metrics import step_durations
from llm_otel.core.rollup.steps import StepRollup, attributes

if TYPE_CHECKING:
    from llm_otel.core.runtime import Runtime

F = TypeVar("F", bound=Callable[..., Any])

_NOTHING = Context()


class Kind(NamedTuple):
    """What the conventions say of one kind of step.

    Attributes:
        operation: `gen_ai.operation.name`, and the first word of the span's name.
        name: The attribute that holds the step's own name.
        span_kind: CLIENT where the conventions ask for it.
        metric: The duration in v1.41; None: there is none.
        latest: The duration in the coming conventions, where it has another name.
        named: The step should have a name; a decorated function lends its own.
    """

    operation: str
    name: str
    metric: semconv.Metric | None
    span_kind: SpanKind = SpanKind.INTERNAL
    latest: semconv.Metric | None = None
    named: bool = True

    def metrics(self, setting: str) -> set[semconv.Metric]:
        """What to record for the setting `semconv`."""
        latest = self.latest or self.metric
        if self.metric is None or latest is None:
            return set()
        chosen = {"v1.41": {self.metric}, "latest": {latest}, "both": {self.metric, latest}}
        return chosen.get(setting, set())


def _nothing() -> None:
    """What a step that never began has to undo."""


class StepRun(Run):
    """A step under way: what `with … as step` gives.

    Args:
        within: The step that is around it, where that is not current but known.

    Attributes:
        surrounding: The span that was current when it began.
        inside: The context of what lies in it.
        depth: How many steps are around it that need not be current.
        error_type: What it failed with, where no exception tells; set before its end.
    """

    error_type: str | None = None

    def __init__(
        self,
        kind: Kind,
        name: str | None,
        attributes: dict[str, Any],
        within: StepRun | None = None,
    ) -> None:
        self._kind = kind
        self._attributes: dict[str, Any] = {}
        self._attribution = NO_ATTRIBUTION
        self._span: Span = INVALID_SPAN
        self._runtime: Runtime | None = None
        self._rollup: StepRollup | None = None
        self._closed: Callable[[], None] = _nothing
        self.depth = 0
        context = get_current()
        self.surrounding = trace.get_current_span(context)
        try:
            if within is not None or enclosing.finders:
                around = enclosing.find(context, within)
                if around is not None:
                    context, self.depth = enclosing.inside(context, around), around.depth + 1
            context = self._start(context, name, attributes)
        except Exception as exc:  # noqa: BLE001
            guard.handle("step", exc)
        super().__init__(context)
        self.inside = self._context
        finalizers.ready()
        self._started = perf_counter()

    def _start(self, context: Context, name: str | None, attributes: dict[str, Any]) -> Context:
        from llm_otel.core import runtime

        kind = self._kind
        own = {semconv.OPERATION_NAME: kind.operation, **self._inherited(context), **attributes}
        if name is not None:
            own[kind.name] = name
        active = runtime.active()
        self._runtime = active or runtime.get()
        self._closed = lost_context.step_began()
        self._attributes = own
        self._attribution = current_attribution(context)
        span_name = kind.operation if name is None else f"{kind.operation} {name}"
        self._span = self._runtime.tracer.start_span(
            span_name,
            context,
            kind.span_kind,
            {**self._attribution.span_attributes, **own},
        )
        counting = active is not None and active.live
        self._rollup = StepRollup(kind.operation, span_name, context, counting)
        inside = self._rollup.handed_down(trace.set_span_in_context(self._span, context))
        return self._handed_down(inside)

    def _inherited(self, context: Context) -> dict[str, Any]:  # noqa: ARG002
        """Attributes that outer steps left in the context."""
        return {}

    def _handed_down(self, context: Context) -> Context:
        """The context with what this step leaves for inner ones."""
        return context

    def called(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The decorated function is about to run with these arguments."""

    def _capture(self, attribute: str, content: Callable[[], object]) -> None:
        """Record content as text or JSON; it is built only when it is wanted."""
        try:
            if self._runtime is not None and self._captures(self._runtime):
                self._span.set_attribute(attribute, captured(self._runtime, content()))
        except Exception as exc:  # noqa: BLE001
            guard.handle("step content", exc)

    def _captures(self, runtime: Runtime) -> bool:
        return runtime.policy.span and self._span.is_recording()

    def end(self, error: BaseException | None) -> None:
        """End the span; an early exit of the caller (`GeneratorExit`) is no error."""
        super().end(error)
        self._closed()
        self._closed = _nothing
        self.inside = _NOTHING
        failure = None if isinstance(error, GeneratorExit) else error
        if finalizers.may_be_final(error):
            finalizers.defer(lambda at: self._finish(failure, at))
        else:
            at = finalizers.now()
            if self._rollup is not None:
                self._rollup.settle()
            self._finish(failure, at)

    def _finish(self, failure: BaseException | None, at: finalizers.Moment) -> None:
        error_type = self.error_type
        try:
            if self._runtime is not None:
                if failure is not None:
                    error_type = errors.full_name(failure)
                self._measure(self._runtime, at.seconds - self._started, error_type)
                if error_type is not None:
                    self._fail(self._runtime, error_type, failure)
        except Exception as exc:  # noqa: BLE001
            guard.handle("step", exc)
        try:
            peer_spans.protect(self._span, self._kind.operation)
        except Exception as exc:  # noqa: BLE001
            guard.handle("protect", exc)
        try:
            if self._rollup is not None:
                self._sum_up(self._rollup, error_type)
        except Exception as exc:  # noqa: BLE001
            guard.handle("roll up", exc)
        try:
            self._span.end(at.epoch_ns)
        except Exception as exc:  # noqa: BLE001 - a span processor of the application
            guard.handle("step end", exc)

    def _measure(self, runtime: Runtime, seconds: float, error_type: str | None) -> None:
        for metric in self._kind.metrics(runtime.settings.semconv):
            self._record(runtime, metric, seconds, error_type)

    def _record(
        self,
        runtime: Runtime,
        metric: semconv.Metric,
        value: float,
        error_type: str | None,
        **more: str,
    ) -> None:
        """Record with the labels that the metric has."""
        attribution = self._attribution
        values = {
            **self._attributes,
            semconv.OPERATION: self._kind.operation,
            semconv.STEP: self._attributes.get(self._kind.name, semconv.NONE),
            semconv.FEATURE: attribution.feature,
            semconv.TENANT_ID: attribution.tenant_id,
            **more,
        }
        if error_type is not None:
            values[semconv.ERROR_TYPE] = error_type
        labels = {name: values[name] for name in metric.labels if name in values}
        step_durations.record(runtime.instruments.table, metric, value, labels)

    def _sum_up(self, step: StepRollup, error_type: str | None) -> None:
        """What a workflow or agent came to: on its span, in metrics."""
        totals, runtime = step.end(), self._runtime
        if totals is None or runtime is None:
            return
        if self._span.is_recording():
            sums = attributes(totals, self._kind.operation)
            otel_internals.set_attributes(self._span, sums)
        incomplete = {semconv.INCOMPLETE: "true"} if totals.incomplete else {}
        self._record(runtime, semconv.RUN_COST, totals.cost_usd, None, **incomplete)
        own = step.own
        if own is not None and own.is_agent and runtime.settings.semconv != "off":
            for metric, count in (
                (semconv.INVOKE_AGENT_INFERENCE_CALLS, own.own_inference_calls),
                (semconv.INVOKE_AGENT_TOOL_CALLS, own.own_tool_calls),
            ):
                self._record(runtime, metric, count, error_type)

    def _fail(self, runtime: Runtime, error_type: str, failure: BaseException | None) -> None:
        self._span.set_attribute(semconv.ERROR_TYPE, error_type)
        self._span.set_status(Status(StatusCode.ERROR))
        if failure is not None and self._captures(runtime):
            self._span.set_status(Status(StatusCode.ERROR, runtime.policy.quote(failure)))


def captured(runtime: Runtime, content: object) -> str:
    """Content redacted and cut: strings as they are, all else as JSON."""
    if isinstance(content, str):
        return runtime.policy.text(content)
    cleaned = runtime.policy.clipped(runtime.policy.json(content))
    return json.dumps(cleaned, ensure_ascii=False, separators=(",", ":"))


R = TypeVar("R", bound=StepRun)


class Step(Scoped[R]):
    """What `tool()` and the like give: enter it or decorate with it, as often as wanted."""

    def __init__(
        self, kind: Kind, run: type[R], name: str | None, attributes: Mapping[str, object]
    ) -> None:
        super().__init__()
        self._kind = kind
        self._run = run
        self._name = name
        self._attributes = {k: v for k, v in attributes.items() if v is not None}

    def _begin(self) -> R:
        if self._name is None and self._kind.named:
            reason = "a step in a `with` statement needs one, as in tool('search')"
            arguments.leave_out(self._kind.operation, "the name", reason)
        return self._run(self._kind, self._name, self._attributes)

    def begin(self, within: StepRun | None = None) -> R:
        """Begin a run of it that is current nowhere, for callbacks that tell of its start and of
        its end; nothing is wrong with a step that has no name there.

        `resume()` makes it current, `suspend()` brings back what was, `end()` ends it.

        Args:
            within: The step that is around it, where that is not current but known.
        """
        return self._run(self._kind, self._name, self._attributes, within)

    def __call__(self, fn: F) -> F:
        name = self._name
        if name is None and self._kind.named:
            name = getattr(fn, "__name__", type(fn).__name__)

        def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
            run = self._run(self._kind, name, self._attributes)
            run.called(fn, args, kwargs)
            return run

        return wrap(fn, begin)
