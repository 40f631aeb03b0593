"""A cost that is not whole is marked wherever the lake's figures are shown."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from digest.lakes import call, lake
from lake.pages import text

import llm_otel.lake
from llm_otel.dashboard.site import Site
from llm_otel.dashboard.state import State
from llm_otel.lake import schema
from llm_otel.lake.queries import Filter, Reader, cost, overview, roi, sessions, trace_list
from llm_otel.lake.reading import Lake
from llm_otel.lake.writer import Writer

DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 18, tzinfo=timezone.utc)
WEEK = Filter(datetime(2026, 11, 13, 18), datetime(2026, 11, 20, 18))
TRACE = "ab" * 16


def marked() -> list[dict[str, Any]]:
    """One call of each kind, in one trace."""
    costs = {
        "whole": (1.0, None),
        "part": (0.0154, "incomplete"),
        "priceless": (None, "unpriced"),
        "silent": (None, "unknown"),
        "counted": (0.25, "estimated"),
    }
    return [
        call(
            DAY, n, model=model, cost_usd=usd, cost_status=status, trace_id=TRACE, user="u",
            session_id="s", tenant_id="acme" if status is None else "globex",
        )
        for n, (model, (usd, status)) in enumerate(costs.items())
    ]  # fmt: skip


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake of these calls, with their spans and an outcome."""
    calls = marked()
    shared = {column.name for column in schema.SPANS.columns}
    spans = [
        {k: v for k, v in row.items() if k in shared} | {"name": f"chat {row['model']}"}
        for row in calls
    ]
    outcome = {"time": calls[0]["time"], "feature": "search", "kind": "k", "success": True,
               "value_usd": 9.0, "event_id": 1}  # fmt: skip
    return lake(tmp_path_factory.mktemp("lake"), calls=calls, spans=spans, outcomes=[outcome])


def shown(opened: Lake, path: str, **parameters: str) -> str:
    """All text of a page of the dashboard."""
    site = Site(opened, clock=lambda: NOW)
    page, context = site.context(path, State({k: (v,) for k, v in parameters.items()}).href(""))
    return text(site.content(page, context))


@pytest.mark.parametrize(
    ("by", "unpriced"),
    [
        ("model", {"whole": 0, "part": 1, "priceless": 1, "silent": 1, "counted": 0}),
        ("tenant_id", {"acme": 0, "globex": 3}),
        ("user", {"u": 3}),
    ],
)
def test_sums_say_how_many_calls_they_lack(opened: Lake, by: str, unpriced: dict[str, int]) -> None:
    """By whatever the cost is split; an estimate is not a part that is missing."""
    found = cost.costs(Reader(opened, WEEK), by, "day")
    assert {row.name: row.unpriced for row in found.splits} == unpriced
    assert {(row.model, row.status, row.cost_usd) for row in found.unpriced} == {
        ("part", "incomplete", 0.0154), ("priceless", "unpriced", None),
        ("silent", "unknown", None), ("counted", "estimated", 0.25),
    }  # fmt: skip


def test_every_sum_of_a_cost_is_marked(opened: Lake) -> None:
    """Overview, sessions, traces and ROI count the same three calls."""
    reader = Reader(opened, WEEK)
    found = {
        "overview": overview.overview(reader).now.unpriced,
        "users": sessions.activity(reader).users[0].unpriced,
        "sessions": sessions.activity(reader).sessions[0].unpriced,
        "traces": trace_list.traces(reader)[0].unpriced,
        "dearest": sum(row.unpriced for row in trace_list.traces(reader, "cost")),
        "roi": roi.roi(reader).now.unpriced,
    }
    assert found == dict.fromkeys(found, 3)


