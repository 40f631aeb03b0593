"""What is said to Cohere and back, in the conventions' shapes, for those who opt in."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import cohere
import pytest
from content_schema import assert_valid

from llm_otel.testing import Reply
from tests.conformance.test_cohere import MODEL, make

CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
SAID_CALL = {
    "type": "tool_call", "id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"},
}  # fmt: skip
PNG = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}}
MESSAGES: list[Any] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Look."}, PNG]},
    {"role": "assistant", "tool_plan": "I will look.", "tool_calls": [CALL]},
    {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": [{"type": "document", "document": {"data": {"text": "sunny"}}}],
    },
]
MESSAGE: dict[str, Any] = {
    "role": "assistant",
    "tool_plan": "First I look.",
    "content": [
        {"type": "thinking", "thinking": "Let me see."},
        {"type": "text", "text": "It is sunny."},
    ],
    "tool_calls": [CALL],
}
SAID = [
    {"type": "reasoning", "content": "First I look."},
    {"type": "reasoning", "content": "Let me see."},
    {"type": "text", "content": "It is sunny."},
    SAID_CALL,
]


@pytest.fixture
def v1(p):
    with make(cohere.Client, p) as made:
        yield made


@pytest.fixture
def v2(p):
    with make(cohere.ClientV2, p) as made:
        yield made


def events(message: dict[str, Any], end: str | None = "COMPLETE") -> Reply:
    """The stream of a message, letter by letter."""
    nodes: list[dict[str, Any]] = [{"id": "c1", "type": "message-start", "delta": {"message": {}}}]
    for index, block in enumerate(message["content"]):
        kind = block["type"]
        begin = {"message": {"content": {"type": kind, kind: ""}}}
        nodes.append({"type": "content-start", "index": index, "delta": begin})
        for letter in block[kind]:
            delta = {"message": {"content": {kind: letter}}}
            nodes.append({"type": "content-delta", "index": index, "delta": delta})
    for letter in message["tool_plan"]:
        nodes.append({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": letter}}})
    for index, call in enumerate(message["tool_calls"]):
        function = call["function"]
        begin = {"message": {"tool_calls": {**call, "function": {**function, "arguments": ""}}}}
        nodes.append({"type": "tool-call-start", "index": index, "delta": begin})
        for letter in function["arguments"]:
            delta = {"message": {"tool_calls": {"function": {"arguments": letter}}}}
            nodes.append({"type": "tool-call-delta", "index": index, "delta": delta})
    if end is not None:
        nodes.append({"type": "message-end", "delta": {"finish_reason": end}})
    lines = "".join(f"event: {n['type']}\ndata: {json.dumps(n)}\n\n" for n in nodes)
    return Reply(headers={"content-type": "text/event-stream"}, body=lines)


def content(telemetry: Any, name: str) -> Any:
    """A content attribute of the one span, which has the conventions' shapes."""
    attributes = telemetry.span.attributes
    names = {"inputs": "input.messages", "outputs": "output.messages",
             "system": "system_instructions", "tools": "tool.definitions"}  # fmt: skip
    all_of_it = {key: json.loads(attributes.get(f"gen_ai.{n}", "[]")) for key, n in names.items()}
    assert_valid(SimpleNamespace(**all_of_it))
    return all_of_it[name]


def outputs(reason: str, parts: list[Any]) -> list[Any]:
    return [{"role": "assistant", "parts": parts, "finish_reason": reason}]


def test_chat(instrumented, p, v2):
    """Messages, pictures as a mark, tools, documents and results; the answer with its plan."""
    telemetry = instrumented(capture_content="span_only")
    p.enqueue(Reply(body={"id": "c1", "message": MESSAGE, "finish_reason": "TOOL_CALL"}))
    v2.chat(
        model=MODEL, messages=MESSAGES, tools=[TOOL], documents=["A text.", {"data": {"t": "x"}}]
    )
    assert content(telemetry, "inputs") == [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "A text."},
                {"type": "document", "content": {"data": {"t": "x"}}},
            ],
        },
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "Look."},
                {"type": "omitted_blob", "modality": "image", "mime_type": "image/png",
                 "byte_length": 5},
            ],
        },
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "I will look."}, SAID_CALL],
        },
        {
            "role": "tool",
            "parts": [
                {
                    "type": "tool_call_response",
                    "id": "call_1",
                    "response": [
                        {"type": "document", "content": {"document": {"data": {"text": "sunny"}}}}
                    ],
                }
            ],
        },
    ]  # fmt: skip
    assert content(telemetry, "outputs") == outputs("tool_call", SAID)
    assert content(telemetry, "tools") == [
        {"type": "function", "name": "get_weather", "description": "The weather.",
         "parameters": TOOL["function"]["parameters"]},
    ]  # fmt: skip


