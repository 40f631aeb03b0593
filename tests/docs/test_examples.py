"""What the documentation shows works: Python is run, configuration and commands are checked."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import rich_click as click
from docs.markdown import PAGES, README, ROOT, Block, blocks, program
from opentelemetry.configuration import load_config_file

from llm_otel.cli.group import group
from llm_otel.settings import OPTIONS, Settings, sources
from llm_otel.testing import Provider

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LANGUAGES = {"python", "sh", "console", "yaml", "toml", ""}

# Python imports this by itself: an example that reaches out fails.
NO_NETWORK = """
import socket

connect = socket.socket.connect

def local(self, address):
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1"):
        raise AssertionError(f"an example connects to {address}")
    return connect(self, address)

socket.socket.connect = local
"""


def each(*languages: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page, *languages)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, with no settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("OTEL_", "LLM_OTEL_")):
            monkeypatch.delenv(name)
    return tmp_path


# The pages on migration need another instrumentation each: `tests/peers/test_migration.py`.
RUN_HERE = [page for page in PAGES if program(page) and not page.name.startswith("migration-")]


@pytest.mark.parametrize("page", RUN_HERE, ids=lambda page: page.name)
def test_python_runs(page: Path, place: Path, p: Provider) -> None:
    """A page's Python blocks run in their order, without a warning, without the network."""
    example = place / f"test_{page.stem.replace('-', '_')}.py"
    example.write_text(program(page), encoding="utf-8")
    (place / "sitecustomize.py").write_text(NO_NETWORK)
    tests = "def test_" in example.read_text(encoding="utf-8")
    pytest_ = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:dash"] if tests else []
    ran = subprocess.run(
        [sys.executable, "-W", "error", *pytest_, example],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(place), str(ROOT / "src"))),
            "OPENAI_BASE_URL": p.url,
            "OPENAI_API_KEY": "test",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "NO_PROXY": "*",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, f"line numbers are those of {page.name}:\n{ran.stdout}{ran.stderr}"


def test_the_first_program_prints_what_the_readme_shows(place: Path) -> None:
    """As it stands, with no key and no receiver: one line for its call, and nothing else."""
    example = place / "first.py"
    example.write_text(blocks(README, "python")[0].text, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-W", "error", example],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    shown = blocks(README, "")[0].text.split()
    printed = ran.stderr.split()
    assert (ran.returncode, ran.stdout) == (0, ""), ran
    assert len(ran.stderr.splitlines()) == 1, ran.stderr
    assert printed[1:7] == shown[1:7], ran.stderr  # the clock, time and cost depend on the machine


def test_every_block_has_a_language() -> None:
    """No block escapes these checks by its language."""
    assert {block.language for block in each()} <= LANGUAGES


@pytest.mark.parametrize("block", each("yaml"), ids=str)
def test_yaml_is_configuration(block: Block, place: Path) -> None:
    """A YAML block is an `llm-otel.yaml`, or OpenTelemetry's declarative file with our options."""
    path = place / "example.yaml"
    path.write_text(block.text, encoding="utf-8")
    if "file_format:" in block.text:
        section = load_config_file(str(path)).instrumentation_development
        assert section is not None
        assert Settings.resolve(**section.python["llm_otel"])
    else:
        assert Settings.resolve(config_file=path).config_file == str(path)


@pytest.mark.parametrize("block", each("toml"), ids=str)
def test_toml_is_well_formed(block: Block) -> None:
    """A TOML block is TOML."""
    assert tomllib.loads(block.text)


@pytest.mark.parametrize("block", each("sh", "console"), ids=str)
def test_commands_exist(block: Block, place: Path) -> None:
    """Targets of make, modules, programs and our variables in a console block exist."""
    for line in block.text.splitlines():
        words = shlex.split(line, comments=True)
        variables = dict(word.split("=", 1) for word in words if re.match(r"\w+=", word))
        sources.from_environment(OPTIONS, variables)
        _check_command([word for word in words if "=" not in word or word.startswith("-")], line)


def _check_command(words: list[str], line: str) -> None:
    match words:
        case [] | ["export"] | ["pip", "install", *_]:
            pass
        case ["make", target]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
        case ["python", "-m", module, *_]:
            assert importlib.util.find_spec(module), line
        case ["llm-otel", name, *options] if not name.startswith("-"):
            _check_options(name, [option for option in options if option != "\\"])
        case [command, *_]:
            assert shutil.which(command, path=Path(sys.executable).parent), line


def _check_options(name: str, options: list[str]) -> None:
    """A command line of ours is one that the command understands."""
    command = group.get_command(click.Context(group), name)
    assert command is not None, name
    command.make_parser(click.Context(command)).parse_args(options)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_variables_exist(page: Path) -> None:
    """Every variable with our prefix that a page mentions is one that we read."""
    known = {option.variable(name) for name, option in OPTIONS.items()} | sources.RESERVED_VARIABLES
    mentioned = set(re.findall(r"(?<!_)LLM_OTEL_[A-Z_]+", page.read_text(encoding="utf-8")))
    assert mentioned <= known, sorted(mentioned - known)
