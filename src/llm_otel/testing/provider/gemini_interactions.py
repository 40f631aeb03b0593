"""Gemini's interactions: whole, streamed, in the background."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import sse
from .answers import Answer, Prompt, Tool, compose, count_tokens, split, words
from .gemini import IMAGE_TOKENS, google_tools
from .messages import Json, ProtocolError, ReceivedRequest, Reply
from .state import State

_MADE = "2026-01-01T00:00:00Z"


@dataclass
class StoredInteraction:
    """An interaction that can be fetched; `prompt` is what it and those before it were asked."""

    final: Json
    prompt: Prompt
    background: bool
    polls: int = 0
    cancelled: bool = False

    def now(self, state: State) -> Json:
        """The interaction as it is after `polls` looks at it."""
        unfinished = {key: value for key, value in self.final.items() if key not in _RESULTS}
        if self.cancelled:
            return {**unfinished, "status": "cancelled"}
        if not self.background or self.polls >= state.polls:
            return self.final
        return {**unfinished, "status": "in_progress"}


_RESULTS = ("usage", "steps")


def create(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1beta/interactions`."""
    body = request.json
    if not isinstance(body, dict) or not (body.get("model") or body.get("agent")):
        raise ProtocolError("Either `model` or `agent` must be set.")
    prompt = _prompt(body, state)
    answer = compose(state, prompt, body)
    final = _final(state, body, prompt, answer)
    interaction = StoredInteraction(final, prompt, body.get("background") is True)
    if body.get("store") is not False:
        state.store(final["id"], interaction)
    if body.get("stream"):
        return _stream(final)
    return Reply(body=interaction.now(state), pieces=len(answer.pieces()), usage=final["usage"])


def fetch(request: ReceivedRequest, state: State) -> Reply:
    """Answers `GET /v1beta/interactions/{id}`; each brings one in the background nearer its end."""
    interaction = _find(request, state)
    if "stream=true" in request.target:
        return Reply(**{**vars(_stream(interaction.final)), "usage": None})
    interaction.polls += 1
    return Reply(body=interaction.now(state))


