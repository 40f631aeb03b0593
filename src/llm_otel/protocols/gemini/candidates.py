"""What the candidates of an answer, or of a chunk, tell."""

from __future__ import annotations

import json
from typing import NamedTuple

from llm_otel.base import read


def parsed(node: object) -> object:
    """A node that may be JSON text."""
    if type(node) is not str:
        return node
    try:
        return json.loads(node)
    except (ValueError, RecursionError):
        return None


class Candidate(NamedTuple):
    """What one candidate told.

    Attributes:
        stop: Its finish reason, as Gemini sent it.
        calls_tool: It calls a function of the program's.
        says: It has content.
        grounding: Metadata of what it was grounded in.
    """

    stop: object = None
    calls_tool: bool = False
    says: bool = False
    grounding: object = None

    @classmethod
    def of(cls, node: object) -> Candidate:
        """The candidate in a node."""
        fields = read.fields(node)
        parts = read.items(fields.get("content"), "parts")
        calls = [part for part in parts if read.get(part, "functionCall") is not None]
        return cls(
            fields.get("finishReason"), bool(calls), bool(parts), fields.get("groundingMetadata")
        )

    def after(self, before: Candidate) -> Candidate:
        """A candidate whose pieces are `before` and this one."""
        return Candidate(
            self.stop or before.stop,
            self.calls_tool or before.calls_tool,
            self.says or before.says,
            self.grounding or before.grounding,
        )
