"""Where providers of the OpenAI protocol differ from OpenAI, by who is asking."""

from __future__ import annotations

from collections.abc import Callable

from .messages import Json, ReceivedRequest, model_in_path
from .mistral_protocol import MISTRAL
from .protocols import protocol_of

Dialect = Callable[[list[Json], Json], list[Json]]
"""Changes the bodies of an answer (one, or the chunks of a stream), given its usage."""

_SAFE = {
    kind: {"filtered": False, "severity": "safe"}
    for kind in ("hate", "self_harm", "sexual", "violence")
}


def dialect_of(request: ReceivedRequest) -> Dialect:
    """Azure's for its paths, Groq's, Together's and Mistral's for their SDKs, else OpenAI's."""
    client = request.headers.get("user-agent", "").partition("/")[0].removeprefix("Async")
    if protocol_of(request) is MISTRAL:
        return _mistral
    if model_in_path(request.path):
        return _azure
    return {"Groq": _groq, "Together": _together}.get(client, _openai)


def _openai(bodies: list[Json], usage: Json) -> list[Json]:  # noqa: ARG001
    return bodies


def _azure(bodies: list[Json], usage: Json) -> list[Json]:  # noqa: ARG001
    """Filter results on every choice; a stream starts with a chunk that has no choices."""
    prompt = {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": _SAFE}]}
    for body in bodies:
        for choice in body["choices"]:
            choice["content_filter_results"] = _SAFE
    if "chunk" not in bodies[0]["object"]:
        bodies[0].update(prompt)
        return bodies
    nothing = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
    return [{**nothing, **prompt}, *bodies]


def _groq(bodies: list[Json], usage: Json) -> list[Json]:
    """A stream's usage comes unasked for, inside `x_groq` of the last chunk with a choice."""
    identity = {"id": "req_" + bodies[0]["id"].rpartition("-")[2]}
    bodies[0]["x_groq"] = identity
    if "chunk" in bodies[0]["object"]:
        last = [body for body in bodies if body["choices"]][-1]
        last["x_groq"] = {**identity, "usage": usage}
    return bodies


def _together(bodies: list[Json], usage: Json) -> list[Json]:
    """A stream's usage comes unasked for, on the last chunk."""
    bodies[-1]["usage"] = usage
    return bodies


def _mistral(bodies: list[Json], usage: Json) -> list[Json]:
    """Usage unasked for, on the last chunk; thoughts in front of the text, as a list of blocks."""
    totals = {key: usage[key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")}
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    for body in bodies:
        for key in ("service_tier", "system_fingerprint", "usage"):
            body.pop(key, None)
        for choice in body["choices"]:
            choice.pop("logprobs", None)
            for key in ("message", "delta"):
                for field in ("refusal", "annotations"):
                    choice.get(key, {}).pop(field, None)
    bodies[-1]["usage"] = {**totals, "prompt_tokens_details": {"cached_tokens": cached}}
    if usage["completion_tokens_details"]["reasoning_tokens"]:
        _think(bodies)
    return bodies


def _think(bodies: list[Json]) -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Let me think."}]}
    for body in bodies:
        for choice in body["choices"]:
            if "message" in choice:
                text = choice["message"]["content"]
                blocks = [{"type": "text", "text": text}] if text else []
                choice["message"]["content"] = [thought, *blocks]
            elif "role" in choice["delta"]:
                choice["delta"]["content"] = [thought]
