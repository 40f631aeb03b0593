"""From anything a body may hold to JSON that every exporter takes: bounded, redacted, cut."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TypeAlias

from llm_otel.base import guard
from llm_otel.base.read import text
from llm_otel.content.media import base64_size
from llm_otel.content.model import DEFINED_TYPES, Part

Redact: TypeAlias = Callable[[str], str]

REDACTION_FAILED = "[redaction failed]"
TOO_DEEP = "[dropped: nested too deep]"
TOO_LARGE = "[dropped: too large]"
# A level of an event's attribute costs three levels of protobuf, whose parsers stop at 100.
MAX_DEPTH = 24
MAX_VALUES = 20_000
_INT64 = 2**63

# The vocabulary of the conventions is no content: redaction and truncation leave it alone, or the
# shape would break. A value counts as vocabulary only where it stands below one of these keys.
_VOCABULARY_KEYS = frozenset({"type", "role", "modality", "finish_reason"})
_VOCABULARY = DEFINED_TYPES | frozenset({
    "omitted_blob", "token_ids", "unknown",
    "system", "developer", "user", "assistant", "tool", "function",
    "image", "audio", "video", "document",
    "stop", "length", "content_filter", "error", "cancelled",
    "object", "array", "string", "number", "integer", "boolean", "null",
})  # fmt: skip
# Keys of the conventions and of JSON Schema; any other key may be content.
_KNOWN_KEYS = frozenset({
    "role", "parts", "name", "finish_reason", "type", "content", "id", "arguments", "response",
    "server_tool_call", "server_tool_call_response", "modality", "mime_type", "uri", "file_id",
    "byte_length", "refusal", "count", "description", "parameters",
    "properties", "required", "items", "enum", "default", "title", "format", "anyOf", "oneOf",
    "allOf", "additionalProperties", "$ref", "$defs", "strict", "const", "minimum", "maximum",
    "pattern", "minLength", "maxLength",
})  # fmt: skip

_DATA_URL = re.compile(
    r"data:([\w.+/-]{0,100})(?:;[\w.+=-]{1,100}){0,5};base64,[A-Za-z0-9+/=_%-]*", re.IGNORECASE
)
_BASE64_RUN = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{1024,}={0,2}")
# Every 32nd character tells almost as well whether to look, at a thirtieth of the price.
_SAMPLED_RUN = re.compile(r"[A-Za-z0-9+/_-]{32}")
_BASE64_MIX = (re.compile("[A-Z]"), re.compile("[a-z]"), re.compile("[0-9]"))


def fields_of(node: object) -> dict[str, object] | None:
    """The entries of a dict or the set fields of a pydantic object; None for anything else."""
    if isinstance(node, dict):
        return dict(dict.items(node))
    # `__fields__` is pydantic 1's; on a class of pydantic 2 it would warn, so it comes second.
    kind = type(node)
    if not (hasattr(kind, "model_fields") or hasattr(kind, "__fields__")):
        return None
    fields = {**vars(node), **(getattr(node, "__pydantic_extra__", None) or {})}
    return {key: value for key, value in fields.items() if value is not None}


# What a part or item of a type unknown to us may hold beside content: keys, and opaque state.
_NEVER_COPIED = frozenset(
    {"type", "authorization", "headers", "encrypted_content", "signature", "cache_control"}
)


def generic_part(entry: object) -> Part:
    """The part for what we do not know: its type, and the rest as `content`."""
    kind = text(entry, "type")
    if kind is None or kind in DEFINED_TYPES:  # as it does not have the form of that type
        kind = "unknown"
    fields = fields_of(entry)
    if fields is None:
        return {"type": kind, "content": entry}
    rest = {key: value for key, value in fields.items() if key not in _NEVER_COPIED}
    return {"type": kind, "content": rest}


class Cleaner:
    """One pass over one call's content: plain JSON out, every string redacted, size bounded."""

    def __init__(self, redact: Redact | None) -> None:
        self._redact = redact
        self._left = MAX_VALUES

    def clean(self, node: object, depth: int = 0) -> object:
        """A copy of `node` in dicts, lists, strings, bools, finite floats and 64-bit ints."""
        self._left -= 1
        if isinstance(node, str):
            return self.string(node) if self._left >= 0 else TOO_LARGE
        if node is None or isinstance(node, bool):
            return node
        if isinstance(node, int):
            return int(node) if -_INT64 <= node < _INT64 else f"<int of {node.bit_length()} bits>"
        if isinstance(node, float):
            return float(node) if math.isfinite(node) else str(float(node))
        if isinstance(node, (list, tuple)):
            return self._list(node, depth) if depth < MAX_DEPTH else TOO_DEEP
        if isinstance(node, (bytes, bytearray)):
            return f"<bytes {len(node)}>"
        fields = fields_of(node)
        if fields is None:
            return f"<{type(node).__name__}>"
        return self._dict(fields, depth) if depth < MAX_DEPTH else TOO_DEEP

    def string(self, value: str) -> str:
        """`value` without media and lone surrogates, redacted."""
        bare = _without_media(well_formed(value))
        if self._redact is None:
            return bare
        try:
            redacted = self._redact(bare)
            if isinstance(redacted, str):
                return well_formed(redacted)
            raise TypeError("redact must return a string")
        except Exception as exc:  # noqa: BLE001 - the user's function; nothing unredacted goes on
            guard.handle("redact", exc)
            return REDACTION_FAILED

    def _list(self, node: list[object] | tuple[object, ...], depth: int) -> list[object]:
        result = []
        for entry in node:
            if self._left <= 0:
                break
            result.append(self.clean(entry, depth + 1))
        return result

    def _dict(self, fields: dict[str, object], depth: int) -> dict[str, object]:
        result: dict[str, object] = {}
        for key, value in fields.items():
            if self._left <= 0 and key not in _KNOWN_KEYS:
                continue
            if is_vocabulary(key, value):
                result[key] = value
            else:
                result[self._key(key)] = self.clean(value, depth + 1)
        return result

    def _key(self, key: object) -> str:
        if not isinstance(key, str):
            return str(self.clean(key))
        return key if key in _KNOWN_KEYS else self.string(key)


