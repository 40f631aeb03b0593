"""How the calls of days that are over count is written down, and read from there."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import llm_otel.lake
from llm_otel.lake import nesting
from llm_otel.lake.maintenance import KEEP_ALL, Maintenance, Retention, retain
from llm_otel.lake.writer import Writer

DAY = date(2026, 11, 20)
AT = datetime(2026, 11, 20, 12)
COUNT = "SELECT count(*), sum(cost_usd), min(tenant_id) FROM calls"
ABOVE = "SELECT span_id[1], counted_span_id[1], level FROM calls_above"


def pair(number: int, time: datetime, **above: Any) -> list[dict[str, Any]]:
    """A call of a framework, and below it the same one of the SDK, of which the cost is unknown."""
    row = {"trace_id": f"{number:032x}", "scope": "framework", "operation": "chat",
           "model": "gpt-4o", "status": "ok", "duration_s": 2.0, "input_tokens": 10}  # fmt: skip
    return [
        {**row, "time": time, "span_id": "a" * 16, "cost_usd": 1.0, "tenant_id": "acme", **above},
        {**row, "time": time + timedelta(seconds=1), "span_id": "b" * 16,
         "parent_span_id": "a" * 16},
    ]  # fmt: skip


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """The days for which nested calls are looked for."""
    seen: list[date] = []
    find = nesting.find

    def look(cursor: Any, day: date, *rows: Any) -> Any:
        seen.append(day)
        return find(cursor, day, *rows)

    monkeypatch.setattr(nesting, "find", look)
    return seen


def store(path: Path, *rows: dict[str, Any]) -> None:
    """Add calls to a lake."""
    with Writer(path) as writer:
        writer.append(calls=list(rows))


def settle(path: Path, last: date = DAY) -> None:
    """What the maintenance does."""
    llm_otel.lake.open(path).settle(last, 0.0)


def counted(path: Path, query: str = COUNT) -> Any:
    """What a program that has just begun reads."""
    return llm_otel.lake.open(path).sql(query).fetchall()


def test_a_settled_day_is_not_looked_at_again(tmp_path: Path, looks: list[date]) -> None:
    """With nested calls and without, by whoever opens the lake; the answers are the same."""
    store(tmp_path, *pair(1, AT), *pair(2, AT - timedelta(1))[1:])
    wanted = counted(tmp_path)
    above = llm_otel.lake.open(tmp_path).connection()
    assert wanted == [(2, 1.0, "acme")]
    assert above.execute(ABOVE).fetchall() == [("a", "b", 1)]
    settle(tmp_path)
    looks.clear()
    assert counted(tmp_path) == wanted
    assert llm_otel.lake.open(tmp_path).connection().execute(ABOVE).fetchall() == [("a", "b", 1)]
    assert looks == []


def test_a_call_that_comes_later_counts(tmp_path: Path) -> None:
    """What was written of other files is not read, and goes."""
    store(tmp_path, *pair(1, AT))
    settle(tmp_path)
    store(tmp_path, *pair(2, AT, cost_usd=5.0))
    assert counted(tmp_path) == [(2, 6.0, "acme")]
    before = set((tmp_path / "requests").glob("*/*"))
    settle(tmp_path)
    assert counted(tmp_path) == [(2, 6.0, "acme")]
    assert before.isdisjoint((tmp_path / "requests").glob("*/*"))


@pytest.mark.parametrize("damage", [b"", b"PAR1 and no more", None], ids=["empty", "cut", "bits"])
def test_a_damaged_file_is_found_out_again(tmp_path: Path, damage: bytes | None) -> None:
    """Where its footer shows it, and where a page's check sum does."""
    store(tmp_path, *(row for number in range(500) for row in pair(number, AT)))
    settle(tmp_path)
    for file in (tmp_path / "requests").glob("*/*.parquet"):
        data = bytearray(file.read_bytes())
        data[20:400] = bytes(byte ^ 255 for byte in data[20:400])
        file.write_bytes(bytes(data) if damage is None else damage)
    assert counted(tmp_path) == [(500, 500.0, "acme")]


