"""Chat, agents, fill-in-the-middle and embeddings: OpenAI's bodies, with Mistral's additions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llm_otel.base import read
from llm_otel.protocols.answer import Answer, BodyError
from llm_otel.protocols.mistral.common import HEADERS, SETTINGS, error_in
from llm_otel.protocols.openai import chat, common
from llm_otel.protocols.spec import Endpoint, Fold

if TYPE_CHECKING:
    from llm_otel.providers.dialects import Dialect


class Chat(chat.Chat):
    """Bodies with `choices`; their usage names the tier that they were served at."""

    asks_for_usage = False
    headers = HEADERS
    attributes = SETTINGS

    def read(
        self, result: Answer, body: Mapping[str, object], endpoint: Endpoint, dialect: Dialect
    ) -> None:
        """See `OpenAI`."""
        super().read(result, body, endpoint, dialect)
        result.error = error_in(body, dialect) or result.error
        result.service_tier = _tier(body.get("usage"))

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:
        """Chunks with `choices`."""
        return Choices(endpoint, dialect)


class Completion(Chat, chat.Completion):
    """The same for a prompt and what is to follow it."""


class Choices(chat.Choices):
    """Chunks with `choices`, the last with the usage, or an error in the place of one."""

    __slots__ = ()

    def answer(self) -> Answer:
        """What the chunks told so far."""
        result = super().answer()
        result.service_tier = _tier(read.get(self._reported, "usage"))
        return result

    def _error(self) -> BodyError | None:
        return error_in(self.last, self.dialect) or super()._error()


class Embeddings(common.OpenAI):
    """Vectors."""

    headers = HEADERS
    attributes = SETTINGS

    def read(
        self, result: Answer, body: Mapping[str, object], endpoint: Endpoint, dialect: Dialect
    ) -> None:
        """See `OpenAI`."""
        super().read(result, body, endpoint, dialect)
        result.error = error_in(body, dialect) or result.error


def _tier(usage: object) -> str | None:
    return read.string(read.get(usage, "service_tier"))
