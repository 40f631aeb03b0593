"""Requests that a program makes and describes itself, so that nothing is known of their bodies."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols import errors
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.spec import Endpoint, Protocol

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect

_IN_TOKENS = frozenset(
    {semconv.CHAT, semconv.TEXT_COMPLETION, semconv.GENERATE_CONTENT, semconv.EMBEDDINGS}
)
_INPUT_ONLY = frozenset({semconv.EMBEDDINGS, semconv.RERANK})
# Where HTTP libraries keep the status, besides `status_code`: aiohttp, urllib.
_STATUSES = ("status", "code")


class Own(Protocol):
    """The error in a body is read, as nearly all providers send it; the program says the rest."""

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:  # noqa: ARG002
        """The error that a body tells."""
        body = read.fields(node) if type(node) is dict else {}
        return Answer(error=errors.in_body(body, dialect) if body.get("error") else None)

    def status(self, exc: BaseException) -> int | None:
        """The HTTP status, as any HTTP library names it."""
        status = super().status(exc)
        codes = (status, *(read.integer(read.get(exc, name)) for name in _STATUSES))
        return next((code for code in codes if code is not None and 100 <= code < 600), None)

    def request_content(self, body: object) -> Content:
        """Messages as chats have them."""
        from llm_otel.protocols.openai.chat_content import chat_request

        return chat_request(body)


@lru_cache(maxsize=64)
def endpoint(operation: str) -> Endpoint:
    """The endpoint of an operation whose bodies are not known.

    Args:
        operation: `gen_ai.operation.name`.
    """
    return Endpoint(
        operation,
        Own(),
        billed=operation != semconv.MODERATION,
        in_tokens=operation in _IN_TOKENS,
        input_only=operation in _INPUT_ONLY,
    )


class Outputs:
    """The messages that a program says were answered: an accumulator that knows them already.

    Args:
        output: A text, a message with `role` and `content`, or a list of these.
    """

    def __init__(self, output: object) -> None:
        self._output = output

    def add(self, chunk: object) -> None:
        """Nothing: the messages are there."""

    def messages(self, unfinished: str = "error") -> list[Message]:
        """The messages."""
        from llm_otel.content.model import sequence
        from llm_otel.protocols.openai.chat_content import choice_message

        reason = "stop" if unfinished == "error" else unfinished
        entries = (
            {"content": entry} if isinstance(entry, str) else entry
            for entry in sequence(self._output)
        )
        return [choice_message({"message": entry}, reason) for entry in entries]
