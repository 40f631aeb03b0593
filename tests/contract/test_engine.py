"""How the tests of the compose file get a Docker engine, or say in one line that they did not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.compose import engine, images

ROOT = Path(__file__).resolve().parents[2]
NOT_TESTED = "compose: the compose file is NOT TESTED in this run: "


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m tools.compose` on a machine with nothing on PATH but what is in the folder."""
    return subprocess.run(
        [sys.executable, "-m", "tools.compose"],
        cwd=ROOT,
        env={"PATH": str(folder), "LLM_OTEL_CACHE": str(folder / "cache"), **environment},
        capture_output=True,
        text=True,
    )


def test_one_sentence_where_there_can_be_no_engine(tmp_path: Path) -> None:
    """Nothing fails, and nobody takes it for a test that passed."""
    ran = run(tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(NOT_TESTED)
    assert len(ran.stdout.splitlines()) == 1


def test_an_engine_can_be_required(tmp_path: Path) -> None:
    """Where one is known to be, as in the workflows, a missing one is a failure."""
    assert run(tmp_path, LLM_OTEL_TEST_ENGINE="required").returncode == 1


def test_an_engine_that_does_not_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line of its log is in the sentence."""
    for name in ("busybox", "iptables", "dockerd", "docker"):
        words = "echo this kernel has no overlay; exit 1" if name == "dockerd" else "exit 1"
        (tmp_path / name).write_text(f"#!/bin/sh\n{words}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr(engine, "DATA", tmp_path / "engine")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(engine.Unavailable) as caught, engine.engine():
        pass
    assert str(caught.value).endswith("this kernel has no overlay")


def fake_docker(folder: Path) -> Path:
    """A `docker` without images or a registry, which takes what it is asked to build.

    Returns:
        Where it notes what it was asked.
    """
    calls = folder / "calls"
    (folder / "docker").write_text(
        f'#!/bin/sh\necho "$@" >> {calls}\n'
        'case "$1 $2" in image\\ inspect|pull\\ *) exit 1;; *) echo 1;; esac\n'
    )
    (folder / "docker").chmod(0o755)
    return calls


def test_an_image_that_cannot_be_had_is_a_failure(tmp_path: Path) -> None:
    """Where an engine is, nothing is left out: one sentence says which image, and what to do."""
    fake_docker(tmp_path)
    ran = run(tmp_path)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout.splitlines()[-1] == (
        "compose: FAILED: there is an engine, but busybox:1.37.0 is not there, and no stand-in can"
        " be built: there is no busybox: apt-get install busybox-static."
    )


@pytest.mark.parametrize("ours", [True, False])
def test_an_engine_of_the_tests_pulls_nothing_under_the_agpl(
    ours: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever registry answers: only an engine of the user's own may."""
    calls = fake_docker(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    for image in ("grafana/tempo:3.0.3", "grafana/grafana:13.2.3"):
        calls.write_text("")
        assert images.provide(engine.Engine(ours=ours), [image]) == {image: "stand-in"}
        assert (f"pull --quiet {image}" in calls.read_text()) is not ours
        assert f"--tag {image}" in calls.read_text()


def test_every_image_of_the_files_can_be_had() -> None:
    """Each image that is pinned is pulled or stood in for, a base before what is made of it."""
    wanted = images.pinned()
    assert len(wanted) == 8
    assert wanted[:2] == ["busybox:1.37.0", "python:3.13.12-slim-bookworm"]
