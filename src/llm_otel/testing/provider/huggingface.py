"""Hugging Face's own tasks: text generation as its servers (TGI) speak it, vectors of a text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import sse
from .answers import Answer, Prompt, compose, count_tokens
from .embeddings import embed
from .messages import Json, ProtocolError, ReceivedRequest, Reply
from .state import State


def generate(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /generate`: a text, or a token at a time."""
    body = _body(request)
    parameters = body.get("parameters") or {}
    text = body.get("inputs")
    if not isinstance(text, str) or not isinstance(parameters, dict):
        raise ProtocolError("Input validation error: `inputs` must be a string", status=422)
    limit = parameters.get("max_new_tokens", 100)
    prompt = Prompt(request.model or "tgi", text, count_tokens(text), max_tokens=limit)
    answer = compose(state, prompt, body)
    usage = {"prompt_tokens": prompt.tokens, "completion_tokens": answer.tokens}
    if body.get("stream") or request.path.endswith("/generate_stream"):
        headers = {"content-type": "text/event-stream"}
        chunks = list(_events(prompt, answer))
        return Reply(chunks=chunks, headers=headers, pieces=len(chunks), usage=usage)
    node: Json = {"generated_text": answer.text}
    if parameters.get("details"):
        wants_input = parameters.get("decoder_input_details")
        node["details"] = {
            "finish_reason": _finish_reason(answer),
            "generated_tokens": answer.tokens,
            "prefill": [_token(0, "")] * prompt.tokens if wants_input else [],
            "tokens": [],
        }
    return Reply(body=[node], usage=usage)


def features(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `POST /pipeline/feature-extraction`: nothing but vectors."""
    inputs = _body(request).get("inputs")
    texts = inputs if isinstance(inputs, list) else [inputs]
    return Reply(body=[embed(str(text)).tolist() for text in texts])


def _body(request: ReceivedRequest) -> Json:
    if not isinstance(request.json, dict):
        raise ProtocolError("Failed to parse the request body as JSON", status=422)
    return request.json


def _events(prompt: Prompt, answer: Answer) -> Iterator[bytes]:
    pieces = answer.pieces() or [""]
    for index, piece in enumerate(pieces, 1):
        event: Json = {
            "index": index, "token": _token(index, piece), "generated_text": None, "details": None
        }  # fmt: skip
        if index == len(pieces):
            event["generated_text"] = answer.text
            event["details"] = {
                "finish_reason": _finish_reason(answer),
                "generated_tokens": answer.tokens,
                "input_length": prompt.tokens,
                "seed": None,
            }
        yield sse.event(event)


def _token(number: int, text: str) -> dict[str, Any]:
    return {"id": number, "text": text, "logprob": -0.1, "special": False}


def _finish_reason(answer: Answer) -> str:
    return "length" if answer.truncated else "eos_token"
