"""The structure that the folder names promise."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "llm_otel"
MODULES = sorted(SOURCE.rglob("*.py"))

LONGEST_MODULE = 400
LONGEST_FUNCTION = 60


def _name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_imports_keep_the_contracts() -> None:
    """A module imports only what its layer may see: `[tool.importlinter]` in pyproject.toml."""
    linter = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert linter.returncode == 0, linter.stdout + linter.stderr


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_files_and_functions_stay_readable(path: Path) -> None:
    """A file fits a reader's head, a function a screen; the names table is data."""
    if path.name == "semconv.py":
        return
    lines = path.read_text().splitlines()
    assert len(lines) <= LONGEST_MODULE, f"{path.name} has {len(lines)} lines"
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{path.name}:{node.name} has {length} lines"


# The one module that uses what OpenTelemetry keeps private.
INTERNALS = "llm_otel.base.otel_internals"
# The API's and the SDK's packages for logs have no other names.
PUBLIC_MODULES = ("_logs",)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC_MODULES


def _names_of_opentelemetry() -> set[str]:
    """Every private name in the API, the SDK and the exporters."""
    names: set[str] = set()
    for package in ("attributes", "baggage", "context", "exporter", "metrics", "sdk", "trace"):
        for folder in importlib.import_module(f"opentelemetry.{package}").__path__:
            for source in Path(folder).rglob("*.py"):
                names.update(re.findall(r"\b_[a-zA-Z]\w*", source.read_text()))
    return names


THEIRS = _names_of_opentelemetry()


def _own_names(tree: ast.AST) -> set[str]:
    """Private names that a module defines: functions, variables, attributes of its classes."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and ast.unparse(node.value) in ("self", "cls")
        ):
            names.add(node.attr)
    return names


def _foreign_private(tree: ast.AST) -> set[str]:
    """Private names of other modules that a module uses: imported, as attributes, by `getattr`."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("opentelemetry"):
            names |= {name for name in (node.module or "").split(".") if _is_private(name)}
            names |= {each.name for each in node.names if _is_private(each.name)}
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls"):
            names |= {node.attr} if _is_private(node.attr) else set()
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value.startswith("opentelemetry."):
                names |= {part for part in node.value.split(".") if _is_private(part)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in _BY_NAME:
            name = node.args[1] if len(node.args) > 1 else None
            if isinstance(name, ast.Constant) and _is_private(str(name.value)):
                names.add(str(name.value))
    return names - _own_names(tree)


_BY_NAME = ("getattr", "hasattr", "setattr", "delattr")


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_one_module_uses_the_private_names_of_opentelemetry(path: Path) -> None:
    """What may change without notice is in one place, where it is given up when it does."""
    name = _name(path)
    if name == INTERNALS:
        return
    wrong = _foreign_private(ast.parse(path.read_text())) & THEIRS
    assert not wrong, f"{name} uses {sorted(wrong)}: does {INTERNALS} have it?"


def test_only_settings_reads_the_environment() -> None:
    """One module knows the environment's variables."""
    readers = [
        _name(path)
        for path in MODULES
        if "os.environ" in path.read_text() or "getenv" in path.read_text()
    ]
    assert readers == ["llm_otel.settings"], readers


def test_importing_the_library_imports_the_api_only() -> None:
    """`import llm_otel` loads neither an SDK, nor an exporter, nor a client, nor the prices."""
    program = (
        "import sys, llm_otel\n"
        "heavy = ('opentelemetry.sdk', 'opentelemetry.exporter', 'opentelemetry.proto', 'openai',"
        " 'groq', 'together', 'genai_prices', 'yaml', 'google', 'grpc', 'requests', 'duckdb',"
        " 'pyarrow', 'deltalake', 'numpy', 'pandas', 'htpy', 'plotly', 'flask', 'waitress',"
        " 'apprise', 'matplotlib', 'jinja2', 'rich_click', 'click')\n"
        "print([name for name in sys.modules if name.startswith(heavy)])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]", ran.stdout


def test_public_names_are_pinned() -> None:
    """A name more or less in the public interface is a decision, not an accident."""
    import llm_otel

    assert sorted(llm_otel.__all__) == [
        "AttributionSpanProcessor",
        "ConfigError",
        "Settings",
        "SpanMetrics",
        "Totals",
        "Usage",
        "__version__",
        "agent",
        "attribution",
        "cached",
        "call",
        "cost",
        "current_call",
        "current_totals",
        "embedding",
        "flush",
        "instrument",
        "outcome",
        "priced",
        "propagate",
        "retrieval",
        "score",
        "tool",
        "uninstrument",
        "workflow",
    ]
    missing = [name for name in llm_otel.__all__ if not hasattr(llm_otel, name)]
    assert not missing, missing


# ------------------------------------------------------------------ core knows no body
READERS = ("get", "text", "items", "path", "fields")
# Keys of bodies beside those that the tables of usages and requests name.
KEYS = {"choices", "code", "content", "delta", "error", "finish_reason", "id", "message",
        "messages", "model", "output", "status", "stream", "stream_options", "type",
        "usage"}  # fmt: skip


def _words(tree: ast.AST) -> set[str]:
    """Every string in a module that is no docstring."""
    texts = [
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    ]
    return {
        str(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, (str, bytes))
        and node not in texts
    }


def _keys(tree: ast.AST) -> set[str]:
    """What a module looks up by a literal, as in `read.get(node, "key")` and `body.get("key")`."""
    keys = [
        argument
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in READERS
        for argument in node.args
    ]
    return {
        each.value
        for key in keys
        for each in ast.walk(key)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


CORE = [path for path in MODULES if _name(path).startswith("llm_otel.core")]


@pytest.mark.parametrize("path", CORE, ids=_name)
def test_core_names_no_key_of_a_body(path: Path) -> None:
    """What is where in a body is known in protocols/ alone."""
    from llm_otel.protocols import requests
    from llm_otel.protocols.openai.usage import USAGE

    wrong = _keys(ast.parse(path.read_text())) & {*KEYS, *USAGE, *requests.ATTRIBUTES}
    assert not wrong, f"{_name(path)} reads {sorted(wrong)}: that belongs to a protocol"


@pytest.mark.parametrize("path", CORE, ids=_name)
def test_core_names_no_provider_and_no_endpoint(path: Path) -> None:
    """Who answers is known in providers/ and clients/, and at which path in protocols/."""
    from llm_otel.protocols.openai import OPENAI
    from llm_otel.providers import hosts

    names = {*hosts.HOSTS, *hosts.HOSTS.values(), "azure", "bedrock", "groq"} - {"meta"}
    names |= {path.partition(" ")[2].partition("/{")[0] for path in OPENAI}
    wrong = {
        (name, text)
        for text in _words(ast.parse(path.read_text()))
        for name in names
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text.lower())
    }
    assert not wrong, f"{_name(path)} names {sorted(wrong)}"
