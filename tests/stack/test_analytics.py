"""From a library's call through the shipped Collector into the lake of `llm-otel serve`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import openai
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from serving import serving
from stack.catchers import wait_for
from stack.collector_rig import OVERLAYS, Collector, Metrics, Traces, exporting

import llm_otel
import llm_otel.lake
from examples import local
from llm_otel import semconv, testing
from llm_otel.lake.schema import TABLES

# Name of a service → overlays of the Collector that it sends to.
SERVICES = {"closed": ("analytics", "tail-sampling"), "open": ("content", "analytics")}
PROMPT = "Where is the parcel of Ada Lovelace?"
EXPLANATION = "because the parcel was found"


@dataclass
class Fed:
    """A lake that the Collector filled, and what else it sent to.

    Attributes:
        lake: The lake; its program still runs.
        tempo: What came where traces go.
        prometheus: What came where metrics go.
        cost: What the calls cost, USD.
    """

    lake: llm_otel.lake.Lake
    tempo: Traces
    prometheus: Metrics
    cost: float

    def rows(self, query: str) -> list[Any]:
        """The answer to a query, now."""
        return self.lake.sql(query).fetchall()


@pytest.fixture(scope="module")
def fed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fed]:
    """A call that went well and one that failed, a score and an outcome, all with content on.

    They go through the base with the overlay, and with tail sampling that keeps failures only; and
    for a service called `open` through a second Collector that lets content through.
    """
    folder = tmp_path_factory.mktemp("analytics")
    tempo = Traces()
    with serving(folder / "lake", "--no-dashboard") as served, Metrics() as prometheus:
        for name, overlays in SERVICES.items():
            (folder / name).mkdir()
            with Collector(
                folder / name,
                *(OVERLAYS / f"{overlay}.yaml" for overlay in overlays),
                tempo=f"127.0.0.1:{tempo.port}",
                prometheus=prometheus.endpoint,
                environment={
                    "ANALYTICS_OTLP_HTTP": served.http,
                    "TAIL_SAMPLING_WAIT": "1s",
                    "TAIL_SAMPLING_PERCENT": "0",
                },
            ) as collector:
                cost = use(collector.http, name)
                made = Fed(llm_otel.lake.open(folder / "lake"), tempo, prometheus, cost)
                wait_for(partial(arrived, made, name), f"the rows of {name}")
        yield made
    tempo.stop()


def use(http: str, service: str) -> float:
    """Two calls, a score and an outcome; what the calls cost, USD."""
    messages: Any = [{"role": "user", "content": PROMPT}]
    with (
        testing.provider() as provider,
        openai.OpenAI(base_url=provider.url, api_key="key", max_retries=0) as client,
        exporting(
            http,
            service,
            capture_content="span_and_event",
            providers=local.priced_as(provider.url, "openai"),
        ),
        llm_otel.attribution(tenant_id="acme", feature="chat", session_id="s1"),
    ):
        used = client.chat.completions.create(model="gpt-4o", messages=messages).usage
        llm_otel.score("relevance", 0.9, label="pass", explanation=EXPLANATION)
        llm_otel.outcome(success=True, kind="resolved", value_usd=2.5)
        provider.enqueue("server_error")
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model="gpt-4o", messages=messages)
    assert used is not None
    cost = llm_otel.cost(
        model="gpt-4o",
        provider="openai",
        input_tokens=used.prompt_tokens,
        output_tokens=used.completion_tokens,
    )
    return float(cost.input + cost.output)


def arrived(fed: Fed, service: str) -> bool:
    """Whether everything of a service is in the lake, and its failure where traces go."""
    found = fed.rows(f"""
        SELECT (SELECT count(*) FROM calls WHERE service_name = '{service}') = 2
            AND (SELECT count(*) FROM scores WHERE service_name = '{service}') = 1
            AND (SELECT count(*) FROM outcomes WHERE service_name = '{service}') = 1
            AND (SELECT count(*) FROM metrics_hourly WHERE service_name = '{service}'
                 AND metric = '{semconv.COST.name}') > 0
    """)
    return found == [(True,)] and bool(fed.tempo.spans())


def test_calls_arrive_with_what_the_pages_show(fed: Fed) -> None:
    """Model, tokens, cost, tenant, feature, session and status; sampling takes none away."""
    rows = fed.rows("""
        SELECT status, error_type, model, provider, tenant_id, feature, session_id,
               input_tokens > 0 AND output_tokens > 0, cost_usd
        FROM calls WHERE service_name = 'closed' ORDER BY time
    """)
    who = ("gpt-4o", "openai", "acme", "chat", "s1")
    assert rows == [
        ("ok", None, *who, True, pytest.approx(fed.cost)),
        ("error", "server", *who, None, None),
    ]


def test_money_is_in_the_hourly_sums(fed: Fed) -> None:
    """What the metric of cost gained, by the labels that the money pages group by."""
    rows = fed.rows(f"""
        SELECT model, provider, tenant_id, feature, sum(sum) FROM metrics_hourly
        WHERE metric = '{semconv.COST.name}' AND service_name = 'closed' GROUP BY ALL
    """)
    assert rows == [("gpt-4o", "openai", "acme", "chat", pytest.approx(fed.cost))]


def test_scores_and_outcomes_arrive(fed: Fed) -> None:
    """With the call that they are about, the tenant and the feature."""
    scores = fed.rows("""
        SELECT evaluation, score, label, tenant_id, feature FROM scores
        WHERE service_name = 'closed'
    """)
    outcomes = fed.rows("""
        SELECT kind, success, value_usd, tenant_id, feature FROM outcomes
        WHERE service_name = 'closed'
    """)
    assert scores == [("relevance", 0.9, "pass", "acme", "chat")]
    assert outcomes == [("resolved", True, 2.5, "acme", "chat")]


def test_content_arrives_only_through_its_overlay(fed: Fed) -> None:
    """What the application opted in to is in no column of the lake, but for the service `open`."""
    seen = {
        (service, words)
        for table in TABLES
        for service in SERVICES
        for words in (PROMPT, EXPLANATION)
        for (text,) in fed.rows(
            f"SELECT to_json({table})::VARCHAR FROM {table} WHERE service_name = '{service}'"
        )
        if words in text
    }
    assert seen == {("open", PROMPT), ("open", EXPLANATION)}


def test_the_others_get_what_they_got_without_it(fed: Fed) -> None:
    """Traces go to Tempo as they are sampled, metrics to Prometheus: each has a way of its own."""
    sampled = [span.status.code for span in fed.tempo.spans()]
    assert sampled.count(Status.STATUS_CODE_ERROR) == len(SERVICES), sampled
    # the one of `open`, which is not sampled
    assert sampled.count(Status.STATUS_CODE_ERROR) + 1 == len(sampled), sampled
    assert semconv.COST.name in fed.prometheus.metrics()
