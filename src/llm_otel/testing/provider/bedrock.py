"""Amazon Bedrock's runtime: Converse, and InvokeModel in the bodies of the model families."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from . import aws_events
from .answers import count_tokens, split
from .anthropic_messages import answer_message
from .embeddings import embed
from .messages import Json, ProtocolError, ReceivedRequest, Reply
from .state import State

_EMBEDDED = 256
_DEFAULT_LIMIT = 4096


def converse(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /model/…/converse`."""
    body = _body(request)
    message = answer_message(_as_messages(body), request.model, state)
    return Reply(
        body={**_answer(message), "metrics": {"latencyMs": 20}, **_tier(body)},
        pieces=len(list(_events(message))),
        usage=message["usage"],
    )


def converse_stream(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /model/…/converse-stream`."""
    body = _body(request)
    message = answer_message(_as_messages(body), request.model, state)
    metadata = {"usage": _usage(message), "metrics": {"latencyMs": 20}, **_tier(body)}
    events = [*_events(message), ("metadata", metadata)]
    return _streamed([aws_events.event(name, data) for name, data in events], message)


def invoke(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /model/…/invoke` and `…/invoke-with-response-stream`, but for Anthropic's."""
    body = _body(request)
    family = _family(request.model)
    if family == "embed":
        return _embeddings(body)
    streaming = request.path.endswith("-stream")
    message = answer_message(_asked(body, family), request.model, state)
    if not streaming:
        headers = {
            "x-amzn-bedrock-input-token-count": str(_tokens(message)["inputTokenCount"]),
            "x-amzn-bedrock-output-token-count": str(_tokens(message)["outputTokenCount"]),
        }
        answer = _answer(message) if family == "nova" else _whole(family, message)
        return Reply(body=answer, headers=headers, usage=message["usage"])
    if family == "nova":
        pieces = [{name: data} for name, data in _events(message)]
        pieces.append({"metadata": {"usage": _usage(message)}})
    else:
        texts = split(_text(message))
        pieces = [_piece(family, text, None, message) for text in texts]
        pieces.append(_piece(family, "", _stop(message), message))
    pieces[-1] = {**pieces[-1], "amazon-bedrock-invocationMetrics": _tokens(message)}
    frames = [aws_events.chunk(json.dumps(each, separators=(",", ":")).encode()) for each in pieces]
    return _streamed(frames, message)


def _body(request: ReceivedRequest) -> Json:
    if not isinstance(request.json, dict):
        raise ProtocolError("Malformed input request, please reformat your input and try again.")
    return request.json


def _streamed(frames: list[bytes], message: Json) -> Reply:
    headers = {"content-type": aws_events.MEDIA_TYPE}
    return Reply(chunks=frames, pieces=len(frames), usage=message["usage"], headers=headers)


# ------------------------------------------------------------------ Converse
def _as_messages(body: Json) -> Json:
    """A request to Converse as one to the Messages API, which is what answers it."""
    if not isinstance(body.get("messages"), list):
        raise ProtocolError("A conversation must start with a user message.")
    config = body.get("inferenceConfig") or {}
    tools = (body.get("toolConfig") or {}).get("tools") or []
    choice = (body.get("toolConfig") or {}).get("toolChoice") or {}
    extra = body.get("additionalModelRequestFields") or {}
    kind = next(iter(choice), "auto")
    return {
        **extra,
        "max_tokens": config.get("maxTokens") or config.get("max_new_tokens") or _DEFAULT_LIMIT,
        "stop_sequences": config.get("stopSequences") or [],
        "system": list(_blocks(body.get("system") or [])),
        "messages": [
            {"role": each.get("role"), "content": list(_blocks(each.get("content") or []))}
            for each in body["messages"]
        ],
        "tools": list(_tools(tools)),
        "tool_choice": {"type": kind, **(choice.get(kind) or {})},
    }


def _tools(tools: list[Json]) -> Iterator[Json]:
    for each in tools:
        if "toolSpec" in each:
            spec = each["toolSpec"]
            yield {"name": spec["name"], "input_schema": spec["inputSchema"]["json"]}


def _blocks(blocks: list[Json]) -> Iterator[Json]:
    """Blocks as the Messages API has them: a cache point marks the one before it."""
    for each, following in zip(blocks, [*blocks[1:], {}]):
        point = following.get("cachePoint")
        marked = {"cache_control": {"ttl": point.get("ttl", "5m")}} if point else {}
        if "text" in each:
            yield {"type": "text", "text": each["text"], **marked}
        elif "toolUse" in each:
            yield {"type": "tool_use", "input": each["toolUse"].get("input"), **marked}
        elif "toolResult" in each:
            content = [
                {"type": "text", "text": part.get("text") or json.dumps(part.get("json"))}
                for part in each["toolResult"].get("content") or ()
            ]
            yield {"type": "tool_result", "content": content, **marked}
        elif "image" in each or "document" in each:
            yield {"type": "image", **marked}


def _answer(message: Json) -> Json:
    """A message as Converse gives it."""
    content = [_block(block) for block in message["content"]]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": message["stop_reason"],
        "usage": _usage(message),
    }


