"""Batches: operations, which hold the answers where those were asked for inline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llm_otel.base import read
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.gemini.candidates import parsed
from llm_otel.protocols.gemini.common import Google, error_in
from llm_otel.protocols.gemini.generate import GenerateContent, bill_searches, settle_pages
from llm_otel.protocols.gemini.usage import summed
from llm_otel.protocols.spec import Endpoint
from llm_otel.providers.dialects import PLAIN

if TYPE_CHECKING:
    from llm_otel.providers.dialects import Dialect

# https://ai.google.dev/api/batch-api#BatchState, and the states of Vertex AI's jobs.
_STATUS: Mapping[str, str] = {
    "PENDING": "in_progress",
    "RUNNING": "in_progress",
    "QUEUED": "in_progress",
    "PAUSED": "in_progress",
    "UPDATING": "in_progress",
    "CANCELLING": "in_progress",
    "SUCCEEDED": "completed",
    "PARTIALLY_SUCCEEDED": "completed",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "EXPIRED": "expired",
}
_STATES = ("BATCH_STATE_", "JOB_STATE_")
# Where the answers are, below the operation's response or the batch's output.
_ANSWERS = ("inlinedResponses", "inlinedEmbedContentResponses")

_ANSWERED = GenerateContent()


class Batches(Google):
    """A batch tells how far it is; with answers inline, also what they used."""

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:
        """Name, status and the sum of what the answers used."""
        body = read.fields(parsed(node))
        metadata = body.get("metadata") or body
        state = read.string(read.get(metadata, "state")) or ""
        for prefix in _STATES:
            state = state.removeprefix(prefix)
        model = read.string(read.get(metadata, "model"))
        result = Answer(
            read.string(body.get("name")),
            model.rpartition("/")[2] if model is not None else None,
            status=_STATUS.get(state),
        )
        answers = [_ANSWERED.answer(each, endpoint, PLAIN) for each in _responses(body, metadata)]
        for answer in answers:
            if answer.usage is not None:
                settle_pages(answer.usage, answer, frozenset())  # its request is not shown
        used = [each.usage for each in answers if each.usage is not None]
        if used:
            result.model = next((each.model for each in answers if each.model), result.model)
            for each in used:
                bill_searches(each, result.model, frozenset())
            result.usage = summed(used)
            result.requests = len(used)
            # Who asks for the sum must not wait for an answer that counted nothing.
            result.usage.partial |= len(used) < len(answers)
        result.error = error_in(body, dialect)
        return result


def _responses(body: Mapping[str, object], metadata: object) -> list[object]:
    """The answers in a batch; those of requests that failed are left out."""
    for place in (body.get("response"), read.get(metadata, "output")):
        entries = [each for key in _ANSWERS for each in read.items(read.get(place, key), key)]
        responses = [read.get(each, "response") for each in entries]
        if entries:
            return [each for each in responses if each is not None]
    return []
