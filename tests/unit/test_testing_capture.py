"""`capture()` gives the telemetry of a block in a readable form."""

from __future__ import annotations

import asyncio

import openai
import pytest
from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider

import llm_otel
from llm_otel.testing import capture, provider

REQUEST = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello there"}]}
AS_OPENAI = {"127.0.0.1": "openai"}


@pytest.fixture
def p():
    with provider() as serving:
        yield serving


@pytest.fixture
def client(p):
    with openai.OpenAI(base_url=p.url, api_key="test", max_retries=0) as made:
        yield made


class TestSpans:
    def test_one_span(self, client):
        """The span of a call is there with its attributes, kind, ids and times."""
        with capture() as telemetry:
            answer = client.chat.completions.create(**REQUEST)
        span = telemetry.span
        assert (span.name, span.kind, span.status, span.error) == (
            "chat gpt-4o", "CLIENT", "UNSET", None,
        )  # fmt: skip
        assert span.attributes["gen_ai.response.id"] == answer.id
        assert (span.parent, span.parent_id) == (None, None)
        assert (len(span.trace_id), len(span.span_id)) == (32, 16)
        assert 0 < span.seconds < 60

    def test_seen_inside_the_block(self, client):
        """What has ended so far can be read inside the block."""
        with capture() as telemetry:
            assert telemetry.spans == []
            client.chat.completions.create(**REQUEST)
            assert telemetry.span.name == "chat gpt-4o"
            assert telemetry.value("gen_ai.tokens.consumed", token_type="input") == 10

    def test_tree(self, client, p):
        """Spans come in the order of their start, children below their parent, errors marked."""
        with capture() as telemetry:
            with llm_otel.workflow("answer"):
                p.enqueue("rate_limit")
                with pytest.raises(openai.RateLimitError):
                    client.chat.completions.create(**REQUEST)
                client.chat.completions.create(**REQUEST)
            client.embeddings.create(model="text-embedding-3-small", input="x")
        assert telemetry.tree().splitlines() == [
            "invoke_workflow answer",
            "  chat gpt-4o [error: openai.RateLimitError]",
            "  chat gpt-4o",
            "embeddings text-embedding-3-small",
        ]
        _, failed, good, _ = telemetry.spans
        assert (failed.status, failed.error) == ("ERROR", "openai.RateLimitError")
        assert failed.parent == good.parent == "invoke_workflow answer"
        assert good.parent_id == telemetry.spans[0].span_id

    def test_not_one_span(self, client):
        """Asking for the one span, when there are others, says what there is."""
        with capture() as telemetry:
            with pytest.raises(AssertionError, match=r"expected one span, got 0:$"):
                telemetry.span  # noqa: B018
            for _ in range(2):
                client.chat.completions.create(**REQUEST)
        with pytest.raises(AssertionError, match=r"got 2:\nchat gpt-4o\nchat gpt-4o$"):
            telemetry.span  # noqa: B018

    def test_fixed_ids(self, client):
        """With fixed ids, traces and spans are numbered from 1 in every block."""
        seen = []
        for _ in range(2):
            with capture(fixed_ids=True) as telemetry:
                client.chat.completions.create(**REQUEST)
                client.chat.completions.create(**REQUEST)
            seen.append(
                [(int(span.trace_id, 16), int(span.span_id, 16)) for span in telemetry.spans]
            )
        assert seen == [[(1, 1), (2, 2)]] * 2

    def test_async_and_streams(self, p):
        """Async calls and streams are captured, each once."""

        async def ask() -> None:
            async with openai.AsyncOpenAI(base_url=p.url, api_key="test") as client:
                await client.chat.completions.create(**REQUEST)
                async for _ in await client.chat.completions.create(**REQUEST, stream=True):
                    pass

        with capture() as telemetry:
            asyncio.run(ask())
        assert telemetry.tree() == "chat gpt-4o\nchat gpt-4o"


