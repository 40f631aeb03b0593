"""What is said to Gemini and back, in the conventions' shapes, for those who opt in."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest
from content_schema import assert_valid
from google.genai import types

from llm_otel.testing import Reply
from tests.clients.google__genai import made
from tests.conformance.test_google_genai import answer, stream

MODEL = "gemini-2.5-flash"
USED = {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11}
PNG = b"hello"
SECRET = "c2VjcmV0"
WEATHER = types.FunctionDeclaration(
    name="get_weather",
    description="The weather.",
    parameters_json_schema={"type": "object", "properties": {"city": {"type": "string"}}},
)


@pytest.fixture
def client(p):
    with made(p) as client:
        yield client


@pytest.fixture
def told(instrumented):
    return instrumented(capture_content="span_only")


def said(telemetry: Any) -> SimpleNamespace:
    """The content on the one span; it has the conventions' shapes."""
    attributes = telemetry.span.attributes
    names = {"inputs": "input.messages", "outputs": "output.messages",
             "system": "system_instructions", "tools": "tool.definitions"}  # fmt: skip
    content = SimpleNamespace(
        **{key: json.loads(attributes.get(f"gen_ai.{name}", "[]")) for key, name in names.items()}
    )
    assert_valid(content)
    assert SECRET not in str(attributes), "opaque state is no content"
    return content


CONTENTS = [
    types.Content(
        role="user",
        parts=[
            types.Part(text="Look."),
            types.Part.from_bytes(data=PNG, mime_type="image/png"),
            types.Part.from_uri(file_uri="gs://b/v.mp4?sig=x", mime_type="video/mp4"),
        ],
    ),
    types.Content(
        role="model",
        parts=[
            types.Part(text="Hm.", thought=True, thought_signature=b"secret"),
            types.Part(function_call=types.FunctionCall(id="c1", name="get_weather",
                                                        args={"city": "Rome"})),
        ],
    ),
    types.Content(
        role="user",
        parts=[types.Part.from_function_response(name="get_weather", response={"sky": "blue"})],
    ),
]  # fmt: skip
INPUTS = [
    {
        "role": "user",
        "parts": [
            {"type": "text", "content": "Look."},
            {"type": "omitted_blob", "modality": "image", "mime_type": "image/png",
             "byte_length": 5},
            {"type": "uri", "modality": "video", "uri": "gs://b/v.mp4", "mime_type": "video/mp4"},
        ],
    },
    {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": "Hm."},
            {"type": "tool_call", "name": "get_weather", "id": "c1",
             "arguments": {"city": "Rome"}},
        ],
    },
    {"role": "tool", "parts": [{"type": "tool_call_response", "response": {"sky": "blue"}}]},
]  # fmt: skip


def test_requests(told, client):
    """Contents, the system instruction and tools."""
    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        tools=[
            types.Tool(function_declarations=[WEATHER]),
            types.Tool(google_search=types.GoogleSearch()),
        ],
    )
    client.models.generate_content(model=MODEL, contents=CONTENTS, config=config)
    found = said(told)
    assert found.inputs == INPUTS
    assert found.system == [{"type": "text", "content": "Be brief."}]
    assert found.tools == [
        {"type": "googleSearch", "name": "googleSearch"},
        {
            "type": "function",
            "name": "get_weather",
            "description": "The weather.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    ]


PARTS: list[dict[str, Any]] = [
    {"text": "Let me see.", "thought": True, "thoughtSignature": SECRET},
    {"executableCode": {"language": "PYTHON", "code": "print(4)"}},
    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "4\n"}},
    {"text": "It is four."},
    {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}},
    {"functionCall": {"id": "c1", "name": "get_weather", "args": {"city": "Rome"}}},
]
OUTPUT = [
    {"type": "reasoning", "content": "Let me see."},
    {
        "type": "server_tool_call",
        "name": "code_execution",
        "server_tool_call": {"type": "code_execution", "code": "print(4)", "language": "PYTHON"},
    },
    {
        "type": "server_tool_call_response",
        "server_tool_call_response": {
            "type": "code_execution", "outcome": "OUTCOME_OK", "output": "4\n",
        },
    },
    {"type": "text", "content": "It is four."},
    {"type": "omitted_blob", "modality": "image", "mime_type": "image/png", "byte_length": 5},
    {"type": "tool_call", "name": "get_weather", "id": "c1", "arguments": {"city": "Rome"}},
]  # fmt: skip


