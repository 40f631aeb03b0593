"""What is said to Mistral and back, in the conventions' shapes, for those who opt in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from clients.mistralai import MODEL, PDF, make

from llm_otel.testing import Reply, Telemetry
from tests.conformance.mistral import (
    CALLED,
    RAN,
    SAID,
    ask,
    completion,
    conversation,
    talk,
)


@pytest.fixture
def client(p):
    with make(p, False) as made:
        yield made.client


# ------------------------------------------------------------------ content
CONTENT = {"capture_content": "span_only"}
THOUGHT = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Let me "}]},
    {"type": "thinking", "thinking": [{"type": "text", "text": "see."}]},
    {"type": "text", "text": "Yes."},
]
CALLS = [{"id": "c1", "function": {"name": "add", "arguments": '{"a": 5}'}, "index": 0}]


def messages(telemetry: Telemetry, name: str) -> Any:
    return json.loads(telemetry.span.attributes[name])


@pytest.mark.parametrize("how", ["whole", "stream"])
def test_content_of_a_chat(instrumented, client, p, how):
    """Thoughts, text and calls of tools, whole and streamed."""
    telemetry = instrumented(**CONTENT)
    content = THOUGHT
    if how == "whole":
        content = [{"type": "thinking", "thinking": [{"type": "text", "text": "Let me see."}]},
                   THOUGHT[-1]]  # fmt: skip
    said = {"role": "assistant", "content": content, "tool_calls": CALLS}
    ask(client, p, completion({}, message=said, finish_reason="tool_calls"), how)
    assert messages(telemetry, "gen_ai.output.messages") == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Let me see."},
                {"type": "text", "content": "Yes."},
                {"type": "tool_call", "name": "add", "id": "c1", "arguments": {"a": 5}},
            ],
            "finish_reason": "tool_call",
        }
    ]


def test_content_of_a_question(instrumented, client, p):
    """Images, documents and sound are named, never copied; results of tools are told."""
    telemetry = instrumented(**CONTENT)
    asked: list[Any] = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": "https://pictures.example/1.png"},
            {"type": "document_url", "document_url": "https://documents.example/1.pdf"},
            {"type": "input_audio", "input_audio": "AAAA"},
            {"type": "file", "file_id": "file-1"},
        ]},
        {"role": "assistant", "content": "", "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "c1", "name": "add", "content": "13"},
    ]  # fmt: skip
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    client.chat.complete(model=MODEL, messages=asked, tools=[tool])
    system, user, assistant, answer = messages(telemetry, "gen_ai.input.messages")
    assert system["parts"] == [{"type": "text", "content": "Be kind."}]
    kinds = [(part["type"], part.get("modality")) for part in user["parts"]]
    assert kinds[0] == ("text", None)
    assert kinds[1:3] == [("uri", "image"), ("uri", "document")]
    assert [modality for _, modality in kinds[3:]] == ["audio", "document"]
    assert assistant["parts"] == [
        {"type": "tool_call", "name": "add", "id": "c1", "arguments": {"a": 5}}
    ]
    assert answer["parts"] == [{"type": "tool_call_response", "response": "13", "id": "c1"}]
    definitions = messages(telemetry, "gen_ai.tool.definitions")
    assert definitions[0]["name"] == "add"


@pytest.mark.parametrize("how", ["whole", "stream"])
def test_content_of_a_conversation(instrumented, client, p, how):
    """Instructions and inputs; outputs in their order, with the tools that the provider ran."""
    telemetry = instrumented(**CONTENT)
    talk(client, p, how, RAN, SAID, instructions="Be brief.")
    assert messages(telemetry, "gen_ai.system_instructions") == [
        {"type": "text", "content": "Be brief."}
    ]
    assert messages(telemetry, "gen_ai.input.messages") == [
        {"role": "user", "parts": [{"type": "text", "content": "What is 5 + 8?"}]}
    ]
    (output,) = messages(telemetry, "gen_ai.output.messages")
    ran, said = output["parts"]
    assert (ran["type"], ran["name"], ran["id"]) == (
        "server_tool_call", "code_interpreter", "tool_1",
    )  # fmt: skip
    assert ran["server_tool_call"]["arguments"] == RAN["arguments"]
    assert said == {"type": "text", "content": "Thirteen."}
    assert output["finish_reason"] == "stop"


@pytest.mark.parametrize("how", ["whole", "stream"])
def test_content_of_a_call_in_a_conversation(instrumented, client, p, how):
    """A call of the caller's function, from its pieces."""
    telemetry = instrumented(**CONTENT)
    talk(client, p, how, CALLED)
    (output,) = messages(telemetry, "gen_ai.output.messages")
    assert output["parts"] == [
        {"type": "tool_call", "name": "add", "id": "c1", "arguments": {"a": 5}}
    ]


def test_no_content_unless_asked(instrumented, client, p):
    """Nothing of what was said is in the telemetry."""
    telemetry = instrumented()
    secret = "xyzzy-plugh"
    p.enqueue(Reply(body=completion({}, message={"role": "assistant", "content": secret})))
    client.chat.complete(model=MODEL, messages=[{"role": "user", "content": secret}])
    p.enqueue(Reply(body=conversation({**SAID, "content": secret})))
    client.beta.conversations.start(model=MODEL, inputs=secret, instructions=secret)
    client.ocr.process(model="mistral-ocr-latest", document={**PDF, "document_name": secret})
    assert secret not in repr(telemetry)
    assert len(telemetry.spans) == 3
