"""`/v1/responses`: plain, streamed, in the background."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import sse
from .answers import IMAGE_TOKENS, Answer, Prompt, Tool, compose, count_tokens, snapshot
from .messages import Json, ProtocolError, ReceivedRequest, Reply
from .response_events import response_events
from .state import CREATED, State

_ECHOED: Json = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
_UNFINISHED: Json = {"completed_at": None, "output": [], "usage": None, "incomplete_details": None}


@dataclass
class StoredResponse:
    """A response that can be retrieved; `prompt` is what it and those before it were asked."""

    final: Json
    prompt: Prompt
    polls: int = 0
    cancelled: bool = False

    def now(self, state: State) -> Json:
        """The response as it is after `polls` looks at it."""
        if self.cancelled:
            return {**self.final, **_UNFINISHED, "status": "cancelled"}
        if not self.final["background"] or self.polls >= state.polls:
            return self.final
        return {**self.final, **_UNFINISHED, "status": "in_progress" if self.polls else "queued"}


def create_response(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/responses`."""
    body = request.json
    if not isinstance(body, dict) or not request.model:
        raise ProtocolError("Missing required parameter: 'model'.", param="model")
    prompt = _prompt(body, request.model, state)
    answer = compose(state, prompt, body)
    stored = StoredResponse(_final(state, body, prompt, answer), prompt)
    if body.get("store") is not False:
        state.store(stored.final["id"], stored)
    if body.get("stream"):
        reply = _stream(stored.final)
    else:
        pieces = 1 if body.get("background") else len(answer.pieces())
        reply = Reply(body=stored.now(state), pieces=pieces)
    reply.usage = stored.final["usage"]
    return reply


def retrieve_response(request: ReceivedRequest, state: State) -> Reply:
    """Answers `GET /v1/responses/{id}`; each one brings a background response nearer its end."""
    stored = _find(request, state)
    if "stream=true" in request.target:
        return _stream(stored.final)
    stored.polls += 1
    return Reply(body=stored.now(state))


