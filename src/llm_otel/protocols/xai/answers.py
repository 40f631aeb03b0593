"""xAI's protobuf messages: usage, finish reasons, costs, errors by gRPC status.

A request's body is a dict that holds the SDK's message: `proto` (of a chat, else None), `model`,
`messages`, how many of these there were when the request was sent (`count`), and `n`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols import costs, requests, usage
from llm_otel.protocols.answer import Answer, BodyError
from llm_otel.protocols.headers import Headers
from llm_otel.protocols.spec import Accumulator, Endpoint, Fold, Protocol, UsageMap
from llm_otel.protocols.xai.outputs import (
    TIME_LIMIT,
    assistant_outputs,
    finish_reason,
    message_of,
)
from llm_otel.providers import error_codes
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect

# Cached and image tokens lie inside the prompt. Reasoning lies beside the completion; the total
# shows where it is inside, and then it is read under a name of our own.
# https://github.com/xai-org/xai-proto/blob/main/proto/xai/api/v1/usage.proto
_INSIDE = "reasoning_inside_completion"
USAGE: UsageMap = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "cached_prompt_text_tokens": "cache_read_tokens",
    "prompt_image_tokens": "image_input_tokens",
    "reasoning_tokens": ("reasoning_tokens", "output_tokens"),
    _INSIDE: "reasoning_tokens",
}
_COUNTS = tuple(key for key in USAGE if key != _INSIDE)
_TICKS = "cost_in_usd_ticks"

# Numbers of `ServiceTier`, `ReasoningEffort` and `FormatType`: a message holds no names.
_TIERS: Mapping[int, str] = {1: "default", 2: "priority"}
_EFFORTS: Mapping[int, str] = {1: "low", 2: "medium", 3: "high", 4: "none", 5: "xhigh"}
_FORMATS: Mapping[int, str] = {1: "text", 2: "json_object", 3: "json_schema"}

# Name of a gRPC status -> class.
# https://docs.x.ai/developers/debugging, https://grpc.io/docs/guides/status-codes/
_CLASSES: Mapping[str, str] = {
    "CANCELLED": semconv.CANCELLED,
    "UNKNOWN": semconv.SERVER,
    "INVALID_ARGUMENT": semconv.INVALID_REQUEST,
    "DEADLINE_EXCEEDED": semconv.TIMEOUT,
    "NOT_FOUND": semconv.NOT_FOUND,
    "ALREADY_EXISTS": semconv.INVALID_REQUEST,
    "PERMISSION_DENIED": semconv.PERMISSION,
    "RESOURCE_EXHAUSTED": semconv.RATE_LIMIT,
    "FAILED_PRECONDITION": semconv.INVALID_REQUEST,
    "ABORTED": semconv.SERVER,
    "OUT_OF_RANGE": semconv.INVALID_REQUEST,
    "UNIMPLEMENTED": semconv.INVALID_REQUEST,
    "INTERNAL": semconv.SERVER,
    "UNAVAILABLE": semconv.SERVER,
    "DATA_LOSS": semconv.SERVER,
    "UNAUTHENTICATED": semconv.AUTHENTICATION,
}
# What gRPC itself says where it reached no server that could answer.
_UNREACHED = ("failed to connect", "connection", "socket", "name resolution", "dns ", "recvmsg")

_ROUNDED = 6  # digits that a float of 32 bits has


class Chats(Protocol):
    """A completion, whole or as the SDK puts it together from a stream's chunks."""

    headers = Headers()  # the SDK keeps gRPC's metadata to itself

    def request_attributes(self, body: Mapping[str, object]) -> dict[str, Any]:
        """The parameters that the request sets."""
        return requests.read_attributes(_parameters(body), requests.ATTRIBUTES)

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:
        """Everything that a completion tells."""
        outputs = assistant_outputs(node)
        reasons = [getattr(output, "finish_reason", 0) for output in outputs]
        return Answer(
            read.string(getattr(node, "id", None)),
            read.string(getattr(node, "model", None)),
            service_tier=_TIERS.get(getattr(node, "service_tier", 0)),
            finish_reasons=[finish_reason(reason) for reason in reasons if reason],
            usage=_usage(node, endpoint),
            error=BodyError("time_limit", semconv.TIMEOUT) if TIME_LIMIT in reasons else None,
            cost=costs.in_answer((_priced(node),), dialect),
        )

    def answer_of_failure(self, exc: BaseException) -> object | None:
        """The completion of which `parse` could not make the caller's type: no exception carries
        it, and it was billed."""
        trace = exc.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_name == "parse":
                response = trace.tb_frame.f_locals.get("response")
                if type(response).__name__ == "GetChatCompletionResponse":
                    return response
            trace = trace.tb_next
        return None

    def status(self, exc: BaseException) -> int | None:  # noqa: ARG002
        """None: gRPC has statuses of its own."""
        return None

    def error_kind(self, exc: BaseException, codes: Mapping[str, str]) -> str:  # noqa: ARG002
        """The class of a gRPC status."""
        code = getattr(exc, "code", None)
        name = getattr(code(), "name", "") if callable(code) else ""
        kind = _CLASSES.get(name, semconv.OTHER)
        details = getattr(exc, "details", None)
        text = details() if callable(details) else None
        text = text if isinstance(text, str) else ""
        if name == "UNAVAILABLE" and text.lower().startswith(_UNREACHED):
            return semconv.CONNECTION
        return error_codes.by_message(text, kind)

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:
        """The SDK's own response, which grows with each chunk."""
        return Growing(self, endpoint, dialect)

    def request_content(self, body: object) -> Content:
        """Messages and tools."""
        from llm_otel.protocols.xai.content import request_content

        return request_content(body)

    def response_content(self, response: object) -> list[Message]:
        """The choices of a completion."""
        from llm_otel.protocols.xai.content import response_content

        return response_content(message_of(response))

    def accumulator(self) -> Accumulator:
        """The messages of the SDK's own response."""
        from llm_otel.protocols.xai.content import Grown

        return Grown()


