"""The Collector's configuration: `collector/config.yaml` and its overlays."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

from llm_otel.stack.collector import base
from llm_otel.stack.collector.overlays import OVERLAYS
from llm_otel.stack.config import Config
from llm_otel.stack.generated import HEAD, dump


def files(config: Config) -> dict[str, str]:
    """The generated files: path below the stack's folder → text."""
    documents: dict[str, tuple[str | None, dict[str, Any]]] = {
        "collector/config.yaml": (base.__doc__, base.config(config.tags))
    }
    for name, overlay in OVERLAYS.items():
        documents[f"collector/overlays/{name}.yaml"] = (overlay.__doc__, overlay(config))
    return {path: _text(*each) for path, each in documents.items()}


def _text(what: str | None, document: dict[str, Any]) -> str:
    head = "".join(f"# {line}".rstrip() + "\n" for line in cleandoc(what or "").splitlines())
    return HEAD + head + dump(document)
