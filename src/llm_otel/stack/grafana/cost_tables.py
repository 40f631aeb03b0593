"""The tables of the cost dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llm_otel import semconv
from llm_otel.semconv import FEATURE, INPUT, MODEL, OUTPUT, PROVIDER, TENANT_ID, TOKEN_TYPE
from llm_otel.stack.grafana.model import Panel
from llm_otel.stack.grafana.promql import (
    BY_MODEL,
    BY_TENANT,
    increase,
    over_range,
    recorded,
    summed,
    unpriced,
)
from llm_otel.stack.grafana.tables import Column, table
from llm_otel.stack.prometheus import recording

LEVEL: Final = {
    MODEL: BY_MODEL,
    PROVIDER: BY_MODEL,
    TENANT_ID: BY_TENANT,
    FEATURE: BY_TENANT,
}
HEADS: Final = {MODEL: "Model", PROVIDER: "Provider", TENANT_ID: "Tenant", FEATURE: "Feature"}
_BLOATED: Final = 10
_MANY_TOKENS: Final = 10_000


def cost(window: str, by: Sequence[str] = (), level: str = BY_MODEL, *, ago: str = "") -> str:
    """The recorded cost of a window, in USD, by some labels that a level has."""
    return summed(recorded(recording.HOURLY_COST, level), window, by, ago=ago)


def _numbers(by: Sequence[str], level: str) -> tuple[Column, ...]:
    """What a table shows of the dashboard's time range."""

    def tokens(kind: str) -> str:
        matcher = f'{TOKEN_TYPE}="{kind}"'
        return over_range(semconv.TOKENS_CONSUMED, recording.HOURLY_TOKENS, level, by, matcher)

    spent = over_range(semconv.COST, recording.HOURLY_COST, level, by)
    calls = summed(recorded(recording.HOURLY_REQUESTS, level), "$__range", by)
    return (
        Column("Cost", spent, "currencyUSD", bar=True, total=True),
        Column("Calls", calls, "locale", 0, total=True),
        Column("Cost of 1,000 calls", f"1000 * ({spent}) / ({calls} > 0)", "currencyUSD"),
        Column("Tokens in", tokens(INPUT), "short", 1, total=True),
        Column("Tokens out", tokens(OUTPUT), "short", 1, total=True),
    )


def models() -> Panel:
    """What each model cost in the time range."""
    return table(
        "Models",
        "The time range by model. Costs differ by price, by length of prompt and by caching. The "
        "last column counts calls whose cost is unknown or incomplete.",
        {MODEL: "Model", PROVIDER: "Provider"},
        *_numbers((MODEL, PROVIDER), BY_MODEL),
        Column(
            "Not priced in full", unpriced("$__range", (MODEL, PROVIDER)), "locale", 0, total=True
        ),
        width=24,
        height=8,
    )


def tenants() -> Panel:
    """What each tenant's features cost in the time range."""
    return table(
        "Tenants and features",
        "The time range by tenant and feature. Calls that are not priced in full are counted by "
        "model, in the table above.",
        {TENANT_ID: "Tenant", FEATURE: "Feature"},
        *_numbers((TENANT_ID, FEATURE), BY_TENANT),
        width=24,
        height=12,
    )


def periods(label: str) -> Panel:
    """What each value of a label cost in the last month, week, day and hour."""
    head, level = HEADS[label], LEVEL[label]
    windows = {"Month": "30d", "Week": "7d", "Day": "1d"}
    return table(
        f"{head}: month, week, day, hour",
        f"USD by {head.lower()} in the last 30 days, 7 days, 24 hours and the last hour.",
        {label: head},
        *(
            Column(
                name, cost(window, [label], level), "currencyUSD", bar=name == "Month", total=True
            )
            for name, window in windows.items()
        ),
        Column("Hour", increase(semconv.COST, "1h", [label]), "currencyUSD", total=True),
        width=12,
        height=7,
    )


def movers(by: Sequence[str]) -> Panel:
    """What changed most against the time before, by some labels."""
    level = LEVEL[by[0]]
    now, before = cost("$__range", by, level), cost("$__range", by, level, ago="$__range")
    change = f"({now} or {before} * 0) - ({before} or {now} * 0)"
    heads = {label: HEADS[label] for label in by}
    words = " and ".join(head.lower() for head in heads.values())
    return table(
        f"Top movers by {words}",
        "The time range against the one of the same length before it. No number under Before: new.",
        heads,
        Column("Change", change, "currencyUSD", total=True),
        Column("Change, share", f"({now} - {before}) / ({before} > 0)", "percentunit", 0),
        Column("Now", now, "currencyUSD", total=True),
        Column("Before", before, "currencyUSD", total=True),
        width=12,
        height=10,
    )


def bloated() -> Panel:
    """Who sends much more than comes back."""
    by = (FEATURE, MODEL)
    chat = f'{semconv.OPERATION}!="{semconv.EMBEDDINGS}"'

    def tokens(kind: str) -> str:
        return increase(semconv.TOKENS_CONSUMED, "24h", by, chat, f'{TOKEN_TYPE}="{kind}"')

    ratio = f"({tokens(INPUT)} / ({tokens(OUTPUT)} > 0))"
    bloat = f"{ratio} > {_BLOATED} and {tokens(INPUT)} > {_MANY_TOKENS}"

    def of_bloated(value: str) -> str:
        # Each column alone makes a row: the same condition on all of them.
        return f"{value} and ({bloat})"

    return table(
        f"Bloated prompts: more than {_BLOATED} tokens in for one out, 24 hours",
        f"Features that send much more than they get, of at least {_MANY_TOKENS:,} tokens in: "
        "long instructions, whole documents, histories that nobody cuts. Embeddings are left out.",
        {FEATURE: "Feature", MODEL: "Model"},
        Column("In / out", bloat, "none", 1),
        Column("Tokens in", of_bloated(tokens(INPUT)), "short", 1, bar=True),
        Column("Tokens out", of_bloated(tokens(OUTPUT)), "short", 1),
        nothing="No prompt is bloated",
        width=8,
        height=10,
    )