def pieces(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts as a stream brings them: texts letter by letter."""
    return [
        {**part, "text": letter} if letter else part
        for part in parts
        for letter in part.get("text", [None])
    ]


@pytest.mark.parametrize("how", ["whole", "stream"])
def test_answers(told, client, p, how):
    """A message of all parts, put together where they came in pieces."""
    if how == "whole":
        p.enqueue(Reply(body=answer(USED, parts=PARTS)))
        client.models.generate_content(model=MODEL, contents="Hi")
    else:
        chunks = [answer(parts=[piece], stop=None) for piece in pieces(PARTS)]
        p.enqueue(stream(*chunks, answer(USED, parts=[{"text": ""}])))
        list(client.models.generate_content_stream(model=MODEL, contents="Hi"))
    outputs = [{"role": "assistant", "parts": OUTPUT, "finish_reason": "tool_call"}]
    assert said(told).outputs == outputs


def test_a_stream_that_was_left(told, client, p):
    """What came before is there, and that nobody waited for the rest."""
    p.enqueue(stream(answer(stop=None), answer(stop=None), answer(USED)))
    for _ in client.models.generate_content_stream(model=MODEL, contents="Hi"):
        break
    (output,) = said(told).outputs
    assert output["parts"] == [{"type": "text", "content": "Yes."}]
    assert output["finish_reason"] == "cancelled"


# ------------------------------------------------------------------ interactions
STEPS: list[dict[str, Any]] = [
    {"type": "thought", "summary": [{"type": "text", "text": "Let me see."}], "signature": SECRET},
    {"type": "google_search_call", "id": "s1", "arguments": {"queries": ["rivers"]},
     "signature": SECRET},
    {"type": "google_search_result", "call_id": "s1", "result": [{"search_suggestions": "x"}]},
    {"type": "model_output", "content": [{"type": "text", "text": "It is four."}]},
    {"type": "function_call", "id": "c1", "name": "get_weather", "arguments": {"city": "Rome"}},
]  # fmt: skip
STEP_PARTS = [
    {"type": "reasoning", "content": "Let me see."},
    {"type": "server_tool_call", "name": "google_search", "id": "s1",
     "server_tool_call": {"type": "google_search", "arguments": {"queries": ["rivers"]}}},
    {"type": "server_tool_call_response", "id": "s1",
     "server_tool_call_response": {"type": "google_search",
                                   "result": [{"search_suggestions": "x"}]}},
    {"type": "text", "content": "It is four."},
    {"type": "tool_call", "name": "get_weather", "id": "c1", "arguments": {"city": "Rome"}},
]  # fmt: skip
INPUT = [
    {"type": "user_input", "content": [
        {"type": "text", "text": "Look."},
        {"type": "image", "data": base64.b64encode(PNG).decode(), "mime_type": "image/png"},
    ]},
    {"type": "function_call", "id": "c0", "name": "get_weather", "arguments": {"city": "Oslo"}},
    {"type": "function_result", "call_id": "c0", "result": {"sky": "grey"}},
]  # fmt: skip
USAGE = {"total_input_tokens": 9, "total_output_tokens": 2, "total_tokens": 11}
ABOUT = {"id": "v1_1", "model": MODEL, "object": "interaction", "status": "requires_action",
         "created": "2026-01-01T00:00:00Z", "updated": "2026-01-01T00:00:00Z"}  # fmt: skip


def deltas(step: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """How a step begins in a stream, and the pieces that follow."""
    kind = step["type"]
    if kind == "thought":
        thought = [{"type": "thought_summary", "content": step["summary"][0]}]
        return {"type": kind}, [*thought, {"type": "thought_signature", "signature": SECRET}]
    if kind == "model_output":
        text = step["content"][0]["text"]
        return {"type": kind}, [{"type": "text", "text": letter} for letter in text]
    if kind == "function_call":
        text = json.dumps(step["arguments"])
        start = {**step, "arguments": {}}
        return start, [{"type": "arguments_delta", "arguments": letter} for letter in text]
    return step, []


def events() -> Reply:
    found: list[dict[str, Any]] = [
        {"event_type": "interaction.created", "interaction": {**ABOUT, "status": "in_progress"}}
    ]
    for index, step in enumerate(STEPS):
        start, following = deltas(step)
        found.append({"event_type": "step.start", "index": index, "step": start})
        found += [{"event_type": "step.delta", "index": index, "delta": each}
                  for each in following]  # fmt: skip
        found.append({"event_type": "step.stop", "index": index})
    found.append({"event_type": "interaction.completed", "interaction": {**ABOUT, "usage": USAGE}})
    lines = "".join(f"event: {e['event_type']}\ndata: {json.dumps(e)}\n\n" for e in found)
    return Reply(
        headers={"content-type": "text/event-stream"}, body=f"{lines}event: done\ndata: [DONE]\n\n"
    )


@pytest.mark.parametrize("how", ["whole", "stream"])
def test_interactions(told, client, p, how):
    """Input, instruction, tools, and the steps of the answer."""
    p.enqueue(Reply(body={**ABOUT, "steps": STEPS, "usage": USAGE}) if how == "whole" else events())
    found = client.interactions.create(
        model=MODEL,
        input=INPUT,
        system_instruction="Be brief.",
        tools=[
            {"type": "function", "name": "get_weather", "description": "The weather.",
             "parameters": {"type": "object"}},
            {"type": "mcp_server", "name": "mine", "url": "https://m.example",
             "headers": {"authorization": SECRET}},
        ],
        stream=how == "stream",
    )  # fmt: skip
    if how == "stream":
        list(found)
    content = said(told)
    assert content.outputs == [
        {"role": "assistant", "parts": STEP_PARTS, "finish_reason": "tool_call"}
    ]
    assert content.system == [{"type": "text", "content": "Be brief."}]
    assert content.inputs == [
        {"role": "user", "parts": INPUTS[0]["parts"][:2]},
        {"role": "assistant", "parts": [{"type": "tool_call", "name": "get_weather", "id": "c0",
                                         "arguments": {"city": "Oslo"}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c0",
                                    "response": {"sky": "grey"}}]},
    ]  # fmt: skip
    assert content.tools == [
        {"type": "function", "name": "get_weather", "description": "The weather.",
         "parameters": {"type": "object"}},
        {"type": "mcp_server", "name": "mine"},
    ]  # fmt: skip


def test_nothing_is_told_unasked(instrumented, client):
    """Without the opt-in no word of it is anywhere."""
    telemetry = instrumented()
    client.models.generate_content(model=MODEL, contents="A secret question")
    client.interactions.create(model=MODEL, input="A secret question")
    for span in telemetry.spans:
        assert "secret" not in str(span.attributes)