class TestMetrics:
    def test_value(self, client):
        """A value is the sum over the points that have the given labels."""
        with capture() as telemetry:
            usages = [
                client.chat.completions.create(**{**REQUEST, "model": model}).usage
                for model in ("gpt-4o", "gpt-4o", "gpt-4.1")
            ]
        consumed = "gen_ai.tokens.consumed"
        assert telemetry.value(consumed) == sum(usage.total_tokens for usage in usages)
        assert telemetry.value(consumed, model="gpt-4.1", token_type="input") == 10
        assert telemetry.value(consumed, model="none such") == 0

    def test_histogram(self, client):
        """A histogram has a count and, as its value, the sum of its recordings."""
        with capture() as telemetry:
            client.chat.completions.create(**REQUEST)
            client.chat.completions.create(**REQUEST)
        name = "gen_ai.request.duration"
        assert telemetry.count(name, model="gpt-4o") == 2
        assert telemetry.value(name) == pytest.approx(
            sum(span.seconds for span in telemetry.spans), abs=0.05
        )

    def test_cost(self, client):
        """The price table is there from the first call on."""
        with capture(providers=AS_OPENAI) as telemetry:
            client.chat.completions.create(**REQUEST)
        assert telemetry.value("gen_ai.requests.unpriced") == 0
        assert telemetry.value("gen_ai.cost.usd", model="gpt-4o") > 0

    def test_a_metric_that_did_not_happen(self, client):
        """A metric of llm-otel without points is 0; a name that is nobody's is an error."""
        with capture() as telemetry:
            client.chat.completions.create(**REQUEST)
        assert (telemetry.value("gen_ai.errors"), telemetry.points("gen_ai.errors")) == (0, [])
        with pytest.raises(
            AssertionError, match=r"no metric 'gen_ai\.tokens'; captured were gen_ai"
        ):
            telemetry.value("gen_ai.tokens")

    def test_count_of_a_counter(self, client):
        """Counting what is no histogram is an error that says so."""
        with capture() as telemetry:
            client.chat.completions.create(**REQUEST)
        with pytest.raises(AssertionError, match="is no histogram"):
            telemetry.count("gen_ai.tokens.consumed")

    def test_exemplars(self, client):
        """An exemplar leads to the span of its call, however often the metrics are read."""
        with capture() as telemetry:
            client.chat.completions.create(**REQUEST)
            telemetry.metrics()
        (exemplar,) = telemetry.exemplars("gen_ai.request.duration")
        assert (exemplar.trace_id, exemplar.span_id) == (
            telemetry.span.trace_id,
            telemetry.span.span_id,
        )


class TestLogs:
    def test_events(self, client):
        """Events are there by name, with attributes and the span they belong to."""
        with capture() as telemetry, llm_otel.workflow("answer"):
            llm_otel.score("faithful", 0.9)
        (record,) = telemetry.logs
        assert record.event == "gen_ai.evaluation.result"
        assert record.attributes["gen_ai.evaluation.score.value"] == 0.9
        assert record.span_id == telemetry.span.span_id


class TestBlock:
    def test_globals_are_untouched(self, client):
        """The global providers are the same objects as before."""

        def global_providers():
            return (
                trace.get_tracer_provider(),
                metrics.get_meter_provider(),
                get_logger_provider(),
            )

        before = global_providers()
        with capture():
            client.chat.completions.create(**REQUEST)
        assert all(a is b for a, b in zip(before, global_providers()))

    def test_nothing_after_the_block(self, client):
        """After the block nothing more is captured, also when the block raised."""
        with pytest.raises(KeyError), capture() as telemetry:
            raise KeyError
        client.chat.completions.create(**REQUEST)
        assert (telemetry.spans, telemetry.metrics().get("gen_ai.tokens.consumed")) == ([], None)

    def test_blocks_do_not_mix(self, client):
        """A second block starts from nothing."""
        for _ in range(2):
            with capture() as telemetry:
                client.chat.completions.create(**REQUEST)
            assert telemetry.value("gen_ai.tokens.consumed", token_type="input") == 10

    def test_replaces_an_active_instrumentation(self, client):
        """An instrumentation that is active already does not keep the block from its calls."""
        with capture() as outer, capture() as inner:
            client.chat.completions.create(**REQUEST)
        assert (len(outer.spans), len(inner.spans)) == (0, 1)

    def test_settings(self, client):
        """Settings are those of `instrument()`; a wrong one is its clear error."""
        with capture(semconv="off") as telemetry:
            client.chat.completions.create(**REQUEST)
        assert "gen_ai.client.operation.duration" not in telemetry.metrics()
        with pytest.raises(llm_otel.ConfigError, match="semcomv"), capture(semcomv="off"):
            pass

    def test_printing(self, client):
        """Printed, everything is there: the tree with attributes, metrics with labels, logs."""
        with capture() as telemetry, llm_otel.workflow("answer"):
            client.chat.completions.create(**REQUEST)
            llm_otel.score("faithful", 0.9)
        text = str(telemetry)
        assert text == repr(telemetry)
        for expected in (
            "spans:\n  invoke_workflow answer (INTERNAL, ",
            "\n    chat gpt-4o (CLIENT, ",
            "| gen_ai.usage.input_tokens = 10\n",
            "metrics:\n",
            "token_type='input'} 10 {token}\n",
            "} 1 × sum ",
            "logs:\n  gen_ai.evaluation.result{",
        ):
            assert expected in text