def test_files_of_others_are_in_nobodys_way(tmp_path: Path) -> None:
    """As file managers and programs that copy leave them in every folder."""
    store(tmp_path, *pair(1, AT))
    settle(tmp_path)
    folders = [tmp_path / "requests", *(tmp_path / "requests").iterdir()]
    for folder in folders:
        (folder / ".DS_Store").write_bytes(b"x")
        (folder / "a folder").mkdir()
    assert counted(tmp_path) == [(1, 1.0, "acme")]
    settle(tmp_path)
    assert counted(tmp_path) == [(1, 1.0, "acme")]


def test_another_release_finds_it_out_again(
    tmp_path: Path, looks: list[date], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rules may be others."""
    store(tmp_path, *pair(1, AT))
    settle(tmp_path)
    looks.clear()
    monkeypatch.setattr("llm_otel.lake.settled.__version__", "99", raising=False)
    assert counted(tmp_path) == [(1, 1.0, "acme")]
    assert DAY in looks


def test_a_day_that_fails_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are written down, and what is of no use goes."""
    store(tmp_path, *pair(1, AT), *pair(2, AT - timedelta(5)))
    settle(tmp_path)
    store(tmp_path, *pair(3, AT), *pair(4, AT - timedelta(5)))
    before = set((tmp_path / "requests").glob("*/*"))
    find = nesting.find

    def fail(cursor: Any, day: date, *rows: Any) -> Any:
        if day == DAY - timedelta(5):
            raise OSError("disk full")
        return find(cursor, day, *rows)

    monkeypatch.setattr(nesting, "find", fail)
    with pytest.raises(OSError, match="disk full"):
        settle(tmp_path)
    files = set((tmp_path / "requests").glob("*/*"))
    assert {file.parent.name for file in files} == {f"day={DAY}"}
    assert before.isdisjoint(files)


def test_a_day_that_changes_often_is_written_seldom(tmp_path: Path) -> None:
    """Else late spans, one at a time, would fill the disk with versions of a large day."""
    store(tmp_path, *pair(0, AT))
    lake = llm_otel.lake.open(tmp_path)
    for number in range(1, 5):
        lake.settle(DAY, 3600.0)
        store(tmp_path, *pair(number, AT))
    assert counted(tmp_path) == [(5, 5.0, "acme")]
    names = [file.name for file in (tmp_path / "requests").glob("*/*")]
    assert len(names) == 2, names
    lake.settle(DAY, 0.0)
    assert counted(tmp_path) == [(5, 5.0, "acme")]


def test_what_a_day_that_is_gone_told_of_this_one_stays(tmp_path: Path) -> None:
    """The call above began before midnight; its day is the first that is no longer kept."""
    midnight = datetime(2026, 11, 20)
    store(tmp_path, *pair(1, midnight - timedelta(seconds=1)))
    settle(tmp_path)
    with Writer(tmp_path) as writer:
        retain(writer.tables, Retention(days=1), DAY)
    assert counted(tmp_path) == [(1, 1.0, "acme")]
    settle(tmp_path)
    assert counted(tmp_path) == [(1, 1.0, "acme")]


def test_nothing_stays_of_days_that_are_gone(tmp_path: Path) -> None:
    """Retention takes what was written of them, too."""
    store(tmp_path, *pair(1, AT - timedelta(3)), *pair(2, AT))
    settle(tmp_path)
    with Writer(tmp_path) as writer:
        retain(writer.tables, Retention(days=1), DAY)
    settle(tmp_path)
    days = [folder.name for folder in (tmp_path / "requests").iterdir()]
    assert days == [f"day={DAY}"]


def test_the_maintenance_settles_days_that_are_over(tmp_path: Path, looks: list[date]) -> None:
    """In its round, beside all else."""
    store(tmp_path, *pair(1, datetime(2020, 1, 1)))
    maintenance = Maintenance(tmp_path, KEEP_ALL)
    maintenance.round(clean=False)
    maintenance.close()
    looks.clear()
    assert counted(tmp_path) == [(1, 1.0, "acme")]
    assert looks == []
