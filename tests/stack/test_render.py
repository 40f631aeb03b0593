"""`llm-otel render` as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from stack.parts import ROOT

from llm_otel.stack import render
from llm_otel.stack.config import Config

PROMETHEUS = "prometheus/prometheus.yml"


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "llm_otel", "render", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all files."""
    place = tmp_path_factory.mktemp("stack")
    ran = run(cwd=place)
    assert ran.returncode == 0, ran.stderr
    assert f"wrote {PROMETHEUS}" in ran.stdout
    return place


def test_committed_files_are_current() -> None:
    """What is in the repository is what `llm-otel render` writes."""
    assert render.stale(ROOT, render.files(Config())) == []


def test_what_is_current_is_left_alone(rendered: Path) -> None:
    """A second run writes nothing, and says so."""
    before = (rendered / PROMETHEUS).stat().st_mtime_ns
    ran = run(cwd=rendered)
    assert "0 written" in ran.stdout
    assert (rendered / PROMETHEUS).stat().st_mtime_ns == before
    assert run("--check", cwd=rendered).returncode == 0


def test_check_names_what_is_stale(rendered: Path) -> None:
    """`--check` names changed and missing files, ends with 1 and writes nothing."""
    changed, missing = rendered / PROMETHEUS, rendered / "prometheus/alerts/llm.yaml"
    changed.write_text("mine\n")
    missing.unlink()
    ran = run("--check", cwd=rendered)
    assert ran.returncode == 1
    assert f"stale {PROMETHEUS}\n" in ran.stdout
    assert "stale prometheus/alerts/llm.yaml\n" in ran.stdout
    assert "2 stale" in ran.stdout
    assert changed.read_text() == "mine\n"
    assert not missing.exists()
    assert run(cwd=rendered).returncode == 0


def test_what_is_no_longer_made_is_removed(rendered: Path) -> None:
    """A file of an earlier run goes; a user's own beside it and what lies elsewhere stay."""
    old, mine, outside = (
        rendered / name for name in ("prometheus/alerts/old.yaml", "prometheus/alerts/mine.yaml",
                                     "../outside.yaml")
    )  # fmt: skip
    for path in (old, mine, outside):
        path.write_text("groups: []\n")
    with (rendered / render.LIST).open("a") as listed:
        listed.write("prometheus/alerts/old.yaml\nprometheus/../../outside.yaml\ngone.yaml\n")
    ran = run("--check", cwd=rendered)
    assert ran.returncode == 1
    assert "no longer made: prometheus/alerts/old.yaml\n" in ran.stdout
    assert "1 no longer made" in ran.stdout
    assert old.exists()
    ran = run(cwd=rendered)
    assert "removed prometheus/alerts/old.yaml\n" in ran.stdout
    assert not old.exists()
    assert mine.exists()
    assert outside.exists()
    assert run("--check", cwd=rendered).returncode == 0


def test_thresholds_come_from_the_file(rendered: Path, tmp_path: Path) -> None:
    """`--config` and `--out` name the file and the folder."""
    config = tmp_path / "mine.yaml"
    config.write_text("alerts: {latency: {warning: 2.5}}\n")
    ran = run("--config", str(config), "--out", str(tmp_path / "out"), cwd=rendered)
    assert ran.returncode == 0, ran.stderr
    assert "p95_10m > 2.5" in (tmp_path / "out/prometheus/alerts/llm.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--config", "missing.yaml"], 1, "missing.yaml cannot be read: No such file"),
        (["--out", "file"], 2, "is a file"),
        (["--nothing"], 2, "--nothing"),
    ],
)
def test_mistakes_are_told(arguments: list[str], code: int, said: str, tmp_path: Path) -> None:
    """A user's mistake is a sentence and an exit code, never a traceback."""
    (tmp_path / "file").touch()
    ran = run(*arguments, cwd=tmp_path)
    assert ran.returncode == code, ran.stderr
    assert said in " ".join(ran.stderr.replace("│", "").split())
    assert "Traceback" not in ran.stderr
