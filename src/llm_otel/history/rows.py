"""The drawn arrays of a day as the tables `calls` and `spans` of the lake."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

import numpy as np
import pyarrow as pa

from llm_otel import semconv
from llm_otel.history import arrays, world
from llm_otel.history.arrays import Any1, Ints
from llm_otel.history.traces import CHANNELS, STATUSES, Day, Traces
from llm_otel.history.world import FEATURES, MODELS
from llm_otel.lake.schema import CALLS, SPANS

_US: Final = 1_000_000
_PREFIXES: Final = 5
_STEPS: Final = tuple((f, s) for f, feature in enumerate(FEATURES) for s in feature.steps)
_KINDS: Final = ("internal", "client")
_NONE: Final = -1
_CALL_NAMES: Final = tuple(
    f"{semconv.CHAT if place != world.EMBEDDER else semconv.EMBEDDINGS} {name}"
    for place, name in enumerate(world.MODEL_NAMES)
)


@dataclass
class Spans:
    """Every span of a day, flat and in the order of time; `call` marks the provider calls."""

    columns: dict[str, Any1]
    trace_ids: Any1
    span_ids: Any1
    parent_ids: Any1

    @property
    def call(self) -> Any1:
        """Which spans are provider calls."""
        return np.asarray(self.columns["model"] != _NONE)

    def __len__(self) -> int:
        return len(self.span_ids)

    def only(self, mask: Any1) -> Spans:
        """The spans that `mask` marks."""
        columns = {name: values[mask] for name, values in self.columns.items()}
        return Spans(columns, self.trace_ids[mask], self.span_ids[mask], self.parent_ids[mask])


_DEFAULTS: Final[dict[str, Any]] = {
    "model": _NONE, "error": -1, "input_tokens": 0, "output_tokens": 0, "cache_read_tokens": 0,
    "reasoning_tokens": 0, "retries": 0, "first_chunk": np.nan, "cost": np.nan,
    "streaming": False, "last": True,
}  # fmt: skip


def flatten(rng: np.random.Generator, groups: list[tuple[Traces, list[dict[str, Any1]]]]) -> Spans:
    """All steps of all traces of a day, sorted by time."""
    parts: list[dict[str, Any1]] = []
    ids: list[tuple[Any1, Any1, Any1]] = []
    step_number = 0
    for traces, steps in groups:
        trace_ids = rng.integers(0, 256, (len(traces), 16), dtype=np.uint8)
        span_ids = rng.integers(0, 256, (len(steps), len(traces), 8), dtype=np.uint8)
        shape = FEATURES[traces.feature].steps
        for number, record in enumerate(steps):
            parts.append(_part(traces, record, step_number + number))
            parent = shape[number].parent
            above = span_ids[parent] if parent >= 0 else np.zeros_like(span_ids[0])
            ids.append((trace_ids, span_ids[number], above))
        step_number += len(steps)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(columns["time"], kind="stable")
    trace, span, above = (np.concatenate(each)[order] for each in zip(*ids))
    return Spans({name: values[order] for name, values in columns.items()}, trace, span, above)


def _part(traces: Traces, record: dict[str, Any1], step: int) -> dict[str, Any1]:
    size = len(traces)
    part = {
        name: record[name] if name in record else np.full(size, default)
        for name, default in _DEFAULTS.items()
    }
    return part | {
        "time": traces.start_us + (record["offset"] * _US).astype(np.int64),
        "seconds": record["seconds"],
        "status": record["status"].astype(np.int64),
        "feature": np.full(size, traces.feature),
        "step": np.full(size, step),
        "tenant": traces.tenant,
        "user": traces.user,
        "session": traces.session,
        "channel": traces.channel,
        "variant": traces.variant,
    }


def _ids(spans: Spans) -> dict[str, Any]:
    rooted = ~spans.parent_ids.any(axis=1)
    parents = arrays.hex_ids(spans.parent_ids)
    return {
        "time": arrays.times(spans.columns["time"]),
        "trace_id": arrays.hex_ids(spans.trace_ids),
        "span_id": arrays.hex_ids(spans.span_ids),
        "parent_span_id": pa.compute.if_else(
            pa.array(rooted), pa.scalar(None, pa.string()), parents
        ),
    }


def _common(spans: Spans, day: Day) -> dict[str, Any]:
    """What calls and spans both say."""
    c = spans.columns
    errors = [name for name, *_ in world.ERRORS]
    date = datetime.fromtimestamp(day.start_us / _US, timezone.utc).strftime("%m%d")
    users = [f"user-{n:04d}" for n in range(len(world.TENANTS) * world.USERS_PER_TENANT)]
    sessions = [f"s{date}-{n:05d}" for n in range(len(users) * 3)]
    steps = [step for _, step in _STEPS]
    no_call = ~spans.call
    return _ids(spans) | {
        "service_name": arrays.words([f.service for f in FEATURES], c["feature"]),
        "environment": arrays.words(["production"], np.zeros(len(spans), np.int64)),
        "operation": arrays.words([step.operation for step in steps], c["step"]),
        "provider": arrays.words([m.provider for m in MODELS], c["model"], no_call),
        "model": arrays.words(world.MODEL_NAMES, c["model"], no_call),
        "tenant_id": arrays.words(world.TENANTS, c["tenant"]),
        "feature": arrays.words(world.FEATURE_NAMES, c["feature"]),
        "user": arrays.words(users, c["user"]),
        "session_id": arrays.words(sessions, c["session"]),
        "status": arrays.words(STATUSES, c["status"]),
        "error_type": arrays.words(errors, c["error"], c["error"] < 0),
        "duration_s": arrays.numbers(np.round(c["seconds"], 6)),
    }


def calls_table(spans: Spans, day: Day) -> pa.Table:
    """The provider calls among `spans`."""
    calls = spans.only(spans.call)
    c, size = calls.columns, len(calls)
    versions = [f"{3 + variant}" for variant in range(2)]
    prompts = [feature.prompt for feature in FEATURES]
    codes = np.array([code for _, code, *_ in world.ERRORS] + [200])
    embeds = c["model"] == world.EMBEDDER
    unpriced = np.isnan(c["cost"])
    unanswered = c["status"] == STATUSES.index("error")
    columns = _common(calls, day) | {
        "response_id": _response_ids(calls, unanswered),
        "name": arrays.words(_CALL_NAMES, c["model"]),
        "response_model": arrays.words(world.MODEL_NAMES, c["model"], unanswered),
        "tags": _tags(c["channel"], day),
        "status_code": arrays.numbers(codes[c["error"]], codes[c["error"]] == 0, pa.int32()),
        "finish_reasons": _finish_reasons(c, unanswered | embeds),
        "first_chunk_s": arrays.numbers(np.round(c["first_chunk"], 6), np.isnan(c["first_chunk"])),
        "cache_write_tokens": arrays.numbers(np.zeros(size, np.int64)),
        "cost_usd": arrays.numbers(c["cost"], unpriced),
        "cost_source": arrays.words([semconv.COST_FROM_TABLE], np.zeros(size, np.int64), unpriced),
        "streaming": arrays.numbers(c["streaming"]),
        "service_tier": arrays.words(["default"], np.zeros(size, np.int64), unanswered),
        "retries": arrays.numbers(c["retries"], kind=pa.int32()),
        "prompt_name": arrays.words(prompts, c["feature"], embeds),
        "prompt_version": arrays.words(versions, c["variant"], embeds),
        "prefix_hash": _prefixes(c, embeds),
        "scope": arrays.words([semconv.SCOPE], np.zeros(size, np.int64)),
        "instance": arrays.words([f"{f.service}-1" for f in FEATURES], c["feature"]),
        "release": arrays.words([_release(day)], np.zeros(size, np.int64)),
        "cost_status": arrays.words(
            [semconv.COST_UNPRICED], np.zeros(size, np.int64), ~unpriced | (c["input_tokens"] == 0)
        ),
    }
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "reasoning_tokens"):
        columns[name] = arrays.numbers(c[name], kind=pa.int64())
    return arrays.table(CALLS.schema, columns, size)


def spans_table(spans: Spans, day: Day) -> pa.Table:
    """All of `spans`, without content; what a step's span says beyond its columns is constant."""
    c, size = spans.columns, len(spans)
    steps = [step for _, step in _STEPS]
    client = spans.call.astype(np.int64)
    columns = _common(spans, day) | {
        "name": arrays.words(
            [*_CALL_NAMES, *(f"{s.operation} {s.name}" for s in steps)],
            np.where(spans.call, c["model"], c["step"] + len(_CALL_NAMES)),
        ),
        "kind": arrays.words(_KINDS, client),
        "scope": arrays.words([semconv.SCOPE], np.zeros(size, np.int64)),
        "attributes": arrays.words(
            [_attributes(feature, step) for feature, step in _STEPS], c["step"]
        ),
        "events": arrays.words(["[]"], np.zeros(size, np.int64)),
        "links": arrays.words(["[]"], np.zeros(size, np.int64)),
        "resource": arrays.words(
            [json.dumps({"service.name": f.service}) for f in FEATURES], c["feature"]
        ),
    }
    return arrays.table(SPANS.schema, columns, size)