def cancel(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1beta/interactions/{id}/cancel`."""
    interaction = _find(request, state)
    interaction.cancelled = interaction.background and interaction.polls < state.polls
    return Reply(body=interaction.now(state))


def delete(request: ReceivedRequest, state: State) -> Reply:
    """Answers `DELETE /v1beta/interactions/{id}`."""
    del state.stored[_find(request, state).final["id"]]
    return Reply(body={})


def _find(request: ReceivedRequest, state: State) -> StoredInteraction:
    interaction = state.stored.get(request.route.split("/")[3])
    if not isinstance(interaction, StoredInteraction):
        raise ProtocolError("Requested entity was not found.", status=404)
    return interaction


# ------------------------------------------------------------------ the prompt
def _prompt(body: Json, state: State) -> Prompt:
    texts = [str(body.get("system_instruction") or ""), *_texts(body.get("input"))]
    tokens = sum(map(count_tokens, texts)) + IMAGE_TOKENS * _media(body.get("input"))
    previous = state.stored.get(body.get("previous_interaction_id") or "")
    if isinstance(previous, StoredInteraction):
        texts.insert(0, previous.prompt.text)
        tokens += previous.prompt.tokens + previous.final["usage"]["total_output_tokens"]
    tools = [tool for tool in body.get("tools") or () if isinstance(tool, dict)]
    config = body.get("generation_config") or {}
    level = config.get("thinking_level")
    return Prompt(
        model=str(body.get("model") or body.get("agent")),
        text="\x1e".join(texts),
        tokens=tokens + (count_tokens(json.dumps(tools)) if tools else 0),
        question=texts[-1] if _asks(body.get("input")) else "",
        tools=[
            Tool(str(tool["name"]), tool.get("parameters") or {"type": "object"})
            for tool in tools
            if tool.get("type") == "function"
        ],
        must_call=config.get("tool_choice") == "any",
        max_tokens=config.get("max_output_tokens"),
        effort=str(level or "medium"),
        thinks=level is not None,
    )


def _entries(content: Any) -> list[Any]:
    return content if isinstance(content, list) else [content]


def _texts(content: Any) -> list[str]:
    texts = []
    for entry in _entries(content):
        if isinstance(entry, str):
            texts.append(entry)
        elif isinstance(entry, dict) and "content" in entry:
            texts += _texts(entry["content"])
        elif isinstance(entry, dict):
            texts.append(str(entry.get("text") or json.dumps(entry.get("result") or "")))
    return texts


def _media(content: Any) -> int:
    kinds = [entry.get("type") for entry in _entries(content) if isinstance(entry, dict)]
    return sum(kind in ("image", "audio", "video", "document") for kind in kinds)


def _asks(content: Any) -> bool:
    last = _entries(content)[-1] if _entries(content) else None
    return not (isinstance(last, dict) and last.get("type") == "function_result")


# ------------------------------------------------------------------ the answer
def _final(state: State, body: Json, prompt: Prompt, answer: Answer) -> Json:
    tools = google_tools(body.get("tools"), prompt.question)
    status = "requires_action" if answer.calls else "completed"
    name = "model" if body.get("model") else "agent"
    return {
        "id": state.new_id("v1_", 32),
        "status": "incomplete" if answer.truncated else status,
        "usage": _usage(state, prompt, answer, tools),
        "created": _MADE,
        "updated": _MADE,
        "service_tier": "standard",
        "steps": list(_steps(state, prompt, answer, tools)),
        "object": "interaction",
        name: prompt.model,
    }


def _steps(state: State, prompt: Prompt, answer: Answer, tools: list[str]) -> Iterator[Json]:
    if answer.reasoning_tokens:
        digest = state.digest("thinking", prompt.model, prompt.text)
        summary = {"type": "text", "text": words(digest, 12).capitalize() + "."}
        yield {"type": "thought", "summary": [summary], "signature": "c2VjcmV0"}
    if "google_search" in tools:
        identity = state.new_id("", 8)
        arguments = {"queries": [prompt.question]}
        yield {"type": "google_search_call", "id": identity, "arguments": arguments}
        yield {"type": "google_search_result", "call_id": identity, "result": []}
    for name, arguments_ in answer.calls:
        call = {"id": state.new_id("", 8), "name": name, "arguments": json.loads(arguments_)}
        yield {"type": "function_call", **call}
    if answer.text:
        yield {"type": "model_output", "content": [{"type": "text", "text": answer.text}]}


def _usage(state: State, prompt: Prompt, answer: Answer, tools: list[str]) -> Json:
    output = answer.tokens - answer.reasoning_tokens
    usage: Json = {
        "total_tokens": prompt.tokens + answer.tokens,
        "total_input_tokens": prompt.tokens,
        "total_cached_tokens": state.cached_tokens(prompt.model, prompt.text),
        "total_output_tokens": output,
        "total_tool_use_tokens": 0,
        "total_thought_tokens": answer.reasoning_tokens,
    }
    if "google_search" in tools:
        usage["grounding_tool_count"] = [{"type": "google_search", "count": 1}]
    return usage


def _stream(final: Json) -> Reply:
    chunks = [sse.event(each, each["event_type"]) for each in _events(final)]
    return Reply(
        headers={"content-type": "text/event-stream"},
        chunks=[*chunks, b"event: done\ndata: [DONE]\n\n"],
        pieces=len(chunks),
        usage=final["usage"],
    )


def _events(final: Json) -> Iterator[Json]:
    about = {key: value for key, value in final.items() if key not in _RESULTS}
    first = {**about, "status": "in_progress"}
    yield {"interaction": first, "event_type": "interaction.created"}
    for index, step in enumerate(final["steps"]):
        yield from ({"index": index, **each} for each in _step_events(step))
    last = {**about, "usage": final["usage"]}
    yield {"interaction": last, "event_type": "interaction.completed"}


def _step_events(step: Json) -> Iterator[Json]:
    kind, deltas = step["type"], []
    start = step
    if kind == "model_output":
        start = {"type": kind}
        deltas = [{"type": "text", "text": piece} for piece in split(step["content"][0]["text"])]
    elif kind == "thought":
        start = {"type": kind}
        deltas = [{"type": "thought_summary", "content": each} for each in step["summary"]]
        deltas.append({"type": "thought_signature", "signature": step["signature"]})
    elif kind == "function_call":
        start = {**step, "arguments": {}}
        deltas = [{"type": "arguments_delta", "arguments": json.dumps(step["arguments"])}]
    yield {"step": start, "event_type": "step.start"}
    for delta in deltas:
        yield {"delta": delta, "event_type": "step.delta"}
    yield {"event_type": "step.stop"}
