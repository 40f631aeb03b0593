"""The PromQL that the dashboards are made of.

Every selector holds the dashboards' variables, but for those whose label its metric lacks.
A variable at "All" is the pattern `.*`, which matches an absent label too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from llm_otel import semconv
from llm_otel.semconv import FEATURE, TENANT_ID, Metric
from llm_otel.stack.panels import VARIABLES
from llm_otel.stack.prometheus import budgets
from llm_otel.stack.prometheus.promql import SOURCE, total
from llm_otel.stack.prometheus.recording import SUMMARIES, errors, rates, requests, summary

ALL: Final = ".*"
BY_MODEL: Final = "service_model_provider"
BY_TENANT: Final = "service_tenant_feature"
BY_SCORED_MODEL: Final = "service_model"
_FIRING: Final = 'alertstate="firing"'


def filters(labels: Collection[str], *more: str) -> str:
    """Matchers for the variables among `labels`, then `more`; every series has a source."""
    names = (name for name in VARIABLES if name in SOURCE or name in labels)
    return ", ".join([*(f'{name}=~"${name}"' for name in names), *more])


def select(metric: Metric, *more: str, suffix: str = "") -> str:
    """The series that the variables choose.

    Args:
        metric: Of what.
        more: Further matchers.
        suffix: Of the name, such as `_count`.
    """
    return f"{metric.prometheus}{suffix}{{{filters(metric.labels, *more)}}}"


def recorded(detailed: str, level: str, *more: str, labels: Collection[str] = VARIABLES) -> str:
    """The hourly series: the sums of a level where they will do, else the detailed ones.

    The sums lack some labels, and have a tenth or a hundredth of the series. They are right while
    the variables of these labels are at "All". A matcher on the name tells the two cases apart: a
    variable at "All" (`.*`) lets the name end where it ends, any other has it end in something
    that no name ends in.

    Args:
        detailed: The name of the detailed series.
        level: Which of `SUMMARIES` has the labels that the query needs.
        more: Further matchers.
        labels: The variables that the detailed series have.
    """
    lacking = _lacking(SUMMARIES[level], labels)
    return (
        f'{{__name__=~"{detailed}|{summary(level, detailed)}{lacking}", '
        f'__name__!~"{detailed}{lacking}", {filters(labels, *more)}}}'
    )


def of_services(series: str) -> str:
    """A series that is recorded by source alone; none while another variable chooses."""
    return f'{{__name__=~"{series}{_lacking(SOURCE)}", {filters(())}}}'


def _lacking(level: Collection[str], labels: Collection[str] = VARIABLES) -> str:
    return "".join(f"${{{name}}}" for name in VARIABLES if name in labels and name not in level)


def summed(series: str, window: str, by: Sequence[str] = (), *, ago: str = "") -> str:
    """The sum of hourly values over a window that ends now, or some time `ago`."""
    return total(by, f"sum_over_time({series}[{window}]{_offset(ago)})")


def increase(metric: Metric, window: str, by: Sequence[str] = (), *more: str, ago: str = "") -> str:
    """What a counter grew by in a window that ends now, or some time `ago`."""
    return total(by, f"increase({select(metric, *more)}[{window}]{_offset(ago)})")


def unpriced(window: str, by: Sequence[str] = ()) -> str:
    """How many calls have an unknown or incomplete cost: no price for all, or no usage at all."""
    metrics = (semconv.REQUESTS_UNPRICED, semconv.USAGE_UNKNOWN_TOTAL)
    names = "|".join(metric.prometheus for metric in metrics)
    matchers = filters(semconv.REQUESTS_UNPRICED.labels)
    return total(by, f'increase({{__name__=~"{names}", {matchers}}}[{window}])')


def projected_month() -> str:
    """What the calendar month will have cost: of everything, or of the tenants or the features that
    are chosen. It is known of nothing else, so another choice finds nothing.

    A variable at "All" (`.*`) lets the scope's name end where it ends; see `recorded`.
    """
    name, own = budgets.MONTH_PROJECTED, {"tenant": TENANT_ID, "feature": FEATURE}

    def chosen(*variables: str) -> str:
        return "".join(f"${{{name}}}" for name in variables)

    parts = [f'{name}{{scope=~"total{chosen(*VARIABLES)}"}}']
    for scope, label in own.items():
        others = chosen(*(each for each in VARIABLES if each != label))
        parts.append(
            f'{name}{{scope=~"{scope}{others}", scope!~"{scope}{chosen(label)}", '
            f'{label}=~"${label}"}}'
        )
    return total((), " or ".join(parts))


def _offset(ago: str) -> str:
    return f" offset {ago}" if ago else ""


def over_range(
    metric: Metric, detailed: str, level: str, by: Sequence[str] = (), *more: str
) -> str:
    """What a counter grew by in the dashboard's time range.

    The hourly values; what has none yet, as in the first hour of a stack, has its last hour.
    """
    hourly = summed(recorded(detailed, level, *more), "$__range", by)
    return f"{hourly} or {increase(metric, '1h', by, *more)}"


def calls(window: str, by: Sequence[str]) -> str:
    """How many calls ended in an alert's window; of classic and of native histograms.

    While tenant and feature are at "All", it reads the recorded numbers; see `recorded`.
    """
    metric, small = semconv.REQUEST_DURATION, requests(window)
    classic = _either(
        small, f"{metric.prometheus}_count", metric.labels, f"increase({{}}[{window}])"
    )
    native = _guarded(metric.prometheus, metric.labels)
    return (
        f"({total(by, classic)} or {total(by, f'histogram_count(increase({native}[{window}]))')})"
    )


def failed(window: str, by: Sequence[str], *more: str) -> str:
    """How many calls failed in an alert's window; reads recorded numbers as `calls` does."""
    metric = semconv.ERRORS
    grown = f"increase({{}}[{window}])"
    return total(by, _either(errors(window), metric.prometheus, metric.labels, grown, *more))


