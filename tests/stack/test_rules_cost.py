"""The alerts on money, on the real promtool."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from stack.rule_cases import CALL, CALLER, RESET, Case, Fires, check, counter, gauge, hourly, series

from llm_otel import projected_month, semconv
from llm_otel.stack.config import Budgets, Config
from llm_otel.stack.prometheus import budgets as spending
from llm_otel.stack.prometheus import usual

INFO, WARN, PAGE = "info", "warning", "critical"
SHOP = {"service_name": "shop"}
SPENT = series(usual.SERVICE_COST, **SHOP)
COST = series(semconv.COST, **CALL, token_type="input")
MONDAY = "2026-11-02T00:00:00Z"
NOVEMBER = "2026-11-01T00:00:00Z"


def at(severity: str, value: str, **labels: str) -> Fires:
    return Fires(severity, value, {**SHOP, **labels})


def days(*spent: float) -> dict[str, str]:
    """The raw counter of whole days, each of which cost so much; a value every half hour."""
    return {COST: counter(*((each / 48, 48) for each in spent), start=0)}


# Five days at work, and a weekend without any.
WEEK = (240, 240, 240, 240, 240, 0, 0)


def day(case: str, expect: dict[str, list[Fires]], *spent: float, **given: Any) -> Case:
    """A case on whole days from a Monday on."""
    usual: dict[str, Any] = {"start": MONDAY, "series": days(*spent), **given}
    return Case(
        case,
        "LLMDailyCostHigh",
        expect=expect,
        rules=("services",),
        step="30m",
        evaluated="30m",
        **usual,
    )


def daily() -> Iterator[Case]:
    yield day(
        "waits, warns, pages, resolves when the days are as before",
        {
            f"{13 * 24 + 3}h": [],
            f"{13 * 24 + 7}h": [at(WARN, "1.3×")],
            f"{13 * 24 + 22}h": [at(WARN, "1.9×")],
            f"{14 * 24 + 3}h": [at(s, "2.1×") for s in (WARN, PAGE)],
            f"{16 * 24}h": [],
        },
        *(24 for _ in range(13)), 48, 60, 24, 24,
    )  # fmt: skip
    yield day(
        "a usual week",
        {f"{hours}h": [] for hours in range(1, 24 * 28, 3)},
        *WEEK * 4,
    )
    yield day(
        "a Monday that costs twice as much as Mondays do",
        {
            f"{14 * 24 + 6}h": [],
            f"{21 * 24}h": [],
            f"{21 * 24 + 6}h": [at(WARN, "1.8×")],
            f"{21 * 24 + 23}h": [at(WARN, "2.0×")],
            f"{23 * 24}h": [],
        },
        *WEEK * 3, 480, 240, 240,
    )  # fmt: skip
    yield day(
        "a weekend is compared with weekends",
        {f"{20 * 24}h": [], f"{21 * 24 - 1}h": [at(s, "2.4×") for s in (WARN, PAGE)]},
        *(24, 24, 24, 24, 24, 10, 10), *(24, 24, 24, 24, 24, 10, 10), *(24, 24, 24, 24, 24, 10, 24),
    )  # fmt: skip
    yield day(
        "a weekday in the first week is compared with weekdays",
        {"72h": [], "96h": [at(s, "3.0×") for s in (WARN, PAGE)]},
        24, 24, 24, 72, 24,
    )  # fmt: skip
    yield day(
        "neither the first hour nor the first days",
        {f"{hours}h": [] for hours in (1, 2, 12, 23, 24, 25, 30, 47, 48, 60)},
        1, 24, 72,
    )  # fmt: skip
    yield day("cents", {"95h30m": []}, 0.24, 0.24, 0.24, 0.72)
    yield day(
        "a restart and idle hours",
        {"72h": [], "96h": [at(s, "3.1×") for s in (WARN, PAGE)]},
        series={COST: counter((0.5, 60), (RESET, 1), (0.5, 83), (None, 10), (72 / 38, 48))},
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


def hours(*phases: tuple[float, int]) -> dict[str, str]:
    """The raw counter of tokens: `(tokens an hour, hours)`, with a value every ten minutes."""
    raw = series(semconv.TOKENS_CONSUMED, **CALL, token_type="input")
    return {raw: counter(*((each / 6, 6 * number) for each, number in phases))}


def hour(
    case: str, expect: dict[str, list[Fires]], *phases: tuple[float, int], **given: Any
) -> Case:
    """A case on whole hours from a Monday on."""
    return Case(
        case,
        "LLMTokensUnusual",
        hours(*phases),
        expect,
        rules=("services",),
        step="10m",
        evaluated="10m",
        start=MONDAY,
    )


def tokens() -> Iterator[Case]:
    office = ((100, 9), (60_000, 8), (100, 7))
    rest = ((100, 24),)
    week = (*office * 5, *rest * 2)
    morning = 10 * 60
    yield hour(
        "a service that works in office hours, from its first minute on",
        {f"{minutes}m": [] for minutes in range(30, 24 * 15 * 60, 190)},
        *week * 2, *office,
    )  # fmt: skip
    yield hour(
        "more than in the same hour of the two weeks before, though it is a busy one",
        {
            f"{14 * 24 * 60 + morning}m": [],
            f"{15 * 24 * 60 + morning}m": [at(WARN, "2.0×")],
            f"{16 * 24 * 60 + morning}m": [at(s, "4.0×") for s in (WARN, PAGE)],
            f"{16 * 24 * 60 + morning + 18 * 60}m": [],
        },
        *week * 2, *office, (100, 9), (120_000, 8), (100, 7), (100, 9), (240_000, 8), (100, 31),
    )  # fmt: skip
    yield hour(
        "within the first week, against the same hour on the weekdays",
        {"26h": [], "58h30m": [at(WARN, "2.0×")]},
        *office * 2, (100, 9), (120_000, 8), (100, 7),
    )  # fmt: skip
    yield hour(
        "at night, though by day it would be usual",
        {"51h": [at(s, "4.0×") for s in (WARN, PAGE)]},
        (10_000, 9), (60_000, 8), (10_000, 7), (10_000, 9), (60_000, 8), (10_000, 7), (40_000, 9),
    )  # fmt: skip
    yield hour(
        "the first hour and the first day",
        {f"{minutes}m": [] for minutes in range(10, 25 * 60, 50)},
        (20_000, 1), (200_000, 22), (900_000, 2),
    )  # fmt: skip
    yield hour("few", {"58h30m": []}, *((100, 48), (500, 24)))


def spending_of(tenant: str, feature: str, *phases: tuple[float | None, int]) -> dict[str, str]:
    """The raw counter of a tenant's cost: `(USD an hour, hours)`, with a value every 10 minutes."""
    labels = {**CALL, "tenant_id": tenant, "feature": feature}
    key = series(semconv.COST, **labels, token_type="input")
    return {key: counter(*((each and each / 6, 6 * number) for each, number in phases))}


