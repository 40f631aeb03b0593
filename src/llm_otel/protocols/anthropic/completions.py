"""Text completions, the API before messages, which older SDKs speak: it tells no usage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols import errors
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.anthropic.messages import HEADERS
from llm_otel.protocols.anthropic.stop_reasons import finish_reason
from llm_otel.protocols.requests import ATTRIBUTES, Attributes, strings
from llm_otel.protocols.spec import Endpoint, Protocol

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect


# https://docs.anthropic.com/en/api/complete
_ATTRIBUTES: Attributes = {
    **{key: ATTRIBUTES[key] for key in ("temperature", "top_p", "top_k")},
    "max_tokens_to_sample": ((semconv.REQUEST_MAX_TOKENS, read.integer),),
    "stop_sequences": ((semconv.REQUEST_STOP_SEQUENCES, strings),),
}


class Completions(Protocol):
    """A completion is the answer; the last event of a stream says why it stopped."""

    headers = HEADERS
    attributes = _ATTRIBUTES

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:  # noqa: ARG002
        """Everything that a completion tells."""
        body = read.fields(node)
        result = Answer(read.string(body.get("id")), read.string(body.get("model")))
        if body.get("completion") is not None:
            result.finish_reasons = [finish_reason(body.get("stop_reason"))]
        else:
            result.error = errors.in_body(body, dialect)
        return result

    def request_content(self, body: object) -> Content:
        """The prompt."""
        from llm_otel.content.model import Content, message, text_part

        prompt = read.text(body, "prompt")
        return Content(inputs=[message("user", [text_part(prompt)])] if prompt else [])

    def response_content(self, response: object) -> list[Message]:
        """The text."""
        from llm_otel.content.model import output_message, text_part

        text = read.text(response, "completion")
        reason = finish_reason(read.get(response, "stop_reason"))
        return [output_message([text_part(text)], reason)] if text else []
