"""What is said to Anthropic and back, in the conventions' shapes, for those who opt in."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import anthropic
import pytest
from content_schema import assert_valid

from llm_otel.testing import Reply

MODEL = "claude-sonnet-5"
PNG = {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}
TEXT = {"type": "text", "text": "Look."}
TOOL = {
    "name": "get_weather",
    "description": "The weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    "cache_control": {"type": "ephemeral"},
}
SEARCH = [
    {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "rivers"}},
    {
        "type": "web_search_tool_result",
        "tool_use_id": "srv_1",
        "content": [{"type": "web_search_result", "url": "https://e.org/", "title": "Rivers",
                     "encrypted_content": "c2VjcmV0"}],
    },
]  # fmt: skip
THINKING = {"type": "thinking", "thinking": "Let me see.", "signature": "c2VjcmV0"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}}


@pytest.fixture
def client(p):
    with anthropic.Anthropic(base_url=p.origin, api_key="test", max_retries=0) as made:
        yield made


def answer(*blocks: dict[str, Any], stop: str = "end_turn") -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": MODEL,
        "content": list(blocks), "stop_reason": stop, "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 2},
    }  # fmt: skip


def stream_of(body: dict[str, Any]) -> Reply:
    """A stream whose blocks come in pieces."""
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {**body, "content": []}}]
    for index, block in enumerate(body["content"]):
        empty, deltas = dict(block), []
        for key, delta in (("text", "text_delta"), ("thinking", "thinking_delta")):
            if key in block:
                empty[key] = ""
                deltas += [{"type": delta, key: letter} for letter in block[key]]
        if "signature" in block:
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        if "input" in block:
            empty["input"] = {}
            deltas += [{"type": "input_json_delta", "partial_json": letter}
                       for letter in json.dumps(block["input"])]  # fmt: skip
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events += [{"type": "content_block_delta", "index": index, "delta": each}
                   for each in deltas]  # fmt: skip
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": body["stop_reason"]}
    events.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 2}})
    events.append({"type": "message_stop"})
    lines = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events)
    return Reply(headers={"content-type": "text/event-stream"}, body=lines)


def said(telemetry: Any) -> SimpleNamespace:
    """The content on the one span; it has the conventions' shapes."""
    attributes = telemetry.span.attributes
    names = {"inputs": "input.messages", "outputs": "output.messages",
             "system": "system_instructions", "tools": "tool.definitions"}  # fmt: skip
    content = SimpleNamespace(
        **{key: json.loads(attributes.get(f"gen_ai.{name}", "[]")) for key, name in names.items()}
    )
    assert_valid(content)
    assert "c2VjcmV0" not in str(attributes), "opaque state is no content"
    return content


def test_request(instrumented, client):
    """System, blocks, tools and their results, pictures and documents, in send order."""
    telemetry = instrumented(capture_content="span_only")
    client.beta.messages.create(
        model=MODEL,
        max_tokens=100,
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        tools=[TOOL, {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
        mcp_servers=[{"type": "url", "url": "https://m.org/", "name": "m",
                      "authorization_token": "c2VjcmV0"}],
        messages=[
            {"role": "user", "content": [TEXT, {"type": "image", "source": PNG}]},
            {"role": "assistant", "content": [THINKING, *SEARCH, USE]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [TEXT]}]},
            {"role": "user", "content": [
                {"type": "image", "source": {"type": "url", "url": "https://h.org/a.png?key=1"}},
                {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain",
                                                "data": "A page."}}]},
            {"role": "user", "content": "And now?"},
        ],
    )  # fmt: skip
    content = said(telemetry)
    assert content.system == [{"type": "text", "content": "Be brief."}]
    assert content.tools == [
        {"type": "function", "name": "get_weather", "description": "The weather.",
         "parameters": TOOL["input_schema"]},
        {"type": "web_search_20250305", "name": "web_search"},
    ]  # fmt: skip
    text = {"type": "text", "content": "Look."}
    assert content.inputs == [
        {"role": "user", "parts": [
            text,
            {"type": "omitted_blob", "modality": "image", "mime_type": "image/png",
             "byte_length": 5}]},
        {"role": "assistant", "parts": [
            {"type": "reasoning", "content": "Let me see."},
            {"type": "server_tool_call", "id": "srv_1", "name": "web_search",
             "server_tool_call": {"type": "web_search", "input": {"query": "rivers"}}},
            {"type": "server_tool_call_response", "id": "srv_1",
             "server_tool_call_response": {
                 "type": "web_search_tool_result",
                 "content": [{"type": "web_search_result", "url": "https://e.org/",
                              "title": "Rivers"}]}},
            {"type": "tool_call", "id": "toolu_1", "name": "get_weather",
             "arguments": {"city": "Paris"}}]},
        {"role": "tool", "parts": [
            {"type": "tool_call_response", "id": "toolu_1", "response": [text]}]},
        {"role": "user", "parts": [
            {"type": "uri", "modality": "image", "uri": "https://h.org/a.png"},
            {"type": "file", "modality": "document", "file_id": "file_1"},
            {"type": "text", "content": "A page."}]},
        {"role": "user", "parts": [{"type": "text", "content": "And now?"}]},
    ]  # fmt: skip


