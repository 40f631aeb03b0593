"""Which environments `make test` tests beside its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tests.matrix as module

HERE = module.versions(Path(sys.executable))


@pytest.mark.parametrize(
    ("other", "is_tested"),
    [({}, False), ({"openai": "1.40.0"}, True), ({"only-there": "1"}, True)],
    ids=["the same versions", "another version", "another package"],
)
def test_an_environment_is_left_out_that_is_no_other(
    other: dict[str, str], is_tested: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest clients are tested once: here, unless this environment has others."""
    there = {"openai": HERE["openai"], **other}
    ran: list[object] = []

    def run(command: list[object], **_options: object) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        return subprocess.CompletedProcess(command, 0, "")

    monkeypatch.setattr(module, "environment", lambda *_, **__: Path("there"))
    monkeypatch.setattr(module, "versions", lambda of: there if of == Path("there") else HERE)
    monkeypatch.setattr(subprocess, "run", run)
    assert module.passes("newest", fresh=False, tested_here=True)
    assert bool(ran) is is_tested
