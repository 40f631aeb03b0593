"""The Collector's configuration: `collector/config.yaml` and its overlays."""

from __future__ import annotations

from inspect import cleandoc
from typing import TYPE_CHECKING, Any

import yaml

from llm_otel.stack.collector import base
from llm_otel.stack.collector.overlays import OVERLAYS

if TYPE_CHECKING:
    from llm_otel.stack.config import Config


_GENERATED = "# Written by `llm-otel render` from src/llm_otel/stack/collector: change it there.\n"


def files(config: Config) -> dict[str, str]:  # noqa: ARG001 - all parts have this interface
    """The generated files: path below the stack's folder → text."""
    documents: dict[str, tuple[str | None, dict[str, Any]]] = {
        "collector/config.yaml": (base.__doc__, base.config())
    }
    for name, overlay in OVERLAYS.items():
        documents[f"collector/overlays/{name}.yaml"] = (overlay.__doc__, overlay())
    return {path: _text(*each) for path, each in documents.items()}


def _text(what: str | None, document: dict[str, Any]) -> str:
    head = "".join(f"# {line}".rstrip() + "\n" for line in cleandoc(what or "").splitlines())
    return head + _GENERATED + yaml.safe_dump(document, sort_keys=False, width=100_000)
