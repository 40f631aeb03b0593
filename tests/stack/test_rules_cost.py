"""The alerts on money, on the real promtool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stack.rule_cases import CALL, CALLER, RESET, Case, Fires, check, counter, gauge, hourly, series

from llm_otel import semconv
from llm_otel.stack.config import Budgets, Config
from llm_otel.stack.prometheus import recording

INFO, WARN, PAGE = "info", "warning", "critical"
SHOP = {"service_name": "shop"}
SPENT = series(recording.SERVICE_COST, **SHOP)
TOKENS = series(recording.SERVICE_TOKENS, **SHOP)
COST = series(semconv.COST, **CALL, token_type="input")
NOVEMBER = "2026-11-01T00:00:00Z"


def at(severity: str, value: str, **labels: str) -> Fires:
    return Fires(severity, value, {**SHOP, **labels})


def daily() -> Iterator[Case]:
    name = "LLMDailyCostHigh"
    yield Case(
        "waits, warns, pages, resolves when the days are as before",
        name,
        {SPENT: hourly((1, 72), (5, 12), (1, 30))},
        {
            "72h50m": [],
            "73h10m": [],
            "73h30m": [at(WARN, "1.3×")],
            "78h30m": [at(WARN, "2.2×"), at(PAGE, "2.2×")],
            "112h": [],
        },
        step="5m",
        evaluated="15m",
    )
    yield Case(
        "goes on for a while",
        name,
        {SPENT: hourly((1, 72), (8, 1), (1, 30))},
        {
            "95h45m": [at(WARN, "1.3×")],
            "96h": [at(WARN, "1.3×")],
            "96h30m": [],
        },
        step="5m",
        evaluated="15m",
    )
    yield Case(
        "a usual day",
        name,
        {SPENT: hourly((1, 100))},
        {"72h30m": [], "99h30m": []},
        step="5m",
        evaluated="15m",
    )
    yield Case(
        "history too short",
        name,
        {SPENT: hourly((1, 42), (9, 25))},
        {"66h30m": []},
        step="5m",
        evaluated="15m",
    )
    yield Case("cents", name, {SPENT: hourly((0.01, 72), (0.03, 24))}, {"95h30m": []}, step="5m")
    yield Case(
        "from the raw counter, across a restart and idle hours",
        name,
        {COST: counter((0.1, 36 * 12), (RESET, 1), (0.1, 36 * 12), (None, 36), (1, 12 * 12))},
        {"72h": [], "76h": [], "82h": [at(WARN, "3.5×"), at(PAGE, "3.5×")]},
        rules=("hourly",),
        step="5m",
        evaluated="1h",
        samples={f"round({recording.SERVICE_COST}, 0.01)": ("74h", {'{service_name="shop"}': 0})},
    )


def spike() -> Iterator[Case]:
    name = "LLMHourlyCostSpike"
    recorded = {SPENT: hourly((1, 30))}
    yield Case(
        "waits, warns, resolves",
        name,
        {**recorded, COST: counter((1 / 12, 300), (1, 12), (1 / 12, 48))},
        {
            "25h": [],
            "25h10m": [],
            "25h20m": [at(WARN, "5.0×")],
            "25h35m": [at(WARN, "8.0×"), at(PAGE, "8.0×")],
            "26h": [at(WARN, "12.0×"), at(PAGE, "12.0×")],
            "27h10m": [],
        },
        step="5m",
    )
    night = ((0.1, 2), (12, 1), (0.1, 21))
    yield Case(
        "a nightly job is no spike",
        name,
        {
            SPENT: hourly(*night, *night, *night),
            COST: counter((0.1 / 12, 50 * 12), (1, 12), (0.1 / 12, 24)),
        },
        {"50h50m": [], "51h20m": []},
        step="5m",
    )
    yield Case(
        "history too short",
        name,
        {SPENT: hourly((1, 10)), COST: counter((1 / 12, 100), (5, 24))},
        {"10h": []},
        step="5m",
    )
    yield Case(
        "cents",
        name,
        {SPENT: hourly((0.01, 30)), COST: counter((0.001, 300), (0.05, 48))},
        {"26h": []},
        step="5m",
    )


def tokens() -> Iterator[Case]:
    name = "LLMTokensUnusual"
    raw = series(semconv.TOKENS_CONSUMED, **CALL, token_type="input")
    week = 7 * 24
    yield Case(
        "more than in the same hour a week ago, though it is a busy one",
        name,
        {
            TOKENS: hourly((10_000, 2), (60_000, 3), (10_000, week)),
            raw: counter((1_000, week * 12 + 24), (20_000, 24)),
        },
        {
            f"{week + 2}h": [],
            f"{week + 2}h50m": [at(WARN, "3.7×")],
            f"{week + 3}h30m": [at(WARN, "4.0×"), at(PAGE, "4.0×")],
        },
        rules=(),
        step="5m",
        evaluated="10m",
    )
    yield Case(
        "no more than in the same hour a week ago",
        name,
        {
            TOKENS: hourly((10_000, 2), (60_000, 3), (10_000, week)),
            raw: counter((1_000, week * 12 + 24), (6_000, 24)),
        },
        {f"{week + 3}h": [], f"{week + 3}h30m": []},
        rules=(),
        step="5m",
        evaluated="10m",
    )
    yield Case(
        "without a week, against the mean hour",
        name,
        {TOKENS: hourly((10_000, 30)), raw: counter((1_000, 300), (2_000, 60))},
        {"25h": [], "26h10m": [at(WARN, "2.4×")]},
        step="5m",
    )
    yield Case(
        "history too short",
        name,
        {TOKENS: hourly((10_000, 20)), raw: counter((1_000, 200), (9_000, 40))},
        {"19h50m": []},
        step="5m",
    )
    yield Case(
        "few",
        name,
        {TOKENS: hourly((100, 30)), raw: counter((10, 300), (500, 60))},
        {"26h10m": []},
        step="5m",
    )


def month(scope: str, month: str = "202611", **labels: str) -> str:
    return series(recording.MONTHLY_COST, scope=scope, month=month, **labels)


def budget(case: str, alert: str, **given: Any) -> Case:
    usual: dict[str, Any] = {"rules": ("budgets",), "step": "5m", "evaluated": "30m"}
    return Case(case, alert, start=NOVEMBER, **{**usual, **given})


def budgets() -> Iterator[Case]:
    acme = {"scope": "tenant", "tenant_id": "acme"}
    ten = Config(budgets=Budgets(tenants={"acme": 10}))
    spent = {month("tenant", tenant_id="acme"): hourly((0.1, 110))}
    yield budget(
        "50, 80, 100 % of a tenant's budget",
        "LLMBudgetUsed",
        series=spent,
        config=ten,
        expect={
            "49h": [],
            "60h30m": [Fires(INFO, "61%", acme)],
            "85h30m": [Fires(s, "86%", acme) for s in (INFO, WARN)],
            "101h30m": [Fires(s, "102%", acme) for s in (INFO, WARN, PAGE)],
        },
    )
    yield budget(
        "waits for an hour, then tells how the month will end",
        "LLMBudgetProjected",
        series=spent,
        config=Config(budgets=Budgets(tenants={"acme": 80})),
        expect={"20h30m": [], "21h30m": [], "26h": [Fires(WARN, "90.13%", acme)]},
    )
    yield budget(
        "it will not do",
        "LLMBudgetProjected",
        series=spent,
        config=Config(budgets=Budgets(tenants={"acme": 60})),
        expect={"26h": [Fires(s, "120.2%", acme) for s in (WARN, PAGE)]},
    )
    yield budget(
        "within its budget", "LLMBudgetProjected", series=spent, expect={"48h": []},
        config=Config(budgets=Budgets(tenants={"acme": 100})),
    )  # fmt: skip
    yield budget("no budget", "LLMBudgetUsed", series=spent, expect={"109h": []})
    others = {
        month("tenant", tenant_id="acme"): hourly((0.1, 20)),
        month("tenant", tenant_id="zeta"): hourly((0.1, 20)),
        month("tenant", tenant_id="none"): hourly((0.1, 20)),
        month("feature", feature="search"): hourly((0.2, 20)),
        month("total"): hourly((0.3, 20)),
    }
    yield budget(
        "tenants that are not named, features, everything",
        "LLMBudgetUsed",
        series=others,
        config=Config(
            budgets=Budgets(total=10, tenants={"*": 1, "acme": 1000}, features={"search": 5})
        ),
        expect={
            "19h30m": [
                *(Fires(s, "200%", {**acme, "tenant_id": "zeta"}) for s in (INFO, WARN, PAGE)),
                Fires(INFO, "80%", {"scope": "feature", "feature": "search"}),
                Fires(INFO, "60%", {"scope": "total"}),
            ]
        },
    )
    yield Case(
        "a new month begins at 0",
        "LLMBudgetUsed",
        {COST: counter((0.1, 24 * 12))},
        {
            "10h": [Fires(s, "96%", acme) for s in (INFO, WARN)],
            "15h": [],
            "18h": [Fires(INFO, "57.6%", acme)],
        },
        rules=("hourly", "budgets"),
        step="5m",
        evaluated="1h",
        start="2026-11-30T12:00:00Z",
        config=Config(budgets=Budgets(tenants={"acme": 12.5})),
        samples={
            f'round({recording.MONTH_TO_DATE}{{scope="total"}}, 0.01)': (
                "18h",
                {'{scope="total"}': 7.2},
            ),
            # Six hours of December are gone: what is left goes at the pace of the last day.
            f'round({recording.MONTH_PROJECTED}{{scope="total"}}, 0.01)': (
                "18h",
                {'{scope="total"}': round(7.2 + 21.6 * 30.75, 2)},
            ),
        },
    )


def uncounted() -> Iterator[Case]:
    unpriced = series(semconv.REQUESTS_UNPRICED, **CALLER)
    yield Case(
        "one call is enough, for an hour",
        "LLMModelUnpriced",
        {unpriced: "0x4 1x120"},
        {
            "4m": [],
            "6m": [Fires(WARN, "1 calls", CALLER)],
            "60m": [Fires(WARN, "1 calls", CALLER)],
            "70m": [Fires(WARN, "1 calls", CALLER)],
            "80m": [],
        },
    )
    yield Case("none", "LLMModelUnpriced", {unpriced: gauge((3, 90))}, {"80m": []})
    yield Case(
        "a process that starts anew",
        "LLMModelUnpriced",
        {unpriced: "3x70 0x70"},
        {"69m": [], "75m": [], "130m": []},
    )
    missing = series(semconv.USAGE_UNKNOWN_TOTAL, **CALLER, operation="chat")
    ended = series(semconv.REQUEST_DURATION, "_count", **CALL)
    yield Case(
        "one call in ten",
        "LLMUsageMissing",
        {missing: counter((0.1, 120)), ended: counter((1, 120))},
        {"10m": [], "80m": [Fires(WARN, "10%", CALLER)]},
    )
    yield Case(
        "one call in a hundred",
        "LLMUsageMissing",
        {missing: counter((0.01, 120)), ended: counter((1, 120))},
        {"80m": []},
    )
    yield Case(
        "too few calls",
        "LLMUsageMissing",
        {missing: counter((0.1, 120)), ended: counter((0.1, 120))},
        {"80m": []},
    )
    age = series(semconv.PRICES_AGE, **SHOP, instance="a")
    yield Case(
        "older than 90 days",
        "LLMPricesOld",
        {age: gauge((91 * 86400, 120))},
        {"59m": [], "61m": [Fires(WARN, "91d 0h 0m 0s", SHOP)]},
    )
    yield Case("of last week", "LLMPricesOld", {age: gauge((7 * 86400, 120))}, {"110m": []})


CASES = [case for part in (daily, spike, tokens, budgets, uncounted) for case in part()]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_alert(case: Case, tmp_path: Path) -> None:
    """An alert fires when it should, with its labels and texts, and at no other time."""
    check(case, tmp_path)