def _block(block: Json) -> Json:
    if block["type"] == "thinking":
        text = {"text": block["thinking"], "signature": block["signature"]}
        return {"reasoningContent": {"reasoningText": text}}
    if block["type"] == "tool_use":
        use = {"toolUseId": block["id"], "name": block["name"], "input": block["input"]}
        return {"toolUse": use}
    return {"text": block.get("text", "")}


def _usage(message: Json) -> Json:
    used = message["usage"]
    writes = used["cache_creation"]
    usage = {
        "inputTokens": used["input_tokens"],
        "outputTokens": used["output_tokens"],
        "totalTokens": used["input_tokens"]
        + used["output_tokens"]
        + used["cache_read_input_tokens"]
        + used["cache_creation_input_tokens"],
        "cacheReadInputTokens": used["cache_read_input_tokens"],
        "cacheWriteInputTokens": used["cache_creation_input_tokens"],
    }
    details = [
        {"ttl": ttl, "inputTokens": writes[f"ephemeral_{ttl}_input_tokens"]}
        for ttl in ("5m", "1h")
        if writes[f"ephemeral_{ttl}_input_tokens"]
    ]
    return {**usage, "cacheDetails": details} if details else usage


def _tier(body: Json) -> Json:
    tier = body.get("serviceTier")
    return {"serviceTier": tier} if tier else {}


def _events(message: Json) -> Iterator[tuple[str, Json]]:
    """Name and data of the events before the metadata."""
    yield "messageStart", {"role": message["role"]}
    for index, block in enumerate(message["content"]):
        at = {"contentBlockIndex": index}
        if block["type"] == "tool_use":
            start = {"toolUseId": block["id"], "name": block["name"]}
            yield "contentBlockStart", {"start": {"toolUse": start}, **at}
            deltas: list[Json] = [{"toolUse": {"input": json.dumps(block["input"])}}]
        elif block["type"] == "thinking":
            deltas = [{"reasoningContent": {"text": text}} for text in split(block["thinking"])]
            deltas.append({"reasoningContent": {"signature": block["signature"]}})
        else:
            deltas = [{"text": text} for text in split(block.get("text", ""))]
        for delta in deltas:
            yield "contentBlockDelta", {"delta": delta, **at}
        yield "contentBlockStop", at
    yield "messageStop", {"stopReason": message["stop_reason"]}


# ------------------------------------------------------------------ InvokeModel
_PREFIX = re.compile(r"(?:global|[a-z]{2,4}(?:-[a-z]+)?)\.(?=[a-z0-9]+\.)")
_FAMILIES = (
    ("amazon.nova", "nova"), ("amazon.titan-embed", "embed"), ("cohere.embed", "embed"),
    ("amazon.titan", "titan"), ("meta.", "llama"), ("mistral.", "mistral"), ("cohere.", "cohere"),
)  # fmt: skip


def _family(model: str) -> str:
    name = _PREFIX.sub("", model, count=1)
    return next((family for begin, family in _FAMILIES if name.startswith(begin)), "chat")


