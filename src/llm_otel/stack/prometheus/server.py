"""`prometheus.yml`: how metrics come in, and where alerts go."""

from __future__ import annotations

from typing import Any, Final

from llm_otel.stack.config import Config
from llm_otel.stack.prometheus.pipeline import COLLECTOR_JOB, OTHER_JOBS

# Resource attributes that become labels of every series. Of the others `target_info` tells.
PROMOTED: Final = (
    "service.name",
    "service.namespace",
    "service.version",
    "deployment.environment.name",
)
_PORTS: Final = {
    COLLECTOR_JOB: 8888,
    "prometheus": 9090,
    "alertmanager": 9093,
    "tempo": 3200,
    "grafana": 3000,
}


def document(config: Config) -> dict[str, Any]:
    """The configuration of the server."""
    labels = {"external_labels": dict(config.external_labels)} if config.external_labels else {}
    return {
        "global": {
            "scrape_interval": "15s",
            "evaluation_interval": "1m",
            # Pushed samples arrive late: rules look half a minute back, or they see gaps.
            "rule_query_offset": "30s",
            **labels,
        },
        "otlp": {
            "translation_strategy": "UnderscoreEscapingWithSuffixes",
            "promote_resource_attributes": list(PROMOTED),
            "keep_identifying_resource_attributes": True,
        },
        "storage": {
            # As long as the Collector's queue may hold samples back: a night. What is older than an
            # hour is refused without it, as the scrapes after the start are newer.
            "tsdb": {"out_of_order_time_window": "1d"},
            "exemplars": {"max_exemplars": 100_000},
        },
        "rule_files": ["rules/*.yaml", "alerts/*.yaml"],
        "alerting": {"alertmanagers": [_static("alertmanager")]},
        "scrape_configs": [
            {"job_name": job, **_static(job)} for job in (COLLECTOR_JOB, *OTHER_JOBS)
        ],
    }


def _static(job: str) -> dict[str, Any]:
    return {"static_configs": [{"targets": [f"{job}:{_PORTS[job]}"]}]}
