"""What the cost page says of causes, the month and budgets, and where its links lead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from lake.pages import content, links, text

import llm_otel.lake
from llm_otel import digest
from llm_otel.dashboard.site import Site
from llm_otel.lake.writer import Writer
from llm_otel.monthly_budgets import NO_BUDGETS, Budgets

NOW = datetime(2026, 11, 20, 12)
_YESTERDAY = NOW - timedelta(days=1)
_DAY_BEFORE = NOW - timedelta(days=2)

Opens = Callable[..., Site]


@pytest.fixture
def opens(tmp_path: Path) -> Opens:
    """Makes a lake of calls, and the dashboard's site over it."""

    def open_site(calls: list[dict[str, Any]], budgets: Budgets = NO_BUDGETS) -> Site:
        with Writer(tmp_path) as writer:
            writer.append(calls=calls)
        lake = llm_otel.lake.open(tmp_path)
        return Site(lake, clock=lambda: NOW.replace(tzinfo=timezone.utc), budgets=budgets)

    return open_site


def calls(
    time: datetime, size: int, tenant: str = "acme", feature: str = "chat", **fields: Any
) -> list[dict[str, Any]]:
    """So many calls of a dollar each."""
    start = int(time.timestamp()) * 1000 + sum(map(ord, tenant + feature)) * 10**7
    usual = {
        "service_name": "shop", "provider": "openai", "model": "gpt-5", "operation": "chat",
        "status": "ok", "duration_s": 1.0, "input_tokens": 900, "output_tokens": 100,
        "cost_usd": 1.0, "tenant_id": tenant, "feature": feature,
    }  # fmt: skip
    return [
        {"time": time, "trace_id": f"{start + n:032x}", "span_id": f"{start + n:016x}"}
        | usual | fields
        for n in range(size)
    ]  # fmt: skip


def _bursts() -> list[dict[str, Any]]:
    """Yesterday acme made three times its calls; zeta's had twice the tokens."""
    return [
        *calls(_DAY_BEFORE, 4),
        *calls(_YESTERDAY, 12),
        *calls(_DAY_BEFORE, 2, "zeta", "search"),
        *calls(_YESTERDAY, 2, "zeta", "search", cost_usd=2.0, input_tokens=1900),
    ]


def test_the_tenant_that_burnt_money_and_why_stand_on_the_page(opens: Opens) -> None:
    """The change against the day before, its causes, and the mover with its own cause."""
    page = content(opens(_bursts()), "/cost?range=yesterday")
    found = text(page)
    assert "$16.00 after $6.00 in the window before: +$10.00" in found
    for sentence in ("more calls +$8.00 · ", "higher tokens per call +$2.00 · "):
        assert sentence in found, found
    assert found.index("acme\n+$8.00") < found.index("zeta\n+$2.00"), "the largest change is first"


def test_a_name_leads_one_level_deeper_and_its_traces_are_near(opens: Opens) -> None:
    """A tenant opens its features; cost and `traces` open the most expensive traces of it."""
    site = opens(_bursts())
    there = links(content(site, "/cost?range=yesterday&by=tenant_id"))
    assert there["acme"] == "/cost?range=yesterday&tenant_id=acme&by=feature"
    assert there["$12.00"] == "/traces?range=yesterday&sort=cost&tenant_id=acme"
    deeper = links(content(site, there["acme"]))
    assert deeper["chat"] == "/cost?tenant_id=acme&range=yesterday&feature=chat&by=model"
    assert "zeta" not in deeper


def test_a_cause_shows_who_it_came_from(opens: Opens) -> None:
    """Names by one cause add up to it."""
    site = opens(_bursts())
    page = content(site, "/cost?range=yesterday")
    there = links(page)["Higher tokens per call"]
    assert there == "/cost?range=yesterday&cause=tokens+per+call"
    found = text(content(site, there))
    assert "Who moved it by tokens per call" in found
    assert "zeta\n+$2.00\ntraces" in found, found
    assert "acme\n+" not in found, "its tokens were as before"


def test_without_a_window_before_no_causes_are_made_up(opens: Opens) -> None:
    """All of it would be new."""
    found = text(content(opens(calls(_YESTERDAY, 3)), "/cost?range=yesterday"))
    assert "There were no costs in the window before to compare with." in found
    assert "what is new" not in found