ANSWERS = {
    "text": (answer(TEXT), [{"type": "text", "content": "Look."}], "stop"),
    "thinking and a tool": (
        answer(THINKING, USE, stop="tool_use"),
        [{"type": "reasoning", "content": "Let me see."},
         {"type": "tool_call", "id": "toolu_1", "name": "get_weather",
          "arguments": {"city": "Paris"}}],
        "tool_call",
    ),
    "hidden thoughts": (
        answer({"type": "redacted_thinking", "data": "c2VjcmV0"}, TEXT, stop="refusal"),
        [{"type": "redacted_thinking"}, {"type": "text", "content": "Look."}],
        "content_filter",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", ["whole", "stream", "helper"])
@pytest.mark.parametrize("name", ANSWERS)
def test_answers(instrumented, client, p, name, how):
    """A stream's message is that of the whole answer."""
    telemetry = instrumented(capture_content="span_only")
    body, parts, reason = ANSWERS[name]
    ask = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    p.enqueue(Reply(body=body) if how == "whole" else stream_of(body))
    if how == "helper":
        with client.messages.stream(**ask) as stream:
            stream.until_done()
    else:
        given = client.messages.create(**ask, stream=how == "stream")
        if how == "stream":
            list(given)
    assert said(telemetry).outputs == [
        {"role": "assistant", "parts": parts, "finish_reason": reason}
    ]


def test_left_early(instrumented, client, p):
    """What came of a stream that was left, with its reason."""
    telemetry = instrumented(capture_content="span_only")
    p.enqueue(stream_of(answer(TEXT)))
    ask = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    with client.messages.create(**ask, stream=True) as stream:
        for _ in range(4):
            next(stream)
    assert said(telemetry).outputs == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Lo"}],
         "finish_reason": "cancelled"}
    ]  # fmt: skip


def test_what_the_sdk_gave_goes_back(instrumented, client, p):
    """An answer's own blocks in the next request, and messages that are read once."""
    p.enqueue(Reply(body=answer(THINKING, USE, stop="tool_use")))
    first = client.messages.create(
        model=MODEL, max_tokens=9, messages=[{"role": "user", "content": "Weather?"}]
    )
    telemetry = instrumented(capture_content="span_only")
    messages = [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": "And?"},
    ]
    client.messages.create(model=MODEL, max_tokens=9, messages=iter(messages))
    roles = [(m["role"], [part["type"] for part in m["parts"]]) for m in said(telemetry).inputs]
    assert roles == [("assistant", ["reasoning", "tool_call"]), ("user", ["text"])]


def test_nothing_without_consent(instrumented, client):
    """Nothing that was said is on the span unless somebody asks for it."""
    telemetry = instrumented()
    client.messages.create(
        model=MODEL, max_tokens=9, messages=[{"role": "user", "content": "a secret"}]
    )
    assert "secret" not in str(telemetry.span)
