"""Figures out of telemetry: sums come from the metrics, latencies from the spans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from examples.assistant.telemetry import Telemetry
from llm_otel import semconv
from llm_otel.semconv import Metric
from llm_otel.testing import Bill

# The metrics' label, and the attribute that says the same on a span.
LABELS = {
    semconv.PROVIDER: semconv.PROVIDER_NAME,
    semconv.MODEL: semconv.REQUEST_MODEL,
    semconv.TENANT_ID: semconv.TENANT_ID,
    semconv.FEATURE: semconv.FEATURE,
}
THUMBS, RELEVANCE = "thumbs", "relevance"
_PROVIDER_CALLS = (semconv.CHAT, semconv.GENERATE_CONTENT, semconv.EMBEDDINGS)
_INPUT = {semconv.TOKEN_TYPE: semconv.INPUT}
_OUTPUT = {semconv.TOKEN_TYPE: semconv.OUTPUT}


@dataclass(frozen=True)
class Row:
    """The figures of one provider, model, tenant or feature, or of everything.

    Attributes:
        requests, errors: Calls to providers, and those that failed.
        input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens: As billed.
        cost: USD, of the calls that have a price.
        unpriced: Calls whose cost is unknown or incomplete.
        p50, p95: Seconds.
        outcomes, successes: Interactions that ended, and those that did what they were for.
        value: USD that they brought.
        thumbs: Mean of the users' verdicts, 1 for up and 0 for down; None without any.
    """

    requests: int
    errors: int
    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: float
    unpriced: int
    p50: float
    p95: float
    outcomes: int
    successes: int
    value: float
    thumbs: float | None

    @property
    def success_rate(self) -> float | None:
        """Share of the interactions that succeeded."""
        return self.successes / self.outcomes if self.outcomes else None

    @property
    def cost_per_success(self) -> float | None:
        """USD for each interaction that succeeded, the failed ones' cost included."""
        return self.cost / self.successes if self.successes else None


class Figures:
    """What the telemetry of a run tells.

    Attributes:
        spans: All spans.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self.spans = telemetry.spans()
        self._calls = [span for span in self.spans if _is_provider_call(span)]
        self._points: dict[str, list[Any]] = {}
        for name, point in telemetry.points():
            self._points.setdefault(name, []).append(point)

    def row(self, **labels: str) -> Row:
        """The figures of what has these labels."""

        def total(metric: Metric, **more: str) -> float:
            return self._total(metric, {**labels, **more})

        seconds = sorted(seconds_of(span) for span in self._of(labels))
        return Row(
            requests=self._count(semconv.REQUEST_DURATION, labels),
            errors=int(total(semconv.ERRORS)),
            input_tokens=int(total(semconv.TOKENS_CONSUMED, **_INPUT)),
            cached_tokens=int(total(semconv.TOKENS_CACHED, cache=semconv.READ)),
            cache_write_tokens=int(total(semconv.TOKENS_CACHED, cache=semconv.WRITE)),
            output_tokens=int(total(semconv.TOKENS_CONSUMED, **_OUTPUT)),
            reasoning_tokens=int(total(semconv.TOKENS_REASONING)),
            cost=total(semconv.COST),
            unpriced=sum(_is_unpriced(span) for span in self._of(labels)),
            p50=_quantile(seconds, 0.50),
            p95=_quantile(seconds, 0.95),
            outcomes=int(total(semconv.OUTCOMES)),
            successes=int(total(semconv.OUTCOMES, outcome=semconv.SUCCESS)),
            value=total(semconv.OUTCOME_VALUE_USD),
            thumbs=self.score(THUMBS, **labels),
        )

    def by(self, label: str) -> dict[str, Row]:
        """A row for each value of a label, the most expensive first."""
        points = self._points.get(semconv.REQUEST_DURATION.name, ())
        values = {str(point.attributes[label]) for point in points}
        rows = {value: self.row(**{label: value}) for value in values}
        return dict(sorted(rows.items(), key=lambda item: (-item[1].cost, item[0])))

    def score(self, evaluation: str, **labels: str) -> float | None:
        """The mean of one kind of score; None without any."""
        wanted = {**labels, semconv.EVALUATION: evaluation}
        count = self._count(semconv.EVALUATION_SCORE, wanted)
        return self._total(semconv.EVALUATION_SCORE, wanted) / count if count else None

    def errors(self) -> dict[str, int]:
        """Failed calls by class, the most frequent first."""
        found: dict[str, int] = {}
        for point in self._points.get(semconv.ERRORS.name, ()):
            kind = str(point.attributes[semconv.ERROR_TYPE_LABEL])
            found[kind] = found.get(kind, 0) + int(point.value)
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def differences(self, bills: Mapping[str, Bill]) -> list[str]:
        """Where the providers count something else, by model; empty when all is the same."""
        rows = self.by(semconv.MODEL)
        found = []
        for model in sorted({*rows, *bills}):
            row = rows.get(model) or self.row(model=model)
            bill = bills.get(model, Bill())
            measured = Bill(
                answers=row.requests - row.errors,
                input_tokens=row.input_tokens,
                cached_tokens=row.cached_tokens,
                cache_write_tokens=row.cache_write_tokens,
                output_tokens=row.output_tokens,
                reasoning_tokens=row.reasoning_tokens,
            )
            if measured != bill:
                found.append(f"{model}: telemetry {measured}, provider {bill}")
        return found

    def _total(self, metric: Metric, labels: Mapping[str, str]) -> float:
        points = _matching(self._points.get(metric.name, ()), labels)
        histogram = metric.kind == "histogram"
        return sum((point.sum if histogram else point.value for point in points), 0.0)

    def _count(self, metric: Metric, labels: Mapping[str, str]) -> int:
        return sum(point.count for point in _matching(self._points.get(metric.name, ()), labels))

    def _of(self, labels: Mapping[str, str]) -> list[ReadableSpan]:
        wanted = {LABELS[label]: value for label, value in labels.items()}
        return [
            each for each in self._calls if wanted.items() <= dict(each.attributes or {}).items()
        ]


def _matching(points: Iterable[Any], labels: Mapping[str, str]) -> list[Any]:
    return [point for point in points if labels.items() <= dict(point.attributes).items()]


def _is_provider_call(span: ReadableSpan) -> bool:
    operation = (span.attributes or {}).get(semconv.OPERATION_NAME)
    return span.kind is SpanKind.CLIENT and operation in _PROVIDER_CALLS


def _is_unpriced(span: ReadableSpan) -> bool:
    attributes = span.attributes or {}
    missing = semconv.USAGE_INPUT_TOKENS in attributes and semconv.COST_AMOUNT not in attributes
    return missing or semconv.COST_STATUS in attributes


def seconds_of(span: ReadableSpan) -> float:
    """How long a span lasted."""
    return ((span.end_time or 0) - (span.start_time or 0)) / 1e9


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
