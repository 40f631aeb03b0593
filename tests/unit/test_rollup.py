"""What a workflow or an agent ends with: the sums of everything below it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from opentelemetry.context import attach, detach, set_value

import llm_otel
from llm_otel.core.metrics import collection
from llm_otel.pricing import table
from llm_otel.testing import Provider, Telemetry, capture

SETTINGS: dict[str, Any] = {"providers": {"127.0.0.1": "openai"}, "setup": False}
QUESTION: list[Any] = [{"role": "user", "content": "Where is my order?"}]
PREFIX = "llm_otel.total."
BACKGROUND: dict[str, Any] = {"model": "gpt-5", "input": "Hello", "background": True}


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    with capture(**SETTINGS) as captured:
        yield captured


@pytest.fixture
def client(p: Provider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=p.url, api_key="x", max_retries=0) as opened:
        yield opened


def ask(client: openai.OpenAI, model: str = "gpt-4o-mini", **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=QUESTION, **more)


def totals(telemetry: Telemetry, name: str) -> dict[str, Any]:
    """The sums on the one span of a name."""
    [span] = [span for span in telemetry.spans if span.name == name]
    return {
        key.removeprefix(PREFIX): value
        for key, value in span.attributes.items()
        if key.startswith(PREFIX)
    }


def billed(p: Provider) -> tuple[int, int]:
    """Tokens in and out, by the provider's own count."""
    bills = p.bill.values()
    return sum(b.input_tokens for b in bills), sum(b.output_tokens for b in bills)


def tokens(sums: dict[str, Any]) -> tuple[int, int]:
    return sums.get("input_tokens"), sums.get("output_tokens")  # type: ignore[return-value]


