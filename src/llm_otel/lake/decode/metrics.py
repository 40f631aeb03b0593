"""OTLP metrics as rows of `metrics_hourly`: what each series gained, by hour."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from llm_otel import semconv
from llm_otel.lake.decode import agent_metrics
from llm_otel.lake.decode.errors import error_class
from llm_otel.lake.decode.names import agents
from llm_otel.lake.decode.omissions import leave_out
from llm_otel.lake.decode.series import Amount, Series
from llm_otel.lake.decode.spans import instance_of, source_of
from llm_otel.lake.decode.values import mapping, text
from llm_otel.lake.refusals import Refusals

# Metrics about model calls; all others are accepted and left out, but those of coding agents.
PREFIXES: Final = ("gen_ai.", "llm_otel.", "llm.")

_HOUR: Final = 3600 * 10**9
_CUMULATIVE: Final = 2
_NO_RECORDED_VALUE: Final = 1  # a flag: the series ended, and the value means nothing

# More than any process counts. Sums of these stay far from the limits of the columns.
_MOST: Final = 10**15
_MOST_USD: Final = 10**9

# Attribute -> column; the rest goes into `labels`.
_COLUMNS: Final = (
    semconv.MODEL,
    semconv.PROVIDER,
    semconv.OPERATION,
    semconv.FEATURE,
    semconv.TENANT_ID,
    semconv.TOKEN_TYPE,
    semconv.ERROR_TYPE_LABEL,
    semconv.CACHE,
    semconv.OUTCOME,
    semconv.KIND,
    semconv.EVALUATION,
)
_ATTRIBUTES: Final = {
    **{name: name for name in _COLUMNS},
    semconv.REQUEST_MODEL: semconv.MODEL,
    semconv.PROVIDER_NAME: semconv.PROVIDER,
    "gen_ai.system": semconv.PROVIDER,
    semconv.OPERATION_NAME: semconv.OPERATION,
    semconv.TOKEN_TYPE_B: semconv.TOKEN_TYPE,
    semconv.ERROR_TYPE: semconv.ERROR_TYPE_LABEL,
    semconv.EVALUATION_NAME: semconv.EVALUATION,
}

# What tells the rows of one use of tokens apart.
_TYPES: Final = (semconv.TOKEN_TYPE, semconv.CACHE)

Row = tuple[Any, ...]


class Metrics:
    """Gathers the gains of many requests.

    Args:
        series: The state, which it moves on.
        refusals: Counts the points that cannot be right.
    """

    def __init__(self, series: Series, refusals: Refusals) -> None:
        self._series = series
        self._refusals = refusals
        self._gains: dict[str, tuple[Row, Row, list[Any], str | None]] = {}
        # Tokens that no metric prices, by what their cost is of.
        self._unpriced: dict[str, tuple[Row, dict[str, Any], dict[str, float], str | None]] = {}

    def add(self, request: Any) -> None:
        """Take an ExportMetricsServiceRequest."""
        for resource in request.resource_metrics:
            said = mapping(resource.resource.attributes)
            source, instance = source_of(said), instance_of(said)
            if instance is not None and instance.startswith(semconv.DERIVED_INSTANCE):
                continue  # made of the spans of a lake, most often of this one
            about = sorted(said.items())
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    identity = [about, scope.scope.name]
                    if metric.name.startswith(PREFIXES):
                        self._metric(metric, source, identity, instance)
                    elif metric.name in agents.METRICS:
                        self._agent_metric(metric, source, identity, instance)
                    else:
                        leave_out("metric", metric.name, "it counts no requests, tokens or money")

    def rows(self) -> list[Row]:
        """The rows of the table `metrics_hourly`, one for each series and hour with a gain."""
        self._price()
        return [
            (*head, *labels, total, count, bounds or None, buckets or None, instance)
            for head, labels, (total, count, bounds, buckets), instance in self._gains.values()
            if total or count
        ]

    def _metric(self, metric: Any, source: Row, about: list[Any], instance: str | None) -> None:
        for kind, time, attributes, gain, bounds in self._points(metric, about):
            self._count(
                _head(time, metric.name, kind, source), _labels(attributes), gain, bounds, instance
            )

    def _agent_metric(
        self, metric: Any, source: Row, about: list[Any], instance: str | None
    ) -> None:
        """Count a metric of an agent for those of ours that it stands for."""
        if _points(metric)[0] == "gauge":
            leave_out("metric", metric.name, "it is a gauge, and only counters add up")
            return
        for _, time, attributes, gain, _ in self._points(metric, about):
            total = Amount(gain.sum)
            for name, labels, field in agent_metrics.standing_for(metric.name, attributes):
                head = _head(time, name, "counter", source)
                self._count(head, _labels(labels), total, [], instance)
                if field is not None:
                    whole = {key: labels[key] for key in labels if key not in _TYPES}
                    key = text([head[0], source, sorted(whole.items()), instance])
                    cost = _head(time, semconv.COST.name, "counter", source)
                    known = self._unpriced.setdefault(key, (cost, whole, {}, instance))
                    known[2][field] = known[2].get(field, 0) + gain.sum

    def _price(self) -> None:
        """Count the cost of the tokens that no metric prices."""
        for head, labels, usage, instance in self._unpriced.values():
            provider, model = labels.get(semconv.PROVIDER), labels.get(semconv.MODEL)
            cost = agent_metrics.cost_of(provider, model, usage)
            if cost is not None:
                self._count(head, _labels(labels), Amount(cost), [], instance)
        self._unpriced.clear()

    def _points(
        self, metric: Any, about: list[Any]
    ) -> Iterator[tuple[str, int, dict[str, Any], Amount, list[float]]]:
        """Kind, time, attributes, gain and bounds of each point that adds anything."""
        kind, cumulative, points = _points(metric)
        for point, amount, bounds in points:
            if point.flags & _NO_RECORDED_VALUE:
                continue
            if fault := _fault(metric.name, kind, amount):
                self._refusals.add(fault, f"{metric.name} is {amount.sum!r:.40}")
                continue
            attributes = mapping(point.attributes)
            identity = [about, metric.name, sorted(attributes.items(), key=lambda pair: pair[0])]
            time = point.time_unix_nano
            start = time if kind == "gauge" else point.start_time_unix_nano
            gain = self._series.gain(identity, start, time, amount, cumulative=cumulative)
            if gain is not None:
                yield kind, time, attributes, gain, bounds if gain.buckets else []

    def _count(
        self, head: Row, labels: Row, gain: Amount, bounds: list[float], instance: str | None
    ) -> None:
        key = text([head, labels, bounds, instance])
        known = self._gains.get(key)
        if known is None:
            amounts = [gain.sum, gain.count, bounds, list(gain.buckets)]
            self._gains[key] = (head, labels, amounts, instance)
            return
        held = known[2]
        held[0] += gain.sum
        held[1] = None if gain.count is None else (held[1] or 0) + gain.count
        held[3] = [one + other for one, other in zip(held[3], gain.buckets)]


def _head(time: int, name: str, kind: str, source: Row) -> Row:
    return (time // _HOUR * (_HOUR // 1000), name, kind, *source)


def _points(metric: Any) -> tuple[str, bool, Iterator[tuple[Any, Amount, list[float]]]]:
    """Kind, whether cumulative, and each point with what it holds and its bounds."""
    form = metric.WhichOneof("data")
    if form == "sum" and metric.sum.is_monotonic:
        cumulative = metric.sum.aggregation_temporality == _CUMULATIVE
        return "counter", cumulative, ((p, Amount(_number(p)), []) for p in metric.sum.data_points)
    if form in ("sum", "gauge"):
        samples = getattr(metric, form).data_points
        return "gauge", False, ((p, Amount(_number(p), 1), []) for p in samples)
    if form == "histogram":
        cumulative = metric.histogram.aggregation_temporality == _CUMULATIVE
        return "histogram", cumulative, map(_spread, metric.histogram.data_points)
    if form == "exponential_histogram":
        data = metric.exponential_histogram
        cumulative = data.aggregation_temporality == _CUMULATIVE
        return "histogram", cumulative, ((p, Amount(p.sum, p.count), []) for p in data.data_points)
    return "", False, iter(())


def _fault(name: str, kind: str, amount: Amount) -> str | None:
    """What is wrong with what a point holds, as a kind of refusal; None where nothing is.

    A counter that only rises has no negative value and no negative gain: that is a fault of its
    sender, not a refund.
    """
    most = _MOST_USD if "cost" in name else _MOST
    if not abs(amount.sum) <= most or (amount.count or 0) > _MOST:
        return "metric point"
    if any(number > _MOST for number in amount.buckets):
        return "metric point"
    return "counter below zero" if kind == "counter" and amount.sum < 0 else None


def _spread(point: Any) -> tuple[Any, Amount, list[float]]:
    """A point of a histogram; its buckets only where they fit their bounds."""
    bounds = list(point.explicit_bounds)
    fits = len(point.bucket_counts) == len(bounds) + 1 and all(map(math.isfinite, bounds))
    if not fits:
        return point, Amount(point.sum, point.count), []
    return point, Amount(point.sum, point.count, tuple(point.bucket_counts)), bounds


def _number(point: Any) -> float:
    return float(point.as_int if point.WhichOneof("value") == "as_int" else point.as_double)


def _labels(attributes: dict[str, Any]) -> Row:
    """The label columns, and all other labels as a map; `none` is NULL."""
    known: dict[str, Any] = {}
    others = []
    for name, value in attributes.items():
        word = value if isinstance(value, str) else text(value)
        column = _ATTRIBUTES.get(name)
        if column is None:
            others.append((name, word))
        elif word == semconv.NONE:
            continue
        elif column == semconv.ERROR_TYPE_LABEL and word not in semconv.ERROR_CLASSES:
            # a program's own counter, by the names of its SDK
            known[column] = error_class(word)
        else:
            known[column] = word
    ordered = (known.get(name) for name in ("operation", "provider", "model"))
    return (*ordered, *(known.get(name) for name in _COLUMNS[3:]), others or None)
