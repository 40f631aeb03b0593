"""What a start imports: a program pays for the clients that it has, not for those it could have."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest

from llm_otel import clients

# What every client needs of the protocols' package. Bodies of a provider are none of it.
SHARED = frozenset({"answer", "costs", "errors", "headers", "paths", "requests", "spec", "usage"})
# They speak a protocol of OpenAI's, and nothing else.
OPENAI_LIKE = frozenset({"openai", "usage"})


def _modules(program: str) -> set[str]:
    """The modules that a program has imported in a process of its own."""
    last = "import json, os, sys; print(json.dumps(list(sys.modules)), flush=True); os._exit(0)"
    ran = subprocess.run(
        [sys.executable, "-c", f"{program}\n{last}"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return set(json.loads(ran.stdout.splitlines()[-1]))


def _below(modules: set[str], package: str) -> set[str]:
    """Names of the modules right below a package of ours."""
    prefix = f"llm_otel.{package}."
    return {name.removeprefix(prefix).partition(".")[0] for name in modules if prefix in name}


@pytest.fixture(scope="module")
def started() -> set[str]:
    """The modules of a program that has started."""
    return _modules("import llm_otel; llm_otel.instrument()")


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ImportError:
        return False


def test_a_start_imports_no_client(started: set[str]) -> None:
    """Though all of them are installed, and hooked as soon as they are imported."""
    packages = clients.built_in()
    assert [each for each in packages if not _installed(each)] == []
    assert started.isdisjoint(packages), started & set(packages)


def test_a_start_reads_no_clients_file_and_no_protocol(started: set[str]) -> None:
    """What a client's file says is read when its package is imported."""
    assert _below(started, "clients") == {"spec"}
    assert _below(started, "protocols") <= SHARED


def test_a_client_brings_its_own_file_and_protocol() -> None:
    """Not those of the others."""
    imported = _modules("import llm_otel; llm_otel.instrument(); import groq")
    assert _below(imported, "clients") == {"spec", "groq"}
    assert _below(imported, "protocols") <= SHARED | OPENAI_LIKE
    assert "openai" not in imported
