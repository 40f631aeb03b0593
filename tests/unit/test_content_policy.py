"""Redaction, truncation and hostile bodies: what may leave, and in which form."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
from content_schema import assert_valid
from openai_content import accumulator, request_content, response_content

from llm_otel.base import guard
from llm_otel.content.model import Content
from llm_otel.content.policy import Policy

CANARY = "canary-7f3a"


def cleaned(body: Any, *, kind: str = "chat", redact: Any = None) -> Content:
    return Policy("SPAN_ONLY", 1000, redact).clean(request_content(kind, body))


def user_text(text: Any, **options: Any) -> str:
    content = cleaned({"messages": [{"role": "user", "content": text}]}, **options)
    return str(content.inputs[0]["parts"][0]["content"])  # type: ignore[index]


def tool_arguments(value: Any, **options: Any) -> Any:
    call = {"id": "c", "function": {"name": "f", "arguments": value}}
    body = {"messages": [{"role": "assistant", "tool_calls": [call]}]}
    return cleaned(body, **options).inputs[0]["parts"][0]["arguments"]  # type: ignore[index]


class TestModes:
    @pytest.mark.parametrize(
        ("mode", "span", "event", "active"),
        [
            ("NO_CONTENT", False, False, False),
            ("span_only", True, False, True),
            ("EVENT_ONLY", False, True, True),
            ("SPAN_AND_EVENT", True, True, True),
        ],
    )
    def test_mode(self, mode: str, span: bool, event: bool, active: bool) -> None:
        """The standard variable's four modes, in any case."""
        policy = Policy(mode, 1000)
        assert (policy.span, policy.event, policy.active) == (span, event, active)

    def test_unknown_mode(self) -> None:
        """A mode that does not exist is an error that names the four."""
        with pytest.raises(ValueError, match="'true' is not one of NO_CONTENT, SPAN_ONLY"):
            Policy("true", 1000)

    def test_event_without_content(self) -> None:
        """The event can be asked for alone: it is emitted, and no content is wanted."""
        policy = Policy("NO_CONTENT", 1000, emit_event=True)
        assert (policy.active, policy.emit, policy.content) == (True, True, False)

    def test_event_switched_off(self) -> None:
        """Without the event, content for events goes nowhere, so none is built."""
        assert not Policy("EVENT_ONLY", 1000, emit_event=False).active


