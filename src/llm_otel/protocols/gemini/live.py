"""Live sessions: messages of the server, of which some tell the usage of a turn."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llm_otel.base import read
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.gemini.common import Google
from llm_otel.protocols.gemini.generate import bill_searches
from llm_otel.protocols.gemini.requests import ATTRIBUTES
from llm_otel.protocols.gemini.usage import reported_usage, service_tier, summed
from llm_otel.protocols.spec import Endpoint, Fold, Request
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.providers.dialects import Dialect

_UNDERSCORE = re.compile("_([a-z])")
_SAYS = ("model_turn", "output_transcription", "input_transcription")


class Live(Google):
    """A session is the call; what it used is the sum over its turns."""

    attributes = ATTRIBUTES

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:  # noqa: ARG002
        """Messages of the server."""
        return Turns(endpoint)

    def complete(self, used: Usage, request: Request, answer: Answer, dialect: Dialect) -> None:  # noqa: ARG002
        """What searches are billed by depends on the model."""
        bill_searches(used, self.model(request), frozenset())


class Turns:
    """Folds the messages of a session: the last usage of each turn counts."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.hides = False
        # One entry for each turn of the model: its last usage object.
        self._turns: list[object] = []
        self._speaking = False

    def goes_on(self, chunk: Any) -> bool:  # noqa: ARG002
        """Never: see `Fold`."""
        return False

    def add(self, chunk: Any) -> None:
        """Take a message in."""
        content = read.get(chunk, "server_content")
        says = any(read.get(content, key) is not None for key in _SAYS)
        if (says or read.get(chunk, "tool_call") is not None) and not self._speaking:
            self._speaking = True
            self._turns.append(None)
        usage = read.get(chunk, "usage_metadata")
        if usage is not None:
            self._turns[-1:] = [usage]
        if read.get(content, "turn_complete") is True:
            self._speaking = False

    def answer(self) -> Answer:
        """What the turns used so far."""
        nodes = [_in_camel_case(each) for each in self._turns]
        turns = [reported_usage(each, self._endpoint, video_apart=True) for each in nodes]
        usages = [each for each in turns if each is not None]
        result = Answer(finish_reasons=["stop"] if self._turns else [])
        if usages:
            result.usage = summed(usages)
            result.usage.partial |= len(usages) < len(turns)
            result.service_tier = service_tier(nodes[-1])
        return result

    @property
    def ended(self) -> bool:
        """Whether no turn is under way."""
        return not self._speaking


def _in_camel_case(usage: object) -> Mapping[str, object]:
    """A usage object of the SDK with the names that it has on the wire."""
    return {
        _UNDERSCORE.sub(lambda match: match[1].upper(), key): value
        for key, value in read.fields(usage).items()
        if value is not None
    }
