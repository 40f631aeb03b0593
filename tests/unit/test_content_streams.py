"""Streams put together: the same messages as the whole response would give."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk
from openai_content import accumulator, response_content


def gathered(kind: str, *chunks: Any, unfinished: str = "error") -> list[dict[str, Any]]:
    found = accumulator(kind)
    assert found is not None
    for chunk in chunks:
        found.add(chunk)
    return found.messages(unfinished)


def delta(fields: dict[str, Any], index: int = 0, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": fields, "finish_reason": finish}]}


def call(index: int | None, call_id: str | None, name: str | None, arguments: str) -> Any:
    function = {"name": name, "arguments": arguments}
    return delta({"tool_calls": [{"index": index, "id": call_id, "function": function}]})


class TestChat:
    def test_text_by_choice(self) -> None:
        """Interleaved choices come out whole and in order."""
        found = gathered(
            "chat",
            {"choices": []},
            delta({"role": "assistant", "content": ""}, 1),
            delta({"role": "assistant", "content": "Hel"}),
            delta({"content": "B"}, 1),
            delta({"content": "lo"}),
            delta({}, 0, "stop"),
            delta({}, 1, "length"),
        )
        assert [(m["parts"][0]["content"], m["finish_reason"]) for m in found] == [
            ("Hello", "stop"),
            ("B", "length"),
        ]

    def test_parallel_tool_calls(self) -> None:
        """Pieces of arguments go to the call of their index."""
        found = gathered(
            "chat",
            call(0, "a", "f", ""),
            call(0, None, None, '{"x"'),
            call(1, "b", "g", '{"y": 2}'),
            call(0, None, None, ": 1}"),
            delta({}, 0, "tool_calls"),
        )
        assert found[0]["parts"] == [
            {"type": "tool_call", "id": "a", "name": "f", "arguments": {"x": 1}},
            {"type": "tool_call", "id": "b", "name": "g", "arguments": {"y": 2}},
        ]
        assert found[0]["finish_reason"] == "tool_call"

    @pytest.mark.parametrize("index", [0, None])
    def test_calls_that_share_an_index_are_told_apart_by_id(self, index: int | None) -> None:
        """Providers that number every call 0, or none, still give two calls."""
        found = gathered("chat", call(index, "a", "f", "{}"), call(index, "b", "g", "{}"))
        assert [part["id"] for part in found[0]["parts"]] == ["a", "b"]

    def test_reasoning_refusal_and_audio(self) -> None:
        """All that a delta can carry is put together; audio is only measured."""
        found = gathered(
            "chat",
            delta({"reasoning_content": "2+"}),
            delta({"reasoning_content": "2"}),
            delta({"refusal": "No."}),
            delta({"audio": {"id": "au", "transcript": "Hel"}}),
            delta({"audio": {"transcript": "lo", "data": "AAAA"}}),
        )
        assert found[0]["parts"] == [
            {"type": "reasoning", "content": "2+2"},
            {"type": "text", "content": "No.", "refusal": True},
            {"type": "text", "content": "Hello"},
            {"type": "omitted_blob", "modality": "audio", "byte_length": 3},
        ]

    @pytest.mark.parametrize("unfinished", ["error", "cancelled"])
    def test_stream_that_is_cut(self, unfinished: str) -> None:
        """What came before the end is kept; the finish reason says how it ended."""
        found = gathered("chat", delta({"content": "Hel"}), unfinished=unfinished)
        assert found[0]["parts"] == [{"type": "text", "content": "Hel"}]
        assert found[0]["finish_reason"] == unfinished

    def test_stream_that_is_cut_before_it_said_anything(self) -> None:
        """A choice that was only announced is no output message."""
        assert gathered("chat", delta({"role": "assistant", "content": ""})) == []

    def test_legacy_completion(self) -> None:
        """Chunks of the old endpoint carry their text bare."""
        chunks = [{"choices": [{"index": 0, "text": piece}]} for piece in ("a", "b")]
        assert gathered("completion", *chunks)[0]["parts"] == [{"type": "text", "content": "ab"}]

    def test_sdk_chunks(self) -> None:
        """The SDK's chunk objects are read like their JSON."""
        chunks = [delta({"content": "Hi"}), call(0, "a", "f", "{}"), delta({}, 0, "stop")]
        objects = [ChatCompletionChunk.construct(**chunk) for chunk in chunks]
        assert gathered("chat", *objects) == gathered("chat", *chunks)

    @pytest.mark.parametrize(
        "chunk",
        [None, 5, "text", [], {"choices": None}, {"choices": [None, 1]},
         {"choices": [{"delta": 3}]},
         delta({"content": 5, "tool_calls": 7, "function_call": "x", "audio": []}),
         delta({"tool_calls": [None, {"index": -5, "function": 1}, {"index": "a", "id": 3}]})],
    )  # fmt: skip
    def test_unknown_shapes_add_no_text(self, chunk: Any) -> None:
        """A chunk of any shape is taken without an exception."""
        found = gathered("chat", chunk, delta({"content": "Hi"}))
        assert found[0]["parts"][0] == {"type": "text", "content": "Hi"}


MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
DONE = {**MESSAGE, "content": [{"type": "output_text", "text": "Hello"}]}


class TestResponses:
    def event(self, kind: str, index: int = 0, **fields: Any) -> dict[str, Any]:
        return {"type": f"response.{kind}", "output_index": index, **fields}

    def test_last_event_tells_everything(self) -> None:
        """The final response is used where the stream came to its end."""
        response = {"status": "completed", "output": [DONE]}
        found = gathered(
            "responses",
            self.event("output_text.delta", delta="Hello"),
            {"type": "response.completed", "response": response},
        )
        assert found == response_content("responses", response)
        assert found[0]["finish_reason"] == "stop"

    def test_stream_that_is_cut(self) -> None:
        """Finished items and the deltas of unfinished ones are kept."""
        function = {"type": "function_call", "call_id": "c", "name": "f"}
        found = gathered(
            "responses",
            self.event("output_item.added", item=MESSAGE),
            self.event("output_text.delta", delta="Hel"),
            self.event("output_text.delta", delta="lo"),
            self.event("output_item.done", item=DONE),
            self.event("output_item.added", 1, item={"type": "reasoning", "id": "rs"}),
            self.event("reasoning_summary_text.delta", 1, delta="hm"),
            self.event("output_item.added", 2, item=function),
            self.event("function_call_arguments.delta", 2, delta='{"a"'),
            self.event("function_call_arguments.delta", 2, delta=": 1}"),
            unfinished="cancelled",
        )
        assert found == [
            {
                "role": "assistant",
                "parts": [
                    {"type": "text", "content": "Hello"},
                    {"type": "reasoning", "content": "hm"},
                    {"type": "tool_call", "id": "c", "name": "f", "arguments": {"a": 1}},
                ],
                "finish_reason": "cancelled",
            }
        ]

    def test_final_response_without_output(self) -> None:
        """Some servers send the items but leave them out at the end."""
        found = gathered(
            "responses",
            self.event("output_item.done", item=DONE),
            {"type": "response.completed", "response": {"status": "completed", "output": []}},
        )
        assert found[0]["parts"] == [{"type": "text", "content": "Hello"}]
        assert found[0]["finish_reason"] == "stop"

    @pytest.mark.parametrize(
        "event",
        [None, 3, {"type": ["x"]}, {"type": "response.output_item.done"},
         {"type": "response.output_item.added", "output_index": "a"},
         {"type": "response.output_text.delta", "output_index": 9, "delta": "orphan"},
         {"type": "response.completed", "response": "text"}],
    )  # fmt: skip
    def test_unknown_shapes_add_nothing(self, event: Any) -> None:
        """An event of any shape is taken without an exception."""
        assert gathered("responses", event) == []


class TestOthers:
    def test_transcription(self) -> None:
        """Deltas, or the last event's whole text, make the transcript."""
        pieces = [{"type": "transcript.text.delta", "delta": piece} for piece in ("He", "y")]
        done = {"type": "transcript.text.done", "text": "Hey."}
        cut, whole = gathered("transcription", *pieces), gathered("transcription", *pieces, done)
        assert [cut[0]["parts"][0]["content"], cut[0]["finish_reason"]] == ["Hey", "error"]
        assert [whole[0]["parts"][0]["content"], whole[0]["finish_reason"]] == ["Hey.", "stop"]

    def test_image(self) -> None:
        """Only finished images count, by their size."""
        found = gathered(
            "image",
            {"type": "image_generation.partial_image", "b64_json": "AAAA"},
            {"type": "image_generation.completed", "b64_json": "AAAA"},
        )
        assert [message["parts"] for message in found] == [
            [{"type": "omitted_blob", "modality": "image", "byte_length": 3}]
        ]

    @pytest.mark.parametrize("kind", ["embeddings", "speech", "moderation", "no such kind"])
    def test_streams_without_messages(self, kind: str) -> None:
        """Kinds whose streams say nothing in text have no accumulator."""
        assert accumulator(kind) is None
