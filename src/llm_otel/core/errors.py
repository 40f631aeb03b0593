"""How a call failed, and which class an exception belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from llm_otel import semconv
from llm_otel.base import frames
from llm_otel.protocols import errors
from llm_otel.protocols.answer import BodyError
from llm_otel.providers.error_codes import BEFORE_STATUS

if TYPE_CHECKING:
    from llm_otel.protocols.answer import Answer
    from llm_otel.protocols.spec import Protocol

_NO_CODES: Mapping[str, str] = {}
# An error in the middle of a stream may carry the status of the response that began well.
_FIRST_ERROR = 400
_TOO_MANY = 429
# What stands in the type of a body that is one document.
_DOCUMENTS = ("json", "html", "text/plain")

# Class names, as every SDK of the generator (and httpx below it) has its own classes.
_BY_NAME = {
    "CancelledError": semconv.CANCELLED,
    "KeyboardInterrupt": semconv.CANCELLED,
    "SystemExit": semconv.CANCELLED,
    "APITimeoutError": semconv.TIMEOUT,
    "ConnectTimeout": semconv.TIMEOUT,  # of requests, where it is also a ConnectionError
    "Timeout": semconv.TIMEOUT,
    "TimeoutException": semconv.TIMEOUT,
    "TimeoutError": semconv.TIMEOUT,
    "APIConnectionError": semconv.CONNECTION,
    "TransportError": semconv.CONNECTION,
    "ConnectionError": semconv.CONNECTION,
    "ConnectionClosedError": semconv.CONNECTION,
    # Those of Azure's SDKs.
    "ServiceRequestTimeoutError": semconv.TIMEOUT,
    "ServiceResponseTimeoutError": semconv.TIMEOUT,
    "ServiceRequestError": semconv.CONNECTION,
    "ServiceResponseError": semconv.CONNECTION,
    "ClientConnectionError": semconv.CONNECTION,  # aiohttp
    "ClientPayloadError": semconv.CONNECTION,
    "URLError": semconv.CONNECTION,  # urllib
    # The provider did what it was asked to, within the caller's own limit.
    "LengthFinishReasonError": semconv.INVALID_REQUEST,
    "ContentFilterFinishReasonError": semconv.CONTENT_FILTER,
    "BudgetExceeded": semconv.BUDGET_EXCEEDED,
}


def classify(exc: BaseException, protocol: Protocol, codes: Mapping[str, str] = _NO_CODES) -> str:
    """The class (`semconv.ERROR_CLASSES`) of an exception that a call ended in.

    Args:
        exc: The exception.
        protocol: Reads what it says.
        codes: The provider's own error codes, with the class of each.
    """
    worded = protocol.error_kind(exc, codes)
    found = protocol.status(exc)
    if found is not None and found < _FIRST_ERROR:
        found = None
    if protocol.words_before_status and worded != semconv.OTHER:
        return worded
    if worded in BEFORE_STATUS or found is not None:
        return _beside_status(worded, found, codes)
    for cls in type(exc).__mro__:
        name = _BY_NAME.get(cls.__name__)
        if name is not None:
            return name
    # An error in the middle of a stream has no status of its own.
    return worded


def _beside_status(worded: str, status: int | None, codes: Mapping[str, str]) -> str:
    """The class of a failure by the provider's word for it and the HTTP status, if there is one: a
    provider may have a meaning of its own for that."""
    if worded in BEFORE_STATUS or status is None:
        return worded
    if status == _TOO_MANY and worded == semconv.SERVER:
        return worded  # no capacity, which is no limit of the caller's
    return errors.by_code(status, codes)


def refused(response: object) -> int | None:
    """The HTTP status of a response that is an error; None for any other."""
    found = getattr(response, "status_code", None)
    return found if type(found) is int and found >= _FIRST_ERROR else None


def answered_otherwise(response: object) -> int | None:
    """The HTTP status of a response that says it is a page or a document, and no stream."""
    headers = getattr(response, "headers", None)
    kind = str(headers.get("content-type", "")) if headers is not None else ""
    if frames.is_stream(kind) or not any(each in kind for each in _DOCUMENTS):
        return None
    found = getattr(response, "status_code", None)
    return found if type(found) is int else None


def refusal(status: int, answer: Answer, codes: Mapping[str, str] = _NO_CODES) -> BodyError:
    """The failure that an HTTP response tells which the SDK made no exception of yet."""
    error = answer.error or BodyError(str(status), semconv.OTHER)
    code = error.code if error.kind != semconv.OTHER else str(status)
    return BodyError(code, _beside_status(error.kind, status, codes), status)


def full_name(exc: BaseException) -> str:
    """`error.type`: the qualified name of the exception's class."""
    cls = type(exc)
    if cls.__module__ == "builtins":
        return cls.__qualname__
    return f"{cls.__module__}.{cls.__qualname__}"[: semconv.MAX_TEXT]


class Failure(NamedTuple):
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
    def of(
        cls,
        exc: BaseException | None,
        answer: Answer,
        protocol: Protocol,
        codes: Mapping[str, str] = _NO_CODES,
    ) -> Failure:
        """The failure in an exception, or in an answer that came with HTTP 200 and failed."""
        if exc is not None:
            kind = classify(exc, protocol, codes)
            return cls(full_name(exc), kind, protocol.status(exc), exc)
        if answer.error is not None:
            code, kind, code_status = answer.error
            return cls(code if kind != semconv.OTHER else "_OTHER", kind, code_status)
        return NO_FAILURE


NO_FAILURE = Failure()
