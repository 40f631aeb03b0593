"""What a server may answer that no documentation mentions: whole bodies and streams."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import Any

from llm_otel.testing import Reply

JSON = {"content-type": "application/json", "x-request-id": "req_1"}
SSE = {"content-type": "text/event-stream", "x-request-id": "req_1"}

CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-2024-08-06",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Yes.", "refusal": None},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "gpt-5",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Yes.", "annotations": []}],
        }
    ],
    "usage": {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11},
}
EMBEDDINGS: dict[str, Any] = {
    "object": "list",
    "model": "text-embedding-3-small",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.5]}],
    "usage": {"prompt_tokens": 9, "total_tokens": 9},
}
CHUNK: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Yes."}}],
}
LAST: dict[str, Any] = {**CHUNK, "choices": []}
END = {**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def reply(body: Any, status: int = 200, **headers: str) -> Reply:
    """A reply with a JSON body: bytes and text as they are."""
    given = {k.replace("_", "-"): v for k, v in headers.items()}
    content = body if isinstance(body, (bytes, str)) else json.dumps(body)
    return Reply(status=status, body=content, headers={**JSON, **given})


@dataclass(frozen=True)
class Wire:
    """The good bodies of a protocol, to be varied.

    Attributes:
        answer: A whole one.
        start, end: The events of a stream before and after what goes on.
        chunk: An event that goes on.
        done: What follows the last event.
        named: Each event has its type as its name.
    """

    answer: dict[str, Any]
    start: tuple[Any, ...]
    chunk: dict[str, Any]
    end: tuple[Any, ...]
    done: bytes
    named: bool

    def event(self, item: Any) -> bytes:
        """An event on the wire: bytes as they are, anything else as the JSON of its data."""
        if isinstance(item, bytes):
            return item
        data = b"data: " + json.dumps(item).encode() + b"\n\n"
        kind = item.get("type") if isinstance(item, dict) else None
        name = kind if isinstance(kind, str) and kind else self.chunk.get("type", "")
        return f"event: {name}\n".encode() + data if self.named else data

    def events(self, *items: Any, done: bool = True, ending: Any = "complete") -> Reply:
        """A stream of events."""
        chunks = [self.event(item) for item in items]
        return Reply(chunks=[*chunks, *[self.done] * (done and bool(self.done))],
                     headers=SSE, ending=ending)  # fmt: skip

    def stream(self, *items: Any, **more: Any) -> Reply:
        """A stream that begins well, goes on with these items, and ends well."""
        return self.events(*self.start, self.chunk, *items, *self.end, **more)

    def begun(self, *items: Any, **more: Any) -> Reply:
        """A stream that begins well, goes on with these items, and ends there."""
        return self.events(*self.start, self.chunk, *items, done=False, **more)


OPENAI = Wire(CHAT, (), CHUNK, (END,), b"data: [DONE]\n\n", named=False)
events = OPENAI.events


NESTED: dict[str, Any] = {"a": [{"b": {"c": [[[]]]}}]}
USAGES: dict[str, Any] = {
    "string": "nine",
    "list": [9, 2],
    "number": 9,
    "true": True,
    "negative": {"prompt_tokens": -9, "completion_tokens": -2, "input_tokens": -9},
    "floats": {"prompt_tokens": 9.5, "completion_tokens": 1e300, "input_tokens": 1e300},
    "huge": {"prompt_tokens": 2**70, "completion_tokens": 2**63, "input_tokens": 2**70},
    "strings": {"prompt_tokens": "9", "completion_tokens": "2", "input_tokens": "9"},
    "nested": {"prompt_tokens": NESTED, "prompt_tokens_details": [NESTED], "input_tokens": NESTED},
    "details": {
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 2**70, "audio_tokens": "x"},
        "completion_tokens_details": "many",
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 500},
    },
    "null counts": {"prompt_tokens": None, "completion_tokens": None, "input_tokens": None},
    "empty": {},
    "costs": {"prompt_tokens": 1, "completion_tokens": 1, "cost": "free", "input_tokens": 1},
}
CHOICES: dict[str, Any] = {
    "null": None,
    "string": "none",
    "number": 3,
    "object": {"0": "x"},
    "null inside": [None],
    "string inside": ["x", 1, [], True],
    "empty": [],
    "nothing inside": [{}],
    "null message": [{"index": 0, "message": None, "delta": None, "finish_reason": "stop"}],
    "odd index": [{"index": [1], "message": {"content": "x"}, "delta": {}, "finish_reason": "a"}],
    "odd reason": [{"index": 0, "message": {"content": "x"}, "delta": {}, "finish_reason": 7}],
    "reason list": [{"index": 0, "message": {"content": 1}, "delta": 1, "finish_reason": ["x"]}],
    "odd content": [{"index": 0, "message": {"content": NESTED}, "delta": {"content": NESTED}}],
    "odd tools": [
        {
            "index": 0,
            "message": {"content": None, "tool_calls": [None, "x", {"function": None}, NESTED]},
            "delta": {"tool_calls": [None, "x", {"index": "0", "function": None}, NESTED]},
            "finish_reason": "tool_calls",
        }
    ],
    "tools string": [{"message": {"tool_calls": "all"}, "delta": {"tool_calls": "all"}}],
    "surrogate": [
        {
            "index": 0,
            "message": {"role": "\ud800", "content": "\udc80 half"},
            "delta": {"role": "\ud800", "content": "\udc80 half"},
            "finish_reason": "\ud83d",
        }
    ],
}
FIELDS: dict[str, dict[str, Any]] = {
    "model null": {"model": None},
    "model number": {"model": 4},
    "model surrogate": {"model": "gpt-\ud800"},
    "model long": {"model": "m" * 5000},
    "id number": {"id": 7},
    "id list": {"id": ["x"]},
    "id surrogate": {"id": "chatcmpl-\udc00"},
    "tier odd": {"service_tier": {"a": 1}, "system_fingerprint": 9},
    "unknown fields": {"hello": NESTED, "usage_extra": [1], "_request_id": "mine", "__dict__": 1},
    "python's names": {"__class__": "x", "self": 1, "model_dump": 1, "copy": 2, "json": 3},
    "status odd": {"status": ["completed"], "incomplete_details": "x", "error": "x"},
    "status failed": {"status": "failed", "error": {"code": ["x"], "message": None}},
    "output null": {"output": None},
    "output string": {"output": "x"},
    "output nulls": {"output": [None, "x", 1, {"type": "message", "content": None}, {"type": 3}]},
    "tools odd": {"tools": [None, 1, {"type": "image_generation"}], "tool_usage": "much"},
    "tool usage": {"tool_usage": {"web_search": {"num_requests": 2**70}, "image_gen": [1]}},
    "error beside": {"error": {"message": "no", "code": "x"}},
    "data null": {"data": None},
    "data nulls": {"data": [None, "x", {"embedding": None}]},
    "data strings": {"data": [{"object": "embedding", "index": 0, "embedding": "not base64!"}]},
}


def raw(wire: Wire) -> dict[str, Reply]:
    """Bodies that are not what they should be, whatever the protocol."""
    good = wire.answer
    return {
        "list": reply([1, {"usage": 2}]),
        "null": reply("null"),
        "number": reply("1e400"),
        "infinity": reply(
            '{"id":"x","usage":{"prompt_tokens":1e400,"completion_tokens":Infinity}}'
        ),
        "not a number": reply('{"id":"x","usage":{"prompt_tokens":NaN},"choices":[]}'),
        "string": reply('"hello"'),
        "empty": reply(""),
        "empty object": reply({}),
        "html": reply("<html>Sign in</html>", content_type="text/html"),
        "html as json": reply("<html>Sign in</html>"),
        "bad gateway": reply("<html>502</html>", 502, content_type="text/html"),
        "half json": reply('{"id": "x", "choices": [{"ind'),
        "cut": Reply(body=json.dumps(good), headers=JSON, ending="cut"),
        "not utf-8": reply(b'{"id":"\xff\xfe","choices":[]}'),
        "latin-1": reply(b'{"id":"\xe9"}', content_type="application/json; charset=latin-1"),
        "utf-16": reply(json.dumps(good).encode("utf-16")),
        "byte order mark": reply(b"\xef\xbb\xbf" + json.dumps(good).encode()),
        "gzip": reply(gzip.compress(json.dumps(good).encode()), content_encoding="gzip"),
        "no gzip": reply(json.dumps(good), content_encoding="gzip"),
        "half gzip": reply(gzip.compress(json.dumps(good).encode())[:40], content_encoding="gzip"),
        "text": reply(good, content_type="text/plain"),
        "no type": reply(good, content_type=""),
        "odd type": reply(good, content_type="application/x-nonsense; a=b; charset=\x7f"),
        "stream for no stream": wire.stream(),
        "error with 200": reply(
            {"error": {"message": "no", "type": "x", "code": "model_not_found"}}
        ),
        "error string": reply({"error": "no"}, 400),
        "error list": reply(["no"], 400),
        "error null": reply("null", 400),
        "error number code": reply(
            {"error": {"message": 1, "code": 7, "type": [], "param": {}}}, 404
        ),
        "filtered": reply({"error": {"message": "no", "code": "content_filter"}}, 400),
        "teapot": reply({"error": {"message": "I am a teapot"}}, 418),
        "no content": reply("", 204),
        "not modified": reply("", 304),
        "odd limits": reply(
            good,
            x_ratelimit_limit_tokens="many",
            x_ratelimit_remaining_tokens="-1e400",
            x_ratelimit_reset_tokens="soon",
            x_request_id="\xe9\xff",
            anthropic_ratelimit_tokens_limit="many",
            anthropic_ratelimit_tokens_remaining="-1e400",
            anthropic_ratelimit_tokens_reset="2026-13-45T99:00:00Z",
            request_id="\xe9\xff",
        ),
        "deep": reply('{"usage":' * 400 + "1" + "}" * 400),
        "deeper than Python": reply("[" * 20_000 + "]" * 20_000),
        "megabyte": reply({**good, "extra": "x" * 1_000_000}),
    }


RAW = raw(OPENAI)


def bodies(good: dict[str, Any]) -> dict[str, Reply]:
    """Every hostile whole body, as variations of a good one where it is JSON."""
    found = {"good": reply(good)}
    found |= {f"usage {name}": reply({**good, "usage": usage}) for name, usage in USAGES.items()}
    found |= {f"choices {name}": reply({**good, "choices": c}) for name, c in CHOICES.items()}
    found |= {name: reply({**good, **fields}) for name, fields in FIELDS.items()}
    found |= {f"without {key}": reply({k: good[k] for k in good if k != key}) for key in good}
    return found | RAW


def streams() -> dict[str, Reply]:
    """Every hostile stream of chunks with choices."""
    found = {
        f"choices {name}": events(CHUNK, {**CHUNK, "choices": choices}, END)
        for name, choices in CHOICES.items()
    }
    found |= {
        name: events({**CHUNK, **fields}, {**END, **fields})
        for name, fields in FIELDS.items()
        if "error" not in fields
    }
    found |= {f"without {key}": events({k: CHUNK[k] for k in CHUNK if k != key}) for key in CHUNK}
    return found | FRAMES


# Streams in which the server tells its usage though nobody asked.
USAGE_STREAMS: dict[str, Reply] = {
    f"usage {name}": events(
        CHUNK, {**END, "usage": usage}, {**CHUNK, "choices": [], "usage": usage}
    )
    for name, usage in USAGES.items()
}
USAGE_STREAMS["usage in every chunk"] = events(
    *[{**CHUNK, "usage": CHAT["usage"]}] * 3, {**END, "usage": CHAT["usage"]}
)
USAGE_STREAMS["final chunk twice"] = events(CHUNK, END, *[{**LAST, "usage": CHAT["usage"]}] * 2)
USAGE_STREAMS["usage of groq"] = events(CHUNK, {**END, "x_groq": {"usage": "x"}})
USAGE_STREAMS["usage in choice"] = events(
    CHUNK, {**END, "choices": [{"finish_reason": "stop", "usage": [1]}]}
)


def frames(wire: Wire) -> dict[str, Reply]:
    """Streams whose framing is not what it should be, whatever the protocol."""
    chunk, events = wire.chunk, wire.events
    data = json.dumps(chunk).encode()
    name = wire.event(chunk).partition(b"data:")[0]
    head, start, end = name + b"data: ", wire.start, wire.end
    gzipped = gzip.compress(head + data + b"\n\n" + wire.done)
    return {
        "good": wire.stream(),
        "nothing": events(done=False),
        "only done": events(),
        "no done": wire.stream(done=False),
        "after done": wire.stream(wire.done, chunk, b"garbage\n\n"),
        "comments": events(b": ping\n\n", *start, chunk, b":\n: x\n\n", *end),
        "blank lines": events(b"\n\n\n", *start, chunk, b"\n\n", *end),
        "odd names": events(
            *start, b"event: ping\ndata: " + data + b"\n\n", b"event: thread.x\ndata: {}\n\n"
        ),
        "no name": events(*start, b"data: " + data + b"\n\n", *end),
        "no space": events(*start, name + b"data:" + data + b"\n\n", *end),
        "other fields": events(
            *start, b"id: 7\nretry: x\nfoo: bar\n" + head + data + b"\n\n", *end
        ),
        "carriage returns": events(*start, head + data + b"\r\n\r\n", head + data + b"\r\r"),
        "two data lines": events(*start, name + b'data: {"choices":\ndata: []}\n\n', *end),
        "split": events(*start, head[:2], head[2:] + data[:30], data[30:], b"\n", b"\n", *end),
        "error": wire.begun({"error": {"message": "no", "code": "server_error"}}, wire.done),
        "error string": wire.begun({"error": "no"}, wire.done),
        "error event": wire.begun(b'event: error\ndata: {"error": {"message": 3}}\n\n', wire.done),
        "null": wire.stream(None),
        "number": wire.stream(3, 1.5, True),
        "string": wire.stream("x"),
        "list": wire.stream([1, None]),
        "empty data": wire.stream(name + b"data:\n\n"),
        "empty object": events({}, {}, *end),
        "not json": wire.stream(head + b"{nonsense\n\n"),
        "html": events(b"<html>Sign in</html>", done=False),
        "not utf-8": wire.stream(head + b'{"id": "\xff"}\n\n'),
        "ends in event": wire.begun(head + b'{"id": "x", "cho'),
        "cut": wire.begun(head + b'{"id": "x", "cho', ending="cut"),
        "cut between": wire.begun(chunk, ending="cut"),
        "cut at once": events(b"", done=False, ending="cut"),
        "megabyte": events(*start, {**chunk, "extra": "x" * 1_000_000}, *end),
        "no stream": reply(wire.answer),
        "gateway": reply("<html>502</html>", 502, content_type="text/html"),
        "limited": reply({"error": {"message": "slow", "code": "rate_limit_exceeded"}}, 429),
        "gzip": Reply(body=gzipped, headers={**SSE, "content-encoding": "gzip"}),
        "no gzip": Reply(body=head + data, headers={**SSE, "content-encoding": "gzip"}),
    }


FRAMES = frames(OPENAI)


def _event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "sequence_number": 1, **fields}


_CREATED = _event("response.created", response={**RESPONSE, "status": "in_progress"})
_DELTA = _event(
    "response.output_text.delta", item_id="m", output_index=0, content_index=0, delta="Yes."
)
_COMPLETED = _event("response.completed", response=RESPONSE)
RESPONSE_STREAMS: dict[str, Reply] = {
    **FRAMES,
    "good responses": events(_CREATED, _DELTA, _COMPLETED, done=False),
    "completed first": events(_COMPLETED, _DELTA, _CREATED),
    "completed twice": events(_CREATED, _COMPLETED, _COMPLETED),
    "never completed": events(_CREATED, _DELTA),
    "never created": events(_DELTA),
    "response null": events(_event("response.created", response=None), _DELTA,
                            _event("response.completed", response=None)),
    "response string": events(_event("response.completed", response="x")),
    "response list": events(_CREATED, _event("response.incomplete", response=[1])),
    "response missing": events(_event("response.completed")),
    "response failed": events(_CREATED, _event("response.failed", response={
        **RESPONSE, "status": "failed", "error": {"code": 3, "message": None}, "usage": None})),
    "error event": events(_CREATED, _event("error", code=7, message=["x"], param=None)),
    "type number": events(_CREATED, {"type": 3}, {"type": ["x"]}, {"type": None}),
    "type unknown": events(_CREATED, _event("response.from.the.future", x=NESTED), _COMPLETED),
    "delta odd": events(_CREATED, {**_DELTA, "delta": NESTED}, {**_DELTA, "delta": "\ud800"}),
    "item odd": events(_CREATED, _event("response.output_item.done", item="x", output_index="y"),
                       _event("response.output_item.done", item=None), _COMPLETED),
    **{f"usage {name}": events(_CREATED, _event(
        "response.completed", response={**RESPONSE, "usage": usage}))
       for name, usage in USAGES.items()},
}  # fmt: skip
