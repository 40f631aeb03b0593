"""The responses API: every item type of inputs and outputs, by table."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from llm_otel.base.read import get, items, text
from llm_otel.content.media import media_part
from llm_otel.content.model import (
    ERROR,
    Content,
    Message,
    Part,
    deserialised,
    message,
    output_message,
    sequence,
    text_part,
    tool_call_part,
    tool_response_part,
)
from llm_otel.content.plain import fields_of, generic_part
from llm_otel.protocols.openai.parts import (
    content_part,
    content_parts,
    tool_definition,
    tool_definitions,
)

# Calls that the application answers: item type -> its tool's name where the item has none, and
# the field with the arguments.
_CALLS = {
    "function_call": (None, "arguments"),
    "custom_tool_call": (None, "input"),
    "local_shell_call": ("local_shell", "action"),
    "shell_call": ("shell", "action"),
    "apply_patch_call": ("apply_patch", "operation"),
    "computer_call": ("computer", "action"),
}
_RESULTS = frozenset(
    {
        "function_call_output",
        "custom_tool_call_output",
        "local_shell_call_output",
        "shell_call_output",
        "apply_patch_call_output",
        "computer_call_output",
    }
)


class _Hosted(NamedTuple):
    """A tool that the provider runs: its name where the item has none, and which fields are what.

    An item without `call` only reports a result.
    """

    name: str | None
    call: tuple[str, ...] = ()
    result: tuple[str, ...] = ()


_HOSTED = {
    "web_search_call": _Hosted("web_search", ("action",)),
    "file_search_call": _Hosted("file_search", ("queries",), ("results",)),
    "code_interpreter_call": _Hosted("code_interpreter", ("code", "container_id"), ("outputs",)),
    "image_generation_call": _Hosted(
        "image_generation", ("action", "revised_prompt", "size", "quality"), ("result", "error")
    ),
    "mcp_call": _Hosted(None, ("server_label", "arguments"), ("output", "error")),
    "mcp_list_tools": _Hosted("mcp_list_tools", ("server_label",), ("tools", "error")),
    "mcp_approval_request": _Hosted(None, ("server_label", "arguments")),
    "tool_search_call": _Hosted("tool_search", ("arguments",)),
    "tool_search_output": _Hosted("tool_search", (), ("tools",)),
    "program": _Hosted("program", ("code",)),
    "program_output": _Hosted("program", (), ("result",)),
}
# What the caller, not the model, put there.
_FROM_USER = frozenset(
    {"item_reference", "mcp_approval_response", "additional_tools", "compaction_trigger"}
)
_RUNNING = ("in_progress", "queued")


def responses_request(body: object) -> Content:
    """Inputs, `instructions` and tools of a request."""
    return Content(
        inputs=[_input_message(item) for item in sequence(get(body, "input"))],
        system=_instructions(body),
        tools=tool_definitions(body),
    )


def responses_response(response: object) -> list[Message]:
    """All output items as the parts of one message; none where nothing was produced."""
    return items_message(items(response, "output"), response)


def fetched_content(response: object) -> Content:
    """What a fetched response tells by itself: instructions, tools and outputs, never inputs."""
    return Content(
        outputs=responses_response(response),
        system=_instructions(response),
        tools=tool_definitions(response),
    )


def items_message(output: list[object], response: object, unfinished: str = ERROR) -> list[Message]:
    """The one message that `output` makes.

    Args:
        output: Output items.
        response: The response they belong to, for its status; None where its end never came.
        unfinished: The finish reason in that case.
    """
    parts = [part for item in output for part in _item_parts(item)]
    if not parts:
        return []
    return [output_message(parts, _reason(response, parts, unfinished))]


def _reason(response: object, parts: list[Part], unfinished: str) -> str:
    if response is None:
        return unfinished
    status = text(response, "status")
    if status in ("failed", "cancelled"):
        return ERROR
    if status in _RUNNING:
        return unfinished
    if status == "incomplete":
        reason = text(get(response, "incomplete_details"), "reason")
        return "length" if reason == "max_output_tokens" else reason or status
    return "tool_call" if any(part["type"] == "tool_call" for part in parts) else "stop"


def _instructions(node: object) -> list[Part]:
    """A string, or in a response that used a prompt template a list of input items."""
    instructions = get(node, "instructions")
    if isinstance(instructions, str):
        return [text_part(instructions)] if instructions else []
    return [part for item in sequence(instructions) for part in _item_parts(item)]


def _input_message(item: object) -> Message:
    if isinstance(item, str):
        return message("user", content_parts(item))
    if fields_of(item) is None:
        return message(None, [generic_part(item)])
    return message(_role(item), _item_parts(item))


def _role(item: object) -> object:
    kind = text(item, "type")
    if kind in (None, "message"):
        return get(item, "role")
    if kind in _RESULTS:
        return "tool"
    return "user" if kind in _FROM_USER else "assistant"


def _item_parts(item: object) -> list[Part]:
    kind = text(item, "type")
    if fields_of(item) is None:
        return [generic_part(item)]
    if kind is None or kind == "message":
        return content_parts(get(item, "content"))
    if kind in _CALLS:
        return [_call(item, *_CALLS[kind])]
    if kind in _RESULTS:
        return [_result(item)]
    if kind in _HOSTED:
        return _hosted(item, kind, _HOSTED[kind])
    special = _SPECIAL.get(kind)
    return special(item) if special is not None else [generic_part(item)]


def _call(item: object, name: str | None, field: str) -> Part:
    arguments = get(item, field)
    if arguments is None:
        arguments = get(item, field + "s")  # computer calls may batch theirs in `actions`
    return tool_call_part(_call_id(item), name or get(item, "name"), arguments)


def _result(item: object) -> Part:
    output = get(item, "output")
    if isinstance(output, (list, tuple)):
        output = [content_part(entry) if get(entry, "type") else entry for entry in output]
    elif get(output, "type") is not None:
        output = content_part(output)
    return tool_response_part(_call_id(item), output)


def _hosted(item: object, kind: str, tool: _Hosted) -> list[Part]:
    base: Part = {} if _call_id(item) is None else {"id": _call_id(item)}
    parts: list[Part] = []
    if tool.call:
        name = tool.name or text(item, "name") or kind
        call = {"type": kind, **_values(item, kind, tool.call)}
        parts.append({"type": "server_tool_call", **base, "name": name, "server_tool_call": call})
    result = _values(item, kind, tool.result)
    if result:
        response = {"type": kind, **result}
        parts.append(
            {"type": "server_tool_call_response", **base, "server_tool_call_response": response}
        )
    return parts


def _values(item: object, kind: str, fields: tuple[str, ...]) -> dict[str, object]:
    values = {field: get(item, field) for field in fields}
    return {
        field: _CONVERTED.get((kind, field), deserialised)(value)
        for field, value in values.items()
        if value is not None
    }


def _code_outputs(outputs: object) -> object:
    return [
        media_part(get(entry, "url"), "image") if get(entry, "type") == "image" else entry
        for entry in sequence(outputs)
    ]


def _tools(tools: object) -> object:
    return [tool_definition(tool) for tool in sequence(tools)]


_CONVERTED: dict[tuple[str, str], Callable[[object], object]] = {
    ("image_generation_call", "result"): lambda data: media_part(data, "image"),
    ("code_interpreter_call", "outputs"): _code_outputs,
    ("mcp_list_tools", "tools"): _tools,
    ("tool_search_output", "tools"): _tools,
}


def _reasoning(item: object) -> list[Part]:
    """Summaries and open text; what is encrypted says nothing to anyone but the provider."""
    return [content_part(entry) for key in ("summary", "content") for entry in items(item, key)]


def _compaction(item: object) -> list[Part]:
    item_id = text(item, "id")
    return [{"type": "compaction", "id": item_id} if item_id else {"type": "compaction"}]


def _additional_tools(item: object) -> list[Part]:
    return [{"type": "additional_tools", "content": _tools(get(item, "tools"))}]


_SPECIAL: dict[str, Callable[[object], list[Part]]] = {
    "reasoning": _reasoning,
    "compaction": _compaction,
    "additional_tools": _additional_tools,
}


def _call_id(item: object) -> str | None:
    return text(item, "call_id") or text(item, "id")


# ------------------------------------------------------------------ streams
_FINAL_EVENTS = frozenset({"response.completed", "response.incomplete", "response.failed"})
# Event -> the field of the item that its deltas make up.
_DELTA_FIELDS = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "summary",
    "response.reasoning_text.delta": "reasoning",
    "response.function_call_arguments.delta": "arguments",
    "response.mcp_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
    "response.code_interpreter_call_code.delta": "code",
}
# Fields that an item holds as a list of typed parts: where, and the part's type.
_DELTA_PARTS = {
    "text": ("content", "output_text"),
    "refusal": ("content", "refusal"),
    "summary": ("summary", "summary_text"),
    "reasoning": ("content", "reasoning_text"),
}


class ResponsesAccumulator:
    """The responses API: its last event holds everything, the others serve streams that are cut."""

    def __init__(self) -> None:
        self._final: object = None
        self._items: dict[int, object] = {}
        self._deltas: dict[int, dict[str, list[str]]] = {}

    def add(self, chunk: object) -> None:
        """Take a typed event."""
        kind = text(chunk, "type") or ""
        if kind in _FINAL_EVENTS:
            self._final = get(chunk, "response")
            return
        index = get(chunk, "output_index")
        if type(index) is not int:
            return
        if kind == "response.output_item.added":
            self._items[index] = get(chunk, "item")
        elif kind == "response.output_item.done":
            self._items[index] = get(chunk, "item")
            self._deltas.pop(index, None)
        elif kind in _DELTA_FIELDS:
            delta = text(chunk, "delta")
            if delta is not None:
                fields = self._deltas.setdefault(index, {})
                fields.setdefault(_DELTA_FIELDS[kind], []).append(delta)

    def messages(self, unfinished: str = ERROR) -> list[Message]:
        """The final response's message, else one of the items and deltas that came."""
        if items(self._final, "output"):
            return responses_response(self._final)
        return items_message([self._item(i) for i in sorted(self._items)], self._final, unfinished)

    def _item(self, index: int) -> object:
        """The item; one that is not done, with its deltas put together."""
        item = self._items[index]
        deltas = self._deltas.get(index)
        if not deltas:
            return item
        whole: dict[str, object] = {
            key: get(item, key) for key in ("type", "id", "call_id", "name", "role", "server_label")
        }
        for name, pieces in deltas.items():
            joined = "".join(pieces)
            place, part_type = _DELTA_PARTS.get(name, (name, None))
            if part_type is None:
                whole[place] = joined
            else:
                key = "refusal" if part_type == "refusal" else "text"
                whole[place] = [{"type": part_type, key: joined}]
        return whole
