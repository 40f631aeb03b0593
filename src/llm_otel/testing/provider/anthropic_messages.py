"""Anthropic's Messages API: whole, streamed, and counted; on Vertex AI and Bedrock too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from . import aws_events, sse
from .answers import IMAGE_TOKENS, Answer, Prompt, Tool, compose, count_tokens, words
from .anthropic_events import message_events
from .messages import Json, ProtocolError, ReceivedRequest, Reply
from .state import State

_CACHE_MINIMUM = 1024
_LIFETIMES = {"5m": "ephemeral_5m_input_tokens", "1h": "ephemeral_1h_input_tokens"}
_MEDIA = frozenset({"image", "document"})


@dataclass(frozen=True)
class Segment:
    """A piece of a prompt, in the order in which the prompt cache compares them.

    Attributes:
        text: Its text.
        tokens: Its tokens, media included.
        lifetime: Of the cache entry that ends with it (`5m` or `1h`); None without a mark.
    """

    text: str
    tokens: int
    lifetime: str | None = None


def create_message(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/messages`, `…:rawPredict` and `/model/…/invoke`."""
    framed = request.path.endswith("/invoke-with-response-stream")
    body = request.json
    message = answer_message(body, request.model, state)
    if not (framed or body.get("stream")):
        texts = [block.get("text", "") for block in message["content"]]
        return Reply(body=message, pieces=sum(map(_pieces, texts)) or 1, usage=message["usage"])
    events = list(message_events(message))
    if framed:
        chunks = [aws_events.chunk(json.dumps(event).encode()) for event in events]
        headers = {"content-type": aws_events.MEDIA_TYPE}
    else:
        chunks = [sse.event(event, event["type"]) for event in events]
        headers = {}
    return Reply(chunks=chunks, pieces=len(chunks), usage=message["usage"], headers=headers)


def count(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `POST /v1/messages/count_tokens`."""
    prompt = _prompt(_checked(request.json, request.model, bounded=False), request.model)
    return Reply(body={"input_tokens": prompt.tokens})


def answer_message(body: Any, model: str, state: State, *, tier: str = "standard") -> Json:
    """The whole message that answers a request's body.

    Raises:
        ProtocolError: The request is refused.
    """
    body = _checked(body, model, bounded=True)
    prompt = _prompt(body, model)
    answer, stop = _stopped(compose(state, prompt, body), body.get("stop_sequences") or ())
    tools = _server_tools(body, prompt)
    searches = tools.count("web_search")
    return {
        "id": state.new_id("msg_01", 26),
        "type": "message",
        "role": "assistant",
        "model": prompt.model,
        "content": list(_content(state, prompt, answer, tools)),
        "stop_reason": _stop_reason(answer, stop),
        "stop_sequence": stop,
        "usage": {**_usage(state, body, prompt, answer, searches), "service_tier": tier},
    }


def _pieces(text: str) -> int:
    return len(text.split())


def _checked(body: Any, model: str, *, bounded: bool) -> Json:
    if not isinstance(body, dict):
        raise ProtocolError("The request body is not valid JSON")
    messages = body.get("messages")
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        raise ProtocolError("messages: Input should be a valid list")
    if not model:
        raise ProtocolError("model: Field required")
    limit = body.get("max_tokens")
    if bounded and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise ProtocolError("max_tokens: Field required")
    return body


# ------------------------------------------------------------------ the prompt
def _prompt(body: Json, model: str) -> Prompt:
    segments = list(_segments(body))
    choice = body.get("tool_choice") or {}
    config = body.get("output_config") or {}
    form = config.get("format") or body.get("output_format") or {}
    return Prompt(
        model=model,
        text="\x1e".join(segment.text for segment in segments),
        tokens=3 + sum(segment.tokens for segment in segments),
        question=_question(body["messages"]),
        tools=[] if choice.get("type") == "none" else _functions(body),
        must_call=str(choice["name"]) if "name" in choice else choice.get("type") == "any",
        schema=dict(form["schema"]) if form.get("type") == "json_schema" else None,
        max_tokens=body.get("max_tokens"),
        effort=config.get("effort") or "medium",
        thinks=(body.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
    )


def _question(messages: list[Json]) -> str:
    """The text of the last message when it is the user's; the result of a tool asks nothing."""
    last = messages[-1] if messages else {}
    if last.get("role") != "user":
        return ""
    blocks = _blocks(last.get("content") or ())
    return _text([block for block in blocks if block.get("type") != "tool_result"])


def _segments(body: Json) -> Iterator[Segment]:
    """Tools, system and messages, in this order."""
    for tool in body.get("tools") or ():
        text = json.dumps({key: tool[key] for key in tool if key != "cache_control"})
        yield Segment(text, count_tokens(text), _lifetime(tool))
    for block in _blocks(body.get("system") or ()):
        text = _text([block])
        yield Segment(text, count_tokens(text), _lifetime(block))
    for message in body["messages"]:
        yield Segment(str(message.get("role")), 4)
        for block in _blocks(message.get("content") or ()):
            text = _text([block])
            media = IMAGE_TOKENS * (block.get("type") in _MEDIA)
            yield Segment(text, count_tokens(text) + media, _lifetime(block))
    yield Segment("", 0, _lifetime(body))


def _blocks(content: Any) -> list[Json]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, dict)]


