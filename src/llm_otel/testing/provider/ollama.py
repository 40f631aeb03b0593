"""Ollama's API: chat, generate and embeddings."""

from __future__ import annotations

import json
from collections.abc import Iterator

from .answers import Answer, Prompt, compose, count_tokens, split, words
from .chat import chat_prompt
from .cohere import line
from .embeddings import embed
from .messages import Json, ProtocolError, ReceivedRequest, Reply
from .state import State

LINES = "application/x-ndjson"
_CREATED = "2023-11-14T22:13:20Z"
_DIMENSIONS = 256


def chat(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /api/chat`."""
    body = _body(request)
    messages = body.get("messages") or []
    if not messages:
        return _loaded(body, {"message": {"role": "assistant", "content": ""}})
    prompt = _prompt(request.model, body, messages)
    answer = compose(state, prompt, body)
    calls = [
        {"function": {"name": name, "arguments": json.loads(arguments)}}
        for name, arguments in answer.calls
    ]
    pieces = [{"message": {"role": "assistant", **each}} for each in _pieces(state, prompt, answer)]
    if calls:
        pieces.append({"message": {"role": "assistant", "content": "", "tool_calls": calls}})
    message = {"role": "assistant", "content": answer.text, **_thoughts(state, prompt, answer)}
    if calls:
        message["tool_calls"] = calls
    empty = {"message": {"role": "assistant", "content": ""}}
    return _reply(body, pieces, {"message": message}, empty, _counts(prompt, answer))


def generate(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /api/generate`."""
    body = _body(request)
    if not body.get("prompt"):
        return _loaded(body, {"response": ""})
    messages = [{"role": "user", "content": body["prompt"]}]
    if body.get("system"):
        messages.insert(0, {"role": "system", "content": body["system"]})
    prompt = _prompt(request.model, body, messages)
    answer = compose(state, prompt, body)
    pieces = [{"response": each.pop("content"), **each} for each in _pieces(state, prompt, answer)]
    whole = {"response": answer.text, **_thoughts(state, prompt, answer)}
    return _reply(body, pieces, whole, {"response": ""}, _counts(prompt, answer))


def embed_texts(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `POST /api/embed`."""
    body = _body(request)
    source = body.get("input")
    texts = [source] if isinstance(source, str) else list(source or ())
    size = body.get("dimensions") or _DIMENSIONS
    counts = {"prompt_eval_count": sum(map(count_tokens, texts))}
    vectors = [embed(text, size).tolist() for text in texts]
    whole = {"model": request.model, "embeddings": vectors, "total_duration": 1, **counts}
    return Reply(body=whole, usage={"input_tokens": counts["prompt_eval_count"]})


def embed_prompt(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `POST /api/embeddings`, which tells no usage."""
    body = _body(request)
    return Reply(body={"embedding": embed(str(body.get("prompt", "")), _DIMENSIONS).tolist()})


def _body(request: ReceivedRequest) -> Json:
    if not isinstance(request.json, dict) or not request.model:
        raise ProtocolError("model is required")
    return request.json


def _prompt(model: str, body: Json, messages: list[Json]) -> Prompt:
    """What a chat asks, as OpenAI would say it."""
    form, options = body.get("format"), body.get("options") or {}
    shape: Json = {"type": "json_object"} if form == "json" else {}
    if isinstance(form, dict):
        shape = {"type": "json_schema", "json_schema": {"schema": form}}
    same = {"messages": messages, "tools": body.get("tools"), "response_format": shape}
    prompt = chat_prompt({**same, "max_tokens": options.get("num_predict")}, model)
    prompt.thinks = bool(body.get("think"))
    return prompt


def _counts(prompt: Prompt, answer: Answer) -> Json:
    return {"prompt_eval_count": prompt.tokens, "eval_count": answer.tokens}


def _thoughts(state: State, prompt: Prompt, answer: Answer) -> Json:
    if not answer.reasoning_tokens:
        return {}
    thoughts = words(state.digest("thinking", prompt.model, prompt.text), 12)
    return {"thinking": thoughts.capitalize() + "."}


def _pieces(state: State, prompt: Prompt, answer: Answer) -> Iterator[Json]:
    for piece in split(_thoughts(state, prompt, answer).get("thinking", "")):
        yield {"content": "", "thinking": piece}
    for piece in answer.pieces():
        yield {"content": piece}


def _loaded(body: Json, whole: Json) -> Reply:
    """A request without a prompt only has a model loaded or unloaded."""
    reason = "unload" if body.get("keep_alive") == 0 else "load"
    node = {"model": body["model"], "created_at": _CREATED, **whole}
    return Reply(body={**node, "done": True, "done_reason": reason})


def _reply(body: Json, pieces: list[Json], whole: Json, empty: Json, counts: Json) -> Reply:
    """One object, or, unless the request says otherwise, a line for each piece."""
    head = {"model": body["model"], "created_at": _CREATED}
    limit = (body.get("options") or {}).get("num_predict")
    reason = "length" if limit is not None and counts["eval_count"] >= limit else "stop"
    tail = {"done": True, "done_reason": reason, "total_duration": 2, "load_duration": 1, **counts}
    usage = {"input_tokens": counts["prompt_eval_count"], "output_tokens": counts["eval_count"]}
    if body.get("stream") is False:
        return Reply(body={**head, **whole, **tail}, pieces=len(pieces), usage=usage)
    nodes = [{**head, **piece, "done": False} for piece in pieces]
    chunks = [line(node) for node in (*nodes, {**head, **empty, **tail})]
    return Reply(chunks=chunks, pieces=len(chunks), usage=usage, headers={"content-type": LINES})
