"""`llm-otel export` and `llm-otel sql`: whole programs, their files and what they print."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from digest.lakes import call, days, lake

import llm_otel.lake

ROWS = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a call every day, the newest on 20 November 2026."""
    path = tmp_path_factory.mktemp("lake")
    rows = [
        call(day, n, tags={"team": "a"}, finish_reasons=["stop"], status="error" if n else "ok")
        for day in days(ROWS // 2)
        for n in range(2)
    ]
    lake(path, calls=rows)
    return path


def run(folder: Path, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `llm-otel` in a process of its own."""
    command = [sys.executable, "-m", "llm_otel", *arguments, "--lake", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, input=text, check=False)


def words(done: subprocess.CompletedProcess[str]) -> str:
    """What a program complained of, without the box around it."""
    return " ".join(done.stderr.replace("│", " ").split())


def test_csv(folder: Path) -> None:
    """Rows come as CSV with a head, in the order of time, lists and maps as JSON."""
    done = run(folder, "export", "calls", "--since", "2026-11-19")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    assert len(rows) == 4, done.stdout
    assert rows[0]["time"] == "2026-11-19T12:00:00.000000Z"
    assert (rows[0]["tags"], rows[0]["finish_reasons"]) == ('{"team": "a"}', '["stop"]')
    assert rows[0]["response_id"] == ""


def test_where_and_jsonl(folder: Path) -> None:
    """A condition in SQL picks rows; JSON lines hold every column by its type."""
    done = run(
        folder,
        *("export", "calls", "--since", "2026-11-01", "--until", "2026-11-20"),
        *("--where", "status = 'error'", "--format", "jsonl"),
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 19, done.stderr
    assert {row["status"] for row in rows} == {"error"}
    assert rows[0]["tags"] == {"team": "a"}
    assert rows[0]["input_tokens"] == 800
    assert rows[0]["cache_read_tokens"] is None


@pytest.mark.parametrize("since", ["2026-11-19", "2030-01-01"])
def test_json_is_one_document(folder: Path, since: str) -> None:
    """JSON is a list, also of nothing."""
    done = run(folder, "export", "scores", "--since", since, "--format", "json")
    assert json.loads(done.stdout) == []


def test_parquet_file(folder: Path, tmp_path: Path) -> None:
    """A file is written whole, with the types of the lake."""
    into = tmp_path / "calls.parquet"
    done = run(
        folder, "export", "calls", "--since", "2026-01-01", "--format", "parquet", "-o", str(into)
    )
    assert done.returncode == 0, done.stderr
    assert pq.read_table(into).num_rows == ROWS
    assert [path.name for path in tmp_path.iterdir()] == ["calls.parquet"]


def test_costs(folder: Path) -> None:
    """Costs are sums by day and who they are for."""
    done = run(folder, "export", "costs", "--since", "2026-11-20")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["day"], row["tenant_id"], row["calls"], row["cost_usd"]) == (
        "2026-11-20", "acme", "2", "1.0",
    )  # fmt: skip


def test_costs_of_a_service_that_samples(tmp_path: Path) -> None:
    """Metrics are whole where spans are sampled; who sends none is counted by its calls."""
    metric = {"hour": datetime(2026, 11, 20, 12), "service_name": "shop", "model": "gpt-4o"}
    lake(
        tmp_path,
        calls=[call(date(2026, 11, 20)), call(date(2026, 11, 20), 1, service_name="other")],
        metrics_hourly=[
            metric | {"metric": "gen_ai.request.duration", "sum": 9.0, "count": 10},
            metric | {"metric": "gen_ai.cost.usd", "sum": 5.0},
        ],
    )
    arguments = ("export", "costs", "--since", "2026-11-20", "--until", "2026-11-21")
    rows = list(csv.DictReader(io.StringIO(run(tmp_path, *arguments).stdout)))
    assert [(row["service_name"], row["calls"], row["cost_usd"]) for row in rows] == [
        ("other", "1", "0.5"), ("shop", "10", "5.0"),
    ]  # fmt: skip
    half = ("export", "costs", "--since", "2026-11-20T12:30", "--until", "2026-11-21")
    assert "shop" in run(tmp_path, *half).stdout, "hours are whole"
    one = run(tmp_path, *arguments, "--where", "service_name = 'shop'").stdout.splitlines()
    assert len(one) == 2, one
    two = run(tmp_path, *arguments, "--where", "true); SELECT (1")
    assert two.returncode, two
    assert "one SELECT" in words(two)


def test_sql(folder: Path) -> None:
    """A query is answered as CSV in a pipe; it can come from standard input."""
    query = "SELECT model, count(*) AS n FROM calls GROUP BY 1"
    assert run(folder, "sql", query).stdout.splitlines() == ["model,n", f"gpt-4o,{ROWS}"]
    assert run(folder, "sql", "-", text=query).stdout.splitlines()[1] == f"gpt-4o,{ROWS}"
    table = run(folder, "sql", query, "--format", "table").stdout
    assert "gpt-4o" in table
    assert str(ROWS) in table


def test_json_is_json(folder: Path) -> None:
    """Sums are numbers, what is no number is null, columns of one name are told apart."""
    query = """SELECT sum(input_tokens) AS tokens, 'nan'::DOUBLE AS none, 1 AS a, 2 AS a,
        TIMESTAMPTZ '2026-11-20 12:00+00' AS time FROM calls"""
    (row,) = json.loads(run(folder, "sql", query, "--format", "json").stdout)
    assert isinstance(row.pop("tokens"), int), row
    assert row == {"none": None, "a": 1, "a_1": 2, "time": "2026-11-20T12:00:00.000000Z"}
    head, cells = run(folder, "sql", "SELECT 1 AS a, 2 AS a", "--format", "csv").stdout.split()
    assert (head.split(","), cells.split(",")) == (["a", "a"], ["1", "2"])


def test_python_reads_the_same(folder: Path) -> None:
    """`lake.calls(since=…)` is a DuckDB relation; pandas, polars and Arrow see its rows."""
    calls = llm_otel.lake.open(folder).calls(since=date(2026, 11, 19))
    sizes = [len(calls.fetchall()), len(calls.df()), len(calls.pl()), len(calls.to_arrow_table())]
    assert sizes == [4, 4, 4, 4]


def test_without_a_lake(tmp_path: Path) -> None:
    """A folder that holds no lake is a mistake, not an empty answer."""
    for asked in (("export", "calls"), ("sql", "SELECT 1"), ("report",)):
        done = run(tmp_path / "typo", *asked)
        assert done.returncode == 1, done
        assert "There is no lake in" in words(done), words(done)
        assert done.stdout == ""


def test_a_cell_is_no_formula(tmp_path: Path) -> None:
    """What a spreadsheet would run stays text."""
    lake(tmp_path, calls=[call(days(1)[0], feature="=1+1")])
    done = run(tmp_path, "export", "calls", "--since", "2026-11-20")
    assert "'=1+1" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (("export", "calls", "--where", "nope = 1"), 'Referenced column "nope" not found', 1),
        (("export", "calls", "--since", "soon"), "'soon' is no time: give 90m, 24h, 7d or 2w", 2),
        (("export", "bills"), "'bills' is not one of", 2),
        (("export", "calls", "--since", "1d", "--until", "2d"), "is not after --since", 2),
        (("sql", "DELETE FROM calls"), "the lake is read-only here: give one SELECT", 1),
        (("sql", "SELEC 1"), "The query cannot be answered: Parser Error", 1),
        (("sql", "SELECT 1", "-o", "/nowhere/x.csv"), "there is no folder /nowhere", 1),
    ],
)
def test_mistakes(folder: Path, arguments: tuple[str, ...], says: str, code: int) -> None:
    """A mistake is one sentence and an exit code, no traceback."""
    done = run(folder, *arguments)
    assert done.returncode == code, done
    assert says in words(done), words(done)
    assert "Traceback" not in done.stderr


def test_a_closed_pipe_is_no_failure(folder: Path) -> None:
    """`| head` ends the export without a complaint."""
    command = [sys.executable, "-m", "llm_otel", "sql", "SELECT * FROM range(3000000)"]
    with subprocess.Popen(
        [*command, "--lake", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


def test_costs_of_a_clock_that_is_ahead(tmp_path: Path) -> None:
    """What was taken is counted, though its hour has not come."""
    soon = datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(hours=20)
    lake(tmp_path, calls=[call(soon.date(), time=soon)])
    rows = list(
        csv.DictReader(io.StringIO(run(tmp_path, "export", "costs", "--since", "2d").stdout))
    )
    assert [row["cost_usd"] for row in rows] == ["0.5"], rows
