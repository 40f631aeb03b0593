"""Functions of a package that are replaced by a list, for what is no client of a provider."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

from llm_otel.seams import imports
from llm_otel.seams.replacing import Package, accepts, replaced, stay_out


class Patch(NamedTuple):
    """A function that ours goes in the place of.

    Attributes:
        module: Full name of the module that defines it.
        function: `Class.method`, or the name of a function.
        make: Gives the function in its place, from the package's own.
        parameters: Names that its signature must have.
    """

    module: str
    function: str
    make: Callable[[Any], Callable[..., Any]]
    parameters: tuple[str, ...] = ()


def install(
    package: Package,
    patches: Sequence[Patch],
    on_unknown: Callable[[list[str]], object] | None = None,
) -> None:
    """Put ours in place, in each module now or when it is imported.

    Args:
        package: Whose functions.
        patches: Which.
        on_unknown: Called with those of a module that are not there or have another signature; by
            default a warning names them.
    """
    for module in dict.fromkeys(each.module for each in patches):
        group = [each for each in patches if each.module == module]
        imports.watch_from_now(module, partial(_install, package, module, group, on_unknown))


def _install(
    package: Package,
    module_name: str,
    patches: Sequence[Patch],
    on_unknown: Callable[[list[str]], object] | None,
) -> None:
    module = importlib.import_module(module_name)  # waits for a thread that is importing it
    unknown = [each.function for each in patches if not put(module, each)]
    if unknown and on_unknown is not None:
        on_unknown(unknown)
    elif unknown:
        stay_out(package, *unknown)


def put(module: Any, patch: Patch) -> bool:
    """Whether the function is the one that the patch knows, and ours is now in its place."""
    *path, name = patch.function.split(".")
    owner = module
    for part in path:
        owner = getattr(owner, part, None)
    original = inspect.getattr_static(owner, name, None)
    if not callable(original) or isinstance(original, (staticmethod, classmethod)):
        return False
    if not accepts(original, patch.parameters):
        return False
    owners = [owner] if path else _holders(module, name, original)
    make = cache(patch.make)  # the same function in each module
    with replaced.lock:
        for each in owners:
            replaced.put(each, name, make)
    return True


def _holders(module: Any, name: str, function: Any) -> list[Any]:
    """The modules of the same package that have imported a function by its name."""
    root = module.__name__.partition(".")[0]
    return [
        each
        for key, each in tuple(sys.modules.items())
        if key.partition(".")[0] == root and getattr(each, "__dict__", {}).get(name) is function
    ]