def clip(node: object, limit: int) -> object:
    """A copy of cleaned JSON in which no string is longer than `limit` characters and its mark."""
    if isinstance(node, str):
        return clip_text(node, limit)
    if isinstance(node, list):
        return [clip(entry, limit) for entry in node]
    if isinstance(node, dict):
        return {
            key if key in _KNOWN_KEYS else clip_text(key, limit): value
            if is_vocabulary(key, value)
            else clip(value, limit)
            for key, value in node.items()
        }
    return node


def clip_text(value: str, limit: int) -> str:
    """The first `limit` characters and how many were left out; a limit of 0 cuts nothing."""
    if limit <= 0 or len(value) <= limit:
        return value
    return f"{value[:limit]}…[truncated {len(value) - limit} chars]"


def is_vocabulary(key: object, value: object) -> bool:
    """Whether `value` is a word of the conventions in a place for one."""
    return (
        isinstance(key, str)
        and key in _VOCABULARY_KEYS
        and type(value) is str
        and value in _VOCABULARY
    )


def well_formed(value: str) -> str:
    """`value` as UTF-8 can carry it: surrogate pairs joined, lone surrogates U+FFFD."""
    plain = str.__str__(value)
    if plain.isascii():
        return plain
    try:
        plain.encode()
    except UnicodeEncodeError:
        return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return plain


def _without_media(value: str) -> str:
    """Base64 that hides in text: data URLs, and long unbroken runs of mixed characters."""
    if ";base64," in value.lower():
        value = _DATA_URL.sub(
            lambda match: f"data:{match[1]};base64,[omitted {len(match[0])} chars]", value
        )
    if len(value) >= 1024 and _SAMPLED_RUN.search(value[::32]):
        value = _BASE64_RUN.sub(_omitted_run, value)
    return value


def _omitted_run(match: re.Match[str]) -> str:
    run = match[0]
    if all(kind.search(run) for kind in _BASE64_MIX):
        return f"[omitted {base64_size(len(run))} bytes of base64]"
    return run
