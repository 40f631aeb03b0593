"""The class of an error, where the sender did not say it."""

from __future__ import annotations

from typing import Final

from llm_otel import semconv
from llm_otel.foreign.word_cache import by_word

BY_STATUS: Final = {
    401: semconv.AUTHENTICATION,
    402: semconv.INSUFFICIENT_FUNDS,
    403: semconv.PERMISSION,
    404: semconv.NOT_FOUND,
    408: semconv.TIMEOUT,
    429: semconv.RATE_LIMIT,
    498: semconv.SERVER,
    504: semconv.TIMEOUT,
}

# Codes of Node.js and of the system, which are no words of a name.
_BY_CODE: Final = {
    "ECONNREFUSED": semconv.CONNECTION,
    "ECONNRESET": semconv.CONNECTION,
    "ENOTFOUND": semconv.CONNECTION,
    "EAI_AGAIN": semconv.CONNECTION,
    "EPIPE": semconv.CONNECTION,
    "ETIMEDOUT": semconv.TIMEOUT,
}

# Parts of exception names and of providers' codes, without case and underscores; the first wins.
BY_WORD: Final = (
    ("ratelimit", semconv.RATE_LIMIT),
    ("toomanyrequests", semconv.RATE_LIMIT),
    ("quota", semconv.RATE_LIMIT),
    ("insufficientbalance", semconv.INSUFFICIENT_FUNDS),
    ("insufficientfunds", semconv.INSUFFICIENT_FUNDS),
    ("insufficientcredit", semconv.INSUFFICIENT_FUNDS),
    ("paymentrequired", semconv.INSUFFICIENT_FUNDS),
    ("throttl", semconv.RATE_LIMIT),
    ("resourceexhausted", semconv.RATE_LIMIT),
    ("budget", semconv.BUDGET_EXCEEDED),
    ("cancel", semconv.CANCELLED),
    ("abort", semconv.CANCELLED),
    ("keyboardinterrupt", semconv.CANCELLED),
    ("timeout", semconv.TIMEOUT),
    ("timedout", semconv.TIMEOUT),
    ("deadlineexceeded", semconv.TIMEOUT),
    ("connect", semconv.CONNECTION),
    ("remoteprotocol", semconv.CONNECTION),
    ("readerror", semconv.CONNECTION),
    ("socket", semconv.CONNECTION),
    ("authentication", semconv.AUTHENTICATION),
    ("unauthorized", semconv.AUTHENTICATION),
    ("unauthenticated", semconv.AUTHENTICATION),
    ("apikey", semconv.AUTHENTICATION),
    ("accessdenied", semconv.PERMISSION),
    ("permission", semconv.PERMISSION),
    ("forbidden", semconv.PERMISSION),
    ("notfound", semconv.NOT_FOUND),
    ("contentfilter", semconv.CONTENT_FILTER),
    ("contentpolicy", semconv.CONTENT_FILTER),
    ("badrequest", semconv.INVALID_REQUEST),
    ("invalidrequest", semconv.INVALID_REQUEST),
    ("unprocessable", semconv.INVALID_REQUEST),
    ("invalidargument", semconv.INVALID_REQUEST),
    ("validation", semconv.INVALID_REQUEST),
    ("contextwindow", semconv.INVALID_REQUEST),
    ("contextlength", semconv.INVALID_REQUEST),
    ("internalserver", semconv.SERVER),
    ("servererror", semconv.SERVER),
    ("overloaded", semconv.SERVER),
    ("modelnotready", semconv.SERVER),
    ("capacityexceeded", semconv.SERVER),
    ("unavailable", semconv.SERVER),
)


@by_word
def error_class(error_type: str) -> str:
    """The class (`semconv.ERROR_CLASSES`) of an `error.type`: a status, a code or a class name."""
    if error_type.isdecimal():
        return by_status(int(error_type))
    if error_type in _BY_CODE:
        return _BY_CODE[error_type]
    name = error_type.rpartition(".")[2].replace("_", "").lower()
    return next((found for word, found in BY_WORD if word in name), semconv.OTHER)


def by_status(status: int) -> str:
    """The class of an HTTP status."""
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status >= 500:
        return semconv.SERVER
    return semconv.INVALID_REQUEST if status >= 400 else semconv.OTHER
