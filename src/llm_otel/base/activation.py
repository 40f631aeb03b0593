"""What attribution and steps share: a context that is current while some code runs.

A `Run` puts the caller's context back by setting it, not by the token that attaching gave. So
leaving works wherever it happens (another task, another thread, the garbage collector), never
logs OpenTelemetry's "Failed to detach context", and never touches a context that is not its own.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

from opentelemetry.context import Context, attach, create_key, get_current, get_value, set_value

Begin = Callable[[tuple[Any, ...], dict[str, Any]], "Run"]
F = TypeVar("F", bound=Callable[..., Any])

_INNERMOST = create_key("llm_otel.run")
_NOTHING = Context()


class Run:
    """One activation of a context: resumed and suspended in turn, ended once."""

    def __init__(self, context: Context) -> None:
        self._outer = context.get(_INNERMOST)
        self._context = set_value(_INNERMOST, self, context)
        self._caller = _NOTHING

    def resume(self) -> None:
        """Make the context current, as the code inside left it."""
        self._caller = get_current()
        attach(self._context)

    def suspend(self) -> None:
        """Make the caller's context current again."""
        if self.is_current():
            self._context = get_current()
            attach(self._caller)

    def is_current(self) -> bool:
        """Whether the current context is this one or was derived from it."""
        run = get_value(_INNERMOST)
        while isinstance(run, Run):
            if run is self:
                return True
            run = run._outer
        return False

    def returned(self, value: Any) -> None:
        """The decorated function (no generator) gave this value."""

    def gave(self, item: Any) -> None:
        """The decorated generator gave this item."""

    def end(self, error: BaseException | None) -> None:  # noqa: ARG002
        """It is over. Contexts that other tasks copied from this one may live on: let go of ours,
        so that a task that starts its own successor does not grow a chain.

        Args:
            error: What it ended in; a `GeneratorExit`, or what came up while that was handled, may
                be the garbage collector's.
        """
        self._outer = None
        self._context = self._caller = _NOTHING

    def __enter__(self) -> Run:
        self.resume()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.suspend()
        self.end(error)


R = TypeVar("R", bound=Run)


def innermost(kind: type[R]) -> R | None:
    """The innermost run of a kind that is current."""
    run = get_value(_INNERMOST)
    while isinstance(run, Run):
        if isinstance(run, kind):
            return run
        run = run._outer
    return None


class Scoped(Generic[R]):
    """A context manager, sync and async, and a decorator of any kind of function.

    One object can be entered many times, also nested and by several tasks or threads at once.
    """

    def __init__(self) -> None:
        self._open: list[R] = []

    def _begin(self) -> R:
        raise NotImplementedError

    def __enter__(self) -> R:
        run = self._begin()
        self._open.append(run)
        run.resume()
        return run

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Several tasks or threads may be in this object (so look at a copy of the list): end the
        # run that is current in this one.
        run = next((run for run in self._open[::-1] if run.is_current()), self._open[-1])
        self._open.remove(run)
        run.__exit__(kind, error, trace)

    async def __aenter__(self) -> R:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, fn: F) -> F:
        return wrap(fn, lambda _args, _kwargs: self._begin())


def wrap(fn: F, begin: Begin) -> F:
    """`fn` with a run around its body; still a function of the same kind, with its signature.

    In a generator the run is suspended while the caller has the control.

    Args:
        fn: Function, coroutine function, generator function or asynchronous generator function.
        begin: Gives the run for one call, from its arguments.

    Raises:
        TypeError: `fn` is no function: a class, a static or class method, something not callable.
    """
    if not callable(fn) or isinstance(fn, (type, staticmethod, classmethod)):
        raise TypeError(
            f"llm_otel decorates functions, not a {type(fn).__name__} "
            "(put the decorator below @staticmethod and @classmethod)."
        )
    runner: Any
    if inspect.isasyncgenfunction(fn):
        runner = async_generator(fn, begin)
    elif inspect.isgeneratorfunction(fn):
        runner = generator(fn, begin)
    elif inspect.iscoroutinefunction(fn):
        runner = _coroutine(fn, begin)
    else:
        runner = _function(fn, begin)
    return cast(F, functools.wraps(fn)(runner))


def _function(fn: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with begin(args, kwargs) as run:
            result = fn(*args, **kwargs)
            run.returned(result)
        return result

    return call


def _coroutine(fn: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        with begin(args, kwargs) as run:
            result = await fn(*args, **kwargs)
            run.returned(result)
        return result

    return call


def generator(fn: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    """A generator function with a run around each step of the generator that `fn` gives; `begin`
    is called at the first step."""

    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        body = fn(*args, **kwargs)
        run = begin(args, kwargs)
        step, value = body.send, None
        try:
            while True:
                run.resume()
                try:
                    item = step(value)
                finally:
                    run.suspend()
                run.gave(item)
                try:
                    step, value = body.send, (yield item)
                except BaseException as thrown:  # noqa: BLE001 - the body's own, closing included
                    step, value = body.throw, thrown
        except StopIteration as stop:
            run.end(closing(value))
            return stop.value
        except BaseException as error:
            run.end(error)
            raise

    return call


def async_generator(fn: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    """The same for asynchronous generators."""

    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        body = fn(*args, **kwargs)
        run = begin(args, kwargs)
        step, value = body.asend, None
        try:
            while True:
                run.resume()
                try:
                    item = await step(value)
                finally:
                    run.suspend()
                run.gave(item)
                try:
                    step, value = body.asend, (yield item)
                except BaseException as thrown:
                    # A loop that ends closes all generators, the body perhaps first: Python throws
                    # nothing into one that has ended.
                    if getattr(body, "ag_frame", body) is None:
                        raise
                    step, value = body.athrow, thrown
        except StopAsyncIteration:
            run.end(closing(value))
        except Exception as error:
            run.end(error)
            raise
        except BaseException as error:
            # A loop that ends cancels who closes the generators that were dropped.
            run.end(closing(value) or error)
            raise

    return call


def closing(value: Any) -> GeneratorExit | None:
    """The `GeneratorExit` that was thrown into a body which came to its end instead."""
    return value if isinstance(value, GeneratorExit) else None
