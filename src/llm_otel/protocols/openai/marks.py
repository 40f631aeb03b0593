"""Counts what was billed beside the usage of any endpoint, and marks what nobody counts."""

from __future__ import annotations

from collections.abc import Mapping

from llm_otel.base import read
from llm_otel.providers.dialects import Dialect, Path
from llm_otel.usage import Usage

_PREVIEW_TOOL = "web_search_preview"


def mark_chat(used: Usage, answer: object, dialect: Dialect) -> None:
    """Count or mark the searches that a provider made for a chat answer or a stream's chunk."""
    if dialect.search_tools:
        used.web_searches = max(used.web_searches, _builtin_searches(answer, dialect))
    if not used.web_searches and any(_present(answer, way) for way in dialect.billed_marks):
        used.partial = True


def mark_request(
    used: Usage,
    body: Mapping[str, object],
    extra: object,
    dialect: Dialect,
    *,
    called_tools: bool,
) -> None:
    """Mark a usage whose request switched on what the answer does not count.

    Args:
        used: The usage to mark.
        body: The request's body.
        extra: The SDK's `extra_body`, which overrides it.
        dialect: What is particular to the provider.
        called_tools: The answer ended in a call of tools.
    """
    if used.web_searches:
        return
    body = {**body, **extra} if type(extra) is dict else body
    if any(_switched_on(read.path(body, way)) for way in dialect.billed_requests):
        used.partial = True
    tools = read.items(body, "tools")
    nested = read.items(read.path(body, _GOOGLE), "tools")
    if dialect.billed_tools and any(_is_billed(tool, dialect) for tool in (*tools, *nested)):
        used.partial = True
    if called_tools and dialect.search_tools:
        names = {read.path(tool, ("function", "name")) for tool in tools}
        if not dialect.search_tools.isdisjoint(name for name in names if isinstance(name, str)):
            used.partial = True


# Where Gemini's OpenAI endpoint takes what OpenAI's protocol has no word for.
# https://ai.google.dev/gemini-api/docs/openai
_GOOGLE: Path = ("extra_body", "google")


def _is_billed(tool: object, dialect: Dialect) -> bool:
    """Whether a tool of a request is a billed one by its type, or by its only key as in Gemini."""
    kind = read.text(tool, "type")
    return any(
        (name == kind or name in read.fields(tool)) and _switched_on(read.get(tool, name), kind)
        for name in dialect.billed_tools
    )


def _switched_on(value: object, default: object = None) -> bool:
    """Whether a setting of a request is not switched off; `default` counts where it is missing."""
    if value is None:
        return bool(default)
    if read.get(value, "mode") == "off" or read.get(value, "enable") is False:
        return False
    return value is not False


def svg_usage(node: object) -> tuple[str | None, Usage] | None:
    """The usage of SVG authoring, which is billed for a model of its own."""
    written = read.get(node, "svg_usage")
    used = Usage(
        input_tokens=read.count(read.get(written, "input_tokens")),
        output_tokens=read.count(read.get(written, "output_tokens")),
        reasoning_tokens=read.count(read.get(written, "reasoning_tokens")),
    )
    if not (used.input_tokens or used.output_tokens):
        return None
    return read.text(written, "model"), used


def mark_preview(used: Usage, node: Mapping[str, object]) -> None:
    """Count searches as those of the preview tool, if that is what an answer or request names."""
    kinds = [read.text(tool, "type") or "" for tool in read.items(node, "tools")]
    if any(kind.startswith(_PREVIEW_TOOL) for kind in kinds):
        used.preview_searches = used.web_searches


def _builtin_searches(answer: object, dialect: Dialect) -> int:
    return sum(
        read.path(call, ("function", "name")) in dialect.search_tools
        for choice in read.items(answer, "choices")
        for holder in (read.get(choice, "message"), read.get(choice, "delta"))
        for call in read.items(holder, "tool_calls")
    )


def _present(node: object, way: Path) -> bool:
    """Whether a mark is there and not empty; a list on the way is looked through."""
    if not way:
        if read.is_node(node):  # zeros and nulls alone are no mark
            return any(_present(value, ()) for value in read.fields(node).values())
        return bool(node)
    if type(node) is list:
        return any(_present(each, way) for each in node)
    return _present(read.get(node, way[0]), way[1:])
