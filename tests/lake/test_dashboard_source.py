"""Pages say what their figures are made of, and what is stored and counts nowhere."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from lake.pages import content, links, text

import llm_otel.lake
from llm_otel import semconv
from llm_otel.dashboard.site import Site
from llm_otel.lake.writer import Writer

NOW = datetime(2026, 11, 20, 18, tzinfo=timezone.utc)
HOUR = datetime(2026, 11, 20, 12)
IDS = {"trace_id": "ab" * 16, "span_id": "cd" * 8}
CALL = {**IDS, "time": HOUR, "service_name": "shop", "provider": "openai", "model": "gpt-4o",
        "operation": "chat", "status": "ok", "duration_s": 1.0, "cost_usd": 1.0}  # fmt: skip
GAIN = {"hour": HOUR, "service_name": "shop", "provider": "openai", "model": "gpt-4o",
        "metric": semconv.REQUEST_DURATION.name, "sum": 1.0, "count": 5}  # fmt: skip


def page(folder: Path, path: str, **tables: list[dict[str, Any]]) -> str:
    """The text of a page over a lake of these rows."""
    with Writer(folder) as writer:
        writer.append(**tables)
    site = Site(llm_otel.lake.open(folder), clock=lambda: NOW)
    return text(content(site, path))


@pytest.mark.parametrize("path", ["/", "/cost"])
@pytest.mark.parametrize(
    ("calls", "gains", "words"),
    [
        ([CALL], [GAIN], None),
        ([CALL], [], "Figures from spans alone"),
        (
            [CALL, {**CALL, "span_id": "ef" * 8, "model": "claude"}],
            [GAIN],
            "1 of the 6 requests are counted by their spans",
        ),
    ],
    ids=["metrics", "spans", "both"],
)
def test_a_page_says_what_its_figures_are_made_of(
    tmp_path: Path, path: str, calls: list[Any], gains: list[Any], words: str | None
) -> None:
    """Nothing where metrics count all."""
    shown = page(tmp_path, path, calls=calls, metrics_hourly=gains)
    if words is None:
        assert "spans alone" not in shown
        assert "counted by" not in shown
    else:
        assert words in shown


@pytest.mark.parametrize("calls", [[], [CALL]], ids=["alone", "beside a call"])
def test_a_gauge_of_costs_is_said_to_count_nothing(tmp_path: Path, calls: list[Any]) -> None:
    """Nobody can tell a running total from a last value; a counter adds up."""
    gauge = {**GAIN, "metric": semconv.COST.name, "sum": 40.0, "instrument": "gauge"}
    counter = {**GAIN, "metric": semconv.COST.name, "count": None, "instrument": "counter"}
    shown = page(tmp_path, "/cost", calls=calls, metrics_hourly=[gauge])
    assert "Metrics of cost that are not counted" in shown
    assert "it is a gauge" in shown
    assert "$40" not in shown
    assert "not counted" not in page(tmp_path / "other", "/cost", metrics_hourly=[counter])


@pytest.mark.parametrize("past", [[CALL], []], ids=["beside others", "alone"])
def test_calls_of_a_clock_that_is_ahead_are_not_missing_in_silence(
    tmp_path: Path, past: list[Any]
) -> None:
    """The page says how many, and leads to the window that holds them, as `export costs` does."""
    soon = {**CALL, "time": HOUR + timedelta(hours=20), "cost_usd": 7.0}
    calls = [*past, *({**soon, "span_id": f"{n:016x}"} for n in (1, 2))]
    with Writer(tmp_path) as writer:
        writer.append(calls=calls)
    site = Site(llm_otel.lake.open(tmp_path), clock=lambda: NOW)
    parts = content(site, "/cost?range=24h")
    assert "2 calls are dated in the future" in text(parts)
    later = text(content(site, links(parts)["show one day more"]))
    assert "$14.00" in later or "$15.00" in later
    assert "dated in the future" not in later
    assert "dated in the future" not in text(content(site, "/cost?until=2026-11-20T16:00"))


def test_clocks_that_differ_by_seconds_are_not_ahead(tmp_path: Path) -> None:
    """Such a call is in the figures a moment later."""
    seconds = {**CALL, "time": NOW.replace(tzinfo=None) + timedelta(seconds=20)}
    assert "dated in the future" not in page(tmp_path, "/", calls=[CALL, seconds])


def test_spans_that_are_no_calls_are_listed_with_the_reason(tmp_path: Path) -> None:
    """Below the traces, and where there is no call at all."""
    spans = [
        {"time": HOUR, "trace_id": "ab" * 16, "span_id": f"{n:016x}", "scope": "crewai", **of}
        for n, of in enumerate(
            [{"operation": "chat", "name": "chat"}, {"operation": "invoke_agent", "name": "a"},
             {"operation": "invoke_agent", "name": "b"}, {"name": "GET /users"}]
        )
    ]  # fmt: skip
    for path, calls in (("/traces", [CALL]), ("/", [])):
        shown = page(tmp_path / path.strip("/"), path, calls=calls, spans=spans)
        for words in ("3 spans hold no model call", "an agent: its model calls", "an HTTP request"):
            assert words in shown, (path, words)


def test_a_trace_says_which_span_counts_below(tmp_path: Path) -> None:
    """Two spans of one request: the upper one has no figures, and says why."""
    upper = {**CALL, "scope": "framework", "input_tokens": 1, "output_tokens": 1}
    lower = {**upper, "span_id": "ef" * 8, "parent_span_id": IDS["span_id"], "scope": "sdk"}
    spans = [{name: row[name] for name in ("time", "trace_id", "span_id", "operation", "scope")}
             | {"name": "chat", "parent_span_id": row.get("parent_span_id")}
             for row in (upper, lower)]  # fmt: skip
    shown = page(tmp_path, f"/traces/{IDS['trace_id']}", calls=[upper, lower], spans=spans)
    assert shown.count("counts below") == 1, shown
