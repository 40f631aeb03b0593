"""What requests and whole answers say, of v2 (`messages`) and v1 (`message`, `chat_history`)."""

from __future__ import annotations

from llm_otel.base.read import get, items, path, text
from llm_otel.content.media import media_part
from llm_otel.content.model import (
    ERROR,
    Content,
    Message,
    Part,
    message,
    output_message,
    reasoning_part,
    sequence,
    text_part,
    tool_call_part,
    tool_response_part,
)
from llm_otel.content.plain import fields_of, generic_part
from llm_otel.protocols.cohere.words import finish_reason
from llm_otel.protocols.openai.parts import content_part, tool_definition

_ROLES = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system", "TOOL": "tool"}


# ------------------------------------------------------------------ requests
def request_content(body: object) -> Content:
    """What a request says."""
    return Content(
        inputs=[*_documents(body), *_inputs(body)],
        system=_parts(get(body, "preamble")),
        tools=[_tool(each) for each in sequence(_known(body, "tools"))],
    )


def _known(body: object, key: str) -> object:
    """A key of a request; the SDK passes `...` for what its caller left out."""
    value = get(body, key)
    return None if value is ... else value


def _documents(body: object) -> list[Message]:
    parts = [_document(each) for each in sequence(_known(body, "documents"))]
    return [message("user", parts)] if parts else []


def _inputs(body: object) -> list[Message]:
    chat = _known(body, "messages")
    if chat is not None:
        return [_message(each) for each in sequence(chat)]
    inputs = [_turn(each) for each in sequence(_known(body, "chat_history"))]
    for key in ("message", "prompt", "text", "query"):
        question = text(body, key)
        if question:
            inputs.append(message("user", [text_part(question)]))
    document = _known(body, "document")
    if document is not None:
        inputs.append(message("user", [content_part(document)]))
    results = [_result(each) for each in sequence(_known(body, "tool_results"))]
    return [*inputs, message("tool", results)] if results else inputs


def _message(entry: object) -> Message:
    """A message of v2."""
    role = get(entry, "role")
    content = get(entry, "content")
    if role == "tool":
        response = content if isinstance(content, str) else _parts(content)
        return message(role, [tool_response_part(get(entry, "tool_call_id"), response)])
    return message(role, message_parts(entry))


def _turn(entry: object) -> Message:
    """A message of v1's history."""
    role = text(entry, "role") or "unknown"
    results = [_result(each) for each in sequence(get(entry, "tool_results"))]
    parts = [*_parts(get(entry, "message")), *_calls(entry), *results]
    return message(_ROLES.get(role, role), parts)


def _result(entry: object) -> Part:
    return tool_response_part(None, get(entry, "outputs"))


# ------------------------------------------------------------------ answers
def response_content(response: object) -> list[Message]:
    """The messages of a whole answer: one, or each of several generations."""
    generations = items(response, "generations")
    if generations:
        return [_output(_parts(get(each, "text")), each) for each in generations]
    parts = message_parts(get(response, "message"))
    parts += _parts(get(response, "text")) + _parts(get(response, "summary"))
    parts += _calls(response)
    for page in items(response, "pages"):
        parts += _parts(path(page, ("markdown", "content")))
    return [_output(parts, response)] if parts else []


def _output(parts: list[Part], node: object) -> Message:
    return output_message(parts, finish_reason(get(node, "finish_reason")) or "stop")


def message_parts(node: object) -> list[Part]:
    """The parts of a message of v2: the plan, what it says, the tools that it calls."""
    plan = text(node, "tool_plan")
    parts = [reasoning_part(plan)] if plan else []
    return parts + _parts(get(node, "content")) + _calls(node)


# ------------------------------------------------------------------ parts
def _parts(content: object) -> list[Part]:
    if isinstance(content, str):
        return [text_part(content)] if content else []
    return [_part(each) for each in sequence(None if content is ... else content)]


def _part(entry: object) -> Part:
    kind = get(entry, "type")
    if kind == "thinking":
        return reasoning_part(text(entry, "thinking") or "")
    if kind == "image":
        return media_part(get(entry, "image"), "image")
    return content_part(entry)


def _document(entry: object) -> Part:
    if isinstance(entry, str):
        return text_part(entry)
    fields = fields_of(entry)
    return generic_part(entry if fields is None else {**fields, "type": "document"})


def _calls(node: object) -> list[Part]:
    return [_call(each) for each in sequence(get(node, "tool_calls"))]


def _call(entry: object) -> Part:
    """`function` holds name and arguments in v2; v1 has name and parameters."""
    function = get(entry, "function")
    if function is None:
        return tool_call_part(None, get(entry, "name"), get(entry, "parameters"))
    return tool_call_part(get(entry, "id"), get(function, "name"), get(function, "arguments"))


def _tool(entry: object) -> dict[str, object]:
    definition = tool_definition(entry)
    parameters = get(entry, "parameter_definitions")
    return definition if parameters is None else {**definition, "parameters": parameters}


def unfinished_message(parts: list[Part], reason: object, unfinished: str = ERROR) -> Message:
    """A message of a stream; `unfinished` is its reason where it came to no end."""
    return output_message(parts, finish_reason(reason) or unfinished)
