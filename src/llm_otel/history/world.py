"""The made-up company behind the generated history, as data: who calls what, and what happens.

Rates are USD per million tokens, frozen here so that one seed gives one history for ever; they
were list prices once and are not the price table (`llm_otel.pricing` is).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llm_otel import semconv

CHAT: Final = semconv.CHAT
EMBEDDINGS: Final = semconv.EMBEDDINGS


@dataclass(frozen=True)
class Model:
    """A model: its rates, how fast it answers, and what part of a repeated prompt it caches."""

    name: str
    provider: str
    input: float
    output: float
    cached: float
    first_chunk_s: float
    tokens_per_s: float
    cache_share: float = 0.0
    priced: bool = True


MODELS: Final = (
    Model("gpt-5", "openai", 1.25, 10.0, 0.125, 0.62, 88, 0.42),
    Model("gpt-5-mini", "openai", 0.25, 2.0, 0.025, 0.38, 150, 0.42),
    Model("claude-sonnet-4-5", "anthropic", 3.0, 15.0, 0.3, 0.78, 72, 0.30),
    Model("claude-haiku-4-5", "anthropic", 1.0, 5.0, 0.1, 0.41, 140, 0.30),
    Model("gemini-2.5-flash", "gcp.gemini", 0.3, 2.5, 0.03, 0.36, 190, 0.15),
    Model("llama-3.3-70b-versatile", "groq", 0.59, 0.79, 0.59, 0.17, 280),
    Model("acme-legal-7b", "openai_compatible", 0.0, 0.0, 0.0, 0.22, 95, priced=False),
    Model("text-embedding-3-small", "openai", 0.02, 0.0, 0.02, 0.09, 0),
)
MODEL_NAMES: Final = tuple(model.name for model in MODELS)
EMBEDDER: Final = MODEL_NAMES.index("text-embedding-3-small")


@dataclass(frozen=True)
class Step:
    """A span of a trace: its place under `parent` (an index; -1: the root), and its operation."""

    name: str
    operation: str
    parent: int = -1
    seconds: float = 0.0

    @property
    def is_call(self) -> bool:
        """Whether the span is a provider call, the grain of `calls`."""
        return self.operation in (CHAT, EMBEDDINGS)


_SINGLE: Final = (Step("chat", CHAT),)
_RAG: Final = (
    Step("answer", semconv.INVOKE_WORKFLOW),
    Step("knowledge-base", semconv.RETRIEVAL, 0),
    Step("embeddings", EMBEDDINGS, 1),
    Step("vector-search", semconv.RETRIEVAL, 1, 0.035),
    Step("chat", CHAT, 0),
)
_AGENT: Final = (
    Step("resolve-ticket", semconv.INVOKE_WORKFLOW),
    Step("support-agent", semconv.INVOKE_AGENT, 0),
    Step("knowledge-base", semconv.RETRIEVAL, 1),
    Step("embeddings", EMBEDDINGS, 2),
    Step("chat", CHAT, 1),
    Step("lookup_order", semconv.EXECUTE_TOOL, 1, 0.12),
    Step("chat", CHAT, 1),
    Step("create_refund", semconv.EXECUTE_TOOL, 1, 0.31),
    Step("chat", CHAT, 1),
)


@dataclass(frozen=True)
class Feature:
    """What a product does with models.

    Attributes:
        share: Part of all traces.
        steps: The spans of one trace.
        models: Model name to its share of the chat calls.
        input_tokens, output_tokens: Medians of a chat call.
        prompt: Name of its prompt template.
        outcome: (kind, part of traces that report one, success rate, median value in USD).
        follows_office_hours: Else it runs evenly, as batches do.
    """

    name: str
    service: str
    share: float
    steps: tuple[Step, ...]
    models: dict[str, float]
    input_tokens: float
    output_tokens: float
    prompt: str
    outcome: tuple[str, float, float, float] | None = None
    follows_office_hours: bool = True


FEATURES: Final = (
    Feature("support-chat", "support-bot", 0.24, _AGENT,
            {"claude-sonnet-4-5": 0.55, "gpt-5": 0.3, "claude-haiku-4-5": 0.15},
            1450, 310, "support-answer", ("ticket_resolved", 0.55, 0.82, 1.9)),
    Feature("search", "assistant-api", 0.28, _RAG,
            {"gpt-5-mini": 0.6, "gemini-2.5-flash": 0.4},
            1900, 210, "grounded-answer", ("answer_accepted", 0.25, 0.71, 0.12)),
    Feature("summarise", "batch-worker", 0.2, _SINGLE,
            {"gpt-5-mini": 0.5, "llama-3.3-70b-versatile": 0.5},
            1150, 260, "summarise-document", None, follows_office_hours=False),
    Feature("code-review", "assistant-api", 0.1, _SINGLE,
            {"gpt-5": 0.6, "claude-sonnet-4-5": 0.4},
            3600, 620, "review-diff", ("suggestion_merged", 0.3, 0.46, 2.4)),
    Feature("email-draft", "assistant-api", 0.13, _SINGLE,
            {"gpt-5-mini": 0.5, "claude-haiku-4-5": 0.5},
            520, 310, "draft-reply", ("draft_sent", 0.4, 0.77, 0.2)),
    Feature("contract-check", "batch-worker", 0.05, _SINGLE,
            {"acme-legal-7b": 0.4, "claude-sonnet-4-5": 0.6},
            4200, 450, "check-clauses", None, follows_office_hours=False),
)  # fmt: skip
FEATURE_NAMES: Final = tuple(feature.name for feature in FEATURES)

TENANTS: Final = (
    "acme", "globex", "initech", "umbrella", "hooli", "wayne", "stark", "wonka", "tyrell",
    "cyberdyne", "soylent", "dunder",
)  # fmt: skip
USERS_PER_TENANT: Final = 60

# Sunday is the day with weight 0.3; hours are UTC, two humps of an office day in Europe.
WEEKDAYS: Final = (1.1, 1.18, 1.2, 1.14, 1.02, 0.38, 0.3)
OFFICE_HOURS: Final = (
    0.25, 0.18, 0.15, 0.15, 0.2, 0.35, 0.7, 1.3, 2.0, 2.5, 2.6, 2.4,
    1.9, 2.2, 2.5, 2.4, 2.0, 1.5, 1.1, 0.9, 0.75, 0.6, 0.45, 0.35,
)  # fmt: skip
GROWTH_PER_DAY: Final = 1.006


@dataclass(frozen=True)
class Story:
    """What happened, by the part of the history's length at which it began (0–1)."""

    price_change: float = 0.55
    bloat: float = 0.72
    new_prompt: float = 0.6
    drift: float = 0.64
    incident: float = 0.87


