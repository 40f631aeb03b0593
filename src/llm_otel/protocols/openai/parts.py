"""Content parts and tool definitions as OpenAI's endpoints and their imitators write them."""

from __future__ import annotations

from collections.abc import Callable

from llm_otel.base.read import get, text
from llm_otel.content.media import file_part, media_part
from llm_otel.content.model import Part, reasoning_part, refusal_part, sequence, text_part
from llm_otel.content.plain import generic_part


def content_parts(content: object) -> list[Part]:
    """The parts of a message's `content`: nothing, a string, or a list of typed parts."""
    if isinstance(content, str):
        return [text_part(content)] if content else []
    return [content_part(entry) for entry in sequence(content)]


def content_part(entry: object) -> Part:
    """One typed content part in the conventions' shape."""
    if isinstance(entry, str):
        return text_part(entry)
    kind = get(entry, "type")
    build = _PARTS.get(kind) if isinstance(kind, str) else None
    part = build(entry) if build is not None else None
    return part if part is not None else generic_part(entry)


def tool_definitions(body: object) -> list[dict[str, object]]:
    """`gen_ai.tool.definitions` of a request or response, legacy `functions` included."""
    tools = [*sequence(get(body, "tools")), *sequence(get(body, "functions"))]
    return [tool_definition(tool) for tool in tools]


def tool_definition(tool: object) -> dict[str, object]:
    """Type, name, description and parameters; nothing else, as MCP tools carry credentials."""
    declared = get(tool, "type")
    kind = declared if isinstance(declared, str) else "function"
    nested = get(tool, kind)
    node = tool if nested is None or isinstance(nested, str) else nested
    name = text(node, "name") or text(tool, "server_label") or kind
    result: dict[str, object] = {"type": kind, "name": name}
    for key in ("description", "parameters"):
        value = get(node, key)
        if value is not None:
            result[key] = value
    return result


def _text(entry: object) -> Part | None:
    value = get(entry, "text")
    return text_part(value) if isinstance(value, str) else None


def _reasoning(entry: object) -> Part | None:
    value = get(entry, "text")
    return reasoning_part(value) if isinstance(value, str) else None


def _refusal(entry: object) -> Part | None:
    value = get(entry, "refusal")
    return refusal_part(value) if isinstance(value, str) else None


def thinking_text(entry: object) -> str:
    """The text of one of Mistral's thinking blocks, which holds parts of its own."""
    thoughts = sequence(get(entry, "thinking"))
    texts = [each if isinstance(each, str) else text(each, "text") for each in thoughts]
    return "".join(each for each in texts if each)


def _thinking(entry: object) -> Part:
    return reasoning_part(thinking_text(entry))


def _audio(entry: object) -> Part:
    """OpenAI nests the data beside their format, Mistral does not."""
    audio = get(entry, "input_audio")
    if isinstance(audio, str):
        return media_part(audio, "audio")
    form = text(audio, "format")
    return media_part(get(audio, "data"), "audio", f"audio/{form}" if form else None)


def _file(entry: object) -> Part:
    """Chat nests it in `file`, responses do not."""
    nested = get(entry, "file")
    node = entry if nested is None else nested
    file_id = text(node, "file_id")
    if file_id:
        return file_part(file_id)
    return media_part(get(node, "file_url") or get(node, "file_data"), "document")


def _linked(key: str, modality: str) -> Callable[[object], Part]:
    """A builder for parts that hold a file id, or below `key` a URL or an object with `url`."""

    def build(entry: object) -> Part:
        file_id = text(entry, "file_id")
        if file_id:
            return file_part(file_id, modality)
        source = get(entry, key)
        return media_part(source if isinstance(source, str) else get(source, "url"), modality)

    return build


_IMAGE = _linked("image_url", "image")
_PARTS: dict[str, Callable[[object], Part | None]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "summary_text": _reasoning,
    "reasoning_text": _reasoning,
    "refusal": _refusal,
    "image_url": _IMAGE,
    "input_image": _IMAGE,
    "computer_screenshot": _IMAGE,
    "audio_url": _linked("audio_url", "audio"),
    "video_url": _linked("video_url", "video"),
    "input_audio": _audio,
    "file": _file,
    "input_file": _file,
    # Mistral's: https://docs.mistral.ai/capabilities/reasoning
    "thinking": _thinking,
    "document_url": _linked("document_url", "document"),
}
