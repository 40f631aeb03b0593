"""The responses API's items in the conventions' shapes."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import Response
from openai_content import request_content, response_content

from llm_otel.protocols.openai.responses_content import fetched_content


def response(*items: Any, **fields: Any) -> dict[str, Any]:
    return {"id": "resp_1", "status": "completed", "output": list(items), **fields}


def output_parts(*items: Any) -> list[dict[str, Any]]:
    return response_content("responses", response(*items))[0]["parts"]


def said(text: str) -> dict[str, Any]:
    return {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "weather",
    "arguments": '{"city": "Paris"}',
}


class TestRequest:
    def test_string_input_and_instructions(self) -> None:
        """Instructions have a field of their own, so they are system instructions."""
        content = request_content("responses", {"input": "Hi", "instructions": "Be brief."})
        assert content.inputs == [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]
        assert content.system == [{"type": "text", "content": "Be brief."}]

    def test_items_in_send_order(self) -> None:
        """Messages, calls, their results and references each become a message."""
        content = request_content(
            "responses",
            {
                "input": [
                    {"role": "user", "content": "Weather?"},
                    {"type": "message", "role": "developer", "content": [
                        {"type": "input_text", "text": "Look"},
                        {"type": "input_image", "image_url": "https://h/i.png?sig=1"},
                        {"type": "input_image", "file_id": "file-2"},
                        {"type": "input_file", "file_url": "https://h/a.pdf"},
                    ]},
                    {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA",
                     "summary": [{"type": "summary_text", "text": "Ask the tool."}]},
                    CALL,
                    {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
                    {"type": "item_reference", "id": "msg_1"},
                ]
            },
        )  # fmt: skip
        assert [(m["role"], m["parts"]) for m in content.inputs] == [
            ("user", [{"type": "text", "content": "Weather?"}]),
            (
                "developer",
                [
                    {"type": "text", "content": "Look"},
                    {"type": "uri", "modality": "image", "uri": "https://h/i.png"},
                    {"type": "file", "modality": "image", "file_id": "file-2"},
                    {"type": "uri", "modality": "document", "uri": "https://h/a.pdf"},
                ],
            ),
            ("assistant", [{"type": "reasoning", "content": "Ask the tool."}]),
            (
                "assistant",
                [
                    {
                        "type": "tool_call",
                        "id": "call_1",
                        "name": "weather",
                        "arguments": {"city": "Paris"},
                    }
                ],
            ),
            ("tool", [{"type": "tool_call_response", "id": "call_1", "response": "rain"}]),
            ("user", [{"type": "item_reference", "content": {"id": "msg_1"}}]),
        ]

    def test_tool_result_with_media(self) -> None:
        """A result made of parts keeps its text and loses its media."""
        output = [
            {"type": "input_text", "text": "seen"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
        ]
        item = {"type": "function_call_output", "call_id": "c", "output": output}
        part = request_content("responses", {"input": [item]}).inputs[0]["parts"][0]
        assert part["response"] == [
            {"type": "text", "content": "seen"},
            {
                "type": "omitted_blob",
                "modality": "image",
                "mime_type": "image/png",
                "byte_length": 3,
            },
        ]


class TestClientCalls:
    @pytest.mark.parametrize(
        ("item", "name", "arguments"),
        [
            ({"type": "custom_tool_call", "name": "sql", "input": "SELECT 1"}, "sql", "SELECT 1"),
            (
                {"type": "local_shell_call", "action": {"command": ["ls"]}},
                "local_shell",
                {"command": ["ls"]},
            ),
            (
                {"type": "apply_patch_call", "operation": {"type": "delete_file", "path": "a"}},
                "apply_patch",
                {"type": "delete_file", "path": "a"},
            ),
            (
                {"type": "computer_call", "actions": [{"type": "wait"}]},
                "computer",
                [{"type": "wait"}],
            ),
        ],
    )
    def test_call(self, item: dict[str, Any], name: str, arguments: Any) -> None:
        """What the application is asked to run is a tool call."""
        assert output_parts({"call_id": "c", **item}) == [
            {"type": "tool_call", "id": "c", "name": name, "arguments": arguments}
        ]


class TestHostedTools:
    def test_call_and_result(self) -> None:
        """A tool that the provider ran shows its call and, apart, its result."""
        item = {
            "type": "code_interpreter_call",
            "id": "ci_1",
            "code": "plot()",
            "container_id": "cntr_1",
            "outputs": [
                {"type": "logs", "logs": "done"},
                {"type": "image", "url": "data:image/png;base64,AAAA"},
            ],
        }
        assert output_parts(item) == [
            {
                "type": "server_tool_call",
                "id": "ci_1",
                "name": "code_interpreter",
                "server_tool_call": {
                    "type": "code_interpreter_call",
                    "code": "plot()",
                    "container_id": "cntr_1",
                },
            },
            {
                "type": "server_tool_call_response",
                "id": "ci_1",
                "server_tool_call_response": {
                    "type": "code_interpreter_call",
                    "outputs": [
                        {"type": "logs", "logs": "done"},
                        {
                            "type": "omitted_blob",
                            "modality": "image",
                            "mime_type": "image/png",
                            "byte_length": 3,
                        },
                    ],
                },
            },
        ]

    def test_generated_image_is_not_inlined(self) -> None:
        """The result of image generation is a size."""
        item = {"type": "image_generation_call", "id": "ig_1", "result": "A" * 4000}
        result = output_parts(item)[-1]["server_tool_call_response"]["result"]
        assert result == {"type": "omitted_blob", "modality": "image", "byte_length": 3000}

    @pytest.mark.parametrize(
        ("item", "types"),
        [
            (
                {"type": "web_search_call", "action": {"type": "search", "query": "q"}},
                ["server_tool_call"],
            ),
            (
                {"type": "file_search_call", "queries": ["q"], "results": [{"text": "t"}]},
                ["server_tool_call", "server_tool_call_response"],
            ),
            (
                {"type": "mcp_call", "name": "find", "arguments": "{}", "output": "o"},
                ["server_tool_call", "server_tool_call_response"],
            ),
            (
                {"type": "mcp_list_tools", "server_label": "crm", "tools": [{"name": "find"}]},
                ["server_tool_call", "server_tool_call_response"],
            ),
            ({"type": "tool_search_output", "tools": []}, ["server_tool_call_response"]),
            ({"type": "compaction", "encrypted_content": "gAAA"}, ["compaction"]),
        ],
    )
    def test_item_types(self, item: dict[str, Any], types: list[str]) -> None:
        """Each hosted tool's item gives the parts that it has something to say for."""
        parts = output_parts({"id": "it_1", **item})
        assert [part["type"] for part in parts] == types
        assert "gAAA" not in str(parts)