# "claude-haiku-4-5" became dearer; one team put whole documents into a prompt that asks for a
# line; "support-answer" got a new version, which is better; one model answers worse and worse;
# one provider was down for an hour.
PRICE_CHANGE: Final = ("claude-haiku-4-5", 1.6)
BLOAT: Final = ("summarise", 5.5, 0.35)
NEW_PROMPT: Final = ("support-answer", 0.055)
DRIFT: Final = ("gemini-2.5-flash", -0.16)
INCIDENT: Final = ("openai", 13, 2, 0.34, 3.1)

# Error class, HTTP status (0: no answer), its share of the errors usually and in the incident.
ERRORS: Final = (
    (semconv.RATE_LIMIT, 429, 0.46, 0.2),
    (semconv.TIMEOUT, 0, 0.18, 0.27),
    (semconv.SERVER, 503, 0.13, 0.5),
    (semconv.CONNECTION, 0, 0.06, 0.02),
    (semconv.INVALID_REQUEST, 400, 0.09, 0.0),
    (semconv.CONTENT_FILTER, 200, 0.06, 0.01),
    (semconv.INSUFFICIENT_FUNDS, 402, 0.02, 0.0),
)
ERROR_RATE: Final = 0.011
RETRY_RATE: Final = 0.018

# Evaluation -> features that have it, share of their chat calls, mean score, concentration.
EVALUATIONS: Final = (
    ("relevance", ("support-chat", "search"), 0.12, 0.84, 14.0),
    ("faithfulness", ("search", "summarise"), 0.06, 0.9, 20.0),
    ("helpfulness", ("support-chat", "email-draft"), 0.05, 0.78, 9.0),
)
