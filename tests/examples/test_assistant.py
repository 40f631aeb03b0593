"""The sample application and its demo."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import RateLimitError
from otlp_receiver import OtlpReceiver
from stack.catchers import wait_for
from terminated import running

import llm_otel.lake
from examples.assistant import traffic
from examples.assistant.app import Assistant, Caller, Hosts, Reply
from examples.assistant.figures import Figures
from examples.assistant.telemetry import Telemetry as Recorded
from examples.rag.manual import MANUAL
from llm_otel import instrument, uninstrument
from llm_otel.testing import Bill, Provider, Telemetry, capture, provider

ROOT = Path(__file__).resolve().parents[2]
ANN = Caller("acme", "ann", "session-1")
NOBODYS = "setup"


@pytest.fixture
def server() -> Iterator[Provider]:
    with provider() as running:
        yield running


@pytest.fixture
def others() -> Iterator[dict[str, Provider]]:
    """The providers of the other two SDKs, by name."""
    with provider() as anthropic, provider() as google:
        yield {"anthropic": anthropic, "gcp.gemini": google}


@pytest.fixture
def telemetry(server: Provider, others: dict[str, Provider]) -> Iterator[Telemetry]:
    servers = {"openai": server, **others}
    named = {each.origin.partition("//")[2]: name for name, each in servers.items()}
    with capture(providers=named, stream_usage="always") as captured:
        yield captured


def _hosts(server: Provider, others: dict[str, Provider]) -> Hosts:
    return Hosts(
        openai=server.url,
        anthropic=others["anthropic"].origin,
        google=others["gcp.gemini"].origin,
        house=server.url,
    )


@pytest.fixture
def assistant(
    server: Provider, others: dict[str, Provider], telemetry: Telemetry
) -> Iterator[Assistant]:
    made = Assistant(_hosts(server, others), MANUAL)
    yield made
    asyncio.run(made.close())


def _tree(telemetry: Telemetry) -> list[str]:
    """The tree without the embedding of the manual at the start."""
    return telemetry.tree().splitlines()[1:]


def test_support_uses_a_tool(assistant: Assistant, telemetry: Telemetry) -> None:
    """The model asks for a tool, the tool runs, the answer is streamed: one tree."""
    reply = assistant.support(ANN, "Can you track my order?")
    assert reply.text
    assert _tree(telemetry) == [
        "invoke_workflow support",
        "  invoke_agent helper",
        "    chat gpt-4o",
        "    execute_tool track",
        "    chat gpt-4o",
    ], telemetry.tree()
    [workflow] = [span for span in telemetry.spans if span.name == "invoke_workflow support"]
    sums = [workflow.attributes[f"llm_otel.total.{name}"] for name in ("calls", "tool_calls")]
    assert sums == [2, 1]
    assert telemetry.count("gen_ai.request.time_to_first_chunk", feature="support") == 1


def test_ingest_keeps_its_threads_together(assistant: Assistant, telemetry: Telemetry) -> None:
    """The embeddings made in other threads are children of the workflow, for the same tenant."""
    assistant.ingest(ANN, MANUAL[:3])
    assert _tree(telemetry) == [
        "invoke_workflow ingest",
        *["  embeddings text-embedding-3-small"] * 3,
        "  chat house-llama-8b",
    ], telemetry.tree()
    assert {span.attributes.get("tenant_id") for span in telemetry.spans[1:]} == {"acme"}


async def _summary(assistant: Assistant, caller: Caller) -> Reply:
    reply = await assistant.summarise(caller, MANUAL[0])
    await assistant.close()  # in the loop that its connections belong to
    return reply


@pytest.mark.parametrize(
    ("shop", "name", "model"),
    [
        ("acme", "openai", "gpt-5-mini"),
        ("globex", "anthropic", "claude-haiku-4-5"),
        ("initech", "gcp.gemini", "gemini-2.5-flash"),
    ],
)
def test_a_streamed_summary_is_counted(
    assistant: Assistant,
    server: Provider,
    others: dict[str, Provider],
    telemetry: Telemetry,
    shop: str,
    name: str,
    model: str,
) -> None:
    """Each shop's by the provider that it has a contract with: the tokens that this one bills, and
    a cost, for feature and tenant."""
    caller = Caller(shop, "ann", "session-1")
    reply = asyncio.run(_summary(assistant, caller))
    assert (reply.model, bool(reply.text)) == (model, True)
    bill = {"openai": server, **others}[name].bill[model]
    labels = {"provider": name, "model": model, "feature": "summarise", "tenant_id": shop}
    used = {
        kind: telemetry.value("gen_ai.tokens.consumed", token_type=kind, **labels)
        for kind in ("input", "output")
    }
    assert used == {"input": bill.input_tokens, "output": bill.output_tokens}, bill
    assert telemetry.value("gen_ai.tokens.reasoning", **labels) == bill.reasoning_tokens
    assert telemetry.value("gen_ai.cost.usd", **labels) > 0
    (span,) = [each for each in telemetry.spans if each.attributes.get("feature") == "summarise"]
    assert span.attributes["gen_ai.response.id"] == reply.response_id


def test_every_feature_carries_its_caller(assistant: Assistant, telemetry: Telemetry) -> None:
    """All calls but the set-up's are somebody's."""
    assistant.support(ANN, "The display says E3.")
    assistant.search(ANN, "What does E3 mean?")
    spans = [s for s in telemetry.spans if s.attributes.get("feature") != NOBODYS]
    said = {(s.attributes.get("tenant_id"), s.attributes.get("session.id")) for s in spans}
    assert said == {("acme", "session-1")}, said


def test_a_failed_interaction_is_an_outcome(
    assistant: Assistant, server: Provider, telemetry: Telemetry
) -> None:
    """The provider's error reaches the caller and counts as a failure."""
    server.enqueue("rate_limit")
    with pytest.raises(RateLimitError):
        assistant.support(ANN, "The display says E3.")
    failed = telemetry.points("gen_ai.outcomes", outcome="failure")
    assert [(p.attributes["feature"], p.value) for p in failed] == [("support", 1)], failed


