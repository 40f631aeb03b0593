"""What a provider adds to the protocol that it speaks, as data: reported costs, hidden tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from llm_otel.providers import error_codes

# Keys that lead to a value in an answer. A usage that a stream reports in parts is read as one.
Path = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class CostReport:
    """Where an answer says what the call cost.

    Attributes:
        at: Where the amount is: a number, or the digits of one.
        usd: US dollars for one of the reported unit.
        own_key: Where the answer says that the caller brought a key of the upstream provider.
            `at` is then the gateway's fee alone.
        upstream: Where the answer says what the upstream provider bills on that key.
        currency: Where the answer names the currency; nothing but USD is taken.
        sign: Beginning of a response header (lower case) that proves who reports, and so the
            unit; empty where the host proves it.
    """

    at: Path
    usd: float = 1.0
    own_key: Path = ()
    upstream: Path = ()
    currency: Path = ()
    sign: bytes = b""


@dataclass(frozen=True, eq=False)
class Dialect:
    """What is particular to one provider.

    Attributes:
        costs: Where answers report the cost; the first that holds an amount wins.
        cost_headers: Response headers (lower case) that report the cost in USD.
        gateway: `costs` are those of unknown hosts: all of them are in the usage.
        thoughts_in_total: The usage counts thoughts in the total alone, and bills them as output.
        error_codes: The provider's own error codes, with the class of each.
        search_tools: Names of functions that the provider itself runs as a billed web search.
        billed_marks: Keys of an answer whose mere presence means that more was billed than the
            usage counts.
        billed_requests: Keys of a request that switch on something that is billed and not counted.
        billed_tools: Types of tools in a request, or the keys that stand for them, that do the
            same.
    """

    costs: tuple[CostReport, ...] = ()
    cost_headers: frozenset[bytes] = frozenset()
    gateway: bool = False
    thoughts_in_total: bool = False
    error_codes: Mapping[str, str] = field(default_factory=dict)
    search_tools: frozenset[str] = frozenset()
    billed_marks: tuple[Path, ...] = ()
    billed_requests: frozenset[Path] = frozenset()
    billed_tools: frozenset[str] = frozenset()

    @cached_property
    def searches_in_answers(self) -> bool:
        """Whether an answer of a chat may show a search."""
        return bool(self.search_tools or self.billed_marks)

    @cached_property
    def searches_in_requests(self) -> bool:
        """Whether a request may show that the answer's usage is not all that is billed."""
        return bool(self.search_tools or self.billed_requests or self.billed_tools)


PLAIN = Dialect()

# A gateway's charge in `usage.cost`; on the caller's own key the upstream provider bills besides.
# https://openrouter.ai/docs/use-cases/usage-accounting
_USAGE_COST = CostReport(
    ("usage", "cost"),
    own_key=("usage", "is_byok"),
    upstream=("usage", "cost_details", "upstream_inference_cost"),
)

# What gateways that anybody can host report, on hosts that are not known. A `cost` without a unit
# is taken from none but LiteLLM, whose headers show that it is one.
# https://docs.litellm.ai/docs/proxy/cost_tracking
# https://docs.llmgateway.io/features/cost-breakdown, https://github.com/mozilla-ai/otari
# https://github.com/maximhq/bifrost, https://github.com/diegosouzapw/OmniRoute
_GATEWAY_COSTS = (
    CostReport(("usage", "cost_usd_total")),
    CostReport(("usage", "cost_usd")),
    CostReport(("usage", "pydantic_ai_gateway", "cost_estimate")),
    replace(_USAGE_COST, sign=b"x-litellm-"),
)
_GATEWAY_HEADERS = frozenset(
    {
        b"x-litellm-response-cost",
        b"x-bifrost-cost-usd",
        b"x-omniroute-response-cost",
        b"x-otari-response-cost",
        b"x-inference-cost-usd",
    }
)

# Gemini's OpenAI endpoints count thoughts in `total_tokens` and bill them as output.
# https://ai.google.dev/gemini-api/docs/thinking#pricing
_GEMINI = Dialect(
    thoughts_in_total=True,
    billed_marks=(
        ("choices", "message", "grounding_metadata"),
        ("choices", "grounding_metadata"),
        ("choices", "message", "extra_content", "google", "grounding_metadata"),
    ),
    # A search costs a fee, and its pages are input that only the total counts.
    # https://ai.google.dev/gemini-api/docs/pricing
    billed_requests=frozenset({("web_search_options",)}),
    billed_tools=frozenset(
        {
            "google_search", "google_search_retrieval", "googleSearch", "google_maps",
            "enterprise_web_search", "url_context", "code_execution",
        }
    ),
)  # fmt: skip

