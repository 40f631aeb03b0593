"""The one reader of `llm-otel.yaml`: what is wrong with the file is one sentence that says where.

A section is a key of the file's top level. The module that owns it registers it; the reader knows
the names alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

from llm_otel.errors import ConfigError
from llm_otel.settings.kinds import require_known

CONFIG_FILE: Final = "llm-otel.yaml"

# Checks the value of a section and gives what its owner works with. Called with the value and its
# place, such as `llm-otel.yaml: slo`, to begin an error message with; raises ConfigError.
Parser = Callable[[Any, str], Any]

# Modules that register sections and are imported when there is a file: the library runs without.
_REGISTERING: Final = ("llm_otel.stack.sections",)
_parsers: dict[str, Parser] = {}


def register(parsers: Mapping[str, Parser]) -> None:
    """Make sections of the file known: name -> what parses it."""
    _parsers.update(parsers)


def imported(reference: str) -> Parser:
    """A parser, given as `module:function`, whose module is imported with its first use."""

    def parse(value: Any, where: str) -> Any:
        module, _, name = reference.partition(":")
        return getattr(import_module(module), name)(value, where)

    return parse


def sections() -> Collection[str]:
    """The names of all sections that the file can have."""
    for module in _REGISTERING:
        import_module(module)
    return _parsers.keys()


class Document(NamedTuple):
    """What the file holds, not parsed yet.

    Attributes:
        path: The file; None: there is none.
        content: Section -> its value; those without a value are left out.
    """

    path: str | None
    content: Mapping[str, Any]

    def parsed(self, names: Collection[str]) -> dict[str, Any]:
        """Those of the named sections that the file has, each parsed by its owner.

        Raises:
            ConfigError: A key or value in one of them is wrong.
        """
        return {
            name: _parsers[name](value, f"{self.path}: {name}")
            for name, value in self.content.items()
            if name in names
        }


def load(path: str | os.PathLike[str] | None = None) -> Document:
    """Read the file.

    Args:
        path: None: `llm-otel.yaml` in the working directory, if it is there.

    Raises:
        ConfigError: The file cannot be read, or has a section that nobody registered.
    """
    if path is None:
        if not os.path.isfile(CONFIG_FILE):
            return Document(None, {})
        path = CONFIG_FILE
    name = os.fspath(path)
    content = _read(name)
    for key in content:
        if key not in _parsers:  # most files of programs have no section but the library's
            require_known(key, sections(), f"{name}: the key", list_all=True)
    return Document(name, {key: value for key, value in content.items() if value is not None})


def _read(path: str) -> Mapping[Any, Any]:
    """The map that the file at `path` holds; empty for an empty file.

    Raises:
        ConfigError: The file cannot be read, is not YAML, is no map, or has a key twice.
    """
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            loader = yaml.SafeLoader(file)
            root = loader.get_single_node()
            _refuse_doubles(root, path)
            content = None if root is None else loader.construct_document(root)
    except ConfigError:
        raise
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}.") from None
    except yaml.MarkedYAMLError as exc:
        at = _at(exc.problem_mark) if exc.problem_mark else ""
        raise ConfigError(f"{path} is not valid YAML{at}: {exc.problem}.") from None
    except (yaml.YAMLError, ValueError):
        raise ConfigError(f"{path} is not valid YAML: it holds what is no text or date.") from None
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise ConfigError(f"{path} must hold a map of settings, not a {type(content).__name__}.")
    return content


def _refuse_doubles(root: Any, path: str) -> None:
    """YAML forbids a key twice in one map; PyYAML would silently take the last."""
    import yaml

    todo, visited = [root], set()
    while todo:
        node = todo.pop()
        if id(node) in visited:  # an alias may hold itself
            continue
        visited.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                    if key.value in keys:
                        raise ConfigError(
                            f"{path} has the key {key.value[:80]} twice{_at(key.start_mark)}: "
                            "remove one of the two."
                        )
                    keys.add(key.value)
                todo += (key, value)
        elif isinstance(node, yaml.SequenceNode):
            todo += node.value


def _at(mark: Any) -> str:
    return f" at line {mark.line + 1}, column {mark.column + 1}"
