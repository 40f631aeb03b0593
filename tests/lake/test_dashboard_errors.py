"""The page of errors: classes, kinds, since when, and what they cost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from lake.pages import charts, content, links, text

import llm_otel.lake
from llm_otel.dashboard.app import create_app
from llm_otel.dashboard.site import Site
from llm_otel.lake.writer import Writer

NOW = datetime(2026, 11, 20, 15, 30)
Opens = Callable[..., Site]


def call(number: int, hours: float, error: str | None, **fields: Any) -> dict[str, Any]:
    """A call so many hours ago."""
    status = "ok" if error is None else "cancelled" if error == "cancelled" else "error"
    usual = {"time": NOW - timedelta(hours=hours), "trace_id": f"{number:032x}",
             "span_id": f"{number:016x}", "service_name": "shop", "provider": "openai",
             "model": "gpt-5", "operation": "chat", "status": status, "error_type": error,
             "duration_s": 1.0, "cost_usd": None if error else 1.0}  # fmt: skip
    return {**usual, **fields}


CALLS = [
    call(1, 30, None),
    call(2, 20, "rate_limit", model="gpt-4o", tenant_id="acme"),
    call(3, 10, "rate_limit", tenant_id="acme"),
    call(4, 8, "content_filter", cost_usd=0.25),
    call(5, 6, "cancelled", tenant_id="b"),
]


@pytest.fixture
def opens(tmp_path: Path) -> Opens:
    """Makes a lake of rows, and the dashboard's site over it."""

    def open_site(**tables: list[dict[str, Any]]) -> Site:
        with Writer(tmp_path) as writer:
            writer.append(**tables)
        lake = llm_otel.lake.open(tmp_path)
        return Site(lake, clock=lambda: NOW.replace(tzinfo=timezone.utc))

    return open_site


def rows(folder: Path, address: str) -> list[list[str]]:
    """The table of the page, without its head."""
    browser = create_app(folder, clock=lambda: NOW.replace(tzinfo=timezone.utc)).test_client()
    lines = browser.get(f"/csv/errors?of=/errors&{address}").text.splitlines()
    return [line.split(",") for line in lines[1:]]


def test_classes_have_their_kind_and_times(opens: Opens, tmp_path: Path) -> None:
    """What was refused for what it asked is no failure of the provider, and neither is a stop."""
    opens(calls=CALLS)
    found = {row[0]: row for row in rows(tmp_path, "")}
    assert {name: row[1] for name, row in found.items()} == {
        "rate_limit": "failed", "content_filter": "refused", "cancelled": "cancelled"
    }  # fmt: skip
    names = [cell for cell in found["rate_limit"] if cell.startswith("2026-")]
    assert names == ["2026-11-19T19:30:00Z", "2026-11-20T05:30:00Z"]
    assert "0.25" in found["content_filter"]


@pytest.mark.parametrize(
    ("by", "calls"),
    [
        ("model", {"gpt-5": "3", "gpt-4o": "1"}),
        ("provider", {"openai": "4"}),
        ("tenant_id", {"acme": "2", "b": "1", "none": "1"}),
    ],
)
def test_they_are_listed_by_what_one_asks(
    opens: Opens, tmp_path: Path, by: str, calls: dict[str, str]
) -> None:
    """Every call that was not answered is in one row."""
    opens(calls=CALLS)
    listed = {row[0]: row[3] for row in rows(tmp_path, f"by={by}")}
    assert listed == calls


def test_what_metrics_count_is_counted_by_them(opens: Opens) -> None:
    """Spans are sampled: the metrics say how many there were, the spans show one."""
    hour = {"hour": NOW.replace(hour=5, minute=0), "service_name": "shop", "model": "gpt-5",
            "provider": "openai"}  # fmt: skip
    metrics = [
        hour | {"metric": "gen_ai.request.duration", "sum": 9.0, "count": 9},
        hour | {"metric": "gen_ai.errors", "sum": 7.0, "error_type": "server"},
    ]
    site = opens(calls=[call(1, 10, "server")], metrics_hourly=metrics)
    drawn = charts(site, "/errors")["errors"]
    assert {trace.name: sum(y or 0 for y in trace.y) for trace in drawn.data} == {"server": 7}
    words = text(content(site, "/errors")).splitlines()
    assert words[words.index("Failed") + 1] == "7", words


def test_a_class_leads_to_its_traces(opens: Opens) -> None:
    """The filter works on every page."""
    site = opens(calls=CALLS)
    found = links(content(site, "/errors"))
    assert found["rate_limit"] == "/traces?error_type=rate_limit"
    assert "2 traces" in text(content(site, found["rate_limit"]))
    assert "1 traces" not in text(content(site, "/?error_type=cancelled"))


def test_what_has_a_status_alone_is_behind_its_link(opens: Opens) -> None:
    """A stream that ended as cancelled has no class, and neither has every error."""
    alone = [call(6, 5, None, status="cancelled"), call(7, 4, None, status="error")]
    site = opens(calls=[*CALLS, *alone])
    found = links(content(site, "/errors"))
    assert "2 traces" in text(content(site, found["cancelled"])), found
    assert "1 trace" in text(content(site, found["error"])), found


def test_streams_left_early_are_cancelled_where_there_are_metrics(
    opens: Opens, tmp_path: Path
) -> None:
    """The metrics hold errors, and a stream that was left is none; what it cost is there however
    the page lists it."""
    hour = {"hour": NOW.replace(hour=5, minute=0), "service_name": "shop", "model": "gpt-5",
            "provider": "openai", "tenant_id": "acme"}  # fmt: skip
    metrics = [
        hour | {"metric": "gen_ai.request.duration", "sum": 9.0, "count": 9},
        hour | {"metric": "gen_ai.errors", "sum": 1.0, "error_type": "server"},
    ]
    left = call(2, 10, None, status="cancelled", tenant_id="acme", cost_usd=0.5)
    calls = [call(1, 10, "server", tenant_id="acme", cost_usd=0.25), left]
    site = opens(calls=calls, metrics_hourly=metrics)
    assert {row[0] for row in rows(tmp_path, "")} == {"server", "cancelled"}
    for address in ("/errors", "/errors?by=tenant_id"):
        words = text(content(site, address)).splitlines()
        assert words[words.index("Cancelled") + 1] == "1", words
        assert words[words.index("Paid all the same") + 1] == "$0.750", words


def test_a_row_is_of_the_kind_of_most_of_its_calls(opens: Opens, tmp_path: Path) -> None:
    """Not of most hours: many in one hour are more than a few in two."""
    calls = [
        *(call(number, 5, "server", tenant_id="acme") for number in range(1, 6)),
        call(6, 20, "content_filter", tenant_id="acme"),
        call(7, 40, "invalid_request", tenant_id="acme"),
    ]
    opens(calls=calls)
    assert rows(tmp_path, "by=tenant_id")[0][:4] == ["acme", "failed", "server", "7"]
