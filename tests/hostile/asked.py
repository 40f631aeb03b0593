"""The oracle for streams whose usage we ask for: what OpenAI answers then, and what we may send."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from llm_otel.testing import ReceivedRequest, Reply

_USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


def told(request: ReceivedRequest, reply: Reply | None) -> Reply | None:
    """The reply as OpenAI sends it to who asks for usage: null in every chunk, and one more."""
    if reply is None or not _asks(request.json):
        return reply
    if reply.chunks is not None:
        return replace(reply, chunks=_with_usage(reply.chunks))
    if isinstance(reply.body, bytes) and reply.headers.get("content-type") == "text/event-stream":
        events = (part + b"\n\n" for part in reply.body.removesuffix(b"\n\n").split(b"\n\n"))
        return replace(reply, body=b"".join(_with_usage(events)))
    return reply


def _with_usage(chunks: Iterable[bytes]) -> Iterator[bytes]:
    last = None
    for chunk in chunks:
        data = _json(chunk.removeprefix(b"data: "))
        if last is not None and chunk.startswith(b"data: [DONE]"):
            yield _event({**last, "choices": [], "usage": _USAGE})
            last = None
        if isinstance(data, dict) and "choices" in data:
            last = data
            yield _event({**data, "usage": None})
        else:
            yield chunk


def asking(entry: tuple[str, str, dict[str, str], bytes]) -> Any:
    """A request on the wire with exactly what we are allowed to add."""
    method, target, headers, body = entry
    data = _json(body)
    streams = isinstance(data, dict) and data.get("stream") is True
    raw = headers.get("x-stainless-raw-response") == "stream"
    if not streams or raw or not target.partition("?")[0].endswith("/completions"):
        return entry
    options = data.get("stream_options")
    if not (options is None or isinstance(options, dict)) or "include_usage" in (options or {}):
        return entry
    more = {**data, "stream_options": {**(options or {}), "include_usage": True}}
    text = json.dumps(more, separators=(",", ":"), ensure_ascii=False).encode()
    return method, target, {**headers, "content-length": str(len(text))}, text


def _asks(body: Any) -> bool:
    options = body.get("stream_options") if isinstance(body, dict) else None
    return isinstance(options, dict) and "include_usage" in options


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
