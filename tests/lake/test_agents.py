"""Coding agents: events and metrics of their own are calls and money."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from lake import samples
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

import llm_otel.lake
from llm_otel.lake.decode import LOGS, METRICS, TRACES, omissions
from llm_otel.lake.ingest import Ingest

SONNET = "claude-sonnet-4-5-20250929"
CLAUDE = {
    "event.name": "api_request", "session.id": "s-1", "prompt.id": "p-1", "model": SONNET,
    "input_tokens": "1000", "output_tokens": "100", "cache_read_tokens": "5000",
    "cache_creation_tokens": "0", "cost_usd": 0.006, "duration_ms": "1200", "user.email": "a@b.c",
}  # fmt: skip
CODEX = {
    "event.name": "codex.sse_event", "event.kind": "response.completed", "model": "gpt-5-codex",
    "conversation.id": "c-1", "input_token_count": "1000", "output_token_count": "100",
    "cached_token_count": 0, "reasoning_token_count": 64, "tool_token_count": "1100",
}  # fmt: skip
GEMINI = {
    "event.name": "gemini_cli.api_response", "model": "gemini-2.5-pro", "duration_ms": 900,
    "input_token_count": 1000, "output_token_count": 100, "thoughts_token_count": 50,
    "cached_content_token_count": 0, "tool_token_count": 20, "total_token_count": 1170,
    "response_text": "secret", "session.id": "s-1",
}  # fmt: skip


class Sent:
    """A lake that is sent requests."""

    def __init__(self, path: Path) -> None:
        self.ingest = Ingest(path)
        self.lake = llm_otel.lake.open(path)

    def send(self, *requests: tuple[int, Any]) -> None:
        """Send, each as a batch of its own, and wait for the rows."""
        for signal, request in requests:
            self.ingest.accept(signal, request.SerializeToString()).result(10)
            self.ingest.flush()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        found: list[tuple[Any, ...]] = self.lake.sql(query).fetchall()
        return found


@pytest.fixture
def sent(tmp_path: Path) -> Iterator[Sent]:
    """A new lake."""
    sent = Sent(tmp_path)
    yield sent
    sent.ingest.close()


def event(
    attributes: Mapping[str, Any], *, scope: str = "", inside: bool = False, time_ns: int = 0
) -> tuple[int, Any]:
    """A record of an agent; `inside` a span it has its ids."""
    request = samples.event("", attributes, time_ns=time_ns or samples.NOW)
    group = request.resource_logs[0].scope_logs[0]
    group.scope.name = scope
    if not inside:
        group.log_records[0].trace_id = group.log_records[0].span_id = b""
    return LOGS, request


def claude(attributes: Mapping[str, Any] = CLAUDE, **options: Any) -> tuple[int, Any]:
    """An event of Claude Code, which leaves its name to the scope."""
    return event(attributes, scope="com.anthropic.claude_code.events", **options)


def metric(
    name: str, points: Mapping[str, float], *, label: str = "type", **labels: str
) -> tuple[int, Any]:
    """Delta points of a counter, one for each value of its label."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    samples.fill(group.resource.attributes, samples.RESOURCE)
    made = group.scope_metrics.add().metrics.add(name=name)
    made.sum.is_monotonic = True
    made.sum.aggregation_temporality = 1
    for kind, value in points.items():
        point = made.sum.data_points.add(
            as_double=value, time_unix_nano=samples.NOW, start_time_unix_nano=samples.NOW - 10**9
        )
        samples.fill(
            point.attributes, {**labels, "session.id": "s", **({label: kind} if kind else {})}
        )
    return METRICS, request


CALL = "provider, model, input_tokens, output_tokens, cost_usd, status"


