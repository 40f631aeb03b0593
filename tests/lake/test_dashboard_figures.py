"""What the pages say, read as text: true buckets, statuses, small samples, wrong addresses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from lake.pages import charts, content, text

import llm_otel.lake
from llm_otel.dashboard.app import create_app
from llm_otel.dashboard.site import Site
from llm_otel.dashboard.state import State
from llm_otel.dashboard.timeline import stretch, timeline
from llm_otel.lake.queries import Filter
from llm_otel.lake.writer import Writer

NOW = datetime(2026, 11, 20, 15, 30)
_PAGES = (
    "/",
    "/cost",
    "/errors",
    "/latency",
    "/traces",
    "/sessions",
    "/quality",
    "/optimise",
    "/roi",
)


def call(number: int, ago: timedelta = timedelta(hours=1), **fields: Any) -> dict[str, Any]:
    """A call that cost a dollar, an hour before `NOW`."""
    usual = {
        "time": NOW - ago,
        "trace_id": f"{number + 1:032x}",
        "span_id": f"{number + 1:016x}",
        "service_name": "shop",
        "provider": "openai",
        "model": "gpt-5",
        "operation": "chat",
        "status": "ok",
        "duration_s": 60.0,
        "input_tokens": 1000,
        "output_tokens": 100,
        "cost_usd": 1.0,
        "feature": "search",
        "user": "u",
        "session_id": "s",
    }
    return {**usual, **fields}


def score(number: int, **fields: Any) -> dict[str, Any]:
    """A score of that call."""
    usual = {
        "time": NOW - timedelta(hours=1),
        "trace_id": f"{number + 1:032x}",
        "span_id": f"{number + 1:016x}",
        "evaluation": "good",
        "score": 0.9,
        "model": "gpt-5",
        "event_id": number + 1,
    }
    return {**usual, **fields}


Opens = Callable[..., Site]


@pytest.fixture
def opens(tmp_path: Path) -> Opens:
    """Makes a lake of rows, and the dashboard's site over it."""

    def open_site(**tables: list[dict[str, Any]]) -> Site:
        with Writer(tmp_path) as writer:
            writer.append(**tables)
        lake = llm_otel.lake.open(tmp_path)
        return Site(lake, clock=lambda: NOW.replace(tzinfo=timezone.utc))

    return open_site


@pytest.mark.parametrize("path", _PAGES)
def test_one_call_with_a_score_and_an_outcome_fills_every_page(opens: Opens, path: str) -> None:
    """A sample of one has no interval, and costs no page."""
    worth = {"time": NOW - timedelta(hours=1), "feature": "search", "kind": "k", "success": True,
             "value_usd": 2.0, "event_id": 1}  # fmt: skip
    site = opens(calls=[call(0), call(1, model="gpt-4o")], scores=[score(0)], outcomes=[worth])
    found = text(content(site, path))
    assert "could not be drawn" not in found
    for no_figure in ("inf", "nan", "Infinity"):
        assert no_figure not in found.split(), found


def test_a_comparison_of_single_calls_says_what_it_cannot_tell(opens: Opens) -> None:
    """The figures are there; bounds and verdicts are not made up."""
    site = opens(calls=[call(0), call(1, model="gpt-4o", cost_usd=3e-7)])
    found = text(content(site, "/quality"))
    assert "$1.00  (too few to tell)" in found
    assert "$0.00000030  (too few to tell)" in found
    assert "intervals overlap" not in found


def test_a_part_that_fails_leaves_the_others(
    opens: Opens, caplog: pytest.LogCaptureFixture
) -> None:
    """A call that ended before it began has no logarithm: the card says which part has not."""
    site = opens(calls=[call(0, duration_s=-5.0), call(1, model="gpt-4o")], scores=[score(0)])
    found = text(content(site, "/quality"))
    assert "The comparison could not be drawn" in found
    assert "The lake" not in found
    assert "0.900" in found, "the scores are there"
    overview = text(content(site, "/"))
    assert "The chart requests could not be drawn" in overview
    assert "$2.00 so far" in overview, "the month is there"
    lines = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert any("could not draw The comparison of /quality: " in line for line in lines), lines


