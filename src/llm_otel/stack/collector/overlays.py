"""Overlays of `collector/config.yaml`, for further `--config` options; they can be combined.

A list in an overlay takes the place of the base's. Those that change how telemetry goes out name
lists of the `out` pipelines only, where all is redacted already; `user-hash` names a list of `in`
and restates it whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from llm_otel import semconv
from llm_otel.stack.collector import base
from llm_otel.stack.collector.allowed import CONTENT, HASH
from llm_otel.stack.collector.ottl import transform
from llm_otel.stack.config import Config

_KAFKA: Final = "kafka/redacted"
_TOPICS: Final = {signal: f"llm-otel.{signal}" for signal in base.SIGNALS}
_BROKERS: Final = ["${env:KAFKA_BROKER:-kafka:9092}"]
_KEY: Final = "${file:${env:USER_ID_KEY_FILE:-/run/secrets/user_id_key}}"
_HASHING: Final = ("transform/user-id", "redaction/user-hash", "transform/user-hash")
_ANALYTICS: Final = "otlp_http/analytics"
# Half of the largest request that `llm-otel serve` takes: where content is let through, a backlog's
# batch of so many spans could be larger.
_ANALYTICS_BATCH: Final = {
    "sizer": "bytes",
    "flush_timeout": "200ms",
    "min_size": 4 << 20,
    "max_size": 32 << 20,
}
# A broker refuses a message over 1,048,588 bytes unless told otherwise, the exporter a record over
# 1,000,000, and drops it: a batch is one message.
_KAFKA_BATCH: Final = {
    "sizer": "bytes",
    "flush_timeout": "200ms",
    "min_size": 900_000,
    "max_size": 900_000,
}
_SAMPLING: Final = "tail_sampling"
_SLOW_MILLISECONDS: Final = 10_000
_COSTLY_USD: Final = 0.1


def off(_: Config) -> dict[str, Any]:
    """Changes nothing: stands where another overlay could."""
    return {}


def analytics(_: Config) -> dict[str, Any]:
    """Sends everything that is redacted to `llm-otel serve`, too, before it is sampled."""
    exporter = base.queued(endpoint="${env:ANALYTICS_OTLP_HTTP:-http://analytics:4318}")
    exporter["sending_queue"]["batch"] = _ANALYTICS_BATCH
    # of their own, so that no list of others is restated, and none that is takes these away
    pipelines = {
        f"{signal}/analytics": {"receivers": [base.FORWARD], "exporters": [_ANALYTICS]}
        for signal in base.SIGNALS
    }
    return {"exporters": {_ANALYTICS: exporter}, "service": {"pipelines": pipelines}}


def content(config: Config) -> dict[str, Any]:
    """Lets opted-in content through; secrets in it are still masked."""
    redaction = base.redaction(config.tags, content=tuple(CONTENT))
    redaction["blocked_values"] = list(base.SECRETS_IN_TEXT)
    return {
        "processors": {
            "transform/allow": transform(config.tags, content=True),
            "redaction/allow": redaction,
        }
    }


def user_hash(_: Config) -> dict[str, Any]:
    """Makes `user.id` of spans `user.hash`, as the library does with the same key."""
    plain = f'span.attributes["{semconv.USER_ID}"]'
    hashed = f'span.attributes["{semconv.USER_HASH}"]'
    # the processor hashes each line of a value by itself
    one_line = f'{plain} > "" and IsMatch({plain}, "^[^\\n]{{1,256}}$")'
    first, hmac, last = _HASHING
    processors = list(base.PROCESSORS["traces"])
    at = processors.index(base.REDACTION[0])
    return {
        "processors": {
            first: _spans(
                f'delete_key(span.attributes, "{semconv.USER_ID}") where not ({one_line})'
            ),
            hmac: {
                "allow_all_keys": True,
                "blocked_key_patterns": [f"^{semconv.USER_ID.replace('.', '[.]')}$"],
                "hash_function": "hmac-sha256",
                "hmac_key": _KEY,
                "summary": "silent",
            },
            last: _spans(
                f"set({hashed}, {plain})"
                f' where {hashed} == nil and IsMatch({plain}, "^{HASH.pattern}$")'
            ),
        },
        "service": {
            "pipelines": {
                "traces/in": {"processors": [*processors[:at], *_HASHING, *processors[at:]]}
            }
        },
    }


def tail_sampling(_: Config) -> dict[str, Any]:
    """Keeps the traces that failed, were slow or costly, and a share of the others."""
    cost = f'attributes["{semconv.COST_AMOUNT}"] > {_COSTLY_USD}'
    policies = {
        "failed": {"type": "status_code", "status_code": {"status_codes": ["ERROR"]}},
        "slow": {"type": "latency", "latency": {"threshold_ms": _SLOW_MILLISECONDS}},
        "costly": {"type": "ottl_condition", "ottl_condition": {"span": [cost]}},
        "others": {
            "type": "probabilistic",
            "probabilistic": {"sampling_percentage": "${env:TAIL_SAMPLING_PERCENT:-10}"},
        },
    }
    return {
        "processors": {
            _SAMPLING: {
                "decision_wait": "${env:TAIL_SAMPLING_WAIT:-30s}",
                "num_traces": "${env:TAIL_SAMPLING_TRACES:-50000}",
                "policies": [{"name": name, **policy} for name, policy in policies.items()],
            }
        },
        "service": {"pipelines": {"traces/out": {"processors": [_SAMPLING]}}},
    }


def kafka(_: Config) -> dict[str, Any]:
    """The first tier: what is redacted goes to Kafka."""
    exporter = base.queued(
        brokers=_BROKERS,
        # Each trace is a message of its own then, which costs the second tier three times as much.
        partition_traces_by_id="${env:KAFKA_TRACES_BY_ID:-false}",
        # every replica that keeps up has it, or it is sent again
        producer={"required_acks": -1},
        **{signal: {"topic": topic} for signal, topic in _TOPICS.items()},
    )
    exporter["sending_queue"]["batch"] = _KAFKA_BATCH
    out = {f"{signal}/out": {"exporters": [_KAFKA]} for signal in base.SIGNALS}
    return {"exporters": {_KAFKA: exporter}, "service": {"pipelines": out}}


def kafka_tier2(_: Config) -> dict[str, Any]:
    """The second tier: reads from Kafka, redacts once more, and exports."""
    receiver = {
        "brokers": _BROKERS,
        "group_id": "llm-otel",
        # What came before the group first read is not passed over.
        "initial_offset": "earliest",
        "autocommit": {"enable": False},
        "message_marking": {"after": True, "on_error": False},
        **{signal: {"topics": [topic]} for signal, topic in _TOPICS.items()},
    }
    into = {f"{signal}/in": {"receivers": [_KAFKA]} for signal in base.SIGNALS}
    return {"receivers": {_KAFKA: receiver}, "service": {"pipelines": into}}


OVERLAYS: Final[Mapping[str, Callable[[Config], dict[str, Any]]]] = MappingProxyType(
    {
        "off": off,
        "analytics": analytics,
        "content": content,
        "user-hash": user_hash,
        "tail-sampling": tail_sampling,
        "kafka": kafka,
        "kafka-tier2": kafka_tier2,
    }
)


def _spans(statement: str) -> dict[str, Any]:
    groups = [{"context": "span", "statements": [statement]}]
    return {"error_mode": "propagate", "trace_statements": groups}
