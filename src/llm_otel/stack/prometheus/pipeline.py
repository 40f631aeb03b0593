"""The alerts on the telemetry itself: what goes missing here makes every other alert blind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from llm_otel import semconv
from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.limits import Limits
from llm_otel.stack.prometheus import recording
from llm_otel.stack.prometheus.alert import Alert, Condition
from llm_otel.stack.prometheus.promql import BY_SOURCE, SOURCE, grown, total, union

_TELEMETRY: Final = "telemetry"
COLLECTOR_JOB: Final = "otel-collector"
OTHER_JOBS: Final = ("prometheus", "alertmanager", "tempo", "grafana")

# What the Collector calls the records of each signal in its own metrics.
_RECORDS: Final = {"traces": "spans", "metrics": "metric_points", "logs": "log_records"}
_SIGNAL: Final = "data_type"

# Counters of Prometheus' storage, each of which means that data is lost or soon will be.
STORAGE_FAILURES: Final = {
    "writing the log": "prometheus_tsdb_wal_writes_failed_total",
    "a damaged log": "prometheus_tsdb_wal_corruptions_total",
    "cutting the log": "prometheus_tsdb_wal_truncations_failed_total",
    "cutting the head": "prometheus_tsdb_head_truncations_failed_total",
    "a checkpoint": "prometheus_tsdb_checkpoint_creations_failed_total",
    "compaction": "prometheus_tsdb_compactions_failed_total",
    "loading blocks": "prometheus_tsdb_reloads_failures_total",
}
REFUSED_SAMPLES: Final = {
    "too old": "prometheus_tsdb_too_old_samples_total",
    "out of order": "prometheus_tsdb_out_of_order_samples_total",
    "out of bounds": "prometheus_tsdb_out_of_bound_samples_total",
    "answered with an error": (
        'prometheus_http_requests_total{handler="/api/v1/otlp/v1/metrics",code=~"4..|5.."}'
    ),
}
RELOADED: Final = {
    "Prometheus": "prometheus_config_last_reload_successful",
    "Alertmanager": "alertmanager_config_last_reload_successful",
}


def _silent(_: Config, limits: Limits) -> Condition:
    series_count = recording.HEARD
    return Condition(
        # The recorded value has a time of its own: that of its last sample.
        f"time() - max_over_time(timestamp({series_count})[1d:1m])",
        (f"count_over_time({series_count}[1d]) >= {limits.minimum:g}",),
    )


def _counted(metric: semconv.Metric, *by: str) -> Callable[[Config, Limits], Condition]:
    def condition(_: Config, limits: Limits) -> Condition:
        return Condition(grown(metric, str(limits.window), (*SOURCE, *by)))

    return condition


def _overflow(_: Config, limits: Limits) -> Condition:
    folded = grown(semconv.LABELS_OVERFLOWED, str(limits.window), (*SOURCE, semconv.LABEL))
    by_sdk = f'count by ({BY_SOURCE}) ({{__name__=~"gen_ai_.*",otel_metric_overflow="true"}})'
    return Condition(f"{folded}\nor\n{union(semconv.LABEL, {'the SDK': by_sdk})}")


def _collector_down(_: Config, __: Limits) -> Condition:
    up = f'up{{job="{COLLECTOR_JOB}"}}'
    return Condition(f"({up} or 0 * absent({up}))")


def _targets(_: Config, __: Limits) -> Condition:
    return Condition(f'up{{job=~"{"|".join(OTHER_JOBS)}"}}')


def _records(metric: str, by: str) -> Callable[[Config, Limits], Condition]:
    """How many records the Collector counted; each signal has a metric of its own.

    The Collector opens these counters at their first failure, and a scrape tells no start time:
    what a series begins with while we look is added, as `increase` does not see it.
    """

    def condition(_: Config, limits: Limits) -> Condition:
        vectors = {}
        for signal, records in _RECORDS.items():
            name, window = f"otelcol_{metric}_{records}", limits.window
            watched = f'on (job, instance) up{{job="{COLLECTOR_JOB}"}} offset {window} == 1'
            born = f"({name} unless {name} offset {window} and {watched})"
            vectors[signal] = total((by,), f"{born} or increase({name}[{window}]) > 0")
        return Condition(union(_SIGNAL, vectors))

    return condition


def _queue(_: Config, __: Limits) -> Condition:
    by = f"exporter, {_SIGNAL}"
    return Condition(
        f"max by ({by}) (otelcol_exporter_queue_size / (otelcol_exporter_queue_capacity > 0))"
    )


def _stalled(_: Config, limits: Limits) -> Condition:
    window, by = limits.window, f"exporter, {_SIGNAL}"
    size = f"min by ({by}) (min_over_time(otelcol_exporter_queue_size[{window}]))"
    successes = union(
        _SIGNAL,
        {
            signal: total(("exporter",), f"increase(otelcol_exporter_sent_{records}[{window}])")
            for signal, records in _RECORDS.items()
        },
    )
    waited = f"min by ({by}) (otelcol_exporter_queue_size offset {window}) > 0"
    return Condition(f"{size}\nunless (({successes}) > 0)", (waited,))


def _increases(label: str, metrics: Mapping[str, str]) -> Callable[[Config, Limits], Condition]:
    def condition(_: Config, limits: Limits) -> Condition:
        vectors = {
            what: f"sum(increase({metric}[{limits.window}]))" for what, metric in metrics.items()
        }
        return Condition(union(label, vectors))

    return condition


def _rules(_: Config, limits: Limits) -> Condition:
    failures, missed = (
        total(("rule_group",), f"increase({metric}[{limits.window}])")
        for metric in (
            "prometheus_rule_evaluation_failures_total",
            "prometheus_rule_group_iterations_missed_total",
        )
    )
    return Condition(f"{failures} + {missed}")


def _notifications(_: Config, limits: Limits) -> Condition:
    window = limits.window
    # A reload of the configuration cancels what is under way, and it is sent again.
    delivered = f'alertmanager_notifications_failed_total{{reason!="contextCanceled"}}[{window}]'
    return Condition(
        union(
            "integration",
            {"Alertmanager": f"sum(increase(prometheus_notifications_errors_total[{window}]))"},
        )
        + f"\nor\nsum by (integration) (increase({delivered}))"
    )


def _series(_: Config, __: Limits) -> Condition:
    return Condition("max(prometheus_tsdb_head_series)")


def _configuration(_: Config, __: Limits) -> Condition:
    vectors = {program: f"min({metric})" for program, metric in RELOADED.items()}
    return Condition(union("program", vectors))


ALERTS: Final[Sequence[Alert]] = (
    Alert(
        key="silent",
        name="LLMTelemetrySilent",
        component=_TELEMETRY,
        panel=panels.SILENT_SERVICES,
        limits=Limits("s", warning=600, minimum=60, minimum_unit="minutes", for_="2m"),
        summary="{service_name} [has|had] sent nothing for {value}",
        description=(
            "It was heard for at least {minimum} of the last day. Its other alerts are blind."
        ),
        condition=_silent,
    ),
    Alert(
        key="internal_errors",
        name="LLMInstrumentationErrors",
        component=_TELEMETRY,
        panel=panels.LIBRARY,
        limits=Limits("errors", warning=0, window="1h", for_="0s"),
        summary="{service_name}: the instrumentation failed at {site}",
        description="The calls went on, but what was measured in {window} may be incomplete.",
        condition=_counted(semconv.INTERNAL_ERRORS, semconv.SITE),
    ),
    Alert(
        key="overflow",
        name="LLMLabelOverflow",
        component=_TELEMETRY,
        panel=panels.OVERFLOW,
        limits=Limits("values", warning=0, window="1h", for_="0s"),
        summary="{service_name}: values of {label} [are|were] folded into other",
        description=(
            "More values than the cap allows, or ill-formed ones, came in {window}; sums stay"
            " right, their split by label does not."
        ),
        condition=_overflow,
    ),
    Alert(
        key="collector_down",
        name="CollectorDown",
        component=_TELEMETRY,
        panel=panels.COLLECTOR_UP,
        limits=Limits("up", critical=1),
        summary="The Collector [does|did] not answer",
        description="No telemetry arrives. Programs drop what they cannot send.",
        condition=_collector_down,
        below=True,
    ),
    Alert(
        key="collector_refusing",
        name="CollectorRefusing",
        component=_TELEMETRY,
        panel=panels.COLLECTOR_REFUSED,
        limits=Limits("records", critical=0, window="5m"),
        summary="The Collector refused {value} of {data_type} at {receiver}",
        description="In {window}; it is out of memory, or a processor failed.",
        condition=_records("receiver_refused", "receiver"),
    ),
    Alert(
        key="collector_queue",
        name="CollectorQueueFull",
        component=_TELEMETRY,
        panel=panels.COLLECTOR_QUEUE,
        limits=Limits("share", warning=0.8),
        summary="The Collector's queue of {data_type} to {exporter} [is|was] {value} full",
        description="What comes when it is full is dropped.",
        condition=_queue,
        shows_levels=True,
    ),
    Alert(
        key="collector_stalled",
        name="CollectorExportStalled",
        component=_TELEMETRY,
        panel=panels.COLLECTOR_QUEUE,
        limits=Limits("batches", critical=0, window="10m"),
        summary="The Collector [gets|got] no {data_type} through to {exporter}",
        description="For {window} something waited in the queue and nothing was sent.",
        condition=_stalled,
    ),
    Alert(
        key="collector_failing",
        name="CollectorExportFailing",
        component=_TELEMETRY,
        panel=panels.COLLECTOR_FAILED,
        limits=Limits("records", warning=0, window="5m"),
        summary="The Collector gave up {value} of {data_type} to {exporter}",
        description="In {window}; the receiving end refused them for good.",
        condition=_records("exporter_send_failed", "exporter"),
    ),
    Alert(
        key="collector_dropping",
        name="CollectorDropping",
        component=_TELEMETRY,
        panel=panels.COLLECTOR_FAILED,
        limits=Limits("records", critical=0, window="5m", for_="0s"),
        summary="The Collector dropped {value} of {data_type} to {exporter}",
        description="In {window} they did not fit into the queue: they are lost.",
        condition=_records("exporter_enqueue_failed", "exporter"),
    ),
    Alert(
        key="target_down",
        name="StackTargetDown",
        component=_TELEMETRY,
        panel=panels.TARGETS,
        limits=Limits("up", warning=1),
        summary="{job} [does|did] not answer",
        description="Prometheus cannot scrape {instance}.",
        condition=_targets,
        below=True,
    ),
    Alert(
        key="rules_failing",
        name="PrometheusRulesFailing",
        component=_TELEMETRY,
        panel=panels.RULES,
        limits=Limits("failures", warning=0, window="5m", for_="10m"),
        summary="Rules of {rule_group} [fail or come|failed or came] late",
        description=(
            "In {window} evaluations failed or were left out; alerts of that group may not fire."
        ),
        condition=_rules,
    ),
    Alert(
        key="notifications_failing",
        name="NotificationsFailing",
        component=_TELEMETRY,
        panel=panels.NOTIFICATIONS,
        limits=Limits("failures", critical=0, window="10m"),
        summary="Alerts [do|did] not get through to {integration}",
        description=(
            "In {window} messages failed after their retries; somebody may not have been told."
        ),
        condition=_notifications,
    ),
    Alert(
        key="samples_refused",
        name="PrometheusRefusesSamples",
        component=_TELEMETRY,
        panel=panels.STORAGE,
        limits=Limits("requests", warning=0, window="10m", for_="15m"),
        summary="Prometheus [refuses|refused] samples: {why}",
        description="This goes on for longer than {window}; figures have holes.",
        condition=_increases("why", REFUSED_SAMPLES),
    ),
    Alert(
        key="storage",
        name="PrometheusStorageFailing",
        component=_TELEMETRY,
        panel=panels.STORAGE,
        limits=Limits("failures", critical=0, window="1h", for_="0s"),
        summary="Prometheus' storage [fails|failed]: {what}",
        description="In {window}; the disk is full or damaged, and metrics are being lost.",
        condition=_increases("what", STORAGE_FAILURES),
    ),
    Alert(
        key="series",
        name="PrometheusSeriesHigh",
        component=_TELEMETRY,
        panel=panels.SERIES,
        limits=Limits("series", warning=500_000, critical=1_500_000, for_="10m"),
        summary="Prometheus [holds|held] {value}",
        description="Each costs memory; a label with too many values is the usual cause.",
        condition=_series,
        shows_levels=True,
    ),
    Alert(
        key="configuration",
        name="ConfigurationRejected",
        component=_TELEMETRY,
        panel=panels.TARGETS,
        limits=Limits("accepted", warning=1),
        summary="{program} [runs|ran] on an old configuration",
        description="Its last reload failed: what was changed since is not in force.",
        condition=_configuration,
        below=True,
    ),
)
