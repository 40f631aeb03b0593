"""The events of a streamed message, in Anthropic's order."""

from __future__ import annotations

import json
from collections.abc import Iterator

from .answers import split
from .messages import Json

# Until the end only the input is known: the count of the output is a placeholder.
_PLACEHOLDER = 1


def message_events(message: Json) -> Iterator[Json]:
    """All events from `message_start` to `message_stop`."""
    usage = message["usage"]
    unfinished = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    begun = {key: usage[key] for key in usage if key not in _AT_THE_END}
    unfinished["usage"] = {**begun, "output_tokens": _PLACEHOLDER}
    yield {"type": "message_start", "message": unfinished}
    for index, block in enumerate(message["content"]):
        empty, deltas = _parts(block)
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        if index == 0:
            yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    final = {key: usage[key] for key in usage if key not in _AT_THE_START}
    stop = {key: message[key] for key in ("stop_reason", "stop_sequence")}
    yield {"type": "message_delta", "delta": stop, "usage": final}
    yield {"type": "message_stop"}


_AT_THE_END = frozenset({"output_tokens_details", "server_tool_use"})
_AT_THE_START = frozenset({"cache_creation", "service_tier"})


def _parts(block: Json) -> tuple[Json, Iterator[Json]]:
    """A block as it starts, and what is added to it."""
    kind = block["type"]
    if kind == "text":
        texts = split(block["text"])
        return {**block, "text": ""}, ({"type": "text_delta", "text": each} for each in texts)
    if kind == "thinking":
        return {**block, "thinking": "", "signature": ""}, _thoughts(block)
    if "input" in block:
        return {**block, "input": {}}, _input(json.dumps(block["input"]))
    return block, iter(())


def _thoughts(block: Json) -> Iterator[Json]:
    for text in split(block["thinking"]):
        yield {"type": "thinking_delta", "thinking": text}
    yield {"type": "signature_delta", "signature": block["signature"]}


def _input(text: str) -> Iterator[Json]:
    yield {"type": "input_json_delta", "partial_json": ""}
    for start in range(0, len(text), 8):
        yield {"type": "input_json_delta", "partial_json": text[start : start + 8]}
