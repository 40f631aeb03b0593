"""`llm-otel demo`: a made-up history, the same for the same seed, never mixed with a real one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import llm_otel.lake


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `llm-otel demo --headless`."""
    command = [sys.executable, "-m", "llm_otel", "demo", "--headless", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_history(tmp_path: Path) -> None:
    """Every table has rows of every day, and nothing is of the future."""
    folder = tmp_path / "lake"
    done = run("--history", "1w", "--calls-per-day", "200", "--lake", str(folder))
    assert done.returncode == 0, done.stderr
    lake = llm_otel.lake.open(folder)
    for table, column in (("calls", "time"), ("spans", "time"), ("metrics_hourly", "hour")):
        query = f"SELECT count(DISTINCT day), max({column}) <= now()::TIMESTAMP FROM {table}"
        (row,) = lake.sql(query).fetchall()
        assert row[0] in (7, 8), (table, row)
        assert row[1], (table, row)


def test_a_lake_is_left_alone(tmp_path: Path) -> None:
    """A folder that holds a lake is refused."""
    assert run("--history", "1d", "--calls-per-day", "10", "--lake", str(tmp_path)).returncode == 0
    done = run("--history", "1d", "--lake", str(tmp_path))
    assert done.returncode == 1
    assert "holds a lake already" in " ".join(done.stderr.replace("│", " ").split())