@pytest.mark.parametrize(
    ("request_", "row"),
    [
        (claude(), ("anthropic", SONNET, 6000, 100, 0.006, "ok")),
        (event(CODEX), ("openai", "gpt-5-codex", 1000, 100, 0.00225, "ok")),
        (event(GEMINI), ("gcp.gen_ai", "gemini-2.5-pro", 1020, 150, 0.002775, "ok")),
    ],
    ids=["claude", "codex", "gemini"],
)
def test_an_event_is_a_call_once(sent: Sent, request_: tuple[int, Any], row: Any) -> None:
    """With its tokens and cost; sent again, in the same batch or later, it is the same."""
    sent.send(request_, request_)
    (call,) = sent.rows(f"SELECT {CALL} FROM calls")
    assert call[:4] + call[5:] == row[:4] + row[5:]
    assert call[4] == pytest.approx(row[4])
    assert sent.rows("SELECT count(*) FROM calls SEMI JOIN spans USING (trace_id, span_id)") == [
        (1,)
    ]


def test_a_call_of_an_event_has_its_time_and_session(sent: Sent) -> None:
    """The event comes at the end; what is not needed, content above all, is left out."""
    sent.send(claude(), event(GEMINI))
    rows = sent.rows("SELECT duration_s, session_id FROM calls ORDER BY duration_s")
    assert rows == [(0.9, "s-1"), (1.2, "s-1")]
    kept = str(sent.rows("SELECT * FROM spans"))
    assert "secret" not in kept
    assert "a@b.c" not in kept


def test_events_of_one_question_are_one_trace(sent: Sent) -> None:
    """Two requests of a question, and one of another."""
    later = samples.NOW + 10**9
    sent.send(claude(), claude(time_ns=later), claude({**CLAUDE, "prompt.id": "p-2"}))
    assert sent.rows("SELECT count(*), count(DISTINCT trace_id) FROM calls") == [(3, 2)]


def test_an_event_inside_a_span_is_below_it(sent: Sent) -> None:
    """So that both count once, where the span tells of the same request."""
    span = samples.spans(
        {"span.type": "llm_request", "model": SONNET, "input_tokens": 1000, "output_tokens": 100,
         "cache_read_tokens": 5000}, name="claude_code.llm_request",
    )  # fmt: skip
    placed = span.resource_spans[0].scope_spans[0].spans[0]
    placed.trace_id, placed.span_id = b"t" * 16, b"s" * 8
    sent.send((TRACES, span), claude(inside=True))
    assert sent.rows(f"SELECT {CALL} FROM calls") == [("anthropic", SONNET, 6000, 100, 0.006, "ok")]


@pytest.mark.parametrize(
    ("request_", "status", "error"),
    [
        (claude({"event.name": "api_error", "model": SONNET, "status_code": "529", "error": "x"}),
         529, "server"),
        (event({"event.name": "codex.api_request", "model": "gpt-5-codex", "error.message": "x",
                "http.response.status_code": "429"}), 429, "rate_limit"),
        (event({"event.name": "gemini_cli.api_error", "model": "gemini-2.5-pro",
                "error_type": "ApiError", "status_code": 503}), 503, "server"),
    ],
)  # fmt: skip
def test_a_failed_request(sent: Sent, request_: tuple[int, Any], status: int, error: str) -> None:
    """It is a call that failed, without usage."""
    sent.send(request_)
    columns = "status, status_code, error_type, input_tokens"
    assert sent.rows(f"SELECT {columns} FROM calls") == [("error", status, error, None)]


@pytest.mark.parametrize(
    "attributes",
    [
        {**CODEX, "event.kind": "response.output_text.delta", "input_token_count": None},
        {"event.name": "codex.api_request", "model": "m", "http.response.status_code": "200"},
        {"event.name": "gemini_cli.api_request", "model": "m"},
        {"event.name": "gen_ai.client.inference.operation.details", "gen_ai.usage.input_tokens": 1},
    ],
)
def test_other_events_are_no_calls(sent: Sent, attributes: Mapping[str, Any]) -> None:
    """They tell of a part of a request, or tell of one again."""
    sent.send(event(attributes))
    assert sent.rows("SELECT count(*) FROM calls") == [(0,)]


def usage(sent: Sent) -> dict[tuple[str, str | None], float]:
    """What the metrics of the lake add up to, by metric and token type or cache."""
    query = (
        "SELECT metric, coalesce(token_type, cache), sum(sum) FROM metrics_hourly "
        "GROUP BY ALL ORDER BY ALL"
    )
    return {(metric, kind): total for metric, kind, total in sent.rows(query)}


