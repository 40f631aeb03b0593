"""Other instrumentations of the same client: one span a call, whoever makes it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Generic

from opentelemetry.context import Context

from llm_otel.base.otel_internals import SUPPRESS_KEYS as _SUPPRESS

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

# Classes of clients that are remembered.
_MOST = 64

Methods = tuple[tuple[str, str], ...]

# What stood where, and whether a rival was among it: namespace, name, value.
_Places = tuple[tuple[Mapping[str, object], str, object], ...]
_known: dict[tuple[type, str, Methods], tuple[_Places, bool]] = {}
_NOTHING: Mapping[str, object] = {}


def suppressed(context: Context) -> bool:
    """Whether the application asked for no instrumentation here."""
    return bool(context.get(_SUPPRESS[0]) or context.get(_SUPPRESS[1]))


def has_span(
    context: Context, client: Any, package: str, function: str, methods: Methods = ()
) -> bool:
    """Whether somebody else makes a span for this very call: we then add metrics and cost only.

    Args:
        context: The caller's.
        client: The SDK's client.
        package: Of the SDK.
        function: Name of the method of the client that sends its requests.
        methods: The public methods that lead there, as in `Endpoint.methods`.
    """
    if _OUTER[0] in context or _OUTER[1] in context:
        return True
    own = getattr(client, "__dict__", _NOTHING).get(function)
    if own is not None and _warned_of_rival([own], package):
        return True
    key = (type(client), function, methods)
    known = _known.get(key)
    if known is None or not _same(known[0]):
        if len(_known) >= _MOST:
            _known.clear()
        places = tuple(_places(type(client), package, function, methods))
        rival = _warned_of_rival([value for _, _, value in places], package)
        known = _known[key] = (places, rival)
    return known[1]


def _same(places: _Places) -> bool:
    # By identity: a wrapper says that it equals what it wraps. A generator would cost twice this.
    for namespace, name, value in places:  # noqa: SIM110
        if namespace.get(name) is not value:
            return False
    return True


def _places(
    cls: type, package: str, function: str, methods: Methods
) -> Iterator[tuple[Mapping[str, object], str, Any]]:
    """Where somebody may put something in place of the client's own functions, and what is there,
    with the modules and classes on the way."""
    for owner in cls.__mro__:
        if owner not in (object, Generic):
            yield vars(owner), function, vars(owner).get(function)
    for suffix, path in methods:
        class_name, _, method = path.partition(".")
        module_name = f"{package}.{suffix}"
        module = sys.modules.get(module_name)
        if module is None:  # not imported yet
            yield sys.modules, module_name, None
        holder = getattr(module, class_name, None)
        if holder is not None:
            yield vars(module), class_name, vars(module).get(class_name)
            yield vars(holder), method, vars(holder).get(method)


def _warned_of_rival(functions: list[object], package: str) -> bool:
    for function in functions:
        name = _rival(function)
        if name is not None:
            _warn(name, package)
            return True
    return False


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
            module = getattr(wrapper, "__module__", None)
            function = getattr(function, "__wrapped__", None)
        except Exception:  # noqa: BLE001 - a stranger's object, which runs its own code
            return None
        if isinstance(module, str) and module.partition(".")[0] in _RIVALS:
            return module
    return None
