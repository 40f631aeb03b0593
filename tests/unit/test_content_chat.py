"""Chat, legacy completions and the smaller endpoints in the conventions' shapes."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat import ChatCompletion
from openai_content import request_content, response_content


def inputs(*messages: Any) -> list[dict[str, Any]]:
    return request_content("chat", {"messages": list(messages)}).inputs


def parts(content: Any) -> list[dict[str, Any]]:
    return inputs({"role": "user", "content": content})[0]["parts"]


def choice(message: dict[str, Any], finish_reason: str | None = "stop") -> dict[str, Any]:
    return {"index": 0, "finish_reason": finish_reason, "message": message}


class TestMessages:
    def test_keeps_order_roles_and_names(self) -> None:
        """System messages stay inputs, as chat has no field of its own for them."""
        content = request_content(
            "chat",
            {
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Weather in Paris?", "name": "ann"},
                ]
            },
        )
        assert content.inputs == [
            {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
            {
                "role": "user",
                "name": "ann",
                "parts": [{"type": "text", "content": "Weather in Paris?"}],
            },
        ]
        assert content.system == []

    def test_tool_round_trip(self) -> None:
        """Tool calls carry deserialised arguments, tool messages become responses."""
        call = {"id": "call_1", "type": "function"}
        call["function"] = {"name": "weather", "arguments": '{"location": "Paris"}'}
        found = inputs(
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "rainy, 57F"},
        )
        assert found == [
            {
                "role": "assistant",
                "parts": [
                    {
                        "type": "tool_call",
                        "id": "call_1",
                        "name": "weather",
                        "arguments": {"location": "Paris"},
                    }
                ],
            },
            {
                "role": "tool",
                "parts": [{"type": "tool_call_response", "id": "call_1", "response": "rainy, 57F"}],
            },
        ]

    @pytest.mark.parametrize("arguments", ['{"a": ', "plain", "", "[" * 100_000])
    def test_arguments_that_are_no_json_stay_text(self, arguments: str) -> None:
        """What cannot be deserialised is kept as the string it was."""
        call = {"id": "c", "function": {"name": "f", "arguments": arguments}}
        found = inputs({"role": "assistant", "tool_calls": [call]})
        assert found[0]["parts"][0]["arguments"] == arguments

    def test_custom_tool_and_legacy_function_call(self) -> None:
        """The two other spellings of a call are calls as well."""
        found = inputs(
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
                ],
                "function_call": {"name": "old", "arguments": "{}"},
            }
        )
        assert found[0]["parts"] == [
            {"type": "tool_call", "id": "c", "name": "sh", "arguments": "ls"},
            {"type": "tool_call", "name": "old", "arguments": {}},
        ]


class TestMedia:
    def test_data_url_is_replaced_by_its_type_and_size(self) -> None:
        """An inlined image is never copied."""
        url = "data:image/png;base64,iVBORw0KGgo="
        assert parts([{"type": "image_url", "image_url": {"url": url}}]) == [
            {
                "type": "omitted_blob",
                "modality": "image",
                "mime_type": "image/png",
                "byte_length": 8,
            }
        ]

    def test_link_loses_its_signature(self) -> None:
        """Query, fragment and credentials of a URL are not recorded."""
        url = "https://user:secret@cdn.example/cat.png?X-Amz-Signature=abc#x"
        assert parts([{"type": "image_url", "image_url": {"url": url}}]) == [
            {"type": "uri", "modality": "image", "uri": "https://cdn.example/cat.png"}
        ]

    @pytest.mark.parametrize(
        ("part", "expected"),
        [
            (
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {
                    "type": "omitted_blob",
                    "modality": "audio",
                    "mime_type": "audio/wav",
                    "byte_length": 3,
                },
            ),
            (
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "file", "modality": "document", "file_id": "file-1"},
            ),
            (
                {
                    "type": "file",
                    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
                },
                {
                    "type": "omitted_blob",
                    "modality": "document",
                    "mime_type": "application/pdf",
                    "byte_length": 3,
                },
            ),
            (
                {"type": "video_url", "video_url": {"url": "https://h/v.mp4"}},
                {"type": "uri", "modality": "video", "uri": "https://h/v.mp4"},
            ),
            (
                {"type": "image_url", "image_url": b"\x89PNG"},
                {"type": "omitted_blob", "modality": "image"},
            ),
            (
                {"type": "refusal", "refusal": "No."},
                {"type": "text", "content": "No.", "refusal": True},
            ),
            (
                {"type": "hologram", "depth": 3},
                {"type": "hologram", "content": {"depth": 3}},
            ),
        ],
    )
    def test_part(self, part: dict[str, Any], expected: dict[str, Any]) -> None:
        """Each content part has its shape; one unknown to us keeps its type."""
        assert parts([part]) == [expected]


class TestTools:
    def test_definitions(self) -> None:
        """Functions, old and new, keep their schema."""
        schema = {"type": "object", "properties": {}}
        function = {"name": "weather", "description": "Tells it", "parameters": schema}
        body = {"tools": [{"type": "function", "function": function}], "functions": [function]}
        assert request_content("chat", body).tools == [
            {"type": "function", **function},
            {"type": "function", **function},
        ]

    def test_credentials_of_mcp_tools_are_left_out(self) -> None:
        """Of a hosted tool only type and name are recorded."""
        tool = {
            "type": "mcp",
            "server_label": "crm",
            "server_url": "https://crm/?key=1",
            "headers": {"Authorization": "Bearer s"},
            "authorization": "s",
        }
        assert request_content("responses", {"tools": [tool]}).tools == [
            {"type": "mcp", "name": "crm"}
        ]


class TestResponse:
    def test_one_message_for_each_choice(self) -> None:
        """Choices become messages with the conventions' finish reasons."""
        response = {
            "choices": [
                choice({"role": "assistant", "content": "Hi"}),
                choice({"role": "assistant", "content": None, "refusal": "No."}, None),
            ]
        }
        assert response_content("chat", response) == [
            {
                "role": "assistant",
                "parts": [{"type": "text", "content": "Hi"}],
                "finish_reason": "stop",
            },
            {
                "role": "assistant",
                "parts": [{"type": "text", "content": "No.", "refusal": True}],
                "finish_reason": "error",
            },
        ]

    @pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
    def test_reasoning_comes_first(self, key: str) -> None:
        """Reasoning, as DeepSeek and as groq name it, precedes the text."""
        response = {"choices": [choice({"role": "assistant", "content": "4", key: "2+2"})]}
        assert response_content("chat", response)[0]["parts"] == [
            {"type": "reasoning", "content": "2+2"},
            {"type": "text", "content": "4"},
        ]

    def test_spoken_answer(self) -> None:
        """Of audio the transcript is recorded and the sound's size."""
        audio = {"id": "audio_1", "data": "AAAAAAAA", "transcript": "Hello"}
        response = {"choices": [choice({"role": "assistant", "audio": audio})]}
        assert response_content("chat", response)[0]["parts"] == [
            {"type": "text", "content": "Hello"},
            {"type": "omitted_blob", "modality": "audio", "byte_length": 6},
        ]

    def test_sdk_objects_read_as_their_json(self) -> None:
        """The SDK's object gives the same messages as the body that it was made of."""
        body = {
            "id": "1",
            "choices": [
                choice(
                    {
                        "role": "assistant",
                        "content": "Hi",
                        "reasoning_content": "greet",
                        "tool_calls": [
                            {"id": "c", "function": {"name": "f", "arguments": '{"a":1}'}}
                        ],
                    },
                    "tool_calls",
                )
            ],
        }
        expected = response_content("chat", body)
        assert expected[0]["finish_reason"] == "tool_call"
        assert response_content("chat", ChatCompletion.construct(**body)) == expected