def test_metrics_of_claude_code(sent: Sent) -> None:
    """Money as it is; cached tokens are input too."""
    tokens = {"input": 1000.0, "output": 100.0, "cacheRead": 5000.0, "cacheCreation": 10.0}
    sent.send(
        metric("claude_code.cost.usage", {"": 1.25}, model=SONNET),
        metric("claude_code.token.usage", tokens, model=SONNET),
        metric("claude_code.session.count", {"": 1.0}),
    )
    assert usage(sent) == {
        ("gen_ai.cost.usd", None): 1.25,
        ("gen_ai.tokens.cached", "read"): 5000,
        ("gen_ai.tokens.cached", "write"): 10,
        ("gen_ai.tokens.consumed", "input"): 6010,
        ("gen_ai.tokens.consumed", "output"): 100,
    }
    labels = sent.rows("SELECT DISTINCT provider, model, operation, labels FROM metrics_hourly")
    assert labels == [("anthropic", SONNET, "chat", None)]


def test_a_gauge_of_an_agent_is_no_counter(sent: Sent, caplog: pytest.LogCaptureFixture) -> None:
    """As what comes through Prometheus may be: each sample is the whole total again."""
    omissions.forget()
    _, request = metric("claude_code.cost.usage", {"": 1.25}, model=SONNET)
    made = request.resource_metrics[0].scope_metrics[0].metrics[0]
    points = list(made.sum.data_points)
    made.gauge.data_points.extend(points)
    sent.send((METRICS, request))
    assert usage(sent) == {}
    assert "it is a gauge" in caplog.text


def test_metrics_of_gemini_cli_are_priced(sent: Sent) -> None:
    """No metric says the cost; thoughts are output, cached tokens a part of the input."""
    tokens = {"input": 1000.0, "output": 100.0, "thought": 50.0, "cache": 400.0, "tool": 0.0}
    sent.send(metric("gemini_cli.token.usage", tokens, model="gemini-2.5-pro"))
    found = usage(sent)
    cost = llm_otel.cost(
        model="gemini-2.5-pro", provider="gcp.gemini", input_tokens=1000, output_tokens=150,
        cache_read_tokens=400, reasoning_tokens=50,
    )  # fmt: skip
    assert cost is not None
    assert found.pop(("gen_ai.cost.usd", None)) == pytest.approx(cost.total)
    assert found == {
        ("gen_ai.tokens.cached", "read"): 400,
        ("gen_ai.tokens.consumed", "input"): 1000,
        ("gen_ai.tokens.consumed", "output"): 150,
        ("gen_ai.tokens.reasoning", None): 50,
    }


def test_metrics_of_an_unknown_model_have_no_cost(sent: Sent) -> None:
    """Unknown is not 0: there is no row."""
    sent.send(metric("gemini_cli.token.usage", {"input": 1.0, "output": 1.0}, model="nobody-knows"))
    assert ("gen_ai.cost.usd", None) not in usage(sent)


def test_many_requests_do_not_make_a_long_one(sent: Sent) -> None:
    """A million tokens in an hour are not priced as one long prompt."""
    tokens = {"input": 1e6, "output": 1e4}
    sent.send(metric("gemini_cli.token.usage", tokens, model="gemini-2.5-pro"))
    short = llm_otel.cost(
        model="gemini-2.5-pro", provider="gcp.gemini", input_tokens=100_000, output_tokens=1000
    )
    assert short is not None
    assert usage(sent)["gen_ai.cost.usd", None] == pytest.approx(10 * short.total)


def test_what_is_left_out_is_logged_once(sent: Sent, caplog: pytest.LogCaptureFixture) -> None:
    """One line for each name of an event or a metric; a call of an agent is not left out."""
    omissions.forget()
    other = event({"event.name": "codex.user_prompt", "prompt": "secret"})
    unknown = metric("shop.orders", {"": 3.0})
    sent.send(other, other, unknown, unknown, claude())
    lines = [record.getMessage() for record in caplog.records if "not stored" in record.msg]
    assert len(lines) == 2, lines
    assert "codex.user_prompt" in lines[0]
    assert "shop.orders" in lines[1]
    assert "secret" not in str(lines)
