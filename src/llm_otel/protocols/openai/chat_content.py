"""Chat completions and legacy completions, as OpenAI, Azure, groq, together, vLLM … speak them."""

from __future__ import annotations

from dataclasses import dataclass, field

from llm_otel.base.read import get, items, text
from llm_otel.content.media import base64_size, file_part, media_part, omitted_part
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
from llm_otel.content.plain import fields_of, generic_part
from llm_otel.protocols.openai.common import finish_reason
from llm_otel.protocols.openai.parts import content_parts, thinking_text, tool_definitions

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


# ------------------------------------------------------------------ streams
@dataclass(slots=True)
class _ToolCall:
    id: str | None = None
    name: str | None = None
    arguments: list[str] = field(default_factory=list)

    def wire(self) -> dict[str, object]:
        arguments = "".join(self.arguments)
        return {"id": self.id, "function": {"name": self.name, "arguments": arguments}}


class _Choice:
    """One choice; `texts` holds the pieces of every field that a delta carries as a string."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.blocks: list[object] = []
        self.calls: list[_ToolCall] = []
        self.finish: object = None
        self.role: object = None
        self.audio_bytes = 0

    def add(self, choice: object) -> None:
        delta = get(choice, "delta")
        self._text("text", choice)
        for key in ("content", "refusal", "reasoning_content", "reasoning"):
            self._text(key, delta)
        for block in items(delta, "content"):
            self._block(block)
        for call in items(delta, "tool_calls"):
            self._call(get(call, "index"), text(call, "id"), get(call, "function"))
        function = get(delta, "function_call")
        if function is not None:
            self._call(0, None, function)
        audio = get(delta, "audio")
        if audio is not None:
            self._text("transcript", audio)
            self.audio_bytes += base64_size(len(text(audio, "data") or ""))
        self.role = self.role or text(delta, "role")
        self.finish = self.finish or text(choice, "finish_reason")

    def message(self, unfinished: str) -> Message:
        texts: dict[str, object] = {key: "".join(pieces) for key, pieces in self.texts.items()}
        wire = {
            "role": self.role,
            "audio": {"transcript": texts.pop("transcript", None)},
            "tool_calls": [call.wire() for call in self.calls],
        }
        choice = {"text": texts.pop("text", None), "finish_reason": self.finish}
        if self.blocks:
            words = texts.pop("content", None)
            texts["content"] = [*([words] if words else []), *self.blocks]
        result = choice_message({**choice, "message": {**wire, **texts}}, unfinished)
        parts = result["parts"]
        if self.audio_bytes and isinstance(parts, list):
            parts.append(omitted_part("audio", None, self.audio_bytes))
        return result

    def _block(self, block: object) -> None:
        """Mistral streams a list of blocks where it thinks, or names what it read."""
        kind = text(block, "type")
        if kind == "thinking":
            self.texts.setdefault("reasoning", []).append(thinking_text(block))
        elif kind == "text":
            self._text("text", block, "content")
        else:
            self.blocks.append(block)

    def _text(self, key: str, node: object, destination: str | None = None) -> None:
        piece = text(node, key)
        if piece is not None:
            self.texts.setdefault(destination or key, []).append(piece)

    def _call(self, index: object, call_id: str | None, function: object) -> None:
        """A delta goes on with the call of its index, unless it brings another id.

        Some imitators number every parallel call 0, or leave the index out.
        """
        position = index if type(index) is int and 0 <= index < len(self.calls) else -1
        begun = not self.calls or (type(index) is int and index >= len(self.calls))
        if not begun and call_id and self.calls[position].id not in (None, call_id):
            begun = True
        if begun:
            self.calls.append(_ToolCall())
            position = -1
        call = self.calls[position]
        call.id = call.id or call_id
        call.name = call.name or text(function, "name")
        piece = text(function, "arguments")
        if piece is not None:
            call.arguments.append(piece)


class ChatAccumulator:
    """Chat completions and legacy completions."""

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}

    def add(self, chunk: object) -> None:
        """Take a chunk's deltas, by choice."""
        for choice in items(chunk, "choices"):
            index = get(choice, "index")
            key = index if type(index) is int else 0
            state = self._choices.get(key)
            if state is None:
                state = self._choices[key] = _Choice()
            state.add(choice)

    def messages(self, unfinished: str = ERROR) -> list[Message]:
        """One message for each choice that said anything or came to its end, by index."""
        choices = [self._choices[index] for index in sorted(self._choices)]
        found = [(choice.finish, choice.message(unfinished)) for choice in choices]
        return [message for finish, message in found if finish or message["parts"]]