def test_feedback_is_about_the_reply(assistant: Assistant, telemetry: Telemetry) -> None:
    """What a user says later names the response, and counts for tenant, feature and model."""
    reply = Reply(ANN, "support", "gpt-4o", "", "chatcmpl-7")
    assistant.feedback(reply, solved=True, thumb=True)
    assert {log.attributes["gen_ai.response.id"] for log in telemetry.logs} == {"chatcmpl-7"}
    assert telemetry.value("gen_ai.outcome.value", feature="support", tenant_id="acme") == 4.5
    assert telemetry.value("gen_ai.evaluation.score", evaluation="thumbs", model="gpt-4o") == 1


def test_traffic_is_seeded() -> None:
    """The same seed gives the same traffic, another one other traffic."""
    assert traffic.schedule(50, 1) == traffic.schedule(50, 1)
    assert traffic.schedule(50, 1) != traffic.schedule(50, 2)


def test_traffic_has_every_tenant_and_feature() -> None:
    """A run of the usual length shows three tenants of different volume and four features."""
    interactions = traffic.schedule(220, 7)
    volumes = [sum(i.caller.tenant == shop.name for i in interactions) for shop in traffic.SHOPS]
    assert volumes == sorted(volumes, reverse=True), volumes
    assert min(volumes) > 0, volumes
    assert {i.feature for i in interactions} == {"support", "search", "summarise", "ingest"}


def test_a_difference_is_told(server: Provider, others: dict[str, Provider]) -> None:
    """Figures that agree with the provider's bill say nothing; others name the model."""
    recorded = Recorded([])
    uninstrument()
    instrument(
        tracer_provider=recorded.tracer_provider,
        meter_provider=recorded.meter_provider,
        logger_provider=recorded.logger_provider,
    )
    try:
        asyncio.run(Assistant(_hosts(server, others), MANUAL).close())
    finally:
        uninstrument()
    figures = Figures(recorded)
    recorded.close()
    assert figures.differences(server.bill) == []
    model = "text-embedding-3-small"
    (told,) = figures.differences({model: server.bill[model].plus({"prompt_tokens": 5})})
    assert told.startswith(model), told
    assert [each.partition(":")[0] for each in figures.differences({})] == [model]
    assert len(figures.differences({**server.bill, "gpt-4o": Bill(answers=1)})) == 1


# ---- the program


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "LLM_OTEL_"))}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "examples.assistant", *arguments],
        cwd=ROOT, env={**clean, **environment}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="module")
