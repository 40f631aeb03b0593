"""Kubernetes: values for the upstream charts, rules and dashboards, from what Compose runs.

Nothing here is configured a second time: the Collector's settings, the rules, the messages and the
dashboards are those of the other parts, in the form that each chart or operator takes.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from textwrap import indent
from typing import Any, Final

import yaml

from llm_otel.stack import alertmanager, collector, grafana, prometheus
from llm_otel.stack.config import Config
from llm_otel.stack.doctor.endpoints import TEMPO
from llm_otel.stack.generated import HEAD, dump
from llm_otel.stack.prometheus import server

FOLDER: Final = "deploy/kubernetes"
COLLECTOR_IMAGE: Final = {
    "repository": "otel/opentelemetry-collector-contrib",
    "tag": "0.161.0",
}
_COLLECTOR: Final = "otel-collector"
_USER: Final = 10001
_LABELS: Final = {"app.kubernetes.io/part-of": "llm-otel"}
# Where things are: release `tempo` of tempo-distributed, and the name given to the other below.
_TEMPO: Final = "tempo-distributor:4317"
_TEMPO_QUERY: Final = f"http://tempo-query-frontend:{TEMPO.port}"
_PROMETHEUS: Final = "http://metrics-prometheus:9090/api/v1/otlp"
# Pods have a service account below /run/secrets, so that nothing else can be mounted there.
_SECRETS: Final = ("/run/secrets/", "/etc/llm-otel/secrets/")


def files(config: Config) -> dict[str, str]:
    """The generated files: path below the stack's folder → text."""
    documents = {
        "collector-values.yaml": [_collector(config)],
        "metrics-values.yaml": [dump(_metrics(config))],
        "rules.yaml": _rules(config),
        "dashboards.yaml": _dashboards(config),
    }
    return {f"{FOLDER}/{name}": HEAD + "---\n".join(each) for name, each in documents.items()}


def _under(key: str, text: str) -> str:
    """A file of another part under a key, as it stands there: comments, order and all."""
    return f"{key}\n{indent(text, '  ')}"


def _collector(config: Config) -> str:
    """Values of the chart opentelemetry-collector: a queue on a disk for each replica."""
    values = {
        "fullnameOverride": _COLLECTOR,
        "mode": "statefulset",
        "replicaCount": 2,
        "image": COLLECTOR_IMAGE,
        "extraEnvs": [
            {"name": "TEMPO_OTLP_GRPC", "value": _TEMPO},
            {"name": "PROMETHEUS_OTLP_HTTP", "value": _PROMETHEUS},
        ],
        "resources": {"limits": {"cpu": "2", "memory": "512Mi"}},
        "podSecurityContext": {"fsGroup": _USER},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "extraVolumeMounts": [{"name": "queue", "mountPath": "/var/lib/otelcol"}],
        "statefulset": {"volumeClaimTemplates": [_claim("queue", "10Gi")]},
        "ports": {
            **{name: {"enabled": False} for name in ("jaeger-compact", "jaeger-thrift")},
            **{name: {"enabled": False} for name in ("jaeger-grpc", "zipkin")},
            "metrics": {"enabled": True},
        },
        "serviceMonitor": {"enabled": True},
        "podDisruptionBudget": {"enabled": True, "minAvailable": 1},
    }
    # takes the place of the chart's own configuration instead of merging with it
    own = collector.files(config)["collector/config.yaml"]
    return dump(values) + _under("alternateConfig:", own)


def _claim(name: str, size: str) -> dict[str, Any]:
    request = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {"metadata": {"name": name}, "spec": request}


def _metrics(config: Config) -> dict[str, Any]:
    """Values of the chart kube-prometheus-stack: Prometheus, Alertmanager and Grafana."""
    return {
        "fullnameOverride": "metrics",
        "prometheus": {"prometheusSpec": _prometheus(config)},
        "alertmanager": _alertmanager(config),
        "grafana": {
            "grafana.ini": {
                "server": {"root_url": config.grafana_url},
                "analytics": {"reporting_enabled": False, "check_for_updates": False},
            },
            "sidecar": {"datasources": {"exemplarTraceIdDestinations": _EXEMPLARS}},
            "additionalDataSources": [_tempo_source(config)],
        },
    }


