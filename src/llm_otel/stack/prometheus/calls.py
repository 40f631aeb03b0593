"""The alerts on calls to models: slow, failing, refused, stuck, or gone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from llm_otel import semconv
from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.limits import Limits
from llm_otel.stack.prometheus import recording, usual
from llm_otel.stack.prometheus.alerts import Alert, Condition
from llm_otel.stack.prometheus.promql import SERVICE, matcher, observed, total

_WHO: Final = "{service_name}: {model} at {provider}"
_LLM: Final = "llm"


def _enough(limits: Limits) -> str:
    return f"{recording.requests(str(limits.window))} >= {limits.minimum:g}"


def _latency(_: Config, limits: Limits) -> Condition:
    return Condition(recording.latency(95, str(limits.window)), (_enough(limits),))


def _first_chunk(_: Config, limits: Limits) -> Condition:
    return Condition(recording.first_chunk(95, str(limits.window)), (_enough(limits),))


def _errors(_: Config, limits: Limits) -> Condition:
    return Condition(recording.error_ratio(str(limits.window)), (_enough(limits),))


def _share(*classes: str) -> Callable[[Config, Limits], Condition]:
    """The share of calls that ended in one of some classes of errors."""

    def condition(_: Config, limits: Limits) -> Condition:
        window = str(limits.window)
        selected = matcher(semconv.ERROR_TYPE_LABEL, classes)
        failed = total(recording.CALLER, f"{recording.errors(window)}{{{selected}}}")
        return Condition(f"{failed}\n/ {recording.requests(window)}", (_enough(limits),))

    return condition


def _no_money(_: Config, limits: Limits) -> Condition:
    # By provider: the models of one account run dry together.
    selected = matcher(semconv.ERROR_TYPE_LABEL, (semconv.INSUFFICIENT_FUNDS,))
    refused = f"{recording.errors(str(limits.window))}{{{selected}}}"
    return Condition(total((SERVICE, semconv.PROVIDER), refused))


def _headroom(_: Config, limits: Limits) -> Condition:
    by = ", ".join(recording.CALLER)
    traffic = f"on ({by}) {recording.requests(str(limits.window))} > 0"
    return Condition(recording.HEADROOM, (traffic,))


def _stuck(_: Config, limits: Limits) -> Condition:
    active, window = recording.ACTIVE, limits.window
    ended = recording.requests(str(window))
    return Condition(
        f"min_over_time({active}[{window}])",
        # Without the first the window may hold one sample; without the second, long calls count.
        (f"{active} offset {window} > 0", f"({active} unless {ended} > 0)"),
    )


def _traffic(_: Config, limits: Limits) -> Condition:
    now = observed(semconv.REQUEST_DURATION, "1h", (SERVICE,))
    then = f"min_over_time({usual.SERVICE_REQUESTS}[2h] offset 167h)"
    return Condition(f"(\n{now}\n)\n/ ({then} > 0)", (f"{then} >= {limits.minimum:g}",))


def _burn(long: str, short: str) -> Callable[[Config, Limits], Condition]:
    """How many times faster than allowed the errors come: the lesser of two windows.

    The SRE workbook, chapter 5, table 5-8: the short window ends the alert soon after the cause.
    """

    def condition(config: Config, limits: Limits) -> Condition:
        over_long, over_short = (
            f"{recording.slo_ratio(window)} / {1 - config.slo:.10g}" for window in (long, short)
        )
        step, span = (300, f"[{long}:5m]") if long.endswith("d") else (60, f"[{long}]")
        calls = f"{step} * sum_over_time({recording.REQUEST_RATE}{span})"
        return Condition(
            f"{over_long} <= {over_short}\nor\n{over_short}", (f"{calls} >= {limits.minimum:g}",)
        )

    return condition


def _by_class(key: str, name: str, what: str, meaning: str, classes: Sequence[str]) -> Alert:
    return Alert(
        key,
        name,
        _LLM,
        panels.CLASS_SHARE,
        f"{_WHO}: {{value}} of calls {what}",
        f"{meaning} This is counted over {{window}} with at least {{minimum}}.",
        _share(*classes),
    )


def _burning(long: str, short: str) -> Alert:
    return Alert(
        f"slo_{long}",
        "LLMErrorBudgetBurn",
        _LLM,
        panels.BURN_RATE,
        "{service_name}: errors use up the error budget {value} as fast as allowed",
        f"So it is over {long} and over {short}, with at least {{minimum}} in {long}."
        " At 1× the budget of 30 days lasts just 30 days.",
        _burn(long, short),
        labels={"window": long},
    )


ALERTS: Final[Sequence[Alert]] = (
    Alert(
        "latency",
        "LLMLatencyHigh",
        _LLM,
        panels.LATENCY,
        f"{_WHO} is slow: P95 is {{value}}",
        "One call in twenty took longer than that, of at least {minimum} in {window}.",
        _latency,
    ),
    Alert(
        "first_chunk",
        "LLMFirstChunkSlow",
        _LLM,
        panels.FIRST_CHUNK,
        f"{_WHO} begins to answer late: P95 of the first chunk is {{value}}",
        "People wait that long for the first word, in one stream of twenty over {window}.",
        _first_chunk,
    ),
    Alert(
        "errors",
        "LLMErrorShareHigh",
        _LLM,
        panels.ERROR_SHARE,
        f"{_WHO}: {{value}} of calls fail",
        "Only failures that count against the SLO, of at least {minimum} in {window}.",
        _errors,
    ),
    _by_class(
        "rate_limited", "LLMRateLimited", "are refused by the rate limit",
        "The provider answers 429: the quota is smaller than the traffic.",
        (semconv.RATE_LIMIT,),
    ),
    _by_class(
        "timeouts", "LLMTimeouts", "time out",
        "No answer came in the time that the client allows.",
        (semconv.TIMEOUT,),
    ),
    _by_class(
        "content_filter", "LLMContentFiltered", "are stopped by the provider's filter",
        "The filter stops prompts or answers; users see refusals.",
        (semconv.CONTENT_FILTER,),
    ),
    _by_class(
        "rejected", "LLMRequestsRejected", "are rejected as wrong",
        "The provider answers 400 or 404: the request is malformed or too long, or the model is"
        " gone. These do not count against the SLO.",
        (semconv.INVALID_REQUEST, semconv.NOT_FOUND),
    ),
    _by_class(
        "key_refused", "LLMKeyRefused", "are refused for their key",
        "The provider answers 401 or 403: the key is wrong, revoked, or may not use the model.",
        (semconv.AUTHENTICATION, semconv.PERMISSION),
    ),
    Alert(
        "insufficient_funds",
        "LLMInsufficientFunds",
        _LLM,
        panels.ERRORS_BY_CLASS,
        "{service_name}: the account at {provider} has no money left: {value} refused",
        "The provider answers 402 to every call, and will until the account is topped up. This is"
        " counted over {window}, of all models.",
        _no_money,
    ),
    Alert(
        "headroom",
        "LLMRateLimitNear",
        _LLM,
        panels.HEADROOM,
        f"{_WHO}: {{value}} of the {{limit}} limit is left",
        "The provider's own headers say so; at 0 it answers 429.",
        _headroom,
        below=True,
    ),
    Alert(
        "stuck",
        "LLMCallsStuck",
        _LLM,
        panels.ACTIVE,
        f"{_WHO}: {{value}} are open and none has ended",
        "For {window} there was always an open call, and not one came to its end.",
        _stuck,
    ),
    Alert(
        "traffic",
        "LLMTrafficLow",
        _LLM,
        panels.REQUESTS,
        "{service_name}: {value} of the calls of the same hour a week ago",
        "The last hour, against the quieter of the two recorded hours that overlap the same hour a"
        " week ago, which had at least {minimum}.",
        _traffic,
        below=True,
    ),
    _burning("1h", "5m"),
    _burning("6h", "30m"),
    _burning("1d", "2h"),
    _burning("3d", "6h"),
)  # fmt: skip
