"""Interactions, whole, streamed and fetched: https://ai.google.dev/api/interactions-api."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols import errors
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.gemini.common import Google, error_in
from llm_otel.protocols.gemini.finish_reasons import INTERACTION_REASONS
from llm_otel.protocols.gemini.generate import bill_searches, tool_names
from llm_otel.protocols.gemini.requests import INTERACTION_ATTRIBUTES
from llm_otel.protocols.gemini.usage import reported_usage, service_tier
from llm_otel.protocols.spec import Accumulator, Endpoint, Fold, Request
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect

# States that change no more, though they are not named as the other providers' last ones.
_LAST = frozenset({"idle", "requires_action", "requires_continuation", "budget_exceeded"})


class Interactions(Google):
    """An interaction is the answer, or the error object in its place."""

    attributes = INTERACTION_ATTRIBUTES

    def model(self, request: Request) -> str | None:
        """The model, or the agent that takes its place."""
        return read.string(request.body.get("model")) or read.string(request.body.get("agent"))

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:
        """Everything that a whole interaction tells; one that goes on has no usage yet."""
        body = read.fields(node)
        status = read.string(body.get("status"))
        reason = INTERACTION_REASONS.get(status or "")
        result = Answer(
            read.string(body.get("id")),
            read.string(body.get("model")),
            status="incomplete" if status in _LAST else status,
            service_tier=service_tier({"serviceTier": body.get("service_tier")}),
            finish_reasons=[reason] if reason is not None else [],
            usage=_usage(body, endpoint),
            background=status in ("in_progress", "queued"),
        )
        result.error = error_in(body, dialect)
        if result.error is None and status == "failed":
            failure = next(iter(read.items(body, "errors")), None)
            result.error = errors.in_response({"error": failure}, dialect, failed=True)
        return result

    def complete(self, used: Usage, request: Request, answer: Answer, dialect: Dialect) -> None:  # noqa: ARG002
        """What searches are billed by depends on the model."""
        bill_searches(used, answer.model or self.model(request), tool_names(request.body))

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:
        """Typed events, from `interaction.created` to `interaction.completed`."""
        return Events(self, endpoint, dialect)

    def request_content(self, body: object) -> Content:
        """Input, system instruction and tools."""
        from llm_otel.protocols.gemini.interactions_content import request_content

        return request_content(body)

    def response_content(self, response: object) -> list[Message]:
        """One message of all steps."""
        from llm_otel.protocols.gemini.interactions_content import response_content

        return response_content(response)

    def accumulator(self) -> Accumulator:
        """Steps, as their events tell them."""
        from llm_otel.protocols.gemini.interactions_content import Steps

        return Steps()


class Decisions(Interactions):
    """Answers to questions about a content, which have the usage of interactions."""

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:
        """The usage, and whether the content was blocked."""
        result = super().answer(node, endpoint, dialect)
        if read.path(node, ("prompt_feedback", "block_reason")) is not None:
            result.finish_reasons = [semconv.CONTENT_FILTER]
        elif read.get(node, "answers") is not None:
            result.finish_reasons = ["stop"]
        return result


def _usage(body: Mapping[str, object], endpoint: Endpoint) -> Usage | None:
    """The usage, with the searches that it or the steps count."""
    node = body.get("usage")
    used = reported_usage(node, endpoint)
    if used is None:
        return None
    tool_counts = read.items(node, "grounding_tool_count")
    for entry in tool_counts:
        count = read.count(read.get(entry, "count"))
        kind = read.string(read.get(entry, "type"))
        if kind == "google_search":
            used.web_searches += count
        elif kind == "retrieval":
            used.file_searches += count
        elif count:
            used.partial = True
    steps = read.items(body, "steps")
    if not tool_counts:
        queries = [
            query
            for step in steps
            if read.string(read.get(step, "type")) == "google_search_call"
            for query in read.items(read.get(step, "arguments"), "queries")
        ]
        used.web_searches += len(queries)
        if any(read.get(step, "type") == "google_maps_call" for step in steps):
            used.partial = True
    says = any(read.get(step, "type") in ("model_output", "function_call") for step in steps)
    if says and not used.output_tokens:
        used.partial = True
    return used


class Events:
    """Folds the events of a stream: the first and the last hold the interaction."""

    def __init__(self, protocol: Interactions, endpoint: Endpoint, dialect: Dialect) -> None:
        self._protocol = protocol
        self._endpoint = endpoint
        self._dialect = dialect
        self.hides = False
        self._interaction: dict[str, object] = {}
        self._searches: list[object] = []
        self._usage: object = None
        self._error: object = None

    def goes_on(self, chunk: Any) -> bool:  # noqa: ARG002
        """Never: see `Fold`."""
        return False

    def add(self, chunk: Any) -> None:
        """Take an event in."""
        event = read.fields(chunk)
        kind = read.string(event.get("event_type")) or ""
        interaction = read.fields(event.get("interaction"))
        self._interaction.update(
            {key: value for key, value in interaction.items() if value is not None}
        )
        if kind == "interaction.status_update" and event.get("status") is not None:
            self._interaction["status"] = event["status"]
        elif kind == "error" or (not kind and event.get("error") is not None):
            self._error = event
        elif kind == "step.start":
            step = event.get("step")
            if read.get(step, "type") in ("google_search_call", "google_maps_call"):
                self._searches.append(step)
        metadata = event.get("metadata")
        for key in ("usage", "total_usage"):
            self._usage = read.get(metadata, key) or self._usage

    def answer(self) -> Answer:
        """What the events told so far."""
        body = dict(self._interaction)
        body.setdefault("usage", self._usage)
        body.setdefault("steps", self._searches)
        result = self._protocol.answer(body, self._endpoint, self._dialect)
        result.background = False
        if self._error is not None:
            result.error = errors.in_event(self._error, self._dialect)
        if not self.ended:
            result.finish_reasons = ["error"] if self._interaction else []
            if result.usage is not None:
                result.usage.partial = True
        return result

    @property
    def ended(self) -> bool:
        """Whether the interaction has a status that is a last one."""
        return read.string(self._interaction.get("status")) in INTERACTION_REASONS
