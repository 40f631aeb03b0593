"""Small files become large ones and old days go, while nothing that is to stay changes."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import llm_otel.lake
from llm_otel.lake.maintenance import Retention, compact, retain
from llm_otel.lake.schema import TABLES
from llm_otel.lake.writer import Writer

TODAY = date(2026, 3, 10)
COMMITS = 12


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of many small commits: today, yesterday and five days ago."""
    path = tmp_path_factory.mktemp("made")
    source = random.Random(1)
    with Writer(path) as writer:
        for days in (0, 1, 5):
            start = datetime(TODAY.year, TODAY.month, TODAY.day) - timedelta(days=days)
            for hour in range(COMMITS):
                time = start + timedelta(hours=hour)
                writer.append(
                    calls=[
                        {"time": time, "trace_id": source.randbytes(16).hex(), "cost_usd": 1.0}
                        for _ in range(10)
                    ],
                    metrics_hourly=[
                        _gain(start, sum=0.5, buckets=[1, 0], bounds=[1.0], count=1),
                        _gain(start, sum=2.0, metric="other", labels=[("k", "v")]),
                    ],
                )
    return path


@pytest.fixture
def writer(made: Path, tmp_path: Path) -> Iterator[Writer]:
    """A copy of it, open for writing."""
    with Writer(shutil.copytree(made, tmp_path / "lake")) as writer:
        yield writer


def _gain(hour: datetime, **more: Any) -> dict[str, Any]:
    return {"hour": hour, "metric": "m", "model": "gpt-4o", **more}


def files(writer: Writer, table: str) -> list[int]:
    """How many files each day has, oldest first."""
    return [len(files) for files in writer.tables[table].days().values()]


def contents(path: Path) -> list[Any]:
    """What queries say of the lake."""
    lake = llm_otel.lake.open(path)
    return [
        lake.sql(query).fetchall()
        for query in (
            "SELECT day, count(*), sum(cost_usd), count(DISTINCT trace_id) FROM calls "
            "GROUP BY 1 ORDER BY 1",
            "SELECT hour, metric, labels, bounds, sum(sum), sum(count), sum(buckets[1]) "
            "FROM metrics_hourly GROUP BY ALL ORDER BY 1, 2",
        )
    ]


def test_small_files_are_joined(writer: Writer) -> None:
    """Few files, and the same rows; a second round has nothing to do."""
    before = contents(writer.path)
    assert files(writer, "calls") == [COMMITS] * 3
    for stored in writer.tables.values():
        compact(stored, TODAY)
    assert files(writer, "calls") == [1, 1, 1]
    assert contents(writer.path) == before
    versions = [stored.refresh().version() for stored in writer.tables.values()]  # type: ignore[union-attr]
    for stored in writer.tables.values():
        compact(stored, TODAY)
    assert [stored.refresh().version() for stored in writer.tables.values()] == versions  # type: ignore[union-attr]


def test_hours_of_a_day_that_is_over_become_one_row_a_series(writer: Writer) -> None:
    """Their sums, counts and buckets are added; days that go on are left."""
    compact(writer.tables["metrics_hourly"], TODAY)
    lake = llm_otel.lake.open(writer.path)
    rows = lake.sql("SELECT day, count(*) FROM metrics_hourly GROUP BY 1 ORDER BY 1").fetchall()
    assert [count for _, count in rows] == [2, 2 * COMMITS, 2 * COMMITS]
    folded = lake.sql(
        "SELECT sum, count, buckets, model FROM metrics_hourly WHERE metric = 'm' ORDER BY day"
    ).fetchall()
    assert folded[0] == (0.5 * COMMITS, COMMITS, [COMMITS, 0], "gpt-4o")


def test_a_reader_that_began_before_a_compaction_ends_well(writer: Writer) -> None:
    """The files that it knows are there until the grace is over, then they are gone."""
    connection = llm_otel.lake.open(writer.path).connection()
    stored = writer.tables["calls"]
    compact(stored, TODAY)
    stored.clean(1)
    assert connection.execute("SELECT count(*) FROM calls").fetchone() == (30 * COMMITS,)
    stored.clean(0)
    assert len(list(stored.path.glob("day=*/*.parquet"))) == 3


def test_what_is_appended_during_a_compaction_stays(writer: Writer) -> None:
    """Two tables that know nothing of each other, as two threads have them."""
    other = writer.tables["calls"]
    mine = type(other)(writer.path, TABLES["calls"])
    mine.refresh()
    writer.append(calls=[{"time": datetime(2026, 3, 10, 23), "cost_usd": 1.0}])
    compact(mine, TODAY)
    assert contents(writer.path)[0][-1][1] == 10 * COMMITS + 1


def test_days_beyond_the_retention_go(writer: Writer) -> None:
    """From every table; today counts as the first day."""
    retain(writer.tables, Retention(days=2), TODAY)
    for table in ("calls", "metrics_hourly"):
        assert list(writer.tables[table].days()) == [TODAY - timedelta(days=1), TODAY]


def test_the_oldest_days_go_when_the_lake_is_too_large(writer: Writer) -> None:
    """Calls before the hourly sums, never today."""
    calls = writer.tables["calls"].days()
    everything = sum(s for t in writer.tables.values() for d in t.days().values() for _, s in d)
    oldest = sum(size for _, size in calls[TODAY - timedelta(days=5)])
    retain(writer.tables, Retention(bytes=everything - oldest), TODAY)
    assert list(writer.tables["calls"].days()) == [TODAY - timedelta(days=1), TODAY]
    assert len(writer.tables["metrics_hourly"].days()) == 3
    retain(writer.tables, Retention(bytes=1), TODAY)
    assert [list(writer.tables[t].days()) for t in ("calls", "metrics_hourly")] == [[TODAY]] * 2


def test_the_log_of_a_table_does_not_grow_without_end(writer: Writer) -> None:
    """It is summed up every few commits, and what the tables hold of the log survives that."""
    for number in range(60):
        writer.append(outcomes=[{"time": datetime(2026, 3, 10), "kind": str(number)}])
    stored = writer.tables["outcomes"]
    assert list((stored.path / "_delta_log").glob("*.checkpoint.parquet"))
    again = type(stored)(writer.path, TABLES["outcomes"])
    assert again.done("llm-otel-direct") == stored.done("llm-otel-direct") == 59
