"""Every call counts once, whether its money comes from a metric or from its span."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import llm_otel.lake
from llm_otel import semconv
from llm_otel.digest.quality import read_errors
from llm_otel.lake.queries import Filter, Reader, usage
from llm_otel.lake.writer import Writer

HOUR = datetime(2026, 11, 20, 12)
# The service of a gateway, and its call below the first of an application.
GATEWAY_S: dict[str, Any] = {"service_name": "gateway", "instance": "g"}
GATEWAY = {**GATEWAY_S, "trace_id": f"{1:032x}", "parent_span_id": f"{1:016x}"}
# A call below the first one.
BELOW = {"trace_id": f"{1:032x}", "parent_span_id": f"{1:016x}"}
DAY = Filter(datetime(2026, 11, 20), datetime(2026, 11, 21))


def call(number: int, **columns: Any) -> dict[str, Any]:
    """A call of one dollar in the middle of the hour."""
    row = {
        "time": HOUR + timedelta(minutes=30),
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "service_name": "shop",
        "provider": "openai",
        "model": "gpt-4o",
        "operation": "chat",
        "status": "ok",
        "duration_s": 1.0,
        "input_tokens": 10,
        "cost_usd": 1.0,
        "scope": "llm_otel",
    }
    return {**row, **columns}


def metrics(calls: int, cost: float, **labels: Any) -> list[dict[str, Any]]:
    """What a process says that it did in the hour."""
    row = {"hour": HOUR, "service_name": "shop", "provider": "openai", "model": "gpt-4o", **labels}
    return [
        {**row, "metric": semconv.REQUEST_DURATION.name, "sum": 1.0, "count": calls},
        {**row, "metric": semconv.COST.name, "sum": cost, "token_type": "input"},
    ]


def counted(
    folder: Path, calls: list[dict[str, Any]], gains: list[dict[str, Any]]
) -> tuple[int, float | None, int]:
    """Requests and USD of the day, and how many of the requests are counted by their spans."""
    with Writer(folder) as writer:
        writer.append(calls=calls, metrics_hourly=gains)
    reader = Reader(llm_otel.lake.open(folder), DAY)
    usage.keep_usage(reader)
    now, _ = usage.totals(reader)
    return now.requests, now.cost_usd, now.traced


@pytest.mark.parametrize(
    ("calls", "gains", "wanted"),
    [
        pytest.param([{}], metrics(10, 10.0), (10, 10.0, 0), id="the spans are a sample"),
        pytest.param([{}], [], (1, 1.0, 1), id="no metrics"),
        pytest.param(
            [{}, {"model": "claude", "provider": "anthropic", "scope": "peer"}],
            metrics(1, 1.0),
            (2, 2.0, 1),
            id="another SDK in one service",
        ),
        pytest.param(
            [{"instance": "a"}, *[{"instance": "b"}] * 3],
            metrics(1, 1.0, instance="a"),
            (4, 4.0, 3),
            id="a worker without metrics",
        ),
        pytest.param(
            [{"time": HOUR - timedelta(hours=n)} for n in range(1, 4)],
            metrics(5, 5.0),
            (8, 8.0, 3),
            id="a roll-out in the middle of a day",
        ),
        pytest.param(
            [{"instance": "a", "time": HOUR + timedelta(hours=5)}],
            metrics(5, 5.0, instance="a"),
            (5, 5.0, 0),
            id="a process that exports counts all its calls",
        ),
        pytest.param(
            [{"instance": "web-0", "time": HOUR - timedelta(hours=n)} for n in (2, 3, 4)],
            metrics(1, 1.0, instance="web-0"),
            (4, 4.0, 3),
            id="a name that an older process had before",
        ),
        pytest.param(
            [{"instance": "a", "model": "brand-new", "scope": "peer"}],
            metrics(1, 1.0, instance="a", model="other"),
            (2, 2.0, 1),
            id="a peer's model beside labels beyond their cap",
        ),
        pytest.param(
            [
                {"instance": "a"},
                {
                    "service_name": "gateway",
                    "scope": "peer",
                    "parent_span_id": f"{1:016x}",
                    "trace_id": f"{1:032x}",
                },
            ],
            metrics(1, 1.0, instance="a"),
            (1, 1.0, 0),
            id="an application with metrics above its gateway",
        ),
        pytest.param(
            [{"scope": "framework"}, BELOW], metrics(1, 1.0), (1, 1.0, 0), id="a framework's span"
        ),
        pytest.param(
            [{"scope": "framework"}, {**BELOW, "instance": "a"}],
            metrics(1, 1.0, instance="a"),
            (1, 1.0, 0),
            id="a framework's span that does not say of which process",
        ),
        pytest.param(
            [{"scope": "framework", "instance": "a"}, {**BELOW, "instance": "a"}],
            metrics(1, 1.0, instance="a"),
            (1, 1.0, 0),
            id="a framework's span of a process that is known",
        ),
        pytest.param(
            [
                {"scope": "framework", "instance": "a"},
                {**BELOW, "instance": "a"},
                {**GATEWAY, "parent_span_id": f"{2:016x}"},
                {"instance": "a"},
            ],
            [*metrics(2, 2.0, instance="a"), *metrics(1, 1.0, **GATEWAY_S)],
            (2, 2.0, 0),
            id="a framework's span in an application with a gateway",
        ),
        pytest.param(
            [{"instance": "a"}, GATEWAY],
            [*metrics(1, 1.0, instance="a"), *metrics(1, 1.0, **GATEWAY_S)],
            (1, 1.0, 0),
            id="an application and its gateway with metrics",
        ),
        pytest.param(
            [{"instance": "a"}, GATEWAY],
            [*metrics(10, 12.0, instance="a"), *metrics(10, 11.0, **GATEWAY_S)],
            (10, 11.0, 0),
            id="of which the spans are a sample",
        ),
        pytest.param(
            [{"instance": "a"}, GATEWAY, {"instance": "a", "cost_usd": 3.0}],
            [*metrics(2, 4.0, instance="a"), *metrics(1, 1.0, **GATEWAY_S)],
            (2, 4.0, 0),
            id="a part of the application's calls goes through the gateway",
        ),
        pytest.param(
            [{"instance": "a"}, GATEWAY],
            [*metrics(0, 1.0, instance="a")[1:], *metrics(1, 1.0, **GATEWAY_S)],
            (1, 1.0, 0),
            id="the application's metrics hold the money alone",
        ),
        pytest.param(
            [{"instance": "a"}, {**GATEWAY, "scope": "peer"}],
            metrics(0, 1.0, instance="a")[1:],
            (1, 1.0, 1),
            id="the application's metrics hold the money, the gateway has none",
        ),
        pytest.param(
            [
                {"instance": "a"},
                GATEWAY,
                {
                    **GATEWAY,
                    "parent_span_id": f"{2:016x}",
                    "scope": "peer",
                    "service_name": "proxy",
                },
            ],
            [*metrics(1, 1.0, instance="a"), *metrics(1, 1.0, **GATEWAY_S)],
            (1, 1.0, 0),
            id="and a proxy without metrics behind it",
        ),
        pytest.param(
            [
                {"instance": "a", "time": HOUR - timedelta(hours=12, seconds=1), "duration_s": 3.0},
                {**GATEWAY, "time": HOUR - timedelta(hours=12)},
            ],
            [
                *(
                    {**row, "hour": HOUR - timedelta(hours=12)}
                    for row in metrics(1, 1.0, instance="a")
                ),
                *(
                    {**row, "hour": HOUR - timedelta(hours=12)}
                    for row in metrics(1, 1.0, **GATEWAY_S)
                ),
            ],
            (1, 1.0, 0),
            id="an application and its gateway over midnight",
        ),
        pytest.param(
            [{"instance": "a", "scope": "peer", "provider": "groq"}],
            metrics(1, 1.0, instance="a"),
            (1, 1.0, 0),
            id="a peer's span of the same call, under another name of the provider",
        ),
        pytest.param(
            [{"instance": "a", "model": "m-51"}],
            metrics(1, 1.0, instance="a", model="other"),
            (1, 1.0, 0),
            id="a model beyond the cap of labels",
        ),
        pytest.param(
            [{"model": "gpt", "response_model": "gpt-4o"}],
            metrics(1, 1.0),
            (1, 1.0, 0),
            id="the model that answered",
        ),
        pytest.param(
            [{"time": HOUR - timedelta(seconds=2), "duration_s": 0.5}],
            metrics(1, 1.0),
            (1, 1.0, 0),
            id="exported in the hour after its end",
        ),
        pytest.param(
            [{"time": HOUR - timedelta(minutes=30), "duration_s": 2400.0}],
            metrics(1, 1.0),
            (1, 1.0, 0),
            id="it ended in the hour",
        ),
        pytest.param(
            [{"service_name": None}],
            metrics(1, 1.0, service_name=None),
            (1, 1.0, 0),
            id="a service without a name",
        ),
        pytest.param([{"instance": "a"}], metrics(1, 1.0), (1, 1.0, 0), id="metrics of no process"),
        pytest.param(
            [{"time": HOUR + timedelta(minutes=58)}, {}],
            [{**row, "hour": HOUR + timedelta(hours=1)} for row in metrics(1, 1.0)],
            (2, 2.0, 1),
            id="the late call of an hour is in the next one's metrics",
        ),
        pytest.param([{}, {}], metrics(0, 2.5)[1:], (2, 2.5, 2), id="metrics hold the money alone"),
        pytest.param(
            [{"instance": "a"}, {"instance": "b"}],
            metrics(0, 2.5, instance="a")[1:],
            (2, 3.5, 2),
            id="metrics hold the money of one process",
        ),
        pytest.param(
            [{"instance": "a"}],
            [{**metrics(0, 7.0, instance="a")[1], "instrument": "gauge", "count": 9}],
            (1, 1.0, 1),
            id="a gauge of costs adds up to nothing",
        ),
        pytest.param(
            [{"service_name": "other"}], metrics(1, 1.0), (2, 2.0, 1), id="another service"
        ),
    ],
)
def test_a_call_counts_once(
    tmp_path: Path,
    calls: list[dict[str, Any]],
    gains: list[dict[str, Any]],
    wanted: tuple[int, float, int],
) -> None:
    """By its metric where that holds it, else by its span."""
    rows = [call(number, **columns) for number, columns in enumerate(calls, 1)]
    assert counted(tmp_path, rows, gains) == wanted


def test_who_asks_past_the_gateway_keeps_the_own_numbers(tmp_path: Path) -> None:
    """Of one tenant's calls all go through the gateway, of the other's none."""
    a, b = {"instance": "a", "tenant_id": "acme"}, {"instance": "a", "tenant_id": "globex"}
    with Writer(tmp_path) as writer:
        writer.append(
            calls=[call(1, **a), call(3, **GATEWAY), *(call(n, **b) for n in (5, 6, 7))],
            metrics_hourly=[
                *metrics(1, 1.0, **a), *metrics(3, 3.0, **b), *metrics(1, 1.0, **GATEWAY_S)
            ],
        )  # fmt: skip
    requests = {}
    for tenant in ("acme", "globex", "none"):
        reader = Reader(llm_otel.lake.open(tmp_path), replace(DAY, tenant_id=(tenant,)))
        usage.keep_usage(reader)
        requests[tenant] = usage.totals(reader)[0].requests
    assert requests == {"acme": 0, "globex": 3, "none": 1}


def test_errors_of_an_application_and_its_gateway_count_once(tmp_path: Path) -> None:
    """In the digest, too."""
    failed: dict[str, Any] = {"status": "error", "error_type": "timeout"}
    calls = [call(1, instance="a", **failed), call(2, **GATEWAY, **failed)]
    gains = []
    for sender in ({"instance": "a"}, GATEWAY_S):
        duration, cost = metrics(1, 1.0, **sender)
        failures = {"metric": semconv.ERRORS.name, "error_type": "timeout", "token_type": None}
        gains += [duration, cost, {**cost, **failures}]
    with Writer(tmp_path) as writer:
        writer.append(calls=calls, metrics_hourly=gains)
    assert read_errors(Reader(llm_otel.lake.open(tmp_path), DAY)) == {"timeout": 1}
