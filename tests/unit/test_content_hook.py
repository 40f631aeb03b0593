"""Completion hooks: our interface is that of opentelemetry-util-genai."""

from __future__ import annotations

import importlib.metadata
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from openai_content import request_content, response_content
from opentelemetry import trace
from opentelemetry._logs import NoOpLogger
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from llm_otel.base import guard
from llm_otel.content import hook
from llm_otel.content.emit import record
from llm_otel.content.hook import load_hook
from llm_otel.content.policy import Policy

BODY = {
    "messages": [
        {"role": "user", "content": [
            {"type": "text", "text": "Weather in Paris?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ]},
        {"role": "assistant", "tool_calls": [
            {"id": "c", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}]},
        {"role": "tool", "tool_call_id": "c", "content": "rain"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "weather"}},
        {"type": "web_search"},
    ],
}  # fmt: skip
RESPONSE = {"choices": [{"message": {"content": "Rain in Paris."}, "finish_reason": "stop"}]}


class Recorder:
    """A hook that keeps what it is given."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def on_completion(self, **content: Any) -> None:
        self.calls.append(content)


def run(policy: Policy, *, sampled: bool = True) -> Any:
    """Record one call and give back its span."""
    provider = TracerProvider(sampler=ALWAYS_ON if sampled else ALWAYS_OFF)
    span = provider.get_tracer("test").start_span("chat m")
    content = request_content("chat", BODY)
    content.outputs = response_content("chat", RESPONSE)
    record(policy, span, NoOpLogger("test"), content, {}, trace.set_span_in_context(span))
    return span


@pytest.fixture
def without_util(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if opentelemetry-util-genai were not installed."""
    monkeypatch.setattr(hook, "_util_types", lambda: None)


@pytest.mark.usefixtures("without_util")
class TestWithoutUtil:
    def test_gets_the_dicts_of_the_conventions(self) -> None:
        """Without the package a hook is given the same shapes as plain dicts."""
        recorder = Recorder()
        span = run(Policy("NO_CONTENT", 5, None, recorder))
        [call] = recorder.calls
        assert call["outputs"] == [
            {
                "role": "assistant",
                "parts": [{"type": "text", "content": "Rain in Paris."}],
                "finish_reason": "stop",
            }
        ]
        assert [tool["name"] for tool in call["tool_definitions"]] == ["weather", "web_search"]
        assert (call["system_instruction"], call["log_record"]) == ([], None)
        assert call["span"] is span

    def test_hook_alone_records_nothing(self) -> None:
        """A hook makes content be built, not be put on the span."""
        assert dict(run(Policy("NO_CONTENT", 1000, None, Recorder())).attributes) == {}

    def test_called_for_unsampled_calls(self) -> None:
        """Sampling does not keep content from the hook."""
        recorder = Recorder()
        run(Policy("SPAN_AND_EVENT", 1000, None, recorder), sampled=False)
        assert len(recorder.calls) == 1

    def test_content_is_redacted_but_not_cut(self) -> None:
        """A hook's store has no limit of length; redaction holds there too."""
        recorder = Recorder()
        run(Policy("NO_CONTENT", 5, lambda text: text.replace("Paris", "***"), recorder))
        [call] = recorder.calls
        assert "Paris" not in repr(call["inputs"] + call["outputs"])
        assert call["outputs"][0]["parts"][0]["content"] == "Rain in ***."

    def test_event_is_given_before_it_is_emitted(self) -> None:
        """A hook may put its references on the event."""
        recorder = Recorder()
        run(Policy("EVENT_ONLY", 1000, None, recorder))
        assert recorder.calls[0]["log_record"].event_name.endswith("operation.details")

    def test_exceptions_are_counted_and_swallowed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A failing hook costs neither the program nor the span's content."""
        sites: list[str] = []
        monkeypatch.setattr(guard, "strict", False)
        monkeypatch.setattr(guard, "count", sites.append)

        class Failing:
            def on_completion(self, **_: Any) -> None:
                raise RuntimeError("no store")

        span = run(Policy("SPAN_ONLY", 1000, None, Failing()))
        assert "gen_ai.input.messages" in span.attributes
        assert sites == ["completion_hook"]


class TestLoading:
    def test_object_and_nothing(self) -> None:
        """A hook given as an object is used as it is; without one there is none."""
        recorder = Recorder()
        assert load_hook(recorder) is recorder
        assert load_hook(None) is None

    def test_unknown_name(self, caplog: pytest.LogCaptureFixture) -> None:
        """A name that nobody registers is one warning, and no content is built for it."""
        with caplog.at_level(logging.WARNING):
            assert load_hook("no-such-hook") is None
        assert "completion hook 'no-such-hook': no hook gets content" in caplog.text

    def test_registered_hook_is_made_with_the_first_content(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Loading waits for content; it then happens once."""
        entry_point = importlib.metadata.EntryPoint("mine", f"{__name__}:made", hook.GROUP)
        made: list[Recorder] = []

        def load(_: Any) -> Any:
            return lambda: made.append(Recorder()) or made[-1]

        monkeypatch.setattr(importlib.metadata.EntryPoint, "load", load)
        monkeypatch.setattr(hook, "entry_points", lambda group: [entry_point])
        policy = Policy("NO_CONTENT", 1000, None, load_hook("mine"))
        assert (policy.content, made) == (True, [])
        run(policy)
        run(policy)
        assert [len(recorder.calls) for recorder in made] == [2]

    def test_hook_that_cannot_be_loaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A broken package is one counted failure, not one for each call."""
        sites: list[str] = []
        monkeypatch.setattr(guard, "strict", False)
        monkeypatch.setattr(guard, "count", sites.append)
        entry_point = importlib.metadata.EntryPoint("bad", "no_such_module:hook", hook.GROUP)
        monkeypatch.setattr(hook, "entry_points", lambda group: [entry_point])
        policy = Policy("NO_CONTENT", 1000, None, load_hook("bad"))
        run(policy)
        run(policy)
        assert sites == ["completion_hook"]


class TestWithUtil:
    def test_gets_the_packages_own_types(self) -> None:
        """With the package installed a hook is given the types it was written for."""
        types = pytest.importorskip("opentelemetry.util.genai.types")
        recorder = Recorder()
        run(Policy("NO_CONTENT", 1000, None, recorder))
        [call] = recorder.calls
        user, assistant, tool = call["inputs"]
        assert isinstance(user, types.InputMessage)
        assert user.parts[0] == types.TextPart(content="Weather in Paris?")
        assert (user.parts[1].type, user.parts[1].content["byte_length"]) == ("omitted_blob", 3)
        assert assistant.parts == [
            types.ToolCallRequestPart(arguments={"city": "Paris"}, name="weather", id="c")
        ]
        assert tool.parts == [types.ToolCallResponsePart(response="rain", id="c")]
        assert call["outputs"][0].finish_reason == "stop"
        assert call["tool_definitions"] == [
            types.FunctionToolDefinition(name="weather", description=None, parameters=None),
            types.GenericToolDefinition(name="web_search", type="web_search"),
        ]

    def test_upload_hook(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The package's own upload hook stores the messages and puts references on the span."""
        pytest.importorskip("opentelemetry.util.genai.types")
        pytest.importorskip("fsspec")
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_UPLOAD_BASE_PATH", tmp_path.as_uri())
        upload: Any = load_hook("upload")
        span = run(Policy("NO_CONTENT", 1000, None, upload))
        upload._hook.shutdown()
        reference = span.attributes["gen_ai.output.messages_ref"]
        stored = json.loads(Path(reference.removeprefix("file://")).read_text())
        assert stored[0]["parts"] == [{"type": "text", "content": "Rain in Paris."}]
        assert "gen_ai.output.messages" not in span.attributes
