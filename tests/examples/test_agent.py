"""The agent in two services: one question is one tree, and costs what the providers bill."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from serving import Served, serving
from stack.parts import Part, fetch, free_port

import llm_otel.lake
from examples.agent import running
from llm_otel.testing import Provider

ROOT = Path(__file__).resolve().parents[2]
QUESTION = "Where is the parcel of my order 1000?"
# Service and name of each span, and how deep it is.
TREE = """
support invoke_workflow support
support   embeddings embed-v4.0
support   retrieval manual
support   invoke_agent helper
support     chat gpt-4o
support     execute_tool parcel
support       tools/call parcel
orders          tools/call parcel
support     execute_tool parcel
support       tools/call parcel
orders          tools/call parcel
orders            chat gpt-4o-mini
support     invoke_agent writer
support       chat claude-haiku-4-5
support         anthropic.messages.create
"""
Row = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """One question, by those who answered it.

    Attributes:
        answer: What the service answered.
        lake: The folder that `llm-otel serve` stored everything in.
        requests: How many requests each provider had.
        tokens: Input and output tokens by model, as the providers counted them.
        usd: The providers' bill.
    """

    answer: Row
    lake: Path
    requests: Counter[str]
    tokens: Counter[str]
    usd: float

    def rows(self, table: str) -> list[Row]:
        """What the lake has of the question's trace, in the order of time."""
        with llm_otel.lake.open(self.lake).connection() as connection:
            found = connection.execute(
                f"SELECT * FROM {table} WHERE trace_id = ? ORDER BY time", [self.answer["trace_id"]]
            )
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def spans(self, name: str) -> list[Row]:
        """The spans of a name, with their attributes."""
        spans = [span for span in self.rows("spans") if span["name"] == name]
        return [{**span, "attributes": json.loads(span["attributes"])} for span in spans]


def clean_environment() -> dict[str, str]:
    """This environment without what would lead the services elsewhere."""
    led = ("OTEL_", "LLM_OTEL_", "OPENAI_", "ANTHROPIC_", "CO_API_")
    return {name: value for name, value in os.environ.items() if not name.startswith(led)}


@pytest.fixture(scope="module")
def local_only() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ.keys() - clean_environment().keys():
            patch.delenv(name)
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield


def _requests(servers: dict[str, Provider]) -> Counter[str]:
    return Counter({name: len(server.requests) for name, server in servers.items()})


def _tokens(servers: dict[str, Provider]) -> Counter[str]:
    bills = {model: bill for each in servers.values() for model, bill in each.bill.items()}
    return Counter({model: bill.input_tokens + bill.output_tokens for model, bill in bills.items()})


