"""Anthropic's good bodies, and what varies in them."""

from __future__ import annotations

from typing import Any

from hostile.bodies import NESTED, USAGES, Wire, frames, raw, reply

from llm_otel.testing import Reply

MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5",
    "content": [{"type": "text", "text": "Yes."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 2},
}
START: dict[str, Any] = {
    "type": "message_start",
    "message": {**MESSAGE, "content": [], "stop_reason": None},
}
BLOCK: dict[str, Any] = {
    "type": "content_block_start",
    "index": 0,
    "content_block": {"type": "text", "text": ""},
}
DELTA: dict[str, Any] = {
    "type": "content_block_delta",
    "index": 0,
    "delta": {"type": "text_delta", "text": "Yes."},
}
STOP: dict[str, Any] = {"type": "content_block_stop", "index": 0}
LAST: dict[str, Any] = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
    "usage": {"output_tokens": 2},
}
END: dict[str, Any] = {"type": "message_stop"}

ANTHROPIC = Wire(
    answer=MESSAGE, start=(START, BLOCK), chunk=DELTA, end=(STOP, LAST, END), done=b"", named=True
)

COUNTS: dict[str, Any] = {
    **USAGES,
    "odd caches": {
        "input_tokens": 1,
        "output_tokens": 1,
        "cache_read_input_tokens": 2**70,
        "cache_creation_input_tokens": "x",
        "cache_creation": {"ephemeral_5m_input_tokens": -1, "ephemeral_1h_input_tokens": [1]},
    },
    "odd tools": {
        "input_tokens": 1,
        "output_tokens": 1,
        "server_tool_use": {"web_search_requests": 2**70, "web_fetch_requests": None},
        "iterations": [None, "x", {"type": "compaction"}, {"type": 3, "input_tokens": 1}],
        "output_tokens_details": "many",
    },
}
CONTENTS: dict[str, Any] = {
    "null": None,
    "string": "none",
    "number": 3,
    "object": {"0": "x"},
    "nulls": [None, "x", 1, [], True],
    "empty": [],
    "nothing inside": [{}],
    "odd text": [{"type": "text", "text": NESTED}, {"type": "text"}, {"type": 3}],
    "odd tool": [{"type": "tool_use", "id": 1, "name": None, "input": "x"}, {"type": "tool_use"}],
    "odd thinking": [{"type": "thinking", "thinking": 5, "signature": None}],
    "odd server tool": [
        {"type": "server_tool_use", "name": [1], "input": NESTED},
        {"type": "web_search_tool_result", "tool_use_id": 1, "content": {"error_code": 7}},
        {"type": "web_search_tool_result", "content": [None, 1]},
        {"type": "block_from_the_future", "x": NESTED},
    ],
    "surrogate": [{"type": "text", "text": "\udc80 half"}],
}
FIELDS: dict[str, dict[str, Any]] = {
    "model null": {"model": None},
    "model number": {"model": 4},
    "model surrogate": {"model": "claude-\ud800"},
    "model long": {"model": "m" * 5000},
    "id number": {"id": 7},
    "id surrogate": {"id": "msg_\udc00"},
    "stop null": {"stop_reason": None},
    "stop number": {"stop_reason": 7},
    "stop list": {"stop_reason": ["x"]},
    "stop surrogate": {"stop_reason": "\ud83d"},
    "type odd": {"type": 3},
    "type missing": {"type": None},
    "role odd": {"role": "\ud800"},
    "unknown fields": {"hello": NESTED, "container": "x", "_request_id": "mine", "__dict__": 1},
    "python's names": {"__class__": "x", "self": 1, "model_dump": 1, "copy": 2, "json": 3},
    "error beside": {"error": {"message": "no", "type": "x"}},
    "error type": {"type": "error", "error": {"type": "overloaded_error", "message": 3}},
}


def bodies() -> dict[str, Reply]:
    """Every hostile whole body."""
    varied = (
        {f"usage {name}": {**MESSAGE, "usage": usage} for name, usage in COUNTS.items()}
        | {f"content {name}": {**MESSAGE, "content": each} for name, each in CONTENTS.items()}
        | {name: {**MESSAGE, **fields} for name, fields in FIELDS.items()}
        | {f"without {key}": {k: MESSAGE[k] for k in MESSAGE if k != key} for key in MESSAGE}
    )
    return {name: reply(body) for name, body in varied.items()} | raw(ANTHROPIC)


def streams() -> dict[str, Reply]:
    """Every hostile stream."""
    begun, ended = (START, BLOCK, DELTA), (STOP, LAST, END)
    message = START["message"]
    varied = (
        {
            f"usage {name}": (
                {**START, "message": {**message, "usage": usage}},
                BLOCK,
                DELTA,
                STOP,
                {**LAST, "usage": usage},
                END,
            )
            for name, usage in COUNTS.items()
        }
        | {
            f"message {name}": ({**START, "message": {**message, **fields}}, *begun[1:], *ended)
            for name, fields in FIELDS.items()
        }
        | {
            f"delta {name}": (*begun, {**DELTA, "delta": delta}, *ended)
            for name, delta in _DELTAS.items()
        }
        | {
            "stop odd": (*begun, STOP, {**LAST, "delta": {"stop_reason": ["x"]}}, END),
            "stop null": (*begun, STOP, {**LAST, "delta": None}, END),
            "message null": ({**START, "message": None}, *ended),
            "message twice": (*begun, *begun, *ended),
            "last twice": (*begun, STOP, LAST, LAST, END),
            "never started": (BLOCK, DELTA, *ended),
            "never stopped": begun,
            "stopped first": (END, *begun),
            "block odd": ({**START}, {**BLOCK, "content_block": "x", "index": "y"}, *ended),
            "index odd": (START, {**BLOCK, "index": 2**70}, {**DELTA, "index": None}, *ended),
            "type number": (START, {"type": 3}, {"type": ["x"]}, {"type": None}, *ended),
            "type unknown": (*begun, {"type": "event_from_the_future", "x": NESTED}, *ended),
            "error event": (*begun, {"type": "error", "error": {"type": "overloaded_error"}}),
            "error odd": (*begun, {"type": "error", "error": [1]}),
        }
    )
    return {name: ANTHROPIC.events(*each) for name, each in varied.items()} | frames(ANTHROPIC)


_DELTAS: dict[str, Any] = {
    "null": None,
    "string": "x",
    "empty": {},
    "odd text": {"type": "text_delta", "text": NESTED},
    "odd json": {"type": "input_json_delta", "partial_json": '{"a'},
    "odd thinking": {"type": "thinking_delta", "thinking": None},
    "signature": {"type": "signature_delta", "signature": 5},
    "citation": {"type": "citations_delta", "citation": {"type": "x"}},
    "surrogate": {"type": "text_delta", "text": "\ud800"},
}