def _asked(body: Json, family: str) -> Json:
    """A request of a family as one to the Messages API."""
    if family == "nova":
        return _as_messages(body)
    limits = {**body, **(body.get("textGenerationConfig") or {})}
    names = ("max_gen_len", "maxTokenCount", "max_tokens", "max_completion_tokens")
    limit = next((limits[name] for name in names if limits.get(name)), _DEFAULT_LIMIT)
    messages = body.get("messages")
    if not isinstance(messages, list):
        prompt = body.get("prompt", body.get("inputText"))
        if not isinstance(prompt, str):
            raise ProtocolError("Malformed input request: required key [prompt] not found.")
        messages = [{"role": "user", "content": prompt}]
    return {"messages": messages, "max_tokens": limit}


def _text(message: Json) -> str:
    return "".join(block.get("text", "") for block in message["content"])


def _stop(message: Json) -> str:
    return "length" if message["stop_reason"] == "max_tokens" else "stop"


def _tokens(message: Json) -> Json:
    used = message["usage"]
    return {
        "inputTokenCount": used["input_tokens"],
        "outputTokenCount": used["output_tokens"],
        "invocationLatency": 20,
        "firstByteLatency": 10,
    }


def _whole(family: str, message: Json) -> Json:
    text, stop, tokens = _text(message), _stop(message), _tokens(message)
    if family == "titan":
        reason = "LENGTH" if stop == "length" else "FINISH"
        count = tokens["outputTokenCount"]
        result = {"tokenCount": count, "outputText": text, "completionReason": reason}
        return {"inputTextTokenCount": tokens["inputTokenCount"], "results": [result]}
    if family == "llama":
        return _piece(family, text, stop, message)
    if family == "mistral":
        return {"outputs": [{"text": text, "stop_reason": stop}]}
    if family == "cohere":
        reason = "MAX_TOKENS" if stop == "length" else "COMPLETE"
        generation = {"id": message["id"], "text": text, "finish_reason": reason}
        return {"id": message["id"], "generations": [generation]}
    reply = {"role": "assistant", "content": text}
    return {
        **_chat(message, "chat.completion"),
        "choices": [{"index": 0, "message": reply, "finish_reason": stop}],
        "usage": _chat_usage(message),
    }


def _piece(family: str, text: str, stop: str | None, message: Json) -> Json:
    """A chunk of a stream, the last one if it says why it stops."""
    tokens = _tokens(message)
    if family == "titan":
        return {
            "outputText": text,
            "index": 0,
            "completionReason": stop and stop.upper().replace("STOP", "FINISH"),
            "inputTextTokenCount": tokens["inputTokenCount"] if stop else None,
            "totalOutputTextTokenCount": tokens["outputTokenCount"] if stop else None,
        }
    if family == "llama":
        return {
            "generation": text,
            "prompt_token_count": tokens["inputTokenCount"] if stop else None,
            "generation_token_count": tokens["outputTokenCount"] if stop else 1,
            "stop_reason": stop,
        }
    if family == "mistral":
        return {"outputs": [{"text": text, "stop_reason": stop}]}
    if family == "cohere":
        return {
            "text": text,
            "is_finished": bool(stop),
            **({"finish_reason": "COMPLETE"} if stop else {}),
        }
    delta = {"content": text} if text else {}
    choice = {"index": 0, "delta": delta, "finish_reason": stop}
    return {**_chat(message, "chat.completion.chunk"), "choices": [choice]}


def _chat(message: Json, kind: str) -> Json:
    return {"id": message["id"], "object": kind, "created": 0, "model": message["model"]}


def _chat_usage(message: Json) -> Json:
    used = message["usage"]
    total = used["input_tokens"] + used["output_tokens"]
    return {
        "prompt_tokens": used["input_tokens"],
        "completion_tokens": used["output_tokens"],
        "total_tokens": total,
    }


def _embeddings(body: Json) -> Reply:
    texts: Any = body.get("texts", [body.get("inputText")])
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise ProtocolError("Malformed input request: required key [inputText] not found.")
    tokens = sum(count_tokens(each) for each in texts)
    vectors = [embed(each, body.get("dimensions") or _EMBEDDED).tolist() for each in texts]
    headers = {"x-amzn-bedrock-input-token-count": str(tokens)}
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    if "texts" in body:
        answer: Json = {"embeddings": vectors, "texts": texts, "response_type": "embeddings_floats"}
    else:
        answer = {"embedding": vectors[0], "inputTextTokenCount": tokens}
    return Reply(body=answer, headers=headers, usage=usage)
