"""The named queries against plain SQL over the same lake, and on rows made by hand."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import llm_otel
import llm_otel.lake
from llm_otel.history import generate
from llm_otel.lake.queries import (
    Filter,
    Reader,
    choices,
    comparison,
    cost,
    latency,
    optimise,
    overview,
    quality,
    roi,
    sessions,
    trace_list,
    traces,
    usage,
)
from llm_otel.lake.reading import Lake
from llm_otel.lake.writer import Writer

END = datetime(2026, 11, 20, 15, 30)
WEEK = Filter(END.replace(minute=0) - timedelta(days=7), END)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Twenty days of made-up history."""
    path = tmp_path_factory.mktemp("lake")
    with Writer(path) as writer:
        for batch in generate(20, end=END.replace(tzinfo=timezone.utc), calls_per_day=400):
            writer.append(**batch.tables)
    return llm_otel.lake.open(path)


def _ask(lake: Lake, query: str, *values: Any) -> Any:
    return lake.connection().execute(query, values).fetchall()


def _by_hand(path: Path, **rows: list[dict[str, Any]]) -> Lake:
    with Writer(path) as writer:
        writer.append(**rows)
    return llm_otel.lake.open(path)


def _call(number: int, **fields: Any) -> dict[str, Any]:
    usual = {
        "time": END - timedelta(hours=2),
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "service_name": "a",
        "operation": "chat",
        "model": "m",
        "status": "ok",
        "duration_s": 1.0,
        "cost_usd": 1.0,
        "input_tokens": 10,
        "output_tokens": 10,
    }
    return usual | fields


def test_a_value_is_bound_never_written(lake: Lake) -> None:
    """What looks like SQL is a value that nothing has."""
    evil = "x' OR 1 = 1 --"
    asked = Filter(
        WEEK.since, WEEK.until, model=(evil,), user=(evil,), tags=((evil, evil), ("channel", evil))
    )
    assert not choices.any_calls(lake, asked)
    assert overview.overview(Reader(lake, asked)).now.requests == 0


@pytest.mark.parametrize(
    ("asked", "condition"),
    [
        ({"model": ("gpt-5", "gpt-5-mini")}, "model IN ('gpt-5', 'gpt-5-mini')"),
        ({"tenant_id": ("acme",), "status": ("error",)}, "tenant_id = 'acme' AND status = 'error'"),
        ({"tags": (("channel", "mobile"),)}, "tags['channel'] = 'mobile'"),
        ({"feature": ("none",)}, "feature IS NULL"),
    ],
)
def test_a_filter_counts_what_it_says(lake: Lake, asked: dict[str, Any], condition: str) -> None:
    """Each field lets through what plain SQL would."""
    found = overview.overview(Reader(lake, Filter(WEEK.since, WEEK.until, **asked)))
    true = _ask(
        lake,
        f"SELECT count(*) FROM calls WHERE time >= ? AND time < ? AND {condition}",
        WEEK.since,
        WEEK.until,
    )
    assert found.now.requests == true[0][0]


def test_a_filter_that_a_table_lacks_goes_by_the_trace(lake: Lake) -> None:
    """Scores know no user: those of the user's traces count."""
    user = _ask(lake, "SELECT any_value(user) FROM calls JOIN scores USING (trace_id)")[0][0]
    found = quality.quality(Reader(lake, Filter(WEEK.since, WEEK.until, user=(user,))))
    true = _ask(
        lake,
        "SELECT count(*) FROM scores WHERE time >= ? AND time < ? AND trace_id IN (SELECT trace_id "
        "FROM calls WHERE user = ? AND time >= ? AND time < ?)",
        WEEK.since, WEEK.until, user, WEEK.since, WEEK.until,
    )  # fmt: skip
    assert sum(row.scores for row in found.summaries) == true[0][0]


def test_a_service_is_counted_by_metrics_or_by_calls_never_both(tmp_path: Path) -> None:
    """Spans of `a` are sampled and its metrics are whole; `b` sends no metrics."""
    hour = (END - timedelta(hours=2)).replace(minute=0)
    metric = {"hour": hour, "service_name": "a", "model": "m", "operation": "chat"}
    lake = _by_hand(
        tmp_path,
        calls=[_call(1), _call(2, service_name="b"), _call(3, service_name=None)],
        metrics_hourly=[
            metric | {"metric": "gen_ai.request.duration", "sum": 9.0, "count": 10},
            metric | {"metric": "gen_ai.cost.usd", "sum": 10.0, "token_type": "input"},
        ],
    )
    reader = Reader(lake, WEEK)
    assert usage.keep_usage(reader)
    now, _ = usage.totals(reader)
    assert (now.requests, now.cost_usd) == (12, 12.0)
    calls = Reader(lake, Filter(WEEK.since, WEEK.until, status=("ok",)))
    assert not usage.keep_usage(calls)
    assert usage.totals(calls)[0].requests == 3


