"""The dashboard of the telemetry itself: can the other three be trusted?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llm_otel import semconv
from llm_otel.semconv import FEATURE, LABEL, MODEL, PROVIDER, SITE, TENANT_ID
from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.grafana import promql
from llm_otel.stack.grafana.board import to_panel
from llm_otel.stack.grafana.model import Dashboard, Panel, Query, Row
from llm_otel.stack.grafana.promql import filters, increase, select
from llm_otel.stack.grafana.style import (
    ANY,
    GREEN,
    NO_ERRORS,
    RED,
    UP_OR_DOWN,
    graph,
    stat,
    step,
    steps,
)
from llm_otel.stack.prometheus import alerts, recording
from llm_otel.stack.prometheus.pipeline import REFUSED_SAMPLES, RELOADED, STORAGE_FAILURES

_COLLECTOR: Final = 'job="otel-collector"'
# What the Collector calls the three signals in the names of its own metrics.
_SIGNALS: Final = {"spans": "spans", "metric_points": "points", "log_records": "logs"}
_NO_METRICS: Final = "No metrics arrive"
_RATE: Final = "$__rate_interval"


def dashboard(config: Config) -> Dashboard:
    """Pipeline health."""
    return Dashboard(
        panels.PIPELINE,
        "LLM pipeline health",
        "Whether telemetry arrives, is stored, and leads to messages: the library, the Collector, "
        "Prometheus, Alertmanager.",
        "LLM",
        (*_sums(config), _silent(), _accepted(), _collector_up()),
        (
            Row("Collector", _collector()),
            Row("Library", _library()),
            Row("Prometheus and Alertmanager", _backends()),
        ),
        hidden=(PROVIDER, MODEL, FEATURE, TENANT_ID, "percentile", "topk"),
        components=("telemetry",),
    )


def _sums(config: Config) -> tuple[Panel, ...]:
    up = [step(None, RED), step(1, GREEN)]
    return (
        stat("Collector", "Up: it runs and answers. Down: nothing new arrives.",
             f"min(up{{{_COLLECTOR}}})", unit="none", levels=up, words=UP_OR_DOWN,
             nothing="Never seen"),
        stat("Targets down", "Parts of the stack that Prometheus cannot scrape.",
             "count(up == 0) or vector(0)", unit="short", levels=ANY, nothing="None"),
        stat("Alerts firing", "Alerts that fire now, the watchdog left out.",
             f"count({promql.firing()}) or vector(0)", unit="short", levels=ANY, nothing="None",
             links=[to_panel(panels.FIRING, "Which alerts fire")]),
        stat("Live series", "Series that Prometheus holds in memory.",
             "sum(prometheus_tsdb_head_series)", unit="short", nothing=_NO_METRICS,
             levels=steps(alerts.of_panel(panels.SERIES).limits_in(config))),
        stat("Age of the prices", "Age of the oldest price table in use.",
             f"max({select(semconv.PRICES_AGE)})", unit="s", nothing="No price table",
             levels=steps(alerts.of_panel(panels.PRICES).limits_in(config))),
        stat("Library errors, 1 hour", "Failures inside llm-otel that were swallowed and logged.",
             f"{increase(semconv.INTERNAL_ERRORS, '1h')} or vector(0)", unit="short", decimals=0,
             levels=ANY, nothing="None"),
    )  # fmt: skip


def _silent() -> Panel:
    return graph(
        "Services heard",
        "Series that each service has sent of late; a line that ends is a service that stopped, or "
        "whose telemetry does not arrive.",
        Query(f"sum by (service_name) ({recording.HEARD}{{{filters(())}}})", "{{service_name}}"),
        unit="short",
        nothing="No service was heard",
        pin=panels.SILENT_SERVICES,
    )


def _per_signal(metric: str, by: str, legend: str, of: Mapping[str, str] = _SIGNALS) -> list[Query]:
    return [
        Query(
            f"sum by ({by}) (rate({metric}_{signal}{{{_COLLECTOR}}}[{_RATE}]))",
            f"{word} {legend}".strip(),
        )
        for signal, word in of.items()
    ]


def _accepted() -> Panel:
    return graph(
        "Received by the Collector",
        "Spans, metric points and log records a second.",
        *_per_signal("otelcol_receiver_accepted", "transport", "{{transport}}"),
        unit="cps",
        nothing="Nothing was received",
    )


def _collector_up() -> Panel:
    return graph(
        "Collector up",
        "Whether Prometheus reaches the Collector's own metrics.",
        Query(f"up{{{_COLLECTOR}}}", "{{instance}}"),
        unit="none",
        defaults={"max": 1, "decimals": 0, "mappings": list(UP_OR_DOWN)},
        calcs=("lastNotNull", "min"),
        nothing="Never seen",
        pin=panels.COLLECTOR_UP,
    )


def _collector() -> tuple[Panel, ...]:
    used, room = (f"otelcol_exporter_queue_{name}{{{_COLLECTOR}}}" for name in ("size", "capacity"))
    failures = [
        *_per_signal("otelcol_exporter_send_failed", "exporter", "not sent, {{exporter}}"),
        *_per_signal("otelcol_exporter_enqueue_failed", "exporter", "not queued, {{exporter}}"),
    ]
    return (
        graph(
            "Refused by the Collector",
            "Records a second that it sent back, as its memory was short or an exporter refused "
            "them; well-made clients send them again.",
            *_per_signal("otelcol_receiver_refused", "transport", "{{transport}}"),
            unit="cps",
            nothing="Nothing was refused",
            pin=panels.COLLECTOR_REFUSED,
        ),
        graph(
            "Exporter queues",
            "How full the queue on disk before each exporter is. It fills while a backend is away.",
            Query(f"{used} / ({room} > 0)", "{{exporter}} {{data_type}}"),
            unit="percentunit",
            defaults={"max": 1},
            nothing="No queue",
            pin=panels.COLLECTOR_QUEUE,
        ),
        graph(
            "Not exported",
            "Records a second that were not sent, to be tried again, or not even queued: lost.",
            *failures,
            unit="cps",
            nothing="Everything was sent",
            pin=panels.COLLECTOR_FAILED,
        ),
        graph(
            "Collector memory",
            "What the process holds; above its limit it refuses.",
            Query(f"otelcol_process_memory_rss{{{_COLLECTOR}}}", "{{instance}}"),
            unit="bytes",
            nothing=_NO_METRICS,
            width=12,
        ),
        graph(
            "Collector CPU",
            "Cores in use.",
            Query(f"rate(otelcol_process_cpu_seconds{{{_COLLECTOR}}}[{_RATE}])", "{{instance}}"),
            unit="none",
            defaults={"decimals": 2},
            nothing=_NO_METRICS,
            width=12,
        ),
    )


def _library() -> tuple[Panel, ...]:
    folded = 'count by (__name__) ({otel_metric_overflow="true"})'
    return (
        graph(
            "Values folded into `other`",
            "Label values of the last hour that a cap or a form did not let through, and metrics "
            "with more series than the SDK keeps.",
            Query(increase(semconv.LABELS_OVERFLOWED, "1h", [LABEL]), "{{label}}"),
            Query(folded, "{{__name__}} over the SDK's limit"),
            unit="short",
            nothing="Nothing was folded",
            pin=panels.OVERFLOW,
        ),
        graph(
            "Errors inside the library",
            "Swallowed and logged once each; the calls themselves were not touched.",
            Query(increase(semconv.INTERNAL_ERRORS, "1h", [SITE]), "{{site}}"),
            unit="short",
            nothing=NO_ERRORS,
            pin=panels.LIBRARY,
        ),
        graph(
            "Price table",
            "Age of the price table by service. Dashed where the alert warns.",
            Query(f"max by (service_name) ({select(semconv.PRICES_AGE)})", "{{service_name}}"),
            unit="s",
            nothing="No price table",
            pin=panels.PRICES,
        ),
    )


def _each(*queries: tuple[str, str, str]) -> list[Query]:
    """Queries of a counter's growth in five minutes, from its name, labels and legend."""
    return [
        Query(f"sum by ({by}) (increase({metric}[5m]))", legend) for metric, by, legend in queries
    ]


