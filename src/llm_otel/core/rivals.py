"""Other instrumentations of the same client: one span a call, whoever makes it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import starmap
from operator import contains, getitem, is_
from types import FunctionType
from typing import Any, Generic, NamedTuple

from opentelemetry.context import Context

from llm_otel.base.otel_internals import SUPPRESS_KEYS as _SUPPRESS
from llm_otel.settings import environment

_logger = logging.getLogger("llm_otel")

# An outer GenAI instrumentation puts its invocation here (opentelemetry-util-genai ≥ 1.0).
_OUTER = (
    "opentelemetry.genai.client.inference.context",
    "opentelemetry.genai.client.embedding.context",
)

# Top-level packages that make OpenTelemetry spans of LLM calls by wrapping the client. A wrapper
# of anybody else (retries, caches, the application's own) is none of our business.
_RIVALS = frozenset(
    {
        "agentops",
        "genai_otel",
        "langfuse",
        "langtrace_python_sdk",
        "lmnr",
        "logfire",
        "mlflow",
        "openinference",
        "openlit",
        "opentelemetry",
        "traceloop",
    }
)

# Wrappers looked through: a mock answers every question with another mock, without end.
DEEPEST = 32

_MLFLOW_IS_APART = "MLFLOW_USE_DEFAULT_TRACER_PROVIDER"

# Classes of clients that are remembered.
_MOST = 64

Methods = tuple[tuple[str, str], ...]
_Place = tuple[Mapping[str, object], str]


class _Places(NamedTuple):
    """Where somebody may put something in place of the client's own functions.

    Attributes:
        full: Where something is.
        values: What is there.
        empty: Where nothing is.
    """

    full: tuple[_Place, ...]
    values: tuple[object, ...]
    empty: tuple[_Place, ...]


_NOTHING: Mapping[str, object] = {}

# What stood where, and the rival that was among it.
_known: dict[tuple[type, str, Methods], tuple[_Places, str | None]] = {}


def suppressed(context: Context) -> bool:
    """Whether the application asked for no instrumentation here."""
    return bool(context.get(_SUPPRESS[0]) or context.get(_SUPPRESS[1]))


def span_maker(
    context: Context, client: Any, package: str, function: str, methods: Methods = ()
) -> str | None:
    """Who else makes a span for this very call: we then add metrics and cost only.

    The name of a module, empty where that is not known; None for nobody.

    Args:
        context: The caller's.
        client: The SDK's client.
        package: Of the SDK.
        function: Name of the method of the client that sends its requests.
        methods: The public methods that lead there, as in `Endpoint.methods`.
    """
    if _OUTER[0] in context or _OUTER[1] in context:
        return ""
    own = getattr(client, "__dict__", _NOTHING).get(function)
    if own is not None and (name := _warned_of_rival([own], package)) is not None:
        return name
    key = (type(client), function, methods)
    known = _known.get(key)
    if known is None or not _same(known[0]):
        if len(_known) >= _MOST:
            _known.clear()
        stands = tuple(_places(type(client), package, function, methods))
        full = tuple(place for place in stands if place[1] in place[0])
        empty = tuple(place for place in stands if place[1] not in place[0])
        values = tuple(starmap(getitem, full))
        places = _Places(full, values, empty)
        rival = _warned_of_rival(list(values), package)
        known = _known[key] = (places, rival)
    return known[1]


def _same(places: _Places) -> bool:
    """Whether nobody has changed anything: by identity, as a wrapper says that it equals what it
    wraps. In C, as this is looked at in each call."""
    try:
        same = all(map(is_, starmap(getitem, places.full), places.values))
    except KeyError:  # something was there and is not
        return False
    return same and not any(starmap(contains, places.empty))


def _places(cls: type, package: str, function: str, methods: Methods) -> Iterator[_Place]:
    """Where somebody may put something in place of the client's own functions, and the modules and
    classes on the way."""
    for owner in cls.__mro__:
        if owner not in (object, Generic):
            yield vars(owner), function
    for suffix, path in methods:
        class_name, _, method = path.partition(".")
        module_name = f"{package}.{suffix}"
        module = sys.modules.get(module_name)
        if module is None:  # not imported yet
            yield sys.modules, module_name
        holder = getattr(module, class_name, None)
        if holder is not None:
            yield vars(module), class_name
            yield vars(holder), method


def _warned_of_rival(functions: list[object], package: str) -> str | None:
    for function in functions:
        name = _rival(function)
        if name is not None:
            _warn(name, package)
            return name
    return None


@lru_cache(maxsize=_MOST)
def _warn(name: str, package: str) -> None:
    _logger.warning(
        "%s already makes spans for %s: llm-otel adds its metrics and cost and no second span; "
        "switch the other off to get ours.",
        name,
        package,
    )


def _rival(function: Any) -> str | None:
    """The module of a rival among the wrappers around a function."""
    for _ in range(DEEPEST):
        try:
            wrapper = getattr(function, "_self_wrapper", None) or function
            modules = (getattr(wrapper, "__module__", None), _defined_in(wrapper))
            function = getattr(function, "__wrapped__", None)
        except Exception:  # noqa: BLE001 - a stranger's object, which runs its own code
            return None
        for module in modules:
            if isinstance(module, str) and _makes_spans_where_we_do(module.partition(".")[0]):
                return module
    return None


def _makes_spans_where_we_do(package: str) -> bool:
    """Whether a package is a rival's. MLflow has a provider and a store of its own, unless its
    users have it share the program's provider."""
    if package == "mlflow":
        return environment(_MLFLOW_IS_APART).lower() in ("false", "0")
    return package in _RIVALS


def _defined_in(function: Any) -> object:
    """The module whose code a function is: `functools.wraps` gives it the name of another one."""
    if not isinstance(function, FunctionType):
        return None
    return function.__globals__.get("__name__")
