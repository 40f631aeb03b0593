"""What Gemini's usages mean: of answers, of embeddings, of interactions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from llm_otel.base import read
from llm_otel.protocols import usage
from llm_otel.protocols.spec import Endpoint, UsageMap
from llm_otel.usage import Usage

# The prompt holds what was cached; what tools found lies beside it, thoughts beside the output.
# https://ai.google.dev/api/generate-content#UsageMetadata
USAGE: UsageMap = {
    "promptTokenCount": "input_tokens",
    "toolUsePromptTokenCount": ("tool_use_tokens", "input_tokens"),
    "cachedContentTokenCount": "cache_read_tokens",
    "candidatesTokenCount": "output_tokens",
    "responseTokenCount": "output_tokens",  # the Live API's name
    "thoughtsTokenCount": ("reasoning_tokens", "output_tokens"),
}
# https://ai.google.dev/api/interactions-api#Resource:Usage
INTERACTION_USAGE: UsageMap = {
    "total_input_tokens": "input_tokens",
    "total_tool_use_tokens": ("tool_use_tokens", "input_tokens"),
    "total_cached_tokens": "cache_read_tokens",
    "total_output_tokens": "output_tokens",
    "total_thought_tokens": ("reasoning_tokens", "output_tokens"),
}

# Lists of counts by modality: the parts of which count they are.
_LISTS: Mapping[str, str] = {
    "promptTokensDetails": "input_tokens",
    "toolUsePromptTokensDetails": "input_tokens",
    "cacheTokensDetails": "cache_read_tokens",
    "candidatesTokensDetails": "output_tokens",
    "responseTokensDetails": "output_tokens",
    "input_tokens_by_modality": "input_tokens",
    "tool_use_tokens_by_modality": "input_tokens",
    "cached_tokens_by_modality": "cache_read_tokens",
    "output_tokens_by_modality": "output_tokens",
}
# Pages of documents are read, and billed, as pictures.
# https://ai.google.dev/gemini-api/docs/document-processing#technical-details
_MODALITIES: Mapping[str, str] = {
    "audio": "audio", "image": "image", "document": "image", "video": "video",
}  # fmt: skip
_PARTS: Mapping[tuple[str, str], str] = {
    (whole, modality): f"{modality}_{whole}"
    for whole in ("input_tokens", "output_tokens", "cache_read_tokens")
    for modality in ("audio", "image")
}

# https://docs.cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse#TrafficType
_TRAFFIC: Mapping[str, str | None] = {
    "on_demand": None,
    "on_demand_priority": "priority",
    "on_demand_flex": "flex",
    "on_demand_offpeak": "offpeak",
    "traffic_type_unspecified": None,
}


def reported_usage(node: object, endpoint: Endpoint, video_apart: bool = False) -> Usage | None:
    """The usage in an answer's usage object; None where that counts nothing.

    Args:
        node: The usage object.
        endpoint: Says what its keys mean.
        video_apart: Video has another price than text in the input, too; no count holds it.
    """
    fields = read.fields(node)
    used = usage.usage(None, endpoint, fields) if fields else None
    if used is None:
        return None
    names = endpoint.usage
    for key, value in fields.items():
        if key in names:
            if type(value) is not int or not 0 <= value <= read.MOST_TOKENS:
                used.partial |= value is not None  # a number that is no count
        elif key in _LISTS and not _is_text(value):
            _add_modalities(used, _LISTS[key], value, video_apart)
    total = read.count(fields.get("totalTokenCount") or fields.get("total_tokens"))
    parts = used.input_tokens + used.output_tokens
    if total > parts:
        used.unexplained_tokens = total - parts
    return used


def service_tier(node: object) -> str | None:
    """The tier that a usage object names: Gemini's `serviceTier`, or Vertex AI's `trafficType`."""
    tier = read.string(read.get(node, "serviceTier"))
    if tier is not None:
        name = tier.lower().removeprefix("service_tier_")
        return None if name == "unspecified" else name
    traffic = read.string(read.get(node, "trafficType"))
    if traffic is None:
        return None
    return _TRAFFIC.get(traffic.lower(), traffic.lower())


def summed(used: Iterable[Usage]) -> Usage:
    """The sum of usages of one model."""
    total = Usage()
    for each in used:
        for name in _COUNTS:
            setattr(total, name, getattr(total, name) + getattr(each, name))
        total.partial |= each.partial
    return total


_COUNTS = (
    "input_tokens", "output_tokens", "cache_read_tokens", "reasoning_tokens", "audio_input_tokens",
    "image_input_tokens", "audio_output_tokens", "image_output_tokens", "audio_cache_read_tokens",
    "image_cache_read_tokens", "web_searches", "file_searches", "unexplained_tokens",
)  # fmt: skip


def _is_text(entries: object) -> bool:
    """Whether nothing but text was counted, as in nearly all usages."""
    if type(entries) is not list or len(entries) != 1:
        return not entries
    return read.get(entries[0], "modality") in ("TEXT", "text")


def _add_modalities(used: Usage, whole: str, entries: object, video_apart: bool) -> None:
    """Add what was audio or pictures; video out has a price that no part of a usage holds.

    Args:
        used: Where to.
        whole: The count whose parts these are.
        entries: A count for each modality.
        video_apart: As of `reported_usage`.
    """
    for modality, count in _by_modality(entries):
        name = _PARTS.get((whole, modality))
        if name is not None:
            setattr(used, name, getattr(used, name) + count)
        elif video_apart or whole == "output_tokens":
            used.partial = True


def _by_modality(entries: object) -> Iterable[tuple[str, int]]:
    for entry in entries if type(entries) is list else ():
        fields = read.fields(entry)
        modality = _MODALITIES.get((read.string(fields.get("modality")) or "").lower())
        keys = ("tokenCount", "tokens", "token_count")
        count = max(read.count(fields.get(key)) for key in keys)
        if modality is not None and count:
            yield modality, count