def test_no_errors_are_not_red(opens: Opens) -> None:
    """0 % of any number of calls is good, whatever rounding makes of its bound."""
    for size in (3, 7, 30):
        site = opens(calls=[call(n) for n in range(size)])
        assert "tone bad" not in str(content(site, "/")), size


@pytest.mark.parametrize(
    ("status", "error", "shown"),
    [
        ("error", "content_filter", {"answered": 0, "refused or cancelled": 1}),
        ("error", "invalid_request", {"answered": 0, "refused or cancelled": 1}),
        ("cancelled", "cancelled", {"answered": 0, "refused or cancelled": 1}),
        ("error", "timeout", {"answered": 0, "failed": 1}),
        ("error", None, {"answered": 0, "failed": 1}),
        ("ok", None, {"answered": 1}),
    ],
)
@pytest.mark.parametrize("metered", [False, True], ids=["by calls", "by metrics"])
def test_only_an_answer_is_answered(
    opens: Opens, status: str, error: str | None, shown: dict[str, int], metered: bool
) -> None:
    """What was refused or cancelled is neither an answer nor an error of the service."""
    hour = {"hour": NOW.replace(hour=14, minute=0), "service_name": "shop", "model": "gpt-5"}
    metrics = [hour | {"metric": "gen_ai.request.duration", "sum": 1.0, "count": 1}]
    if error or status == "error":
        counted = {"metric": "gen_ai.errors", "sum": 1.0, "error_type": error or "other"}
        metrics.append(hour | counted)
    rows = {"metrics_hourly": metrics} if metered else {}
    site = opens(calls=[call(0, status=status, error_type=error)], **rows)
    figure = charts(site, "/")["requests"]
    sums: dict[str, float] = {}
    for trace in figure.data:
        sums[trace.name] = sums.get(trace.name, 0) + sum(y or 0 for y in trace.y)
    assert sums == shown


@pytest.mark.parametrize(
    ("window", "per", "step", "words"),
    [
        ("range=7d", "hour", timedelta(hours=1), "A bar is an hour, UTC"),
        ("range=90d", "day", timedelta(days=1), "A bar is a day, UTC"),
        ("range=90d", "week", timedelta(days=7), "A bar is a week, UTC"),
        # Ten thousand bars would be no chart.
        ("since=2020-01-01", "hour", timedelta(days=7), "A bar is a week, UTC"),
    ],
)
@pytest.mark.parametrize("metered", [False, True], ids=["by calls", "by metrics"])
def test_costs_are_summed_by_what_the_page_says(
    opens: Opens, window: str, per: str, step: timedelta, words: str, metered: bool
) -> None:
    """Hourly is by the hour and daily by the day, whatever the length of the window."""
    agos = [timedelta(hours=h) for h in (1, 2, 5, 30, 60, 61, 100)]
    rows = {}
    if metered:
        rows = {
            "metrics_hourly": [
                {"hour": (NOW - ago).replace(minute=0), "service_name": "shop", "model": "gpt-5",
                 "metric": metric, "sum": 1.0, "count": 1}
                for ago in agos for metric in ("gen_ai.request.duration", "gen_ai.cost.usd")
            ]
        }  # fmt: skip
    site = opens(calls=[call(n, ago) for n, ago in enumerate(agos)], **rows)
    parts = content(site, f"/cost?{window}&per={per}")
    assert words in text(parts)
    sums: dict[datetime, float] = {}
    for trace in charts(site, f"/cost?{window}&per={per}")["cost"].data:
        assert trace.width == pytest.approx(step.total_seconds() * 1000, rel=0.3)
        for x, y in zip(trace.x, trace.y):
            start = datetime.fromisoformat(x)
            sums[start] = sums.get(start, 0) + (y or 0)
    origin = datetime(2000, 1, 3)
    true: dict[datetime, float] = {}
    for ago in agos:
        start = origin + (NOW - ago - origin) // step * step
        true[start] = true.get(start, 0) + 1
    assert {x: y for x, y in sums.items() if y} == true


