"""Batches: many requests, whose usage the batch sums up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llm_otel.base import read
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.openai.common import OpenAI
from llm_otel.protocols.spec import Endpoint

if TYPE_CHECKING:
    from llm_otel.providers.dialects import Dialect


class Batches(OpenAI):
    """A batch tells how far it is by `status`, and how many of its requests are done."""

    def read(
        self,
        result: Answer,
        body: Mapping[str, object],
        endpoint: Endpoint,  # noqa: ARG002
        dialect: Dialect,  # noqa: ARG002
    ) -> None:
        """Over how many requests the usage is summed."""
        done = read.count(read.path(body, ("request_counts", "completed")))
        result.requests = max(done, 1)
