"""Which class an exception or a provider's error code belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

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
    "CancelledError": semconv.CANCELLED,
    "KeyboardInterrupt": semconv.CANCELLED,
    "SystemExit": semconv.CANCELLED,
    "APITimeoutError": semconv.TIMEOUT,
    "TimeoutException": semconv.TIMEOUT,
    "TimeoutError": semconv.TIMEOUT,
    "APIConnectionError": semconv.CONNECTION,
    "TransportError": semconv.CONNECTION,
    "ConnectionError": semconv.CONNECTION,
    # The provider did what it was asked to, within the caller's own limit.
    "LengthFinishReasonError": semconv.INVALID_REQUEST,
    "ContentFilterFinishReasonError": semconv.CONTENT_FILTER,
    "BudgetExceeded": semconv.BUDGET_EXCEEDED,
}

_BY_CODE = {
    "rate_limit_exceeded": semconv.RATE_LIMIT,
    "too_many_requests": semconv.RATE_LIMIT,
    "insufficient_quota": semconv.RATE_LIMIT,
    "server_error": semconv.SERVER,
    "internal_error": semconv.SERVER,
    "vector_store_timeout": semconv.TIMEOUT,
    "content_filter": semconv.CONTENT_FILTER,
    "content_policy_violation": semconv.CONTENT_FILTER,
    "image_content_policy_violation": semconv.CONTENT_FILTER,
    "moderation_blocked": semconv.CONTENT_FILTER,
    "bio_policy": semconv.CONTENT_FILTER,
    "misalignment_policy_violation": semconv.CONTENT_FILTER,
    "invalid_prompt": semconv.INVALID_REQUEST,
    "invalid_request_error": semconv.INVALID_REQUEST,
    "context_length_exceeded": semconv.INVALID_REQUEST,
    "model_not_found": semconv.NOT_FOUND,
    "empty_image_file": semconv.INVALID_REQUEST,
    "failed_to_download_image": semconv.INVALID_REQUEST,
    "image_file_not_found": semconv.INVALID_REQUEST,
    "image_file_too_large": semconv.INVALID_REQUEST,
    "image_parse_error": semconv.INVALID_REQUEST,
    "image_too_large": semconv.INVALID_REQUEST,
    "image_too_small": semconv.INVALID_REQUEST,
    "invalid_base64_image": semconv.INVALID_REQUEST,
    "invalid_image": semconv.INVALID_REQUEST,
    "invalid_image_format": semconv.INVALID_REQUEST,
    "invalid_image_mode": semconv.INVALID_REQUEST,
    "invalid_image_url": semconv.INVALID_REQUEST,
    "unsupported_image_media_type": semconv.INVALID_REQUEST,
}


def classify(exc: BaseException) -> str:
    """The class (`semconv.ERROR_CLASSES`) of an exception that a call ended in."""
    told = _told(exc)
    if told == semconv.CONTENT_FILTER:
        return told
    found = status(exc)
    if found is not None:
        return by_status(found)
    for cls in type(exc).__mro__:
        name = _BY_NAME.get(cls.__name__)
        if name is not None:
            return name
    # An error in the middle of a stream has no status of its own.
    return told


def _told(exc: BaseException) -> str:
    """The class of what the provider said: openai's exceptions hold the error object itself as
    their body, those of the other SDKs the object around it."""
    body = read.get(exc, "body")
    error = read.get(body, "error") or body
    by = by_code(read.get(error, "code"))
    return by if by != semconv.OTHER else by_code(read.get(error, "type"))


def by_status(code: int) -> str:
    """The class of an HTTP status."""
    if code in _BY_STATUS:
        return _BY_STATUS[code]
    if code >= 500:
        return semconv.SERVER
    return semconv.INVALID_REQUEST if code >= 400 else semconv.OTHER


def by_code(code: object) -> str:
    """The class of a provider's error code: a word, or an HTTP status as number or digits."""
    if isinstance(code, str) and code in _BY_CODE:
        return _BY_CODE[code]
    text = str(code) if isinstance(code, (int, str)) else ""
    is_status = len(text) == 3 and text.isascii() and text.isdigit()
    return by_status(int(text)) if is_status else semconv.OTHER


def status(exc: BaseException) -> int | None:
    """The HTTP status that an SDK's exception carries."""
    found = read.get(exc, "status_code")
    return found if type(found) is int else None


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
    def of(cls, exc: BaseException | None, answer: Answer) -> Failure:
        """The failure in an exception, or in an answer that came with HTTP 200 and failed."""
        if exc is not None:
            return cls(full_name(exc), classify(exc), status(exc), exc)
        if answer.error_code is not None:
            kind = by_code(answer.error_code)
            return cls(answer.error_code if kind != semconv.OTHER else "_OTHER", kind)
        return NO_FAILURE


NO_FAILURE = Failure()
