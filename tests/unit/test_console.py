"""What `console=True` prints."""

from __future__ import annotations

import io
import sys

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otlp_receiver import OtlpReceiver
from programs import run

from llm_otel.sdk import setup
from llm_otel.settings import Settings


def test_console_prints_one_line_and_no_content(capsys: pytest.CaptureFixture[str]) -> None:
    """Each GenAI span is one plain line with model, tokens, time, cost, error and tenant."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for _ in range(2):
        setup.configure(Settings(console=True), provider, MeterProvider(), LoggerProvider())
    tracer = provider.get_tracer("app")
    tracer.start_span("GET /").end()
    tracer.start_span(
        "chat gpt-5",
        start_time=1_000_000_000,
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-5",
            "gen_ai.usage.input_tokens": 1200,
            "gen_ai.usage.output_tokens": 34,
            "gen_ai.usage.cache_read.input_tokens": 1000,
            "gen_ai.usage.cost.amount": 0.00125,
            "gen_ai.input.messages": "secret",
            "llm_otel.error.class": "rate_limit",
            "tenant_id": "acme",
            "feature": "search",
        },
    ).end(3_500_000_000)
    tracer.start_span("execute_tool", attributes={"gen_ai.operation.name": "execute_tool"}).end()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2, lines
    shown = " ".join(lines[0].split()[1:])
    assert shown == (
        "chat gpt-5 1,200 (1,000 cached) > 34 tokens 2.50 s $0.001250 rate_limit "
        "tenant_id=acme feature=search"
    )
    assert len(exporter.get_finished_spans()) == 3


@pytest.mark.parametrize(
    ("mark", "cost"),
    [
        ({}, " $0.001250"),
        ({"llm_otel.cost.status": "incomplete"}, ">=$0.001250"),
        ({"llm_otel.usage.source": "estimated"}, "~$0.001250"),
    ],
)
def test_a_cost_that_is_not_whole_is_marked(
    mark: dict[str, str], cost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The amount of an incomplete cost is the least, that of a counted usage an estimate."""
    provider = TracerProvider(shutdown_on_exit=False)
    setup.configure(Settings(console=True), provider, MeterProvider(), LoggerProvider())
    said = {"gen_ai.operation.name": "chat", "gen_ai.usage.cost.amount": 0.00125, **mark}
    provider.get_tracer("app").start_span("chat gpt-5", attributes=said).end()
    printed = capsys.readouterr().err
    assert cost in printed, printed


@pytest.mark.parametrize(
    ("amount", "cost"),
    [(0, " $0 "), (1.5e-5, " $0.000015 "), (3.4e-8, " $0.000000034 "), (12.5, " $12.500000 ")],
)
def test_a_small_cost_keeps_its_digits(
    amount: float, cost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A known cost is never printed as six zeros."""
    provider = TracerProvider(shutdown_on_exit=False)
    setup.configure(Settings(console=True), provider, MeterProvider(), LoggerProvider())
    said = {"gen_ai.operation.name": "chat", "gen_ai.usage.cost.amount": amount, "feature": "f"}
    provider.get_tracer("app").start_span("chat gpt-5", attributes=said).end()
    printed = capsys.readouterr().err
    assert cost in printed, printed


class BrokenPipe(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def closed() -> io.StringIO:
    """A closed stream."""
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize(
    "stream", [None, closed(), BrokenPipe()], ids=["none", "closed", "broken pipe"]
)
def test_console_without_a_reader(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None
) -> None:
    """Without a standard error that can be written to, spans end as ever."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    setup.configure(Settings(console=True), provider, MeterProvider(), LoggerProvider())
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)
        provider.get_tracer("app").start_span(
            "x", attributes={"gen_ai.operation.name": "chat"}
        ).end()
    assert len(exporter.get_finished_spans()) == 1


EVIL = "gpt\x1b[2J\u202e\n12:00:00  chat  forged\r\x9b31m\u2028"


@pytest.mark.parametrize(
    "name",
    [
        "gen_ai.operation.name",
        "gen_ai.request.model",
        "gen_ai.tool.name",
        "llm_otel.error.class",
        "error.type",
        "tenant_id",
        "feature",
    ],
)
def test_names_forge_no_line(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Whatever a name holds, a span is one line without control characters."""
    provider = TracerProvider(shutdown_on_exit=False)
    setup.configure(Settings(console=True), provider, MeterProvider(), LoggerProvider())
    attributes = {"gen_ai.operation.name": "chat", name: EVIL}
    provider.get_tracer("app").start_span("chat", attributes=attributes).end()
    printed = capsys.readouterr().err
    assert printed.endswith("\n")
    assert printed.count("\n") == 1, printed
    assert printed[:-1].isprintable(), repr(printed)
    assert "forged" in printed


def test_the_console_alone_exports_nowhere() -> None:
    """Without an endpoint there may be no receiver, and then nothing is said of one."""
    ended = run("setup.configure(Settings.resolve(console=True))\nuse()\n")
    assert (ended.code, ended.log) == (0, [])


@pytest.mark.parametrize(
    "name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"]
)
def test_the_console_exports_where_an_endpoint_is_named(name: str) -> None:
    """As without the console; a variable of one signal alone counts for that signal."""
    with OtlpReceiver() as receiver:
        path = "/v1/logs" if "LOGS" in name else ""
        ended = run(
            "setup.configure(Settings.resolve(console=True))\nuse()\n",
            **{name: receiver.endpoint + path},
        )
        assert receiver.events() == ["used"]
        assert receiver.spans() == ([] if path else ["work"])
    assert (ended.code, ended.log) == (0, [])
