"""Which class an exception or a provider's error code belongs to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_otel import semconv
from llm_otel.core import read

if TYPE_CHECKING:
    from llm_otel.core.extract import Answer

_BY_STATUS = {
    401: semconv.AUTHENTICATION,
    403: semconv.PERMISSION,
    404: semconv.NOT_FOUND,
    408: semconv.TIMEOUT,
    429: semconv.RATE_LIMIT,
    504: semconv.TIMEOUT,
}

# Class names, as every SDK of the generator (and httpx below it) has its own classes.
_BY_NAME = {
    "APITimeoutError": semconv.TIMEOUT,
    "TimeoutException": semconv.TIMEOUT,
    "TimeoutError": semconv.TIMEOUT,
    "APIConnectionError": semconv.CONNECTION,
    "TransportError": semconv.CONNECTION,
    "ConnectionError": semconv.CONNECTION,
    "ContentFilterFinishReasonError": semconv.CONTENT_FILTER,
    "BudgetExceeded": semconv.BUDGET_EXCEEDED,
}

_BY_CODE = {
    "rate_limit_exceeded": semconv.RATE_LIMIT,
    "insufficient_quota": semconv.RATE_LIMIT,
    "server_error": semconv.SERVER,
    "internal_error": semconv.SERVER,
    "vector_store_timeout": semconv.TIMEOUT,
    "content_filter": semconv.CONTENT_FILTER,
    "content_policy_violation": semconv.CONTENT_FILTER,
    "invalid_prompt": semconv.INVALID_REQUEST,
    "invalid_request_error": semconv.INVALID_REQUEST,
    "context_length_exceeded": semconv.INVALID_REQUEST,
    "model_not_found": semconv.NOT_FOUND,
}


def classify(exc: BaseException) -> str:
    """The class (`semconv.ERROR_CLASSES`) of an exception that a call ended in."""
    if isinstance(exc, (asyncio.CancelledError, KeyboardInterrupt, SystemExit)):
        return semconv.CANCELLED
    code = read.get(exc, "code")
    if isinstance(code, str) and _BY_CODE.get(code) == semconv.CONTENT_FILTER:
        return semconv.CONTENT_FILTER
    found = status(exc)
    if found is not None:
        return by_status(found)
    for cls in type(exc).__mro__:
        name = _BY_NAME.get(cls.__name__)
        if name is not None:
            return name
    return by_code(code)


def by_status(code: int) -> str:
    """The class of an HTTP status."""
    if code in _BY_STATUS:
        return _BY_STATUS[code]
    if code >= 500:
        return semconv.SERVER
    return semconv.INVALID_REQUEST if code >= 400 else semconv.OTHER


def by_code(code: object) -> str:
    """The class of a provider's error code."""
    return _BY_CODE.get(code, semconv.OTHER) if isinstance(code, str) else semconv.OTHER


def status(exc: BaseException) -> int | None:
    """The HTTP status that an SDK's exception carries."""
    found = read.get(exc, "status_code")
    return found if type(found) is int else None


def full_name(exc: BaseException) -> str:
    """`error.type`: the qualified name of the exception's class."""
    cls = type(exc)
    if cls.__module__ == "builtins":
        return cls.__qualname__
    return f"{cls.__module__}.{cls.__qualname__}"


@dataclass(frozen=True, slots=True)
class Failure:
    """How a call failed; all None when it did not.

    Attributes:
        type: `error.type`: the exception's qualified name, or the provider's code.
        kind: The class for the metrics, one of `semconv.ERROR_CLASSES`.
        status: HTTP status.
        exc: The exception itself; its text quotes prompts, so only content capture reads it.
    """

    type: str | None = None
    kind: str | None = None
    status: int | None = None
    exc: BaseException | None = None

    @classmethod
    def of(cls, exc: BaseException | None, answer: Answer) -> Failure:
        """The failure in an exception, or in an answer that came with HTTP 200 and failed."""
        if exc is not None:
            return cls(full_name(exc), classify(exc), status(exc), exc)
        if answer.error_code is not None:
            known = answer.error_code in _BY_CODE
            code = answer.error_code if known else "_OTHER"
            return cls(code, by_code(code))
        return _NO_FAILURE


_NO_FAILURE = Failure()
