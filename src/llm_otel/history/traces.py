"""One day of one feature's traces, drawn all at once: a column is an array over traces × steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from llm_otel import semconv
from llm_otel.history import world
from llm_otel.history.arrays import Any1, Bools, Floats, Ints, pick
from llm_otel.history.world import MODELS, Feature, Step

_US: Final = 1_000_000
_SESSIONS_A_DAY: Final = 3
_OK, _ERROR, _CANCELLED = range(3)
STATUSES: Final = ("ok", "error", semconv.CANCELLED)
CHANNELS: Final = ("web", "mobile", "api")
_STREAMED: Final = frozenset({"support-chat", "search", "email-draft"})

_INPUT_RATE = np.array([m.input for m in MODELS]) / 1e6
_OUTPUT_RATE = np.array([m.output for m in MODELS]) / 1e6
_CACHED_RATE = np.array([m.cached for m in MODELS]) / 1e6
_FIRST_CHUNK = np.array([m.first_chunk_s for m in MODELS])
_SPEED = np.array([max(m.tokens_per_s, 1) for m in MODELS])
_CACHE_SHARE = np.array([m.cache_share for m in MODELS])
_PRICED = np.array([m.priced for m in MODELS])
_REASONS = np.array([m.name.startswith("gpt-5") for m in MODELS])
_IN_INCIDENT = np.array([m.provider == world.INCIDENT[0] for m in MODELS])


@dataclass(frozen=True)
class Day:
    """A day of the history: `number` from 0, `progress` the part of the history before it."""

    number: int
    start_us: int
    weekday: int
    progress: float
    incident: bool

    def after(self, moment: float) -> bool:
        """Whether a thing that began at this part of the history has begun."""
        return self.progress >= moment


@dataclass
class Traces:
    """Traces of one kind: arrays over traces, and what their steps share."""

    feature: int
    start_us: Ints
    tenant: Ints
    user: Ints
    session: Ints
    channel: Ints
    variant: Ints

    def __len__(self) -> int:
        return len(self.start_us)


def draw_traces(rng: np.random.Generator, index: int, count: int, day: Day) -> Traces:
    """When `count` traces of a feature began, and for which user."""
    feature = world.FEATURES[index]
    hours = world.OFFICE_HOURS if feature.follows_office_hours else (1.0,) * 24
    hour = pick(rng, hours, count)
    start = day.start_us + hour * 3600 * _US + (rng.random(count) * 3600 * _US).astype(np.int64)
    tenant = pick(rng, [1 / (n + 1) ** 0.9 for n in range(len(world.TENANTS))], count)
    person = pick(rng, [1 / (n + 2) ** 0.7 for n in range(world.USERS_PER_TENANT)], count)
    user = tenant * world.USERS_PER_TENANT + person
    newer = day.after(world.Story.new_prompt) and feature.prompt == world.NEW_PROMPT[0]
    return Traces(
        feature=index,
        start_us=start,
        tenant=tenant,
        user=user,
        session=user * _SESSIONS_A_DAY + rng.integers(0, _SESSIONS_A_DAY, count),
        channel=pick(rng, (0.6, 0.3, 0.1), count),
        variant=(rng.random(count) < 0.5).astype(np.int64) * int(newer),
    )


def draw_steps(rng: np.random.Generator, traces: Traces, day: Day) -> list[dict[str, Any1]]:
    """One record of arrays for each step, in the order of the spans; seconds from the trace's
    start until `close` has made them absolute."""
    feature = world.FEATURES[traces.feature]
    clock = np.zeros(len(traces))
    steps: list[dict[str, Any1]] = []
    chats = 0
    for step in feature.steps:
        clock = clock + 0.002 + rng.random(len(traces)) * 0.006
        if step.is_call:
            record = draw_call(rng, traces, day, feature, step, chats)
            chats += step.operation == world.CHAT
        else:
            seconds = step.seconds * rng.lognormal(0, 0.5, len(traces))
            record = {"seconds": seconds, "status": np.zeros(len(traces), np.int64)}
        record["offset"] = clock
        if step.seconds or step.is_call:
            clock = clock + record["seconds"]
        steps.append(record)
    _close(feature.steps, steps)
    return steps


def _close(shape: tuple[Step, ...], steps: list[dict[str, Any1]]) -> None:
    """A parent lasts until its last child ends, and fails where one failed."""
    for step, record in reversed(list(zip(shape, steps))):
        if step.parent < 0:
            continue
        parent = steps[step.parent]
        end = record["offset"] + record["seconds"] + 0.001
        parent["seconds"] = np.maximum(parent["seconds"], end - parent["offset"])
        parent["status"] = np.maximum(parent["status"], record["status"] == _ERROR)


def draw_call(
    rng: np.random.Generator, traces: Traces, day: Day, feature: Feature, step: Step, chats: int
) -> dict[str, Any1]:
    """The columns of a provider call; `chats` of its trace came before it."""
    size = len(traces)
    embeds = step.operation == world.EMBEDDINGS
    model = _models(rng, feature, size, embeds)
    input_tokens, output_tokens = _tokens(rng, feature, day, model, chats, embeds)
    hit = day.incident & _IN_INCIDENT[model] & _in_incident(traces.start_us, day)
    status, error = _errors(rng, hit)
    is_answered = (status != _ERROR) | (rng.random(size) < 0.12)
    input_tokens = input_tokens * is_answered
    output_tokens = np.where(status == _ERROR, output_tokens // 3, output_tokens) * is_answered
    cached = (rng.random(size) < 0.55) & (input_tokens > 1024)
    cache_read = (input_tokens * _CACHE_SHARE[model] * cached).astype(np.int64)
    retries = (rng.random(size) < np.where(hit, 0.45, world.RETRY_RATE)).astype(np.int64)
    retries += retries * (rng.random(size) < 0.3)
    load = rng.lognormal(0, 0.28, size) * np.where(hit, world.INCIDENT[4], 1.0)
    first = _FIRST_CHUNK[model] * load * (1 + input_tokens / 40_000)
    first += retries * (0.5 + rng.random(size))
    seconds = first + output_tokens / _SPEED[model] * rng.lognormal(0, 0.12, size)
    seconds = np.where(error == 1, 30.0 + rng.random(size), seconds)
    streams = feature.name in _STREAMED and not embeds
    return {
        "model": model,
        "status": status,
        "error": error,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cache_read_tokens": cache_read,
        "reasoning_tokens": (output_tokens * _REASONS[model] * rng.random(size) * 0.5).astype(int),
        "retries": retries,
        "seconds": seconds,
        "first_chunk": np.where(streams & (status != _ERROR), first, np.nan),
        "streaming": np.full(size, streams),
        "last": np.full(size, chats + 1 == sum(s.operation == world.CHAT for s in feature.steps)),
        "cost": _cost(day, model, input_tokens, output_tokens, cache_read),
    }


def _models(rng: np.random.Generator, feature: Feature, size: int, embeds: bool) -> Ints:
    if embeds:
        return np.full(size, world.EMBEDDER, dtype=np.int64)
    choices = np.array([world.MODEL_NAMES.index(name) for name in feature.models])
    return choices[pick(rng, list(feature.models.values()), size)]


def _tokens(
    rng: np.random.Generator, feature: Feature, day: Day, model: Ints, chats: int, embeds: bool
) -> tuple[Ints, Ints]:
    """Input and output tokens; the context of an agent grows with each turn."""
    size = len(model)
    if embeds:
        return rng.integers(8, 60, size), np.zeros(size, dtype=np.int64)
    wide, narrow = feature.input_tokens * (1 + 0.35 * chats), feature.output_tokens
    if feature.name == world.BLOAT[0] and day.after(world.Story.bloat):
        wide, narrow = wide * world.BLOAT[1], narrow * world.BLOAT[2]
    return (
        (wide * rng.lognormal(0, 0.45, size)).astype(np.int64) + 12,
        (narrow * rng.lognormal(0, 0.5, size)).astype(np.int64) + 1,
    )


def _in_incident(start_us: Ints, day: Day) -> Bools:
    _, hour, hours, _, _ = world.INCIDENT
    second = (start_us - day.start_us) / _US
    return np.asarray((second >= hour * 3600) & (second < (hour + hours) * 3600))


def _errors(rng: np.random.Generator, hit: Bools) -> tuple[Ints, Ints]:
    """(status, index of the error class; -1 for none)."""
    size = len(hit)
    failed = rng.random(size) < np.where(hit, world.INCIDENT[3], world.ERROR_RATE)
    usual = pick(rng, [share for _, _, share, _ in world.ERRORS], size)
    down = pick(rng, [share for *_, share in world.ERRORS], size)
    error = np.where(failed, np.where(hit, down, usual), -1)
    cancelled = ~failed & (rng.random(size) < 0.004)
    return np.where(failed, _ERROR, np.where(cancelled, _CANCELLED, _OK)), error


def _cost(day: Day, model: Ints, input_tokens: Ints, output_tokens: Ints, cached: Ints) -> Floats:
    """USD; not a number where the model has no price."""
    usd: Floats = (
        (input_tokens - cached) * _INPUT_RATE[model]
        + cached * _CACHED_RATE[model]
        + output_tokens * _OUTPUT_RATE[model]
    )
    if day.after(world.Story.price_change):
        dearer, factor = world.PRICE_CHANGE
        usd = np.where(model == world.MODEL_NAMES.index(dearer), usd * factor, usd)
    return np.where(_PRICED[model], usd, np.nan)