class TestSums:
    def test_a_call_of_ones_own_around_a_client_is_one(
        self, telemetry: Telemetry, client: openai.OpenAI
    ) -> None:
        """Nothing stays open, and an answer from the program's own cache is no call."""
        with llm_otel.workflow("w"):
            with llm_otel.call("gpt-4o-mini", provider="openai"):
                ask(client)
            with llm_otel.call("gpt-4o-mini", provider="openai") as own:
                own.set_usage(5, 2)
            with llm_otel.cached("gpt-4o-mini", provider="openai", input_tokens=9):
                pass
            assert llm_otel.current_totals().open_calls == 0
        sums = totals(telemetry, "invoke_workflow w")
        assert sums["calls"] == 2, sums
        assert "incomplete" not in sums, sums

    def test_everything_below(
        self, telemetry: Telemetry, client: openai.OpenAI, p: Provider
    ) -> None:
        """Threads, tasks, generators of both kinds, tools and nested agents: the bill, once."""

        @llm_otel.agent
        def inner() -> Iterator[str]:
            for chunk in ask(client, stream=True, stream_options={"include_usage": True}):
                yield chunk.id

        @llm_otel.agent
        async def far() -> AsyncIterator[int]:
            async with openai.AsyncOpenAI(base_url=p.url, api_key="x") as remote:
                for number in range(2):
                    await remote.embeddings.create(model="text-embedding-3-small", input="x")
                    yield number

        @llm_otel.tool
        async def search() -> int:
            return sum([number async for number in far()])

        async def tasks() -> None:
            await asyncio.gather(*(asyncio.create_task(search()) for _ in range(3)))

        with llm_otel.workflow("all"), llm_otel.agent("outer"):
            ask(client)
            list(inner())
            asyncio.run(tasks())
            with ThreadPoolExecutor(3) as pool:
                list(pool.map(llm_otel.propagate(lambda _: ask(client)), range(5)))
        sums = totals(telemetry, "invoke_workflow all")
        assert (sums["calls"], sums["errors"], sums["tool_calls"]) == (1 + 1 + 6 + 5, 0, 3), sums
        assert tokens(sums) == billed(p)
        assert sums["cost_usd"] == pytest.approx(telemetry.value("gen_ai.cost.usd"), rel=1e-9)
        assert sums["cost_usd"] > 0
        assert "incomplete" not in sums
        assert sums == totals(telemetry, "invoke_agent outer")
        assert totals(telemetry, "invoke_agent inner")["calls"] == 1
        assert telemetry.value("llm_otel.rollup.late") == 0

    def test_attributes_of_the_conventions(
        self, telemetry: Telemetry, client: openai.OpenAI, p: Provider
    ) -> None:
        """An agent has the tokens under the conventions' names too; these forbid it a workflow."""
        with llm_otel.workflow("w"), llm_otel.agent("a"):
            ask(client)
        workflow, agent, _ = telemetry.spans
        names = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
        assert tuple(agent.attributes[name] for name in names) == billed(p)
        assert not [name for name in workflow.attributes if name.startswith("gen_ai.usage.")]

    def test_at_once(self, telemetry: Telemetry, client: openai.OpenAI, p: Provider) -> None:
        """Many threads lose no call, and each step has its own."""

        @llm_otel.agent("a")
        def work(_: int) -> llm_otel.Totals:
            for _number in range(5):
                ask(client)
            return llm_otel.current_totals()

        with llm_otel.workflow("w"), ThreadPoolExecutor(8) as pool:
            each = list(pool.map(llm_otel.propagate(work), range(16)))
        assert {(one.calls, one.incomplete) for one in each} == {(5, False)}
        sums = totals(telemetry, "invoke_workflow w")
        assert (sums["calls"], tokens(sums)) == (80, billed(p))
        assert sums["cost_usd"] == pytest.approx(sum(one.cost_usd for one in each))

    def test_failed_and_retried(
        self, telemetry: Telemetry, client: openai.OpenAI, p: Provider
    ) -> None:
        """A call that fails is a call and an error; a retry inside the client is no call."""
        p.enqueue("server_error", "server_error")
        with llm_otel.workflow("retried"):
            ask(client.with_options(max_retries=2))
        assert len(p.requests) == 3
        sums = totals(telemetry, "invoke_workflow retried")
        assert (sums["calls"], sums["errors"], "incomplete" in sums) == (1, 0, False), sums
        p.enqueue("rate_limit")
        with llm_otel.workflow("failed"), pytest.raises(openai.RateLimitError):
            ask(client)
        sums = totals(telemetry, "invoke_workflow failed")
        assert (sums["calls"], sums["errors"], tokens(sums)) == (1, 1, (0, 0)), sums
        assert "incomplete" not in sums

    def test_cancelled(self, telemetry: Telemetry, p: Provider) -> None:
        """A cancelled call may have been billed, and nobody tells: the sums say so."""
        reached, answered = threading.Event(), threading.Event()

        def hold(_request: Any) -> None:
            reached.set()
            answered.wait(30)

        p.on("/v1/chat/completions", hold)

        @llm_otel.workflow("w")
        async def run() -> None:
            async with openai.AsyncOpenAI(base_url=p.url, api_key="x") as client:
                task = asyncio.create_task(
                    client.chat.completions.create(model="gpt-4o", messages=QUESTION)
                )
                await asyncio.to_thread(reached.wait, 30)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        asyncio.run(run())
        answered.set()
        sums = totals(telemetry, "invoke_workflow w")
        assert (sums["calls"], sums["errors"], sums.get("incomplete")) == (1, 1, True), sums
        assert "cost_usd" not in sums

    def test_a_span_of_somebody_else(
        self, telemetry: Telemetry, client: openai.OpenAI, p: Provider
    ) -> None:
        """A call whose span another instrumentation makes counts as well."""
        with llm_otel.workflow("w"):
            token = attach(set_value("opentelemetry.genai.client.inference.context", object()))
            ask(client)
            detach(token)
        assert [span.name for span in telemetry.spans] == ["invoke_workflow w"]
        sums = totals(telemetry, "invoke_workflow w")
        assert (sums["calls"], tokens(sums)) == (1, billed(p))

    def test_unsampled(self, client: openai.OpenAI) -> None:
        """Sums do not need spans: metrics and `current_totals` have them without a sampled one."""
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

        with capture(**SETTINGS):
            llm_otel.uninstrument()
            llm_otel.instrument(tracer_provider=TracerProvider(sampler=ALWAYS_OFF), **SETTINGS)
            with llm_otel.agent("a"):
                ask(client)
                assert llm_otel.current_totals().calls == 1

    def test_not_instrumented(self) -> None:
        """Where calls are not seen there are no sums: 0 would be wrong."""
        with capture(**SETTINGS) as telemetry:
            step = llm_otel.workflow("w")
            llm_otel.uninstrument()
            with step:
                told = llm_otel.current_totals()
        assert told == llm_otel.Totals()
        assert (told.step, told.incomplete) == (None, True)
        assert not [name for span in telemetry.spans for name in span.attributes if PREFIX in name]


