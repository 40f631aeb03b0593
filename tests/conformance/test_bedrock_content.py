"""What Bedrock's requests and answers say, by opt-in, in the conventions' shapes."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest
from clients import botocore as table

from tests.conformance import aws
from tests.conformance.aws import MODEL

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(autouse=True)
def nothing_left_for_others():
    """What the SDK leaves to the garbage collector is found here, not in a later test."""
    yield
    gc.collect()


REQUEST: dict[str, Any] = {
    "modelId": MODEL,
    "system": [{"text": "Be kind."}, {"cachePoint": {"type": "default"}}],
    "messages": [
        {"role": "user", "content": [
            {"text": "Look"},
            {"image": {"format": "png", "source": {"bytes": b"1234"}}},
            {"document": {"format": "pdf", "name": "d", "source": {
                "s3Location": {"uri": "s3://bucket/d.pdf?sig=1"}}}},
            {"video": {"format": "mp4", "source": {"bytes": b"123456"}}},
            {"guardContent": {"text": {"text": "Mind this"}}},
            {"cachePoint": {"type": "default"}},
        ]},
        {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}},
            {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"x": 1}}},
        ]},
        {"role": "user", "content": [
            {"toolResult": {"toolUseId": "t1", "content": [{"json": {"y": 2}}]}},
        ]},
    ],
    "toolConfig": {"tools": [
        {"toolSpec": {"name": "f", "description": "Does it",
                      "inputSchema": {"json": {"type": "object"}}}},
        {"cachePoint": {"type": "default"}},
    ]},
}  # fmt: skip

INPUTS = [
    {"role": "user", "parts": [
        {"type": "text", "content": "Look"},
        {"type": "omitted_blob", "modality": "image", "mime_type": "image/png", "byte_length": 4},
        {"type": "uri", "modality": "document", "uri": "s3://bucket/d.pdf",
         "mime_type": "application/pdf"},
        {"type": "omitted_blob", "modality": "video", "mime_type": "video/mp4", "byte_length": 6},
        {"type": "text", "content": "Mind this", "guarded": True},
    ]},
    {"role": "assistant", "parts": [
        {"type": "reasoning", "content": "Hm"},
        {"type": "tool_call", "name": "f", "id": "t1", "arguments": {"x": 1}},
    ]},
    {"role": "tool", "parts": [
        {"type": "tool_call_response", "response": {"y": 2}, "id": "t1"}]},
]  # fmt: skip
OUTPUTS = [
    {"role": "assistant", "finish_reason": "tool_call", "parts": [
        {"type": "reasoning", "content": "So then"},
        {"type": "text", "content": "Yes, I do."},
        {"type": "tool_call", "name": "f", "id": "t2", "arguments": {"x": 3}},
    ]},
]  # fmt: skip
ANSWER = aws.spoken(
    {},
    "tool_use",
    output={"message": {"role": "assistant", "content": [
        {"reasoningContent": {"reasoningText": {"text": "So then", "signature": "c2ln"}}},
        {"text": "Yes, I do."},
        {"toolUse": {"toolUseId": "t2", "name": "f", "input": {"x": 3}}},
    ]}},
)  # fmt: skip


def _delta(index: int, **delta: Any) -> tuple[str, Any]:
    return "contentBlockDelta", {"delta": delta, "contentBlockIndex": index}


EVENTS = [
    ("messageStart", {"role": "assistant"}),
    _delta(0, reasoningContent={"text": "So "}),
    _delta(0, reasoningContent={"text": "then"}),
    _delta(0, reasoningContent={"signature": "c2ln"}),
    _delta(1, text="Yes, "),
    _delta(1, text="I do."),
    ("contentBlockStart", {"start": {"toolUse": {"toolUseId": "t2", "name": "f"}},
                           "contentBlockIndex": 2}),
    _delta(2, toolUse={"input": '{"x"'}),
    _delta(2, toolUse={"input": ": 3}"}),
    ("messageStop", {"stopReason": "tool_use"}),
    ("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1}}),
]  # fmt: skip


@pytest.fixture
def client(p):
    with table.CLIENT.make(p, False) as made:
        yield made


@pytest.fixture
def told(instrumented):
    return instrumented(capture_content="span_only")


def content(told: Any, name: str) -> Any:
    value = told.span.attributes.get(f"gen_ai.{name}")
    return json.loads(value) if isinstance(value, str) else value


@pytest.mark.parametrize("how", ["whole", "stream"])
def test_converse(told, client, p, how):
    """Messages, system, tools, media, thoughts and tool calls; marks of the cache say nothing."""
    if how == "whole":
        p.enqueue(aws.whole(ANSWER))
        client.converse(**REQUEST)
    else:
        p.enqueue(aws.events(*EVENTS))
        list(client.converse_stream(**REQUEST)["stream"])
    assert content(told, "input.messages") == INPUTS
    assert content(told, "output.messages") == OUTPUTS
    assert content(told, "system_instructions") == [{"type": "text", "content": "Be kind."}]
    assert content(told, "tool.definitions") == [
        {"type": "function", "name": "f", "description": "Does it",
         "parameters": {"type": "object"}}
    ]  # fmt: skip


def test_tools_that_aws_runs(told, client, p):
    """Are told apart from the program's."""
    use = {
        "toolUseId": "s1",
        "name": "nova_code_interpreter",
        "type": "server_tool_use",
        "input": {"snippet": "1+1"},
    }
    result = {"toolUseId": "s1", "type": "nova_code_interpreter_result",
              "content": [{"json": {"stdOut": "2"}}], "status": "success"}  # fmt: skip
    blocks = [{"toolUse": use}, {"toolResult": result}]
    output = {"message": {"role": "assistant", "content": blocks}}
    p.enqueue(aws.whole(aws.spoken({}, output=output)))
    client.converse(**REQUEST)
    assert content(told, "output.messages")[0]["parts"] == [
        {"type": "server_tool_call", "name": "nova_code_interpreter", "id": "s1",
         "server_tool_call": {"type": "nova_code_interpreter", "input": {"snippet": "1+1"}}},
        {"type": "server_tool_call_response", "id": "s1", "server_tool_call_response": {
            "type": "nova_code_interpreter_result", "content": {"stdOut": "2"}}},
    ]  # fmt: skip


