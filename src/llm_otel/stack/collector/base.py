"""`collector/config.yaml`: what comes in is redacted before anything can keep it or send it on.

Each signal has two pipelines. `<signal>/in` receives and redacts; `<signal>/out` exports, and gets
nothing but what `<signal>/in` forwards. Configurations merge by key but a later list takes the
place of an earlier one: overlays that change how telemetry goes out name no list of `in`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llm_otel.stack.collector import allowed
from llm_otel.stack.collector.allowed import DATAPOINT, LOG, RESOURCE, SPAN, SPAN_EVENT
from llm_otel.stack.collector.ottl import transform, unknown_metric

SIGNALS: Final = ("traces", "metrics", "logs")
REDACTION: Final = ("transform/allow", "redaction/allow")
RESOURCE_REBUILT: Final = "groupbyattrs/rebuild"
# Before them stands what keeps the Collector alive or is cheaper when done first; behind them what
# drops the rest of a resource that OTTL has no path to.
PROCESSORS: Final = {
    "traces": ("memory_limiter", *REDACTION, RESOURCE_REBUILT),
    "metrics": ("memory_limiter", "filter/allow", *REDACTION, RESOURCE_REBUILT),
    "logs": ("memory_limiter", *REDACTION, RESOURCE_REBUILT),
}
FORWARD: Final = "forward/redacted"
TRACES_OUT: Final = "otlp_grpc/tempo"
METRICS_OUT: Final = "otlp_http/prometheus"
LOGS_OUT: Final = "file/events"
EXPORTERS: Final = {"traces": TRACES_OUT, "metrics": METRICS_OUT, "logs": LOGS_OUT}

_STORAGE: Final = "${env:COLLECTOR_STORAGE:-/var/lib/otelcol}"
_QUEUE: Final = "file_storage/queue"
_QUEUE_BYTES: Final = 536_870_912
_EVENT_DAYS: Final = 30

# Shapes of secrets. After `transform/allow` a value is one short word, so most are held against the
# whole of it: a pattern that may begin anywhere costs ten times as much.
_KEYS: Final = "(?:(?:sk|pk|rk|gsk|xai|gh[opsur]|github_pat|glpat|xox[abposr])[_-]|AKIA|AIza|eyJ)"
_CARDS: Final = "(?:4[0-9]{3}|5[1-5][0-9]{2}|6011)-?[0-9]{4}-?[0-9]{4}-?[0-9]{4}|3[47][0-9]{13}"
SECRETS: Final = (
    "@[A-Za-z0-9-]+[.][A-Za-z]",
    f"^(?:{_KEYS}[A-Za-z0-9._-]{{16,}}|{_CARDS})$",
)
# In content they may stand anywhere.
SECRETS_IN_TEXT: Final = (
    rf"\b{_KEYS}[A-Za-z0-9._-]{{16,}}",
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+[.][A-Za-z0-9.-]*[A-Za-z]",
    rf"\b(?:{_CARDS.replace('-?', '[ -]?')})\b",
)


def config(tags: Sequence[str] = ()) -> dict[str, Any]:
    """The whole base configuration; `tags` are the keys of tags that spans may have."""
    return {
        "receivers": {"otlp": _receiver()},
        "processors": {
            "memory_limiter": {
                "check_interval": "1s",
                "limit_percentage": "${env:COLLECTOR_MEMORY_PERCENT:-80}",
                "spike_limit_percentage": "${env:COLLECTOR_MEMORY_SPIKE_PERCENT:-20}",
            },
            "filter/allow": {
                "error_mode": "propagate",
                "metric_conditions": [{"context": "metric", "conditions": [unknown_metric()]}],
            },
            "transform/allow": transform(tags),
            "redaction/allow": redaction(tags),
            RESOURCE_REBUILT: {"keys": []},
        },
        "connectors": {FORWARD: {}},
        "exporters": _exporters(),
        "extensions": {
            "health_check": {"endpoint": "${env:COLLECTOR_HEALTH:-0.0.0.0:13133}"},
            _QUEUE: {"directory": f"{_STORAGE}/queue", "create_directory": True},
        },
        "service": _service(),
    }


def redaction(tags: Sequence[str] = (), content: Sequence[str] = ()) -> dict[str, Any]:
    """The configuration of the processor `redaction/allow`, the second layer.

    Args:
        tags: Keys of tags that are allowed, too.
        content: Keys of content, likewise.
    """
    tag_rules = (allowed.tags(tags), allowed.outcome_attributes(tags))
    keys = (RESOURCE, SPAN, *tag_rules, SPAN_EVENT, DATAPOINT, LOG, content)
    return {
        "allow_all_keys": False,
        "allowed_keys": list(dict.fromkeys(key for each in keys for key in each)),
        # `transform/allow` lets no type through but the one that a key has
        "redact_all_types": bool(content),
        "blocked_values": list(SECRETS),
        "summary": "silent",
    }


def queued(**settings: Any) -> dict[str, Any]:
    """An exporter's settings with a queue on disk; tries until it is rid of what it holds."""
    return {
        **settings,
        "sending_queue": {
            "storage": _QUEUE,
            "sizer": "bytes",
            "queue_size": _QUEUE_BYTES,
            "batch": {"sizer": "items", "flush_timeout": "200ms", "min_size": 8192},
        },
        "retry_on_failure": {"max_elapsed_time": 0},
    }


def _receiver() -> dict[str, Any]:
    return {
        "protocols": {
            "grpc": {"endpoint": "${env:COLLECTOR_OTLP_GRPC:-0.0.0.0:4317}"},
            "http": {"endpoint": "${env:COLLECTOR_OTLP_HTTP:-0.0.0.0:4318}"},
        }
    }


def _exporters() -> dict[str, Any]:
    return {
        TRACES_OUT: queued(
            endpoint="${env:TEMPO_OTLP_GRPC:-tempo:4317}",
            tls={"insecure": "${env:TEMPO_INSECURE:-true}"},
        ),
        METRICS_OUT: queued(
            endpoint="${env:PROMETHEUS_OTLP_HTTP:-http://prometheus:9090/api/v1/otlp}"
        ),
        LOGS_OUT: {
            "path": f"{_STORAGE}/events/events.jsonl",
            "create_directory": True,
            # with rotation each batch is written at once, without it a second later
            "rotation": {"max_megabytes": 64, "max_days": _EVENT_DAYS, "max_backups": 64},
        },
    }


def _service() -> dict[str, Any]:
    pipelines: dict[str, Any] = {}
    for signal in SIGNALS:
        pipelines[f"{signal}/in"] = {
            "receivers": ["otlp"],
            "processors": list(PROCESSORS[signal]),
            "exporters": [FORWARD],
        }
        pipelines[f"{signal}/out"] = {"receivers": [FORWARD], "exporters": [EXPORTERS[signal]]}
    return {
        "extensions": ["health_check", _QUEUE],
        "pipelines": pipelines,
        "telemetry": {
            # at `debug` the transform processor logs whole records, before it changes them
            "logs": {"level": "info"},
            "metrics": {"readers": [{"pull": {"exporter": {"prometheus": _own_metrics()}}}]},
        },
    }


def _own_metrics() -> dict[str, Any]:
    return {
        "host": "${env:COLLECTOR_METRICS_HOST:-0.0.0.0}",
        "port": "${env:COLLECTOR_METRICS_PORT:-8888}",
        "without_scope_info": True,
        "without_units": True,
        "without_type_suffix": True,
    }