@pytest.mark.parametrize("window", ["1h", "24h", "7d", "30d", "90d"])
def test_every_call_of_a_window_is_in_its_charts(opens: Opens, window: str) -> None:
    """Whatever the stretch, its bars and points are where the queries put the calls."""
    agos = [timedelta(minutes=20) * 3**n for n in range(9)]
    worth = [
        {"time": NOW - ago, "feature": "search", "kind": "k", "success": True, "value_usd": 1.0,
         "event_id": n}
        for n, ago in enumerate(agos)
    ]  # fmt: skip
    site = opens(calls=[call(n, ago) for n, ago in enumerate(agos)], outcomes=worth)
    _, context = site.context("/", State.parse(f"range={window}").href(""))
    size = sum(NOW - ago >= context.filter.since for ago in agos)

    def drawn(path: str, chart: str, *names: str) -> float:
        data = charts(site, f"{path}?range={window}")[chart].data
        return sum(y or 0 for trace in data if trace.name in names for y in trace.y)

    assert drawn("/", "requests", "answered") == size
    assert drawn("/", "costs", "now") == size
    assert drawn("/cost", "cost", "gpt-5") == size
    assert drawn("/roi", "value", "value") == size
    points = charts(site, f"/latency?range={window}")["over-time"].data[0].y
    starts = {
        datetime(2000, 1, 3) + (NOW - ago - datetime(2000, 1, 3)) // step * step
        for ago in agos
        if NOW - ago >= context.filter.since
        and (step := timedelta(seconds=context.filter.bucket_s))
    }
    assert sum(y is not None for y in points) == len(starts)


def test_stretches_without_calls_are_gaps_and_cut_ones_are_hatched(opens: Opens) -> None:
    """No line is drawn over hours in which nothing was called."""
    site = opens(calls=[call(n, timedelta(hours=h)) for n, h in enumerate((1, 2, 9, 20))])
    drawn = charts(site, "/?range=24h")
    (p50, *_) = drawn["percentiles"].data
    assert [bool(y) for y in p50.y].count(False) == len(p50.y) - 4
    assert p50.connectgaps is None
    assert [size for size, y in zip(p50.marker.size, p50.y) if y] == [7, 7, 0, 0]
    hatched = [trace for trace in drawn["requests"].data if trace.marker.pattern.shape]
    assert hatched == [], "the hours of the calls lie in the window whole"
    now = charts(opens(calls=[call(99, timedelta(minutes=5))]), "/?range=24h")
    hatched = [trace for trace in now["requests"].data if trace.marker.pattern.shape]
    assert [sum(y or 0 for y in trace.y) for trace in hatched] == [1]


def test_a_first_call_is_drawn_on_axes_that_it_does_not_shrink(opens: Opens) -> None:
    """Whole calls, from zero, over the whole window."""
    drawn = charts(opens(calls=[call(0)]), "/")
    requests, latency = drawn["requests"].layout, drawn["percentiles"].layout
    assert requests.yaxis.dtick == 1
    assert [axis.range[0] for axis in (requests.yaxis, latency.yaxis)] == [0, 0]
    for layout in (requests, latency):
        first, last = map(datetime.fromisoformat, layout.xaxis.range)
        assert first == NOW.replace(minute=0) - timedelta(days=7)
        assert last >= NOW


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("since=soon", "From 'soon' is no date and was ignored"),
        ("until=2026-13-01", "To '2026-13-01' is no date and was ignored"),
        ("since=0001-01-01", "From '0001-01-01' is no date and was ignored"),
        ("since=2026-11-20&until=2026-11-18", "To is not after From and was ignored"),
        ("since=2027-01-01", "From is in the future"),
        ("range=5y", "The window '5y' is none and was ignored"),
        ("tag=beta", "The tag 'beta' was ignored: write key=value."),
        ("where=cost>much", "The comparison 'cost>much' was ignored: write cost>0.1"),
    ],
)
def test_what_an_address_cannot_say_is_named(opens: Opens, query: str, sentence: str) -> None:
    """A filter that filters nothing is not silent."""
    assert sentence in text(content(opens(calls=[call(0)]), f"/traces?{query}"))


