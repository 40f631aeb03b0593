"""`llm_otel.call()`: a request of the program's own is a call as any other."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import urllib.error
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

import aiohttp
import httpx
import pytest
from openai import OpenAI
from opentelemetry import trace
from opentelemetry.context import attach, detach, get_current, set_value

import llm_otel
from llm_otel.base import finalizers
from llm_otel.testing import Provider, Telemetry

Instrument = Callable[..., Telemetry]
EMBEDDER = "text-embedding-3-small"
MODEL = {"model": "gpt-4o-mini", "provider": "openai"}


def value(telemetry: Telemetry, metric: str, **labels: Any) -> float | None:
    """The sum of a counter, None where nothing was counted."""
    points = telemetry.points(metric, **labels)
    return sum(point.value for point in points) if points else None


def calls(telemetry: Telemetry) -> int:
    """How many calls were counted."""
    return sum(point.count or 0 for point in telemetry.points("gen_ai.request.duration"))


def active(telemetry: Telemetry) -> float | None:
    """How many calls are under way."""
    return value(telemetry, "gen_ai.requests.active")


class TestWhatIsTold:
    def test_usage_is_priced_by_model_and_provider(self, instrumented: Instrument) -> None:
        told = instrumented()
        with llm_otel.attribution(tenant_id="acme"), llm_otel.call(**MODEL) as call:
            call.set_usage(1_000, 100, cache_read_tokens=400, reasoning_tokens=20)
        expected = llm_otel.cost(
            llm_otel.Usage(1_000, 100, cache_read_tokens=400, reasoning_tokens=20), **MODEL
        )
        attributes = told.span.attributes
        assert told.span.name == "chat gpt-4o-mini"
        assert told.span.kind == "CLIENT"
        assert attributes["gen_ai.usage.cost.amount"] == pytest.approx(expected.total)
        assert attributes["gen_ai.usage.cache_read.input_tokens"] == 400
        assert attributes["tenant_id"] == "acme"
        assert value(told, "gen_ai.cost.usd", tenant_id="acme") == pytest.approx(expected.total)
        assert value(told, "gen_ai.tokens.consumed", token_type="input") == 1_000
        assert value(told, "gen_ai.tokens.cached") == 400
        assert (calls(told), active(told)) == (1, 0)

    def test_usage_that_nobody_tells_is_unknown(self, instrumented: Instrument) -> None:
        told = instrumented()
        with llm_otel.call(**MODEL):
            pass
        assert told.span.attributes["llm_otel.usage.source"] == "unknown"
        assert "gen_ai.usage.input_tokens" not in told.span.attributes
        assert value(told, "llm_otel.usage.unknown") == 1
        assert value(told, "gen_ai.tokens.consumed") is None
        assert value(told, "gen_ai.cost.usd") is None

    def test_a_half_of_the_usage_has_an_incomplete_cost(self, instrumented: Instrument) -> None:
        told = instrumented()
        with llm_otel.call(**MODEL) as call:
            call.set_usage(input_tokens=10)
        assert told.span.attributes["llm_otel.cost.status"] == "incomplete"
        assert "gen_ai.usage.output_tokens" not in told.span.attributes

    def test_a_model_without_a_price_is_counted(self, instrumented: Instrument) -> None:
        told = instrumented()
        with llm_otel.call("house-7b", provider="acme_gateway") as call:
            call.set_usage(10, 5)
        assert told.span.attributes["llm_otel.cost.status"] == "unpriced"
        assert value(told, "gen_ai.requests.unpriced", model="house-7b") == 1

    @pytest.mark.parametrize("usd", [0, 0.25])
    def test_a_cost_that_the_program_says_is_the_cost(
        self, instrumented: Instrument, usd: float
    ) -> None:
        told = instrumented()
        with llm_otel.call(**MODEL) as call:
            call.set_usage(1_000, 100)
            call.set_cost(usd)
        assert told.span.attributes["gen_ai.usage.cost.amount"] == usd
        assert "llm_otel.cost.status" not in told.span.attributes
        assert (value(told, "gen_ai.cost.usd") or 0) == usd

    def test_the_rest_of_an_answer(self, instrumented: Instrument) -> None:
        told = instrumented()
        url = "https://gateway.acme.test:8443/v1/ask"
        with llm_otel.call("m", provider="acme", url=url, body={"temperature": 0.5}) as call:
            call.set_model("m-2026-01-01")
            call.set_response_id("r-1")
            call.set_finish_reasons("length")
            call.set_retries(2)
            call.set_usage(1, 1)
        attributes = told.span.attributes
        assert attributes["gen_ai.response.model"] == "m-2026-01-01"
        assert attributes["gen_ai.response.id"] == "r-1"
        assert attributes["gen_ai.response.finish_reasons"] == ("length",)
        assert attributes["http.request.resend_count"] == 2
        assert attributes["server.address"] == "gateway.acme.test"
        assert attributes["server.port"] == 8443
        assert attributes["gen_ai.request.temperature"] == 0.5

    def test_embeddings_have_no_output(self, instrumented: Instrument) -> None:
        told = instrumented()
        with llm_otel.call(
            "text-embedding-3-small", provider="openai", operation="embeddings"
        ) as c:
            c.set_usage(1_000)
        assert told.span.name == f"embeddings {EMBEDDER}"
        assert told.span.attributes["gen_ai.usage.cost.amount"] == pytest.approx(0.00002)
        assert "llm_otel.cost.status" not in told.span.attributes

    def test_content_only_by_opt_in(self, instrumented: Instrument) -> None:
        told = instrumented(capture_content="span_only")
        with llm_otel.call(**MODEL) as call:
            call.set_input("Where is it?")
            call.set_output("On its way.")
        assert "Where is it?" in told.span.attributes["gen_ai.input.messages"]
        assert "On its way." in told.span.attributes["gen_ai.output.messages"]

    def test_content_stays_private(self, instrumented: Instrument) -> None:
        told = instrumented()
        with llm_otel.call(
            **MODEL, body={"messages": [{"role": "user", "content": "s3cret"}]}
        ) as c:
            c.set_input("s3cret")
            c.set_output("s3cret")
        assert "s3cret" not in str(told.span.attributes)


class TestWrongValues:
    def test_a_wrong_value_is_left_out_with_one_warning(
        self, instrumented: Instrument, caplog: pytest.LogCaptureFixture
    ) -> None:
        told = instrumented()
        wrong: Any = object()
        for _ in range(2):
            with llm_otel.call(wrong, provider=wrong, url=wrong, body=wrong, operation=wrong) as c:
                c.set_usage(wrong, -1, cache_read_tokens="7")  # type: ignore[arg-type]
                c.set_cost(float("nan"))
                c.set_retries(wrong)
                c.set_model(wrong)
                c.set_error("nonsense", status=wrong)
                c.set_response(wrong)
                c.add_chunk(wrong)
        assert len(told.spans) == 2
        assert told.spans[0].name == "chat"
        lines = [record.message for record in caplog.records]
        assert len(lines) == len(set(lines)) >= 10, lines

    def test_more_cached_than_read_is_left_out(
        self, instrumented: Instrument, caplog: pytest.LogCaptureFixture
    ) -> None:
        told = instrumented()
        with llm_otel.call(**MODEL) as call:
            call.set_usage(10, 1, cache_read_tokens=500)
        assert "gen_ai.usage.cache_read.input_tokens" not in told.span.attributes
        assert "leaves out cache_read_tokens" in caplog.text


def http_error(status: int) -> httpx.HTTPStatusError:
    """As `raise_for_status` of httpx raises."""
    request = httpx.Request("POST", "http://x")
    return httpx.HTTPStatusError("no", request=request, response=httpx.Response(status))


FAILURES: list[tuple[BaseException, str, int | None]] = [
    (http_error(429), "rate_limit", 429),
    (http_error(503), "server", 503),
    (httpx.ReadTimeout("slow"), "timeout", None),
    (httpx.ConnectError("down"), "connection", None),
    (urllib.error.HTTPError("http://x", 401, "no", {}, None), "authentication", 401),  # type: ignore[arg-type]
    (urllib.error.URLError("down"), "connection", None),
    (aiohttp.ClientResponseError(None, (), status=404), "not_found", 404),  # type: ignore[arg-type]
    (TimeoutError(), "timeout", None),
    (asyncio.CancelledError(), "cancelled", None),
    (ValueError("what"), "other", None),
]


class TestFailures:
    @pytest.mark.parametrize(
        ("error", "kind", "status"), FAILURES, ids=[type(each[0]).__name__ for each in FAILURES]
    )
    def test_an_exception_has_the_class_of_clients(
        self, instrumented: Instrument, error: BaseException, kind: str, status: int | None
    ) -> None:
        told = instrumented()
        with pytest.raises(type(error)) as raised, llm_otel.call(**MODEL):
            raise error
        assert raised.value is error
        assert told.span.status == "ERROR"
        assert told.span.attributes["llm_otel.error.class"] == kind
        assert told.span.attributes.get("http.response.status_code") == status
        assert value(told, "gen_ai.errors", error_type=kind) == 1
        assert value(told, "llm_otel.usage.unknown") is None
        assert active(told) == 0

    def test_a_failure_without_an_exception(self, instrumented: Instrument) -> None:
        told = instrumented()
        with llm_otel.call(**MODEL) as call:
            call.set_error(status=429)
        assert told.span.attributes["llm_otel.error.class"] == "rate_limit"
        assert told.span.attributes["http.response.status_code"] == 429

    def test_a_class_that_the_program_names_holds_for_its_own_exception(
        self, instrumented: Instrument
    ) -> None:
        told = instrumented()
        with suppress(LookupError), llm_otel.call(**MODEL) as call:
            call.set_error("content_filter")
            raise LookupError
        assert told.span.attributes["error.type"] == "LookupError"
        assert value(told, "gen_ai.errors", error_type="content_filter") == 1

    def test_a_refusal_by_http(self, instrumented: Instrument, p: Provider) -> None:
        told = instrumented()
        p.enqueue("rate_limit")
        with llm_otel.call(**MODEL) as call:
            call.set_response(httpx.post(p.url + "/chat/completions", json={"model": "m"}))
        assert told.span.attributes["llm_otel.error.class"] == "rate_limit"
        assert told.span.attributes["http.response.status_code"] == 429


class TestStreams:
    def test_the_first_chunk_is_timed(self, instrumented: Instrument) -> None:
        told = instrumented()
        with llm_otel.call(**MODEL) as call:
            call.first_chunk()
            call.set_usage(1, 1)
        assert told.span.attributes["gen_ai.request.stream"] is True
        assert 0 <= told.span.attributes["gen_ai.response.time_to_first_chunk"] < 5
        assert told.points("gen_ai.request.time_to_first_chunk")[0].count == 1

    def test_a_generator_that_is_left_early_is_no_error(self, instrumented: Instrument) -> None:
        told = instrumented()

        @llm_otel.call(**MODEL)
        def words() -> Iterator[str]:
            yield from ("one", "two")

        for _ in words():
            break
        gc.collect()
        finalizers.settle()
        assert told.span.status == "UNSET"
        assert told.span.attributes["gen_ai.response.finish_reasons"] == ("cancelled",)
        assert told.span.attributes["llm_otel.usage.source"] == "unknown"
        assert value(told, "gen_ai.errors") is None
        assert active(told) == 0

    def test_a_generator_inside_which_a_block_is_left_early(self, instrumented: Instrument) -> None:
        told = instrumented()

        def words() -> Iterator[str]:
            with llm_otel.call(**MODEL) as call:
                call.set_usage(3, 1)
                yield "one"

        stream = words()
        next(stream)
        stream.close()  # type: ignore[attr-defined]
        finalizers.settle()
        assert told.span.status == "UNSET"
        assert told.span.attributes["gen_ai.usage.input_tokens"] == 3

    def test_chunks_of_a_known_shape_that_end_too_soon(self, instrumented: Instrument) -> None:
        told = instrumented()
        with llm_otel.call(**MODEL) as call:
            call.add_chunk({"id": "c1", "model": "gpt-4o-mini", "choices": [{"index": 0}]})
        assert told.span.attributes["gen_ai.response.id"] == "c1"
        assert told.span.attributes["gen_ai.response.finish_reasons"] == ("cancelled",)
        assert told.span.attributes["llm_otel.usage.source"] == "unknown"


class TestDecorators:
    def test_functions_of_all_kinds(self, instrumented: Instrument) -> None:
        told = instrumented()
        body = {
            "object": "chat.completion",
            "model": "gpt-4o-mini",
            "choices": [{"finish_reason": "stop", "message": {"content": "hi"}}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 2},
        }

        @llm_otel.call(**MODEL)
        def ask() -> dict[str, Any]:
            return body

        @llm_otel.call(**MODEL)
        async def ask_async() -> str:
            llm_otel.current_call().set_usage(7, 2)
            return "hi"

        @llm_otel.call(**MODEL)
        def stream() -> Iterator[str]:
            yield "hi"
            llm_otel.current_call().set_usage(7, 2)

        @llm_otel.call(**MODEL)
        async def stream_async() -> AsyncIterator[str]:
            yield "hi"
            llm_otel.current_call().set_usage(7, 2)

        async def run() -> list[str]:
            await ask_async()
            async with llm_otel.call(**MODEL) as call:
                call.set_usage(7, 2)
            return [word async for word in stream_async()]

        assert ask() is body
        assert list(stream()) == ["hi"]
        assert asyncio.run(run()) == ["hi"]
        assert calls(told) == 5
        assert value(told, "gen_ai.tokens.consumed", token_type="input") == 35
        assert len(told.points("gen_ai.request.time_to_first_chunk")) == 1
        assert told.points("gen_ai.request.time_to_first_chunk")[0].count == 2

    def test_outside_of_a_call_there_is_one_that_does_nothing(self) -> None:
        llm_otel.current_call().set_usage(1, 1)


class TestOneRequestIsOneCall:
    def ask(self, p: Provider, model: str = "gpt-4o-mini") -> None:
        """By a client that is instrumented."""
        OpenAI(base_url=p.url, api_key="sk-x").chat.completions.create(
            model=model, messages=[{"role": "user", "content": "hi"}]
        )

    def test_a_client_inside_is_the_same_request(
        self, instrumented: Instrument, p: Provider, caplog: pytest.LogCaptureFixture
    ) -> None:
        told = instrumented()
        with llm_otel.call("router", provider="acme") as call:
            self.ask(p)
            call.set_usage(1, 1)
        bill = p.bill["gpt-4o-mini"]
        assert told.span.name == "chat gpt-4o-mini"
        assert told.span.attributes["gen_ai.usage.input_tokens"] == bill.input_tokens
        assert told.span.attributes["gen_ai.provider.name"] != "acme"
        assert calls(told) == 1
        assert active(told) == 0
        assert value(told, "gen_ai.tokens.consumed", token_type="input") == bill.input_tokens
        assert "tells it all" in caplog.text

    def test_a_second_request_inside_is_a_second_call(
        self, instrumented: Instrument, p: Provider
    ) -> None:
        told = instrumented()
        with llm_otel.call("router", provider="acme"):
            self.ask(p)
            self.ask(p, "gpt-4o")
        assert told.tree() == "chat gpt-4o-mini\n  chat gpt-4o"
        assert calls(told) == 2

    def test_another_operation_inside_is_another_request(
        self, instrumented: Instrument, p: Provider
    ) -> None:
        told = instrumented()
        with llm_otel.call("house", provider="acme") as call:
            OpenAI(base_url=p.url, api_key="sk-x").embeddings.create(model="e", input="hi")
            call.set_usage(5, 1)
        assert told.tree() == "chat house\n  embeddings e"
        assert calls(told) == 2

    def test_a_stream_that_is_read_after_the_block(
        self, instrumented: Instrument, p: Provider
    ) -> None:
        told = instrumented()
        client = OpenAI(base_url=p.url, api_key="sk-x")
        with llm_otel.call("router", provider="acme"):
            stream = client.chat.completions.create(
                model="gpt-4o-mini",
                messages=[{"role": "user", "content": "hi"}],
                stream=True,
                stream_options={"include_usage": True},
            )
        assert told.spans == []
        list(stream)
        assert told.span.attributes["gen_ai.usage.input_tokens"] == (
            p.bill["gpt-4o-mini"].input_tokens
        )
        assert (calls(told), active(told)) == (1, 0)

    def test_a_call_inside_a_call_is_one(self, instrumented: Instrument) -> None:
        told = instrumented()
        with llm_otel.call(**MODEL), llm_otel.call("other", provider="acme") as inner:
            inner.set_usage(4, 2)
        assert told.span.name == "chat gpt-4o-mini"
        assert told.span.attributes["gen_ai.usage.input_tokens"] == 4
        assert calls(told) == 1


class TestWhereItGoes:
    def test_without_an_sdk_nothing_happens(self) -> None:
        with llm_otel.call(**MODEL) as call:
            call.set_usage(1, 1)
            assert not trace.get_current_span().get_span_context().is_valid

    def test_suppressed(self, instrumented: Instrument) -> None:
        told = instrumented()
        token = attach(set_value("suppress_instrumentation", True, get_current()))
        with llm_otel.call(**MODEL):
            pass
        detach(token)
        assert told.spans == []

    def test_no_baggage_of_ours_leaves_for_the_provider(self, instrumented: Instrument) -> None:
        from opentelemetry import baggage

        told = instrumented(baggage=("tenant_id",))
        with llm_otel.attribution(tenant_id="acme"):
            assert baggage.get_all()
            with llm_otel.call(**MODEL):
                assert not baggage.get_all()
        assert told.span.attributes["tenant_id"] == "acme"


_WITHOUT_INSTRUMENT = """
import sys, llm_otel
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

reader = InMemoryMetricReader()
trace.set_tracer_provider(TracerProvider())
metrics.set_meter_provider(MeterProvider([reader]))
with llm_otel.call("gpt-4o-mini", provider="openai") as call:
    call.set_usage(1_000, 100)
    assert trace.get_current_span().is_recording()
with llm_otel.cached("gpt-4o-mini", provider="openai", saved_usd=0.5):
    pass
llm_otel.flush()
names = {
    metric.name: [point.value for point in metric.data.data_points]
    for resource in reader.get_metrics_data().resource_metrics
    for scope in resource.scope_metrics
    for metric in scope.metrics
    if hasattr(metric.data.data_points[0], "value")
}
assert sum(names["gen_ai.tokens.consumed"]) == 1_100, names
assert names["gen_ai.cost.saved"] == [0.5], names
"""


def test_without_instrument_it_goes_to_the_sdk_of_the_program() -> None:
    """As steps do, with the metrics."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", _WITHOUT_INSTRUMENT], capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