def test_nothing_without_opting_in(instrumented, client, p):
    """Private by default."""
    told = instrumented()
    p.enqueue(aws.whole(ANSWER))
    client.converse(**REQUEST)
    assert not [name for name in told.span.attributes if "messages" in name]


def text(content: str) -> list[dict[str, Any]]:
    return [{"type": "text", "content": content}]


# Model, request, chunks (the last one a whole answer, too) -> inputs, output, its reason.
FAMILIES: dict[str, Any] = {
    "anthropic": (
        "anthropic.claude-3-haiku-20240307-v1:0",
        {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9,
         "messages": [{"role": "user", "content": "Hello"}]},
        {"content": [{"type": "text", "text": "Hi there"}], "stop_reason": "end_turn",
         "usage": {"input_tokens": 1, "output_tokens": 1}},
        [{"type": "message_start", "message": {"content": []}},
         {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
         {"type": "content_block_delta", "index": 0,
          "delta": {"type": "text_delta", "text": "Hi there"}},
         {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}}],
        "stop",
    ),
    "nova": (
        "amazon.nova-lite-v1:0",
        {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]},
        {"output": {"message": {"role": "assistant", "content": [{"text": "Hi there"}]}},
         "stopReason": "end_turn"},
        [{"messageStart": {"role": "assistant"}},
         # a block for each token
         {"contentBlockDelta": {"delta": {"text": "Hi"}, "contentBlockIndex": 0}},
         {"contentBlockStop": {"contentBlockIndex": 0}},
         {"contentBlockDelta": {"delta": {"text": " there"}, "contentBlockIndex": 1}},
         {"contentBlockStop": {"contentBlockIndex": 1}},
         {"messageStop": {"stopReason": "end_turn"}}],
        "stop",
    ),
    "titan": (
        "amazon.titan-text-lite-v1", {"inputText": "Hello"},
        {"results": [{"outputText": "Hi there", "completionReason": "LENGTH"}]},
        [{"outputText": "Hi ", "index": 0, "completionReason": None},
         {"outputText": "there", "index": 0, "completionReason": "LENGTH"}],
        "length",
    ),
    "llama": (
        "meta.llama3-8b-instruct-v1:0", {"prompt": "Hello"},
        {"generation": "Hi there", "stop_reason": "stop"},
        [{"generation": "Hi ", "stop_reason": None},
         {"generation": "there", "stop_reason": "stop"}],
        "stop",
    ),
    "mistral": (
        "mistral.mistral-7b-instruct-v0:2", {"prompt": "Hello"},
        {"outputs": [{"text": "Hi there", "stop_reason": "length"}]},
        [{"outputs": [{"text": "Hi ", "stop_reason": None}]},
         {"outputs": [{"text": "there", "stop_reason": "length"}]}],
        "length",
    ),
    "mistral's chat": (
        "mistral.mistral-large-2402-v1:0", {"messages": [{"role": "user", "content": "Hello"}]},
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi there"},
                      "stop_reason": "stop"}]},
        [{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi "},
                       "stop_reason": None}]},
         {"choices": [{"index": 0, "message": {"content": "there"}, "stop_reason": "stop"}]}],
        "stop",
    ),
    "cohere": (
        "cohere.command-r-v1:0", {"message": "Hello"},
        {"text": "Hi there", "finish_reason": "COMPLETE"},
        [{"event_type": "text-generation", "text": "Hi ", "is_finished": False},
         {"event_type": "text-generation", "text": "there", "is_finished": False},
         {"event_type": "stream-end", "finish_reason": "COMPLETE", "is_finished": True}],
        "stop",
    ),
    "gpt-oss": (
        "openai.gpt-oss-20b-1:0", {"messages": [{"role": "user", "content": "Hello"}]},
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi there"},
                      "finish_reason": "stop"}]},
        [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi there"},
                       "finish_reason": None}]},
         {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}],
        "stop",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", ["whole", "stream"])
@pytest.mark.parametrize("name", FAMILIES)
def test_families(told, client, p, name, how):
    """The bodies of each family that has a protocol say what they say."""
    model, request, answer, pieces, reason = FAMILIES[name]
    if how == "whole":
        p.enqueue(aws.whole(answer))
        table.invoke(client, model, request)["body"].read()
    else:
        p.enqueue(aws.chunks(*pieces))
        list(table.invoke(client, model, request, table.STREAM)["body"])
    assert content(told, "input.messages") == [{"role": "user", "parts": text("Hello")}]
    assert content(told, "output.messages") == [
        {"role": "assistant", "parts": text("Hi there"), "finish_reason": reason}
    ]


def test_images(told, client, p):
    """The prompt, and a mark for the picture."""
    p.enqueue(aws.whole({"images": ["QUJD"]}))
    body = {"taskType": "TEXT_IMAGE", "textToImageParams": {"text": "A cat"}}
    table.invoke(client, "amazon.titan-image-generator-v2:0", body)["body"].read()
    assert content(told, "input.messages") == [{"role": "user", "parts": text("A cat")}]
    assert content(told, "output.messages") == [
        {"role": "assistant", "finish_reason": "stop", "parts": [
            {"type": "omitted_blob", "modality": "image", "byte_length": 3}]}
    ]  # fmt: skip
