"""Who is metered and of which calls verdicts are is written down by day, and read from there."""

from __future__ import annotations

import logging
import os
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import llm_otel.lake
from llm_otel import semconv
from llm_otel.lake import metering, verdicts
from llm_otel.lake.maintenance import KEEP_ALL, Maintenance
from llm_otel.lake.queries import Filter, Reader, usage
from llm_otel.lake.writer import Writer

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12)
WINDOW = Filter(datetime(2026, 11, 20), datetime(2026, 11, 21))


def call(number: int, **columns: Any) -> dict[str, Any]:
    """A call of one dollar."""
    row = {
        "time": NOON,
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "response_id": f"resp-{number}",
        "service_name": "shop",
        "provider": "openai",
        "model": "gpt-4o",
        "operation": "chat",
        "status": "ok",
        "duration_s": 1.0,
        "tenant_id": "acme",
        "cost_usd": 1.0,
        "scope": "llm_otel",
    }
    return {**row, **columns}


def metric(calls: int, cost: float) -> list[dict[str, Any]]:
    """What a process says that it did in the hour of noon."""
    row = {"hour": NOON, "service_name": "shop", "provider": "openai", "model": "gpt-4o"}
    return [
        {**row, "metric": semconv.REQUEST_DURATION.name, "sum": 1.0, "count": calls},
        {**row, "metric": semconv.COST.name, "sum": cost, "token_type": "input"},
    ]


def store(path: Path, **rows: list[dict[str, Any]]) -> None:
    """Add rows to a lake."""
    with Writer(path) as writer:
        writer.append(**rows)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake with two metered calls, one of another service without metrics, and an outcome."""
    outcome = {"time": NOON, "event_id": 1, "response_id": "resp-1"}
    calls = [call(1), call(2), call(3, service_name="batch", cost_usd=5.0)]
    store(tmp_path, calls=calls, metrics_hourly=metric(2, 2.0), outcomes=[outcome])
    return tmp_path


def settle(path: Path) -> None:
    """What the maintenance does."""
    llm_otel.lake.open(path).settle(DAY, 0.0)


def figures(path: Path) -> tuple[int, float | None, str | None]:
    """Requests and USD of the day, and the tenant of its outcome, for one who has just begun."""
    opened = llm_otel.lake.open(path)
    reader = Reader(opened, WINDOW)
    usage.keep_usage(reader)
    sums, _ = usage.totals(reader)
    (tenant,) = opened.sql("SELECT tenant_id FROM outcomes").fetchall()
    return sums.requests, sums.cost_usd, tenant[0]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The findings that are found out."""
    seen: list[str] = []

    def watch(kind: type, name: str) -> None:
        find = getattr(kind, name)

        def look(*arguments: Any) -> Any:
            seen.append(kind.__name__)
            return find(*arguments)

        monkeypatch.setattr(kind, name, look)

    watch(metering.Metering, "_find")
    watch(verdicts.Verdicts, "_look")
    return seen


def test_a_settled_day_is_not_looked_at_again(lake: Path, looks: list[str]) -> None:
    """By whoever opens the lake; the figures are the same."""
    wanted = figures(lake)
    assert wanted == (3, 7.0, "acme")
    assert set(looks) == {"Metering", "Verdicts"}
    settle(lake)
    looks.clear()
    assert figures(lake) == wanted
    assert looks == []
    settle(lake)
    assert looks == []


