"""Which class a provider's error has: in an answer that came with HTTP 200, in an exception."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols.answer import BodyError
from llm_otel.providers import error_codes
from llm_otel.providers.dialects import Dialect, Path

_NO_CODES: Mapping[str, str] = {}
_SIGNS = re.compile(r"[-. ]")

_UNKNOWN = BodyError(semconv.OTHER, semconv.OTHER)

# Where answers without choices keep a status of their own, and what it says when nothing failed.
_STATUSES: tuple[Path, ...] = (
    ("base_resp", "status_code"),  # MiniMax
    ("error_code",),  # Baidu
    ("header", "code"),  # iFlytek Spark
    ("Response", "Error", "Code"),  # Tencent
    ("errorCode",),
    ("code",),  # DashScope, SiliconFlow, Zhipu, vLLM's {"object": "error"}
    ("status",),  # iFlow
)
# Where an error object has words or HTTP statuses; the last two are TGI's.
_CODES = ("code", "type", "status", "status_code", "http_code", "error_type", "http_status_code")
# What a good answer holds.
_RESULTS = ("choices", "data", "text", "results", "embeddings", "output", "images", "segments")
_FINE: frozenset[object] = frozenset(
    {0, "0", 200, "200", "success", "ok", "OK", "Success", "", "completed"}
)


def in_body(node: object, dialect: Dialect) -> BodyError | None:
    """The failure of a whole chat answer: an error object, a choice's, or a status object's."""
    error = read.get(node, "error")
    if _says_something(error):
        nested = _of_error(error, dialect)
        # `{"error": "…", "status": 402}`
        return nested if nested.kind != semconv.OTHER else _of_error(node, dialect, nested)
    choices = read.items(node, "choices")
    for choice in choices:
        failure = in_choice(choice, dialect)
        if failure is not None:
            return failure
    return in_status(node, dialect, _STATUSES[:1] if choices else _STATUSES)


def in_response(node: object, dialect: Dialect, *, failed: bool) -> BodyError | None:
    """The failure of an answer of the Responses API.

    Args:
        node: The answer.
        dialect: The provider's error codes.
        failed: The answer's own status says that it failed.
    """
    error = read.get(node, "error")
    if _says_something(error):
        return _of_error(error, dialect)
    if failed:
        return _UNKNOWN
    return in_status(node, dialect)


def in_event(event: object, dialect: Dialect) -> BodyError:
    """The failure in an `error` event of a stream."""
    nested = read.get(event, "error")
    if nested and read.text(event, "code") is None:
        failure = _of_error(nested, dialect)
        return failure if failure.kind != semconv.OTHER else _of_error(event, dialect, failure)
    return _of_error(event, dialect)


def in_choice(choice: object, dialect: Dialect) -> BodyError | None:
    """The failure that a choice ended in."""
    reason = read.get(choice, "finish_reason")
    kind = error_codes.FAILED_FINISHES.get(reason.lower()) if isinstance(reason, str) else None
    error = read.get(choice, "error")
    if _says_something(error):
        failure = _of_error(error, dialect)
        if failure.kind != semconv.OTHER or kind is None:
            return failure
    return BodyError(str(reason), kind) if kind is not None else None


def in_status(
    node: object, dialect: Dialect, ways: tuple[Path, ...] = _STATUSES
) -> BodyError | None:
    """The failure that a status object reports beside missing choices.

    Args:
        node: The answer.
        dialect: The provider's error codes.
        ways: Where to look; an answer with choices may only have MiniMax's status, which reports
            an output that was withheld.
    """
    for way in ways:
        code = read.path(node, way)
        if type(code) in (int, str) and code not in _FINE:
            failure = _of_code(code, dialect)
            # Beside what was asked for, a word that nobody knows is no failure.
            if failure.kind != semconv.OTHER or not any(read.get(node, key) for key in _RESULTS):
                return failure
    if ways is not _STATUSES:
        return None
    for error in read.items(node, "errors"):  # Cloudflare
        return _of_error(error, dialect)
    detail = read.get(node, "detail")  # FastAPI
    if detail and read.get(node, "id") is None:
        return _UNKNOWN
    return None


def first(failures: Iterable[BodyError | None]) -> BodyError | None:
    """The first failure that is one."""
    return next((failure for failure in failures if failure is not None), None)


def _of_error(error: object, dialect: Dialect, best: BodyError = _UNKNOWN) -> BodyError:
    """The failure in an error object; `best` where nothing in it has a class.

    A word that says more than an HTTP status beside it wins, as it does for exceptions.
    """
    failure = _of_codes(error, dialect, best)
    return failure._replace(kind=error_codes.by_message(_message(error), failure.kind))


def _of_codes(error: object, dialect: Dialect, best: BodyError) -> BodyError:
    failures = []
    for key in _CODES:
        value = read.get(error, key)
        if type(value) in (int, str) and value != "":
            failures.append(_of_code(value, dialect))
    for failure in failures:
        if failure.kind in error_codes.BEFORE_STATUS:
            return failure
    if any(failure.code == "429" for failure in failures):  # no capacity is sent as this, too
        for failure in failures:
            if failure.kind == semconv.SERVER:
                return failure
    for failure in failures:
        if failure.kind != semconv.OTHER:
            return failure
    return best if best.code != semconv.OTHER or not failures else failures[0]


def _says_something(error: object) -> bool:
    """Whether an error is one: gateways send empty error objects with good answers."""
    return any(read.fields(error).values()) if read.is_node(error) else bool(error)


def _of_code(code: object, dialect: Dialect) -> BodyError:
    return BodyError(str(code), by_code(code, dialect.error_codes))


# ------------------------------------------------------------------ exceptions and codes
def of_exception(exc: BaseException, codes: Mapping[str, str] = _NO_CODES) -> str:
    """The class of what the provider said: openai's exceptions hold the error object itself as
    their body, those of the other SDKs the object around it, or the response alone."""
    body = read.get(exc, "body")
    if body is None:
        body = read.json_of(read.get(read.get(exc, "response"), "_content"))
    error = read.get(body, "error") or body
    kinds = (by_code(read.get(error, key), codes) for key in ("code", "type"))
    kind = next((kind for kind in kinds if kind != semconv.OTHER), semconv.OTHER)
    return error_codes.by_message(_message(error), kind)


def _message(error: object) -> object:
    return error if isinstance(error, str) else read.get(error, "message")


def status(exc: BaseException) -> int | None:
    """The HTTP status that an SDK's exception carries, or the response in it."""
    for holder in (exc, read.get(exc, "response")):
        code = read.get(holder, "status_code")
        if type(code) is int:
            return code
    return None


def by_status(code: int) -> str:
    """The class of an HTTP status."""
    if code in error_codes.BY_STATUS:
        return error_codes.BY_STATUS[code]
    if code >= 500:
        return semconv.SERVER
    return semconv.INVALID_REQUEST if code >= 400 else semconv.OTHER


def by_code(code: object, codes: Mapping[str, str] = _NO_CODES) -> str:
    """The class of a provider's error code: a word, or an HTTP status as number or digits.

    Args:
        code: Anything that a provider may send.
        codes: The provider's own error codes, with the class of each.
    """
    text = str(code) if type(code) in (int, str) else ""
    kind = codes.get(text) or error_codes.BY_WORD.get(_SIGNS.sub("_", text.lower()))
    if kind is not None:
        return kind
    is_status = len(text) == 3 and text.isascii() and text.isdigit()
    return by_status(int(text)) if is_status else semconv.OTHER