def test_a_service_with_metrics_alone_can_be_chosen(tmp_path: Path) -> None:
    """Its names are among the choices, and its pages are not empty; what it never said is not."""
    metric = {"hour": END - timedelta(days=1), "service_name": "meter", "model": "m2"}
    lake = _by_hand(
        tmp_path,
        metrics_hourly=[
            metric | {"metric": "gen_ai.cost.usd", "tenant_id": "acme", "sum": 4.0},
            metric | {"metric": "llm_otel.prices.age", "service_name": "aged", "sum": 4.0},
        ],
    )
    found = choices.choices(lake, WEEK.since, WEEK.until)
    assert (found.service, found.model, found.tenant_id) == (["meter"], ["m2"], ["acme"])
    assert choices.latest(lake, WEEK.until) == metric["hour"]
    assert choices.any_calls(lake, Filter(WEEK.since, WEEK.until, service=("meter",)))
    assert not choices.any_calls(lake, Filter(WEEK.since, WEEK.until, service=("aged",)))
    asked = Filter(WEEK.since, WEEK.until, service=("meter",), user=("ada",))
    assert not choices.any_calls(lake, asked)


def test_an_unknown_cost_is_not_zero(tmp_path: Path) -> None:
    """A model without a price has no cost, and is listed as such."""
    lake = _by_hand(tmp_path, calls=[_call(1), _call(2, model="own", cost_usd=None)])
    found = cost.costs(Reader(lake, WEEK), "model", "day")
    assert {row.name: row.cost_usd for row in found.splits} == {"m": 1.0, "own": None}
    assert [(row.model, row.calls) for row in found.unpriced] == [("own", 1)]


def test_points_of_whole_days_count_what_the_times_say(lake: Lake) -> None:
    """Fifteen days from noon: one point a day, the first of half a day, as plain SQL has it."""
    since = (END - timedelta(days=15)).replace(hour=12, minute=0)
    asked = Filter(since, END, status=("ok",))
    found = overview.overview(Reader(lake, asked))
    true = _ask(
        lake,
        "SELECT time_bucket(INTERVAL 1 DAY, time), count(*) FROM calls "
        "WHERE time >= ? AND time < ? AND status = 'ok' GROUP BY 1 ORDER BY 1",
        since,
        END,
    )
    assert [(point.time, point.requests) for point in found.points] == true
    assert [(point.time, point.calls) for point in found.latency_points] == true


@pytest.mark.parametrize("hour", [0, 6, 23])
def test_a_bill_is_what_plain_sql_says(lake: Lake, hour: int) -> None:
    """Today, the same hours a week before, and the month to date with the last week's mean."""
    now = END.replace(hour=hour, minute=30)
    week, half = timedelta(days=7), timedelta(minutes=30)
    midnight = now.replace(hour=0, minute=0)

    def cost(since: datetime, until: datetime) -> float:
        text = "SELECT coalesce(sum(cost_usd), 0) FROM calls WHERE time >= ? AND time < ?"
        found: float = _ask(lake, text, since, until)[0][0]
        return found

    # By the calls: the metrics of an hour know nothing of its parts, nor of the time now.
    every = Filter(WEEK.since, WEEK.until, status=("ok", "error", "cancelled"))
    found = overview.bill(lake, every, now)
    assert found.today == pytest.approx(cost(midnight, now))
    # Metrics are by the hour: of the last one, its half.
    last_week = cost(midnight - week, now - half - week)
    last_week += cost(now - half - week, now + half - week) / 2
    assert found.today_last_week == pytest.approx(last_week)
    assert found.month is not None
    assert found.month.spent == pytest.approx(cost(now.replace(day=1, hour=0, minute=0), now))
    pace = cost(now - half - week, now) / ((week + half) / timedelta(days=1))
    assert found.month.pace == pytest.approx(pace)


