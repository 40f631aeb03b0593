"""What is folded up below the home dashboard's three graphs."""

from __future__ import annotations

from typing import Final

from llm_otel import semconv
from llm_otel.semconv import (
    ERROR_TYPE_LABEL,
    FEATURE,
    INPUT,
    MODEL,
    OUTPUT,
    PROVIDER,
    READ,
    SLO_ERROR_CLASSES,
    TENANT_ID,
    TOKEN_TYPE,
    Metric,
)
from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.grafana import promql, shared, style
from llm_otel.stack.grafana.agents import agents
from llm_otel.stack.grafana.board import ATTRIBUTES, to_traces
from llm_otel.stack.grafana.model import Json, Panel, Query, Row
from llm_otel.stack.grafana.promql import either, filters, increase, select, share
from llm_otel.stack.grafana.style import colour, graph, override
from llm_otel.stack.grafana.tables import Column, table, traces
from llm_otel.stack.prometheus import alerts, recording
from llm_otel.stack.prometheus.promql import ENVIRONMENT, SERVICE

_ERROR_COLOURS: Final = {
    semconv.RATE_LIMIT: "orange",
    semconv.TIMEOUT: "purple",
    semconv.SERVER: "red",
    semconv.CONNECTION: "dark-red",
    semconv.INSUFFICIENT_FUNDS: "dark-purple",
    semconv.INVALID_REQUEST: "blue",
    semconv.CONTENT_FILTER: "yellow",
    semconv.CANCELLED: style.GREY,
}


_ALERT_LABELS: Final = {
    "alertname": "Alert",
    "severity": "Severity",
    ENVIRONMENT: "Environment",
    SERVICE: "Service",
    PROVIDER: "Provider",
    MODEL: "Model",
    FEATURE: "Feature",
    TENANT_ID: "Tenant",
}


def rows(config: Config) -> tuple[Row, ...]:
    """The rows, in the order in which somebody who was paged wants them."""
    return (
        Row("Alerts firing", (_firing(),)),
        Row("Errors", _errors(config)),
        Row("Traffic and time to first chunk", _traffic(config)),
        Row("Agents and tools", agents(config)),
        Row("Rate limits", _limits()),
        Row("Cached and reasoning tokens", _token_shares()),
        Row("Slow and failing traces", _traces(config)),
        Row("Quality", shared.quality(config, 8)),
    )


def _firing() -> Panel:
    """The list of alerts, the oldest first."""
    by = ", ".join(_ALERT_LABELS)
    active = f"ALERTS_FOR_STATE{{{promql.alerts_matching()}}}"
    return table(
        "Alerts that fire now",
        "The alerts that fire, for how long their condition has held, and where. What each means "
        "and what to do is in the runbook, above.",
        _ALERT_LABELS,
        Column(
            "Active for",
            f"max by ({by}) ((time() - {active}) and ignoring (alertstate) {promql.firing()})",
            "s",
        ),
        nothing="No alert fires",
        width=24,
        height=8,
        pin=panels.FIRING,
    )


def _errors(config: Config) -> tuple[Panel, ...]:
    over = alerts.of_panel(panels.ERROR_SHARE).window_in(config)
    slo_classes = either(ERROR_TYPE_LABEL, SLO_ERROR_CLASSES)
    by_class = (ERROR_TYPE_LABEL, MODEL)
    failed = promql.failed(over, [MODEL], slo_classes)
    return (
        graph(
            "Errors by class",
            f"Failed calls in the {over} before each point, by class.",
            Query(promql.failed(over, [ERROR_TYPE_LABEL]), "{{error_type}}"),
            unit="short",
            style="bars",
            interval=over,
            overrides=[override(f"^{k}$", color=colour(v)) for k, v in _ERROR_COLOURS.items()],
            calcs=("max", "lastNotNull"),
            nothing=style.NO_ERRORS,
            pin=panels.ERRORS_BY_CLASS,
            links=[to_traces("Failing traces", "status = error")],
        ),
        graph(
            "Error share by model",
            f"Share of the calls of {over} that failed, of the classes that count against the "
            "objective. Dashed where the alert warns and pages.",
            Query(promql.top(share(failed, promql.calls(over, [MODEL])), "max"), "{{model}}"),
            unit="percentunit",
            pin=panels.ERROR_SHARE,
            links=[_failing()],
        ),
        _burn_rate(config),
        _class_share(config),
        table(
            "Error trend: the last hour and the same hour a day before",
            "Failed calls by class and model. A class without a number on the right is new.",
            {ERROR_TYPE_LABEL: "Class", MODEL: "Model"},
            Column(
                "Last hour",
                increase(semconv.ERRORS, "1h", by_class),
                "locale",
                0,
                bar=True,
                total=True,
            ),
            Column(
                "A day before",
                increase(semconv.ERRORS, "1h", by_class, ago="1d"),
                "locale",
                0,
                total=True,
            ),
            traceql="status = error",
            nothing="No errors",
            width=12,
        ),
    )


def _class_share(config: Config) -> Panel:
    over = alerts.of_panel(panels.CLASS_SHARE).window_in(config)
    failed = promql.failed(over, [MODEL, ERROR_TYPE_LABEL])
    return graph(
        "Error share by class and model",
        f"Share of the calls of {over} that ended in each class of errors: refused by the rate "
        "limit, timed out, filtered, rejected. Dashed where the alert on rate limits warns.",
        Query(
            promql.top(
                f"{failed} / on (model) group_left () ({promql.calls(over, [MODEL])} > 0)", "max"
            ),
            "{{model}} {{error_type}}",
        ),
        unit="percentunit",
        nothing=style.NO_ERRORS,
        width=12,
        pin=panels.CLASS_SHARE,
        links=[_failing()],
    )


