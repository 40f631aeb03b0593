"""The application's own steps: one span each, nested, by the conventions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from openai import OpenAI
from opentelemetry import trace

import llm_otel
from llm_otel.base import guard
from llm_otel.testing import capture, provider

CONTENT = {"capture_content": "span_only"}
UNATTRIBUTED = {"feature": "none", "tenant_id": "none"}
NOTHING_CALLED = {
    "llm_otel.total.calls": 0,
    "llm_otel.total.errors": 0,
    "llm_otel.total.tool_calls": 0,
    "llm_otel.total.unpriced": 0,
    "llm_otel.total.input_tokens": 0,
    "llm_otel.total.output_tokens": 0,
    "llm_otel.total.cost_usd": 0.0,
}


class TestConventions:
    @pytest.mark.parametrize(
        ("step", "name", "kind", "attributes"),
        [
            (
                lambda: llm_otel.workflow("triage"),
                "invoke_workflow triage",
                "INTERNAL",
                {
                    "gen_ai.operation.name": "invoke_workflow",
                    "gen_ai.workflow.name": "triage",
                    **NOTHING_CALLED,
                },
            ),
            (
                lambda: llm_otel.agent(
                    "helper", model="m", id="a1", description="helps", conversation_id="c1"
                ),
                "invoke_agent helper",
                "INTERNAL",
                {
                    "gen_ai.operation.name": "invoke_agent",
                    "gen_ai.agent.name": "helper",
                    "gen_ai.agent.id": "a1",
                    "gen_ai.agent.description": "helps",
                    "gen_ai.request.model": "m",
                    "gen_ai.conversation.id": "c1",
                    **NOTHING_CALLED,
                },
            ),
            (
                lambda: llm_otel.tool("search", call_id="call_1", description="finds"),
                "execute_tool search",
                "INTERNAL",
                {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": "search",
                    "gen_ai.tool.type": "function",
                    "gen_ai.tool.call.id": "call_1",
                    "gen_ai.tool.description": "finds",
                },
            ),
            (
                lambda: llm_otel.retrieval("docs", provider="chroma", top_k=5, model="e"),
                "retrieval docs",
                "CLIENT",
                {
                    "gen_ai.operation.name": "retrieval",
                    "gen_ai.data_source.id": "docs",
                    "gen_ai.provider.name": "chroma",
                    "gen_ai.retrieval.top_k": 5,
                    "gen_ai.request.model": "e",
                },
            ),
            (
                lambda: llm_otel.embedding("minilm", dimensions=384),
                "embeddings minilm",
                "CLIENT",
                {
                    "gen_ai.operation.name": "embeddings",
                    "gen_ai.provider.name": "in_process",
                    "gen_ai.request.model": "minilm",
                    "gen_ai.embeddings.dimension.count": 384,
                },
            ),
        ],
        ids=["workflow", "agent", "tool", "retrieval", "embedding"],
    )
    def test_span(
        self,
        step: Callable[[], AbstractContextManager[object]],
        name: str,
        kind: str,
        attributes: dict[str, object],
    ) -> None:
        """Each step gives one span with the name, kind and attributes of the conventions."""
        with capture() as telemetry, step():
            pass
        span = telemetry.span
        assert (span.name, span.kind, span.status) == (name, kind, "UNSET")
        assert span.attributes == attributes

    def test_nesting(self) -> None:
        """Steps nest in each other, and a tool carries the name of the agent it works for."""
        with (
            capture() as telemetry,
            llm_otel.workflow("w"),
            llm_otel.agent("a"),
            llm_otel.tool("t"),
            llm_otel.retrieval(),
        ):
            pass
        assert telemetry.tree() == (
            "invoke_workflow w\n  invoke_agent a\n    execute_tool t\n      retrieval"
        )
        assert telemetry.spans[2].attributes["gen_ai.agent.name"] == "a"

    def test_calls_inside(self) -> None:
        """A call to a provider made in a step is its child, with the same attribution."""
        with (
            provider() as local,
            OpenAI(base_url=local.url, api_key="x") as client,
            capture() as telemetry,
            llm_otel.attribution(tenant_id="acme"),
            llm_otel.agent("a"),
        ):
            client.embeddings.create(model="m", input="x")
        agent, call = telemetry.spans
        assert (call.name, call.parent) == ("embeddings m", "invoke_agent a")
        assert agent.attributes["tenant_id"] == call.attributes["tenant_id"] == "acme"

    def test_attribution(self) -> None:
        """A step's span carries the attribution; its metrics have tenant and feature of it."""
        with (
            capture() as telemetry,
            llm_otel.attribution(tenant_id="acme", session_id="s"),
            llm_otel.tool("t"),
        ):
            pass
        attributes = telemetry.span.attributes
        assert (attributes["tenant_id"], attributes["session.id"]) == ("acme", "s")
        [point] = telemetry.points("gen_ai.execute_tool.duration")
        assert (point.attributes["tenant_id"], point.attributes["feature"]) == ("acme", "none")
        assert "session.id" not in point.attributes

    def test_embedding_usage(self) -> None:
        """An embedding tells how many tokens it took."""
        with capture() as telemetry, llm_otel.embedding("m", provider="mine") as step:
            step.set_usage(12)
        assert telemetry.span.attributes["gen_ai.usage.input_tokens"] == 12

    @pytest.mark.parametrize(
        ("make", "name", "warnings"),
        [
            (lambda: llm_otel.tool(object()), "execute_tool", 2),  # type: ignore[call-overload]
            (lambda: llm_otel.tool(None), "execute_tool", 1),
            (lambda: llm_otel.workflow("x" * 5000), "invoke_workflow", 2),
            (lambda: llm_otel.agent("a", model=b"m"), "invoke_agent a", 1),  # type: ignore[call-overload]
            (lambda: llm_otel.tool("t", call_id=[]), "execute_tool t", 1),  # type: ignore[call-overload]
            (lambda: llm_otel.retrieval("d", top_k="5"), "retrieval d", 1),  # type: ignore[call-overload]
            (lambda: llm_otel.retrieval("d", top_k=-1), "retrieval d", 1),
            (lambda: llm_otel.embedding(None), "embeddings", 1),  # type: ignore[arg-type]
            (lambda: llm_otel.embedding("m", dimensions=2**70), "embeddings m", 1),
        ],
    )
    def test_wrong_argument(
        self,
        make: Callable[[], Any],
        name: str,
        warnings: int,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """A wrong argument is left out with one warning; the step runs and has its span."""
        with capture() as telemetry:
            for _ in range(2):
                with make():
                    pass
        assert [span.name for span in telemetry.spans] == [name] * 2
        assert len(caplog.messages) == warnings, caplog.messages

    def test_wrong_usage(self, caplog: pytest.LogCaptureFixture) -> None:
        """A count of tokens that is none is left out."""
        with capture() as telemetry, llm_otel.embedding("m") as step:
            step.set_usage("12")  # type: ignore[arg-type]
        assert "gen_ai.usage.input_tokens" not in telemetry.span.attributes
        assert len(caplog.messages) == 1, caplog.messages

    def test_a_long_description_is_cut(self) -> None:
        """Text for people is cut to the limit of an attribute."""
        with capture() as telemetry, llm_otel.agent("a", description="d" * 10_000):
            pass
        assert len(telemetry.span.attributes["gen_ai.agent.description"]) == 4096


class TestMetrics:
    @pytest.mark.parametrize("setting", ["v1.41", "latest", "both"])
    def test_durations(self, setting: str) -> None:
        """Workflow, agent and tool have the conventions' duration, with their own attributes."""
        with (
            capture(semconv=setting) as telemetry,
            llm_otel.workflow("w"),
            llm_otel.agent("a", model="m"),
            llm_otel.tool("t"),
        ):
            pass
        points = {
            name: [p.attributes for p in telemetry.points(f"gen_ai.{name}.duration")]
            for name in ("invoke_workflow", "invoke_agent", "execute_tool")
        }
        assert points == {
            "invoke_workflow": [{"gen_ai.workflow.name": "w", **UNATTRIBUTED}],
            "invoke_agent": [
                {"gen_ai.agent.name": "a", "gen_ai.request.model": "m", **UNATTRIBUTED}
            ],
            "execute_tool": [
                {
                    "gen_ai.tool.name": "t",
                    "gen_ai.tool.type": "function",
                    "gen_ai.agent.name": "a",
                    **UNATTRIBUTED,
                }
            ],
        }

    @pytest.mark.parametrize(
        ("setting", "expected"),
        [
            ("v1.41", {"gen_ai.client.operation.duration": 2}),
            (
                "latest",
                {
                    "gen_ai.client.operation.duration": 1,
                    "gen_ai.client.embeddings.duration": 1,
                },
            ),
            (
                "both",
                {
                    "gen_ai.client.operation.duration": 2,
                    "gen_ai.client.embeddings.duration": 1,
                },
            ),
            ("off", {}),
        ],
    )
    def test_client_operations(self, setting: str, expected: dict[str, int]) -> None:
        """Retrieval and embedding are client operations, by the names that the setting asks for."""
        with (
            capture(semconv=setting) as telemetry,
            llm_otel.retrieval("d"),
            llm_otel.embedding("m"),
        ):
            pass
        names = ("gen_ai.client.operation.duration", "gen_ai.client.embeddings.duration")
        counts = {name: telemetry.count(name) for name in names}
        assert {name: n for name, n in counts.items() if n} == expected

    def test_off(self) -> None:
        """With the conventions' metrics off a step has its span only, and no family A metric."""
        with capture(semconv="off") as telemetry, llm_otel.tool("t"):
            pass
        assert telemetry.span.name == "execute_tool t"
        assert not [name for name in telemetry.metrics() if name.startswith("gen_ai.")]


class Broken(Exception):
    """An error with a text that quotes the prompt."""


class TestErrors:
    def test_exception(self) -> None:
        """An exception goes on unchanged; span and metric have its class, nothing its text."""
        error = Broken("my secret prompt")
        with capture() as telemetry, pytest.raises(Broken) as caught, llm_otel.tool("t"):
            raise error
        assert caught.value is error
        span = telemetry.span
        assert (span.status, span.error) == ("ERROR", f"{__name__}.Broken")
        [point] = telemetry.points("gen_ai.execute_tool.duration")
        assert point.attributes["error.type"] == f"{__name__}.Broken"
        assert "secret" not in repr(telemetry)
        assert span.events == ()

    def test_cancelled(self) -> None:
        """A cancelled step says so."""

        @llm_otel.agent("a")
        async def wait() -> None:
            await asyncio.Event().wait()

        async def run() -> None:
            task = asyncio.create_task(wait())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        with capture() as telemetry:
            asyncio.run(run())
        assert telemetry.span.error == "asyncio.exceptions.CancelledError"

    def test_early_exit(self) -> None:
        """A generator that the caller leaves early is no error; its span has ended."""

        @llm_otel.tool
        def search() -> Iterator[int]:
            yield from range(10)

        with capture() as telemetry:
            generator = search()
            next(generator)
            generator.close()  # type: ignore[attr-defined]
        assert (telemetry.span.status, telemetry.span.error) == ("UNSET", None)

    def test_our_failure(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A tracer that raises costs the span and one log line; the step's code runs."""

        class Tracer(trace.NoOpTracer):
            def start_span(self, *args: Any, **kwargs: Any) -> trace.Span:
                raise RuntimeError("no span today")

        class Provider(trace.NoOpTracerProvider):
            def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
                return Tracer()

        monkeypatch.setattr(guard, "strict", False)
        llm_otel.uninstrument()
        llm_otel.instrument(tracer_provider=Provider(), setup=False)
        try:
            with llm_otel.tool("t") as step:
                step.set_result("x")
                ran = True
        finally:
            llm_otel.uninstrument()
        assert ran
        assert sum("llm-otel failed" in r.message for r in caplog.records) <= 1

    def test_text_that_cannot_be_had(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An exception whose text raises still goes on, and still is an error on the span."""

        class Mute(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no text")

        monkeypatch.setattr(guard, "strict", False)
        with capture(**CONTENT) as telemetry, pytest.raises(Mute), llm_otel.tool("t"):
            raise Mute
        assert telemetry.span.status == "ERROR"
        assert telemetry.count("gen_ai.execute_tool.duration") == 1


class TestDecorators:
    def test_names(self) -> None:
        """A decorated function lends its name, with and without parentheses."""

        @llm_otel.workflow
        def one() -> None:
            two()

        @llm_otel.agent()
        def two() -> None:
            three()

        @llm_otel.tool
        def three() -> None:
            four()

        @llm_otel.retrieval
        def four() -> None:
            five()

        @llm_otel.tool("named")
        def five() -> None: ...

        with capture() as telemetry:
            one()
        assert [span.name for span in telemetry.spans] == [
            "invoke_workflow one",
            "invoke_agent two",
            "execute_tool three",
            "retrieval",
            "execute_tool named",
        ]

    def test_kinds(self) -> None:
        """Coroutine functions and generators keep their kind; the span lasts while they run."""

        @llm_otel.tool
        async def coroutine() -> str:
            await asyncio.sleep(0)
            return trace.get_current_span().name  # type: ignore[attr-defined,no-any-return]

        @llm_otel.tool
        def generator() -> Iterator[str]:
            yield trace.get_current_span().name  # type: ignore[attr-defined]

        @llm_otel.tool
        async def async_generator() -> AsyncIterator[str]:
            yield trace.get_current_span().name  # type: ignore[attr-defined]

        async def drain() -> list[str]:
            return [item async for item in async_generator()]

        assert inspect.iscoroutinefunction(coroutine)
        assert inspect.isgeneratorfunction(generator)
        assert inspect.isasyncgenfunction(async_generator)
        with capture() as telemetry:
            seen = [asyncio.run(coroutine()), *generator(), *asyncio.run(drain())]
        assert seen == [span.name for span in telemetry.spans]
        assert len(seen) == 3

    def test_generator_is_suspended(self) -> None:
        """While the caller has the control, the generator's span is not the current one."""

        @llm_otel.tool
        def items() -> Iterator[int]:
            with llm_otel.retrieval("inside"):
                yield 1
                yield 2

        with capture() as telemetry, llm_otel.workflow("caller"):
            for item in items():
                with llm_otel.tool(f"consumer-{item}"):
                    pass
        parents = {span.name: span.parent for span in telemetry.spans}
        assert parents == {
            "invoke_workflow caller": None,
            "execute_tool items": "invoke_workflow caller",
            "retrieval inside": "execute_tool items",
            "execute_tool consumer-1": "invoke_workflow caller",
            "execute_tool consumer-2": "invoke_workflow caller",
        }

    def test_async_with(self) -> None:
        """`async with` does what `with` does."""

        async def run() -> None:
            async with llm_otel.agent("a"), llm_otel.tool("t") as step:
                step.set_result("x")

        with capture(**CONTENT) as telemetry:
            asyncio.run(run())
        assert [span.parent for span in telemetry.spans] == [None, "invoke_agent a"]

    def test_one_step_in_two_tasks(self) -> None:
        """One step object entered by two tasks at once gives two spans, each ended by its task."""
        step = llm_otel.tool("t")

        async def task(name: str, mine: asyncio.Event, other: asyncio.Event) -> None:
            with llm_otel.agent(name):
                with step:
                    mine.set()
                    await other.wait()
                with llm_otel.retrieval(name):
                    pass

        async def run() -> None:
            one, two = asyncio.Event(), asyncio.Event()
            await asyncio.gather(task("a", one, two), task("b", two, one))

        with capture() as telemetry:
            asyncio.run(run())
        parents = sorted((span.name, str(span.parent)) for span in telemetry.spans)
        assert parents == [
            ("execute_tool t", "invoke_agent a"),
            ("execute_tool t", "invoke_agent b"),
            ("invoke_agent a", "None"),
            ("invoke_agent b", "None"),
            ("retrieval a", "invoke_agent a"),
            ("retrieval b", "invoke_agent b"),
        ]


def test_without_instrument() -> None:
    """Without `instrument()` steps run the code and emit nothing."""
    llm_otel.uninstrument()
    with llm_otel.workflow("w"), llm_otel.tool("t") as step:
        step.set_result("x")
        assert not trace.get_current_span().is_recording()
    assert llm_otel.tool(lambda: 1)() == 1
