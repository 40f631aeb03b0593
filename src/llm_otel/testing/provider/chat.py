"""`/v1/chat/completions` and `/v1/completions`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from . import sse
from .answers import (
    AUDIO_TOKENS,
    IMAGE_TOKENS,
    Answer,
    Prompt,
    Tool,
    compose,
    count_tokens,
    snapshot,
)
from .dialects import dialect_of
from .messages import Json, ProtocolError, ReceivedRequest, Reply
from .state import CREATED, State

_PART_TOKENS = {"image_url": IMAGE_TOKENS, "input_audio": AUDIO_TOKENS, "file": IMAGE_TOKENS}


def chat_completion(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/chat/completions`."""
    body = _body(request)
    prompt = chat_prompt(body, request.model)
    answers = [compose(state, prompt, body, n) for n in range(_choices(body))]
    usage = _usage(state, prompt, answers, audio=_audio_tokens(body))
    common = _common(state, body, prompt, "chatcmpl-", "chat.completion")
    if body.get("stream"):
        return _stream(request, common, _chat_events(state, answers), usage)
    choices = [
        {
            "index": index,
            "message": _message(state, answer),
            "logprobs": None,
            "finish_reason": _finish_reason(answer),
        }
        for index, answer in enumerate(answers)
    ]
    return _plain(request, {**common, "choices": choices, "usage": usage}, answers)