def _text(content: Any) -> str:
    """The text of blocks, and of what tools got and gave."""
    texts = []
    for block in _blocks(content or ()):
        if block.get("type") == "tool_result":
            texts.append(_text(block.get("content")))
        elif block.get("type") == "tool_use":
            texts.append(json.dumps(block.get("input")))
        else:
            texts.append(str(block.get("text") or block.get("thinking") or ""))
    return "".join(texts)


def _lifetime(node: Json) -> str | None:
    control = node.get("cache_control")
    return str(control.get("ttl") or "5m") if isinstance(control, dict) else None


def _functions(body: Json) -> list[Tool]:
    tools = [tool for tool in body.get("tools") or () if isinstance(tool, dict)]
    return [
        Tool(str(tool["name"]), tool["input_schema"]) for tool in tools if "input_schema" in tool
    ]


def _server_tools(body: Json, prompt: Prompt) -> list[str]:
    """Names of the tools that Anthropic itself runs for this question: `search` or `run` in it."""
    types = [str(tool.get("type") or "") for tool in body.get("tools") or ()]
    question = prompt.question.lower()
    return [
        name
        for name, word in (("web_search", "search"), ("code_execution", "run"))
        if word in question and any(each.startswith(name) for each in types)
    ]


# ------------------------------------------------------------------ the answer
def _stopped(answer: Answer, sequences: Any) -> tuple[Answer, str | None]:
    """The answer up to the first of the request's stop sequences, and which that is."""
    found = [(answer.text.find(each), each) for each in sequences if each in answer.text]
    if not found:
        return answer, None
    at, sequence = min(found)
    text = answer.text[:at]
    tokens = answer.reasoning_tokens + count_tokens(text)
    return replace(answer, text=text, tokens=tokens, truncated=False), sequence


def _stop_reason(answer: Answer, stop: str | None) -> str:
    if stop is not None:
        return "stop_sequence"
    if answer.truncated:
        return "max_tokens"
    return "tool_use" if answer.calls else "end_turn"


def _content(state: State, prompt: Prompt, answer: Answer, tools: list[str]) -> Iterator[Json]:
    if answer.reasoning_tokens:
        digest = state.digest("thinking", prompt.model, prompt.text)
        thoughts = words(digest, 12).capitalize() + "."
        yield {"type": "thinking", "thinking": thoughts, "signature": digest.hex()}
    for name in tools:
        identity = state.new_id("srvtoolu_01", 32)
        use = {"type": "server_tool_use", "id": identity, "name": name}
        yield {**use, "input": {_SERVER_TOOLS[name][0]: prompt.question}}
        yield {
            "type": f"{name}_tool_result",
            "tool_use_id": identity,
            "content": _SERVER_TOOLS[name][1],
        }
    for name, arguments in answer.calls:
        identity = state.new_id("toolu_01", 30)
        yield {"type": "tool_use", "id": identity, "name": name, "input": json.loads(arguments)}
    if not answer.calls and prompt.max_tokens != 0:  # that only fills the cache
        yield {"type": "text", "text": answer.text}


# Name of a tool that Anthropic runs: the key of its input, and its result.
_SERVER_TOOLS: dict[str, tuple[str, Any]] = {
    "web_search": (
        "query",
        [
            {
                "type": "web_search_result",
                "url": "https://example.com/",
                "title": "Example",
                "encrypted_content": "c2VjcmV0",
                "page_age": None,
            }
        ],
    ),
    "code_execution": (
        "code",
        {
            "type": "code_execution_result",
            "stdout": "4\n",
            "stderr": "",
            "return_code": 0,
            "content": [],
        },
    ),
}


def _usage(state: State, body: Json, prompt: Prompt, answer: Answer, searches: int) -> Json:
    cached, written = _cached(state, body, prompt.model)
    return {
        "input_tokens": prompt.tokens - cached - sum(written.values()),
        "cache_creation_input_tokens": sum(written.values()),
        "cache_read_input_tokens": cached,
        "cache_creation": written,
        "output_tokens": answer.tokens,
        "output_tokens_details": {"thinking_tokens": answer.reasoning_tokens},
        "server_tool_use": {"web_search_requests": searches, "web_fetch_requests": 0}
        if searches
        else None,
    }


def _cached(state: State, body: Json, model: str) -> tuple[int, dict[str, int]]:
    """Tokens read from the prompt cache, and those written to it by the key of their lifetime.

    What stands before a mark is kept, from 1,024 tokens on.
    """
    prefix, tokens, start, cached = "", 0, 0, 0
    written = dict.fromkeys(_LIFETIMES.values(), 0)
    for segment in _segments(body):
        prefix += "\x1e" + segment.text
        tokens += segment.tokens
        if segment.lifetime is None or tokens < _CACHE_MINIMUM or tokens == start:
            continue
        if state.was_seen(model, prefix):
            cached, written = tokens, dict.fromkeys(written, 0)
        else:
            written[_LIFETIMES[segment.lifetime]] += tokens - start
        start = tokens
    return cached, written