def test_metrics_count_where_there_are_any(tmp_path: Path) -> None:
    """They are whole where spans are sampled; by tenant, and filtered by one, calls are counted."""
    hour = {"hour": datetime(2026, 11, 20, 12), "service_name": "shop", "model": "part"}
    of = {"tenant_id": "acme"}
    week_before = hour["hour"] - timedelta(days=7)
    opened = lake(
        tmp_path,
        calls=marked(),
        metrics_hourly=[
            hour | {"metric": "gen_ai.request.duration", "sum": 9.0, "count": 50, **of},
            *(
                hour | {"metric": "gen_ai.request.duration", "sum": 1.0, "count": 1, "model": name}
                for name in ("whole", "priceless", "silent", "counted")
            ),
            hour | {"metric": "gen_ai.requests.unpriced", "sum": 20.0},
            hour | {"metric": "llm_otel.usage.unknown", "sum": 5.0},
            hour | {"metric": "gen_ai.requests.unpriced", "sum": 20.0, "hour": week_before},
        ],
    )
    by_model = cost.costs(Reader(opened, WEEK), "model", "day").splits
    others = dict.fromkeys(("whole", "priceless", "silent", "counted"), 0)
    assert {row.name: row.unpriced for row in by_model} == {"part": 25, **others}
    by_tenant = cost.costs(Reader(opened, WEEK), "tenant_id", "day").splits
    unpriced = {row.name: row.unpriced for row in by_tenant}
    assert unpriced == {"acme": 0, "globex": 3, None: 0}
    of_tenant = Filter(WEEK.since, WEEK.until, tenant_id=("globex",))
    assert overview.overview(Reader(opened, WEEK)).now.unpriced == 25
    assert overview.overview(Reader(opened, of_tenant)).now.unpriced == 3


def test_a_trace_shows_what_each_cost_is_worth(opened: Lake) -> None:
    """At least, about, or a word in the place of a figure."""
    text = shown(opened, f"/traces/{TRACE}")
    for part in ("≥ $0.0154", "cost incomplete", "≈ $0.250", "cost estimated", "unpriced",
                 "unknown", "≥ $1.27", "3 unpriced or incomplete"):  # fmt: skip
        assert part in text, f"{part!r} is not in\n{text}"


@pytest.mark.parametrize("path", ["/", "/cost", "/traces", "/sessions", "/roi"])
def test_every_page_marks_its_sums(opened: Lake, path: str) -> None:
    """The sum of all is the least that was spent."""
    assert "≥ $1.27" in shown(opened, path).splitlines()


def test_what_is_projected_from_a_marked_cost_is_marked(opened: Lake) -> None:
    """Today's cost, and the month's: six hours of 1.2654 USD, and 10.25 days left at that pace."""
    found = shown(opened, "/").splitlines()
    assert found.count("≥ $1.27") >= 2, "in the window and today"
    assert "≥ $53.15" in found, found
    assert "$1.27 so far, the rest at the mean of the 6 hours there are" in found, found


def test_a_whole_sum_has_no_mark(tmp_path: Path) -> None:
    """Nothing is at least what it is, where everything is known."""
    whole = lake(tmp_path, calls=[call(DAY)])
    for path in ("/", "/cost", "/traces"):
        assert "≥ $0.500" not in shown(whole, path), path
        assert "$0.500" in shown(whole, path), path


def test_an_export_of_costs_counts_them(opened: Lake) -> None:
    """Beside each sum, by day, model and tenant."""
    command = [sys.executable, "-m", "llm_otel", "export", "costs", "--since", "2026-11-20",
               "--until", "2026-11-21", "--lake", str(opened.path)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rows = {row["model"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert {model: row["unpriced_calls"] for model, row in rows.items()} == {
        "whole": "0", "part": "1", "priceless": "1", "silent": "1", "counted": "0",
    }, done.stderr  # fmt: skip
    assert (rows["part"]["cost_usd"], rows["priceless"]["cost_usd"]) == ("0.0154", "")


def test_a_lake_from_before_the_mark(tmp_path: Path) -> None:
    """Its calls with tokens and without a cost are unpriced, as they were; new rows go beside."""
    columns = [c for c in schema.CALLS.columns if c.name != "cost_status"]
    older = pa.schema([*((c.name, c.type) for c in columns), ("day", pa.date32())])
    path = str(tmp_path / "calls")
    DeltaTable.create(path, older, partition_by=["day"])
    rows = [call(DAY, 1), call(DAY, 2, model="old", cost_usd=None)]
    table = pa.Table.from_pylist([{**row, "day": DAY} for row in rows], older)
    write_deltalake(path, table, mode="append")
    opened = llm_otel.lake.open(tmp_path)

    def unpriced() -> dict[str | None, int]:
        splits = cost.costs(Reader(opened, WEEK), "model", "day").splits
        return {row.name: row.unpriced for row in splits}

    assert unpriced() == {"gpt-4o": 0, "old": 1}
    with Writer(tmp_path) as writer:
        later = call(DAY, 3, model="new", cost_status="incomplete")
        writer.append(calls=[later, {**later, "time": later["time"] - timedelta(days=1)}])
    assert unpriced() == {"gpt-4o": 0, "old": 1, "new": 2}
