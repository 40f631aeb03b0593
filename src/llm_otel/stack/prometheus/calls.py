"""The alerts on calls to models: slow, failing, refused, stuck, or gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from llm_otel import semconv
from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.limits import Limits
from llm_otel.stack.prometheus import recording, usual
from llm_otel.stack.prometheus.alert import Alert, Condition
from llm_otel.stack.prometheus.promql import SOURCE, matcher, observed, total

_WHO: Final = "{service_name}: {model} at {provider}"
_LLM: Final = "llm"


def _per_call(
    unit: str, warning: float, critical: float | None = None, *, by_model: bool = False
) -> Limits:
    """The limits of what is taken over ten minutes of calls; `by_model`: models can have others."""
    models: Mapping[str, Mapping[str, float]] | None = MappingProxyType({}) if by_model else None
    return Limits(unit, None, warning, critical, window="10m", minimum=20, models=models)


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
    errors = f"{recording.errors(str(limits.window))}{{{selected}}}"
    return Condition(total((*SOURCE, semconv.PROVIDER), errors))


def _headroom(_: Config, limits: Limits) -> Condition:
    by = ", ".join(recording.CALLER)
    traffic = f"on ({by}) {recording.requests(str(limits.window))} > 0"
    return Condition(recording.HEADROOM, (traffic,))


def _stuck(_: Config, limits: Limits) -> Condition:
    active, window = recording.ACTIVE, limits.window
    completions = recording.requests(str(window))
    return Condition(
        f"min_over_time({active}[{window}])",
        # Without the first the window may hold one sample; without the second, long calls count.
        (f"{active} offset {window} > 0", f"({active} unless {completions} > 0)"),
    )


def _traffic(_: Config, limits: Limits) -> Condition:
    now = observed(semconv.REQUEST_DURATION, "1h", SOURCE)
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


def _by_class(
    key: str,
    name: str,
    limits: Limits,
    what: str,
    meaning: str,
    classes: Sequence[str],
    *,
    shows_levels: bool = False,
) -> Alert:
    """An alert on the share of the calls that end in some classes of errors."""
    return Alert(
        key=key,
        name=name,
        component=_LLM,
        panel=panels.CLASS_SHARE,
        limits=limits,
        summary=f"{_WHO}: {{value}} of calls {what}",
        description=f"{meaning} This is counted over {{window}} with at least {{minimum}}.",
        condition=_share(*classes),
        shows_levels=shows_levels,
    )


def _burning(
    long: str,
    short: str,
    *,
    warning: float | None = None,
    critical: float | None = None,
    shows_levels: bool = False,
) -> Alert:
    """An alert on the burn rate; a level times the share of errors that the objective allows."""
    return Alert(
        key=f"slo_{long}",
        name="LLMErrorBudgetBurn",
        component=_LLM,
        panel=panels.BURN_RATE,
        limits=Limits("times", None, warning, critical, minimum=50, for_="2m"),
        summary="{service_name}: errors [use|used] up the error budget {value} as fast as allowed",
        description=(
            f"So it is over {long} and over {short}, with at least {{minimum}} in {long}."
            " At 1× the budget of 30 days lasts just 30 days."
        ),
        condition=_burn(long, short),
        shows_levels=shows_levels,
        labels={"window": long},
    )


ALERTS: Final[Sequence[Alert]] = (
    Alert(
        key="latency",
        name="LLMLatencyHigh",
        component=_LLM,
        panel=panels.LATENCY,
        limits=_per_call("s", 5, 10, by_model=True),
        summary=f"{_WHO} [is|was] slow: P95 [is|was] {{value}}",
        description="One call in twenty took longer than that, of at least {minimum} in {window}.",
        condition=_latency,
        shows_levels=True,
    ),
    Alert(
        key="first_chunk",
        name="LLMFirstChunkSlow",
        component=_LLM,
        panel=panels.FIRST_CHUNK,
        limits=_per_call("s", 3, 8, by_model=True),
        summary=f"{_WHO} [begins|began] to answer late: P95 of the first chunk [is|was] {{value}}",
        description=(
            "People wait that long for the first word, in one stream of twenty over {window}."
        ),
        condition=_first_chunk,
        shows_levels=True,
    ),
    Alert(
        key="errors",
        name="LLMErrorShareHigh",
        component=_LLM,
        panel=panels.ERROR_SHARE,
        limits=_per_call("share", 0.03, 0.10),
        summary=f"{_WHO}: {{value}} of calls [fail|failed]",
        description="Only failures that count against the SLO, of at least {minimum} in {window}.",
        condition=_errors,
        shows_levels=True,
    ),
    _by_class(
        "rate_limited",
        "LLMRateLimited",
        _per_call("share", 0.05),
        "[are|were] refused by the rate limit",
        "The provider answers 429: the quota is smaller than the traffic.",
        (semconv.RATE_LIMIT,),
        shows_levels=True,
    ),
    _by_class(
        "timeouts",
        "LLMTimeouts",
        _per_call("share", 0.05),
        "[time|timed] out",
        "No answer came in the time that the client allows.",
        (semconv.TIMEOUT,),
    ),
    _by_class(
        "content_filter",
        "LLMContentFiltered",
        _per_call("share", 0.05),
        "[are|were] stopped by the provider's filter",
        "The filter stops prompts or answers; users see refusals.",
        (semconv.CONTENT_FILTER,),
    ),
    _by_class(
        "rejected",
        "LLMRequestsRejected",
        _per_call("share", 0.10),
        "[are|were] rejected as wrong",
        "The provider answers 400 or 404: the request is malformed or too long, or the model is"
        " gone. These do not count against the SLO.",
        (semconv.INVALID_REQUEST, semconv.NOT_FOUND),
    ),
    _by_class(
        "key_refused",
        "LLMKeyRefused",
        Limits("share", critical=0.5, window="10m", minimum=3, for_="2m"),
        "[are|were] refused for their key",
        "The provider answers 401 or 403: the key is wrong, revoked, or may not use the model.",
        (semconv.AUTHENTICATION, semconv.PERMISSION),
    ),
    Alert(
        key="insufficient_funds",
        name="LLMInsufficientFunds",
        component=_LLM,
        panel=panels.ERRORS_BY_CLASS,
        limits=Limits("calls", critical=0, window="10m", for_="0s"),
        summary=(
            "{service_name}: the account at {provider} [has|had] no money left: {value} refused"
        ),
        description=(
            "The provider answers 402 to every call, and will until the account is topped up."
            " This is counted over {window}, of all models."
        ),
        condition=_no_money,
    ),
    Alert(
        key="headroom",
        name="LLMRateLimitNear",
        component=_LLM,
        panel=panels.HEADROOM,
        limits=Limits("share", warning=0.10, window="10m", for_="2m"),
        summary=f"{_WHO}: {{value}} of the {{limit}} limit [is|was] left",
        description="The provider's own headers say so; at 0 it answers 429.",
        condition=_headroom,
        below=True,
        shows_levels=True,
    ),
    Alert(
        key="stuck",
        name="LLMCallsStuck",
        component=_LLM,
        panel=panels.ACTIVE,
        limits=Limits("calls", warning=0, window="15m"),
        summary=f"{_WHO}: {{value}} [are open and none has|were open and none had] ended",
        description="For {window} there was always an open call, and not one came to its end.",
        condition=_stuck,
    ),
    Alert(
        key="traffic",
        name="LLMTrafficLow",
        component=_LLM,
        panel=panels.REQUESTS,
        limits=Limits("share", warning=0.2, minimum=100, for_="30m"),
        summary=(
            "{service_name} [has|had] {value} of the calls of the same hour a week [ago|before]"
        ),
        description=(
            "The last hour, against the quieter of the two recorded hours that overlap the same"
            " hour a week ago, which had at least {minimum}."
        ),
        condition=_traffic,
        below=True,
    ),
    _burning("1h", "5m", critical=14.4, shows_levels=True),
    _burning("6h", "30m", critical=6),
    _burning("1d", "2h", warning=3),
    _burning("3d", "6h", warning=1),
)