def rate_of_calls(by: Sequence[str]) -> str:
    """Calls that ended, a second; of classic and of native histograms."""
    return _finished("rate", "$__rate_interval", by, semconv.REQUEST_DURATION.labels)


def ended(window: str, by: Sequence[str], labels: Collection[str]) -> str:
    """How many calls ended in any window; `labels` limits the variables that choose."""
    return _finished("increase", window, by, labels)


def _finished(function: str, window: str, by: Sequence[str], labels: Collection[str]) -> str:
    name, matchers = semconv.REQUEST_DURATION.prometheus, filters(labels)
    classic = total(by, f"{function}({name}_count{{{matchers}}}[{window}])")
    native = total(by, f"histogram_count({function}({name}{{{matchers}}}[{window}]))")
    return f"{classic} or {native}"


def observed(metric: Metric, window: str, by: Sequence[str], *more: str) -> str:
    """How often a histogram was recorded to, classic or native, of raw series."""
    count, native = (
        total(by, form.format(f"increase({select(metric, *more, suffix=suffix)}[{window}])"))
        for suffix, form in (("_count", "{}"), ("", "histogram_count({})"))
    )
    return f"({count} or {native})"


def raw_quantile(q: float | str, metric: Metric, window: str, by: Sequence[str]) -> str:
    """A quantile of a histogram, classic or native, of raw series: of few processes' steps."""
    classic = total(("le", *by), f"rate({select(metric, suffix='_bucket')}[{window}])")
    native = total(by, f"rate({select(metric)}[{window}])")
    return f"histogram_quantile({q}, {classic}) or histogram_quantile({q}, {native})"


def mean(metric: Metric, window: str, by: Sequence[str], *more: str) -> str:
    """The mean of a histogram's values in a window."""
    values, count, native = (
        total(by, f"increase({select(metric, *more, suffix=suffix)}[{window}])")
        for suffix in ("_sum", "_count", "")
    )
    return f"{values} / ({count} > 0) or histogram_avg({native})"


def quantile(q: float | str, metric: Metric, window: str, by: Sequence[str]) -> str:
    """A quantile of a histogram of calls, classic or native.

    While tenant and feature are at "All", it reads recorded rates; see `recorded`.

    Args:
        q: 0 to 1, or the variable that holds it.
        metric: The histogram.
        window: The time it is taken over.
        by: Labels to keep.
    """
    rate = f"rate({{}}[{window}])"
    classic, native = (
        _either(small, f"{metric.prometheus}{suffix}", metric.labels, rate)
        for small, suffix in zip(rates(metric, window), ("_bucket", ""))
    )
    return (
        f"histogram_quantile({q}, {total(('le', *by), classic)}) "
        f"or histogram_quantile({q}, {total(by, native)})"
    )


def _either(small: str, raw: str, labels: Collection[str], function: str, *more: str) -> str:
    """Recorded by service, model and provider, or a function of the raw series."""
    level = SUMMARIES[BY_MODEL]
    series = f'{{__name__=~"{small}{_lacking(level)}", {filters(level, *more)}}}'
    return f"{series} or {function.format(_guarded(raw, labels, *more))}"


def _guarded(raw: str, labels: Collection[str], *more: str) -> str:
    """Raw series, none while the recorded ones will do."""
    lacking = _lacking(SUMMARIES[BY_MODEL])
    return f'{{__name__="{raw}", __name__!~"{raw}{lacking}", {filters(labels, *more)}}}'


def exemplars(metric: Metric) -> str:
    """Has Grafana ask for a histogram's exemplars, and Prometheus for nothing else.

    Recorded series have no exemplars. So this names the raw ones, at a time without samples.
    """
    return f'{{__name__=~"{metric.prometheus}(_bucket)?", {filters(metric.labels)}}} @ 0'


def share(part: str, whole: str) -> str:
    """`part` / `whole`; 0 where there is no part, nothing where there is no whole."""
    return f"(({part}) or ({whole}) * 0) / (({whole}) > 0)"


def top(expr: str, function: str = "sum") -> str:
    """The series of a graph that matter most in its time range, as many as `topk` says.

    The rank is one for the whole graph: `topk` alone chooses anew at each point, and draws more
    series than it names.

    Args:
        expr: What the graph shows.
        function: How the points of a series make its rank: `sum` or `max`.
    """
    return f"({expr}) and {_highest(expr, function)}"


def others(expr: str) -> str:
    """The sum of the series that `top` leaves out; nothing where it leaves out none."""
    return f"sum(({expr}) unless {_highest(expr, 'sum')})"


def _highest(expr: str, function: str) -> str:
    """Those, and what is newer than the points by which they are ranked, as all is at first."""
    ranks = f"{function}_over_time(({expr})[$__range:$__interval] @ end())"
    return f"(topk($topk, {ranks}) or ({expr}) unless {ranks})"


def firing(*more: str) -> str:
    """The alerts that fire, but for the watchdog; one without a variable's label counts too."""
    return f"ALERTS{{{alerts_matching(_FIRING, *more)}}}"


def alerts_matching(*more: str) -> str:
    """Matchers for alerts; see `firing`."""
    return ", ".join(
        ['alertname!="Watchdog"', *more, *(f'{name}=~"${name}|"' for name in VARIABLES)]
    )


def either(label: str, values: Collection[str]) -> str:
    """A matcher for any of some plain words."""
    return f'{label}=~"{"|".join(values)}"'
