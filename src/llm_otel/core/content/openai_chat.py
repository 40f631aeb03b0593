"""Chat completions and legacy completions, as OpenAI, Azure, groq, together, vLLM … speak them."""

from __future__ import annotations

from llm_otel.base.read import get, items, text
from llm_otel.content.media import file_part, media_part
from llm_otel.content.model import (
    ERROR,
    Content,
    Message,
    Part,
    message,
    output_message,
    reasoning_part,
    refusal_part,
    sequence,
    text_part,
    tool_call_part,
    tool_response_part,
)
from llm_otel.content.plain import fields_of
from llm_otel.core.content.parts import content_parts, generic_part, tool_definitions
from llm_otel.core.extract import finish_reason

# DeepSeek and vLLM | groq, together, OpenRouter; who sends both sends the same text twice.
_REASONING_KEYS = ("reasoning_content", "reasoning")


def chat_request(body: object) -> Content:
    """System messages stay among the inputs: chat has no field of its own for them."""
    return Content(
        inputs=[_input_message(entry) for entry in sequence(get(body, "messages"))],
        tools=tool_definitions(body),
    )


def completion_request(body: object) -> Content:
    """One user message for each prompt; token ids are counted, as they could be decoded."""
    prompt = get(body, "prompt")
    prompts = [prompt] if _is_token_ids(prompt) else sequence(prompt)
    inputs = [message("user", [_prompt_part(entry)]) for entry in prompts]
    suffix = text(body, "suffix")
    if suffix:
        inputs.append(message("user", [{"type": "suffix", "content": suffix}]))
    return Content(inputs=inputs)


def chat_response(response: object) -> list[Message]:
    """One message for each choice, of chat completions and of legacy completions."""
    return [choice_message(choice) for choice in items(response, "choices") if choice is not None]


def choice_message(choice: object, unfinished: str = ERROR) -> Message:
    """The output message of one choice; `unfinished` is its reason where the choice has none."""
    node = get(choice, "message")
    legacy = text(choice, "text")
    parts = [text_part(legacy)] if legacy else _message_parts(node)
    raw = text(choice, "finish_reason")
    reason = (finish_reason(raw) if raw is not None else None) or unfinished
    return output_message(parts, reason, get(node, "role"))


def _input_message(entry: object) -> Message:
    if isinstance(entry, str):
        return message("user", content_parts(entry))
    if fields_of(entry) is None:
        return message(None, [generic_part(entry)])
    role = get(entry, "role")
    if role in ("tool", "function"):
        content = get(entry, "content")
        response = content_parts(content) if isinstance(content, (list, tuple)) else content
        return message(role, [tool_response_part(get(entry, "tool_call_id"), response)])
    return message(role, _message_parts(entry), get(entry, "name"))


def _message_parts(node: object) -> list[Part]:
    """In the order the model made them: reasoning, text, refusal, audio, tool calls."""
    reasoning = next(filter(None, (text(node, key) for key in _REASONING_KEYS)), None)
    parts = [reasoning_part(reasoning)] if reasoning else []
    parts += content_parts(get(node, "content"))
    refusal = text(node, "refusal")
    if refusal:
        parts.append(refusal_part(refusal))
    parts += _audio_parts(get(node, "audio"))
    parts += [_tool_call(call) for call in sequence(get(node, "tool_calls"))]
    function = get(node, "function_call")
    if function is not None:
        parts.append(tool_call_part(None, get(function, "name"), get(function, "arguments")))
    return parts


def _tool_call(call: object) -> Part:
    function = get(call, "function")
    if function is not None:
        return tool_call_part(get(call, "id"), get(function, "name"), get(function, "arguments"))
    custom = get(call, "custom")
    return tool_call_part(get(call, "id"), get(custom, "name"), get(custom, "input"))


def _audio_parts(audio: object) -> list[Part]:
    """What the model said, as text; the sound itself is named by its id or its size."""
    if audio is None:
        return []
    transcript, data, audio_id = text(audio, "transcript"), get(audio, "data"), text(audio, "id")
    parts = [text_part(transcript)] if transcript else []
    if data is not None:
        parts.append(media_part(data, "audio"))
    elif audio_id:
        parts.append(file_part(audio_id, "audio"))
    return parts


def _is_token_ids(prompt: object) -> bool:
    return isinstance(prompt, (list, tuple)) and bool(prompt) and isinstance(prompt[0], int)


def _prompt_part(prompt: object) -> Part:
    if isinstance(prompt, str):
        return text_part(prompt)
    if isinstance(prompt, (list, tuple)):
        return {"type": "token_ids", "count": len(prompt)}
    return generic_part(prompt)