class TestResponse:
    def test_all_items_are_one_message(self) -> None:
        """A response is one choice, whatever the number of its items."""
        reasoning = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
        found = response_content("responses", response(reasoning, said("Hi"), CALL))
        assert len(found) == 1
        assert [part["type"] for part in found[0]["parts"]] == ["reasoning", "text", "tool_call"]
        assert found[0]["finish_reason"] == "tool_call"

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({}, "stop"),
            ({"status": "failed"}, "error"),
            ({"status": "cancelled"}, "error"),
            (
                {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
                "length",
            ),
            (
                {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
                "content_filter",
            ),
        ],
    )
    def test_finish_reason(self, fields: dict[str, Any], reason: str) -> None:
        """Status and incomplete details tell the finish reason."""
        found = response_content("responses", response(said("Hi"), **fields))
        assert found[0]["finish_reason"] == reason

    def test_nothing_produced_is_no_message(self) -> None:
        """A queued or failed response without output has no output message."""
        assert response_content("responses", response(status="queued")) == []

    def test_fetched_response_tells_instructions_and_tools(self) -> None:
        """A response read later has instructions, tools and outputs, but no inputs."""
        tools = [{"type": "web_search"}]
        content = fetched_content(response(said("Hi"), instructions="Be brief.", tools=tools))
        assert content.system == [{"type": "text", "content": "Be brief."}]
        assert content.tools == [{"type": "web_search", "name": "web_search"}]
        assert content.outputs[0]["parts"] == [{"type": "text", "content": "Hi"}]
        assert content.inputs == []

    def test_sdk_objects_read_as_their_json(self) -> None:
        """The SDK's object gives the same message as the body that it was made of."""
        body = response(said("Hi"), CALL)
        expected = response_content("responses", body)
        assert response_content("responses", Response.construct(**body)) == expected
