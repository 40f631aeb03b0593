"""Cached contents: what writing and keeping them costs is in no usage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_otel.base import read
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.gemini.candidates import parsed
from llm_otel.protocols.gemini.common import Google, error_in
from llm_otel.protocols.spec import Endpoint, Request

if TYPE_CHECKING:
    from llm_otel.content.model import Content
    from llm_otel.providers.dialects import Dialect


class Caches(Google):
    """The cache that is made: it is billed by the hour for as long as it is kept."""

    def model(self, request: Request) -> str | None:
        """The model, which is a resource's path."""
        name = read.string(request.body.get("model"))
        return name.rpartition("/")[2] if name is not None else None

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:  # noqa: ARG002
        """Whether it failed."""
        return Answer(error=error_in(parsed(node), dialect))

    def request_content(self, body: object) -> Content:
        """Contents, system instruction and tools."""
        from llm_otel.protocols.gemini.content import request_content

        return request_content(body)
