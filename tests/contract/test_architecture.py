"""The structure that the folder names promise, held by reading the imports."""

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

# What an application may use of us, and what the local mode and the stack are built on.
PUBLIC = ("llm_otel.semconv", "llm_otel.errors", "llm_otel.version", "llm_otel.usage",
          "llm_otel.cost", "llm_otel.formats", "llm_otel.escaping", "llm_otel.listening",
          "llm_otel.closing", "llm_otel.connections", "llm_otel.projected_month")  # fmt: skip

# Which of our modules a package may import when it is loaded, first match wins. What is imported
# inside a function is a choice made at run time and is not held against it.
RULES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("llm_otel.semconv", ()),
    ("llm_otel.usage", ()),
    ("llm_otel.version", ()),
    ("llm_otel.errors", ()),
    ("llm_otel.clients.spec", ()),
    ("llm_otel.clients", ("llm_otel.clients", "llm_otel.semconv")),
    # core.fork is a leaf: every layer that has threads or locks needs it.
    ("llm_otel.pricing", ("llm_otel.pricing", "llm_otel.core.fork", "llm_otel.semconv",
                          "llm_otel.usage", "llm_otel.errors")),
    ("llm_otel.core", ("llm_otel.core", "llm_otel.escaping", "llm_otel.semconv", "llm_otel.usage",
                       "llm_otel.attribution", "llm_otel.pricing", "llm_otel.version",
                       "llm_otel.clients.spec", "llm_otel.clients.providers",
                       "llm_otel.clients.dialects", "llm_otel.clients.error_codes",
                       "llm_otel.clients.stream_usage")),
    ("llm_otel.formats", ()),
    ("llm_otel.escaping", ()),
    ("llm_otel.listening", ()),
    ("llm_otel.closing", ()),
    ("llm_otel.connections", ()),
    ("llm_otel.projected_month", ()),
    ("llm_otel.lake", ("llm_otel.lake", *PUBLIC)),
    ("llm_otel.receiver", ("llm_otel.receiver", "llm_otel.lake", *PUBLIC)),
    ("llm_otel.history", ("llm_otel.history", "llm_otel.lake.schema", *PUBLIC)),
    ("llm_otel.dashboard", ("llm_otel.dashboard", "llm_otel.lake", *PUBLIC)),
    ("llm_otel.digest", ("llm_otel.digest", "llm_otel.lake", "llm_otel.stack.config", *PUBLIC)),
    ("llm_otel.serve", ("llm_otel.serve", "llm_otel.lake", "llm_otel.receiver", "llm_otel.digest",
                        "llm_otel.dashboard", "llm_otel.stack.config", *PUBLIC)),
    # The Collector and the lake read other people's names by the same tables.
    ("llm_otel.stack", ("llm_otel.stack", "llm_otel.settings", "llm_otel.lake.decode.names",
                        "llm_otel.lake.decode.errors", *PUBLIC)),
    # A command imports what it needs when it runs.
    ("llm_otel.cli", ("llm_otel.cli", "llm_otel.stack", *PUBLIC)),
)  # fmt: skip

LONGEST_MODULE = 400
LONGEST_FUNCTION = 60


def _name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path) -> set[str]:
    """Modules of ours that are imported when `path` is."""
    found: set[str] = set()
    todo: list[ast.AST] = [ast.parse(path.read_text())]
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        todo.extend(ast.iter_child_nodes(node))
    return {name for name in found if name.startswith("llm_otel.")}


def _within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == each or name.startswith(each + ".") for each in packages)


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_imports_point_one_way(path: Path) -> None:
    """A module imports only what its layer may see."""
    name = _name(path)
    for package, allowed in RULES:
        if _within(name, (package,)):
            wrong = sorted(each for each in _imports(path) if not _within(each, allowed))
            assert not wrong, f"{name} may not import {wrong}"
            return


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
INTERNALS = "llm_otel.core.otel_internals"
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
        " 'pyarrow', 'deltalake', 'numpy', 'pandas', 'dash', 'plotly', 'flask', 'waitress',"
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
        "Usage",
        "__version__",
        "agent",
        "attribution",
        "cost",
        "embedding",
        "flush",
        "instrument",
        "outcome",
        "propagate",
        "retrieval",
        "score",
        "tool",
        "uninstrument",
        "workflow",
    ]
    missing = [name for name in llm_otel.__all__ if not hasattr(llm_otel, name)]
    assert not missing, missing