def test_a_score_is_of_the_call_of_its_own_trace(tmp_path: Path) -> None:
    """Span ids may repeat from trace to trace."""
    calls = [_call(n, span_id="0" * 16, prompt_name=f"p{n % 2}") for n in range(8)]
    scores = [
        {"time": row["time"], "trace_id": row["trace_id"], "span_id": row["span_id"],
         "evaluation": "good", "score": float(n % 2)}
        for n, row in enumerate(calls)
    ]  # fmt: skip
    reader = Reader(_by_hand(tmp_path, calls=calls, scores=scores), WEEK)
    a, b = sorted(comparison.choices(reader, "prompt"), key=lambda choice: choice.name)
    found = comparison.compare(reader, "prompt", a, b)
    assert found is not None
    (line,) = [line for line in found.lines if line.what == "Score: good"]
    assert line.a is not None
    assert line.b is not None
    assert (line.a.value, line.b.value) == (0.0, 1.0)


def test_messages_of_one_event_stay_together(tmp_path: Path) -> None:
    """Two events on one span: the later one is shown, whole."""
    span = _call(1)
    told = {name: span[name] for name in ("time", "trace_id", "span_id")}
    later = span["time"] + timedelta(seconds=1)
    lake = _by_hand(
        tmp_path,
        spans=[{**told, "name": "chat"}],
        messages=[
            {**told, "input_messages": "in1", "output_messages": "out1", "event_id": 1},
            {**told, "time": later, "input_messages": "in2", "event_id": 2},
        ],
    )
    (shown,) = traces.trace(lake, span["trace_id"], span["time"])
    assert (shown.input_messages, shown.output_messages) == ("in2", None)


def test_a_session_is_as_long_as_from_its_first_call_to_the_end_of_its_last(lake: Lake) -> None:
    """Each of the latest sessions beside plain SQL."""
    found = sessions.activity(Reader(lake, WEEK), top=5).sessions
    for row in found:
        true = _ask(
            lake,
            "SELECT min(time), max(time + to_microseconds((duration_s * 1e6)::BIGINT)), max(time) "
            "FROM calls WHERE session_id = ? AND time >= ? AND time < ?",
            row.name,
            WEEK.since,
            WEEK.until,
        )
        assert [(row.first_seen, row.ended, row.last_seen)] == true
    assert [row.last_seen for row in found] == sorted((r.last_seen for r in found), reverse=True)


def test_percentiles_are_off_by_half_a_percent_at_most(lake: Lake) -> None:
    """The binned percentiles beside the exact ones."""
    found = latency.latency(Reader(lake, WEEK)).all
    exact = _ask(
        lake,
        "SELECT quantile_disc(duration_s, [0.5, 0.9, 0.95, 0.99]) FROM calls "
        "WHERE time >= ? AND time < ?",
        WEEK.since,
        WEEK.until,
    )[0][0]
    assert [found.p50, found.p90, found.p95, found.p99] == pytest.approx(exact, rel=0.0051)


@pytest.mark.parametrize("by", [*cost.DIMENSIONS, "tag:channel"])
def test_every_split_has_the_same_sum(lake: Lake, by: str) -> None:
    """By whatever it is split, the cost of the window is the same."""
    found = cost.costs(Reader(lake, WEEK), by, "day")
    true = _ask(
        lake,
        "SELECT sum(cost_usd) FROM calls WHERE time >= ? AND time < ?",
        WEEK.since,
        WEEK.until,
    )
    assert sum(row.cost_usd or 0 for row in found.splits) == pytest.approx(true[0][0])
    assert sum(row.cost_usd for row in found.spendings) == pytest.approx(true[0][0])


def test_an_unknown_split_is_refused(lake: Lake) -> None:
    """One sentence says what there is."""
    with pytest.raises(ValueError, match="no dimension 'colour'"):
        cost.costs(Reader(lake, WEEK), "colour", "day")


def test_a_trace_is_found_with_and_without_its_time(lake: Lake) -> None:
    """All spans, in their place; the time only makes it quick."""
    row = next(r for r in trace_list.traces(Reader(lake, WEEK)) if r.feature == "support-chat")
    spans = traces.trace(lake, row.trace_id, row.time)
    assert spans == traces.trace(lake, row.trace_id)
    assert [nested.depth for nested in traces.nested(spans)] == [0, 1, 2, 3, 2, 2, 2, 2, 2]
    assert sum(span.cost_usd or 0 for span in spans) == pytest.approx(row.cost_usd)


