"""Gemini's protocol reads bodies of any form without raising."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from llm_otel.protocols.gemini import GEMINI
from llm_otel.protocols.spec import Endpoint, Request
from llm_otel.providers.dialects import PLAIN

ODD: tuple[Any, ...] = (
    None, 0, -1, 1.5, "", "x", [], {}, [None], {"a": None}, True, 10**30, "STOP", ["a", {}],
)  # fmt: skip
PARTS: list[dict[str, Any]] = [
    {"text": "Hm.", "thought": True},
    {"text": "Yes."},
    {"functionCall": {"name": "f", "args": {"a": 1}}},
    {"functionResponse": {"name": "f", "response": {"a": 1}}},
    {"inlineData": {"mimeType": "image/png", "data": "aGVsbG8="}},
    {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/v"}},
    {"executableCode": {"language": "PYTHON", "code": "1"}},
    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
]
COUNTS = [{"modality": "TEXT", "tokenCount": 3}, {"modality": "AUDIO", "tokenCount": 2}]
GROUNDING = {"webSearchQueries": ["a"], "groundingChunks": [{"web": {"uri": "x"}}, {"maps": {}}]}
CONTENT: dict[str, Any] = {
    "candidates": [
        {"content": {"parts": PARTS, "role": "model"}, "finishReason": "STOP", "index": 0,
         "groundingMetadata": GROUNDING},
        {"finishReason": "SAFETY", "index": 1},
    ],
    "promptFeedback": {"blockReason": "SAFETY"},
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 5, "totalTokenCount": 10,
                      "promptTokensDetails": COUNTS, "candidatesTokensDetails": COUNTS,
                      "serviceTier": "standard", "trafficType": "ON_DEMAND"},
    "modelVersion": "m", "responseId": "r",
    "error": {"code": 503, "status": "UNAVAILABLE", "details": [{"reason": "API_KEY_INVALID"}]},
}  # fmt: skip
STEPS = [
    {"type": "thought", "summary": [{"type": "text", "text": "Hm."}], "signature": "x"},
    {"type": "google_search_call", "id": "s", "arguments": {"queries": ["a"]}},
    {"type": "model_output", "content": [{"type": "text", "text": "Yes."}]},
    {"type": "function_call", "id": "c", "name": "f", "arguments": {"a": 1}},
    {"type": "image", "data": "aGVsbG8=", "mime_type": "image/png"},
]
INTERACTION = {
    "id": "v1", "status": "completed", "model": "m", "steps": STEPS, "errors": [{"code": "x"}],
    "usage": {"total_input_tokens": 5, "total_output_tokens": 5, "total_tokens": 10,
              "grounding_tool_count": [{"type": "google_search", "count": 1}]},
}  # fmt: skip
EVENTS = [
    {"event_type": "interaction.created", "interaction": {**INTERACTION, "status": "in_progress"}},
    {"event_type": "step.start", "index": 0, "step": STEPS[3]},
    {"event_type": "step.delta", "index": 0, "delta": {"type": "arguments_delta",
                                                       "arguments": "{}"}},
    {"event_type": "step.delta", "index": 1, "delta": {"type": "text", "text": "Yes."}},
    {"event_type": "error", "error": {"code": "x", "message": "no"}},
    {"event_type": "interaction.completed", "interaction": INTERACTION},
]  # fmt: skip
BATCH = {
    "name": "batches/b", "metadata": {"state": "BATCH_STATE_SUCCEEDED", "model": "models/m"},
    "response": {"inlinedResponses": {"inlinedResponses": [{"response": CONTENT}]}},
}  # fmt: skip
PREDICTED = {
    "predictions": [
        {"embeddings": {"values": [0.1], "statistics": {"token_count": 4}}},
        {"bytesBase64Encoded": "aGVsbG8=", "mimeType": "image/png"},
        {"raiFilteredReason": "x"},
    ]
}
MESSAGES = [
    {"server_content": {"model_turn": {}}, "usage_metadata": {"prompt_token_count": 5}},
    {"tool_call": {}, "usage_metadata": {"response_token_count": 5}},
    {"server_content": {"turn_complete": True}},
]
STREAMS: tuple[list[dict[str, Any]], ...] = (
    [CONTENT, CONTENT], [INTERACTION], EVENTS, [BATCH], [PREDICTED], MESSAGES,
)  # fmt: skip
REQUEST = {
    "contents": [{"parts": PARTS, "role": "user"}],
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]},
              {"type": "function", "name": "g"}],
    "generationConfig": {"temperature": 0.5, "topK": 40.0, "responseModalities": ["AUDIO"],
                         "thinkingConfig": {"thinkingLevel": "LOW"}},
    "generation_config": {"temperature": 0.5},
    "input": STEPS, "instances": [{"prompt": "A cat"}], "parameters": {"sampleCount": 2},
    "requests": [{"outputDimensionality": 3}], "model": "models/m",
}  # fmt: skip


def mutated(node: Any, random: Random) -> Any:
    """A body in which some values are odd ones, and some are not there."""
    if random.random() < 0.06:
        return random.choice(ODD)
    if isinstance(node, dict):
        return {
            key: mutated(value, random) for key, value in node.items() if random.random() > 0.03
        }
    if isinstance(node, list):
        return [mutated(each, random) for each in node]
    return node


ENDPOINTS = {f"{key} {endpoint.operation}": endpoint for key, endpoint in GEMINI.items()}


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS)
def test_odd_bodies(endpoint: Endpoint) -> None:
    """Whatever a body holds is read; what is no number of tokens is none."""
    random, protocol = Random(endpoint.operation), endpoint.protocol
    for _ in range(300):
        body = mutated(REQUEST, random)
        request = Request("post", "models/m:generateContent", body if type(body) is dict else {})
        chunks = [mutated(each, random) for each in random.choice(STREAMS)]
        protocol.model(request)
        protocol.request_attributes(request.body)
        protocol.request_content(body)
        protocol.response_content(chunks[0])
        fold, accumulator = protocol.fold(endpoint, PLAIN), protocol.accumulator()
        for chunk in chunks:
            node = json.dumps(chunk) if random.random() < 0.5 else chunk
            fold.add(node)
            if accumulator is not None:
                accumulator.add(node)
        if accumulator is not None:
            accumulator.messages()
        for answer in (protocol.answer(chunks[0], endpoint, PLAIN), fold.answer()):
            if answer.usage is not None:
                protocol.complete(answer.usage, request, answer, PLAIN)
                assert answer.usage.input_tokens >= 0
                assert answer.usage.output_tokens >= 0


@pytest.mark.parametrize(
    ("number", "reason"), [(1, "stop"), (2, "length"), (3, "content_filter"), (9, "error")]
)
def test_reasons_of_older_clients_are_numbers(number: int, reason: str) -> None:
    """The enum of the protocol, in the conventions' words."""
    from llm_otel.protocols.gemini.finish_reasons import finish_reason

    assert finish_reason(number) == reason