def _attributes(feature: int, step: world.Step) -> str:
    attributes: dict[str, Any] = {semconv.OPERATION_NAME: step.operation}
    if step.operation == semconv.EXECUTE_TOOL:
        attributes[semconv.TOOL_NAME] = step.name
    if step.is_call:
        attributes[semconv.REQUEST_TEMPERATURE] = 0.2
        attributes[semconv.PROMPT_NAME] = FEATURES[feature].prompt
    return json.dumps(attributes)


def _response_ids(calls: Spans, unanswered: Any1) -> Any:
    ids = arrays.hex_ids(calls.span_ids[:, ::-1], "resp_")
    return pa.compute.if_else(pa.array(unanswered), pa.scalar(None, pa.string()), ids)


def _release(day: Day) -> str:
    return f"2026.{40 + day.number // 7}"


def _tags(channel: Ints, day: Day) -> Any:
    """{channel, release}: one map a call, the release a week."""
    size = len(channel)
    words = np.empty(size * 2, dtype=np.int64)
    words[0::2], words[1::2] = channel, len(CHANNELS)
    keys = arrays.words(["channel", "release"], np.tile([0, 1], size)).cast(pa.string())
    values = arrays.words([*CHANNELS, _release(day)], words).cast(pa.string())
    return pa.MapArray.from_arrays(np.arange(size + 1, dtype=np.int32) * 2, keys, values)


def _finish_reasons(c: dict[str, Any1], none: Any1) -> Any:
    has_reason = ~none
    reasons = np.where(
        c["status"] == STATUSES.index(semconv.CANCELLED), 2, np.where(c["last"], 0, 1)
    )
    offsets = np.concatenate([[0], np.cumsum(has_reason)]).astype(np.int32)
    values = arrays.words(["stop", "tool_calls", semconv.CANCELLED], reasons[has_reason])
    return pa.ListArray.from_arrays(offsets, values.cast(pa.string()))


def _prefixes(c: dict[str, Any1], embeds: Any1) -> Any:
    """The service that captures content says few different things first: prompts are templates."""
    captured = (c["feature"] == 0) & ~embeds & (c["input_tokens"] > 0)
    hashes = 7_000_000_000_000_001 + (c["tenant"] % _PREFIXES) * 977 + c["variant"] * 31
    return arrays.numbers(hashes.astype(np.int64), ~captured)
