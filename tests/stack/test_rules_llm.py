"""The alerts on calls to models, on the real promtool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import pytest
from stack.rule_cases import CALL, CALLER, RESET, Case, Fires, calls, check, counter, gauge, series

from llm_otel import semconv
from llm_otel.stack import prometheus
from llm_otel.stack.config import Config
from llm_otel.stack.prometheus.alerts import parse

DURATION = semconv.REQUEST_DURATION
WARN, PAGE = "warning", "critical"


def at(severity: str, value: str, **labels: str) -> Fires:
    return Fires(severity, value, {**CALLER, **labels})


def failing(error_type: str, *phases: tuple[float, int]) -> dict[str, str]:
    return {series(semconv.ERRORS, **CALL, error_type=error_type): counter(*phases)}


def latency() -> Iterator[Case]:
    name = "LLMLatencyHigh"
    yield Case(
        "waits, fires, goes on through a pause, resolves",
        name,
        calls(DURATION, (0.4, 6, 20), (7, 6, 15), (0.4, 6, 60), **CALL),
        {
            "19m": [],
            # 7 s fall into the bucket of 5 to 7.5 s; from the first slow minute it is pending.
            "24m": [],
            "30m": [at(WARN, "7.375s")],
            "44m": [at(WARN, "6.375s")],
            "53m": [at(WARN, "6.375s")],
            "57m": [],
        },
    )
    yield Case(
        "both severities far above",
        name,
        calls(DURATION, (14, 6, 40), **CALL),
        {"30m": [at(WARN, "14.75s"), at(PAGE, "14.75s")]},
    )
    yield Case(
        "below the minimum", name, calls(DURATION, (14, 1, 60), **CALL), {"30m": [], "59m": []}
    )
    yield Case("fast", name, calls(DURATION, (4, 6, 60), **CALL), {"30m": [], "59m": []})
    own = Config(alerts=parse({"latency": {"models": {"gpt-5": {"warning": 20}}}}, "f"))
    yield Case(
        "a model with limits of its own",
        name,
        {
            **calls(DURATION, (14, 6, 40), **CALL),
            **calls(DURATION, (14, 6, 40), **{**CALL, "model": "o3"}),
        },
        {"30m": [at(s, "14.75s", model="o3") for s in (WARN, PAGE)]},
        config=own,
    )
    yield Case(
        "above the limit of its own",
        name,
        calls(DURATION, (25, 6, 40), **CALL),
        {"30m": [at(WARN, "29.5s")]},
        config=own,
    )
    native = "{{schema:0 sum:70 count:10 buckets:[0 0 0 10]}}"
    yield Case(
        "native histograms",
        name,
        {series(DURATION, **CALL): f"{native}+{native}x40"},
        {"30m": [at(WARN, "7.727s")]},
    )


def first_chunk() -> Iterator[Case]:
    first = semconv.TIME_TO_FIRST_CHUNK
    yield Case(
        "late",
        "LLMFirstChunkSlow",
        {**calls(first, (3.5, 6, 40), **CALL), **calls(DURATION, (9, 6, 40), **CALL)},
        {"3m": [], "30m": [at(WARN, "3.95s")]},
    )
    yield Case(
        "far too late",
        "LLMFirstChunkSlow",
        {**calls(first, (9, 6, 40), **CALL), **calls(DURATION, (9, 6, 40), **CALL)},
        {"30m": [at(WARN, "9.875s"), at(PAGE, "9.875s")]},
    )
    yield Case(
        "in time",
        "LLMFirstChunkSlow",
        {**calls(first, (0.5, 6, 40), **CALL), **calls(DURATION, (9, 6, 40), **CALL)},
        {"30m": []},
    )


def errors() -> Iterator[Case]:
    name = "LLMErrorShareHigh"
    yield Case(
        "waits, fires, goes on, resolves",
        name,
        {
            **calls(DURATION, (0.4, 10, 80), **CALL),
            **failing("server", (0, 10), (0.5, 20), (0, 50)),
        },
        {
            "9m": [],
            "17m": [],
            "25m": [at(WARN, "5%")],
            "38m": [at(WARN, "3.333%")],
            "50m": [],
        },
    )
    yield Case(
        "a process that starts anew is no error",
        name,
        {
            **calls(DURATION, (0.4, 10, 60), **CALL),
            series(semconv.ERRORS, **CALL, error_type="server"): counter(
                (0.2, 30), (RESET, 1), (0.2, 29)
            ),
        },
        {"29m": [], "35m": [], "45m": [], "59m": []},
    )
    yield Case(
        "what is the caller's fault does not count",
        name,
        {**calls(DURATION, (0.4, 10, 40), **CALL), **failing("invalid_request", (5, 40))},
        {"30m": []},
    )
    yield Case(
        "below the minimum",
        name,
        {**calls(DURATION, (0.4, 1, 40), **CALL), **failing("server", (1, 40))},
        {"30m": []},
    )
    yield Case(
        "an error that was there at the first sight of it",
        name,
        {**calls(DURATION, (0.4, 10, 40), **CALL), **failing("server", (2, 40))},
        {"30m": [at(WARN, "20%"), at(PAGE, "20%")]},
    )
    yield Case("no error at all", name, calls(DURATION, (0.4, 10, 40), **CALL), {"30m": []})
    yield Case("nothing at all", name, {}, {"30m": []})


def classes() -> Iterator[Case]:
    for name, error_type, severity in (
        ("LLMRateLimited", "rate_limit", WARN),
        ("LLMTimeouts", "timeout", WARN),
        ("LLMContentFiltered", "content_filter", WARN),
        ("LLMRequestsRejected", "invalid_request", WARN),
        ("LLMRequestsRejected", "not_found", WARN),
        ("LLMKeyRefused", "authentication", PAGE),
        ("LLMKeyRefused", "permission", PAGE),
    ):
        load = calls(DURATION, (0.4, 10, 40), **CALL)
        yield Case(
            f"waits and fires for {error_type}",
            name,
            {**load, **failing(error_type, (0, 10), (8, 15), (0, 35))},
            {
                "9m": [],
                "11m": [],
                "24m": [at(severity, "80%")],
            },
        )
        yield Case(
            f"few of {error_type}",
            name,
            {**load, **failing(error_type, (0.4, 40))},
            {"30m": []},
        )
        yield Case(
            f"another class than {error_type}",
            name,
            {**load, **failing("cancelled", (8, 40))},
            {"30m": []},
        )
    yield Case(
        "too few calls",
        "LLMRateLimited",
        {**calls(DURATION, (0.4, 1, 40), **CALL), **failing("rate_limit", (1, 40))},
        {"30m": []},
    )


def no_money() -> Iterator[Case]:
    name, account = "LLMInsufficientFunds", {"service_name": "shop", "provider": "openai"}
    other_model = {**CALL, "model": "o3"}

    def refused(*phases: tuple[float, int]) -> dict[str, str]:
        return failing("insufficient_funds", *phases)

    yield Case(
        "one call of a single one is enough, at once, and it resolves",
        name,
        refused((0, 10), (1, 1), (0, 49)),
        {
            "9m": [],
            "12m": [Fires(PAGE, "1 calls", account)],
            "25m": [Fires(PAGE, "1 calls", account)],
            "45m": [],
        },
    )
    yield Case(
        "two models of one account are one alert",
        name,
        {
            **refused((2, 30)),
            series(semconv.ERRORS, **other_model, error_type="insufficient_funds"): counter(
                (3, 30)
            ),
        },
        {"25m": [Fires(PAGE, "50 calls", account)]},
    )
    yield Case(
        "each provider has an account of its own",
        name,
        {
            **refused((2, 30)),
            series(
                semconv.ERRORS, **{**CALL, "provider": "deepseek"}, error_type="insufficient_funds"
            ): counter((1, 30)),
        },
        {
            "25m": [
                Fires(PAGE, "20 calls", account),
                Fires(PAGE, "10 calls", {**account, "provider": "deepseek"}),
            ]
        },
    )
    yield Case(
        "a used-up quota and a missing right are other alerts",
        name,
        {**failing("rate_limit", (5, 30)), **failing("permission", (5, 30))},
        {"25m": []},
    )
    yield Case(
        "the account was topped up before",
        name,
        {series(semconv.ERRORS, **CALL, error_type="insufficient_funds"): gauge((7, 60))},
        {"25m": [], "59m": []},
    )
    yield Case(
        "it counts in the share of errors",
        "LLMErrorShareHigh",
        {**calls(DURATION, (0.4, 10, 40), **CALL), **refused((5, 40))},
        {"30m": [at(WARN, "50%"), at(PAGE, "50%")]},
    )


def headroom() -> Iterator[Case]:
    limits = {**CALLER, "instance": "a"}
    tokens, requests = semconv.RATELIMITS[2:], semconv.RATELIMITS[:2]
    readings = {
        series(tokens[0], **limits): gauge((1000, 60)),
        series(tokens[1], **limits): gauge((500, 10), (40, 10), (500, 40)),
        series(requests[0], **limits): gauge((100, 60)),
        series(requests[1], **limits): gauge((90, 60)),
    }
    yield Case(
        "one of the two limits is near",
        "LLMRateLimitNear",
        {**readings, **calls(DURATION, (0.4, 3, 60), **CALL)},
        {
            "9m": [],
            "11m": [],
            "13m": [at(WARN, "4%", limit="tokens")],
            "25m": [at(WARN, "4%", limit="tokens")],
            "32m": [],
        },
    )
    yield Case("without traffic", "LLMRateLimitNear", readings, {"13m": [], "19m": []})


def stuck() -> Iterator[Case]:
    active = series(semconv.REQUESTS_ACTIVE, **CALLER, operation="chat")
    ended = series(DURATION, "_count", **CALL)
    yield Case(
        "open calls and none ends",
        "LLMCallsStuck",
        {active: gauge((2, 60)), ended: counter((3, 10), (0, 50))},
        {"24m": [], "28m": [], "32m": [at(WARN, "2 calls")]},
    )
    yield Case(
        "open calls that end",
        "LLMCallsStuck",
        {active: gauge((2, 60)), ended: counter((3, 60))},
        {"45m": []},
    )
    yield Case(
        "none is open",
        "LLMCallsStuck",
        {active: gauge((0, 60)), ended: counter((0, 60))},
        {"45m": []},
    )
    yield Case(
        "it has just begun", "LLMCallsStuck", {active: gauge((2, 60))}, {"14m": [], "18m": []}
    )


def traffic() -> Iterator[Case]:
    recorded = series("service:gen_ai_requests:increase1h", service_name="shop")
    service = {"service_name": "shop"}
    # A week of hours, then two hours and a half in which a tenth of the calls is left.
    week = 168 * 12
    past = " ".join(["600" + " _x11"] * 168)
    yield Case(
        "a tenth of last week's",
        "LLMTrafficLow",
        {
            recorded: past,
            series(DURATION, "_count", **CALL): counter((50, week), (5, 30)),
        },
        {
            f"{week * 5}m": [],
            f"{week * 5 + 60}m": [],
            f"{week * 5 + 120}m": [Fires(WARN, "10%", service)],
        },
        rules=(),
        step="5m",
        evaluated="30m",
    )
    yield Case(
        "too few to tell",
        "LLMTrafficLow",
        {
            recorded: past.replace("600", "60"),
            series(DURATION, "_count", **CALL): counter((5, week), (0.1, 30)),
        },
        {f"{week * 5 + 120}m": []},
        rules=(),
        step="5m",
        evaluated="30m",
    )
    yield Case(
        "nothing to compare with",
        "LLMTrafficLow",
        {series(DURATION, "_count", **CALL): counter((1, 60))},
        {"120m": []},
        step="5m",
    )


def burning() -> Iterator[Case]:
    name = "LLMErrorBudgetBurn"
    service = {"service_name": "shop"}

    def burn(severity: str, value: str, window: str) -> Fires:
        return Fires(severity, value, {**service, "window": window})

    yield Case(
        "a burst pages, and ends soon after",
        name,
        {
            **calls(DURATION, (0.4, 10, 240), **CALL),
            **failing("server", (0, 60), (3, 60), (0, 120)),
        },
        {
            "59m": [],
            "115m": [
                burn(PAGE, "26.5×", "1h"),
                burn(PAGE, "14.1×", "6h"),
                burn(WARN, "14.1×", "1d"),
                burn(WARN, "14.1×", "3d"),
            ],
            "150m": [
                burn(PAGE, "6.5×", "6h"),
                burn(WARN, "12.0×", "1d"),
                burn(WARN, "12.0×", "3d"),
            ],
        },
        rules=("slo",),
    )
    yield Case(
        "a slow burn is a ticket",
        name,
        {
            series(DURATION, "_count", **CALL): counter((10, 1500)),
            **failing("server", (0.4, 1500)),
        },
        {"1495m": [burn(WARN, "4.0×", "1d"), burn(WARN, "4.0×", "3d")]},
        rules=("slo",),
        evaluated="5m",
    )
    yield Case(
        "within the budget",
        name,
        {
            series(DURATION, "_count", **CALL): counter((10, 400)),
            **failing("server", (0.05, 400)),
        },
        {"399m": []},
        rules=("slo",),
    )
    yield Case(
        "too few calls",
        name,
        {series(DURATION, "_count", **CALL): counter((0.1, 240)), **failing("server", (0.1, 240))},
        {"200m": []},
        rules=("slo",),
    )
    yield Case("no calls", name, {}, {"60m": []}, rules=("slo",))


def environments() -> Iterator[Case]:
    production, staging = (
        {"deployment_environment_name": name} for name in ("production", "staging")
    )
    yield Case(
        "staging is slow, production is not",
        "LLMLatencyHigh",
        {
            **calls(DURATION, (0.4, 60, 60), **CALL, **production),
            **calls(DURATION, (7, 6, 60), **CALL, **staging),
        },
        {"30m": [at(WARN, "7.375s", **staging)]},
    )
    yield Case(
        "production fails, and staging's many calls do not hide it",
        "LLMErrorShareHigh",
        {
            **calls(DURATION, (0.4, 6, 60), **CALL, **production),
            **calls(DURATION, (0.4, 600, 60), **CALL, **staging),
            series(semconv.ERRORS, **CALL, **production, error_type="server"): counter((0.3, 60)),
        },
        {"30m": [at(WARN, "5%", **production)]},
    )
    yield Case(
        "both burn their own budget",
        "LLMErrorBudgetBurn",
        {
            key: values
            for name in (production, staging)
            for key, values in {
                **calls(DURATION, (0.4, 6, 120), **CALL, **name),
                series(semconv.ERRORS, **CALL, **name, error_type="server"): counter((1.2, 120)),
            }.items()
        },
        {
            "110m": [
                Fires(severity, "20.0×", {"service_name": "shop", "window": window, **name})
                for name in (production, staging)
                for severity, window in ((PAGE, "1h"), (PAGE, "6h"), (WARN, "1d"), (WARN, "3d"))
            ]
        },
    )


PARTS = (
    latency,
    first_chunk,
    errors,
    classes,
    no_money,
    headroom,
    stuck,
    traffic,
    burning,
    environments,
)
CASES = [case for part in PARTS for case in part()]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_alert(case: Case, tmp_path: Path) -> None:
    """An alert fires when it should, with its labels and texts, and at no other time."""
    check(case, tmp_path)


def test_an_alert_can_be_switched_off(tmp_path: Path) -> None:
    """`false` removes an alert; the others stay as they were."""
    limits = parse({"latency": False}, "f")
    text = prometheus.files(Config(alerts=limits))["prometheus/alerts/llm.yaml"]
    assert "LLMLatencyHigh" not in text
    case = Case(
        "off", "LLMFirstChunkSlow", {}, {"1m": []}, config=Config(alerts=MappingProxyType(limits))
    )
    check(case, tmp_path)
