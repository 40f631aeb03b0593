"""A service in another language, with spans and no metrics, in the stack's own series."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path
from typing import Any

from lake import samples
from serving import serving
from stack.catchers import wait_for
from stack.collector_rig import Collector, Metrics, Traces

from llm_otel import semconv

SHOP = {"service.name": "shop-ui", "deployment.environment.name": "prod",
        "telemetry.sdk.language": "nodejs"}  # fmt: skip
# As a TypeScript instrumentation writes them.
CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
}


def _points(prometheus: Metrics, metric: semconv.Metric) -> list[Any]:
    return [
        point
        for resource in prometheus.resources("/v1/metrics")
        for scope in resource.scope_metrics
        for one in scope.metrics
        if one.name == metric.name
        for point in getattr(one, one.WhichOneof("data")).data_points
    ]


def test_its_calls_arrive_at_prometheus(tmp_path: Path) -> None:
    """Spans into `serve`, metrics through the shipped Collector: nothing of them is held back."""
    tempo = Traces()
    with (
        Metrics() as prometheus,
        Collector(
            tmp_path, tempo=f"127.0.0.1:{tempo.port}", prometheus=prometheus.endpoint
        ) as collector,
        serving(tmp_path / "lake", "--no-dashboard", "--metrics-to", collector.http) as served,
    ):
        now = time.time_ns()
        request = samples.spans(CALL, seed=1, resource=SHOP, time_ns=now)
        body = request.SerializeToString()
        headers = {"Content-Type": "application/x-protobuf"}
        urllib.request.urlopen(
            urllib.request.Request(f"{served.http}/v1/traces", body, headers), timeout=20
        ).read()
        served.stop()
        wait_for(lambda: bool(_points(prometheus, semconv.COST)), "the cost at Prometheus")
    tempo.stop()
    (cost,) = _points(prometheus, semconv.COST)
    (duration,) = _points(prometheus, semconv.REQUEST_DURATION)
    tokens = _points(prometheus, semconv.TOKENS_CONSUMED)
    assert cost.as_double == 1000 * 2.5e-6 + 100 * 10e-6
    assert (duration.count, duration.sum) == (1, 0.5)
    assert sorted(point.as_double or point.as_int for point in tokens) == [100, 1000]
    labels = {pair.key: pair.value.string_value for pair in duration.attributes}
    assert labels == {"model": "gpt-4o", "provider": "openai", "operation": "chat",
                      "feature": "none", "tenant_id": "none"}  # fmt: skip