_EXEMPLARS: Final = {"datasourceUid": "tempo", "traceIdLabelName": "trace_id"}


def _tempo_source(config: Config) -> dict[str, Any]:
    """The data source of the compose file, at the address that it has here."""
    document = yaml.safe_load(
        grafana.files(config)["grafana/provisioning/datasources/llm-otel.yaml"]
    )
    (source,) = (each for each in document["datasources"] if each["uid"] == "tempo")
    return {**source, "url": _TEMPO_QUERY}


def _prometheus(config: Config) -> dict[str, Any]:
    document = server.document(config)
    flags = dict(flag.removeprefix("--").partition("=")[::2] for flag in prometheus.FLAGS)
    times, otlp, storage = document["global"], document["otlp"], document["storage"]
    return {
        "enableOTLPReceiver": "web.enable-otlp-receiver" in flags,
        "enableRemoteWriteReceiver": "web.enable-remote-write-receiver" in flags,
        "enableFeatures": flags["enable-feature"].split(","),
        "retention": flags["storage.tsdb.retention.time"],
        "additionalArgs": [{"name": "web.cors.origin", "value": re.escape(config.grafana_url)}],
        "scrapeInterval": times["scrape_interval"],
        "evaluationInterval": times["evaluation_interval"],
        "ruleQueryOffset": times["rule_query_offset"],
        "externalLabels": times.get("external_labels", {}),
        "otlp": {_camel(key): value for key, value in otlp.items()},
        "tsdb": {"outOfOrderTimeWindow": storage["tsdb"]["out_of_order_time_window"]},
        "exemplars": {"maxSize": storage["exemplars"]["max_exemplars"]},
        # else the chart only sees what carries the label of its own release
        "ruleSelectorNilUsesHelmValues": False,
        "serviceMonitorSelectorNilUsesHelmValues": False,
        "storageSpec": {"volumeClaimTemplate": {"spec": _claim("data", "100Gi")["spec"]}},
    }


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _alertmanager(config: Config) -> dict[str, Any]:
    texts = alertmanager.files(config)
    text = texts["alertmanager/alertmanager.yml"].replace(*_SECRETS)
    document = yaml.safe_load(text)
    document["templates"] = ["/etc/alertmanager/config/*.tmpl"]
    name = "llm-otel-notifications"
    return {
        "config": document,
        "templateFiles": {
            PurePosixPath(path).name: body for path, body in texts.items() if path.endswith(".tmpl")
        },
        "alertmanagerSpec": {
            "volumes": [{"name": name, "secret": {"secretName": name, "optional": True}}],
            "volumeMounts": [
                {"name": name, "mountPath": _SECRETS[1].rstrip("/"), "readOnly": True}
            ],
        },
    }


def _rules(config: Config) -> list[str]:
    """One PrometheusRule for each file of rules; the operator takes them as they are."""
    texts = prometheus.files(config)
    paths = [path for path in texts if path.startswith(("prometheus/rules/", "prometheus/alerts/"))]
    return [_rule(PurePosixPath(path), texts[path]) for path in paths]


def _rule(path: PurePosixPath, text: str) -> str:
    head = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": f"llm-otel-{path.parent.name}-{path.stem}", "labels": _LABELS},
    }
    return dump(head) + _under("spec:", text)


def _dashboards(config: Config) -> list[str]:
    """One ConfigMap for each dashboard, by the label that Grafana's sidecar looks for."""
    return [
        _config_map(PurePosixPath(path), text)
        for path, text in grafana.files(config).items()
        if path.startswith("grafana/dashboards/") and path.endswith(".json")
    ]


def _config_map(path: PurePosixPath, text: str) -> str:
    head = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": path.stem, "labels": {**_LABELS, "grafana_dashboard": "1"}},
    }
    return dump(head) + _under("data:", _under(f"{path.name}: |", text))
