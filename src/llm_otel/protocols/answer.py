"""What a response told, in one vocabulary for all protocols. A leaf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from llm_otel import semconv
from llm_otel.usage import Usage

# States in which work at the provider changes no more.
_TERMINAL = frozenset({"completed", "failed", "incomplete", "cancelled", "expired"})


class BodyError(NamedTuple):
    """A failure that an answer reports.

    Attributes:
        code: The provider's word or number for it.
        kind: Its class, one of `semconv.ERROR_CLASSES`.
        status: HTTP status, if that is an error's.
    """

    code: str
    kind: str
    status: int | None = None


class ReportedCost(NamedTuple):
    """What a provider says that a call cost.

    Attributes:
        usd: The amount.
        complete: False where the caller's own key was used and nobody says what that cost.
        sign: Beginning of the response header without which the unit is not known.
        certain: An amount of 0 is one: the program itself says so.
    """

    usd: float
    complete: bool = True
    sign: bytes = b""
    certain: bool = False

    @property
    def known(self) -> bool:
        """Whether the amount counts as it is: providers report 0 for what they do not know."""
        return self.certain or bool(self.usd)


@dataclass(slots=True)
class Answer:
    """What a response told.

    Attributes:
        response_id, model, status, service_tier: As the provider sent them.
        finish_reasons: One per choice, in the conventions' words.
        usage: None when the provider reported none.
        error: A failure that came with HTTP 200.
        cost: What the provider says that the call cost, where it says so.
        background: The response was made in the background: its polls may be the only ones to
            see its usage.
        usage_source: Where `usage` is from: the provider, or our own count.
        attributes: Span attributes that only this protocol has, if there are any.
        price_model: The name that has the price, where that is not the model's.
        requests: Over how many requests `usage` is summed (a batch).
        doubts: Names of what only the request can settle; the protocol's `complete` does.
    """

    response_id: str | None = None
    model: str | None = None
    status: str | None = None
    service_tier: str | None = None
    finish_reasons: list[str] = field(default_factory=list)
    usage: Usage | None = None
    error: BodyError | None = None
    cost: ReportedCost | None = None
    background: bool = False
    usage_source: str = semconv.USAGE_FROM_PROVIDER
    attributes: Mapping[str, Any] | None = None
    price_model: str | None = None
    requests: int = 1
    doubts: frozenset[str] = frozenset()

    @property
    def empty(self) -> bool:
        """Whether nothing was told."""
        return not self.attributes and replace(self, attributes=None) == Answer()

    @property
    def terminal(self) -> bool:
        """Whether the state that was told is a last one."""
        return self.status in _TERMINAL
