"""Hooks methods of one object that an SDK gives its caller.

The object stays the one that it is, with all its attributes: its class becomes a subclass of its
own, of the same name, made once for each class.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

from llm_otel.base import finalizers
from llm_otel.core import endings
from llm_otel.seams.replacing import Hook, in_place_of, is_coroutine_function

# Names of methods, with what makes ours of the class's own; those that it lacks are left out.
Methods = tuple[tuple[str, Hook], ...]

# Classes of which the subclass is remembered.
_MOST = 64


class State(Protocol):
    """What is known of an object whose methods are hooked."""

    def left(self, when: endings.When) -> None:
        """The object was closed or dropped."""


# Of the object itself: a proxy would set the class of what is behind it.
_set_class = object.__dict__["__class__"].__set__

# By the object's `id`. The object itself stays as it is, and is not kept alive.
_states: dict[int, Any] = {}


def put(target: Any, methods: Methods, state: State) -> None:
    """Hook an object's methods, unless they are hooked.

    Args:
        target: The object.
        methods: The hooks; their functions get it as `self`.
        state: What `state_of` gives them.

    Raises:
        TypeError: Its class cannot be extended, or it can have no weak references.
    """
    key = id(target)
    if key in _states:
        return
    dropped = weakref.finalize(target, _dropped, key)
    dropped.atexit = False
    cls: Any = type(target)
    try:
        _set_class(target, _subclass(cls, methods))
    except BaseException:
        dropped.detach()
        raise
    _states[key] = state


def state_of(target: Any) -> Any:
    """What `put` got with an object; None for one that was copied from it."""
    return _states.get(id(target))


def closing(original: Any) -> Callable[..., Any]:
    """The hook of a method that closes the object."""
    if is_coroutine_function(original):

        async def aclose(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            try:
                return await original(self, *args, **kwargs)
            finally:
                _left(self)

        return aclose

    def close(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        finally:
            _left(self)

    return close


def _left(target: Any) -> None:
    state = state_of(target)
    if state is not None:
        state.left(finalizers.end)


def _dropped(key: int) -> None:
    state = _states.pop(key, None)
    if state is not None:
        state.left(finalizers.defer)


@lru_cache(maxsize=_MOST)
def _subclass(cls: type, methods: Methods) -> type:
    functions = {}
    for name, hook in methods:
        original = getattr(cls, name, None)
        if original is not None:
            functions[name] = in_place_of(original, hook(original))
    alike = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    return type(cls.__name__, (cls,), {"__slots__": (), **alike, **functions})
