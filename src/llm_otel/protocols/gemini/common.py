"""What Gemini's endpoints share: the model in the path, errors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols import errors
from llm_otel.protocols.answer import BodyError
from llm_otel.protocols.headers import Headers
from llm_otel.protocols.spec import Protocol, Request

if TYPE_CHECKING:
    from llm_otel.providers.dialects import Dialect

# Google sends neither a request's id nor what is left of its limits.
_NO_HEADERS = Headers()

# Reasons in an error's details that say more than its status, which is 400 for a wrong key.
# https://cloud.google.com/apis/design/errors#error_info
_REASONS: Mapping[str, str] = {
    "API_KEY_INVALID": semconv.AUTHENTICATION,
    "API_KEY_EXPIRED": semconv.AUTHENTICATION,
    "ACCESS_TOKEN_EXPIRED": semconv.AUTHENTICATION,
    "BILLING_DISABLED": semconv.INSUFFICIENT_FUNDS,
}

# Why a WebSocket was closed, in the place of an HTTP status.
# https://www.iana.org/assignments/websocket
_FIRST_CLOSE_CODE = 1000
_CLOSE_CODES: Mapping[object, str] = {
    1006: semconv.CONNECTION,
    **dict.fromkeys((1003, 1007, 1008, 1009), semconv.INVALID_REQUEST),
    **dict.fromkeys((1001, 1011, 1012, 1013, 1014), semconv.SERVER),
}


class Google(Protocol):
    """The model is in the path; errors are those of google.rpc."""

    headers = _NO_HEADERS

    def model(self, request: Request) -> str | None:
        """The model that a path names, as `models/gemini-3.5-flash:generateContent` does."""
        return model_in(request.url)

    def status(self, exc: BaseException) -> int | None:
        """The HTTP status that an exception carries, of either part of the SDK."""
        code = read.get(exc, "code")
        if type(code) is not int:
            return errors.status(exc)
        return code if code < _FIRST_CLOSE_CODE else None

    def error_kind(self, exc: BaseException, codes: Mapping[str, str]) -> str:
        """The class by the reason in an error's details, else by its status word."""
        body = read.get(exc, "details") or read.get(exc, "body")
        if type(body) is str:
            body = read.json_of(body.encode("utf-8", "replace"))
        error = read.get(body, "error") or body
        if (failure := _by_reason(error)) is not None:
            return failure.kind
        for word in (read.get(exc, "status"), read.get(error, "status"), read.get(error, "code")):
            kind = errors.by_code(word, codes)
            if kind != semconv.OTHER:
                return kind
        return _CLOSE_CODES.get(read.get(exc, "code"), semconv.OTHER)


def error_in(body: object, dialect: Dialect) -> BodyError | None:
    """The failure that a body tells, or a chunk in its place; None where it has no error."""
    if read.get(body, "error") is None:
        return None
    return _by_reason(read.get(body, "error")) or errors.in_body(body, dialect)


def _by_reason(error: object) -> BodyError | None:
    for detail in read.items(error, "details"):
        reason = read.string(read.get(detail, "reason")) or ""
        if reason in _REASONS:
            return BodyError(reason, _REASONS[reason])
    return None


@lru_cache(maxsize=1024)
def model_in(url: str) -> str | None:
    """The model of a URL; a tuned one keeps the kind of resource that it is."""
    front, _, last = url.partition("?")[0].rpartition("/")
    kind = front.rpartition("/")[2]
    name, verb, _ = last.partition(":")
    if not verb:
        return None
    return read.string(name if kind in ("models", "") else f"{kind}/{name}")
