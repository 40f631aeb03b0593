"""The digest's numbers, against lakes small enough to be added up by hand."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from digest.lakes import LAST, NOON, call, days, lake

from llm_otel import digest, semconv
from llm_otel.digest.model import Digest
from llm_otel.stack.config import Budgets


def told(folder: Path, kind: str = "day", limits: Budgets | None = None, **tables: list) -> Digest:
    """The digest of LAST, or of the week that ends with it."""
    of = digest.period(kind, LAST)
    return digest.compute(lake(folder, **tables), of, limits or Budgets())


def test_figures_of_a_day(tmp_path: Path) -> None:
    """Cost, calls, tokens, errors and latency are those of the day, beside the day before."""
    today, yesterday = days(2)
    rows = [call(today, n, duration_s=1 + n) for n in range(4)]
    rows.append(call(today, 9, status="error", error_type="timeout", cost_usd=None))
    rows += [call(yesterday, n) for n in range(2)]
    found = told(tmp_path, calls=rows)
    assert (found.cost.now, found.cost.before) == (2.0, 1.0)
    assert (found.figure("calls").now, found.figure("calls").before) == (5, 2)
    assert found.figure("input tokens").now == 4000
    assert found.figure("error share").now == pytest.approx(1 / 5)
    # Three dollars in two days, and ten days of November to come.
    month = found.figure("projected month")
    assert (month.now, month.before) == (pytest.approx(18.0), None)
    assert month.basis == "$3.00 so far, the rest at the mean of the 2 days there are"
    assert found.figure("P50 latency").now == pytest.approx(2.5, abs=0.5)
    assert [(e.error_type, e.now, e.before) for e in found.errors] == [("timeout", 1, 0)]


def test_metrics_win_over_sampled_spans(tmp_path: Path) -> None:
    """Where a service sends metrics, cost and calls are theirs: of its spans only some are here."""
    today = days(1)[0]
    hour = datetime.combine(today, NOON)
    series = {"hour": hour, "service_name": "shop", "model": "gpt-4o", "provider": "openai"}
    metrics = [
        {**series, "metric": semconv.REQUEST_DURATION.name, "sum": 10.0, "count": 100},
        {**series, "metric": semconv.COST.name, "sum": 7.0, "token_type": "input"},
        {**series, "metric": semconv.ERRORS.name, "sum": 3.0, "error_type": "rate_limit"},
    ]
    found = told(tmp_path, calls=[call(today)], metrics_hourly=metrics)
    assert (found.cost.now, found.figure("calls").now) == (7.0, 100)
    assert [(e.error_type, e.now) for e in found.errors] == [("rate_limit", 3)]


def test_causes_of_a_week(tmp_path: Path) -> None:
    """Twice the calls of one tenant and a new model: both are named, and add up to the change."""
    rows = []
    for n, day in enumerate(days(14)):
        this_week = n < 7
        rows += [call(day, each) for each in range(2 if this_week else 1)]
        rows += [call(day, 10, tenant_id="zeta")]
        if this_week:
            rows.append(call(day, 20, model="o3", cost_usd=1.0))
    found = told(tmp_path, "week", calls=rows)
    assert (found.cost.now, found.cost.before) == (17.5, 7.0)
    assert found.causes["new"] == pytest.approx(7.0)
    assert found.causes["calls"] + found.causes["mix"] == pytest.approx(3.5)
    assert abs(found.causes["mix"]) < 0.05, "all calls of the model cost the same"
    assert sum(found.causes.values()) == pytest.approx(10.5)
    assert [(c.key, c.amount) for c in found.drivers["model"]] == [("o3", 7.0), ("gpt-4o", 3.5)]
    assert [(c.key, c.amount) for c in found.drivers["tenant_id"]] == [("acme", 10.5)]


def test_budget_at_the_pace_of_the_last_week(tmp_path: Path) -> None:
    """Used is the month to date; projected adds what is left of it at the last week's mean: a day
    that cost much is not a month of them."""
    rows = [call(day) for day in days(40)]
    rows.append(call(LAST, 1, tenant_id="globex", cost_usd=7.0))
    limits = Budgets(total=100.0, tenants={"*": 12.0, "quiet": 5.0})
    found = told(tmp_path, limits=limits, calls=rows)
    uses = {(use.scope, use.key): (use.used, use.projected) for use in found.budgets}
    # 20 days of November at 0.50, ten more to come
    assert uses == {
        ("total", ""): (17.0, 32.0),
        ("tenant_id", "acme"): (10.0, 15.0),
        ("tenant_id", "globex"): (7.0, 77.0),
        ("tenant_id", "quiet"): (0.0, 0.0),
    }
    assert [use.key for use in found.budgets][:2] == ["globex", "acme"], "the fullest first"
    assert "the rest of it at the mean of the last 7 days" in digest.render(found, "markdown")


def test_an_unusual_day_is_told_once(tmp_path: Path) -> None:
    """A jump of the cost is an anomaly against the same weekday, and the day before it is not."""
    rows = [call(day, n) for day in days(70) for n in range(20 if day == LAST else 4)]
    found = told(tmp_path, "week", calls=rows)
    costs = [each for each in found.anomalies if each.name == "cost"]
    assert [(each.key, each.anomaly.day, each.days) for each in costs] == [("", LAST, 1)]
    assert costs[0].anomaly.expected == pytest.approx(2.0)
    assert told(tmp_path / "calm", calls=[call(day) for day in days(70)]).anomalies == ()


def test_what_to_do(tmp_path: Path) -> None:
    """A bloated prompt, paid failures and a model without a price are named with their numbers."""
    today = days(1)[0]
    rows = [call(today, n, input_tokens=9000, output_tokens=100) for n in range(5)]
    rows += [call(today, 10, feature="draft", status="error", error_type="content_filter")]
    rows += [call(today, 11, model="house-7b", cost_usd=None)]
    found = [each.what for each in told(tmp_path, calls=rows).actions]
    assert len(found) == 3, found
    assert "Feature draft paid for 1 calls" in found[0]
    assert "search sends gpt-4o 90 input tokens for each output token" in found[1]
    assert "house-7b has no price (1 calls)" in found[2]


@pytest.mark.parametrize("form", ["markdown", "html", "json"])
def test_empty_lake(tmp_path: Path, form: str) -> None:
    """Without a single call there is a digest that says so, in every form."""
    text = digest.render(told(tmp_path), form)
    assert "No calls were recorded" in text


def test_json_holds_all_of_it(tmp_path: Path) -> None:
    """The JSON is valid, and its first figure is the cost."""
    rows = [call(day, n) for day in days(70) for n in range(20 if day == LAST else 4)]
    found = json.loads(digest.render(told(tmp_path, calls=rows), "json"))
    assert found["figures"][0] == {
        "name": "cost", "unit": "usd", "now": 10.0, "before": 2.0, "unpriced": 0,
            "basis": "",
    }  # fmt: skip
    assert found["anomalies"][0]["anomaly"]["day"] == "2026-11-20"


def test_a_cost_that_lacks_something_is_the_least(tmp_path: Path) -> None:
    """Headline and figures say so; so does the JSON, with the number of calls."""
    rows = [call(LAST), call(LAST, 1, cost_usd=0.25, cost_status="incomplete"),
            call(LAST, 2, model="house-7b", cost_usd=None, cost_status="unpriced")]  # fmt: skip
    found = told(tmp_path, calls=rows)
    text = digest.render(found, "markdown")
    assert "≥ $0.750 for 3 calls" in text, text
    assert "≥ $8.25" in text, "the month, of which this is the first day there is"
    assert "$0.750 so far, the rest at the mean of the 24 hours there are" in text, text
    assert json.loads(digest.render(found, "json"))["figures"][0]["unpriced"] == 2


def test_names_are_data(tmp_path: Path) -> None:
    """What stands in a name of a tenant is text on the page and in the Markdown."""
    today, yesterday = days(2)
    rows = [call(today, tenant_id="<b>a|c</b>"), call(yesterday)]
    found = told(tmp_path, calls=rows)
    assert "<b>a" not in digest.render(found, "html")
    assert r"\<b\>a\|c" in digest.render(found, "markdown")


def test_a_day_is_compared_with_the_same_weekday(tmp_path: Path) -> None:
    """A Friday with the Friday before, not with a busier Thursday; errors and latency too."""
    friday, thursday, before = LAST, days(2)[1], days(8)[7]
    rows = [call(friday, n) for n in range(4)]
    rows += [call(thursday, n) for n in range(40)]
    rows += [call(before, n, duration_s=3.0) for n in range(2)]
    rows.append(call(before, 9, status="error", error_type="timeout", cost_usd=None))
    found = told(tmp_path, calls=rows)
    assert (found.cost.now, found.cost.before) == (2.0, 1.0)
    assert found.figure("P50 latency").before == pytest.approx(3.0)
    assert [(e.error_type, e.now, e.before) for e in found.errors] == [("timeout", 0, 1)]
    assert "against the Friday before" in digest.render(found, "markdown")


def test_errors_come_before_a_cheaper_day(tmp_path: Path) -> None:
    """The headline is what got worse most, not what is cheaper than usual."""
    rows = []
    for day in days(70):
        bad = day == LAST
        rows += [call(day, n, tenant_id="acme", cost_usd=0.2 if bad else 0.5) for n in range(60)]
        rows += [
            call(day, 100 + n, status="error", error_type="server", cost_usd=None)
            for n in range(20 if bad else 1)
        ]
    found = told(tmp_path, calls=rows)
    assert found.anomalies[0].name == "error share", [each.name for each in found.anomalies]
    text = digest.render(found, "markdown")
    assert text.split("\n")[2].startswith("Error share on Friday, 20 Nov"), text


def test_a_cause_of_nothing_is_left_out(tmp_path: Path) -> None:
    """A free model that is gone moved no dollar."""
    today, before = days(1)[0], days(8)[7]
    rows = [call(today), call(today, 1), call(before)]
    rows.append(call(before, 5, model="house", cost_usd=0.0))
    found = told(tmp_path, calls=rows)
    assert set(found.causes) == {"calls"}, found.causes
