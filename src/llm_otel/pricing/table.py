"""List prices: one snapshot of genai-prices, read into rates. Slow; never on the hot path."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from llm_otel.pricing import listing
from llm_otel.pricing.rates import Price
from llm_otel.pricing.surcharges import surcharge, unlisted, with_fees

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, Provider

_PACKAGE: Final = "genai-prices"

# Our provider names (the conventions', then ours) where genai-prices calls them differently.
_PROVIDERS: Final = {
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "aws.bedrock": "aws",
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "gcp.gen_ai": "google",
    "mistral_ai": "mistral",
    "x_ai": "x-ai",
    "moonshot_ai": "moonshotai",
    "github_copilot": "github-copilot",
}

# Names that users give a provider in the settings, compared without case and punctuation.
_OTHER_NAMES: Final = {
    "gemini": "google",
    "googlegemini": "google",
    "googlegenai": "google",
    "googleaistudio": "google",
    "googleai": "google",
    "googlegla": "google",
    "googlecloud": "google",
    "vertex": "google",
    "vertexai": "google",
    "googlevertex": "google",
    "googlevertexai": "google",
    "vertexaibeta": "google",
    "bedrock": "aws",
    "bedrockconverse": "aws",
    "awsbedrock": "aws",
    "amazonbedrock": "aws",
    "amazon": "aws",
    "azureopenai": "azure",
    "azureresponses": "azure",
    "azaiopenai": "azure",
    "microsoft": "azure",
    "azureai": "azure",
    "azurefoundry": "azure",
    "claude": "anthropic",
    "mistralai": "mistral",
    "codestral": "mistral",
    "oai": "openai",
    "openairesponses": "openai",
    "openaichat": "openai",
    "groqcloud": "groq",
    "xai": "x-ai",
    "grok": "x-ai",
    "moonshot": "moonshotai",
    "moonshotai": "moonshotai",
    "kimi": "moonshotai",
    "togetherai": "together",
    "fireworksai": "fireworks",
    "voyage": "voyageai",
    "zai": "zai",
    "zhipu": "zhipuai",
    "zhipuai": "zhipuai",
    "bigmodel": "zhipuai",
    "glm": "zhipuai",
    "pplx": "perplexity",
    "perplexityai": "perplexity",
    "ovh": "ovhcloud",
    "workersai": "cloudflare",
    "cloudflareworkersai": "cloudflare",
    "novitaai": "novita",
    "copilot": "github-copilot",
    "deepseekai": "deepseek",
    "cerebrasai": "cerebras",
    "cohereai": "cohere",
}

# What a model's name may begin with at a provider that sells it under the rest of that name:
# a resource's path, the publisher, or the provider as routers write it.
_PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "google": (
        "models/", "google/", "gemini/", "vertex_ai/", "anthropic/", "publishers/google/models/",
        "publishers/anthropic/models/",
    ),
    "openai": ("openai/", "models/"),
    "azure": ("azure/", "azure_ai/", "openai/"),
    "anthropic": ("anthropic/",),
    "mistral": ("mistral/", "mistralai/"),
    "x-ai": ("x-ai/", "xai/"),
    "deepseek": ("deepseek/", "deepseek-ai/"),
    "moonshotai": ("moonshotai/", "moonshot/"),
    "groq": ("groq/",),
    "cohere": ("cohere/",),
    "perplexity": ("perplexity/",),
    "cerebras": ("cerebras/",),
    "together": ("together_ai/", "together/"),
    "fireworks": ("fireworks_ai/",),
    "aws": ("bedrock/", "bedrock/converse/", "amazon-bedrock/"),
    "zai": ("zai/", "z-ai/"),
    "zhipuai": ("zhipu/", "zhipuai/"),
    "minimax": ("minimax/",),
    "voyageai": ("voyage/", "voyageai/"),
    "databricks": ("databricks/",),
}  # fmt: skip

_STANDARD_TIERS: Final = frozenset(
    {"", "default", "auto", "standard", "standard_only", "on_demand", "on-demand"}
)
# What a tier is called in the table, by preference; any other tier is looked up by its own name.
_CONTEXTS: Final[Mapping[str, tuple[dict[str, str], ...]]] = {
    "batch": ({"processing": "batch"},),
    "fast": ({"service_tier": "fast"}, {"service_tier": "priority"}, {"speed": "fast"}),
}
# Documented as billed like the standard tier. https://console.groq.com/docs/flex-processing
_LIKE_STANDARD: Final = frozenset({("groq", "flex")})

# Models with no rates that are free of charge; any other model without rates has no known price.
# https://developers.openai.com/api/docs/guides/moderation
_FREE: Final = frozenset({("openai", "moderation")})

# https://groq.com/pricing: a transcription is billed for at least ten seconds. genai-prices
# does the same for the same two models.
_MIN_AUDIO_SECONDS: Final = {
    ("groq", "whisper-large-v3"): 10.0,
    ("groq", "whisper-large-v3-turbo"): 10.0,
}

# "Rates verified on 2026-10-12 at …": the only dates of the past that the table carries.
_CHECKED: Final = re.compile(r"\b(?:checked|verified|as of)\b[^.;]{0,60}?(\d{4}-\d{2}-\d{2})")


def normal_tier(tier: str | None) -> str | None:
    """A service tier in lower case; None for every spelling of the standard one."""
    name = (tier or "").strip().lower()
    return None if name in _STANDARD_TIERS else name


# A snapshot of a model costs what the model costs.
_DATE: Final = re.compile(r"-20\d\d-\d\d-\d\d$")
# A model as a resource of a project. https://cloud.google.com/vertex-ai/docs/reference/rest
_RESOURCE: Final = re.compile(r"projects/.*/publishers/(google|anthropic)/models/[^/]+$")
# https://openrouter.ai/docs/features/provider-routing: these choose who serves, not what it costs
_ROUTINGS: Final = (":nitro", ":floor", ":exacto")


class Table:
    """The list prices of one genai-prices snapshot.

    Args:
        snapshot: What genai-prices holds, or fetched.
        fetched: Unix time at which it was fetched; None for the one in the package.

    Attributes:
        version: The package's version, with the time of the fetch where there was one.
        dated: Unix time from which the table's age counts; None when unknown.
    """

    def __init__(self, snapshot: DataSnapshot, fetched: float | None = None) -> None:
        self._providers = snapshot.providers
        self._by_id = {provider.id: provider for provider in snapshot.providers}
        self._hosts = [
            (re.compile(provider.api_pattern), provider) for provider in snapshot.providers
        ]
        self.version = _version(fetched)
        self.dated = fetched if fetched is not None else _last_checked(snapshot.providers)

    def price(
        self, provider: str, model: str, tier: str | None, host: str | None, at: float
    ) -> Price | None:
        """The list price, or None where none is known.

        Args:
            provider: One of our provider values, or a custom name.
            model: As the provider's answer names it.
            tier: As `normal_tier` gives it.
            host: Host and port that was called, for providers that the table does not name.
            at: Unix time of the request.
        """
        biller = self._biller(provider, host)
        if biller is None:
            return None
        entry, name = self._model(biller, model)
        if not entry:
            return unlisted(biller.id, name) if tier is None else None
        moment = datetime.fromtimestamp(at, timezone.utc)
        prices = self._prices(biller, entry, tier, moment)
        if prices is None:
            return None
        since, until = listing.window(entry, at)
        price = listing.read_price(
            prices,
            since,
            until,
            _MIN_AUDIO_SECONDS.get((biller.id, entry.id), 0.0),
            free=(biller.id, entry.id) in _FREE or entry.id.endswith(":free"),
        )
        # Fees go by the model's own name: the list may know it as a variant of another model.
        return price and with_fees(surcharge(price, biller.id, host, entry.id), biller.id, name)

    def _model(self, biller: Provider, name: str) -> tuple[ModelInfo | None, str]:
        """The model by its name, else by the part of it that the provider's list has; and which."""
        entry = biller.find_model(name, all_providers=self._providers)
        if entry:
            return entry, name
        for part in _parts(biller.id, name):
            entry = biller.find_model(part, all_providers=self._providers)
            if entry:
                return entry, part
        return None, name

    def _biller(self, provider: str, host: str | None) -> Provider | None:
        """Who bills: by the provider's name, else by the host that was called, else nobody."""
        biller = self._by_id.get(_PROVIDERS.get(provider, provider))
        if biller is not None:
            return biller
        url = f"https://{host.removesuffix(':443')}/" if host else ""
        for pattern, candidate in self._hosts if url else ():
            match = pattern.match(url)
            # The patterns are open at the end: api.openai.com.example.org must not pass.
            if match and (match.group()[-1] in "/." or url[match.end()] in "/:"):
                return candidate
        bare = re.sub(r"[^a-z0-9]", "", provider.lower())
        return self._by_id.get(_OTHER_NAMES.get(bare, bare))

    def _prices(
        self, biller: Provider, model: ModelInfo, tier: str | None, moment: datetime
    ) -> ModelPrice | None:
        if tier is None or (biller.id, tier) in _LIKE_STANDARD:
            return model.get_prices(moment)
        if not any(model is own for own in biller.models):
            return None  # another provider's model: that provider's tiers are not this one's
        for context in _CONTEXTS.get(tier, ({"service_tier": tier},)):
            for variant in model.price_variants or ():
                active = variant.constraint is None or variant.constraint.active(moment)
                if variant.when == context and active:
                    return model.get_prices(moment, context)
        return None


