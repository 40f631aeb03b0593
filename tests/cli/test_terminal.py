"""What the commands write to a real terminal, and to a pipe, of names that came from outside."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from digest.lakes import LAST, call, days, lake

# A title for the window, a cursor that moves up, text that runs backwards, a forged row and line.
EVIL = "gpt\x1b]0;owned\x07\x1b[2A\u202etxt\u2028\x9b31m\nforged|row\r"
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a model of an evil name."""
    path = tmp_path_factory.mktemp("lake")
    evil = {"model": EVIL, "tenant_id": EVIL, "status": "error", "error_type": EVIL}
    calls = [call(day, n, **evil, cost_usd=n + 1.0) for n, day in enumerate(days(2, LAST))]
    lake(path, calls=[*calls, call(LAST, 7, **evil)])
    return path


def on_terminal(*arguments: str) -> str:
    """What `llm-otel` writes to a terminal of its own."""
    ours, theirs = pty.openpty()
    chunks: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(ours, 65_536):
                chunks.append(chunk)
        except OSError:  # the terminal is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    command = [sys.executable, "-m", "llm_otel", *arguments]
    environment = {**os.environ, "COLUMNS": "400", "TERM": "xterm"}
    try:
        subprocess.run(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, timeout=120
        )
    finally:
        os.close(theirs)
    reader.join(10)
    os.close(ours)
    # the terminal itself puts an \r before each \n
    return re.sub("\r+\n", "\n", b"".join(chunks).decode())


def in_pipe(*arguments: str) -> bytes:
    """What it writes to a pipe."""
    command = [sys.executable, "-m", "llm_otel", *arguments]
    return subprocess.run(command, capture_output=True, check=True, timeout=120).stdout


SINCE = ("--since", "2026-11-20", "--until", "2026-11-21")
COMMANDS = {
    "sql": ("sql", "SELECT model, tenant_id FROM calls"),
    "sql csv": ("sql", "SELECT model, tenant_id FROM calls", "--format", "csv"),
    "sql json": ("sql", f'SELECT model AS "{EVIL[:9]}" FROM calls', "--format", "json"),
    "sql that fails": ("sql", "SELECT model::INT FROM calls"),
    "export csv": ("export", "calls", *SINCE),
    "export jsonl": ("export", "calls", *SINCE, "--format", "jsonl"),
    "chart": ("chart", "cost", "--by", "model", *SINCE),
    "report": ("report", "--day", "2026-11-20"),
    "report json": ("report", "--day", "2026-11-20", "--format", "json"),
    "report html": ("report", "--day", "2026-11-20", "--format", "html"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_acts_on_a_terminal(folder: Path, name: str) -> None:
    """No control character of a name reaches the terminal, and no name makes a line of its own."""
    shown = COLOURS.sub("", on_terminal(*COMMANDS[name], "--lake", str(folder)))
    assert "owned" in shown, shown
    assert not ACTS.findall(shown), repr(shown)
    assert not [line for line in shown.split("\n") if line.startswith("forged")], shown


def test_parquet_is_nothing_for_a_terminal(folder: Path) -> None:
    """Bytes that a terminal would take for anything are refused."""
    shown = on_terminal("export", "calls", *SINCE, "--format", "parquet", "--lake", str(folder))
    assert "Parquet is nothing for a terminal" in shown, shown
    assert "PAR1" not in shown


def test_a_pipe_gets_the_data(folder: Path) -> None:
    """Programs read what is stored."""
    query = ("sql", "SELECT model FROM calls", "--lake", str(folder))
    rows = list(csv.reader(io.StringIO(in_pipe(*query, "--format", "csv").decode(), newline="")))
    assert rows == [["model"], [EVIL], [EVIL], [EVIL]]
    lines = in_pipe(*query, "--format", "jsonl").decode().split("\n")
    assert [json.loads(line)["model"] for line in lines if line] == [EVIL] * 3


def test_a_table_in_a_pipe_is_not_forged(folder: Path) -> None:
    """A table is for people, wherever it goes: each row is one line."""
    query = ("sql", "SELECT model FROM calls", "--format", "table", "--lake", str(folder))
    text = in_pipe(*query).decode()
    assert not ACTS.findall(text), repr(text)
    assert not [line for line in text.split("\n") if line.startswith("forged")], text