def test_one_month_on_every_page_and_in_the_digest(opens: Opens, tmp_path: Path) -> None:
    """The overview, the cost page, its rows and the digest project the same."""
    rows = [
        row for n in range(1, 10) for row in calls(datetime(2026, 11, 20 - n, 6), n, feature="f")
    ]
    site = opens(rows)
    overview, costs = (text(content(site, f"{path}?range=7d")) for path in ("/", "/cost"))
    line = overview[overview.index("Projected month") :].split("\n")[:3]
    assert "\n".join(line) in costs, (line, costs)
    table = text(content(site, "/cost?range=7d&by=tenant_id"))
    assert table.count(line[1]) == 2, "the card and the row of the only tenant"
    of = digest.period("day", NOW.date() - timedelta(days=1))
    figure = digest.compute(llm_otel.lake.open(tmp_path), of, NO_BUDGETS).figure("projected month")
    midnight = NOW.replace(hour=0)
    at_midnight = Site(
        llm_otel.lake.open(tmp_path), clock=lambda: midnight.replace(tzinfo=timezone.utc)
    )
    assert figure.now is not None
    assert f"Projected month\n${figure.now:.2f}" in text(content(at_midnight, "/cost?range=7d"))


def test_a_budget_says_when_it_will_be_used_up(opens: Opens) -> None:
    """Seven dollars a day: 63 of the month are spent, and 100 will be in five days and a bit."""
    rows = [row for n in range(9) for row in calls(NOW - timedelta(days=n, hours=1), 7)]
    budgets = Budgets(1000, {"acme": 100, "*": 5}, {"chat": 60})
    found = text(content(opens(rows, budgets), "/cost?range=7d"))
    table = found[found.index("Budgets of this month") :]
    assert "used up on 25 Nov" in table, table
    assert "feature chat\n$63.00\n$60.00\n105 %" in table.replace(".0 %", " %"), table
    assert table.index("feature chat") < table.index("tenant acme") < table.index("everything")
    assert "lasts the month" in table[table.index("everything") :]


def test_a_budget_is_of_all_that_a_tenant_spends(opens: Opens) -> None:
    """A filter of the page shows fewer budgets, not less of them."""
    rows = [*calls(_YESTERDAY, 3), *calls(_YESTERDAY, 4, model="gpt-5-mini", feature="search")]
    site = opens(rows, Budgets(None, {"acme": 100}))
    found = text(content(site, "/cost?range=7d&model=gpt-5-mini&tenant_id=acme"))
    assert "tenant acme\n$7.00\n$100.00" in found, found
    assert "tenant acme" not in text(content(site, "/cost?range=7d&tenant_id=zeta"))


def test_calls_without_a_tenant_are_no_tenant(opens: Opens) -> None:
    """The budget of each tenant is not theirs."""
    rows = [*calls(_YESTERDAY, 3, tenant_id=None), *calls(_YESTERDAY, 1, "zeta")]
    found = text(content(opens(rows, Budgets(None, {"*": 100})), "/cost?range=7d"))
    assert "tenant zeta" in found
    assert "tenant none" not in found


@pytest.mark.parametrize("by", ["release", "agent"])
def test_costs_by_release_and_agent(opens: Opens, by: str) -> None:
    """A name narrows the page to it, and its cost leads to its traces."""
    rows = [
        *calls(_DAY_BEFORE, 2, **{by: "one"}),
        *calls(_YESTERDAY, 3, **{by: "one"}),
        *calls(_YESTERDAY, 1, "zeta", **{by: "two"}),
    ]
    site = opens(rows)
    there = links(content(site, f"/cost?range=yesterday&by={by}"))
    assert there["one"] == f"/cost?range=yesterday&{by}=one&by=tenant_id"
    assert there["$3.00"] == f"/traces?range=yesterday&sort=cost&{by}=one"
    assert "$3.00 after $2.00 in the window before" in text(content(site, there["one"]))


def test_without_budgets_the_page_says_how_to_set_one(opens: Opens) -> None:
    """A file's section, as an example."""
    found = text(content(opens(calls(_YESTERDAY, 1)), "/cost?range=7d"))
    assert "budgets: {total: 500, tenants: {acme: 100}}" in found


def test_savings_are_one_line_with_a_link(opens: Opens) -> None:
    """What failed was paid for."""
    rows = [*calls(_YESTERDAY, 3), *calls(_YESTERDAY, 2, "zeta", status="error")]
    page = content(opens(rows), "/cost?range=7d")
    assert "In the last 7 days: $2.00 went into calls that failed. " in text(page)
    assert links(page)["See what can be saved"] == "/optimise?range=7d"
