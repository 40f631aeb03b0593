"""The example of two services: one trace, and the attribution of the first at the second."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from otlp_receiver import OtlpReceiver

from llm_otel.testing import provider

ROOT = Path(__file__).resolve().parents[2]
QUESTION = "Where is my order?"


class Span(NamedTuple):
    """A span as it was exported."""

    service: str
    name: str
    trace: bytes
    id: bytes
    parent: bytes
    attributes: dict[str, str]


class Run(NamedTuple):
    """What came of the example."""

    spans: list[Span]
    requests: list[Any]
    tenants: set[str]
    printed: str


@pytest.fixture(scope="module")
def ran() -> Run:
    unset = ("OTEL_", "LLM_OTEL_", "OPENAI_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
    with OtlpReceiver() as receiver, provider() as p:
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-m", "examples.services", QUESTION],
            cwd=ROOT,
            env={
                **kept,
                "PYTHONPATH": str(ROOT / "src"),
                "NO_PROXY": "*",
                "OPENAI_BASE_URL": p.url,
                "OPENAI_API_KEY": "test",
                "LLM_OTEL_PROVIDERS": f"{urlsplit(p.url).netloc}=openai",
                "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ended.returncode == 0, ended.stderr
        return Run(_spans(receiver), list(p.requests), _tenants(receiver), ended.stdout)


def _spans(receiver: OtlpReceiver) -> list[Span]:
    return [
        Span(
            _texts(resource.resource.attributes)["service.name"],
            span.name,
            span.trace_id,
            span.span_id,
            span.parent_span_id,
            _texts(span.attributes),
        )
        for resource in receiver.resources("/v1/traces")
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _texts(attributes: Any) -> dict[str, str]:
    return {each.key: each.value.string_value for each in attributes}


def _tenants(receiver: OtlpReceiver) -> set[str]:
    """Those for whom the writer's metrics count requests."""
    return {
        _texts(point.attributes)["tenant_id"]
        for resource in receiver.resources("/v1/metrics")
        if _texts(resource.resource.attributes)["service.name"] == "writer"
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "gen_ai.request.duration"
        for point in metric.histogram.data_points
    }


def test_both_services_are_one_trace(ran: Run) -> None:
    """From the request that came in to the call of the model, each span below the one before."""
    chain = [next(span for span in ran.spans if not span.parent)]
    while below := [span for span in ran.spans if span.parent == chain[-1].id]:
        assert len(below) == 1, below
        chain += below
    assert [(span.service, span.name) for span in chain] == [
        ("shop", "POST /questions"),
        ("shop", "invoke_workflow answer"),
        ("shop", "POST"),
        ("writer", "POST /drafts"),
        ("writer", "chat gpt-4o-mini"),
    ]
    assert len({span.trace for span in ran.spans}) == 1
    assert len(ran.spans) == len(chain), [span.name for span in ran.spans]


def test_who_it_is_for_travels_along(ran: Run) -> None:
    """The writer's spans and metrics have the tenant and the feature that only the shop knows."""
    for span in ran.spans:
        if span.name != "POST /questions":  # began before the shop knew
            assert span.attributes.get("tenant_id") == "acme", span
            assert span.attributes.get("feature") == "support", span
    assert ran.tenants == {"acme"}


def test_the_provider_learns_nothing_of_it(ran: Run) -> None:
    """The request to the provider has no baggage."""
    (request,) = ran.requests
    assert "baggage" not in {name.lower() for name in request.headers}, request.headers
    assert QUESTION in ran.printed
