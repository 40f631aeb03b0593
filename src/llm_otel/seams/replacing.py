"""Put our functions in the place of an SDK's own, and take them out again."""

from __future__ import annotations

import functools
import inspect
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any, NamedTuple, Protocol
from weakref import ref

from llm_otel.base import fork
from llm_otel.core.rivals import DEEPEST

_logger = logging.getLogger("llm_otel")


class Package(Protocol):
    """A package that we hook.

    Attributes:
        package: Its import name.
        supported: The versions that the tests prove, as a PEP 440 specifier.
    """

    @property
    def package(self) -> str: ...
    @property
    def supported(self) -> str: ...


# Makes the function that goes in the place of an SDK's own.
Hook = Callable[[Any], Callable[..., Any]]


class _Replaced(NamedTuple):
    """One function of ours.

    Attributes:
        owner: The class, or the module, that it is on.
        own: Whether the owner had a function of this name itself.
    """

    owner: Any
    name: str
    function: Any
    own: bool

    @property
    def in_place(self) -> bool:
        return inspect.getattr_static(self.owner, self.name, None) is self.function

    @property
    def thrown_away(self) -> bool:
        """Whether the original is back, by whoever, or one that it wraps in turn; somebody may have
        wrapped that anew."""
        originals = set(map(id, _chain(self.function.__wrapped__)))
        for each in _chain(inspect.getattr_static(self.owner, self.name, None)):
            if each is self.function:
                return False
            if id(each) in originals:
                return True
        return False


def _chain(function: Any) -> Iterator[Any]:
    """A function, and those that it tells that it wraps."""
    for _ in range(DEEPEST):
        if function is None:
            break
        yield function
        function = getattr(function, "__wrapped__", None)


class Replacements:
    """What of ours is on the SDKs' classes. Thread-safe.

    Nothing is imported with the lock held: an import may wait for us.
    """

    def __init__(self) -> None:
        self._all: list[_Replaced] = []
        self.lock = threading.Lock()
        fork.after_in_child(self._after_fork)

    def put(self, owner: Any, name: str, hook: Hook) -> None:
        """Replace a function, unless ours is there already: what `remove_all` had to leave is in
        use again, if nobody has thrown it away since. Call with the lock held."""
        for cls in (owner, *self._wrapped_before(owner, name)):
            self._put(cls, name, hook)

    def _wrapped_before(self, base: Any, name: str) -> Iterator[type]:
        """Subclasses on which somebody wrapped the base's own function before we did: what they
        call goes past our hook on the base."""
        subclasses: list[type] = base.__subclasses__() if isinstance(base, type) else []
        for cls in subclasses:
            yield from self._wrapped_before(cls, name)
            own = vars(cls).get(name)
            if _is_wrapped(own) and not self._calls_ours(own):
                yield cls

    def _calls_ours(self, function: Any) -> bool:
        ours = {id(each.function) for each in self._all}
        return any(id(each) in ours for each in _chain(function))

    def _put(self, owner: Any, name: str, hook: Hook) -> None:
        self._all = [each for each in self._all if not each.thrown_away]
        if any(each.owner is owner and each.name == name for each in self._all):
            return
        own = name in vars(owner)
        original = inspect.getattr_static(owner, name)
        function = in_place_of(original, hook(original))
        if not own:  # pickled by its name, which has to lead to it
            function.__module__, function.__qualname__ = (
                owner.__module__,
                f"{owner.__qualname__}.{name}",
            )
        setattr(owner, name, function)
        self._all.append(_Replaced(owner, name, function, own))

    def remove_all(self) -> None:
        """Take ours out; one that somebody has wrapped since stays, and passes through. Call with
        the lock held."""
        kept = []
        for each in self._all:
            if not each.in_place:
                kept.append(each)
            elif each.own:
                setattr(each.owner, each.name, each.function.__wrapped__)
            else:
                delattr(each.owner, each.name)
        self._all = kept

    def _after_fork(self) -> None:
        self.lock = threading.Lock()


# All of ours, whichever seam they are of.
replaced = Replacements()


def _is_wrapped(function: Any) -> bool:
    """Whether somebody wrapped a function by wrapt, as instrumentations do."""
    wrapt = sys.modules.get("wrapt")
    return wrapt is not None and isinstance(function, wrapt.FunctionWrapper)


def in_place_of(original: Any, function: Any) -> Any:
    """`function` with all that `inspect`, `pickle` and `copy` look at from `original`.

    A plain function, no wrapper object: it is pickled by its name and copied as what it replaces.
    """
    functools.update_wrapper(function, original)
    try:
        # `inspect.getfullargspec` does not follow `__wrapped__`.
        function.__signature__ = inspect.signature(original)
    except (TypeError, ValueError):
        pass
    return function


def caller(original: Any) -> Callable[..., Any]:
    """Calls what was on a class: a function, or a descriptor that somebody put there."""
    if type(original) is FunctionType:
        return original

    def call(client: Any, /, *args: Any, **kwargs: Any) -> Any:
        return original.__get__(client, type(client))(*args, **kwargs)

    return call


def weakly(value: Any) -> Callable[[], Any]:
    """Gives a value as long as somebody else keeps it; for good where it can have no weak
    references."""
    try:
        return ref(value)
    except TypeError:
        return lambda: value


def accepts(function: Any, parameters: tuple[str, ...]) -> bool:
    """Whether a function has parameters of these names."""
    try:
        signature = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    return all(name in signature for name in parameters)


def is_coroutine_function(function: Any) -> bool:
    """Whether a function, or what others have put their wrappers around, must be awaited."""
    try:
        return inspect.iscoroutinefunction(inspect.unwrap(function))
    except ValueError:  # wrappers without end
        return inspect.iscoroutinefunction(function)


def stay_out(spec: Package, *functions: str) -> None:
    """Say that functions of a package are not those that we know, and are left alone."""
    _logger.warning(
        "llm-otel stays out of %s in %s %s, which it does not know with this signature "
        "(supported: %s).",
        ", ".join(f"`{function}`" for function in functions),
        spec.package,
        getattr(sys.modules[spec.package], "__version__", "?"),
        spec.supported,
    )
