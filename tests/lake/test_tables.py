"""Tables from outside: write rows, read them with DuckDB."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

import llm_otel.lake
from llm_otel.errors import ConfigError
from llm_otel.lake import schema
from llm_otel.lake.deduplication import StoredKeys
from llm_otel.lake.writer import Writer

NOON = datetime(2026, 3, 4, 12, 0)


def test_a_folder_without_a_lake_reads_as_empty_tables(tmp_path: Path) -> None:
    """Every table is there with all its columns, and no file is made."""
    lake = llm_otel.lake.open(tmp_path / "none")
    for name, table in schema.TABLES.items():
        assert lake.relation(name).fetchall() == []
        assert lake.relation(name).columns == table.partitioned.names
    assert lake.sql("SELECT count(*) FROM calls JOIN spans USING (trace_id)").fetchall() == [(0,)]
    assert not (tmp_path / "none").exists()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Rows as mappings and as Arrow, with missing columns NULL and every type kept."""
    row = {
        "time": NOON,
        "trace_id": "ab" * 16,
        "span_id": "cd" * 8,
        "user": "someone",
        "tags": [("team", "blue")],
        "finish_reasons": ["stop"],
        "cost_usd": 0.25,
        "streaming": True,
    }
    with Writer(tmp_path) as writer:
        writer.append(calls=[row], spans=pa.table({"time": [NOON], "name": ["chat"]}))
    lake = llm_otel.lake.open(tmp_path)
    query = "SELECT time, user, tags['team'], finish_reasons, cost_usd, model, day FROM calls"
    found = lake.sql(query).fetchall()
    assert found == [(NOON, "someone", "blue", ["stop"], 0.25, None, NOON.date())]
    assert lake.spans().project("name").fetchall() == [("chat",)]


def test_since_and_until_cut_exactly(tmp_path: Path) -> None:
    """`since` is in, `until` is out; dates are midnights in UTC; zones are understood."""
    times = [NOON + timedelta(hours=hours) for hours in range(0, 96, 6)]
    with Writer(tmp_path) as writer:
        writer.append(calls=[{"time": time} for time in times])
    lake = llm_otel.lake.open(tmp_path)

    def between(since: date | None, until: date | None) -> list[datetime]:
        return sorted(row[0] for row in lake.calls(since, until).project("time").fetchall())

    assert between(NOON, None) == times
    assert between(NOON + timedelta(hours=6), times[3]) == times[1:3]
    assert between(date(2026, 3, 5), date(2026, 3, 6)) == times[2:6]
    tokyo = timezone(timedelta(hours=9))
    assert between(datetime(2026, 3, 4, 21, 0, tzinfo=tokyo), times[1]) == times[:1]


def test_a_connection_opens_only_the_days_asked_for(tmp_path: Path) -> None:
    """Files of other days are not even opened: one that is gone does no harm."""
    with Writer(tmp_path) as writer:
        writer.append(calls=[{"time": NOON}, {"time": NOON - timedelta(days=9)}])
    old = next(tmp_path.glob("calls/day=2026-02-23/*.parquet"))
    old.unlink()
    connection = llm_otel.lake.open(tmp_path).connection(since=NOON)
    assert connection.execute("SELECT count(*) FROM calls").fetchone() == (1,)


@pytest.mark.parametrize("name", ["100%20", "a*", "what?", "[x]"])
def test_a_name_that_means_something_is_refused(tmp_path: Path, name: str) -> None:
    """To the table format or to DuckDB."""
    for use in (llm_otel.lake.open, Writer):
        with pytest.raises(ConfigError, match="in its path"):
            use(tmp_path / name)


def test_a_folder_may_have_nearly_any_name(tmp_path: Path) -> None:
    """Spaces, quotes and letters of all kinds."""
    path = tmp_path / "it's mine, all of it #1 {ü}"
    for _ in range(2):
        with Writer(path) as writer:
            writer.append(spans=[{"time": NOON, "trace_id": "a" * 32, "span_id": "b" * 16}])
            seen = StoredKeys(writer.tables["spans"])
            rows = writer.tables["spans"].table.schema.empty_table()
            assert not len(seen.fresh(rows))
            again = llm_otel.lake.open(path).spans().to_arrow_table().drop_columns(["day"])
            assert not seen.fresh(again).any()
    assert llm_otel.lake.open(path).spans().count("*").fetchall() == [(2,)]