def _counts(title: str, about: str, *queries: tuple[str, str, str], **more: Any) -> Panel:
    return graph(title, about, *_each(*queries), unit="short", style="bars",
                 interval="5m", **more)  # fmt: skip


def _backends() -> tuple[Panel, ...]:
    return (
        _counts(
            "Rules that failed or came late",
            "Evaluations in five minutes. A rule that fails is an alert that cannot fire.",
            ("prometheus_rule_evaluation_failures_total", "rule_group", "failed {{rule_group}}"),
            ("prometheus_rule_group_iterations_missed_total", "rule_group", "late {{rule_group}}"),
            nothing="No failures",
            pin=panels.RULES,
        ),
        _counts(
            "Notifications",
            "What Alertmanager sent and failed to send in five minutes, and what Prometheus could "
            "not give to it. What is dropped is never sent.",
            ("alertmanager_notifications_total", "integration", "sent {{integration}}"),
            ("alertmanager_notifications_failed_total", "integration", "failed {{integration}}"),
            ("prometheus_notifications_errors_total", "job", "not taken from {{job}}"),
            ("prometheus_notifications_dropped_total", "job", "dropped by {{job}}"),
            nothing="Nothing was sent",
            pin=panels.NOTIFICATIONS,
        ),
        graph(
            "Targets up, configuration in force",
            "Up while Prometheus reaches a part of the stack, and while a program runs on the "
            "configuration that it was last given.",
            Query("min by (job) (up)", "{{job}}"),
            *(Query(f"min by (job) ({m})", "configuration of {{job}}") for m in RELOADED.values()),
            unit="none",
            defaults={"max": 1, "decimals": 0, "mappings": list(UP_OR_DOWN)},
            calcs=("lastNotNull", "min"),
            nothing="No target",
            pin=panels.TARGETS,
        ),
        _counts(
            "Storage",
            "Failures in five minutes to write or compact what is stored, and what was refused.",
            *(
                (metric, "job", what)
                for what, metric in (STORAGE_FAILURES | REFUSED_SAMPLES).items()
            ),
            nothing="No failures",
            pin=panels.STORAGE,
        ),
        *_memory(),
    )


def _memory() -> tuple[Panel, ...]:
    return (
        graph(
            "Series in memory",
            "Series in Prometheus' memory. A jump is a label that has begun to vary. Dashed where "
            "the alert warns and pages.",
            Query("sum by (job) (prometheus_tsdb_head_series)", "{{job}}"),
            unit="short",
            nothing=_NO_METRICS,
            pin=panels.SERIES,
        ),
        graph(
            "Memory",
            "What each part of the stack holds.",
            Query("sum by (job) (process_resident_memory_bytes)", "{{job}}"),
            unit="bytes",
            nothing=_NO_METRICS,
        ),
    )
