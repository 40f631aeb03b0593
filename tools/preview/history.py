"""A past to look at: what a fleet of services would have sent, as OpenMetrics text.

The names, labels, kinds and buckets are those of the library's names module. The values follow a
working day and a seed, so the same call writes the same text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from llm_otel import semconv
from tools.preview.openmetrics import Writer

HOUR, DAY = 3600, 86400


@dataclass(frozen=True)
class Model:
    """What a model is like: seconds that half of its calls take, tokens, USD per million."""

    name: str
    provider: str
    median: float
    tokens: tuple[float, float]
    price: tuple[float, float]
    reasoning: float = 0.0
    cached: float = 0.0


@dataclass(frozen=True)
class Line:
    """One combination of labels, and its calls a second at noon."""

    service: str
    model: Model
    tenant: str
    feature: str
    pace: float
    operation: str = semconv.CHAT

    def labels(self) -> dict[str, str]:
        """The labels of its calls."""
        return {
            semconv.MODEL: self.model.name,
            semconv.PROVIDER: self.model.provider,
            semconv.OPERATION: self.operation,
            semconv.FEATURE: self.feature,
            semconv.TENANT_ID: self.tenant,
        }


_SOURCE = {"deployment_environment_name": "production"}
# How long ago a new version was released, in seconds.
_RELEASED = 3 * HOUR

MODELS = {
    "gpt-4o": Model("gpt-4o", "openai", 2.1, (1900, 240), (2.5, 10.0), cached=0.55),
    "gpt-4o-mini": Model("gpt-4o-mini", "openai", 1.1, (1500, 180), (0.15, 0.6), cached=0.4),
    "gpt-5-mini": Model("gpt-5-mini", "openai", 3.2, (900, 620), (0.25, 2.0), reasoning=0.45),
    "claude": Model("claude-sonnet-4-5", "anthropic", 2.6, (3200, 210), (3.0, 15.0), cached=0.7),
    "house": Model("house-llama-8b", "house", 0.7, (620, 90), (0.0, 0.0)),
    "embed": Model("text-embedding-3-small", "openai", 0.12, (420, 0), (0.02, 0.0)),
}
_TENANTS = {"acme": 1.0, "globex": 0.55, "initech": 0.2, "umbrella": 0.35}
_FEATURES = {
    "support": ("gpt-4o", 0.50), "search": ("gpt-4o-mini", 0.90),
    "summarise": ("gpt-5-mini", 0.30), "review": ("claude", 0.12), "ingest": ("house", 0.40),
}  # fmt: skip
_WORTH = {"support": 0.12, "search": 0.004, "summarise": 0.02, "review": 0.06, "ingest": 0.001}
# What a tenant's traffic grows by in a day.
_GROWTH = {"acme": 0.0, "globex": -0.012, "initech": 0.05, "umbrella": 0.02}
_ERRORS = {
    semconv.RATE_LIMIT: 0.006, semconv.TIMEOUT: 0.004, semconv.SERVER: 0.005,
    semconv.CONTENT_FILTER: 0.002, semconv.INVALID_REQUEST: 0.002,
}  # fmt: skip


def fleet() -> list[Line]:
    """Two services of four tenants."""
    chats = [
        Line("assistant" if feature != "review" else "reviewer", MODELS[model], tenant, feature,
             pace * share)
        for tenant, share in _TENANTS.items()
        for feature, (model, pace) in _FEATURES.items()
    ]  # fmt: skip
    embedding = [
        Line("assistant", MODELS["embed"], tenant, "search", 1.2 * share, semconv.EMBEDDINGS)
        for tenant, share in _TENANTS.items()
    ]
    return chats + embedding


@dataclass(frozen=True)
class Incident:
    """A provider in trouble: its calls slow down, and fail more."""

    provider: str
    start: int
    end: int
    slower: float = 3.5
    failure_factor: float = 14.0

    def at(self, provider: str, second: float) -> bool:
        """Whether a provider is in trouble."""
        return provider == self.provider and self.start <= second < self.end


def noon(second: float) -> float:
    """How busy people are, 0.15 to 1: by the hour of the day and the day of the week (UTC)."""
    hour, weekday = second % DAY / HOUR, second // DAY % 7
    busy = 0.15 + 0.85 * math.exp(-(((hour - 13) / 4.5) ** 2))
    return busy * (0.4 if weekday in (2, 3) else 1.0)  # 1970 began on a Thursday


class Past:
    """What a fleet sent in a span of time.

    Args:
        lines: The fleet.
        end: The last second; a whole hour.
        incident: What went wrong in it.
        seed: Of the noise.
    """

    def __init__(
        self, lines: Sequence[Line], end: int, incident: Incident | None = None, seed: int = 7
    ) -> None:
        self._lines, self._end, self._incident = lines, end, incident
        self._random = Random(seed)  # noqa: S311
        self._mood = dict.fromkeys(lines, 1.0)

    def write(self, path: Path, *, recent: int, since: int, step: int = 60) -> None:
        """Write every series.

        Args:
            path: The file.
            recent: Seconds before the end with all there is, every `step` seconds.
            since: Seconds before the end with what hourly sums need, every ten minutes.
            step: Seconds between two samples.
        """
        with path.open("w", encoding="utf-8") as out:
            writer = Writer(out)
            begin, turn = self._end - since, self._end - recent
            for at in (*range(begin, turn, 600), *range(turn, self._end + 1, step)):
                span = 600 if at < turn else step
                for line in self._lines:
                    self._calls(writer, line, at, span, everything=at >= turn)
                if at >= turn:
                    self._gauges(writer, at)
            writer.close()

    def _calls(self, writer: Writer, line: Line, at: int, span: int, *, everything: bool) -> None:
        model, labels = line.model, {**_SOURCE, "service_name": line.service, **line.labels()}
        self._mood[line] += 0.08 * (1 - self._mood[line]) + self._random.gauss(0, 0.03)
        grown = 1 + _GROWTH.get(line.tenant, 0.0) * (at - self._end + 14 * DAY) / DAY
        calls = line.pace * span * noon(at) * max(self._mood[line], 0.2) * grown
        trouble = self._incident is not None and self._incident.at(model.provider, at)
        slower, failure_factor = (
            (self._incident.slower, self._incident.failure_factor)
            if self._incident and trouble
            else (1.0, 1.0)
        )
        median = model.median * slower * (1 + 0.1 * math.sin(at / 5000 + len(line.tenant)))
        if everything:
            writer.observe(semconv.REQUEST_DURATION, labels, calls, median, at)
            if line.operation == semconv.CHAT:
                first = semconv.TIME_TO_FIRST_CHUNK
                writer.observe(first, labels, calls * 0.7, median * 0.25, at)
        else:
            writer.total(semconv.REQUEST_DURATION, labels, calls, median, at)
        self._usage(writer, line, labels, calls, at)
        for name, share in _ERRORS.items():
            error_labels = {**labels, semconv.ERROR_TYPE_LABEL: name}
            writer.add(semconv.ERRORS.prometheus, error_labels, calls * share * failure_factor, at)
        if line.operation == semconv.CHAT:
            self._verdicts(writer, line, calls, at, trouble=trouble)

    def _usage(
        self, writer: Writer, line: Line, labels: Mapping[str, str], calls: float, at: int
    ) -> None:
        model = line.model
        for kind, tokens, price in zip((semconv.INPUT, semconv.OUTPUT), model.tokens, model.price):
            if tokens:
                typed = {**labels, semconv.TOKEN_TYPE: kind}
                writer.add(semconv.TOKENS_CONSUMED.prometheus, typed, calls * tokens, at)
                if price:
                    usd = calls * tokens * price / 1e6
                    writer.add(semconv.COST.prometheus, typed, usd, at)
        if model.cached:
            cached = calls * model.tokens[0] * model.cached
            cache_labels = {**labels, semconv.CACHE: semconv.READ}
            writer.add(semconv.TOKENS_CACHED.prometheus, cache_labels, cached, at)
        if model.reasoning:
            spent = calls * model.tokens[1] * model.reasoning
            writer.add(semconv.TOKENS_REASONING.prometheus, labels, spent, at)
        if not model.price[0]:
            model_labels = {
                k: labels[k] for k in (*_SOURCE, "service_name", semconv.MODEL, semconv.PROVIDER)
            }
            writer.add(semconv.REQUESTS_UNPRICED.prometheus, model_labels, calls, at)

    def _verdicts(
        self, writer: Writer, line: Line, calls: float, at: int, *, trouble: bool
    ) -> None:
        own = {
            **_SOURCE,
            "service_name": line.service,
            semconv.FEATURE: line.feature,
            semconv.TENANT_ID: line.tenant,
        }
        kind = {**own, semconv.KIND: f"{line.feature}_done"}
        won = calls * (
            0.6 if trouble else 0.97 - 0.015 * len(line.feature) + 0.02 * math.sin(at / 9000)
        )
        for outcome, count in ((semconv.SUCCESS, won), (semconv.FAILURE, calls - won)):
            writer.add(semconv.OUTCOMES.prometheus, {**kind, semconv.OUTCOME: outcome}, count, at)
        worth = won * _WORTH.get(line.feature, 0.1)
        writer.add(semconv.OUTCOME_VALUE_USD.prometheus, kind, worth, at)
        score = (
            0.9 - (0.08 if trouble else 0) - 0.012 * len(line.feature) + 0.02 * math.sin(at / 20000)
        )
        scored = {**own, semconv.EVALUATION: "thumbs", semconv.MODEL: line.model.name}
        writer.total(semconv.EVALUATION_SCORE, scored, calls * 0.3, score, at)

    def _gauges(self, writer: Writer, at: int) -> None:
        for line in {(each.service, each.model): each for each in self._lines}.values():
            labels = {k: v for k, v in line.labels().items() if k in semconv.REQUESTS_ACTIVE.labels}
            labels |= {**_SOURCE, "service_name": line.service}
            active = line.pace * noon(at) * line.model.median * 3 * self._random.uniform(0.5, 1.5)
            writer.set(semconv.REQUESTS_ACTIVE.prometheus, labels, round(active), at)
            labels.pop(semconv.OPERATION)
            trouble = self._incident is not None and self._incident.at(line.model.provider, at)
            busy = noon(at) * (0.62 + 0.04 * math.sin(at / 900)) if not trouble else 0.96
            if line.model.provider != "house":
                for metric, value in zip(
                    semconv.RATELIMITS, (5000, 5000 * (1 - busy), 2e6, 2e6 * (1 - 0.8 * busy))
                ):
                    writer.set(metric.prometheus, labels, value, at)
        for service in {line.service for line in self._lines}:
            own = {**_SOURCE, "service_name": service}
            writer.set(semconv.PRICES_AGE.prometheus, own, 12.4 * DAY + at - self._end, at)
            release = "2.4.0" if self._end - at < _RELEASED else "2.3.1"
            version = {**own, semconv.VERSION: "2026-11-08", "service_version": release}
            writer.set(semconv.PRICES_VERSION.prometheus, version, 1, at)
            writer.add(semconv.INTERNAL_ERRORS.prometheus, {**own, semconv.SITE: "usage"}, 0, at)
            for label in (semconv.TENANT_ID, semconv.MODEL):
                more = 1.0 if label == semconv.TENANT_ID and at % 4000 < 60 else 0.0
                folded = {**own, semconv.LABEL: label}
                writer.add(semconv.LABELS_OVERFLOWED.prometheus, folded, more, at)
        stack(writer, at, noon(at))


def stack(writer: Writer, at: int, busy: float) -> None:
    """What the stack says of itself, as Prometheus scrapes it."""
    for job in ("otel-collector", "prometheus", "alertmanager", "tempo", "grafana"):
        own = {"job": job, "instance": f"{job}:1"}
        writer.set("up", own, 1, at)
        writer.set("process_resident_memory_bytes", own, (len(job) + 4 * busy) * 12e6, at)
    own = {"job": "otel-collector", "instance": "otel-collector:8888"}
    for signal, pace in (("spans", 21), ("metric_points", 60), ("log_records", 7)):
        for kind, share in (("receiver_accepted", 1.0), ("receiver_refused", 0.0)):
            labels = {**own, "receiver": "otlp", "transport": "http"}
            writer.add(f"otelcol_{kind}_{signal}", labels, share * pace * busy * 60, at)
        exporter = {**own, "exporter": "otlp_http"}
        writer.add(f"otelcol_exporter_send_failed_{signal}", exporter, 0, at)
        queue = {**exporter, "data_type": signal.partition("_")[0]}
        writer.set("otelcol_exporter_queue_size", queue, pace * busy, at)
        writer.set("otelcol_exporter_queue_capacity", queue, 1000, at)
    writer.set("otelcol_process_memory_rss", own, (90 + 60 * busy) * 1e6, at)
    writer.add("otelcol_process_cpu_seconds", own, 60 * 0.12 * busy, at)
    server = {"job": "prometheus", "instance": "prometheus:9090"}
    writer.set("prometheus_tsdb_head_series", server, 2400 + 300 * busy, at)
    writer.add("prometheus_rule_evaluation_failures_total", {**server, "rule_group": "llm"}, 0, at)
    alertmanager = {
        "job": "alertmanager",
        "instance": "alertmanager:9093",
        "integration": "webhook",
    }
    more = 1.0 if at % 7200 < 60 else 0.0
    writer.add("alertmanager_notifications_total", alertmanager, more, at)
    writer.add("alertmanager_notifications_failed_total", alertmanager, 0, at)
