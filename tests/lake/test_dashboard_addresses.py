"""Addresses hold whatever telemetry names things: no value is read as a pattern or as a path."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from lake.pages import links

import llm_otel.lake
from llm_otel.dashboard.app import create_app
from llm_otel.dashboard.keeping import Kept
from llm_otel.dashboard.site import Site
from llm_otel.lake.writer import Writer

NOW = datetime(2026, 11, 20, 15, 30)
ODD = ("*", "!x", "x", "a#b?c", "a/b", "50% off", "日本", "none at all")


def _call(number: int, **fields: Any) -> dict[str, Any]:
    usual = {"time": NOW - timedelta(hours=1), "trace_id": f"{number:032x}",
             "span_id": f"{number:016x}", "service_name": "shop", "provider": "openai",
             "model": "gpt-5", "operation": "chat", "status": "ok", "duration_s": 1.0,
             "cost_usd": 0.01}  # fmt: skip
    return {**usual, **fields}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake in which each session, and its tenant and user, has one of these names."""
    folder = tmp_path_factory.mktemp("odd")
    calls = [
        _call(number, session_id=name, tenant_id=name, user=name)
        for number, name in enumerate(ODD, start=1)
    ]
    with Writer(folder) as writer:
        writer.append(calls=calls)
    return folder


def _get(lake: Path, address: str, **headers: str) -> Any:
    browser = create_app(lake, clock=lambda: NOW.replace(tzinfo=timezone.utc)).test_client()
    answer = browser.get(address, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize("name", ODD)
def test_a_link_to_a_name_leads_to_that_name_alone(odd: Path, name: str) -> None:
    """A session, as a conversation and as CSV; a tenant and a user, as a filter."""
    site = Site(llm_otel.lake.open(odd), clock=lambda: NOW.replace(tzinfo=timezone.utc))
    found = links(site.content(*site.context("/sessions", "")))
    page = _get(odd, found[name], **{"HX-Boosted": "true"})
    assert page.text.count('<li class="turn">') == 1
    pushed = page.headers["HX-Push-Url"]
    assert pushed.isascii()
    assert _get(odd, pushed).text.count('<li class="turn">') == 1
    csv = page.text.partition('href="/csv/turns')[2].partition('"')[0].replace("&amp;", "&")
    assert len(_get(odd, f"/csv/turns{csv}").text.splitlines()) == 2
    for field in ("tenant_id", "user"):
        answer = create_app(odd, clock=lambda: NOW.replace(tzinfo=timezone.utc)).test_client()
        listed = answer.get("/csv/traces", query_string={"of": "/traces", field: name}).text
        assert len(listed.splitlines()) == 2, listed


def test_an_empty_window_of_a_conversation_leads_to_a_longer_one(odd: Path) -> None:
    """Of the same session."""
    site = Site(llm_otel.lake.open(odd), clock=lambda: NOW.replace(tzinfo=timezone.utc))
    found = links(site.content(*site.context("/sessions/gone", "range=1h")))
    assert found["Look at the last 90 days"] == "/sessions/gone?range=90d"


def test_what_narrows_the_list_begins_at_its_first_page(odd: Path) -> None:
    """Windows, menus, chips, forms, the search line."""
    words = _get(odd, "/traces?page=1&tenant_id=x").text
    narrowing = words.partition("<main")[0]
    assert "page=1" not in narrowing
    assert 'name="page"' not in narrowing


def test_a_trace_leads_to_those_beside_it(tmp_path: Path) -> None:
    """Near their time, and with the list's order for the way back."""
    times = [NOW - timedelta(minutes=number) for number in range(1, 4)]
    calls = [_call(number, time=time) for number, time in enumerate(times, start=1)]
    names = ("time", "trace_id", "span_id", "service_name", "status", "duration_s")
    spans = [{**{name: call[name] for name in names}, "name": "chat"} for call in calls]
    with Writer(tmp_path) as writer:
        writer.append(calls=calls, spans=spans)
    site = Site(llm_otel.lake.open(tmp_path), clock=lambda: NOW.replace(tzinfo=timezone.utc))
    asked = "sort=cost&at=2026-11-20T15%3A28%3A00"
    found = links(site.content(*site.context(f"/traces/{2:032x}", asked)))
    for text, number, time in (("‹ Older", 3, times[2]), ("Newer ›", 1, times[0])):
        path, _, query = found[text].partition("?")
        assert path == f"/traces/{number:032x}", found
        assert dict(parse_qsl(query)) == {"sort": "cost", "at": time.isoformat()}
    assert found["← All traces"] == "/traces?sort=cost"


def test_traces_of_many_calls_fill_their_pages(tmp_path: Path) -> None:
    """Sixty calls each: the list has fifty traces all the same, and goes on."""
    calls = [
        _call(number, trace_id=f"{number // 60 + 1:032x}", time=NOW - timedelta(seconds=number))
        for number in range(60 * 70)
    ]
    with Writer(tmp_path) as writer:
        writer.append(calls=calls)
    first, second = (_get(tmp_path, f"/traces?page={page}").text for page in (1, 2))
    assert (first.count("/traces/00"), second.count("/traces/00")) == (100, 40)
    assert "Next" in first
    assert "Next" not in second
    assert "70 traces" in first


def test_a_long_conversation_says_what_it_shows(tmp_path: Path) -> None:
    """Sums are of all of it; the newest turns are there, and a way to older ones."""
    calls = [
        _call(number, session_id="long", time=NOW - timedelta(seconds=number))
        for number in range(1, 251)
    ]
    with Writer(tmp_path) as writer:
        writer.append(calls=calls)
    words = _get(tmp_path, "/sessions/long?range=1h").text
    assert "newest 200 of 250 turns" in words
    assert "$2.50" in words
    assert f"/traces/{1:032x}" in words
    older = words.partition('turns: <a href="')[2].partition('"')[0].replace("&amp;", "&")
    assert f"/traces/{250:032x}" in _get(tmp_path, older).text


def test_what_people_said_stays_in_no_cache(odd: Path) -> None:
    """Pages, their parts and CSV; scripts may stay."""
    spans = f"/traces/{1:032x}/spans/{1:016x}"
    for address in ("/traces", "/csv/traces?of=/traces", spans):
        assert _get(odd, address).headers["Cache-Control"] == "no-store", address
    with _get(odd, "/assets/app.js") as answer:
        assert "max-age" in answer.headers["Cache-Control"]


def test_drawn_pages_are_kept_for_their_moment_alone() -> None:
    """Those of another lake, or another minute, are dropped; what is too large is not kept."""
    kept, made = Kept(), []

    def make(text: str) -> Any:
        return lambda: made.append(text) or text

    def get(moment: int, key: str, text: str) -> str:
        return kept.get(moment, key, make(text), lambda page: "failed" not in page)

    assert [get(1, "a", "one"), get(1, "a", "two"), get(2, "a", "three")] == ["one", "one", "three"]
    assert [get(2, "b", "failed"), get(2, "b", "well")] == ["failed", "well"]
    huge = "–" * 1024 * 1024
    assert [get(2, "c", huge), get(2, "c", "small")] == [huge, "small"]
    assert get(1, "a", "four") == "four"