def test_a_span_without_its_parent_stands_at_the_root(lake: Lake) -> None:
    """A trace of which a part was lost is still shown."""
    row = next(r for r in trace_list.traces(Reader(lake, WEEK)) if r.feature == "support-chat")
    rest = traces.trace(lake, row.trace_id)[2:]
    assert [nested.depth for nested in traces.nested(rest)] == [0, 1, 0, 0, 0, 0, 0]


def test_users_and_sessions_are_counted_once(lake: Lake) -> None:
    """Distinct over the window, not summed over its points."""
    found = sessions.activity(Reader(lake, WEEK)).now
    true = _ask(
        lake,
        "SELECT count(DISTINCT user), count(DISTINCT session_id), count(*) FROM calls "
        "WHERE time >= ? AND time < ?",
        WEEK.since,
        WEEK.until,
    )
    assert (found.users, found.sessions, found.calls) == true[0]


def test_the_better_prompt_is_found(lake: Lake) -> None:
    """The new version scores higher, and the interval of the difference excludes zero."""
    reader = Reader(lake, WEEK)
    choices = comparison.choices(reader, "prompt")
    assert comparison.usual_pair(choices) == ("support-answer@3", "support-answer@4")
    by_name = {choice.name: choice for choice in choices}
    a, b = by_name["support-answer@3"], by_name["support-answer@4"]
    found = comparison.compare(reader, "prompt", a, b)
    assert found is not None
    lines = {line.what: line for line in found.lines}
    better = lines["Score: relevance"].difference
    assert better is not None
    assert better.value > 0
    group = _ask(
        lake,
        "SELECT avg(cost_usd), stddev_samp(cost_usd), stddev_samp(duration_s) FROM calls "
        "WHERE prompt_name = 'support-answer' AND prompt_version = '3' AND time >= ? AND time < ?",
        WEEK.since,
        WEEK.until,
    )[0]
    got = (found.a.cost, found.a.cost_deviation, found.a.seconds_deviation)
    assert got == pytest.approx(group)


def test_the_bloated_prompt_is_found(lake: Lake) -> None:
    """`summarise` reads more than ten tokens for one, and costs the most of those that do."""
    found = optimise.optimise(Reader(lake, Filter(END - timedelta(days=3), END))).bloated
    assert found[0].feature == "summarise"
    assert all(row.ratio > optimise.BLOATED for row in found)


def test_what_a_week_would_have_cost_elsewhere() -> None:
    """The same tokens at another model's price; without a price a model is left out."""
    mix = [optimise.Mix("openai", "gpt-5", None, 100, 1_000_000, 100_000, 0, 2.25)]
    found = optimise.what_if(
        mix, [("openai", "gpt-5"), ("openai", "gpt-5-mini"), ("x", "unheard-of")], llm_otel.cost
    )
    assert [(row.model, pytest.approx(row.cost_usd)) for row in found] == [
        ("gpt-5-mini", 0.45),
        ("gpt-5", 2.25),
    ]


def test_return_on_investment(tmp_path: Path) -> None:
    """Cost of the feature against what its outcomes were worth; other features do not count."""
    outcome = {"time": END - timedelta(hours=1), "feature": "f", "kind": "sold", "event_id": 1}
    lake = _by_hand(
        tmp_path,
        calls=[_call(1, feature="f"), _call(2, feature="f"), _call(3, feature="other")],
        outcomes=[
            outcome | {"success": True, "value_usd": 8.0},
            outcome | {"success": False, "event_id": 2},
        ],
    )
    now = roi.roi(Reader(lake, WEEK)).now
    assert (now.cost_usd, now.value_usd, now.roi) == (2.0, 8.0, 3.0)
    assert (now.cost_per_success, now.success_rate) == (2.0, 0.5)


def test_an_empty_lake_answers_nothing(tmp_path: Path) -> None:
    """Every subject has an answer where there is no row, and no error."""
    lake = llm_otel.lake.open(tmp_path / "none")
    reader = Reader(lake, WEEK)
    assert overview.overview(reader).now.requests == 0
    assert cost.costs(reader, "model", "day").splits == []
    assert latency.latency(reader).all.p50 is None
    assert trace_list.traces(reader) == []
    assert sessions.activity(reader).now.users == 0
    assert quality.quality(reader).summaries == []
    assert optimise.optimise(reader).bloated == []
    assert roi.roi(reader).now.outcomes == 0
    assert choices.latest(lake, WEEK.until) is None