@pytest.mark.parametrize(
    "text",
    ["COPY calls TO 'x.csv'", "CREATE TABLE x (a INT)", "SELECT 1; SELECT 2", "SET threads = 1",
     "ATTACH 'x.db'", "", "INSTALL httpfs"],
)  # fmt: skip
def test_sql_only_reads(tmp_path: Path, text: str) -> None:
    """Anything but one query is refused with a sentence."""
    with pytest.raises(ConfigError, match="one SELECT"):
        llm_otel.lake.open(tmp_path).sql(text)


def test_parameters_fill_a_query(tmp_path: Path) -> None:
    """Values never need quoting."""
    with Writer(tmp_path) as writer:
        writer.append(calls=[{"time": NOON, "model": "it's"}, {"time": NOON, "model": "b"}])
    lake = llm_otel.lake.open(tmp_path)
    assert lake.sql("SELECT count(*) FROM calls WHERE model = ?", ["it's"]).fetchall() == [(1,)]


def test_one_process_writes_at_a_time(tmp_path: Path) -> None:
    """The second writer gets a sentence that names the first; after it closed it may write."""
    with Writer(tmp_path), pytest.raises(ConfigError, match=r"being written by process \d+"):
        Writer(tmp_path)
    Writer(tmp_path).close()


@pytest.mark.parametrize(
    ("rows", "reason"),
    [({"call": []}, "no table 'call'"), ({"calls": [{"modle": "x"}]}, "no column 'modle'")],
)
def test_a_wrong_name_is_said(tmp_path: Path, rows: dict[str, object], reason: str) -> None:
    """A table or a column that is not there is named."""
    with Writer(tmp_path) as writer, pytest.raises(ConfigError, match=reason):
        writer.append(**rows)  # type: ignore[arg-type]


def test_a_newer_lake_is_refused(tmp_path: Path) -> None:
    """An older program neither reads nor writes what it does not know."""
    (tmp_path / "lake.json").write_text(json.dumps({"version": schema.VERSION + 1}))
    for use in (llm_otel.lake.open, Writer):
        with pytest.raises(ConfigError, match="newer llm-otel"):
            use(tmp_path)


def test_a_file_is_no_lake(tmp_path: Path) -> None:
    """The path of a file gives a sentence."""
    file = tmp_path / "file"
    file.touch()
    for use in (llm_otel.lake.open, Writer):
        with pytest.raises(ConfigError, match=r"(is a file|cannot be written)"):
            use(file)


@pytest.mark.parametrize("later", [0, 3])
def test_an_older_lake_is_read_and_written(tmp_path: Path, later: int) -> None:
    """Columns added since are NULL in old rows, and there in new ones, of the same day or later."""
    older = pa.schema([("time", pa.timestamp("us")), ("model", pa.string()), ("day", pa.date32())])
    path = str(tmp_path / "calls")
    DeltaTable.create(path, older, partition_by=["day"])
    from deltalake import write_deltalake

    write_deltalake(
        path,
        pa.table({"time": [NOON], "model": ["old"], "day": [NOON.date()]}, schema=older),
        mode="append",
    )
    lake = llm_otel.lake.open(tmp_path)
    assert lake.sql("SELECT model, cost_usd, tags FROM calls").fetchall() == [("old", None, None)]
    with Writer(tmp_path) as writer:
        new = NOON + timedelta(days=later)
        writer.append(calls=[{"time": new, "model": "new", "cost_usd": 1.0}])
    rows = lake.sql("SELECT model, cost_usd FROM calls ORDER BY model").fetchall()
    assert rows == [("new", 1.0), ("old", None)]
    assert lake.calls().columns == schema.CALLS.partitioned.names


def test_results_go_to_pandas_polars_and_arrow(tmp_path: Path) -> None:
    """The relation is what every tool of an analyst takes."""
    pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    with Writer(tmp_path) as writer:
        writer.append(calls=[{"time": NOON, "cost_usd": 2.0}])
    calls = llm_otel.lake.open(tmp_path).calls()
    assert calls.df()["cost_usd"].sum() == 2.0
    assert calls.pl().select(polars.col("cost_usd").sum()).item() == 2.0
    assert calls.to_arrow_table()["cost_usd"].to_pylist() == [2.0]
