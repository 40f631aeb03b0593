"""What the page says of backups and of volumes of another owner, run as it stands there."""

from __future__ import annotations

import re
from functools import partial

import pytest
from compose.stack import PROJECT, Stack, ask

pytestmark = pytest.mark.slow


def commands(stack: Stack) -> list[str]:
    """The blocks of the section, for this project."""
    page = (stack.folder / "docs" / "stack.md").read_text(encoding="utf-8")
    section = page.partition("## Backing up and restoring\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```\n(.+?)^```", section, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    return [block.replace("llm-otel_", f"{PROJECT}_") for block in blocks]


def shell(stack: Stack, script: str) -> None:
    """Run a block as a user does."""
    ran = stack.run("sh", "-ec", script)
    assert ran.returncode == 0, ran.stderr[-2000:]


def test_a_backup_is_restored(stack: Stack) -> None:
    """The samples of before are there again, in a Prometheus that had lost all of them."""
    backup, restore, _ = commands(stack)
    stack.up()
    ran = stack.run("llm-otel", "doctor")
    assert ran.returncode == 0, ran.stdout
    doctors = 'last_over_time(llm_otel_internal_errors_total{service_name="llm-otel-doctor"}[1h])'
    ask(partial(stack.query, doctors), 60, "the doctor's metric")
    shell(stack, backup)
    assert stack.compose("--profile", "*", "down", "--volumes").returncode == 0
    stack.up()
    assert stack.query(doctors) == []
    shell(stack, restore)
    ask(partial(stack.query, doctors), 60, "the doctor's metric after the restoration")


def test_a_volume_of_another_owner_is_given_back(stack: Stack) -> None:
    """Tempo does not start on files of root; after the page's command it does."""
    *_, give_back = commands(stack)
    stack.up()
    shell(stack, give_back.replace("10001:10001", "0:0"))
    assert stack.compose("restart", "tempo").returncode == 0
    ask(
        lambda: "ermission denied" in stack.compose("logs", "tempo").stdout, 60, "Tempo's complaint"
    )
    shell(stack, give_back)
    assert stack.compose("restart", "tempo").returncode == 0
    stack.up()