class TestRedaction:
    BODY: ClassVar = {
        "messages": [
            {"role": "system", "content": CANARY},
            {"role": "user", "name": CANARY, "content": [
                {"type": "text", "text": CANARY},
                {"type": "image_url", "image_url": {"url": f"https://h/{CANARY}.png"}},
                {"type": CANARY, "more": {CANARY: [CANARY]}},
            ]},
            {"role": "assistant", "reasoning": CANARY, "refusal": CANARY, "tool_calls": [
                {"id": CANARY, "function": {
                    "name": CANARY, "arguments": json.dumps({"a": [CANARY], CANARY: CANARY})}},
            ]},
            {"role": CANARY, "content": CANARY},
            {"role": "tool", "tool_call_id": CANARY, "content": CANARY},
        ],
        "tools": [{"type": "function", "function": {
            "name": CANARY, "description": CANARY,
            "parameters": {"type": "object", "properties": {CANARY: {"type": "string"}}}}}],
    }  # fmt: skip

    def test_every_string_is_redacted(self) -> None:
        """No string of the content, key or value, escapes the function; shapes stay."""
        content = cleaned(self.BODY, redact=lambda text: text.replace(CANARY, "***"))
        assert CANARY not in repr(content)
        assert_valid(content)
        assert content.inputs[0] == {
            "role": "system",
            "parts": [{"type": "text", "content": "***"}],
        }

    @pytest.mark.parametrize("result", [None, b"bytes", 5])
    def test_result_that_is_no_string(self, result: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """A function that gives no string has failed: the string is dropped."""
        monkeypatch.setattr(guard, "strict", False)
        assert user_text(CANARY, redact=lambda _: result) == "[redaction failed]"

    def test_failing_function(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An exception drops the string, is counted, and lets nothing through."""
        sites: list[str] = []
        monkeypatch.setattr(guard, "strict", False)
        monkeypatch.setattr(guard, "count", sites.append)

        def fail(text: str) -> str:
            raise ValueError(text)

        content = cleaned(self.BODY, redact=fail)
        assert CANARY not in repr(content)
        assert_valid(content)
        assert set(sites) == {"redact"}

    def test_failure_is_logged_without_the_text(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The log names the failure, never the string that it was about."""
        monkeypatch.setattr(guard, "strict", False)
        monkeypatch.setattr(guard, "_logged", set())
        user_text(CANARY, redact=lambda text: {}[text])
        assert "'redact' (KeyError" in caplog.text
        assert CANARY not in caplog.text

    def test_redaction_sees_the_whole_string(self) -> None:
        """Truncation comes after: what it cuts has been redacted before."""
        policy = Policy("SPAN_ONLY", 10, lambda text: text.replace("x" * 20, "***"))
        assert policy.text("x" * 20) == "***"

    def test_exception_text_is_content(self) -> None:
        """An exception's message is redacted and cut as any string."""
        policy = Policy("SPAN_ONLY", 8, lambda text: text.replace(CANARY, "***"))
        assert policy.quote(ValueError(f"bad {CANARY} prompt")) == "bad *** …[truncated 6 chars]"
        assert policy.quote(None) is None


class TestTruncation:
    def test_every_string_is_cut_with_a_mark(self) -> None:
        """The mark tells how much was left out; vocabulary and keys keep the shape."""
        policy = Policy("SPAN_ONLY", 4)
        body = {"messages": [{"role": "assistant", "content": "abcdefgh"}]}
        clipped = policy.clipped(policy.clean(request_content("chat", body)).inputs)
        assert clipped == [
            {
                "role": "assistant",
                "parts": [{"type": "text", "content": "abcd…[truncated 4 chars]"}],
            }
        ]

    def test_strings_inside_arguments_are_cut(self) -> None:
        """Deserialised arguments are cut string by string and stay an object."""
        policy = Policy("SPAN_ONLY", 3)
        assert policy.clipped({"a": ["12345", 12345]}) == {"a": ["123…[truncated 2 chars]", 12345]}

    def test_length_0_cuts_nothing(self) -> None:
        """0 stands for any length."""
        assert Policy("SPAN_ONLY", 0).text("x" * 100_000) == "x" * 100_000


class TestExportable:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a\ud800b", "a\ufffdb"),
            ("\udc00", "\ufffd"),
            ("\ud83d\ude00", "\U0001f600"),
            ("é\ud83d", "é\ufffd"),
        ],
    )
    def test_lone_surrogates(self, text: str, expected: str) -> None:
        """Lone surrogates become U+FFFD, pairs the character they stand for."""
        assert user_text(text) == expected
        assert user_text("x", redact=lambda _: text) == expected

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ([b"1234"], ["<bytes 4>"]),
            ([object()], ["<object>"]),
            ([{1, 2}], ["<set>"]),
            ([float("nan"), float("inf")], ["nan", "inf"]),
            ([2**63 - 1, 2**63], [2**63 - 1, "<int of 64 bits>"]),
            ({1: None, (2,): True}, {"1": None, "['2']": True}),
        ],
    )
    def test_values_that_are_no_json(self, value: Any, expected: Any) -> None:
        """What no exporter takes becomes a mark of its type."""
        found = tool_arguments(value)
        if isinstance(value, dict):
            assert list(found.values()) == list(expected.values())
            assert all(isinstance(key, str) for key in found)
        else:
            assert found == expected

    def test_cycles_and_depth_are_bounded(self) -> None:
        """Nesting ends at a mark, well before any parser gives up."""
        cycle: dict[str, Any] = {}
        cycle["again"] = cycle
        text = json.dumps(tool_arguments(cycle))
        assert "[dropped: nested too deep]" in text
        assert text.count("again") < 30

    def test_number_of_values_is_bounded(self) -> None:
        """A huge body costs a bounded record that still has the conventions' shape."""
        messages = [{"role": "user", "content": [{"type": "text", "text": "x"}] * 100}] * 1000
        content = cleaned({"messages": messages})
        assert_valid(content)
        assert len(json.dumps(content.inputs)) < 2_000_000

    def test_data_urls_in_text(self) -> None:
        """Media hidden in text, in arguments or in a tool's JSON are left out."""
        text = f"see ![x](data:image/png;base64,{'iVBORw0KGgo' * 9}=) there"
        assert user_text(text) == "see ![x](data:image/png;base64,[omitted 122 chars]) there"
        run = "aB3/" * 400
        assert user_text(f'{{"image": "{run}"}}') == '{"image": "[omitted 1200 bytes of base64]"}'
        assert user_text("x" * 5000) == "x" * 5000


