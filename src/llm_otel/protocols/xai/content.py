"""xAI's messages in the conventions' shapes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llm_otel.base.read import get
from llm_otel.content.media import file_part, media_part
from llm_otel.content.model import (
    ERROR,
    Content,
    Message,
    Part,
    deserialised,
    message,
    output_message,
    reasoning_part,
    sequence,
    text_part,
    tool_call_part,
    tool_response_part,
)
from llm_otel.protocols.xai.outputs import (
    ROLE_TOOL,
    assistant_outputs,
    finish_reason,
    message_of,
    role_of,
)

_ROLES = {1: "user", 2: "assistant", 3: "system", 4: "tool", 5: "tool", 6: "developer"}
_CLIENT_SIDE = (0, 1)


def request_content(body: object) -> Content:
    """System messages stay among the inputs: the protocol has no field of its own for them."""
    messages: Any = get(body, "messages")
    count: Any = get(body, "count")
    proto = get(body, "proto")
    return Content(
        inputs=[_input_message(each) for each in list(messages or ())[:count]],
        tools=[_tool(each) for each in getattr(proto, "tools", ())],
    )


def response_content(completion: Any) -> list[Message]:
    """One message for each choice; what the provider's tools did is part of the last."""
    return _messages(completion, ERROR)


def _messages(completion: Any, unfinished: str) -> list[Message]:
    choices: list[Any] = assistant_outputs(completion)
    outputs = list(getattr(completion, "outputs", ()))
    groups = [outputs] if len(choices) < len(outputs) else [[each] for each in outputs]
    messages = []
    for choice, group in zip(choices, groups):
        parts = [part for output in group for part in _output_parts(output)]
        if parts or choice.finish_reason:
            reason = finish_reason(choice.finish_reason) if choice.finish_reason else unfinished
            messages.append(output_message(parts, reason))
    return messages


def _output_parts(output: Any) -> list[Part]:
    if role_of(output) == ROLE_TOOL:
        calls = list(output.message.tool_calls)
        return [_server_result(call, output.message.content) for call in calls[:1]]
    return _turn(output.message, [text_part(output.message.content)])


def _turn(turn: Any, texts: list[Part]) -> list[Part]:
    """Reasoning, text and the calls of tools."""
    parts: list[Part] = []
    if turn.reasoning_content:
        parts.append(reasoning_part(turn.reasoning_content))
    parts += [part for part in texts if part.get("content") != ""]
    return [*parts, *(_tool_call(call) for call in turn.tool_calls)]


def _input_message(entry: Any) -> Message:
    role = _ROLES.get(entry.role, "unknown")
    parts = [_content(each) for each in entry.content]
    if role == "tool":
        texts = [part["content"] for part in parts if part["type"] == "text"]
        response = texts[0] if len(parts) == len(texts) == 1 else parts
        return message(role, [tool_response_part(entry.tool_call_id or None, response)])
    return message(role, _turn(entry, parts), entry.name)


def _content(content: Any) -> Part:
    kind = content.WhichOneof("content")
    if kind == "image_url":
        image = content.image_url
        if getattr(image, "file_id", ""):
            return file_part(image.file_id, "image")
        return media_part(image.image_url, "image")
    if kind == "file":
        file = content.file
        if file.file_id:
            return file_part(file.file_id)
        return media_part(file.url or file.data, "document", file.mime_type or None)
    return text_part(content.text)


def _tool_call(call: Any) -> Part:
    function = call.function
    if call.type in _CLIENT_SIDE:
        return tool_call_part(call.id, function.name, function.arguments)
    details = {"type": function.name, "input": deserialised(function.arguments)}
    return {
        "type": "server_tool_call",
        "id": call.id,
        "name": function.name,
        "server_tool_call": details,
    }


def _server_result(call: Any, content: str) -> Part:
    details = {"type": call.function.name, "content": deserialised(content)}
    return {"type": "server_tool_call_response", "id": call.id,
            "server_tool_call_response": details}  # fmt: skip


def _tool(tool: Any) -> dict[str, object]:
    """A function with its schema, a tool of the provider's by its name; the rest of such a tool may
    hold credentials."""
    kind = tool.WhichOneof("tool")
    if kind != "function":
        return {"type": kind or "unknown", "name": kind or "unknown"}
    function = tool.function
    definition: dict[str, object] = {"type": "function", "name": function.name}
    if function.description:
        definition["description"] = function.description
    if function.parameters:
        definition["parameters"] = deserialised(function.parameters)
    return definition


class Grown:
    """The messages of a stream, which the SDK puts together."""

    def __init__(self) -> None:
        self._response: object = None

    def add(self, chunk: object) -> None:
        """Take the response so far."""
        self._response = chunk

    def messages(self, unfinished: str = ERROR) -> list[Message]:
        """The messages so far."""
        return _messages(message_of(self._response), unfinished)


# ------------------------------------------------------------------ images
def image_request(body: object) -> Content:
    """The prompt, and the images to start from."""
    prompt = get(body, "prompt")
    parts: list[Part] = [text_part(prompt)] if isinstance(prompt, str) else []
    parts += [media_part(each, "image") for each in _all(body, "image_url")]
    parts += [file_part(each, "image") for each in _all(body, "image_file_id")]
    return Content(inputs=[message("user", parts)] if parts else [])


def _all(body: object, key: str) -> Iterable[str]:
    values = [*sequence(get(body, key)), *sequence(get(body, f"{key}s"))]
    return [value for value in values if isinstance(value, str)]


def image_response(response: Any) -> list[Message]:
    """One message for each image: its URL, or its size."""
    return [
        output_message([media_part(image.url or image.base64, "image")], "stop")
        for image in response.images
    ]