def test_a_table_of_a_wrong_address_is_not_saved(opens: Opens, tmp_path: Path) -> None:
    """A file does not say what it was not filtered by, so there is none."""
    opens(calls=[call(0)])
    browser = create_app(tmp_path).test_client()
    answer = browser.get("/csv/costs?of=/cost&since=soon")
    assert (answer.status_code, answer.text.count("\n")) == (400, 1)
    assert answer.text.startswith("From 'soon' is no date")
    assert browser.get("/csv/costs?of=/cost&since=2026-11-01").status_code == 200


@pytest.mark.parametrize(
    ("query", "since", "until"),
    [
        ("until=2026-11-18T12:00", "2026-11-11T12:00", "2026-11-18T12:00"),
        ("until=2026-11-17&range=24h", "2026-11-17T00:00", "2026-11-18T00:00"),
        ("since=2026-11-18T12:00%2B02:00", "2026-11-18T10:00", "2026-11-20T15:30"),
    ],
)
def test_an_end_alone_and_a_zone_are_heeded(query: str, since: str, until: str) -> None:
    """A window may be told by its end; a time with a zone is that time."""
    found = State.parse(query).filter(NOW)
    assert (found.since, found.until) == tuple(map(datetime.fromisoformat, (since, until)))


def test_a_mean_day_is_of_days_with_calls(opens: Opens) -> None:
    """Two days of calls in a window of thirty are two days."""
    site = opens(calls=[call(0, timedelta(days=3)), call(1, timedelta(days=4))])
    found = text(content(site, "/cost?range=30d"))
    assert "mean of the 2 days with calls" in found


@pytest.mark.parametrize("path", _PAGES)
def test_an_empty_page_names_the_receiver_that_runs(tmp_path: Path, path: str) -> None:
    """Not the port it would have by default."""
    lake = llm_otel.lake.open(tmp_path / "none")
    at = "http://127.0.0.1:40123"
    found = text(content(Site(lake, receiver=lambda: at), path))
    assert f"OTEL_EXPORTER_OTLP_ENDPOINT={at}" in found
    assert "4318" not in found
    assert "4318" not in text(content(Site(lake), path)), "nobody said that there is one"
    usual = "http://127.0.0.1:4318"
    assert f"{usual}, which instrument() finds" in text(
        content(Site(lake, receiver=lambda: usual), path)
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(120, "2 minutes"), (600, "10 minutes"), (3600, "an hour"), (21_600, "6 hours"),
     (86_400, "a day"), (604_800, "a week")],
)  # fmt: skip
def test_stretches_in_words(seconds: int, words: str) -> None:
    """As people say them."""
    assert stretch(seconds) == words


def test_a_timeline_has_every_stretch_between_the_first_and_the_last() -> None:
    """And knows which of them the window cuts."""
    asked = Filter(datetime(2026, 11, 19, 3), datetime(2026, 11, 20, 3))
    rows = [call(0, time=datetime(2026, 11, 19)), call(1, time=datetime(2026, 11, 20))]

    class Row:
        def __init__(self, time: datetime) -> None:
            self.time = time

    found = timeline(asked.since, asked.until, 21_600, [Row(row["time"]) for row in rows])
    assert [start.hour for start in found.starts] == [0, 6, 12, 18, 0]
    assert found.whole == [False, True, True, True, False]
    assert found.trend([1.0, 2.0, None, 4.0, 5.0]) == [2.0, None, 4.0]
