"""What all requests to Bedrock's runtime share: who is asked, errors, what is billed besides.

Bodies are those of boto: the parameters of an operation, and what that gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols import errors
from llm_otel.protocols.bedrock import models
from llm_otel.protocols.headers import Headers
from llm_otel.protocols.spec import Protocol, Request
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.protocols.answer import Answer
    from llm_otel.providers.dialects import Dialect

HEADERS = Headers(request_ids=(b"x-amzn-requestid",))

# Words for errors, in lower case: those of AWS in front of any service, and those of the client,
# which has classes for them.
# https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html
_KINDS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "expiredtoken", "expiredtokenexception", "incompletesignature", "invalidclienttokenid",
            "invalidsignatureexception", "missingauthenticationtoken",
            "missingauthenticationtokenexception", "requestexpired", "signaturedoesnotmatch",
            "unrecognizedclientexception",
            "nocredentialserror", "partialcredentialserror", "credentialretrievalerror",
            "tokenretrievalerror", "unauthorizedssotokenerror", "ssotokenloaderror",
            "noauthtokenerror",
        ),
        semconv.AUTHENTICATION,
    ),
    **dict.fromkeys(("accessdeniedexception", "accessdenied", "optinrequired"), semconv.PERMISSION),
    **dict.fromkeys(
        (
            "throttlingexception", "throttling", "toomanyrequestsexception",
            "servicequotaexceededexception", "requestlimitexceeded",
        ),
        semconv.RATE_LIMIT,
    ),
    **dict.fromkeys(
        (
            "internalserverexception", "internalfailure", "internalservererror",
            "serviceunavailable", "serviceunavailableexception", "modelerrorexception",
            "modelnotreadyexception", "modelstreamerrorexception",
        ),
        semconv.SERVER,
    ),
    "modeltimeoutexception": semconv.TIMEOUT,
    **dict.fromkeys(("resourcenotfoundexception", "resourcenotfound"), semconv.NOT_FOUND),
    **dict.fromkeys(
        ("validationexception", "validationerror", "conflictexception", "paramvalidationerror"),
        semconv.INVALID_REQUEST,
    ),
    **dict.fromkeys(
        ("responsestreamingerror", "incompletereaderror", "checksummismatch", "invalidheadersmeta"),
        semconv.CONNECTION,
    ),
    **dict.fromkeys(("readtimeouterror", "connecttimeouterror"), semconv.TIMEOUT),
    "httpclienterror": semconv.CONNECTION,
}  # fmt: skip

# An error that came inside a stream, whose response had begun well.
_IN_STREAM = "EventStreamError"
_FILTERED = "content filter"


class Bedrock(Protocol):
    """A request to a model, by whichever operation."""

    headers = HEADERS
    words_before_status = True

    def model(self, request: Request) -> str | None:
        """The `modelId`, which is in the path of the request over HTTP."""
        model_id = read.string(request.body.get("modelId"))
        if model_id is not None:
            return model_id
        _, separator, rest = request.url.partition("/model/")
        return read.string(unquote(rest.partition("/")[0])) if separator else None

    def status(self, exc: BaseException) -> int | None:
        """See `Protocol`."""
        if type(exc).__name__ == _IN_STREAM:
            return None
        code = read.path(_response(exc), ("ResponseMetadata", "HTTPStatusCode"))
        return code if type(code) is int else errors.status(exc)

    def error_kind(self, exc: BaseException, codes: Mapping[str, str]) -> str:
        """See `Protocol`."""
        error = read.get(_response(exc), "Error")
        code = read.text(error, "Code")
        if code is not None:
            if _FILTERED in (read.text(error, "Message") or "").lower():
                return semconv.CONTENT_FILTER
            word = code.rpartition("#")[2].partition(":")[0]
            return _KINDS.get(word.lower()) or errors.by_code(word, codes)
        for cls in type(exc).__mro__:
            kind = _KINDS.get(cls.__name__.lower())
            if kind is not None:
                return kind
        return errors.of_exception(exc, codes)

    def complete(self, used: Usage, request: Request, answer: Answer, dialect: Dialect) -> None:  # noqa: ARG002
        """Where a model runs decides its price, and only the request names that; guardrails are
        billed by units of text."""
        body = request.body
        name = self.model(request)
        if name is not None:
            answer.price_model, certain = models.parsed(name).price(answer.model)
            used.partial |= not certain
        used.partial |= guardrail(body) is not None
        if answer.service_tier is None:
            answer.service_tier = tier(body)


def guardrail(body: Mapping[str, object]) -> str | None:
    """The guardrail that a request names."""
    identifier = body.get("guardrailIdentifier")
    if identifier is None and "guardrailConfig" in body:
        identifier = read.get(body["guardrailConfig"], "guardrailIdentifier")
    return read.string(identifier)


def guardrail_attributes(body: Mapping[str, object]) -> dict[str, Any]:
    """The span attributes of that."""
    identifier = guardrail(body)
    return {} if identifier is None else {semconv.AWS_GUARDRAIL_ID: identifier}


def tier(node: object) -> str | None:
    """What a request, an answer or the last event of a stream says that it is billed at; a latency
    that was optimised has a price as a tier has."""
    fields = read.fields(node)
    for key in ("performanceConfig", "performanceConfigLatency"):
        latency = fields.get(key)
        if latency is not None and "optimized" in (latency, read.get(latency, "latency")):
            return "latency-optimized"
    service_tier = fields.get("serviceTier")
    if service_tier is None:
        return None
    return read.string(service_tier) or read.string(read.get(service_tier, "type"))


def _response(exc: BaseException) -> object:
    """What a client error holds of the response."""
    return read.get(exc, "response")