def budget(case: str, alert: str, **given: Any) -> Case:
    usual: dict[str, Any] = {"rules": ("budgets",), "step": "10m", "evaluated": "30m"}
    return Case(case, alert, start=NOVEMBER, **{**usual, **given})


def budgets() -> Iterator[Case]:
    acme = {"scope": "tenant", "tenant_id": "acme"}
    ten = Config(budgets=Budgets(tenants={"acme": 10}))
    spent = spending_of("acme", "search", (0.1, 110))
    yield budget(
        "50, 80, 100 % of a tenant's budget",
        "LLMBudgetUsed",
        series=spent,
        config=ten,
        expect={
            "49h": [],
            "60h30m": [Fires(INFO, "60.5%", acme)],
            "85h30m": [Fires(s, "85.5%", acme) for s in (INFO, WARN)],
            "101h30m": [Fires(s, "101.5%", acme) for s in (INFO, WARN, PAGE)],
        },
    )
    yield budget(
        "waits for an hour, then tells how the month will end",
        "LLMBudgetProjected",
        series=spent,
        config=Config(budgets=Budgets(tenants={"acme": 80})),
        expect={"20h30m": [], "21h30m": [], "26h": [Fires(WARN, "90%", acme)]},
    )
    yield budget(
        "it will not do",
        "LLMBudgetProjected",
        series=spent,
        config=Config(budgets=Budgets(tenants={"acme": 60})),
        expect={"26h": [Fires(s, "120%", acme) for s in (WARN, PAGE)]},
    )
    yield budget(
        "within its budget", "LLMBudgetProjected", series=spent, expect={"48h": []},
        config=Config(budgets=Budgets(tenants={"acme": 100})),
    )  # fmt: skip
    yield from projections()
    yield budget("no budget", "LLMBudgetUsed", series=spent, expect={"109h": []})
    others = {
        **spending_of("acme", "search", (0.1, 20)),
        **spending_of("zeta", "search", (0.1, 20)),
        **spending_of("none", "answers", (0.1, 20)),
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
                *(Fires(s, "195%", {**acme, "tenant_id": "zeta"}) for s in (INFO, WARN, PAGE)),
                Fires(INFO, "78%", {"scope": "feature", "feature": "search"}),
                Fires(INFO, "58.5%", {"scope": "total"}),
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
            f'round({spending.MONTH_TO_DATE}{{scope="total"}}, 0.01)': (
                "18h",
                {'{scope="total"}': 7.2},
            ),
            # Six hours of December are gone: what is left goes at the pace of the hours there are.
            f'round({spending.MONTH_PROJECTED}{{scope="total"}}, 0.01)': (
                "18h",
                {'{scope="total"}': round(7.2 + 28.8 * 30.75, 2)},
            ),
        },
    )
    month = f"round({spending.MONTH_TO_DATE}{{scope='total'}}, 0.1)"
    projected = f"round({spending.MONTH_PROJECTED}{{scope='total'}}, 0.1)"
    yield budget(
        "the rest of the month goes at the mean pace of a week, an idle weekend in it",
        "LLMBudgetProjected",
        series=spending_of(
            "acme", "search", *((1, 24),) * 5, (0, 48), *((1, 24),) * 5, (0, 48)
        ),
        expect={"10h": [], "240h": []},
        samples={
            # one day is known, then three, then all
            projected.replace("0.1", "1"): ("24h", {'{scope="total"}': 24 * 30}),
            projected: ("72h", {'{scope="total"}': 24 * 30}),
            projected + " + 0": ("240h", {'{scope="total"}': round(192 + 120 / 7 * 20, 1)}),
        },
    )  # fmt: skip
    yield budget(
        "who is gone has no pace, and what they spent stays in the month",
        "LLMBudgetProjected",
        series={
            **spending_of("acme", "search", (1, 24), (None, 300)),
            **spending_of("zeta", "search", (1, 240)),
        },
        expect={"10h": []},
        samples={projected: ("239h30m", {'{scope="total"}': 743.8})},
    )
    restarted = {COST: counter((0.1, 60), (RESET, 1), (0.1, 59))}
    yield budget(
        "a process that starts anew under the same name",
        "LLMBudgetUsed",
        series=restarted,
        expect={"19h50m": []},
        evaluated="10m",
        # one step lies between the last value of the old and the 0 of the new process
        samples={month: ("19h50m", {'{scope="total"}': 11.7})},
    )
    yield budget(
        "four hours of which nothing came, and was kept by nobody",
        "LLMBudgetUsed",
        series={COST: "0+0.1x65 _x24 9+0.1x29"},
        expect={"19h50m": []},
        evaluated="10m",
        samples={month: ("19h50m", {'{scope="total"}': 11.9})},
    )


