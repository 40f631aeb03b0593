"""Hugging Face's own tasks: text generation as its servers (TGI) speak it, embeddings, media.

Its chats are OpenAI's. A task has no path of its own: the client names it (`/tasks/{task}`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols import errors, requests, usage
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.paths import Paths
from llm_otel.protocols.spec import Accumulator, Endpoint, Fold, LastChunk, Protocol, UsageMap

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect

# https://huggingface.co/docs/text-generation-inference/reference/api_reference
_FINISH_REASONS = {"eos_token": "stop", "stop_sequence": "stop"}
_DETAILS: UsageMap = {"input_length": "input_tokens", "generated_tokens": "output_tokens"}

_ATTRIBUTES: requests.Attributes = {
    **{
        key: requests.ATTRIBUTES[key]
        for key in ("temperature", "top_p", "top_k", "frequency_penalty", "seed", "stop")
    },
    "max_new_tokens": requests.ATTRIBUTES["max_tokens"],
    "best_of": requests.ATTRIBUTES["n"],
}


class Task(Protocol):
    """A task whose answer tells nothing of what it used."""

    def request_attributes(self, body: Mapping[str, object]) -> dict[str, Any]:
        """The parameters are an object of their own."""
        return requests.read_attributes(read.fields(body.get("parameters")), _ATTRIBUTES)

    def status(self, exc: BaseException) -> int | None:
        """Also of an error whose body the SDK fails to read while it handles it."""
        status = errors.status(exc)
        if status is None and exc.__context__ is not None:
            status = errors.status(exc.__context__)
        return status

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:  # noqa: ARG002
        """Whether it failed."""
        failed = read.get(node, "error") is not None
        return Answer(error=errors.in_body(node, dialect) if failed else None)


class Generation(Task):
    """Text after a prompt; what was used is in `details`, for who asked for these."""

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:
        """Everything that a whole answer, or the last chunk of a stream, tells."""
        result = super().answer(node, endpoint, dialect)
        details = read.get(node, "details")
        reason = read.string(read.get(details, "finish_reason"))
        if reason is not None:
            result.finish_reasons = [_FINISH_REASONS.get(reason, reason)]
        result.usage = usage.usage(node, endpoint)
        prefill = read.items(details, "prefill")
        if result.usage is not None and prefill and not result.usage.input_tokens:
            # One for each token of the prompt.
            result.usage.input_tokens, result.usage.partial = len(prefill), False
        return result

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:
        """A token in each chunk; the last has the details."""
        return _Tokens(self, endpoint, dialect)

    def request_content(self, body: object) -> Content:
        """The prompt."""
        from llm_otel.content.model import Content, message, text_part

        prompt = read.text(body, "inputs")
        return Content(inputs=[message("user", [text_part(prompt)])] if prompt else [])

    def response_content(self, response: object) -> list[Message]:
        """The text."""
        return _messages(read.text(response, "generated_text"), read.get(response, "details"))

    def accumulator(self) -> Accumulator:
        """The tokens' texts."""
        return _Texts()


class _Tokens(LastChunk):
    """Ends with the chunk that has details, or that reports an error."""

    @property
    def ended(self) -> bool:
        """Whether that chunk came."""
        return read.get(self._last, "details") is not None


class _Texts:
    """Collects the tokens of a stream."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._details: object = None

    def add(self, chunk: Any) -> None:
        """One token; special ones are no text."""
        token = read.get(chunk, "token")
        if not read.get(token, "special"):
            self._texts.append(read.text(token, "text") or "")
        self._details = read.get(chunk, "details") or self._details

    def messages(self, unfinished: str = "error") -> list[Message]:
        """See `Accumulator`."""
        return _messages("".join(self._texts), self._details, unfinished)


def _messages(text: str | None, details: object, unfinished: str = "stop") -> list[Message]:
    from llm_otel.content.model import output_message, text_part

    reason = read.string(read.get(details, "finish_reason")) or unfinished
    reason = _FINISH_REASONS.get(reason, reason)
    return [output_message([text_part(text)], reason)] if text else []


_GENERATION = Endpoint(
    semconv.TEXT_COMPLETION, Generation(), _DETAILS, usage_at=(("details",),), in_tokens=True
)


def _task(operation: str, output: str | None = None) -> Endpoint:
    attributes = {} if output is None else {semconv.OUTPUT_TYPE: output}
    return Endpoint(operation, Task(), attributes=attributes)


HUGGINGFACE = Paths(
    {
        "post /tasks/text-generation": _GENERATION,
        "post /generate": _GENERATION,
        "post /generate_stream": _GENERATION,
        "post /tasks/feature-extraction": _task(semconv.EMBEDDINGS),
        "post /tasks/text-to-image": _task(semconv.IMAGE_GENERATION, "image"),
        "post /tasks/image-to-image": _task(semconv.IMAGE_GENERATION, "image"),
        "post /tasks/text-to-speech": _task(semconv.SPEECH, "speech"),
        "post /tasks/automatic-speech-recognition": _task(semconv.TRANSCRIPTION),
    }
)