def cancel_response(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/responses/{id}/cancel`."""
    stored = _find(request, state)
    if not stored.final["background"]:
        raise ProtocolError("Cannot cancel a synchronous response.")
    stored.cancelled = stored.cancelled or stored.polls < state.polls
    return Reply(body=stored.now(state))


def delete_response(request: ReceivedRequest, state: State) -> Reply:
    """Answers `DELETE /v1/responses/{id}`."""
    identity = _find(request, state).final["id"]
    del state.stored[identity]
    return Reply(body={"id": identity, "object": "response", "deleted": True})


def _find(request: ReceivedRequest, state: State) -> StoredResponse:
    identity = request.route.split("/")[3]
    stored = state.stored.get(identity)
    if not isinstance(stored, StoredResponse):
        raise ProtocolError(f"Response with id '{identity}' not found.", status=404)
    return stored


def _prompt(body: Json, model: str, state: State) -> Prompt:
    texts, tokens, question = _input(body.get("input"))
    if isinstance(body.get("instructions"), str):
        texts.insert(0, body["instructions"])
        tokens += 4 + count_tokens(body["instructions"])
    if previous := body.get("previous_response_id"):
        stored = state.stored.get(previous)
        if not isinstance(stored, StoredResponse):
            raise ProtocolError(
                f"Previous response with id '{previous}' not found.",
                code="previous_response_not_found",
                param="previous_response_id",
            )
        texts.insert(0, stored.prompt.text)
        tokens += stored.prompt.tokens + stored.final["usage"]["output_tokens"]
    tools = [entry for entry in body.get("tools") or () if isinstance(entry, dict)]
    choice = body.get("tool_choice")
    return Prompt(
        model=model,
        text="\x1e".join(texts),
        tokens=3 + tokens + (count_tokens(json.dumps(tools)) if tools else 0),
        question=question,
        tools=[] if choice == "none" else _functions(tools),
        must_call=str(choice.get("name", "")) if isinstance(choice, dict) else choice == "required",
        schema=_schema(body.get("text")),
        max_tokens=body.get("max_output_tokens"),
        effort=(body.get("reasoning") or {}).get("effort") or "medium",
    )


def _input(given: Any) -> tuple[list[str], int, str]:
    """The texts of the input, its tokens, and what the user asks last."""
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not isinstance(items, list):
        raise ProtocolError("Missing required parameter: 'input'.", param="input")
    texts, tokens, text = [], 0, ""
    for item in items:
        content = item.get("content", item.get("output", "")) if isinstance(item, dict) else ""
        parts = content if isinstance(content, list) else [{"text": content}]
        parts = [part for part in parts if isinstance(part, dict)]
        text = "".join(str(part.get("text") or "") for part in parts)
        texts.append(text)
        tokens += 4 + count_tokens(text)
        tokens += IMAGE_TOKENS * sum(part.get("type") == "input_image" for part in parts)
    asked = bool(items) and isinstance(items[-1], dict) and items[-1].get("role") == "user"
    return texts, tokens, text if asked else ""


def _functions(tools: list[Json]) -> list[Tool]:
    return [
        Tool(tool["name"], tool.get("parameters") or {})
        for tool in tools
        if tool.get("type") == "function"
    ]


def _schema(text: Any) -> Json | None:
    form = (text.get("format") if isinstance(text, dict) else None) or {}
    if form.get("type") == "json_object":
        return {}
    return dict(form.get("schema") or {}) if form.get("type") == "json_schema" else None


def _final(state: State, body: Json, prompt: Prompt, answer: Answer) -> Json:
    tier = body.get("service_tier")
    searched = _searches(body, prompt)
    return {
        "id": state.new_id("resp_", 48),
        "object": "response",
        "created_at": CREATED,
        "status": "incomplete" if answer.truncated else "completed",
        "background": bool(body.get("background")),
        "completed_at": CREATED,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if answer.truncated else None,
        "model": snapshot(prompt.model),
        "output": list(_output(state, prompt, answer, searched)),
        "service_tier": tier if tier in ("flex", "priority", "scale") else "default",
        **{key: body.get(key, value) for key, value in _ECHOED.items()},
        "tool_usage": _tool_usage(int(searched)),
        "usage": _usage(state, prompt, answer),
    }


def _usage(state: State, prompt: Prompt, answer: Answer) -> Json:
    cached = min(state.cached_tokens(prompt.model, prompt.text), prompt.tokens)
    return {
        "input_tokens": prompt.tokens,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": answer.tokens,
        "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
        "total_tokens": prompt.tokens + answer.tokens,
    }


def _searches(body: Json, prompt: Prompt) -> bool:
    hosted = [str(tool.get("type")) for tool in body.get("tools") or () if isinstance(tool, dict)]
    offered = any(kind.startswith("web_search") for kind in hosted)
    return offered and ("search" in prompt.question.lower() or prompt.must_call is True)


def _tool_usage(searches: int) -> Json:
    no_details = {"image_tokens": 0, "text_tokens": 0}
    images = {
        "input_tokens": 0,
        "input_tokens_details": no_details,
        "output_tokens": 0,
        "output_tokens_details": no_details,
        "total_tokens": 0,
    }
    return {"image_gen": images, "web_search": {"num_requests": searches}}


def _output(state: State, prompt: Prompt, answer: Answer, searched: bool) -> Iterator[Json]:
    if answer.reasoning_tokens:
        yield {"id": state.new_id("rs_"), "type": "reasoning", "summary": []}
    if searched:
        action = {"type": "search", "query": prompt.question}
        identity = state.new_id("ws_")
        yield {"id": identity, "type": "web_search_call", "status": "completed", "action": action}
    for name, arguments in answer.calls:
        yield {
            "id": state.new_id("fc_"),
            "type": "function_call",
            "status": "completed",
            "arguments": arguments,
            "call_id": state.new_id("call_"),
            "name": name,
        }
    if not answer.calls:
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": answer.text}
        yield {
            "id": state.new_id("msg_"),
            "type": "message",
            "status": "incomplete" if answer.truncated else "completed",
            "content": [part],
            "role": "assistant",
        }


def _stream(final: Json) -> Reply:
    unfinished = {**final, **_UNFINISHED, "status": "in_progress"}
    events = [
        sse.event({**data, "sequence_number": number}, data["type"])
        for number, data in enumerate(response_events(unfinished, final))
    ]
    return Reply(chunks=events, pieces=len(events))
