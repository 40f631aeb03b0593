"""What all of OpenAI's endpoints answer: names, usage, the cost that a gateway reports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols import costs, errors, requests
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.openai import marks, usage
from llm_otel.protocols.spec import Endpoint, Fold, Protocol, Request
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.providers.dialects import Dialect

# Provider's finish reason -> the conventions' word; others pass as they are.
_FINISH_REASONS = {
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "model_length": "length",  # Mistral: the context is full
}


def _tier(value: object) -> str | None:
    tier = read.string(value)
    return None if tier == "auto" else tier


ATTRIBUTES: requests.Attributes = {
    **requests.ATTRIBUTES,
    "service_tier": ((semconv.OPENAI_REQUEST_SERVICE_TIER, _tier),),
}


class OpenAI(Protocol):
    """An endpoint of which nothing more is known; the others add what they tell.

    Attributes:
        unfinished_is_error: A stream that never told its end ended in an error.
    """

    unfinished_is_error = False
    attributes = ATTRIBUTES
    # of typed events, those that end a response
    telling = re.compile(
        rb'"type"\s*:\s*"(?:error|[a-z_.]+\.(?:completed|incomplete|failed|cancelled|done))"|"cost"'
    )

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:
        """Everything that a whole response tells."""
        body = read.fields(node)
        value, string = body.get, read.string
        result = Answer(
            string(value("id")),
            string(value("model")),
            string(value("status")),
            string(value("service_tier")),
            usage=usage.usage(body, endpoint, dialect),
        )
        result.attributes = served_by(result.service_tier, value("system_fingerprint"))
        # Nearly no answer of an unknown host has more in its usage than OpenAI's own.
        if dialect.costs and (not dialect.gateway or costs.has_more(value("usage"))):
            result.cost = costs.in_answer((body,), dialect)
        self.read(result, body, endpoint, dialect)
        return result

    def read(
        self,
        result: Answer,
        body: Mapping[str, object],
        endpoint: Endpoint,  # noqa: ARG002
        dialect: Dialect,
    ) -> None:
        """Add what an answer of this kind tells beyond what all tell.

        Args:
            result: Where to.
            body: The answer.
            endpoint: Where its numbers are.
            dialect: What is particular to the provider.
        """
        if result.usage is None or body.get("error"):
            result.error = errors.in_body(body, dialect)

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:
        """Typed events."""
        from llm_otel.protocols.openai.events import Events

        return Events(self, endpoint, dialect)

    def complete(self, used: Usage, request: Request, answer: Answer, dialect: Dialect) -> None:
        """Searches of the preview tool, and what a request switches on that no answer counts."""
        if used.web_searches:
            marks.mark_preview(used, request.body)
        if dialect.searches_in_requests:
            marks.mark_request(
                used,
                request.body,
                request.extra,
                dialect,
                called_tools="tool_call" in answer.finish_reasons,
            )


def finish_reason(value: object) -> str | None:
    """A choice's finish reason in the conventions' words: `error` for a missing one, None for an
    empty one."""
    if value == "":
        return None
    reason = read.string(value) or "error"
    return _FINISH_REASONS.get(reason, reason)


def served_by(tier: str | None, fingerprint: object) -> dict[str, str]:
    """The attributes that OpenAI's answers alone have: the tier, and what served it."""
    attributes = {} if tier is None else {semconv.OPENAI_RESPONSE_SERVICE_TIER: tier}
    if fingerprint is not None and (name := read.string(fingerprint)) is not None:
        attributes[semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT] = name
    return attributes
