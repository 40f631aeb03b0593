"""Cohere's API: chat, generate, embed and rerank, of v1 and v2."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from math import fsum
from typing import Any

from . import sse
from .answers import IMAGE_TOKENS, Answer, Prompt, compose, count_tokens, split, words
from .chat import chat_prompt
from .embeddings import embed
from .messages import Json, ProtocolError, ReceivedRequest, Reply
from .state import State

LINES = "application/stream+json"
# What Cohere adds to a prompt, and does not bill.
_TEMPLATE_TOKENS = 200
_DOCUMENTS_IN_A_UNIT = 100
_ROLES = {"CHATBOT": "assistant", "SYSTEM": "system", "TOOL": "tool"}


# ------------------------------------------------------------------ chat
def chat_v2(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v2/chat`."""
    body = _body(request, "messages")
    thinks = (body.get("thinking") or {}).get("type") == "enabled"
    prompt = _prompt(request.model, body, body["messages"], thinks=thinks)
    answer = compose(state, prompt, body)
    usage = _usage(prompt, answer)
    identity, reason = state.new_id("", 32), _finish_reason(answer)
    message = _message(state, prompt, answer)
    if body.get("stream"):
        events = _events_v2(identity, message, {"finish_reason": reason, "usage": usage})
        chunks = [sse.event(event, event["type"]) for event in events]
        return Reply(chunks=[*chunks, sse.DONE], pieces=len(chunks), usage=usage["billed_units"])
    whole = {"id": identity, "message": message, "finish_reason": reason, "usage": usage}
    return Reply(body=whole, pieces=len(answer.pieces()) or 1, usage=usage["billed_units"])