def _parts(biller: str, name: str) -> Iterator[str]:
    """A model's name without the prefix, the date or the routing suffix that a list leaves out."""
    for prefix in _PREFIXES.get(biller, ()):
        if name.lower().startswith(prefix):
            yield name[len(prefix) :]
    if biller == "google" and _RESOURCE.match(name):
        yield name.rpartition("/")[2]
    if biller == "openai" and _DATE.search(name):
        yield _DATE.sub("", name)
    for suffix in _ROUTINGS if biller == "openrouter" else ():
        if name.endswith(suffix):
            yield name.removesuffix(suffix)


def bundled() -> Table:
    """The table of the installed genai-prices, or the snapshot that the program set there.

    Raises:
        ImportError: genai-prices is not installed or does not import.
    """
    from genai_prices import data_snapshot

    return Table(data_snapshot.get_snapshot())


def fetched(url: str | None = None) -> Table | None:
    """A table fetched over the network, by default from genai-prices' repository.

    Raises:
        Exception: Whatever genai-prices raises when the fetch fails.
    """
    from genai_prices import UpdatePrices

    update = UpdatePrices() if url is None else UpdatePrices(url=url)
    snapshot = update.fetch()
    return None if snapshot is None else Table(snapshot, time.time())


def _version(fetched: float | None) -> str:
    try:
        name = version(_PACKAGE)
    except PackageNotFoundError:
        name = "unknown"
    if fetched is None:
        return name
    return f"{name}+{datetime.fromtimestamp(fetched, timezone.utc):%Y%m%dT%H%MZ}"


def _last_checked(providers: Iterable[Provider]) -> float | None:
    """The newest date on which somebody compared the table with a provider's price page.

    The package carries no date of its own, a file's time is that of the installation, and start
    dates of prices may lie in the future.
    """
    comments = [
        comment
        for provider in providers
        for comment in (provider.price_comments, *(m.price_comments for m in provider.models))
        if comment
    ]
    newest = max((day for text in comments for day in _CHECKED.findall(text)), default=None)
    return None if newest is None else listing.midnight(date.fromisoformat(newest))