HOSTILE: list[Any] = [
    None, 5, 1.5, "text", b"bytes", [], [None], [1, 2], {}, {"role": None}, {"role": ["user"]},
    {"type": ["x"]}, {"type": {}, "content": 3}, {"content": {"a": 1}}, {"content": [None, 1, []]},
    {"tool_calls": 5}, {"tool_calls": [None, 5, {"function": []}]}, {"function_call": "x"},
    {"role": "tool", "content": [1, None]}, {"audio": 7}, {"type": "function_call"},
    {"type": "mcp_call", "arguments": 5}, {"type": "code_interpreter_call", "outputs": 7},
    {"type": "image_generation_call", "result": []}, {"type": "reasoning", "summary": "x"},
    {"type": "function_call_output", "output": {"type": []}}, {"type": "message", "content": 5},
    {"type": "additional_tools", "tools": "x"}, {"text": 5}, {"type": "text", "text": ["x"]},
    {"type": "image_url", "image_url": 5}, {"type": "file", "file": "x"}, {"type": "input_audio"},
    {"name": "f", "parameters": float("nan")}, {5: 6}, object(), iter([1]), {"url": "//[", "b": 1},
]  # fmt: skip
KINDS = ("chat", "completion", "responses", "image", "speech", "transcription", "moderation")
FIELDS = ("messages", "prompt", "input", "instructions", "tools", "functions", "image", "choices",
          "output", "data", "text", "suffix")  # fmt: skip


class TestHostileBodies:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("value", HOSTILE)
    def test_nothing_raises_and_shapes_hold(self, kind: str, value: Any) -> None:
        """Whatever stands in whatever place, the content keeps the conventions' shape."""
        for shape in (value, [value], [value] * 3):
            body = dict.fromkeys(FIELDS, shape)
            content = request_content(kind, body)
            for response in (
                body,
                shape,
                {"choices": [{"message": value, "delta": value, "finish_reason": value}]},
                {**body, "status": value, "incomplete_details": value},
            ):
                content.outputs += response_content(kind, response)
                gatherer = accumulator(kind)
                if gatherer is not None:
                    gatherer.add(response)
                    content.outputs += gatherer.messages()
            assert_valid(Policy("SPAN_ONLY", 100).clean(content))
        assert_valid(cleaned(value, kind=kind))

    def test_iterators_are_never_consumed(self) -> None:
        """An iterator in the body may be the caller's: it is marked, not read."""
        messages = iter([{"role": "user", "content": "Hi"}])
        content = cleaned({"messages": messages})
        assert content.inputs[0]["parts"] == [{"type": "unknown", "content": "<list_iterator>"}]
        assert len(list(messages)) == 1
