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
from llm_otel.attribution import current as current_attribution
from llm_otel.base import arguments, finalizers, guard
from llm_otel.base.activation import Run, Scoped, wrap
from llm_otel.core import enclosing, errors
from llm_otel.core.metrics import step_durations

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
        metric: The duration in v1.41.
        latest: The duration in the coming conventions, where it has another name.
        named: The step should have a name; a decorated function lends its own.
    """

    operation: str
    name: str
    metric: semconv.Metric
    span_kind: SpanKind = SpanKind.INTERNAL
    latest: semconv.Metric | None = None
    named: bool = True

    def metrics(self, setting: str) -> set[semconv.Metric]:
        """What to record for the setting `semconv`."""
        latest = self.latest or self.metric
        chosen = {"v1.41": {self.metric}, "latest": {latest}, "both": {self.metric, latest}}
        return chosen.get(setting, set())


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
        self._span: Span = INVALID_SPAN
        self._runtime: Runtime | None = None
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
        self._runtime = runtime.get()
        self._attributes = own
        self._span = self._runtime.tracer.start_span(
            kind.operation if name is None else f"{kind.operation} {name}",
            context,
            kind.span_kind,
            {**current_attribution(context).span_attributes, **own},
        )
        return self._handed_down(trace.set_span_in_context(self._span, context))

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
                self._span.set_attribute(attribute, _captured(self._runtime, content()))
        except Exception as exc:  # noqa: BLE001
            guard.handle("step content", exc)

    def _captures(self, runtime: Runtime) -> bool:
        return runtime.policy.span and self._span.is_recording()

    def end(self, error: BaseException | None) -> None:
        """End the span; an early exit of the caller (`GeneratorExit`) is no error."""
        super().end(error)
        self.inside = _NOTHING
        failure = None if isinstance(error, GeneratorExit) else error
        if finalizers.may_be_final(error):
            finalizers.defer(lambda at: self._finish(failure, at))
        else:
            self._finish(failure, finalizers.now())

    def _finish(self, failure: BaseException | None, at: finalizers.Moment) -> None:
        try:
            if self._runtime is not None:
                error_type = self.error_type if failure is None else errors.full_name(failure)
                self._measure(self._runtime, at.seconds - self._started, error_type)
                if error_type is not None:
                    self._fail(self._runtime, error_type, failure)
        except Exception as exc:  # noqa: BLE001
            guard.handle("step", exc)
        try:
            self._span.end(at.epoch_ns)
        except Exception as exc:  # noqa: BLE001 - a span processor of the application
            guard.handle("step end", exc)

    def _measure(self, runtime: Runtime, seconds: float, error_type: str | None) -> None:
        for metric in self._kind.metrics(runtime.settings.semconv):
            labels = {k: v for k, v in self._attributes.items() if k in metric.labels}
            if error_type is not None:
                labels[semconv.ERROR_TYPE] = error_type
            step_durations.record(runtime.instruments.table, metric, seconds, labels)

    def _fail(self, runtime: Runtime, error_type: str, failure: BaseException | None) -> None:
        self._span.set_attribute(semconv.ERROR_TYPE, error_type)
        self._span.set_status(Status(StatusCode.ERROR))
        if failure is not None and self._captures(runtime):
            self._span.set_status(Status(StatusCode.ERROR, runtime.policy.quote(failure)))


def _captured(runtime: Runtime, content: object) -> str:
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
