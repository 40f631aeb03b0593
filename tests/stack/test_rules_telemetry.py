"""The alerts on the telemetry itself, on the real promtool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from stack.rule_cases import RESET, Case, Fires, check, counter, gauge, series

from llm_otel import semconv

WARN, PAGE = "warning", "critical"
SHOP = {"service_name": "shop"}
COLLECTOR = {"job": "otel-collector", "instance": "otel-collector:8888"}
SENDING = {"exporter": "otlp_http/prometheus", "data_type": "metrics"}


def silent() -> Iterator[Case]:
    name = "LLMTelemetrySilent"
    heard = series(semconv.PRICES_VERSION, **SHOP, version="1")
    yield Case(
        "waits, tells for how long, ends when it speaks again",
        name,
        {heard: gauge((1, 70), (None, 40), (1, 30))},
        {
            "69m": [],
            # A sample counts for five minutes; ten more and two pass before anybody is told.
            "85m": [],
            "95m": [Fires(WARN, "22m 0s", SHOP)],
            "115m": [Fires(WARN, "36m 0s", SHOP)],
            "125m": [],
        },
    )
    yield Case("it speaks", name, {heard: gauge((1, 120))}, {"119m": []})
    yield Case(
        "it was there for some minutes only",
        name,
        {heard: gauge((1, 20), (None, 60))},
        {"70m": []},
    )
    yield Case("nobody ever spoke", name, {}, {"30m": []})
    yield Case(
        "a day later it is gone for good",
        name,
        {heard: gauge((1, 20), (None, 320))},
        {"1600m": []},
        step="5m",
    )


def library() -> Iterator[Case]:
    failed = series(semconv.INTERNAL_ERRORS, **SHOP, site="call")
    yield Case(
        "one failure is told for an hour",
        "LLMInstrumentationErrors",
        {failed: "0x4 1x120"},
        {"4m": [], "6m": [Fires(WARN, "1 errors", {**SHOP, "site": "call"})], "80m": []},
    )
    yield Case(
        "a process that starts anew",
        "LLMInstrumentationErrors",
        {failed: "4x80 0x40"},
        {"70m": [], "90m": []},
    )
    folded = series(semconv.LABELS_OVERFLOWED, **SHOP, label="tenant_id")
    tenant = {**SHOP, "label": "tenant_id"}
    yield Case(
        "values folded by the library",
        "LLMLabelOverflow",
        {folded: "0x4 3x120"},
        {"4m": [], "6m": [Fires(WARN, "3 values", tenant)], "80m": []},
    )
    beyond = series(semconv.TOKENS_CONSUMED, **SHOP, otel_metric_overflow="true")
    yield Case(
        "attribute sets folded by the SDK",
        "LLMLabelOverflow",
        {beyond: gauge((None, 5), (7, 20))},
        {"4m": [], "6m": [Fires(WARN, "1 values", {**SHOP, "label": "the SDK"})]},
    )
    yield Case("none", "LLMLabelOverflow", {folded: gauge((3, 90))}, {"80m": []})


def collector() -> Iterator[Case]:
    up = series("up", **COLLECTOR)
    yield Case(
        "it does not answer",
        "CollectorDown",
        {up: gauge((1, 5), (0, 20), (1, 30))},
        {
            "4m": [],
            "9m": [],
            "11m": [Fires(PAGE, "0 up", COLLECTOR)],
            "30m": [Fires(PAGE, "0 up", COLLECTOR)],
            "36m": [],
        },
    )
    yield Case(
        "it is not even scraped",
        "CollectorDown",
        {},
        {"4m": [], "6m": [Fires(PAGE, "0 up", {"job": "otel-collector"})]},
    )
    yield Case("it answers", "CollectorDown", {up: gauge((1, 30))}, {"29m": []})
    yield from _queue()
    for alert, metric, by, severity, wait in (
        ("CollectorRefusing", "receiver_refused", "receiver", PAGE, 5),
        ("CollectorExportFailing", "exporter_send_failed", "exporter", WARN, 5),
        ("CollectorDropping", "exporter_enqueue_failed", "exporter", PAGE, 0),
    ):
        yield from _counted(alert, f"otelcol_{metric}", {by: "otlp"}, severity, wait)


def _counted(
    alert: str, metric: str, who: Mapping[str, str], severity: str, wait: int
) -> Iterator[Case]:
    lost = series(f"{metric}_metric_points", **who, **COLLECTOR)
    spans = series(f"{metric}_spans", **who, **COLLECTOR)
    told = {**who, "data_type": "metrics"}
    growing = [Fires(severity, "10 records", told)]
    yield Case(
        "while it goes on",
        alert,
        {lost: counter((0, 10), (2, 30), (0, 40)), spans: gauge((5, 80))},
        {
            "9m": [],
            **({"12m": []} if wait else {}),
            "20m": growing,
            "60m": [],
        },
    )
    yield Case(
        "a series that is born by the first loss",
        alert,
        {spans: gauge((None, 10), (7, 60)), series("up", **COLLECTOR): gauge((1, 70))},
        {
            "9m": [],
            # a single loss must be one of those that are told at once
            "15m": [] if wait else [Fires(severity, "7 records", {**who, "data_type": "traces"})],
            "40m": [],
        },
    )
    yield Case(
        "what was lost while nobody looked",
        alert,
        {spans: gauge((7, 30), (None, 30), (7, 30)), series("up", **COLLECTOR): "1x30 _x30 1x30"},
        {"2m": [], "62m": [], "70m": []},
    )
    yield Case(
        "a Collector that starts anew",
        alert,
        {lost: f"{gauge((9, 30))} {counter((RESET, 1))} {gauge((0, 30))}"},
        {"29m": [], "35m": [], "45m": []},
    )


def _queue() -> Iterator[Case]:
    size = series("otelcol_exporter_queue_size", **SENDING, **COLLECTOR)
    capacity = series("otelcol_exporter_queue_capacity", **SENDING, **COLLECTOR)
    sent = series("otelcol_exporter_sent_metric_points", exporter=SENDING["exporter"], **COLLECTOR)
    yield Case(
        "nearly full",
        "CollectorQueueFull",
        {size: gauge((10, 5), (90, 20), (10, 20)), capacity: gauge((100, 45))},
        {"9m": [], "11m": [Fires(WARN, "90%", SENDING)], "40m": []},
    )
    yield Case(
        "half full",
        "CollectorQueueFull",
        {size: gauge((50, 30)), capacity: gauge((100, 30))},
        {"29m": []},
    )
    yield Case(
        "something waits and nothing is sent",
        "CollectorExportStalled",
        {size: gauge((0, 5), (3, 40), (0, 30)), sent: counter((9, 5), (0, 40), (9, 30))},
        {"18m": [], "22m": [Fires(PAGE, "3 batches", SENDING)], "60m": []},
    )
    yield Case(
        "nothing was ever sent",
        "CollectorExportStalled",
        {size: gauge((3, 40))},
        {"14m": [], "20m": [Fires(PAGE, "3 batches", SENDING)]},
    )
    yield Case(
        "busy",
        "CollectorExportStalled",
        {size: gauge((3, 60)), sent: counter((9, 60))},
        {"30m": []},
    )
    yield Case(
        "idle",
        "CollectorExportStalled",
        {size: gauge((0, 60)), sent: gauge((9, 60))},
        {"30m": []},
    )


def stack() -> Iterator[Case]:
    tempo = {"job": "tempo", "instance": "tempo:3200"}
    yield Case(
        "a part does not answer",
        "StackTargetDown",
        {series("up", **tempo): gauge((1, 5), (0, 20)), series("up", **COLLECTOR): gauge((0, 25))},
        {"9m": [], "11m": [Fires(WARN, "0 up", tempo)]},
    )
    yield Case("all answer", "StackTargetDown", {series("up", **tempo): "1x30"}, {"20m": []})
    group = {"rule_group": "calls.yaml;llm-calls"}
    failures = series("prometheus_rule_evaluation_failures_total", **group)
    missed = series("prometheus_rule_group_iterations_missed_total", **group)
    for name, bad, good in (
        ("rules fail", failures, missed),
        ("rules come late", missed, failures),
    ):
        yield Case(
            name,
            "PrometheusRulesFailing",
            {bad: counter((0, 5), (1, 25), (0, 30)), good: "0x60"},
            {"14m": [], "20m": [Fires(WARN, "5 failures", group)], "50m": []},
        )
    yield Case(
        "one failure",
        "PrometheusRulesFailing",
        {failures: "0x5 1x40", missed: "0x45"},
        {"8m": [], "20m": []},
    )
    yield from _delivery()
    yield from _storage()


def _delivery() -> Iterator[Case]:
    name = "NotificationsFailing"
    slack = series(
        "alertmanager_notifications_failed_total", integration="slack", reason="authError"
    )
    yield Case(
        "a receiver refuses",
        name,
        {slack: counter((0, 5), (1, 20), (0, 40))},
        {"9m": [], "20m": [Fires(PAGE, "10 failures", {"integration": "slack"})], "60m": []},
    )
    yield Case(
        "what a reload cancels is sent again",
        name,
        {slack.replace("authError", "contextCanceled"): counter((1, 30))},
        {"20m": []},
    )
    yield Case(
        "Alertmanager cannot be reached",
        name,
        {series("prometheus_notifications_errors_total", alertmanager="a"): counter((1, 30))},
        {"20m": [Fires(PAGE, "10 failures", {"integration": "Alertmanager"})]},
    )
    yield Case("all get through", name, {slack: "4x40"}, {"30m": []})
    for program, metric in (
        ("Prometheus", "prometheus_config_last_reload_successful"),
        ("Alertmanager", "alertmanager_config_last_reload_successful"),
    ):
        yield Case(
            f"{program} refuses its configuration",
            "ConfigurationRejected",
            {metric: gauge((1, 5), (0, 20), (1, 20))},
            {"9m": [], "11m": [Fires(WARN, "0 accepted", {"program": program})], "40m": []},
        )
    yield Case("nothing to be told", "ConfigurationRejected", {}, {"20m": []})


def _storage() -> Iterator[Case]:
    wal = "prometheus_tsdb_wal_writes_failed_total"
    yield Case(
        "the log cannot be written",
        "PrometheusStorageFailing",
        {wal: "0x5 1x100"},
        {"5m": [], "7m": [Fires(PAGE, "1 failures", {"what": "writing the log"})], "90m": []},
    )
    yield Case("all is well", "PrometheusStorageFailing", {wal: "0x60"}, {"50m": []})
    yield Case(
        "samples come too late, for long",
        "PrometheusRefusesSamples",
        {series("prometheus_tsdb_too_old_samples_total", type="float"): counter((6, 60))},
        {"14m": [], "30m": [Fires(WARN, "60 requests", {"why": "too old"})]},
    )
    refused = {"handler": "/api/v1/otlp/v1/metrics", "code": "400"}
    yield Case(
        "one refusal is no alert",
        "PrometheusRefusesSamples",
        {series("prometheus_http_requests_total", **refused): "0x5 1x60"},
        {"12m": [], "25m": []},
    )
    yield Case(
        "many series",
        "PrometheusSeriesHigh",
        {"prometheus_tsdb_head_series": gauge((4e5, 5), (6e5, 20), (4e5, 20))},
        {"12m": [], "17m": [Fires(WARN, "600000 series", {})], "40m": []},
    )
    yield Case(
        "far too many series",
        "PrometheusSeriesHigh",
        {"prometheus_tsdb_head_series": gauge((2e6, 30))},
        {"9m": [], "15m": [Fires(s, "2000000 series", {}) for s in (WARN, PAGE)]},
    )
    yield Case(
        "few series", "PrometheusSeriesHigh", {"prometheus_tsdb_head_series": "9x30"}, {"20m": []}
    )
    yield Case(
        "always", "Watchdog", {}, {"0m": [Fires("info", "1", {})], "9m": [Fires("info", "1", {})]}
    )


CASES = [case for part in (silent, library, collector, stack) for case in part()]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_alert(case: Case, tmp_path: Path) -> None:
    """An alert fires when it should, with its labels and texts, and at no other time."""
    check(case, tmp_path)