class TestOtherEndpoints:
    def test_completion(self) -> None:
        """Each prompt is a user message, each choice an assistant's."""
        assert request_content("completion", {"prompt": ["a", "b"]}).inputs == [
            {"role": "user", "parts": [{"type": "text", "content": "a"}]},
            {"role": "user", "parts": [{"type": "text", "content": "b"}]},
        ]
        response = {"choices": [{"index": 0, "text": "c", "finish_reason": "length"}]}
        assert response_content("completion", response) == [
            {
                "role": "assistant",
                "parts": [{"type": "text", "content": "c"}],
                "finish_reason": "length",
            }
        ]

    @pytest.mark.parametrize("prompt", [[1, 2, 3], [[1, 2, 3]]])
    def test_token_ids_are_only_counted(self, prompt: list[Any]) -> None:
        """Token ids could be decoded to the prompt, so they are not copied."""
        assert request_content("completion", {"prompt": prompt}).inputs == [
            {"role": "user", "parts": [{"type": "token_ids", "count": 3}]}
        ]

    def test_image(self) -> None:
        """The prompt is the input; images come out as links or sizes."""
        body = {"prompt": "a cat", "image": b"\x89PNG", "images": [{"file_id": "file-1"}]}
        assert request_content("image", body).inputs == [
            {
                "role": "user",
                "parts": [
                    {"type": "text", "content": "a cat"},
                    {"type": "omitted_blob", "modality": "image", "byte_length": 4},
                    {"type": "file", "modality": "image", "file_id": "file-1"},
                ],
            }
        ]
        made = [{"b64_json": "AAAA", "revised_prompt": "A cat."}, {"url": "https://h/i.png?sig=1"}]
        found = response_content("image", {"data": made})
        assert [message["parts"] for message in found] == [
            [
                {"type": "text", "content": "A cat."},
                {"type": "omitted_blob", "modality": "image", "byte_length": 3},
            ],
            [{"type": "uri", "modality": "image", "uri": "https://h/i.png"}],
        ]

    def test_speech_and_transcription(self) -> None:
        """What is to be said is an input, what was heard an output."""
        speech = request_content("speech", {"input": "Hello", "instructions": "Softly"})
        assert speech.inputs[0]["parts"] == [{"type": "text", "content": "Hello"}]
        assert speech.system == [{"type": "text", "content": "Softly"}]
        for heard in ({"text": "Hello"}, "Hello"):
            found = response_content("transcription", heard)
            assert found[0]["parts"] == [{"type": "text", "content": "Hello"}]

    def test_moderation(self) -> None:
        """What is to be judged is an input; the verdict is no content."""
        found = request_content("moderation", {"input": ["a", {"type": "text", "text": "b"}]})
        assert [message["parts"][0]["content"] for message in found.inputs] == ["a", "b"]
        assert response_content("moderation", {"results": [{"flagged": True}]}) == []

    @pytest.mark.parametrize("kind", ["embeddings", "batch", "rerank", "no such kind"])
    def test_kinds_without_content(self, kind: str) -> None:
        """The conventions define no content for these."""
        content = request_content(kind, {"input": "secret", "messages": []})
        assert (content.inputs, content.system, content.tools) == ([], [], [])
        assert response_content(kind, {"choices": [], "data": []}) == []
