"""Other instrumentations of the same client: one span a call, whoever makes it."""

from __future__ import annotations

import logging
import operator
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,  # what every instrumentation reads; the API has no public name
    Context,
)

from llm_otel.clients.spec import ClientSpec

_logger = logging.getLogger("llm_otel")

_SUPPRESS = (_SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation")

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

# Where they wrap `create`, below the client's package, by kind of endpoint. What else they leave
# alone has no span but ours.
_WRAPPED = {
    "chat": (
        ("resources.chat.completions", "Completions"),
        ("resources.chat.completions", "AsyncCompletions"),
    ),
    "completion": (("resources.completions", "Completions"),),
    "responses": (("resources.responses", "Responses"),),
    "embeddings": (("resources.embeddings", "Embeddings"),),
}

# Classes of clients that are remembered.
_MOST = 64

_known: dict[tuple[type, str], tuple[tuple[object, ...], bool]] = {}


def suppressed(context: Context) -> bool:
    """Whether the application asked for no instrumentation here."""
    return bool(context.get(_SUPPRESS[0]) or context.get(_SUPPRESS[1]))


def has_span(context: Context, client: Any, spec: ClientSpec, kind: str) -> bool:
    """Whether somebody else makes a span for this very call: we then add metrics and cost only.

    Args:
        context: The caller's.
        client: The SDK's client.
        spec: Data of that SDK.
        kind: The endpoint's kind.
    """
    if _OUTER[0] in context or _OUTER[1] in context:
        return True
    cls = type(client)
    wrapped = _functions(client, cls, spec.package, kind)
    known = _known.get((cls, kind))
    if known is None or not _same(known[0], wrapped):
        if len(_known) >= _MOST:
            _known.clear()
        known = _known[cls, kind] = (wrapped, _warned_of_rival(wrapped, spec.package))
    return known[1]


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    # By identity: a wrapper says that it equals what it wraps.
    return len(one) == len(other) and all(map(operator.is_, one, other))


def _functions(client: Any, cls: type, package: str, kind: str) -> tuple[object, ...]:
    """What somebody may have put in place of the client's own functions."""
    found = [client.__dict__.get("request")]
    found += [fields.get("request") for fields in _fields(cls)]
    for module_name, class_name in _wrapped(package, kind):
        holder = getattr(sys.modules.get(module_name), class_name, None)
        if holder is not None:
            found.append(holder.__dict__.get("create"))
    return tuple(found)


@lru_cache(maxsize=_MOST)
def _fields(cls: type) -> tuple[Mapping[str, object], ...]:
    return tuple(vars(owner) for owner in cls.__mro__ if owner is not object)


@lru_cache(maxsize=_MOST)
def _wrapped(package: str, kind: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"{package}.{module}", name) for module, name in _WRAPPED.get(kind, ()))


def _warned_of_rival(functions: tuple[object, ...], package: str) -> bool:
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
