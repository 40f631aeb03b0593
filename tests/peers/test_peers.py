"""Other instrumentations and frameworks beside llm-otel, with their real packages, in both orders.

Those that are installed are tested: one here, the others in the environments of `tests/matrix.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import llm_otel
from llm_otel.testing import Provider
from llm_otel.testing.provider import Bill

PROGRAM = Path(__file__).with_name("program.py")
SOURCE = Path(llm_otel.__file__).parents[1]


class Peer(NamedTuple):
    """What is known of a peer.

    Attributes:
        module: What is installed with it.
        scope: The start of the names of its spans' scopes.
        spans: How many it makes for the requests.
        enriched: How many of them are open when the call ends.
        says: Part of the one line that is logged.
    """

    module: str
    scope: str
    spans: int = 9
    enriched: int = 9
    says: str | None = None


PEERS = {
    "openinference": Peer("openinference.instrumentation.openai", "openinference"),
    # Responses are recorded when they are there, without a span that is current before.
    "openllmetry": Peer(
        "opentelemetry.instrumentation.openai", "opentelemetry.instrumentation.openai", enriched=7
    ),
    # The span of a stream of Responses ends before the caller sees the end.
    "genai-openai": Peer(
        "opentelemetry.instrumentation.genai.openai",
        "opentelemetry.instrumentation.genai",
        enriched=8,
    ),
    # Logfire's span of a stream ends with the first bytes; a second span follows its end.
    "logfire": Peer("logfire", "logfire", spans=13, enriched=5),
    # Not current while the client is called.
    "langfuse": Peer("langfuse", "langfuse", enriched=0),
    "mlflow-merged": Peer("mlflow", "mlflow", enriched=0),
    "pydantic-ai": Peer("pydantic_ai", "pydantic-ai", spans=4, enriched=2),
}


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False


INSTALLED = [name for name, peer in PEERS.items() if _is_installed(peer.module)]


def run(
    peer: str, order: str, provider: Provider, file: Path, **environment: str
) -> dict[str, Any]:
    """What the program printed."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "LLM_OTEL_"))}
    ended = subprocess.run(
        [sys.executable, str(PROGRAM), peer, order, provider.url, str(file)],
        env={**kept, "PYTHONPATH": str(SOURCE), "NO_PROXY": "*", **environment},
        cwd=file.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return result


def billed(provider: Provider) -> tuple[int, int]:
    """Tokens in and out of all requests."""
    bills: list[Bill] = list(provider.bill.values())
    return sum(b.input_tokens for b in bills), sum(b.output_tokens for b in bills)


# What a span has where the cost of its call was written on it.
COSTS = {"gen_ai.usage.cost.amount", "llm_otel.cost.status"}

orders = pytest.mark.parametrize("order", ["ours-first", "peer-first"])


@orders
@pytest.mark.parametrize("name", INSTALLED)
def test_the_metrics_are_the_bill(name: str, order: str, p: Provider, tmp_path: Path) -> None:
    """Calls, tokens and cost as without the peer, with the attribution; its spans and no other
    ones of calls; one line that names it."""
    peer = PEERS[name]
    got = run(name, order, p, tmp_path / "spans")
    sums, spans = got["sums"], got["spans"]
    requests = len(p.requests)
    assert sums["gen_ai.request.duration"] == sums["gen_ai.request.duration acme"] == requests
    assert (
        sums["gen_ai.tokens.consumed input"],
        sums["gen_ai.tokens.consumed output"],
    ) == billed(p)
    assert sums["gen_ai.cost.usd"] == pytest.approx(_price(p), abs=1e-12)
    assert sums["gen_ai.requests.active"] == 0
    ours = [span["name"] for span in spans if span["scope"] == "llm_otel"]
    assert ours == ["invoke_workflow answer"]
    theirs = [span for span in spans if (span["scope"] or "").startswith(peer.scope)]
    assert len(theirs) == peer.spans, [span["name"] for span in theirs]
    enriched = [each["attributes"] for each in theirs if COSTS & each["attributes"].keys()]
    assert len(enriched) == peer.enriched, enriched
    for attributes in enriched:
        assert attributes["tenant_id"] == "acme"
        assert attributes["llm_otel.counted"] is True
        assert attributes.get("gen_ai.usage.input_tokens", 1) > 0
    lines = [line for line in got["logs"] if "has no price" not in line]
    assert len(lines) == 1, lines
    assert "makes spans for" in lines[0]
    assert sums.get("gen_ai.client.token.usage", 0) <= sum(billed(p))


@pytest.mark.parametrize("order", ["ours-first", "peer-first", "peer-alone"])
@pytest.mark.parametrize("name", INSTALLED)
def test_what_spans_tell_is_counted_once(
    name: str, order: str, p: Provider, tmp_path: Path
) -> None:
    """`SpanMetrics` gives the bill without our hooks, and no more than the bill beside them; the
    spans of calls have their cost when they are exported."""
    got = run(name, order, p, tmp_path / "spans", SPAN_METRICS="1")
    sums = got["sums"]
    assert (
        sums["gen_ai.request.duration"] == sums["gen_ai.request.duration acme"] == len(p.requests)
    )
    assert (
        sums["gen_ai.tokens.consumed input"],
        sums["gen_ai.tokens.consumed output"],
    ) == billed(p)
    assert sums["gen_ai.cost.usd"] == pytest.approx(_price(p), rel=0.02)
    assert sums["gen_ai.requests.active"] == 0
    if order == "peer-alone":
        costs = [each["attributes"].get("gen_ai.usage.cost.amount", 0.0) for each in got["spans"]]
        assert sum(costs) == pytest.approx(_price(p), rel=0.02), costs


def _price(provider: Provider) -> float:
    costs = [
        llm_otel.cost(
            model=model,
            input_tokens=bill.input_tokens,
            output_tokens=bill.output_tokens,
            cache_read_tokens=bill.cached_tokens,
        )
        for model, bill in provider.bill.items()
    ]
    return sum(cost.total for cost in costs if cost is not None)


@orders
@pytest.mark.skipif(not _is_installed("mlflow"), reason="MLflow is not installed")
def test_mlflow_in_a_store_of_its_own(order: str, p: Provider, tmp_path: Path) -> None:
    """By default MLflow's spans go elsewhere: ours are there as without it."""
    got = run("mlflow", order, p, tmp_path / "spans")
    assert len([span for span in got["spans"] if span["scope"] == "llm_otel"]) == 10
    assert got["sums"]["gen_ai.request.duration"] == len(p.requests) == 9


@orders
@pytest.mark.skipif(not _is_installed("logfire"), reason="Logfire is not installed")
def test_what_logfire_does_not_sample_is_counted(order: str, p: Provider, tmp_path: Path) -> None:
    """Its suppression of others is not the application's, whether its span is kept or not."""
    got = run("logfire-sampled-out", order, p, tmp_path / "spans")
    assert got["spans"] == []
    assert got["sums"]["gen_ai.request.duration"] == len(p.requests) == 9
    assert got["sums"]["gen_ai.tokens.consumed"] == sum(billed(p))