def chat_v1(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/chat`."""
    body = _body(request, "message")
    history = [
        {"role": _ROLES.get(str(each.get("role")), "user"), "content": each.get("message")}
        for each in body.get("chat_history") or ()
    ]
    if body.get("preamble"):
        history.insert(0, {"role": "system", "content": body["preamble"]})
    messages = [*history, {"role": "user", "content": body["message"]}]
    prompt = _prompt(request.model, body, messages)
    answer = compose(state, prompt, body)
    calls = [
        {"name": name, "parameters": json.loads(arguments)} for name, arguments in answer.calls
    ]
    whole = {
        "response_id": state.new_id("", 32),
        "generation_id": state.new_id("", 32),
        "text": answer.text,
        "finish_reason": "MAX_TOKENS" if answer.truncated else "COMPLETE",
        **({"tool_calls": calls} if calls else {}),
        "meta": {"api_version": {"version": "1"}, **_usage(prompt, answer)},
    }
    return _lines(body, whole, _events_v1, answer)


def generate(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/generate`."""
    body = _body(request, "prompt")
    messages = [{"role": "user", "content": body["prompt"]}]
    prompt = _prompt(request.model, body, messages)
    answer = compose(state, prompt, body)
    reason = "MAX_TOKENS" if answer.truncated else "COMPLETE"
    generation = {"id": state.new_id("", 32), "text": answer.text, "finish_reason": reason}
    whole = {
        "id": state.new_id("", 32),
        "prompt": body["prompt"],
        "generations": [generation],
        "meta": {"api_version": {"version": "1"}, **_usage(prompt, answer)},
    }
    return _lines(body, whole, _generate_events, answer)


def _body(request: ReceivedRequest, needed: str) -> Json:
    body = request.json
    if not isinstance(body, dict) or not body.get(needed):
        raise ProtocolError(f"invalid request: {needed} is required")
    return body


def _prompt(model: str, body: Json, messages: list[Json], *, thinks: bool = False) -> Prompt:
    """What a chat asks, as OpenAI would say it."""
    form = body.get("response_format") or {}
    if form.get("json_schema"):
        form = {"type": "json_schema", "json_schema": {"schema": form["json_schema"]}}
    choice = {"REQUIRED": "required", "NONE": "none"}.get(str(body.get("tool_choice")))
    tools = [_tool(each) for each in body.get("tools") or ()]
    same = {"messages": messages, "tools": tools, "tool_choice": choice, "response_format": form}
    prompt = chat_prompt({**same, "max_tokens": body.get("max_tokens")}, model)
    prompt.thinks = thinks
    return prompt


def _tool(entry: Json) -> Json:
    """A tool of v2, or what one of v1 is there."""
    if "function" in entry:
        return entry
    defined = entry.get("parameter_definitions") or {}
    types = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
    properties = {
        name: {"type": types.get(each.get("type"), "string")} for name, each in defined.items()
    }
    schema = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": entry.get("name"), "parameters": schema}}


def _usage(prompt: Prompt, answer: Answer) -> Json:
    billed = {"input_tokens": prompt.tokens, "output_tokens": answer.tokens}
    tokens = {**billed, "input_tokens": prompt.tokens + _TEMPLATE_TOKENS}
    return {"billed_units": billed, "tokens": tokens}


def _finish_reason(answer: Answer) -> str:
    if answer.truncated:
        return "MAX_TOKENS"
    return "TOOL_CALL" if answer.calls else "COMPLETE"


def _message(state: State, prompt: Prompt, answer: Answer) -> Json:
    message: Json = {"role": "assistant"}
    content: list[Json] = []
    if answer.reasoning_tokens:
        thoughts = words(state.digest("thinking", prompt.model, prompt.text), 12)
        content.append({"type": "thinking", "thinking": thoughts.capitalize() + "."})
    if answer.calls:
        message["tool_plan"] = "I will use a tool."
        message["tool_calls"] = [
            {
                "id": state.new_id(f"{name}_", 12),
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
            for name, arguments in answer.calls
        ]
    else:
        content.append({"type": "text", "text": answer.text})
    return {**message, "content": content} if content else message


def _events_v2(identity: str, message: Json, end: Json) -> Iterator[Json]:
    empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"id": identity, "type": "message-start", "delta": {"message": empty}}
    for index, block in enumerate(message.get("content") or ()):
        kind = block["type"]
        begin: Json = {"content": {"type": kind, kind: ""}}
        yield {"type": "content-start", "index": index, "delta": {"message": begin}}
        for piece in split(block[kind]):
            delta: Json = {"message": {"content": {kind: piece}}}
            yield {"type": "content-delta", "index": index, "delta": delta}
        yield {"type": "content-end", "index": index}
    for piece in split(message.get("tool_plan", "")):
        yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": piece}}}
    for index, call in enumerate(message.get("tool_calls") or ()):
        first = {**call, "function": {**call["function"], "arguments": ""}}
        started: Json = {"message": {"tool_calls": first}}
        yield {"type": "tool-call-start", "index": index, "delta": started}
        for piece in split(call["function"]["arguments"]):
            delta = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
            yield {"type": "tool-call-delta", "index": index, "delta": delta}
        yield {"type": "tool-call-end", "index": index}
    yield {"type": "message-end", "delta": end}


def _events_v1(whole: Json, answer: Answer) -> Iterator[Json]:
    yield {"event_type": "stream-start", "generation_id": whole["generation_id"]}
    for piece in answer.pieces():
        yield {"event_type": "text-generation", "text": piece}
    if answer.calls:
        yield {"event_type": "tool-calls-generation", "tool_calls": whole["tool_calls"]}


def _generate_events(whole: Json, answer: Answer) -> Iterator[Json]:  # noqa: ARG001
    for piece in answer.pieces():
        yield {"event_type": "text-generation", "text": piece}


def _lines(
    body: Json, whole: Json, events: Callable[[Json, Answer], Iterator[Json]], answer: Answer
) -> Reply:
    """A whole answer of v1, or lines of JSON of which the last repeats it."""
    usage = whole["meta"]["billed_units"]
    if not body.get("stream"):
        return Reply(body=whole, pieces=len(answer.pieces()) or 1, usage=usage)
    end = {
        "is_finished": True,
        "event_type": "stream-end",
        "finish_reason": whole.get("finish_reason") or "COMPLETE",
        "response": whole,
    }
    all_events = [{"is_finished": False, **event} for event in events(whole, answer)]
    chunks = [line(event) for event in (*all_events, end)]
    return Reply(chunks=chunks, pieces=len(chunks), usage=usage, headers={"content-type": LINES})


def line(node: Json) -> bytes:
    """One line of JSON."""
    return json.dumps(node, separators=(",", ":")).encode() + b"\n"


# ------------------------------------------------------------------ embed, rerank
def embed_texts(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/embed` and `/v2/embed`: texts, images, or inputs of both."""
    body = request.json
    if not isinstance(body, dict):
        raise ProtocolError("invalid request: texts is required")
    texts, images = list(body.get("texts") or ()), list(body.get("images") or ())
    for each in body.get("inputs") or ():
        parts = each.get("content") or ()
        texts.append("".join(str(part.get("text") or "") for part in parts))
        images += [part for part in parts if part.get("type") == "image_url"]
    if not (texts or images):
        raise ProtocolError("invalid request: texts is required")
    size = body.get("output_dimension") or 256
    sources = texts if body.get("inputs") else [*texts, *images]
    vectors = [embed(str(source), size).tolist() for source in sources]
    by_type = body.get("embedding_types") or request.path.startswith("/v2/")
    billed: Json = {"input_tokens": sum(map(count_tokens, texts))} if texts else {}
    if images:
        billed |= {"images": len(images), "image_tokens": IMAGE_TOKENS * len(images)}
    return Reply(
        body={
            "id": state.new_id("", 32),
            "texts": texts,
            "embeddings": {"float": vectors} if by_type else vectors,
            "response_type": "embeddings_by_type" if by_type else "embeddings_floats",
            "meta": {"api_version": {"version": "2"}, "billed_units": billed},
        },
        usage=billed,
    )


def rerank(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/rerank` and `/v2/rerank`: documents by the words they share with the
    query, billed by the hundred."""
    body = request.json
    if not isinstance(body, dict) or not isinstance(body.get("documents"), list):
        raise ProtocolError("invalid request: documents is required")
    query = embed(str(body.get("query", "")))
    results: list[dict[str, Any]] = [
        {"index": index, "relevance_score": fsum(a * b for a, b in zip(query, embed(text)))}
        for index, text in enumerate(map(str, body["documents"]))
    ]
    results.sort(key=lambda entry: -entry["relevance_score"])
    units = {"search_units": -(-len(results) // _DOCUMENTS_IN_A_UNIT)}
    return Reply(
        body={
            "id": state.new_id("", 32),
            "results": results[: body.get("top_n") or len(results)],
            "meta": {"api_version": {"version": "2"}, "billed_units": units},
        },
        usage=units,
    )