def completion(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/completions`."""
    body = _body(request)
    text = body.get("prompt", "")
    text = text if isinstance(text, str) else json.dumps(text)
    limit = body.get("max_tokens", 16)
    prompt = Prompt(request.model, text, count_tokens(text), max_tokens=limit)
    answers = [compose(state, prompt, body, n) for n in range(_choices(body))]
    common = _common(state, body, prompt, "cmpl-", "text_completion")
    usage = _usage(state, prompt, answers)
    if body.get("stream"):
        return _stream(request, common, _completion_events(answers), usage)
    choices = [
        _completion_choice(index, answer.text, _finish_reason(answer))
        for index, answer in enumerate(answers)
    ]
    return _plain(request, {**common, "choices": choices, "usage": usage}, answers)


def _body(request: ReceivedRequest) -> Json:
    if not isinstance(request.json, dict):
        raise ProtocolError("We could not parse the JSON body of your request.")
    if not request.model:
        raise ProtocolError("you must provide a model parameter")
    return request.json


def _choices(body: Json) -> int:
    n = 1 if body.get("n") is None else body["n"]
    if not isinstance(n, int) or not 1 <= n <= 128:
        raise ProtocolError("Invalid 'n': expected an integer between 1 and 128.", param="n")
    return n


def chat_prompt(body: Json, model: str) -> Prompt:
    """What a chat asks, in OpenAI's words."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise ProtocolError(
            "Invalid type for 'messages': expected an array of objects.", param="messages"
        )
    texts, tokens = [], 3
    for message in messages:
        text, extra = _message_text(message)
        texts.append(f"{message.get('role')}\x1e{text}")
        tokens += 4 + count_tokens(text) + extra
    tools = [_tool(entry) for entry in body.get("tools") or () if isinstance(entry, dict)]
    if tools:
        tokens += count_tokens(json.dumps(body["tools"]))
    last = messages[-1] if messages else {}
    return Prompt(
        model=model,
        text="\x1e".join(texts),
        tokens=tokens,
        question=_message_text(last)[0] if last.get("role") == "user" else "",
        tools=[] if body.get("tool_choice") == "none" else tools,
        must_call=_must_call(body.get("tool_choice")),
        schema=_schema(body.get("response_format")),
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        effort=body.get("reasoning_effort") or "medium",
    )


def _message_text(message: Json) -> tuple[str, int]:
    """The text of a message and the tokens of what is not text."""
    content = message.get("content")
    if isinstance(content, str):
        return content, 0
    texts, extra = [json.dumps(message["tool_calls"])] if message.get("tool_calls") else [], 0
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict):
            texts.append(str(part.get("text", "")))
            extra += _PART_TOKENS.get(part.get("type", ""), 0)
    return "".join(texts), extra


def _audio_tokens(body: Json) -> int:
    parts = [
        p for m in body["messages"] if isinstance(m.get("content"), list) for p in m["content"]
    ]
    audio = [p for p in parts if isinstance(p, dict) and p.get("type") == "input_audio"]
    return AUDIO_TOKENS * len(audio)


def _tool(entry: Json) -> Tool:
    function = entry.get("function") or entry.get("custom") or {}
    return Tool(function.get("name", "tool"), function.get("parameters") or {})


def _must_call(choice: object) -> bool | str:
    if isinstance(choice, dict):
        return str((choice.get("function") or {}).get("name", ""))
    return choice == "required"


def _schema(response_format: Any) -> Json | None:
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if kind == "json_object":
        return {}
    if kind == "json_schema":
        return dict(response_format["json_schema"].get("schema") or {})
    return None


def _common(state: State, body: Json, prompt: Prompt, prefix: str, kind: str) -> Json:
    tier = body.get("service_tier")
    return {
        "id": state.new_id(prefix),
        "object": kind,
        "created": CREATED,
        "model": snapshot(prompt.model),
        "service_tier": tier if tier in ("flex", "priority", "scale") else "default",
        "system_fingerprint": "fp_" + state.digest("fp", prompt.model).hex()[:10],
    }


def _usage(state: State, prompt: Prompt, answers: list[Answer], audio: int = 0) -> Json:
    output = sum(answer.tokens for answer in answers)
    cached = min(state.cached_tokens(prompt.model, prompt.text), prompt.tokens)
    return {
        "prompt_tokens": prompt.tokens,
        "completion_tokens": output,
        "total_tokens": prompt.tokens + output,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": audio},
        "completion_tokens_details": {
            "reasoning_tokens": sum(answer.reasoning_tokens for answer in answers),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _finish_reason(answer: Answer) -> str:
    if answer.truncated:
        return "length"
    return "tool_calls" if answer.calls else "stop"


def _tool_calls(state: State, answer: Answer) -> list[Json]:
    return [
        {
            "id": state.new_id("call_"),
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        for name, arguments in answer.calls
    ]


def _message(state: State, answer: Answer) -> Json:
    message: Json = {
        "role": "assistant",
        "content": answer.text,
        "refusal": None,
        "annotations": [],
    }
    if answer.calls:
        return {**message, "content": None, "tool_calls": _tool_calls(state, answer)}
    return message


def _plain(request: ReceivedRequest, body: Json, answers: list[Answer]) -> Reply:
    usage = body["usage"]
    (body,) = dialect_of(request)([body], usage)
    pieces = sum(len(answer.pieces()) for answer in answers)
    return Reply(body=body, pieces=pieces, usage=usage)


def _stream(request: ReceivedRequest, common: Json, choices: Iterator[Json], usage: Json) -> Reply:
    """The chunks of a stream: with `include_usage` every chunk but the last has a null usage."""
    options = request.json.get("stream_options") or {}
    kind = common["object"]
    common = {**common, "object": kind + ".chunk" if kind.startswith("chat") else kind}
    no_usage = {"usage": None} if options.get("include_usage") else {}
    bodies = [{**common, "choices": [choice], **no_usage} for choice in choices]
    if no_usage:
        bodies.append({**common, "choices": [], "usage": usage})
    chunks = [sse.event(body) for body in dialect_of(request)(bodies, usage)]
    return Reply(chunks=[*chunks, sse.DONE], pieces=len(chunks), usage=usage)


def _chat_events(state: State, answers: list[Answer]) -> Iterator[Json]:
    for index, answer in enumerate(answers):
        first: Json = {"role": "assistant", "content": None if answer.calls else ""}
        yield _delta(index, {**first, "refusal": None})
        for piece in answer.pieces():
            yield _delta(index, {"content": piece})
        for position, call in enumerate(_tool_calls(state, answer)):
            for delta in _tool_call_deltas(call):
                yield _delta(index, {"tool_calls": [{"index": position, **delta}]})
        yield _delta(index, {}, _finish_reason(answer))


def _tool_call_deltas(call: Json) -> Iterator[Json]:
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    yield {**call, "function": {"name": name, "arguments": ""}}
    for start in range(0, len(arguments), 8):
        yield {"function": {"arguments": arguments[start : start + 8]}}


def _delta(index: int, delta: Json, finish_reason: str | None = None) -> Json:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _completion_events(answers: list[Answer]) -> Iterator[Json]:
    for index, answer in enumerate(answers):
        for piece in answer.pieces():
            yield _completion_choice(index, piece, None)
        yield _completion_choice(index, "", _finish_reason(answer))


def _completion_choice(index: int, text: str, finish_reason: str | None) -> Json:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish_reason}
