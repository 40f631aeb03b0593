"""`llm-otel chart`: the dashboard's charts as JSON of Plotly."""

from __future__ import annotations

import html
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import plotly.io
import pytest
from digest.lakes import LAST, call, lake

import llm_otel.lake
from llm_otel.cli import chart as command
from llm_otel.dashboard import figures
from llm_otel.errors import ConfigError
from llm_otel.history import generate
from llm_otel.lake.writer import Writer

NOW = datetime(2026, 11, 20, 15, 30, tzinfo=timezone.utc)
WINDOW = {"since": ("2026-11-13T15:00:00",), "until": ("2026-11-20T15:30:00",)}


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten days of a small company."""
    path = tmp_path_factory.mktemp("lake") / "lake"
    with Writer(path) as writer:
        for batch in generate(10, end=NOW, calls_per_day=200, seed=5):
            writer.append(**batch.tables)
    return path


def run(lake: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `llm-otel chart`."""
    asked = [sys.executable, "-m", "llm_otel", "chart", *arguments, "--lake", str(lake)]
    return subprocess.run(asked, capture_output=True, text=True, check=False)


def test_every_chart_can_be_read(history: Path) -> None:
    """Each name gives a figure with something drawn, which Plotly reads back."""
    lake = llm_otel.lake.open(history)
    drawn = {}
    for name in figures.NAMES:
        made = figures.chart(lake, name, WINDOW, lambda: NOW)
        read = plotly.io.from_json(made.json())
        drawn[name] = max(len(trace.y) for trace in read.data)
    assert all(size > 0 for size in drawn.values()), drawn


def test_the_command_knows_every_chart() -> None:
    """It lists the names without importing the dashboard."""
    assert command.NAMES == figures.NAMES


def test_a_chart_shows_what_was_asked(history: Path, tmp_path: Path) -> None:
    """Split by tenant, of one model: its bars add up to what the calls of that model cost."""
    into = tmp_path / "cost.json"
    done = run(history, "cost", "--by", "tenant_id", "--filter", "model=gpt-5", "-o", str(into),
               "--since", "2026-11-12", "--until", "2026-11-20")  # fmt: skip
    assert done.returncode == 0, done.stderr
    figure = plotly.io.from_json(into.read_text())
    assert "acme" in [trace.name for trace in figure.data]
    asked = """SELECT sum(cost_usd) FROM calls WHERE model = 'gpt-5'
        AND time >= '2026-11-12' AND time < '2026-11-20'"""
    (true,) = llm_otel.lake.open(history).sql(asked).fetchall()[0]
    assert sum(sum(trace.y) for trace in figure.data) == pytest.approx(true)


def test_names_are_text(tmp_path: Path) -> None:
    """A name with HTML, mathematics or control characters is a label like any other."""
    names = {"<b>gpt</b>", "<a href='https://x.example'>x</a>", "$x^2$", "2026-11-20"}
    lake(tmp_path, calls=[call(LAST, n, model=name) for n, name in enumerate(sorted(names))])
    done = run(tmp_path, "cost", "--by", "model", "--since", "2026-11-20", "--until", "2026-11-21")
    assert done.returncode == 0, done.stderr
    labels = {trace.name for trace in plotly.io.from_json(done.stdout).data}
    assert {html.unescape(label) for label in labels} == names
    assert not [label for label in labels if "<" in label or "$" in label], labels


def test_mistakes(history: Path) -> None:
    """A chart that is none, a filter that is none, a window without a length or without calls."""
    assert run(history, "cots").returncode == 2
    for wrong, says in (
        (("cost", "--filter", "colour=red"), "'colour=red' is no filter"),
        (("cost", "--since", "1d", "--until", "2d"), "is not after --since"),
    ):
        done = run(history, *wrong)
        assert (done.returncode, says in done.stderr.replace("\n", " ")) == (2, True), done.stderr
    with pytest.raises(ConfigError, match="nothing to draw"):
        figures.chart(llm_otel.lake.open(history), "value", {"tenant_id": ("nobody",)}, lambda: NOW)


def test_without_a_lake(tmp_path: Path) -> None:
    """A folder without a lake is told, and is not made."""
    done = run(tmp_path / "none", "cost")
    assert done.returncode == 1
    assert "There is no lake in" in done.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("cost", "--by", "nonsense"),
            "cannot be split by 'nonsense': use one of model, tenant_id",
        ),
        (("cost", "--by", "tag:"), "cannot be split by 'tag:': use one of model, tenant_id"),
        (("requests", "--by", "model"), "the chart requests has no split: only cost has."),
    ],
)
def test_a_split_that_there_is_not_is_refused(
    history: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    """With what is possible, and the status of a wrong command."""
    done = run(history, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    told = " ".join(done.stderr.replace("│", " ").split())
    assert sentence in told, told


def test_an_address_that_means_nothing_is_no_chart(history: Path) -> None:
    """A program is not given what it did not ask for."""
    lake = llm_otel.lake.open(history)
    with pytest.raises(ConfigError, match="From 'soon' is no date"):
        figures.chart(lake, "cost", {"since": ("soon",)}, lambda: NOW)