def _burn_rate(config: Config) -> Panel:
    allowed = round(1 - config.slo, 6)
    windows = [alert.labels["window"] for alert in alerts.ALERTS if alert.panel == panels.BURN_RATE]
    return graph(
        "Burn rate of the error budget",
        f"How many times faster than allowed errors use up the budget of 30 days ({allowed:.2%} of "
        "the calls), by service. Dashed where the alert on the burn of one hour pages.",
        *(
            Query(
                f"{recording.slo_ratio(span)}{{{filters(())}}} / {allowed:g}",
                f"{{{{service_name}}}} {span}",
            )
            for span in windows
        ),
        unit="none",
        defaults={"decimals": 1},
        pin=panels.BURN_RATE,
        links=[to_traces("Failing traces", "status = error", **{SERVICE: SERVICE})],
    )


def _failing() -> Json:
    return to_traces("Failing traces of this model", "status = error", **{MODEL: MODEL})


def _traffic(config: Config) -> tuple[Panel, ...]:
    over = alerts.of_panel(panels.FIRST_CHUNK).window_in(config)
    first_chunk = promql.quantile("$percentile", semconv.TIME_TO_FIRST_CHUNK, over, [MODEL])
    return (
        graph(
            "Calls by model",
            "Calls that ended, a second.",
            Query(promql.top(promql.rate_of_calls([MODEL])), "{{model}}"),
            unit="reqps",
            pin=panels.REQUESTS,
            links=[to_traces("Traces of this model", **{MODEL: MODEL})],
        ),
        graph(
            "Active calls",
            "Calls begun and not ended. It knows neither feature nor tenant.",
            Query(f"sum by (model) ({select(semconv.REQUESTS_ACTIVE)})", "{{model}}"),
            unit="short",
            style="stacked",
            nothing="No open calls",
            pin=panels.ACTIVE,
        ),
        graph(
            "Time to first chunk by model, ${percentile:text}",
            f"How long streamed calls took to begin over {over}, of the slowest models. Dashed "
            "where the alert on P95 warns and pages.",
            Query(promql.top(first_chunk, "max"), "{{model}}"),
            Query(promql.exemplars(semconv.TIME_TO_FIRST_CHUNK), exemplar=True),
            unit="s",
            custom={"fillOpacity": 0},
            nothing="No streams",
            pin=panels.FIRST_CHUNK,
            links=[to_traces("Traces of this model", **{MODEL: MODEL})],
        ),
    )


def _limits() -> tuple[Panel, ...]:
    headroom = f"{recording.HEADROOM}{{{filters((PROVIDER, MODEL))}}}"

    return (
        graph(
            "Rate-limit headroom",
            "Share of the provider's window that is left, of requests and of tokens, as its "
            "response headers say. Dashed where the alert warns: before the first refusal.",
            Query(
                f"min by (provider, model, limit) ({headroom})", "{{provider}} {{model}} {{limit}}"
            ),
            unit="percentunit",
            defaults={"max": 1},
            calcs=("lastNotNull", "min"),
            nothing="No provider reports limits",
            width=24,
            pin=panels.HEADROOM,
        ),
    )


def _token_shares() -> tuple[Panel, ...]:
    def of(part: Metric, matcher: str, whole: str) -> str:
        kind = f'{TOKEN_TYPE}="{whole}"'
        more = [matcher] if matcher else []
        tokens = increase(semconv.TOKENS_CONSUMED, "1h", [MODEL], kind)
        return f"{increase(part, '1h', [MODEL], *more)} / ({tokens} > 0)"

    cached = of(semconv.TOKENS_CACHED, f'{semconv.CACHE}="{READ}"', INPUT)
    return (
        graph(
            "Cached share of the input",
            "Input tokens of the last hour that the provider read from its cache, which are "
            "cheaper. A fall means that the beginning of a prompt has begun to change.",
            Query(cached, "{{model}}"),
            unit="percentunit",
            width=12,
        ),
        graph(
            "Reasoning share of the output",
            "Output tokens of the last hour that were spent on reasoning: paid for, never seen.",
            Query(of(semconv.TOKENS_REASONING, "", OUTPUT), "{{model}}"),
            unit="percentunit",
            width=12,
        ),
    )


def _traces(config: Config) -> tuple[Panel, ...]:
    limits = alerts.of_panel(panels.LATENCY).limits_in(config)
    slow = (limits.warning if limits else None) or 5
    calls = " && ".join(f'{ATTRIBUTES[name]} =~ "${name}"' for name in (SERVICE, PROVIDER, MODEL))
    columns = " | ".join(
        ["", f"select({', '.join(ATTRIBUTES[n] for n in (MODEL, FEATURE, semconv.TENANT_ID))})"]
    )
    return (
        traces(
            "Slow calls",
            f"Calls that took longer than {slow:g} s, by service, provider and model.",
            f"{{ {calls} && duration > {slow:g}s }}{columns}",
            width=12,
            height=10,
        ),
        traces(
            "Failing calls",
            "Calls that ended in an error, by service, provider and model.",
            f"{{ {calls} && status = error }}{columns}",
            width=12,
            height=10,
        ),
    )
