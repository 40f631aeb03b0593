"""Which prompts and models the quality page compares, who wins in words, and the worst answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from lake.pages import content, links, text

import llm_otel.lake
from llm_otel.dashboard.site import Site
from llm_otel.lake.writer import Writer

NOW = datetime(2026, 11, 20, 12)

Opens = Callable[..., Site]


@pytest.fixture
def opens(tmp_path: Path) -> Opens:
    """Makes a lake of scored calls, and the dashboard's site over it."""

    def open_site(*groups: list[tuple[dict[str, Any], float | None]]) -> Site:
        pairs = [pair for group in groups for pair in group]
        calls, scores = [], []
        for n, (fields, value) in enumerate(pairs):
            ids = {"trace_id": f"{n + 1:08x}" * 4, "span_id": f"{n + 1:016x}"}
            calls.append(ids | fields)
            if value is not None:
                scores.append(
                    ids
                    | {"time": fields["time"], "model": fields["model"], "evaluation": "relevance",
                       "score": value, "event_id": n}
                )  # fmt: skip
        with Writer(tmp_path) as writer:
            writer.append(calls=calls, scores=scores)
        lake = llm_otel.lake.open(tmp_path)
        return Site(lake, clock=lambda: NOW.replace(tzinfo=timezone.utc))

    return open_site


def scored(
    size: int, mean: float | None, days: float = 0.5, **fields: Any
) -> list[tuple[dict[str, Any], float | None]]:
    """Calls with scores around a mean; None: without any."""
    usual = {
        "service_name": "shop", "provider": "openai", "model": "gpt-5", "operation": "chat",
        "status": "ok", "duration_s": 1.0, "input_tokens": 900, "output_tokens": 100,
        "cost_usd": 1.0,
    }  # fmt: skip
    return [
        (
            {"time": NOW - timedelta(days=days, seconds=n)} | usual | fields,
            None if mean is None else mean + (n % 5 - 2) / 100,
        )
        for n in range(size)
    ]


def _prompt(name: str, version: str) -> dict[str, str]:
    return {"prompt_name": name, "prompt_version": version}


def test_the_newest_two_versions_of_the_most_judged_prompt(opens: Opens) -> None:
    """Not the two prompts with the most calls; version 10 is newer than 9."""
    site = opens(
        scored(60, None, **_prompt("bulk", "1")),
        scored(50, None, **_prompt("bulk", "2")),
        scored(20, 0.7, **_prompt("answer", "8")),
        scored(20, 0.7, **_prompt("answer", "9")),
        scored(20, 0.8, **_prompt("answer", "10")),
    )
    found = text(content(site, "/quality?range=7d&by=prompt"))
    assert "A: answer@9" in found
    assert "B: answer@10" in found
    assert "B (answer@10) is better: relevance +0.100." in found


def test_the_two_models_that_are_scored_most(opens: Opens) -> None:
    """Not the two with the most calls."""
    site = opens(
        scored(90, None, model="bulk"), scored(30, 0.8, model="x"), scored(20, 0.7, model="y")
    )
    found = text(content(site, "/quality?range=7d"))
    assert "A: x" in found
    assert "A (x) is better: relevance +0.100." in found
    assert "Side by side" in found


def test_who_wins_is_said_for_each_figure(opens: Opens) -> None:
    """Cheaper is better, slower is worse, and what is equal has no winner."""
    site = opens(
        scored(30, 0.7, model="a", cost_usd=2.0),
        [
            (fields | {"cost_usd": 1.0, "duration_s": 3.0 + n % 3}, value)
            for n, (fields, value) in enumerate(scored(30, 0.7, model="b"))
        ],
    )
    found = text(content(site, "/quality?range=7d"))
    assert "Their scores show no clear difference." in found
    assert "B costs $1.00 less a call; B is 3.00 s slower." in found
    assert "B − A, 95 % interval" in found
    assert "Calls were not assigned at random" in found, "the method is there for who asks"


def test_scores_of_prompts_are_of_the_whole_window(opens: Opens) -> None:
    """As cost and latency are."""
    site = opens(
        scored(20, 0.5, days=20, **_prompt("answer", "1")),
        scored(20, 0.8, days=19, **_prompt("answer", "2")),
    )
    found = text(content(site, "/quality?range=30d&by=prompt"))
    assert "B (answer@2) is better: relevance +0.300." in found


def test_scores_that_are_left_out_are_named(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very many calls only the last week's scores are looked up, and the page says so."""
    monkeypatch.setattr("llm_otel.lake.queries.comparison._MOST_LOOKED_UP", 70)
    site = opens(
        scored(20, 0.5, days=20, **_prompt("answer", "1")),
        scored(20, 0.7, days=2, **_prompt("answer", "1")),
        scored(40, 0.8, days=1, **_prompt("answer", "2")),
    )
    found = text(content(site, "/quality?range=30d&by=prompt"))
    assert "B (answer@2) is better: relevance +0.100." in found
    assert "Scores from 13 Nov 12:00:00 " in found
    shorter = text(content(site, "/quality?range=7d&by=prompt"))
    assert "Scores from" not in shorter, "all of this window's count"


def test_the_worst_answers_of_both_are_one_click_away(opens: Opens) -> None:
    """Lowest first, ten of each, and a link to all."""
    site = opens(scored(30, 0.8, model="x"), scored(20, 0.7, model="y"))
    page = content(site, "/quality?range=7d")
    found = text(page)
    worst = found[found.index("Worst answers of B: y") :]
    assert worst.count("\n0.680\n") == 4, worst
    assert worst.index("0.680") < worst.index("0.690")
    there = links(page)
    low = there["All as low as these"]
    assert low == "/traces?range=7d&model=y&where=score.relevance%3C%3D0.700000", low
    assert "12 traces" in text(content(site, low)), "each of these scores, and no other"
    traces = {href for href in there.values() if href.startswith("/traces/")}
    assert len(traces) == 20, traces


def test_a_score_alone_has_no_winner(opens: Opens) -> None:
    """One of each says nothing."""
    site = opens(scored(1, 0.1, model="x"), scored(1, 0.9, model="y"))
    found = text(content(site, "/quality?range=7d"))
    assert "A is better" not in found
    assert "B is better" not in found
    assert ") is better:" not in found
    assert "too few to tell" in found
