"""A provider inside the process: fixed, realistic answers, so that no network is measured."""

from __future__ import annotations

import json
from typing import Any

try:  # openai 3 runs on httpx2, openai 2 on httpx
    import httpx2 as httpx
except ImportError:
    import httpx

from clients.spec import CHUNKS

_ID = "chatcmpl-CfH2kQ0m7VbYt3aLx9PzRs5UwNdEo"
_MODEL = "gpt-4o-2024-08-06"
_SENTENCE = (
    "Observability of language models begins with three numbers: how long a call took, how many "
    "tokens it used, and what it cost. "
)
_CHAT_USAGE = {
    "prompt_tokens": 1152,
    "completion_tokens": 212,
    "total_tokens": 1364,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 64,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
_CHAT = {
    "id": _ID,
    "object": "chat.completion",
    "created": 1795262400,
    "model": _MODEL,
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": _SENTENCE * 6,
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": _CHAT_USAGE,
    "service_tier": "default",
    "system_fingerprint": "fp_cbf1785567",
}
_EMBEDDINGS = {
    "object": "list",
    "data": [
        {"object": "embedding", "index": 0, "embedding": [i / 1536 - 0.5 for i in range(256)]}
    ],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 28, "total_tokens": 28},
}
_RESPONSE = {
    "id": "resp_68f0a1c2d3e4f5061728394a5b6c7d8e",
    "object": "response",
    "created_at": 1795262400,
    "status": "completed",
    "background": False,
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "max_output_tokens": 512,
    "model": _MODEL,
    "output": [
        {
            "id": "msg_68f0a1c2d3e4f5061728394a5b6c7d8f",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": _SENTENCE * 6, "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "service_tier": "default",
    "store": True,
    "temperature": 0.2,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "usage": {
        "input_tokens": 1152,
        "input_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 0},
        "output_tokens": 212,
        "output_tokens_details": {"reasoning_tokens": 64},
        "total_tokens": 1364,
    },
    "user": None,
    "metadata": {},
}

_MESSAGE_USAGE = {
    "input_tokens": 128,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 1024,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 212,
    "service_tier": "standard",
}
_MESSAGE = {
    "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5",
    "content": [{"type": "text", "text": _SENTENCE * 6}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": _MESSAGE_USAGE,
}

# What api.openai.com sends along, in number and length.
_HEADERS = {
    "date": "Sat, 21 Nov 2026 12:00:00 GMT",
    "access-control-expose-headers": "X-Request-ID",
    "openai-organization": "org-example",
    "openai-processing-ms": "812",
    "openai-project": "proj_example",
    "openai-version": "2020-10-01",
    "x-envoy-upstream-service-time": "830",
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-limit-tokens": "30000000",
    "x-ratelimit-remaining-requests": "9999",
    "x-ratelimit-remaining-tokens": "29998847",
    "x-ratelimit-reset-requests": "6ms",
    "x-ratelimit-reset-tokens": "2ms",
    "x-request-id": "req_2f1d9c0b7e6a45f8a3b2c1d0e9f80716",
    "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
    "cf-cache-status": "DYNAMIC",
    "set-cookie": "__cf_bm=example; path=/; domain=.api.openai.com; HttpOnly; Secure",
    "x-content-type-options": "nosniff",
    "server": "cloudflare",
    "cf-ray": "9a1b2c3d4e5f6071-FRA",
    "alt-svc": 'h3=":443"; ma=86400',
}


def _chunk(delta: dict[str, object], finish: str | None, **usage: object) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {
        "id": _ID,
        "object": "chat.completion.chunk",
        "created": 1795262400,
        "model": _MODEL,
        "service_tier": "default",
        "system_fingerprint": "fp_cbf1785567",
        "choices": [choice],
        **usage,
    }


def _stream(with_usage: bool) -> bytes:
    """`CHUNKS` chunks as server-sent events; with usage the last of them carries it."""
    null = {"usage": None} if with_usage else {}
    words = CHUNKS - 2 - with_usage
    chunks = [_chunk({"role": "assistant", "content": "", "refusal": None}, None, **null)]
    chunks += [_chunk({"content": f" word{n}"}, None, **null) for n in range(words)]
    chunks.append(_chunk({}, "stop", **null))
    if with_usage:
        chunks.append({**_chunk({}, None), "choices": [], "usage": _CHAT_USAGE})
    events = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    return b"".join([*events, b"data: [DONE]\n\n"])


def _message_stream() -> bytes:
    """`CHUNKS` events of a streamed message."""
    start = {**_MESSAGE, "content": [], "stop_reason": None}
    block = {"type": "text", "text": ""}
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    events = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": f" word{n}"},
            }
            for n in range(CHUNKS - 5)
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 212}},
        {"type": "message_stop"},
    ]
    lines = (f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events)
    return "".join(lines).encode()


_BODIES = {
    "/v1/messages": json.dumps(_MESSAGE).encode(),
    "/v1/chat/completions": json.dumps(_CHAT).encode(),
    "/v1/embeddings": json.dumps(_EMBEDDINGS).encode(),
    "/v1/responses": json.dumps(_RESPONSE).encode(),
}
_STREAMS = {with_usage: _stream(with_usage) for with_usage in (True, False)}
_MESSAGE_STREAM = _message_stream()
_JSON_HEADERS = {**_HEADERS, "content-type": "application/json"}
_SSE_HEADERS = {**_HEADERS, "content-type": "text/event-stream; charset=utf-8"}


def _answer(request: Any) -> Any:
    if b'"stream":true' in request.content and request.url.path == "/v1/messages":
        return httpx.Response(200, headers=_SSE_HEADERS, content=_MESSAGE_STREAM)
    if b'"stream":true' in request.content:
        body = _STREAMS[b'"include_usage":true' in request.content]
        return httpx.Response(200, headers=_SSE_HEADERS, content=body)
    return httpx.Response(200, headers=_JSON_HEADERS, content=_BODIES[request.url.path])


async def _answer_async(request: Any) -> Any:
    return _answer(request)


def client() -> Any:
    """An HTTP client whose every request is answered in the process."""
    return httpx.Client(transport=httpx.MockTransport(_answer))


def async_client() -> Any:
    """The asynchronous one."""
    return httpx.AsyncClient(transport=httpx.MockTransport(_answer_async))