# Provider -> what is particular to it.
DIALECTS: Mapping[str, Dialect] = {
    "openrouter": Dialect(costs=(_USAGE_COST,), billed_requests=frozenset({("plugins",)})),
    # https://vercel.com/docs/ai-gateway
    "vercel": Dialect(costs=(_USAGE_COST,)),
    # https://docs.requesty.ai
    "requesty": Dialect(costs=(_USAGE_COST,)),
    # https://github.com/RooCodeInc/Roo-Code (src/api/providers/roo.ts)
    "roocode": Dialect(costs=(_USAGE_COST,)),
    "litellm": Dialect(costs=(_USAGE_COST,)),
    # https://docs.edenai.co
    "edenai": Dialect(
        costs=(_USAGE_COST, CostReport(("cost",))), cost_headers=frozenset({b"x-edenai-cost"})
    ),
    # https://docs.llmgateway.io/features/cost-breakdown
    "llmgateway": Dialect(costs=(CostReport(("usage", "cost_usd_total")), _USAGE_COST)),
    # https://ai.pydantic.dev/gateway
    "pydantic": Dialect(costs=(CostReport(("usage", "pydantic_ai_gateway", "cost_estimate")),)),
    # https://docs.aimlapi.com/capabilities/request-tracing-and-cost: 2,000,000 credits are 1 USD
    "aimlapi": Dialect(
        costs=(
            CostReport(("meta", "usage", "usd_spent")),
            CostReport(("meta", "usage", "credits_used"), usd=5e-7),
            CostReport(("usage", "credits_used"), usd=5e-7),
        ),
        cost_headers=frozenset({b"x-aimlapi-usd-spent"}),
    ),
    # https://docs.nano-gpt.com
    "nanogpt": Dialect(
        costs=(
            *(
                CostReport(("x_nanogpt_pricing", name), currency=("x_nanogpt_pricing", "currency"))
                for name in ("costUsd", "cost", "amount")
            ),
            CostReport(("cost",), currency=("currency",)),  # images
        )
    ),
    # https://docs.exa.ai
    "exa": Dialect(costs=(CostReport(("costDollars", "total")),)),
    # Kilo takes no fee: what it passes on of OpenRouter's `cost` may be OpenRouter's fee alone.
    # https://github.com/Kilo-Org/kilocode
    "kilo": Dialect(
        costs=(
            CostReport(("usage", "cost_details", "upstream_inference_cost")),
            CostReport(("usage", "cost")),
        )
    ),
    # https://opencode.ai/docs/zen: the last chunk of a stream holds the cost alone
    "opencode": Dialect(costs=(CostReport(("cost",)),)),
    # An AI unit is a US cent. https://docs.github.com/en/copilot
    "github_copilot": Dialect(costs=(CostReport(("copilot_usage", "total_nano_aiu"), usd=1e-11),)),
    # https://docs.perplexity.ai/api-reference/chat-completions-post
    # Without its own report the fee of a request is not known: it depends on the search context.
    "perplexity": Dialect(
        costs=(CostReport(("usage", "cost", "total_cost")),), billed_marks=(("usage",),)
    ),
    # https://docs.x.ai/developers/cost-tracking: a dollar has 10^10 ticks
    "x_ai": Dialect(
        costs=(CostReport(("usage", "cost_in_usd_ticks"), usd=1e-10),),
        billed_marks=(
            ("usage", "num_sources_used"),
            ("usage", "num_server_side_tools_used"),
            ("usage", "server_side_tool_usage_details"),
        ),
        billed_requests=frozenset({("search_parameters",)}),
    ),
    # https://deepinfra.com/docs/openai_api
    "deepinfra": Dialect(
        costs=(
            CostReport(("usage", "estimated_cost")),
            CostReport(("inference_status", "cost")),
        )
    ),
    "gcp.gemini": _GEMINI,
    "gcp.vertex_ai": _GEMINI,
    "cohere": Dialect(error_codes=error_codes.COHERE),
    "baidu": Dialect(error_codes=error_codes.BAIDU, billed_marks=(("search_results",),)),
    "cloudflare": Dialect(error_codes=error_codes.CLOUDFLARE),
    "iflytek": Dialect(error_codes=error_codes.IFLYTEK),
    # https://cloud.tencent.com/document/product/1729/105701
    "tencent": Dialect(
        billed_marks=(("search_info",),), billed_requests=frozenset({("enable_enhancement",)})
    ),
    "minimax": Dialect(error_codes=error_codes.MINIMAX, billed_tools=frozenset({"web_search"})),
    # https://docs.mistral.ai/agents/connectors/websearch/
    "mistral_ai": Dialect(
        billed_tools=frozenset({"web_search", "web_search_premium"}),
        error_codes=error_codes.MISTRAL,
    ),
    # https://help.aliyun.com/zh/model-studio/web-search
    "alibaba": Dialect(
        billed_marks=(("search_info",), ("usage", "plugins")),
        billed_requests=frozenset({("enable_search",)}),
    ),
    # https://docs.z.ai/guides/tools/web-search, https://docs.bigmodel.cn/cn/guide/tools/web-search
    "zhipu": Dialect(
        billed_marks=(("web_search",), ("search_result",)),
        # Streams have no mark.
        billed_tools=frozenset(
            {"web_search", "web_browser", "code_interpreter", "drawing_tool", "retrieval"}
        ),
        error_codes=error_codes.ZHIPU,
    ),
    # https://console.groq.com/docs/compound
    "groq": Dialect(
        billed_tools=frozenset({"browser_search", "code_interpreter"}),
        billed_marks=(
            ("choices", "message", "executed_tools"),
            ("choices", "delta", "executed_tools"),
            ("usage_breakdown",),
        ),
    ),
    # https://platform.moonshot.ai/docs/guide/use-web-search
    "moonshot_ai": Dialect(search_tools=frozenset({"$web_search"})),
}


def of(provider: str, *, known_host: bool) -> Dialect:
    """The dialect of a provider.

    Args:
        provider: `gen_ai.provider.name`.
        known_host: The host is that provider's own; any other may be a gateway.
    """
    dialect = DIALECTS.get(provider, PLAIN)
    if known_host:
        return dialect
    return replace(
        dialect,
        costs=dialect.costs + _GATEWAY_COSTS,
        cost_headers=dialect.cost_headers | _GATEWAY_HEADERS,
        gateway=not dialect.costs,
    )
