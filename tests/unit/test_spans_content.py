"""What of the steps' content is recorded, and when."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import llm_otel
from llm_otel.testing import capture

CONTENT = {"capture_content": "span_only"}


class Unprintable:
    def __repr__(self) -> str:
        raise AssertionError("looked at")

    __str__ = __repr__


class TestContent:
    def test_off(self) -> None:
        """Without capture no content is recorded, and none is looked at."""
        with capture() as telemetry:
            with llm_otel.tool("t") as tool:
                tool.set_arguments({"q": Unprintable()})
                tool.set_result(Unprintable())
            with llm_otel.retrieval("d") as retrieval:
                retrieval.set_query("secret")
                retrieval.set_documents([{"id": "secret"}])
            llm_otel.tool(lambda secret: Unprintable())("secret")
        assert "secret" not in repr(telemetry)

    def test_tool(self) -> None:
        """With capture a tool's arguments and result are JSON on its span."""
        with capture(**CONTENT) as telemetry, llm_otel.tool("t") as tool:
            tool.set_arguments({"city": "Zürich", "days": [1, 2]})
            tool.set_result("mild")
        attributes = telemetry.span.attributes
        assert attributes["gen_ai.tool.call.arguments"] == '{"city":"Zürich","days":[1,2]}'
        assert attributes["gen_ai.tool.call.result"] == "mild"

    def test_retrieval(self) -> None:
        """With capture a search's query and documents are on its span."""
        with capture(**CONTENT) as telemetry, llm_otel.retrieval("d") as retrieval:
            retrieval.set_query("how?")
            retrieval.set_documents([{"id": "1", "score": 0.5}])
        attributes = telemetry.span.attributes
        assert attributes["gen_ai.retrieval.query.text"] == "how?"
        documents = json.loads(attributes["gen_ai.retrieval.documents"])
        assert documents == [{"id": "1", "score": 0.5}]

    def test_decorated_tool(self) -> None:
        """A decorated function's arguments are recorded by name, without its object; and what it
        returns, if anything."""

        class Weather:
            @llm_otel.tool
            def forecast(self, city: str, days: int = 1, **more: object) -> dict[str, int]:
                return {"temperature": 20}

            @llm_otel.tool
            def nothing(self) -> None: ...

        with capture(**CONTENT) as telemetry:
            Weather().forecast("Bern", days=2, unit="C")
            Weather().nothing()
        first, second = (span.attributes for span in telemetry.spans)
        assert json.loads(first["gen_ai.tool.call.arguments"]) == {
            "city": "Bern",
            "days": 2,
            "more": {"unit": "C"},
        }
        assert first["gen_ai.tool.call.result"] == '{"temperature":20}'
        assert "gen_ai.tool.call.result" not in second

    def test_objects_are_named_only(self) -> None:
        """Of an object that is no data its class is recorded; its own text is never asked for."""
        with capture(**CONTENT) as telemetry, llm_otel.tool("t") as tool:
            tool.set_result({"object": Unprintable()})
        assert telemetry.span.attributes["gen_ai.tool.call.result"] == '{"object":"<Unprintable>"}'

    def test_redacted_and_cut(self) -> None:
        """The hook and the length apply to a step's content, error text included."""
        settings = {"redact": lambda text: text.replace("ann", "***"), "content_max_length": 8}
        with capture(**CONTENT, **settings) as telemetry, llm_otel.tool("t") as tool:
            tool.set_arguments({"user": "ann"})
            tool.set_result("ann " + "x" * 100)
        attributes = telemetry.span.attributes
        assert attributes["gen_ai.tool.call.arguments"] == '{"user":"***"}'
        assert attributes["gen_ai.tool.call.result"].startswith("*** xxxx…[truncated")

    def test_unsampled(self) -> None:
        """A span that is not sampled costs no look at the content."""
        llm_otel.uninstrument()
        sdk = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
        llm_otel.instrument(tracer_provider=sdk, setup=False, **CONTENT)
        looked: list[object] = []

        class Documents(list[object]):
            def __iter__(self) -> Iterator[object]:
                looked.append(self)
                return super().__iter__()

        try:
            with llm_otel.retrieval("d") as step:
                step.set_documents(Documents())
        finally:
            llm_otel.uninstrument()
        assert looked == []

    @pytest.mark.parametrize(
        ("mode", "expected"), [("no_content", None), ("event_only", None), ("span_only", "why")]
    )
    def test_message(self, mode: str, expected: str | None) -> None:
        """The exception's text is the status' description only where spans may hold content."""
        exporter = InMemorySpanExporter()
        sdk = TracerProvider(shutdown_on_exit=False)
        sdk.add_span_processor(SimpleSpanProcessor(exporter))
        llm_otel.uninstrument()
        llm_otel.instrument(tracer_provider=sdk, setup=False, capture_content=mode)
        try:
            with pytest.raises(ValueError, match="why"), llm_otel.tool("t"):
                raise ValueError("why")
        finally:
            llm_otel.uninstrument()
        [span] = exporter.get_finished_spans()
        assert span.status.description == expected
