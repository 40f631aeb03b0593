"""Reading `llm-otel.yaml`: what is wrong with the file is one sentence that says where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_otel.errors import ConfigError


def read(path: str) -> Mapping[Any, Any]:
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

    todo, done = [root], set()
    while todo:
        node = todo.pop()
        if id(node) in done:  # an alias may hold itself
            continue
        done.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                    if key.value in seen:
                        raise ConfigError(
                            f"{path} has the key {key.value[:80]} twice{_at(key.start_mark)}: "
                            "remove one of the two."
                        )
                    seen.add(key.value)
                todo += (key, value)
        elif isinstance(node, yaml.SequenceNode):
            todo += node.value


def _at(mark: Any) -> str:
    return f" at line {mark.line + 1}, column {mark.column + 1}"
