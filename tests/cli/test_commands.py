"""The command line as a whole."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import rich_click as click

from llm_otel.cli.group import COMMANDS, group
from llm_otel.settings.sources import PREFIX, RESERVED_VARIABLES
from llm_otel.version import __version__


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `llm-otel`."""
    command = [sys.executable, "-m", "llm_otel", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_names_every_command() -> None:
    """The list of commands has all of them, each with what it does."""
    told = run("--help").stdout
    missing = [name for name in COMMANDS if f" {name} " not in told]
    assert not missing, told


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_explained(name: str) -> None:
    """A command and each of its options say what they are for."""
    command = group.get_command(click.Context(group), name)
    assert command.help, name
    silent = [
        each.name
        for each in command.params
        if isinstance(each, click.Option) and not each.hidden and not each.help
    ]
    assert not silent, f"{name}: {silent}"


@pytest.mark.parametrize("name", COMMANDS)
def test_variables_of_commands_are_no_settings(name: str) -> None:
    """What a command reads from the environment is not taken for a wrong setting elsewhere."""
    command = group.get_command(click.Context(group), name)
    ours = {
        each.envvar
        for each in command.params
        if isinstance(each.envvar, str) and each.envvar.startswith(PREFIX)
    }
    assert ours <= RESERVED_VARIABLES, ours - RESERVED_VARIABLES


def test_the_list_is_light() -> None:
    """Listing the commands loads nothing that belongs to an extra."""
    program = (
        "import sys\nfrom llm_otel.cli.group import COMMANDS, group\nimport rich_click as click\n"
        "[group.get_command(click.Context(group), name) for name in COMMANDS]\n"
        "heavy = ('duckdb', 'pyarrow', 'dash', 'plotly', 'deltalake', 'numpy', 'openai')\n"
        "print(sorted(set(heavy) & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert told.stdout.strip() == "[]", told.stdout + told.stderr


def test_wrong_command() -> None:
    """A command that is none is wrong usage."""
    done = run("nope")
    assert done.returncode == 2
    assert "No such command 'nope'" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    """Each shell gets its completion script."""
    done = subprocess.run(
        [sys.executable.replace("python", "llm-otel")],
        env={**os.environ, "_LLM_OTEL_COMPLETE": f"{shell}_source"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "_LLM_OTEL_COMPLETE" in done.stdout


WITHOUT_EXTRA = """
import sys

sys.modules["rich_click"] = None  # as if it were not installed
sys.argv = ["llm-otel", *sys.argv[1:]]
from llm_otel.cli import main

main()
"""


@pytest.mark.parametrize(
    ("option", "code", "words"),
    [
        ("--version", 0, f"llm-otel, version {__version__}\n"),
        ("--help", 1, "llm-otel: the command needs rich_click: pip install 'llm-otel[cli]'\n"),
    ],
)
def test_without_the_extra(option: str, code: int, words: str) -> None:
    """The library alone says its version, and for the rest what to install."""
    command = [sys.executable, "-c", WITHOUT_EXTRA, option]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout + ran.stderr) == (code, words)
    assert run("--version").stdout == f"llm-otel, version {__version__}\n"
