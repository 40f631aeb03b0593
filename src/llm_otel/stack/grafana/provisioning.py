"""Grafana's datasources, and where it finds the dashboards."""

from __future__ import annotations

from typing import Any, Final

from llm_otel import semconv
from llm_otel.stack.generated import HEAD, dump
from llm_otel.stack.grafana.board import ATTRIBUTES
from llm_otel.stack.prometheus.promql import total

PROMETHEUS_UID: Final = "prometheus"
TEMPO_UID: Final = "tempo"
ALERTMANAGER_UID: Final = "alertmanager"
# How often the SDK exports; Grafana takes four of it for `$__rate_interval`.
EXPORT_INTERVAL: Final = "60s"
# Where the compose file mounts grafana/dashboards.
MOUNTED: Final = "/etc/grafana/dashboards"


def files() -> dict[str, str]:
    """The provisioning files: path and text."""
    return {
        f"grafana/provisioning/{path}": HEAD + dump(content)
        for path, content in (
            ("datasources/llm-otel.yaml", _datasources()),
            ("dashboards/llm-otel.yaml", _provider()),
        )
    }


def _provider() -> dict[str, Any]:
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": "llm-otel",
                "type": "file",
                "allowUiUpdates": False,
                "disableDeletion": True,
                "updateIntervalSeconds": 30,
                "options": {"path": MOUNTED, "foldersFromFilesStructure": True},
            }
        ],
    }


def _datasources() -> dict[str, Any]:
    common = {"access": "proxy", "editable": False, "orgId": 1}
    return {
        "apiVersion": 1,
        "prune": True,
        "datasources": [
            {
                "name": "Prometheus",
                "uid": PROMETHEUS_UID,
                "type": "prometheus",
                "url": "http://prometheus:9090",
                "isDefault": True,
                **common,
                "jsonData": _prometheus(),
            },
            {
                "name": "Tempo",
                "uid": TEMPO_UID,
                "type": "tempo",
                "url": "http://tempo:3200",
                **common,
                "jsonData": _tempo(),
            },
            {
                "name": "Alertmanager",
                "uid": ALERTMANAGER_UID,
                "type": "alertmanager",
                "url": "http://alertmanager:9093",
                **common,
                "jsonData": {"implementation": "prometheus", "handleGrafanaManagedAlerts": False},
            },
        ],
    }


def _prometheus() -> dict[str, Any]:
    return {
        "httpMethod": "POST",
        "prometheusType": "Prometheus",
        "timeInterval": EXPORT_INTERVAL,
        "manageAlerts": True,
        "alertmanagerUid": ALERTMANAGER_UID,
        "exemplarTraceIdDestinations": [
            {"name": "trace_id", "datasourceUid": TEMPO_UID, "urlDisplayLabel": "Open the trace"}
        ],
    }


def _tempo() -> dict[str, Any]:
    # `$$` is a literal `$` in provisioning files; Grafana replaces `$__tags` when a span is open.
    tags = [
        {"key": attribute.partition(".")[2], "value": label}
        for label, attribute in ATTRIBUTES.items()
    ]
    calls = semconv.REQUEST_DURATION.prometheus
    count, buckets, native = (
        f"rate({calls}{suffix}{{$$__tags}}[5m])" for suffix in ("_count", "_bucket", "")
    )
    queries = {
        "Calls a second": f"sum({count}) or histogram_count(sum({native}))",
        "P95": f"histogram_quantile(0.95, {total(('le',), buckets)}) "
        f"or histogram_quantile(0.95, sum({native}))",
        "Errors a second": f"sum(rate({semconv.ERRORS.prometheus}{{$$__tags}}[5m]))",
        "Cost, USD an hour": f"sum(increase({semconv.COST.prometheus}{{$$__tags}}[1h]))",
    }
    return {
        "tracesToMetrics": {
            "datasourceUid": PROMETHEUS_UID,
            "spanStartTimeShift": "-5m",
            "spanEndTimeShift": "5m",
            "tags": tags,
            "queries": [{"name": name, "query": query} for name, query in queries.items()],
        },
        "serviceMap": {"datasourceUid": PROMETHEUS_UID},
        "nodeGraph": {"enabled": True},
        "search": {"hide": False},
        "streamingEnabled": {"search": True, "metrics": True},
        "traceQuery": {
            "timeShiftEnabled": True,
            "spanStartTimeShift": "-1h",
            "spanEndTimeShift": "1h",
        },
    }
