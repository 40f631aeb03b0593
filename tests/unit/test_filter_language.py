"""What is typed into the dashboard's search line, and the address that it becomes."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from llm_otel.dashboard import language, moments
from llm_otel.dashboard.state import State, limit
from llm_otel.lake.queries.filters import Limit

NOW = datetime(2026, 11, 20, 15, 30)
NOTHING = State()


@pytest.mark.parametrize(
    ("line", "params"),
    [
        ("model:gpt-4o", {"model": ("gpt-4o",)}),
        ("model:gpt-4o model:gpt-5", {"model": ("gpt-4o", "gpt-5")}),
        ("model:claude-* -tenant:acme", {"match": ("model:claude-*", "-tenant_id:acme")}),
        ('feature:"two words"', {"feature": ("two words",)}),
        ("env:prod", {"environment": ("prod",)}),
        ("cost>0.1 duration >= 5", {"where": ("cost>0.1", "duration>=5")}),
        ("score.helpfulness<0.5", {"where": ("score.helpfulness<0.5",)}),
        ("tag.team:search tag:channel=mobile", {"tag": ("team=search", "channel=mobile")}),
        ("range:yesterday", {"range": ("yesterday",)}),
        ("since:-3d until:yesterday", {"since": ("-3d",), "until": ("yesterday",)}),
        ('refund "lost parcel"', {"text": ("refund", "lost parcel")}),
        ("", {}),
    ],
)
def test_a_line_is_parameters_of_the_address(line: str, params: dict[str, tuple[str, ...]]) -> None:
    """Every term has its parameter; words are looked for."""
    found = language.search(line, NOTHING, NOW)
    assert (dict(found.state.params), found.mistakes) == (params, [])
    assert found.looks == ("text" in params)
    assert found.state.mistakes(NOW) == []


def test_what_was_there_stays_and_nothing_is_there_twice() -> None:
    """A line narrows the page further."""
    before = State({"model": ("gpt-5",), "range": ("24h",)})
    found = language.search("model:gpt-5 status:error", before, NOW).state
    expected = {"model": ("gpt-5",), "range": ("24h",), "status": ("error",)}
    assert dict(found.params) == expected


def test_a_trace_id_alone_leads_to_its_trace() -> None:
    """Pasted with blanks around it, in either case."""
    found = language.search(f"  {'AB' * 16} ", NOTHING, NOW)
    assert found.trace == "ab" * 16


@pytest.mark.parametrize("line", ["colour:red", "model:", "cost>cheap9", "since:soon", "-range:7d"])
def test_what_says_nothing_is_told(line: str) -> None:
    """Its neighbours are kept."""
    found = language.search(f"provider:openai {line}", NOTHING, NOW)
    assert dict(found.state.params) == {"provider": ("openai",)}, found
    assert [line in each for each in found.mistakes] == [True], found.mistakes


@pytest.mark.parametrize(
    ("line", "ends"),
    [
        ("mod", ["model:"]),
        (
            "provider:openai model:5",
            ["provider:openai model:gpt-5", "provider:openai model:gpt-5-mini"],
        ),
        ("-model:4o", ["-model:gpt-4o"]),
        ("feature:t", ['feature:"two words"']),
        ("score.h", ["score.helpful<"]),
        ("nothing", []),
    ],
)
def test_a_line_is_completed_from_what_was_seen(line: str, ends: list[str]) -> None:
    """Names first, then their values, wherever the letters stand in them."""
    values = {"model": ["gpt-4o", "gpt-5", "gpt-5-mini"], "feature": ["two words"]}
    assert language.completions(line, values, ["helpful"]) == ends


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("today", NOW.replace(hour=0, minute=0), NOW.replace(day=21, hour=0, minute=0)),
        ("yesterday", NOW.replace(day=19, hour=0, minute=0), NOW.replace(hour=0, minute=0)),
        ("-3d", NOW - timedelta(days=3), NOW - timedelta(days=3)),
        ("-90m", NOW - timedelta(minutes=90), NOW - timedelta(minutes=90)),
        ("2026-11-01", datetime(2026, 11, 1), datetime(2026, 11, 2)),
        ("2026-11-01T12:00+02:00", datetime(2026, 11, 1, 10), datetime(2026, 11, 1, 10)),
        ("soon", None, None),
        ("-3", None, None),
        ("1066-10-14", None, None),
    ],
)
def test_times_as_people_type_them(
    text: str, first: datetime | None, last: datetime | None
) -> None:
    """A day ends with its end, a moment is a moment."""
    assert (moments.first(text, NOW), moments.last(text, NOW)) == (first, last)


@pytest.mark.parametrize(
    ("address", "since", "until"),
    [
        ("range=today", datetime(2026, 11, 20), NOW),
        ("range=yesterday", datetime(2026, 11, 19), datetime(2026, 11, 20)),
        ("since=yesterday&until=yesterday", datetime(2026, 11, 19), datetime(2026, 11, 20)),
        ("since=-1d", datetime(2026, 11, 19, 15), NOW),
    ],
)
def test_the_window_of_an_address(address: str, since: datetime, until: datetime) -> None:
    """Named days are whole ones, as far as they have gone."""
    window = State.parse(address).filter(NOW)
    assert (window.since, window.until) == (since, until)


def test_comparisons() -> None:
    """A name that is known, a sign, and a number."""
    assert limit("cost>=0.10") == Limit("cost", ">=", 0.1)
    assert limit("score.is it good<1") == Limit("score.is it good", "<", 1.0)
    for wrong in ("cost", "cost>", "price>1", "cost>1 OR 1=1", "score.<1", "cost>nan"):
        assert limit(wrong) is None, wrong
