"""Answers, whole and streamed: each chunk is an object, and the last one has the counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols import errors, usage
from llm_otel.protocols.answer import Answer, BodyError
from llm_otel.protocols.headers import Headers
from llm_otel.protocols.requests import ATTRIBUTES, Attributes, read_attributes
from llm_otel.protocols.spec import Accumulator, Endpoint, Fold, LastChunk, Protocol, UsageMap
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect

# The first is left out where the whole prompt was in the cache: then the input is not known.
# https://docs.ollama.com/api/usage
USAGE: UsageMap = {"prompt_eval_count": "input_tokens", "eval_count": "output_tokens"}

# A request without a prompt only loads a model, or has it unloaded: it uses no token.
# https://docs.ollama.com/api/generate
_NO_INFERENCE = frozenset({"load", "unload"})

_FAILED = BodyError("error", semconv.SERVER)


def _format(value: object) -> str | None:
    return "json" if value == "json" or (read.is_node(value) and read.fields(value)) else None


def _reasoning_level(value: object) -> str | None:
    return read.string(value)


_ATTRIBUTES: Attributes = {
    "format": ((semconv.OUTPUT_TYPE, _format),),
    "think": ((semconv.REQUEST_REASONING_LEVEL, _reasoning_level),),
    "dimensions": ATTRIBUTES["dimensions"],
}
_OPTIONS: Attributes = {
    **{
        key: ATTRIBUTES[key]
        for key in (
            "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "stop",
            "seed",
        )
    },
    "num_predict": ATTRIBUTES["max_tokens"],
}  # fmt: skip


class Ollama(Protocol):
    """An answer is one object; a stream is objects of the same kind, each with a piece."""

    headers = Headers()
    attributes = _ATTRIBUTES

    def request_attributes(self, body: Mapping[str, object]) -> dict[str, Any]:
        """What the request itself says, and its `options`."""
        options = read_attributes(read.fields(body.get("options")), _OPTIONS)
        return {**read_attributes(body, self.attributes), **options}

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:  # noqa: ARG002
        """Everything that an answer, or the last object of a stream, tells."""
        body = read.fields(node)
        reason = read.string(body.get("done_reason"))
        result = Answer(
            model=read.string(body.get("model")),
            finish_reasons=[reason] if reason is not None else [],
            usage=usage.usage(body, endpoint),
        )
        if reason in _NO_INFERENCE:
            result.usage = Usage()
        elif body.get("error"):
            result.error = _FAILED
        return result

    def status(self, exc: BaseException) -> int | None:
        """The HTTP status of an exception; that of an error in a stream is -1."""
        status = errors.status(exc)
        return status if status is not None and status >= 0 else None

    def error_kind(self, exc: BaseException, codes: Mapping[str, str]) -> str:
        """What fails in the middle of a stream fails at the server."""
        if errors.status(exc) == -1:
            return semconv.SERVER
        return errors.of_exception(exc, codes)

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:
        """The last object tells all."""
        return Objects(self, endpoint, dialect)

    def request_content(self, body: object) -> Content:
        """Messages or prompt, system and tools."""
        from llm_otel.protocols.ollama.content import request_content

        return request_content(body)

    def response_content(self, response: object) -> list[Message]:
        """The message."""
        from llm_otel.protocols.ollama.content import response_content

        return response_content(response)

    def accumulator(self) -> Accumulator:
        """Pieces of a message."""
        from llm_otel.protocols.ollama.content import Pieces

        return Pieces()


class Scores(Ollama):
    """Answers with a usage of their own, and no text."""

    def response_content(self, response: object) -> list[Message]:  # noqa: ARG002
        """None: they are numbers."""
        return []


class Objects(LastChunk):
    """Folds a stream; the object that is `done` is the answer."""

    def goes_on(self, chunk: Any) -> bool:
        """Whether an object is only a piece; see `Fold`."""
        fields: dict[str, object] = chunk.__dict__
        if fields["done"]:
            return False
        self._last = chunk
        return True

    def answer(self) -> Answer:
        """What the objects told so far."""
        result = super().answer()
        if self._last is not None and not self.ended:
            result.finish_reasons = ["error"]
        return result

    @property
    def ended(self) -> bool:
        """Whether the last object said that it is the last."""
        return read.get(self._last, "done") is True
