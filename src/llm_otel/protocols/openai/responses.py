"""The Responses API, whose hosted tools are billed outside its usage."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from llm_otel.base import read
from llm_otel.protocols import errors
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.openai import marks, usage
from llm_otel.protocols.openai.common import OpenAI
from llm_otel.protocols.spec import Accumulator, Endpoint
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect

_IMAGE_TOOL = "image_generation"
_INCOMPLETE_REASONS = {"max_output_tokens": "length"}

# Output items that ask the caller to run something and come back.
_CALLS_OF_THE_CALLER = frozenset(
    {
        "function_call",
        "custom_tool_call",
        "computer_call",
        "local_shell_call",
        "shell_call",
        "apply_patch_call",
        "mcp_approval_request",
    }
)

# Output items that hold tokens of the model.
_WITH_TOKENS = frozenset({"message", "reasoning", "function_call", "custom_tool_call"})

# Output items of the Responses API that cost nothing beside the tokens.
_FREE_ITEMS = frozenset(
    {
        "message", "reasoning", "compaction", "function_call", "custom_tool_call",
        "computer_call", "local_shell_call", "apply_patch_call", "tool_search_call",
        "mcp_call", "mcp_list_tools", "mcp_approval_request",
    }
)  # fmt: skip

# Output items of which each is counted, or whose usage stands elsewhere in the answer.
_COUNTED_ITEMS = frozenset({"web_search_call", "file_search_call"})

_COUNTED_TOOLS = frozenset({"web_search", "image_gen"})


class Responses(OpenAI):
    """A response tells its end by `status`."""

    unfinished_is_error = True

    def read(
        self,
        result: Answer,
        body: Mapping[str, object],
        endpoint: Endpoint,
        dialect: Dialect,
    ) -> None:
        """See `OpenAI`."""
        _read_response(result, body, endpoint, dialect)

    def request_content(self, body: object) -> Content:
        """Inputs, instructions and tools."""
        from llm_otel.protocols.openai.responses_content import responses_request

        return responses_request(body)

    def response_content(self, response: object) -> list[Message]:
        """All output items as one message."""
        from llm_otel.protocols.openai.responses_content import responses_response

        return responses_response(response)

    def fetched_content(self, response: object) -> Content:
        """Instructions, tools and outputs, never inputs."""
        from llm_otel.protocols.openai.responses_content import fetched_content

        return fetched_content(response)

    def accumulator(self) -> Accumulator:
        """Items, as their events tell them."""
        from llm_otel.protocols.openai.responses_content import ResponsesAccumulator

        return ResponsesAccumulator()


def _read_response(
    result: Answer, body: Mapping[str, object], endpoint: Endpoint, dialect: Dialect
) -> None:
    """The Responses API tells its end by `status`, and hosted tools' usage outside `usage`."""
    items = read.items(body, "output")
    kinds = {read.text(item, "type") for item in items}
    result.background = body.get("background") is True
    if result.status == "completed":
        calls = not kinds.isdisjoint(_CALLS_OF_THE_CALLER)
        result.finish_reasons = ["tool_call" if calls else "stop"]
    elif result.status == "incomplete":
        reason = read.path(body, ("incomplete_details", "reason"))
        known = read.string(reason) or "incomplete"
        result.finish_reasons = [_INCOMPLETE_REASONS.get(known, known)]
    elif result.status in ("failed", "cancelled"):
        result.finish_reasons = ["error"]
    if body.get("error") or result.status == "failed" or not (result.status or items):
        result.error = errors.in_response(body, dialect, failed=result.status == "failed")
    used = result.usage
    if used is None:
        return
    if not used.output_tokens and not kinds.isdisjoint(_WITH_TOKENS):
        used.partial = True
    if dialect.searches_in_answers:
        marks.mark_chat(used, body, dialect)
    if body.get("tool_usage") or not kinds <= _FREE_ITEMS:
        _add_hosted_tools(used, body, items, endpoint, dialect)


# ------------------------------------------------------------------ hosted tools
def _add_hosted_tools(
    used: Usage,
    response: Mapping[str, object],
    items: list[object],
    endpoint: Endpoint,
    dialect: Dialect,
) -> None:
    """Add what the hosted tools of a Responses answer used.

    Args:
        used: The usage to add to.
        response: The whole answer.
        items: Its output items.
        endpoint: Where the numbers are.
        dialect: What is particular to the provider.
    """
    tools = read.fields(response.get("tool_usage"))
    _add_searches(used, response, items, tools)
    extra = [marks.svg_usage(item) for item in items]
    drawn = _drawn(tools.get("image_gen"), endpoint, dialect)
    if drawn is not None:
        extra.append((_image_model(response), drawn))
    used.extra = tuple(each for each in extra if each is not None)
    if any(_uncounted(item, bool(used.extra)) for item in items):
        used.partial = True
    if any(name not in _COUNTED_TOOLS and _has_number(node) for name, node in tools.items()):
        used.partial = True


def _add_searches(
    used: Usage, response: Mapping[str, object], items: list[object], tools: Mapping[str, object]
) -> None:
    counted = read.get(tools.get("web_search"), "num_requests")
    seen = _searches(items)
    searches = read.count(counted) if counted is not None else seen
    used.web_searches = max(used.web_searches, searches)
    used.file_searches = sum(_completed(item, "file_search_call") for item in items)
    marks.mark_preview(used, response)


def _searches(items: list[object]) -> int:
    """Searches among the output items, where the response has no `tool_usage`: opening a page and
    finding in it are not billed."""
    return sum(
        _completed(item, "web_search_call")
        and read.path(item, ("action", "type")) in (None, "search")
        for item in items
    )


def _completed(item: object, kind: str) -> bool:
    return read.get(item, "type") == kind and read.get(item, "status") in ("completed", None)


def _drawn(node: object, endpoint: Endpoint, dialect: Dialect) -> Usage | None:
    """The usage of the images that a hosted tool drew."""
    if node is None:
        return None
    images = dataclasses.replace(endpoint, images_out=True)
    drawn = usage.usage(None, images, dialect, reported=node)
    if drawn is not None:
        drawn.partial = False  # the prompt may be counted with the text model's
    return drawn


def _uncounted(item: object, images_counted: bool) -> bool:
    """Whether an item was billed by something that the answer does not count."""
    kind = read.text(item, "type")
    if kind is None or kind in _FREE_ITEMS or kind in _COUNTED_ITEMS:
        return False
    if kind == "image_generation_call":
        return not images_counted and read.get(item, "status") != "failed"
    if kind == "shell_call":
        where = read.path(item, ("environment", "type"))
        return isinstance(where, str) and where.startswith("container")
    return kind.endswith("_call")


def _image_model(node: object) -> str | None:
    for tool in read.items(node, "tools"):
        if read.get(tool, "type") == _IMAGE_TOOL:
            return read.text(tool, "model")
    return None


def _has_number(node: object) -> bool:
    """Whether anything below a node is a number above 0."""
    if read.is_node(node):
        return any(_has_number(value) for value in read.fields(node).values())
    return read.count(node) > 0