class TestIncomplete:
    @pytest.mark.parametrize(
        ("settings", "call", "known"),
        [
            pytest.param(
                {},
                lambda client: ask(client, "my-own-model"),
                {"unpriced": 1, "tokens": True, "cost": False},
                id="no price",
            ),
            pytest.param(
                {"stream_usage": "never"},
                lambda client: list(ask(client, stream=True)),
                {"unpriced": 0, "tokens": False, "cost": False},
                id="no usage",
            ),
            pytest.param(
                {"stream_usage": "never", "estimate_usage": True},
                lambda client: list(ask(client, stream=True)),
                {"unpriced": 0, "tokens": True, "cost": True},
                id="estimated",
            ),
            pytest.param(
                {"stream_usage": "always"},
                lambda client: next(iter(stream := ask(client, stream=True))) and stream.close(),
                {"unpriced": 0, "tokens": False, "cost": False},
                id="left",
            ),
        ],
    )
    def test_marked(
        self,
        client: openai.OpenAI,
        settings: dict[str, Any],
        call: Callable[[openai.OpenAI], Any],
        known: dict[str, Any],
    ) -> None:
        """What is not whole is marked; a sum of which nothing is known is left out, and never 0."""
        with capture(**SETTINGS, **settings) as telemetry, llm_otel.workflow("w"):
            call(client)
            told = llm_otel.current_totals()
        sums = totals(telemetry, "invoke_workflow w")
        assert sums["incomplete"] is told.incomplete is True
        assert (sums["calls"], sums["unpriced"]) == (1, known["unpriced"])
        found = {"tokens": "input_tokens" in sums, "cost": "cost_usd" in sums}
        assert found == {"tokens": known["tokens"], "cost": known["cost"]}, sums

    def test_price_table_to_come(
        self, client: openai.OpenAI, p: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Calls before the prices are there: incomplete, and right where the step is still open."""
        loadable, bundled = threading.Event(), table.bundled

        def late() -> Any:
            loadable.wait(60)
            return bundled()

        monkeypatch.setattr(table, "bundled", late)
        monkeypatch.setattr(sys.modules[capture.__module__], "_PRICES_SECONDS", 0)
        monkeypatch.setattr(collection, "_PRICES_WAIT", 60)
        with capture(**SETTINGS) as telemetry, llm_otel.workflow("w"):
            with llm_otel.agent("a"):
                ask(client)
                before = llm_otel.current_totals()
            loadable.set()
            llm_otel.cost(model="gpt-4o", input_tokens=1)  # waits for the prices
            after = llm_otel.current_totals()
        assert (before.incomplete, before.cost_usd, before.input_tokens) == (True, 0, billed(p)[0])
        assert (after.incomplete, after.unpriced) == (False, 0)
        assert after.cost_usd == pytest.approx(telemetry.value("gen_ai.cost.usd")) != 0
        agent, workflow = (totals(telemetry, n) for n in ("invoke_agent a", "invoke_workflow w"))
        assert agent["incomplete"] is True
        assert "cost_usd" not in agent
        assert workflow["cost_usd"] == after.cost_usd
        assert "incomplete" not in workflow

    def test_a_stream_read_after_the_step(
        self, telemetry: Telemetry, client: openai.OpenAI, p: Provider
    ) -> None:
        """It is missing in what has ended, which says so, and counted in what is open."""
        with llm_otel.workflow("w"):
            with llm_otel.agent("a"):
                stream = ask(client, stream=True, stream_options={"include_usage": True})
                assert llm_otel.current_totals().open_calls == 1
            assert llm_otel.current_totals().incomplete
            list(stream)
            assert not llm_otel.current_totals().incomplete
        agent, workflow = (totals(telemetry, n) for n in ("invoke_agent a", "invoke_workflow w"))
        assert agent == {
            "calls": 0, "errors": 0, "tool_calls": 0, "unpriced": 0, "incomplete": True,
        }  # fmt: skip
        assert (workflow["calls"], tokens(workflow)) == (1, billed(p))
        assert "incomplete" not in workflow
        assert telemetry.value("llm_otel.rollup.late") == 1

    def test_work_that_outlives_its_step(self, telemetry: Telemetry, client: openai.OpenAI) -> None:
        """A step that goes on in a thread makes the sums around it incomplete, and counts as late,
        for every call that comes."""
        may_go_on, entered = threading.Event(), threading.Event()

        @llm_otel.agent("inner")
        def work() -> None:
            entered.set()
            may_go_on.wait(30)
            ask(client)

        with llm_otel.workflow("w"):
            thread = threading.Thread(target=llm_otel.propagate(work))
            thread.start()
            assert entered.wait(30)
        may_go_on.set()
        thread.join()
        assert totals(telemetry, "invoke_workflow w")["incomplete"] is True
        assert totals(telemetry, "invoke_agent inner")["calls"] == 1
        assert telemetry.value("llm_otel.rollup.late") == 1

    def test_successors(self, telemetry: Telemetry, client: openai.OpenAI) -> None:
        """Steps that start their own successors hold nothing of those that have ended."""

        context = contextvars.copy_context()
        for _ in range(100):

            def step() -> contextvars.Context:
                with llm_otel.workflow("w"):
                    return contextvars.copy_context()

            context = context.run(step)
        context.run(ask, client)
        gc.collect()
        from llm_otel.core.rollup.sums import Rollup

        alive = [each for each in gc.get_objects() if isinstance(each, Rollup)]
        assert len(alive) <= 2, len(alive)
        assert telemetry.value("llm_otel.rollup.late") == 1


class TestGenerators:
    def test_dropped(self, telemetry: Telemetry, client: openai.OpenAI) -> None:
        """What the garbage collector ends inside a step has ended before the step does."""

        @llm_otel.agent("a")
        def stream() -> Iterator[Any]:
            with ask(client, stream=True) as chunks:
                yield from chunks

        with llm_otel.workflow("w"):
            generator = stream()
            next(generator)
            assert llm_otel.current_totals().open_calls == 1
            del generator
            gc.collect()
            assert llm_otel.current_totals().open_calls == 0
        agent, workflow = (totals(telemetry, n) for n in ("invoke_agent a", "invoke_workflow w"))
        assert (agent["calls"], workflow["calls"]) == (1, 1)
        assert agent["incomplete"] is True  # nobody knows what the provider billed
        assert telemetry.value("llm_otel.rollup.late") == 0

    def test_suspended(self, telemetry: Telemetry, client: openai.OpenAI) -> None:
        """What the caller of a generator does meanwhile is not the generator's."""

        @llm_otel.agent("a")
        def numbers() -> Iterator[int]:
            yield 1
            ask(client)
            yield 2

        with llm_otel.workflow("w"):
            for _ in numbers():
                ask(client)
        assert totals(telemetry, "invoke_agent a")["calls"] == 1
        assert totals(telemetry, "invoke_workflow w")["calls"] == 3


class TestBackground:
    def poll(self, client: openai.OpenAI, response: Any) -> Any:
        for _ in range(10):
            response = client.responses.retrieve(response.id)
        assert response.status == "completed"
        return response.usage

    def test_who_began_it(self, telemetry: Telemetry, client: openai.OpenAI) -> None:
        """Usage that a poll tells belongs to the step that began the work; once."""
        with llm_otel.workflow("w"), llm_otel.agent("began"):
            response = client.responses.create(**BACKGROUND)
            waiting = llm_otel.current_totals()
            with llm_otel.agent("polled"):
                usage = self.poll(client, response)
                polled = llm_otel.current_totals()
            began = llm_otel.current_totals()
        assert (waiting.incomplete, waiting.input_tokens) == (True, 0)
        assert (polled.calls, polled.input_tokens, polled.incomplete) == (10, 0, False)
        assert (began.calls, began.input_tokens) == (11, usage.input_tokens)
        assert not began.incomplete
        sums = totals(telemetry, "invoke_workflow w")
        assert tokens(sums) == (usage.input_tokens, usage.output_tokens)
        assert sums["cost_usd"] == pytest.approx(telemetry.value("gen_ai.cost.usd"))

    def test_after_its_step(self, telemetry: Telemetry, client: openai.OpenAI) -> None:
        """What is polled after the step is in no other step's sums, and the step says so."""
        with llm_otel.agent("began"):
            response = client.responses.create(**BACKGROUND)
        with llm_otel.agent("polled"):
            self.poll(client, response)
        assert totals(telemetry, "invoke_agent began")["incomplete"] is True
        assert tokens(totals(telemetry, "invoke_agent polled")) == (0, 0)


class TestCurrentTotals:
    def test_innermost_and_outermost(
        self, telemetry: Telemetry, client: openai.OpenAI, p: Provider
    ) -> None:
        """A call that has just ended is in the sums of the steps around it, with its cost."""
        assert llm_otel.current_totals() == llm_otel.Totals()
        with llm_otel.workflow("w"):
            ask(client)
            with llm_otel.agent("a"), llm_otel.tool("t"):
                ask(client)
                inner = llm_otel.current_totals()
                outer = llm_otel.current_totals(outermost=True)
            assert llm_otel.current_totals().tool_calls == 1
        assert (inner.step, inner.calls, outer.step, outer.calls) == (
            "invoke_agent a", 1, "invoke_workflow w", 2,
        )  # fmt: skip
        assert (outer.input_tokens, outer.output_tokens) == billed(p)
        assert outer.cost_usd == pytest.approx(telemetry.value("gen_ai.cost.usd"))
        assert (inner.incomplete, outer.incomplete) == (False, False)

    def test_in_what_outlives_the_step(self, telemetry: Telemetry) -> None:
        """Steps that have ended are none: the next one that is open counts."""
        with llm_otel.workflow("w"):
            with llm_otel.agent("a"):
                inside = contextvars.copy_context()
            assert inside.run(llm_otel.current_totals).step == "invoke_workflow w"
        assert inside.run(llm_otel.current_totals) == llm_otel.Totals()

    def test_frozen(self) -> None:
        """Nobody changes what was told."""
        with pytest.raises(AttributeError):
            llm_otel.Totals().calls = 1  # type: ignore[misc]


class TestMetrics:
    def test_a_run(self, telemetry: Telemetry, client: openai.OpenAI) -> None:
        """An agent's own inference and tool calls, and what its run cost with all below it."""
        with (
            llm_otel.attribution(tenant_id="acme", feature="search"),
            llm_otel.workflow("w"),
            llm_otel.agent("outer"),
        ):
            ask(client)
            client.embeddings.create(model="text-embedding-3-small", input="x")
            with llm_otel.tool("t"), llm_otel.workflow("steps"):
                ask(client)
                with llm_otel.agent("inner"), llm_otel.tool("u"):
                    ask(client)
        labels = {"tenant_id": "acme", "feature": "search"}
        runs = {
            name: [
                telemetry.value(f"gen_ai.invoke_agent.{what}", **{"gen_ai.agent.name": name})
                for what in ("inference_calls", "tool_calls")
            ]
            for name in ("outer", "inner")
        }
        assert runs == {"outer": [2, 1], "inner": [1, 1]}
        for what in ("inference_calls", "tool_calls"):
            assert len(telemetry.points(f"gen_ai.invoke_agent.{what}", **labels)) == 2
        cost = telemetry.value("gen_ai.cost.usd")
        for operation, name in (("invoke_workflow", "w"), ("invoke_agent", "outer")):
            run = {"operation": operation, "step": name, **labels}
            [point] = telemetry.points("llm_otel.run.cost", **run)
            assert (point.count, point.value) == (1, pytest.approx(cost))
            assert "incomplete" not in point.attributes

    def test_failed_and_incomplete(self, telemetry: Telemetry, client: openai.OpenAI) -> None:
        """A run that fails says so in its counts; a cost that is not whole is told apart."""

        @llm_otel.agent("a")
        def fail() -> None:
            ask(client, "my-own-model")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        for what in ("inference_calls", "tool_calls"):
            [point] = telemetry.points(f"gen_ai.invoke_agent.{what}")
            assert point.attributes["error.type"] == "ZeroDivisionError"
        [point] = telemetry.points("llm_otel.run.cost")
        assert point.attributes["incomplete"] == "true"
        assert point.attributes["operation"] == "invoke_agent"

    def test_off(self, client: openai.OpenAI) -> None:
        """Without the conventions' metrics there is the product's own."""
        with capture(**SETTINGS, semconv="off") as telemetry, llm_otel.agent("a"):
            ask(client)
        assert telemetry.count("llm_otel.run.cost") == 1
        assert not [name for name in telemetry.metrics() if name.startswith("gen_ai.invoke")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_fork(telemetry: Telemetry, client: openai.OpenAI, p: Provider) -> None:
    """A forked child's calls are not in the sums of its parent's step, nor are those its own."""
    with llm_otel.workflow("w"):
        ask(client)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                signal.alarm(60)
                empty = llm_otel.current_totals()
                with (
                    openai.OpenAI(base_url=p.url, api_key="x") as own,
                    llm_otel.agent("in child"),
                ):
                    ask(own)
                    outermost = llm_otel.current_totals(outermost=True)
                told = f"{empty.step} {outermost.step} {outermost.calls}"
                os.write(writing, told.encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert os.read(reading, 100).decode() == "None invoke_agent in child 1"
        assert llm_otel.current_totals().calls == 1
    assert totals(telemetry, "invoke_workflow w")["calls"] == 1
