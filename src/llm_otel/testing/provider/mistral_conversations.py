"""Mistral's conversations: started, gone on with and restarted, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from . import sse
from .answers import Answer, Prompt, Tool, compose, count_tokens, split, words
from .messages import Json, ProtocolError, ReceivedRequest, Reply
from .state import State

MODEL = "mistral-medium-latest"
"""The model of every agent."""

CONNECTOR_TOKENS = 95
"""What each of the provider's own tools puts into the prompt."""

_AT = "2023-11-14T22:13:20Z"


def start(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/conversations`."""
    body = _body(request)
    if not (body.get("model") or body.get("agent_id")):
        raise ProtocolError("Either model or agent_id is required", status=422)
    about = {key: body.get(key) for key in ("model", "agent_id", "tools", "instructions")}
    return _go_on(body, state, about, "")


def append(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/conversations/{id}` and `…/restart`."""
    identity = request.route.split("/")[3]
    conversation = state.stored.get(identity)
    if not isinstance(conversation, dict):
        raise ProtocolError("The conversation does not exist.", status=404)
    return _go_on(_body(request), state, conversation["about"], conversation["text"])


def _body(request: ReceivedRequest) -> Json:
    if not isinstance(request.json, dict):
        raise ProtocolError("The request body is not valid JSON")
    return request.json


def _go_on(body: Json, state: State, about: Json, before: str) -> Reply:
    prompt, hosted = _prompt(body, about, before)
    answer = compose(state, prompt, body)
    identity = state.new_id("conv_", 32)
    text = f"{prompt.text}\x1e{answer.text}{answer.calls}"
    state.store(identity, {"about": about, "text": text})
    outputs = list(_outputs(state, prompt, answer, hosted, about.get("agent_id")))
    tokens = CONNECTOR_TOKENS * len(hosted)
    usage = {
        "prompt_tokens": prompt.tokens,
        "completion_tokens": answer.tokens,
        "total_tokens": prompt.tokens + answer.tokens + tokens,
        "connector_tokens": tokens or None,
        "connectors": dict.fromkeys(hosted, 1) or None,
    }
    # The bill has no line for tokens of connectors: they are input.
    billed = {**usage, "prompt_tokens": prompt.tokens + tokens}
    if body.get("stream"):
        events = list(_events(identity, outputs, usage))
        return Reply(chunks=events, pieces=len(events), usage=billed)
    whole = {
        "object": "conversation.response",
        "conversation_id": identity,
        "outputs": outputs,
        "usage": usage,
    }
    return Reply(body=whole, pieces=len(answer.pieces()) or 1, usage=billed)


def _prompt(body: Json, about: Json, before: str) -> tuple[Prompt, list[str]]:
    """The prompt, and the names of the provider's own tools, each of which runs once."""
    inputs = body.get("inputs")
    entries = inputs if isinstance(inputs, list) else [{"content": inputs or ""}]
    texts = [_text(entry) for entry in entries]
    tools = [tool for tool in about.get("tools") or () if isinstance(tool, dict)]
    functions = [tool["function"] for tool in tools if tool.get("type") == "function"]
    settings = body.get("completion_args") or {}
    text = "\x1e".join(filter(None, (before, about.get("instructions"), *texts)))
    prompt = Prompt(
        about.get("model") or MODEL,
        text,
        count_tokens(text),
        question=texts[-1] if texts and "role" not in entries[-1] else "",
        tools=[Tool(each["name"], each.get("parameters") or {}) for each in functions],
        max_tokens=settings.get("max_tokens"),
    )
    return prompt, [tool["type"] for tool in tools if tool.get("type") != "function"]


def _text(entry: Any) -> str:
    content = entry.get("content") or entry.get("result") if isinstance(entry, dict) else entry
    return content if isinstance(content, str) else json.dumps(content)


def _outputs(
    state: State, prompt: Prompt, answer: Answer, hosted: list[str], agent: str | None
) -> Iterator[Json]:
    common = {"object": "entry", "created_at": _AT, "completed_at": _AT, "agent_id": agent}
    common["model"] = prompt.model
    for name in hosted:
        query = json.dumps({"query": words(state.digest("query", prompt.text), 3)})
        executed = {"id": state.new_id("tool_exec_", 32), "name": name, "arguments": query}
        yield {**common, "type": "tool.execution", **executed, "info": {}}
    for name, arguments in answer.calls:
        call = {"id": state.new_id("fc_", 32), "tool_call_id": state.new_id("", 9), "name": name}
        yield {**common, "type": "function.call", **call, "arguments": arguments}
    if not answer.calls:
        message = {"id": state.new_id("msg_", 32), "role": "assistant", "content": answer.text}
        yield {**common, "type": "message.output", **message}


def _events(identity: str, outputs: list[Json], usage: Json) -> Iterator[bytes]:
    yield _event("conversation.response.started", {"conversation_id": identity})
    for index, output in enumerate(outputs):
        kind = output["type"]
        common = {
            **{key: output.get(key) for key in ("id", "model", "agent_id")},
            "output_index": index,
        }
        if kind == "tool.execution":
            executed = {"name": output["name"], "arguments": ""}
            yield _event(f"{kind}.started", {**common, **executed})
            executed["arguments"] = output["arguments"]
            yield _event(f"{kind}.delta", {**common, **executed})
            yield _event(f"{kind}.done", {**common, "name": output["name"], "info": {}})
        elif kind == "function.call":
            call = {key: output[key] for key in ("name", "tool_call_id", "arguments")}
            yield _event(f"{kind}.delta", {**common, **call})
        else:
            for piece in split(output["content"]):
                message = {"content_index": 0, "role": "assistant", "content": piece}
                yield _event(f"{kind}.delta", {**common, **message})
    yield _event("conversation.response.done", {"usage": usage})


def _event(kind: str, body: Json) -> bytes:
    return sse.event({"type": kind, "created_at": _AT, **body}, kind)


ENDPOINTS = (
    ("POST", "/v1/conversations", start),
    ("POST", "/v1/conversations/*/restart", append),
    ("POST", "/v1/conversations/*", append),
)
