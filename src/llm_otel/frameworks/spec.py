"""What a framework's file says, and what its callbacks share."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, TypeVar, cast

from opentelemetry.context import get_current

from llm_otel.base import guard
from llm_otel.base.activation import Run
from llm_otel.core import enclosing
from llm_otel.core.steps import Step, StepRun

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R", bound=StepRun)

_logger = logging.getLogger("llm_otel")

# Steps under way of one framework. One whose end nobody tells of is ended when as many are newer.
_MOST = 10_000


def _nobody() -> str | None:
    return None


@dataclass(frozen=True, eq=False)
class Framework:
    """One framework whose agents, tools and searches we make spans of.

    Attributes:
        name: What settings call it.
        module: The module whose import brings it, under its full name.
        supported: Version bounds that the test matrix proves, as a PEP 440 specifier.
        install: Called when the module was imported: registers our callbacks by the framework's own
            interface, and returns what takes them away. It may import more of the framework.
        instrumentors: Modules of other instrumentations of the framework, which have a
            `BaseInstrumentor`. Where one of them is active, ours makes no span.
        other: Names any other that is active now; None where there is none.
    """

    name: str
    module: str
    supported: str
    install: Callable[[], Callable[[], None]]
    instrumentors: tuple[str, ...] = ()
    other: Callable[[], str | None] = _nobody

    def other_instrumentation(self) -> str | None:
        """Who else makes spans of the framework's agents now."""
        for name in self.instrumentors:
            module = sys.modules.get(name)
            if module is not None and _is_active(module):
                return name
        return self.other()


def _is_active(module: Any) -> bool:
    """Whether a module has an instrumentor that has instrumented. It is one for the process."""
    return any(
        isinstance(each, type)
        and each.__module__ == module.__name__
        and hasattr(each, "is_instrumented_by_opentelemetry")
        and each().is_instrumented_by_opentelemetry
        for each in tuple(vars(module).values())
    )


class _Entry(NamedTuple):
    """What is known of one id.

    Attributes:
        step: The step that what has this id lies in, or is.
        own: Whether it is.
        activation: What was made current for it.
    """

    step: StepRun | None
    own: bool
    activation: Run | None


class OpenSteps:
    """The steps of a framework that are under way, by the framework's own ids. Thread-safe.

    Args:
        framework: Whose.
    """

    def __init__(self, framework: Callable[[], Framework]) -> None:
        self._framework = framework
        self._entries: dict[Hashable, _Entry] = {}
        self._others: set[str] = set()

    def begin(
        self, key: Hashable, step: Step[R], parent: Hashable = None, *, current: bool = False
    ) -> R | None:
        """Begin a step; None where another instrumentation makes its span.

        Args:
            key: The id.
            step: What is to begin.
            parent: The id of what is around it.
            current: Make it current until its end. Only where both callbacks come in the same
                context, and the program's own code has the control in between only inside.
        """
        around = self.of(parent)
        if around is None and self.is_others():
            return None
        run = step.begin(around)
        self._put(key, _Entry(run, True, run if current else None))
        if current:
            run.resume()
        return run

    def join(self, key: Hashable, parent: Hashable, *, current: bool = False) -> None:
        """Something begins that is no step of its own but lies in that of its parent, if any.

        Args:
            key: Its id.
            parent: The id of what is around it.
            current: Make that step current, as in `begin`.
        """
        around = self.of(parent)
        if around is None:
            return
        activation = None
        if current:
            activation = Run(enclosing.inside(get_current(), around))
            activation.resume()
        self._put(key, _Entry(around, False, activation))

    def of(self, key: Hashable) -> StepRun | None:
        """The step that what has this id is or lies in."""
        entry = self._entries.get(key)
        return None if entry is None else entry.step

    def end(
        self,
        key: Hashable,
        error: BaseException | None = None,
        *,
        error_type: str | None = None,
        result: Any = None,
    ) -> None:
        """What has this id is over.

        Args:
            key: The id; nothing happens where it is unknown.
            error: What it ended in.
            error_type: The same, where there is no exception.
            result: What it gave; content.
        """
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        if entry.activation is not None:
            entry.activation.suspend()
        if entry.own and entry.step is not None:
            if error is None and error_type is None:
                entry.step.returned(result)
            entry.step.error_type = error_type
            entry.step.end(error)
        elif entry.activation is not None:
            entry.activation.end(error)

    def end_all(self) -> None:
        """End everything: nobody will tell of its end."""
        for key in tuple(self._entries):
            self.end(key)

    def _put(self, key: Hashable, entry: _Entry) -> None:
        self._entries[key] = entry
        if len(self._entries) > _MOST:
            for oldest in tuple(islice(self._entries, 1)):
                self.end(oldest)

    def is_others(self) -> bool:
        """Whether another instrumentation makes the spans of the framework; warned of once."""
        framework = self._framework()
        other = framework.other_instrumentation()
        if other is not None and other not in self._others:
            self._others.add(other)
            _logger.warning(
                "%s already makes spans for %s: llm-otel makes none for its agents and tools; "
                "switch the other off to get ours.",
                other,
                framework.name,
            )
        return other is not None


def guarded(callback: F) -> F:
    """A callback that never raises, whatever fails in it."""

    @functools.wraps(callback)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return callback(*args, **kwargs)
        except Exception as exc:  # noqa: BLE001
            guard.handle("framework", exc)
            return None

    return cast(F, call)