def test_late_data_change_the_figures(lake: Path, looks: list[str]) -> None:
    """Late calls and late metrics, before the next round of the maintenance and after it."""
    settle(lake)
    before = set((lake / "findings").glob("*/*"))
    store(lake, calls=[call(4, service_name="batch", cost_usd=0.25)])
    looks.clear()
    assert figures(lake) == (4, 7.25, "acme")
    assert set(looks) == {"Metering", "Verdicts"}
    settle(lake)
    looks.clear()
    assert figures(lake) == (4, 7.25, "acme")
    assert looks == []
    assert before.isdisjoint((lake / "findings").glob("*/*"))
    store(lake, metrics_hourly=[{**row, "service_name": "batch"} for row in metric(9, 9.5)])
    assert figures(lake) == (11, 11.5, "acme")


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:50], lambda data: data[:-9] + b"x" * 9],
    ids=["empty", "cut", "bits"],
)  # fmt: skip
def test_a_damaged_file_is_made_anew(
    lake: Path, damage: Any, looks: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """With one line in the log for each, however often it is read."""
    settle(lake)
    files = sorted((lake / "findings").glob("*/*"))
    assert len(files) == 2, files
    whole = [file.read_bytes() for file in files]
    for file, data in zip(files, whole):
        file.write_bytes(damage(data))
    with caplog.at_level(logging.WARNING, "llm_otel.lake"):
        assert figures(lake) == figures(lake) == (3, 7.0, "acme")
        settle(lake)
    assert [str(file) in text for file in files for text in sorted(caplog.messages)] == [
        True, False, False, True,
    ]  # fmt: skip
    assert [file.read_bytes() for file in files] == whole
    looks.clear()
    assert figures(lake) == (3, 7.0, "acme")
    assert looks == []


def test_what_is_written_down_may_be_deleted(lake: Path) -> None:
    """And what others leave beside it is in nobody's way."""
    settle(lake)
    folder = lake / "findings" / f"day={DAY}"
    (folder / ".DS_Store").write_bytes(b"x")
    for file in folder.glob("*.*"):
        file.unlink()
    assert figures(lake) == (3, 7.0, "acme")


def test_another_release_finds_it_out_again(
    lake: Path, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rules may be others."""
    settle(lake)
    looks.clear()
    monkeypatch.setattr("llm_otel.lake.findings.__version__", "99")
    assert figures(lake) == (3, 7.0, "acme")
    assert set(looks) == {"Metering", "Verdicts"}


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="folders have no modes")
def test_a_lake_that_may_only_be_read_is_read(lake: Path, looks: list[str]) -> None:
    """With what is written down, and without."""
    wanted = figures(lake)
    (lake / "findings").mkdir()
    (lake / "findings").chmod(0o555)
    assert figures(lake) == wanted
    (lake / "findings").chmod(0o755)
    settle(lake)
    before = sorted((lake / "findings").glob("*/*"))
    looks.clear()
    assert figures(lake) == wanted
    assert (looks, sorted((lake / "findings").glob("*/*"))) == ([], before)


def test_a_day_that_changes_often_is_written_seldom(lake: Path, looks: list[str]) -> None:
    """Else late calls, one at a time, would have it found out in every round."""
    opened = llm_otel.lake.open(lake)
    opened.settle(DAY, 3600.0)
    looks.clear()
    store(lake, calls=[call(5)])
    opened.settle(DAY, 3600.0)
    assert looks == []
    opened.settle(DAY, 0.0)
    assert set(looks) == {"Metering", "Verdicts"}


def test_a_disk_that_is_full_is_no_failure_of_a_page(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The maintenance says it; the figures stay."""

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("llm_otel.lake.findings.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        settle(lake)
    assert figures(lake) == (3, 7.0, "acme")


def test_the_maintenance_writes_days_that_are_over(tmp_path: Path, looks: list[str]) -> None:
    """In its round; and deletes what is of days that are gone."""
    old = datetime(2020, 1, 1)
    outcome = {"time": old, "event_id": 1, "response_id": "resp-1"}
    store(tmp_path, calls=[call(1, time=old)], outcomes=[outcome])
    gone = tmp_path / "findings" / "day=2019-01-01" / "0123.metering"
    gone.parent.mkdir(parents=True)
    gone.write_bytes(b"x")
    maintenance = Maintenance(tmp_path, KEEP_ALL)
    maintenance.round(clean=False)
    maintenance.close()
    looks.clear()
    opened = llm_otel.lake.open(tmp_path)
    assert opened.sql("SELECT tenant_id FROM outcomes").fetchall() == [("acme",)]
    opened.unmetered(old, old + timedelta(1))
    assert (looks, gone.parent.exists()) == ([], False)
