"""One reader of `llm-otel.yaml`: each section has an owner, who alone knows what is in it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from llm_otel.errors import ConfigError
from llm_otel.settings import OPTIONS, Settings, document
from llm_otel.stack.config import Config

NAMES = sorted(document.sections())
OF_LIBRARY = {name for name, option in OPTIONS.items() if option.yaml}
OF_STACK = {each.name for each in fields(Config)}
# No section takes a map of such a key to a list of lists.
WRONG = '{"?": [[]]}'


@pytest.fixture(autouse=True)
def _place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty working directory and no variables of ours."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("OTEL_", "LLM_OTEL_")):
            monkeypatch.delenv(name)


def test_every_section_is_a_setting_or_of_the_stack() -> None:
    """What the file may hold is what somebody reads, and nothing else."""
    assert {*NAMES} == OF_LIBRARY | OF_STACK


@pytest.mark.parametrize("name", NAMES)
def test_what_is_wrong_in_a_section_says_where(name: str) -> None:
    """The message begins with the file and the section, whoever reads it."""
    Path("llm-otel.yaml").write_text(f"{name}: {WRONG}\n")
    readers = [
        read
        for own, read in ((OF_LIBRARY, Settings.resolve), (OF_STACK, Config.load))
        if name in own
    ]
    for read in readers:
        with pytest.raises(ConfigError) as caught:
            read()
        text = str(caught.value)
        assert text.startswith(("llm-otel.yaml: " + name, "A key of llm-otel.yaml: " + name)), text
        assert "\n" not in text


@pytest.mark.parametrize("name", NAMES)
def test_a_section_without_a_value_is_as_if_it_were_not_there(name: str) -> None:
    """A bare key leaves the default."""
    Path("llm-otel.yaml").write_text(f"{name}:\n")
    assert Settings.resolve() == Settings(config_file="llm-otel.yaml")
    assert Config.load() == Config()


@pytest.mark.parametrize("read", [Settings.resolve, Config.load], ids=["library", "stack"])
@pytest.mark.parametrize("key", ["alrts", "nothing like it"])
def test_an_unknown_section_lists_all(read: object, key: str) -> None:
    """The library and the stack refuse it alike, and name every section."""
    assert callable(read)
    Path("llm-otel.yaml").write_text(f"{key}: 1\n")
    with pytest.raises(ConfigError) as caught:
        read()
    text = str(caught.value)
    assert text.startswith(f"llm-otel.yaml: the key {key} is unknown; "), text
    assert text.endswith(f"llowed are {', '.join(NAMES)}."), text
    assert ("did you mean alerts?" in text) == (key == "alrts")


def test_the_library_imports_nothing_of_the_stack_for_its_sections() -> None:
    """A program whose file has sections of the stack starts without what parses them."""
    Path("llm-otel.yaml").write_text("alerts: {latency: {warning: 3}}\nbudgets: {total: 5}\n")
    program = (
        "import sys; from llm_otel.settings import Settings; Settings.resolve(); "
        "print(sorted(name for name in sys.modules if name.startswith('llm_otel.stack.')))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "['llm_otel.stack.sections']", ran.stdout