class Images(Chats):
    """Generated images."""

    def request_attributes(self, body: Mapping[str, object]) -> dict[str, Any]:
        """How many are asked for."""
        return requests.read_attributes({"n": body.get("n")}, requests.ATTRIBUTES)

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:
        """The model and what it cost."""
        return Answer(
            model=read.string(getattr(node, "model", None)),
            usage=_usage(node, endpoint),
            cost=costs.in_answer((_priced(node),), dialect),
        )

    def request_content(self, body: object) -> Content:
        """The prompt and the images that it is about."""
        from llm_otel.protocols.xai.content import image_request

        return image_request(body)

    def response_content(self, response: object) -> list[Message]:
        """One message for each image."""
        from llm_otel.protocols.xai.content import image_response

        return image_response(response)


class Growing:
    """Folds a stream: each chunk comes with the response so far, of which the last is the whole."""

    __slots__ = ("_dialect", "_endpoint", "_protocol", "_response", "hides")

    def __init__(self, protocol: Chats, endpoint: Endpoint, dialect: Dialect) -> None:
        self._protocol, self._endpoint, self._dialect = protocol, endpoint, dialect
        self._response: object = None
        self.hides = False

    def goes_on(self, chunk: Any) -> bool:
        """Always, once there is a response: it is the same object."""
        self._response = chunk
        return True

    def add(self, chunk: Any) -> None:
        """Take the response in."""
        self._response = chunk

    def answer(self) -> Answer:
        """What the response tells so far."""
        if self._response is None:
            return Answer()
        response = message_of(self._response)
        answer = self._protocol.answer(response, self._endpoint, self._dialect)
        answer.finish_reasons = answer.finish_reasons or ["error"]
        if answer.usage is not None and not self.ended:
            answer.usage.partial = True
        return answer

    @property
    def ended(self) -> bool:
        """Whether every choice said why it stopped."""
        outputs = assistant_outputs(message_of(self._response))
        return bool(outputs) and all(getattr(each, "finish_reason", 0) for each in outputs)


def _usage(node: object, endpoint: Endpoint) -> Usage | None:
    sampling = getattr(node, "usage", None)
    counts = {key: getattr(sampling, key, 0) for key in _COUNTS}
    total, completed_tokens = getattr(sampling, "total_tokens", 0), counts["completion_tokens"]
    if total and total == counts["prompt_tokens"] + completed_tokens:
        counts[_INSIDE] = counts.pop("reasoning_tokens")
    used = usage.usage(None, endpoint, counts)
    if used is not None:
        used.unexplained_tokens = max(0, total - used.input_tokens - used.output_tokens)
        # Tools of the provider's and live search have prices of their own.
        used.partial |= bool(
            getattr(sampling, "num_sources_used", 0)
            or len(getattr(sampling, "server_side_tools_used", ()))
        )
    return used


def _priced(node: object) -> object:
    """The reported cost where the dialect looks for it; a message has 0 for what is not set."""
    sampling = getattr(node, "usage", None)
    has_field = getattr(sampling, "HasField", None)
    if has_field is None or not hasattr(sampling, _TICKS) or not has_field(_TICKS):
        return {}
    return {"usage": {_TICKS: getattr(sampling, _TICKS)}}


def _parameters(body: Mapping[str, object]) -> dict[str, object]:
    """The parameters that a chat's message sets, under the names that nearly all providers use."""
    proto: Any = body.get("proto")
    if proto is None:
        return {}
    present = {field.name: value for field, value in proto.ListFields() if field.name in _PLAIN}
    parameters: dict[str, object] = {
        key: round(value, _ROUNDED) if type(value) is float else value
        for key, value in present.items()
    }
    if proto.stop:
        parameters["stop"] = list(proto.stop)
    if proto.HasField("response_format"):
        parameters["response_format"] = {"type": _FORMATS.get(proto.response_format.format_type)}
    if proto.HasField("reasoning_effort"):
        parameters["reasoning_effort"] = _EFFORTS.get(proto.reasoning_effort)
    return {**parameters, "n": body.get("n")}


_PLAIN = frozenset({
    "temperature", "top_p", "frequency_penalty", "presence_penalty", "max_tokens", "seed",
    "previous_response_id",
})  # fmt: skip