def projections() -> Iterator[Case]:
    """What Prometheus projects is what the pages and digests project from the same hours."""
    began = datetime.fromisoformat(NOVEMBER.rstrip("Z"))
    total = f'round({spending.MONTH_PROJECTED}{{scope="total"}}, 0.1)'
    for case, phases in {
        "an even week and more": ((0.1, 24 * 9 + 8),),
        "one expensive hour": ((0.1, 24 * 8), (40.0, 1), (0.1, 7)),
        "an idle weekend": ((1.0, 24 * 5), (0.0, 24 * 2), (1.0, 24 + 6)),
        "the first five hours": ((1.0, 5),),
        "the first three days": ((0.5, 72),),
    }.items():
        hours = [usd for usd, number in phases for _ in range(number)]
        until = began + timedelta(hours=len(hours))
        month = projected_month.project(
            ((began + timedelta(hours=n), usd) for n, usd in enumerate(hours)), until
        )
        assert month is not None
        yield budget(
            f"the month after {case}",
            "LLMBudgetProjected",
            # What was spent in the last ten minutes is told by the next value.
            series=spending_of("acme", "search", *phases, (0.0, 1)),
            expect={f"{len(hours)}h": []},
            samples={total: (f"{len(hours)}h", {'{scope="total"}': round(month.usd, 1)})},
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


def money() -> Iterator[Case]:
    """The amounts that the texts hold: what was spent, and where the level is."""
    yield Case(
        "says what the hour cost",
        "LLMHourlyCostSpike",
        {SPENT: hourly((1, 30)), COST: counter((1 / 12, 300), (1, 12), (1 / 12, 48))},
        {
            "26h": [
                Fires(WARN, "12.0×", SHOP, ("$12.00", "$3.00")),
                Fires(PAGE, "12.0×", SHOP, ("$12.00", "$6.00")),
            ]
        },
        step="5m",
    )
    acme = {"scope": "tenant", "tenant_id": "acme"}
    spent = spending_of("acme", "search", (0.1, 110))
    yield budget(
        "says what is spent and how much may be",
        "LLMBudgetUsed",
        series=spent,
        config=Config(budgets=Budgets(tenants={"acme": 10})),
        expect={
            "85h30m": [
                Fires(INFO, "85.5%", acme, ("$8.55", "$5.00")),
                Fires(WARN, "85.5%", acme, ("$8.55", "$8.00")),
            ]
        },
    )
    yield budget(
        "says what the month will have cost",
        "LLMBudgetProjected",
        series=spent,
        config=Config(budgets=Budgets(tenants={"acme": 60})),
        expect={
            "26h": [
                Fires(WARN, "120%", acme, ("$72.00", "$48.00")),
                Fires(PAGE, "120%", acme, ("$72.00", "$60.00")),
            ]
        },
    )
    yield day(
        "says what the day cost, in staging too",
        {
            f"{14 * 24 + 3}h": [
                Fires(s, "2.1×", {**SHOP, "deployment_environment_name": "staging"}, usd)
                for s, usd in ((WARN, ("$49.53", "$28.80")), (PAGE, ("$49.53", "$48.00")))
            ]
        },
        series={
            series(
                semconv.COST, **CALL, token_type="input", deployment_environment_name="staging"
            ): counter(*((each / 48, 48) for each in (*(24 for _ in range(13)), 48, 60, 24)))
        },
    )


def environments() -> Iterator[Case]:
    def spent(name: str, *amounts: float) -> dict[str, str]:
        cost = series(semconv.COST, **CALL, token_type="input", deployment_environment_name=name)
        return {cost: counter(*((each / 48, 48) for each in amounts), start=0)}

    yield day(
        "staging costs twice its usual day, which production's is large enough to hide",
        {
            f"{14 * 24 + 3}h": [
                at(s, "2.1×", deployment_environment_name="staging") for s in (WARN, PAGE)
            ]
        },
        series={
            **spent("production", *(2400 for _ in range(17))),
            **spent("staging", *(24 for _ in range(13)), 48, 60, 24, 24),
        },
    )


PARTS = (daily, spike, tokens, budgets, uncounted, money, environments)
CASES = [case for part in PARTS for case in part()]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_alert(case: Case, tmp_path: Path) -> None:
    """An alert fires when it should, with its labels and texts, and at no other time."""
    check(case, tmp_path)