@pytest.fixture(scope="module")
def asked(local_only: None, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """One question, sent to a real `llm-otel serve`."""
    lake = tmp_path_factory.mktemp("lake")
    with serving(lake, "--no-dashboard") as served, running.providers() as servers:
        with running.services(servers, served.http) as support:
            # the embeddings of the manual are no part of the question
            requests, tokens = _requests(servers), _tokens(servers)
            usd = running.bill_usd(servers)
            answer = support.ask(QUESTION, "acme", "s-1")
            requests, tokens = _requests(servers) - requests, _tokens(servers) - tokens
            usd = running.bill_usd(servers) - usd
        served.stop()
    return Asked(answer, lake, requests, tokens, usd)


@pytest.fixture(scope="module")
def served(asked: Asked) -> Iterator[Served]:
    """The dashboard over what was stored."""
    with serving(asked.lake) as running_:
        yield running_


def table(served: Served, name: str, page: str) -> list[dict[str, str]]:
    """A table of a page of the dashboard."""
    text = fetch(f"{served.dashboard}/csv/{name}?of={page}").decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def tree(spans: list[Row]) -> str:
    """Spans as lines: service, depth, name."""
    lines = [""]

    def add(parent: str | None, depth: int) -> None:
        for span in spans:
            if span["parent_span_id"] == parent:
                lines.append(f"{span['service_name']:<8}{'  ' * depth}{span['name']}")
                add(span["span_id"], depth + 1)

    add(None, 0)
    return "\n".join([*lines, ""])


# ---- one question


def test_the_answer_has_what_the_tool_knows(asked: Asked) -> None:
    """The tool's first failure did not end the agent: the second attempt gave the fact."""
    assert asked.answer["text"] == "The parcel of order 1000 is on its way.", asked.answer


def test_one_tree_over_both_services(asked: Asked) -> None:
    """One root, and every span below the one that caused it, also in the other process."""
    spans = asked.rows("spans")
    assert tree(spans) == TREE
    assert len(spans) == len(TREE.split("\n")) - 2


def test_calls_are_the_requests(asked: Asked) -> None:
    """Each of the three providers was asked as often as there are calls."""
    assert asked.requests == {"openai": 2, "anthropic": 1, "cohere": 1}, asked.requests
    calls = Counter(call["provider"] for call in asked.rows("calls"))
    assert calls == asked.requests, calls


def test_tokens_and_cost_are_the_bill(asked: Asked) -> None:
    """By model, and in USD over both services."""
    calls = asked.rows("calls")
    tokens = {
        call["model"]: call["input_tokens"] + (call["output_tokens"] or 0) for call in calls
    }  # fmt: skip
    assert tokens == asked.tokens, calls
    assert all(call["cost_usd"] > 0 for call in calls), calls
    assert sum(call["cost_usd"] for call in calls) == pytest.approx(asked.usd)


def test_every_span_says_whom_it_is_for(asked: Asked) -> None:
    """Tenant, feature and session, also in the service that only the baggage tells."""
    spans = asked.rows("spans")
    assert {span["service_name"] for span in spans} == {"support", "orders"}
    for span in spans:
        who = span["tenant_id"], span["feature"], span["session_id"]
        assert who == ("acme", "support", "s-1"), span


def test_the_failed_tool_is_an_error(asked: Asked) -> None:
    """Step, client's and server's span of the first attempt; the rest of the tree is no error."""
    failed = [span for span in asked.rows("spans") if span["status"] == "error"]
    assert [(each["service_name"], each["name"]) for each in failed] == [
        ("support", "execute_tool parcel"),
        ("support", "tools/call parcel"),
        ("orders", "tools/call parcel"),
    ], failed
    for span in failed:
        assert json.loads(span["attributes"])["error.type"] == "tool_error", span
        assert "carrier" not in repr(span), span


def test_the_search_is_a_retrieval(asked: Asked) -> None:
    """By the store's own hook: store, collection, limit, results, likeness."""
    (search,) = asked.spans("retrieval manual")
    attributes = search["attributes"]
    assert attributes["gen_ai.provider.name"] == "qdrant", attributes
    assert attributes["gen_ai.retrieval.top_k"] == 2, attributes
    assert attributes["db.response.returned_rows"] == 2, attributes
    least, most = (attributes[f"llm_otel.retrieval.score.{end}"] for end in ("min", "max"))
    assert 0 < least <= most <= 1, attributes


# ---- totals


def test_totals_are_what_the_own_service_spent(asked: Asked) -> None:
    """The workflow's span, `current_totals()` and the lake's sums of the support service agree."""
    (workflow,) = asked.spans("invoke_workflow support")
    attributes, totals = workflow["attributes"], asked.answer["totals"]
    own = [call for call in asked.rows("calls") if call["service_name"] == "support"]
    sums = {
        "calls": len(own),
        "errors": 0,
        "tool_calls": 2,
        "input_tokens": sum(call["input_tokens"] for call in own),
        "output_tokens": sum(call["output_tokens"] or 0 for call in own),
        "cost_usd": pytest.approx(sum(call["cost_usd"] for call in own)),
        "unpriced": 0,
    }
    assert {name: attributes[f"llm_otel.total.{name}"] for name in sums} == sums, attributes
    assert {name: totals[name] for name in sums} == sums, totals
    assert "llm_otel.total.incomplete" not in attributes, attributes
    assert totals["incomplete"] is False, totals


def test_what_crosses_services_is_in_the_trace(asked: Asked) -> None:
    """The totals lack the call of the other service's tool, and no other."""
    (beyond,) = [call for call in asked.rows("calls") if call["service_name"] == "orders"]
    totals = asked.answer["totals"]
    assert totals["calls"] + 1 == asked.requests.total()
    assert totals["cost_usd"] + beyond["cost_usd"] == pytest.approx(asked.usd)


def test_the_sub_agent_has_its_own_totals(asked: Asked) -> None:
    """The writer's is the one call to Anthropic, which is the helper's, too."""
    (helper,), (writer,) = asked.spans("invoke_agent helper"), asked.spans("invoke_agent writer")
    calls = [each["attributes"]["llm_otel.total.calls"] for each in (helper, writer)]
    assert calls == [2, 1], (helper, writer)


# ---- the dashboard


def test_the_page_of_the_trace_shows_the_tree(asked: Asked, served: Served) -> None:
    """Every span at its depth, and the whole cost."""
    path = f"/traces/{asked.answer['trace_id']}"
    rows = table(served, "spans", path)
    lines = [line for line in TREE.splitlines() if line]
    assert [(row["Span"], int(row["Depth"])) for row in rows] == [
        (line[8:].strip(), (len(line[8:]) - len(line[8:].lstrip())) // 2) for line in lines
    ], rows
    costs = [float(row["Cost"]) for row in rows if row["Cost"]]
    assert sum(costs) == pytest.approx(asked.usd), rows
    page = fetch(served.dashboard + path).decode()
    assert page.count("tools/call parcel") >= 4, page


def test_the_page_of_agents_shows_them(served: Served) -> None:
    """A run of the workflow and of each agent, with the calls below it in both services."""
    rows = {row["Name"]: row for row in table(served, "agents", "/agents")}
    assert {name: row["Kind"] for name, row in rows.items()} == {
        "support": "workflow",
        "helper": "agent",
        "writer": "agent",
    }
    assert {row["Runs"] for row in rows.values()} == {"1"}, rows
    assert [float(rows[name]["Calls"]) for name in ("support", "helper", "writer")] == [4, 3, 1]
    assert [float(rows[name]["Tools"]) for name in ("support", "helper", "writer")] == [2, 2, 0]


def test_the_page_of_agents_counts_a_tool_once(served: Served) -> None:
    """Step, client's and server's span are one call; half of the two failed."""
    (tool,) = table(served, "tools", "/agents")
    assert (tool["Name"], tool["Calls"], float(tool["Failed"])) == ("parcel", "2", 0.5), tool
    (search,) = table(served, "retrieval", "/agents")
    assert (search["Name"], search["Calls"]) == ("manual", "1"), search


# ---- Jaeger, and the program


@pytest.fixture
def jaeger(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The real Jaeger 2, traces in memory: where it takes OTLP, and where it is asked."""
    otlp, http, grpc = (f"127.0.0.1:{free_port()}" for _ in range(3))
    config = tmp_path / "jaeger.yaml"
    config.write_text(JAEGER.format(otlp=otlp, http=http, grpc=grpc))
    ready = f"http://{http}/api/services"
    with Part("jaeger", ["--config", str(config)], ready=ready, log=tmp_path / "jaeger.log"):
        yield f"http://{otlp}", f"http://{http}"


JAEGER = """
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines: {{traces: {{receivers: [otlp], exporters: [jaeger_storage_exporter]}}}}
  telemetry: {{metrics: {{level: none}}}}
extensions:
  jaeger_storage: {{backends: {{traces: {{memory: {{max_traces: 1000}}}}}}}}
  jaeger_query:
    storage: {{traces: traces}}
    http: {{endpoint: "{http}"}}
    grpc: {{endpoint: "{grpc}"}}
receivers: {{otlp: {{protocols: {{http: {{endpoint: "{otlp}"}}}}}}}}
exporters: {{jaeger_storage_exporter: {{trace_storage: traces}}}}
"""


@pytest.mark.slow
def test_the_tree_in_jaeger(local_only: None, jaeger: tuple[str, str], tmp_path: Path) -> None:
    """The same tree of both services, in a backend that is not ours."""
    receiver, api = jaeger
    with serving(tmp_path / "lake", "--no-dashboard") as served, running.providers() as servers:
        with running.services(servers, served.http, copy_to=receiver) as support:
            answer = support.ask(QUESTION, "acme", "s-1")
        served.stop()
    (found,) = json.loads(fetch(f"{api}/api/traces/{answer['trace_id']}"))["data"]
    services = {key: each["serviceName"] for key, each in found["processes"].items()}
    spans = [
        {
            "span_id": span["spanID"],
            "parent_span_id": next((each["spanID"] for each in span["references"]), None),
            "name": span["operationName"],
            "service_name": services[span["processID"]],
        }
        for span in sorted(found["spans"], key=lambda span: span["startTime"])
    ]
    assert tree(spans) == TREE


@pytest.fixture(scope="module")
def printed() -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.agent", "--headless"],
        cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_program_prints_the_tree(printed: subprocess.CompletedProcess[str]) -> None:
    """Both services' spans, nested."""
    assert printed.returncode == 0, printed.stdout + printed.stderr
    names = [" ".join(line.split()) for line in TREE.splitlines() if line]
    lines = [re.sub(r"  FAILED|\$[\d.]+", "", line) for line in printed.stdout.splitlines()]
    shown = [" ".join(line.split()) for line in lines if re.match("support  |orders  ", line)]
    assert shown == names, printed.stdout
    assert printed.stdout.count("FAILED") == 3, printed.stdout


def test_the_program_agrees_with_the_bill(printed: subprocess.CompletedProcess[str]) -> None:
    """What the service counted, what the lake has and what the providers bill are the same."""
    assert "They agree." in printed.stdout, printed.stdout
    assert re.search(r"^the providers' bill: +\$0\.001\d+$", printed.stdout, re.M), printed.stdout
    assert "Traceback" not in printed.stderr, printed.stderr


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("LLM_OTEL_MCP", "maybe", "The environment variable LLM_OTEL_MCP must be true or false"),
        ("OTEL_SDK_DISABLED", "true", "Nothing was recorded. Is OTEL_SDK_DISABLED set?"),
    ],
)
def test_the_program_says_what_is_wrong(variable: str, value: str, words: str) -> None:
    """In one line, and fails."""
    ran = subprocess.run(
        [sys.executable, "-m", "examples.agent", "--headless"], cwd=ROOT, timeout=120, check=False,
        env={**clean_environment(), variable: value}, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert words in ran.stdout + ran.stderr, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr, ran.stderr