def exported(lake: Path) -> Iterator[tuple[subprocess.CompletedProcess[str], OtlpReceiver]]:
    arguments = ("--fast", "--interactions", "60", "--lake", str(lake))
    with OtlpReceiver() as receiver:
        ran = _run(*arguments, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
        yield ran, receiver


Exported = tuple[subprocess.CompletedProcess[str], OtlpReceiver]


def test_the_demo_prints_its_tables(exported: Exported) -> None:
    """Providers, models, tenants, features, one trace; clean, within 100 columns."""
    ran, _ = exported
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr == ""
    for name in (
        "Provider",
        "openai",
        "anthropic",
        "gcp.gemini",
        "Model",
        "Tenant",
        "Feature",
        "Span",
        "gpt-4o-mini",
        "initech",
        "summarise",
    ):
        assert re.search(rf"^ *{name}\b", ran.stdout, re.MULTILINE), f"{name}:\n{ran.stdout}"
    assert max(map(len, ran.stdout.splitlines())) <= 100, ran.stdout
    assert "\x1b" not in ran.stdout


def test_the_demo_agrees_with_the_providers(exported: Exported) -> None:
    """Telemetry and providers count the same."""
    assert "Telemetry agrees with the providers' own count" in exported[0].stdout


def test_the_demo_ends_in_the_dashboard(exported: Exported) -> None:
    """What the local receiver stored is what was told, and the page's address is printed."""
    output = exported[0].stdout
    assert "So does the local lake" in output, output
    assert re.search(r"The dashboard: +http://127\.0\.0\.1:\d+$", output, re.MULTILINE), output
    assert re.search(r"Providers in it: +http://127\.0\.0\.1:\d+/cost\?by=provider$", output, re.M)


def test_the_lake_has_the_providers_side_by_side(exported: Exported, lake: Path) -> None:
    """As the dashboard's page of costs by provider reads them: three of them with a cost."""
    with llm_otel.lake.open(lake).connection() as connection:
        rows = connection.execute(
            "SELECT provider, sum(cost_usd) FROM calls GROUP BY provider ORDER BY provider"
        ).fetchall()
    costs = dict(rows)
    assert sorted(costs) == ["anthropic", "gcp.gemini", "house", "openai"], exported[0].stdout
    assert min(costs[name] for name in ("anthropic", "gcp.gemini", "openai")) > 0, costs
    assert costs["house"] is None


def test_the_demo_names_the_model_without_a_price_once(exported: Exported) -> None:
    """The model of our own is unknown, not free, and the log says so in one line."""
    output = exported[0].stdout
    assert re.search(r"^house-llama-8b .* unknown *$", output, re.MULTILINE), output
    assert output.count("Log:") == 1, output


def test_the_demo_exports_all_signals(exported: Exported) -> None:
    """Spans, metrics and events arrive at the endpoint, and the output says so."""
    ran, receiver = exported
    assert f"traces, metrics and events went to {receiver.endpoint}" in ran.stdout, ran.stdout
    assert {"chat gpt-4o", "execute_tool track", "retrieval manual"} <= set(receiver.spans())
    assert {"gen_ai.cost.usd", "gen_ai.request.duration"} <= set(receiver.metrics())
    assert {"gen_ai.evaluation.result", "llm_otel.outcome"} == set(receiver.events())


def test_what_is_exported_is_what_is_shown(exported: Exported) -> None:
    """The last export of the duration holds as many requests as the table."""
    ran, receiver = exported
    shown = re.search(r"requests to providers +([\d,]+)", ran.stdout)
    assert shown, ran.stdout
    counts = [
        sum(point.count for point in metric.histogram.data_points)
        for resource in receiver.resources("/v1/metrics")
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "gen_ai.request.duration"
    ]
    assert counts[-1] == int(shown[1].replace(",", "")), (counts, shown[0])


def test_a_dead_endpoint_spoils_nothing() -> None:
    """The demo runs as ever and says that nothing was exported."""
    ran = _run("--fast", "--interactions", "5", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout + ran.stderr
    assert "Nothing listens at http://127.0.0.1:9" in ran.stdout, ran.stdout


def test_the_demo_says_how_its_dashboard_stays() -> None:
    """Without a terminal it ends by itself, whatever the options."""
    ran = _run("--fast", "--interactions", "5")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "It ended with this run; in a terminal, without --headless, it stays." in ran.stdout, (
        ran.stdout
    )


def test_the_demo_explains_itself() -> None:
    """`--help` names the options."""
    ran = _run("--help")
    assert ran.returncode == 0, ran.stderr
    assert all(option in ran.stdout for option in ("--interactions", "--seed", "--fast"))


def test_what_the_sample_recorded_arrives_when_it_is_stopped(tmp_path: Path) -> None:
    """As a service of the stack it is ended by SIGTERM, and exports what it has not yet."""
    command = (sys.executable, "-m", "examples.assistant", "--headless", "--at-once", "2")
    with OtlpReceiver() as receiver:
        with running(
            command,
            ROOT,
            receiver,
            "",
            OTEL_METRIC_EXPORT_INTERVAL="100",
            OTEL_BSP_SCHEDULE_DELAY="3600000",
        ) as started:
            wait_for(lambda: "gen_ai.request.duration" in receiver.metrics(), "calls", 60)
            exported_before = receiver.spans()
            death = started.terminate()
        assert not exported_before
        assert receiver.spans(), death
    assert death.code == -15, death
