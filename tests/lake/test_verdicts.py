"""A verdict knows what its call knows."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import llm_otel.lake
from llm_otel.lake.writer import Writer

NOON = datetime(2026, 11, 20, 12)
TRACE = "ab" * 16


def call(number: int, **columns: Any) -> dict[str, Any]:
    """One call of acme's search."""
    row = {"time": NOON, "trace_id": TRACE, "span_id": f"{number:016x}", "model": "gpt-4o",
           "response_id": f"resp-{number}", "feature": "search", "tenant_id": "acme",
           "scope": "llm_otel"}  # fmt: skip
    return {**row, **columns}


def verdict(folder: Path, calls: list[dict[str, Any]], **columns: Any) -> dict[str, Any]:
    """The one score and the one outcome of a lake, which must know the same."""
    row = {"time": NOON + timedelta(minutes=1), "event_id": 1, **columns}
    with Writer(folder) as writer:
        writer.append(calls=calls, scores=[row], outcomes=[row])
    opened = llm_otel.lake.open(folder)
    names = "trace_id, span_id, response_id, model, feature, tenant_id"
    score, outcome = (
        opened.sql(f"SELECT {names} FROM {table}").fetchall() for table in ("scores", "outcomes")
    )
    assert score == outcome
    assert len(score) == 1, score
    return dict(zip(names.split(", "), score[0]))


@pytest.mark.parametrize(
    "known",
    [
        {"response_id": "resp-2"},
        {"span_id": f"{2:016x}"},
        {"trace_id": TRACE, "span_id": f"{2:016x}"},
    ],
)
@pytest.mark.parametrize("days", [0, 1, 7])
def test_one_id_finds_the_call(tmp_path: Path, known: dict[str, Any], days: int) -> None:
    """On the day of the verdict, or in the week before."""
    earlier = {"time": NOON - timedelta(days=days)}
    calls = [call(1, model="other", **earlier), call(2, **earlier)]
    row = verdict(tmp_path, calls, **known)
    wanted = call(2)
    assert row == {name: wanted[name] for name in row}


def test_a_trace_tells_what_its_calls_agree_on(tmp_path: Path) -> None:
    """Two models, one feature and tenant."""
    row = verdict(tmp_path, [call(1), call(2, model="gpt-4o-mini")], trace_id=TRACE)
    assert row == {"trace_id": TRACE, "span_id": None, "response_id": None, "model": None,
                   "feature": "search", "tenant_id": "acme"}  # fmt: skip


def test_what_a_verdict_says_itself_wins(tmp_path: Path) -> None:
    """Also where its call says otherwise."""
    row = verdict(tmp_path, [call(1)], response_id="resp-1", feature="chat")
    assert (row["feature"], row["tenant_id"]) == ("chat", "acme")


@pytest.mark.parametrize(
    "known",
    [{}, {"response_id": "nobody"}, {"trace_id": "00" * 15 + "01"}, {"span_id": "f" * 16}],
)
def test_a_verdict_without_a_call_stays(tmp_path: Path, known: dict[str, Any]) -> None:
    """With what it says."""
    row = verdict(tmp_path, [call(1)], **known)
    assert (row["model"], row["tenant_id"]) == (None, None)


def test_a_call_that_comes_after_its_verdict_is_found(tmp_path: Path) -> None:
    """By a lake that was open before."""
    verdict(tmp_path, [], response_id="resp-1")
    opened = llm_otel.lake.open(tmp_path)
    assert opened.sql("SELECT model FROM scores").fetchall() == [(None,)]
    with Writer(tmp_path) as writer:
        writer.append(calls=[call(1)])
    assert opened.sql("SELECT model FROM scores").fetchall() == [("gpt-4o",)]


@pytest.mark.parametrize("known", [{"span_id": f"{9:016x}"}, {"response_id": "gateway-9"}])
def test_a_verdict_of_a_span_above_is_of_the_call_that_counts(
    tmp_path: Path, known: dict[str, Any]
) -> None:
    """Whoever judged knew the framework's span, or the gateway's id of the answer."""
    above = call(9, scope="framework", response_id="gateway-9", operation="chat")
    below = call(1, scope="sdk", parent_span_id=above["span_id"], operation="chat")
    row = verdict(tmp_path, [above, below], **known)
    assert (row["model"], row["span_id"]) == ("gpt-4o", below["span_id"])