@pytest.mark.parametrize("end", ["COMPLETE", None])
def test_stream(instrumented, p, v2, end):
    """A stream says what the whole answer would, in one message."""
    telemetry = instrumented(capture_content="span_only")
    p.enqueue(events(MESSAGE, end))
    list(v2.chat_stream(model=MODEL, messages=MESSAGES))
    assert content(telemetry, "outputs") == outputs("stop" if end else "error", SAID)


@pytest.mark.skipif(
    not hasattr(cohere.ClientV2, "with_raw_response"),
    reason="streams of this version ignore that they are closed",
)
def test_a_stream_that_is_left(instrumented, p, v2):
    """What came before the caller left is there."""
    telemetry = instrumented(capture_content="span_only")
    whole = events(MESSAGE).body.encode()
    begin = whole[: whole.index(b"event: tool-plan-delta")]
    headers = {"content-type": "text/event-stream"}
    p.enqueue(Reply(headers=headers, chunks=[begin], ending="hang"))
    stream = v2.chat_stream(model=MODEL, messages=MESSAGES)
    next(stream)
    stream.close()
    assert content(telemetry, "outputs") == outputs("cancelled", SAID[1:3])


OLD: dict[str, Any] = {
    "model": MODEL,
    "message": "And tomorrow?",
    "preamble": "Be brief.",
    "chat_history": [
        {"role": "USER", "message": "How is the weather?"},
        {"role": "CHATBOT", "message": "Sunny."},
    ],
    "tools": [
        {
            "name": "get_weather",
            "description": "The weather.",
            "parameter_definitions": {"city": {"type": "str", "required": True}},
        }
    ],
    "tool_results": [
        {"call": {"name": "get_weather", "parameters": {}}, "outputs": [{"sky": "blue"}]}
    ],
}
OLD_ANSWER: dict[str, Any] = {
    "response_id": "c1",
    "text": "Sunny again.",
    "tool_calls": [{"name": "get_weather", "parameters": {"city": "Paris"}}],
    "finish_reason": "COMPLETE",
}


@pytest.mark.parametrize("how", ["whole", "stream", "cut off"])
def test_old_chat(instrumented, p, v1, how):
    """v1: the preamble is the system instructions, the history comes before the message."""
    telemetry = instrumented(capture_content="span_only")
    if how == "whole":
        p.enqueue(Reply(body=OLD_ANSWER))
        v1.chat(**OLD)
    else:
        nodes: list[dict[str, Any]] = [
            {"event_type": "text-generation", "text": letter} for letter in OLD_ANSWER["text"]
        ]
        calls = {"event_type": "tool-calls-generation", "tool_calls": OLD_ANSWER["tool_calls"]}
        end = {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": OLD_ANSWER}
        nodes += [calls, end] if how == "stream" else [calls]
        text = "".join(json.dumps({"is_finished": False, **node}) + "\n" for node in nodes)
        p.enqueue(Reply(headers={"content-type": "application/stream+json"}, body=text))
        list(v1.chat_stream(**OLD))
    assert content(telemetry, "system") == [{"type": "text", "content": "Be brief."}]
    assert content(telemetry, "inputs") == [
        {"role": "user", "parts": [{"type": "text", "content": "How is the weather?"}]},
        {"role": "assistant", "parts": [{"type": "text", "content": "Sunny."}]},
        {"role": "user", "parts": [{"type": "text", "content": "And tomorrow?"}]},
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "response": [{"sky": "blue"}]}],
        },
    ]
    said = [
        {"type": "text", "content": "Sunny again."},
        {"type": "tool_call", "name": "get_weather", "arguments": {"city": "Paris"}},
    ]
    reason = "error" if how == "cut off" else "stop"
    assert content(telemetry, "outputs") == outputs(reason, said)
    (tool,) = content(telemetry, "tools")
    assert (tool["type"], tool["name"]) == ("function", "get_weather")
    assert tool["parameters"]["city"]["type"] == "str"


def test_rerank(instrumented, p, v2):
    """A rerank says the documents and what is looked for."""
    telemetry = instrumented(capture_content="span_only")
    v2.rerank(model="rerank-v3.5", query="Rain?", documents=["Sunny.", "Wet."])
    documents = [{"type": "text", "content": "Sunny."}, {"type": "text", "content": "Wet."}]
    assert content(telemetry, "inputs") == [
        {"role": "user", "parts": documents},
        {"role": "user", "parts": [{"type": "text", "content": "Rain?"}]},
    ]


def test_nothing_by_default(instrumented, p, v2):
    """Without the opt-in no word of it is on the span."""
    telemetry = instrumented()
    p.enqueue(Reply(body={"id": "c1", "message": MESSAGE, "finish_reason": "COMPLETE"}))
    v2.chat(model=MODEL, messages=MESSAGES, tools=[TOOL])
    assert "sunny" not in json.dumps(dict(telemetry.span.attributes), default=str)
