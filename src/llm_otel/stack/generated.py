"""How generated files are written: what stands above them, and YAML as people write it."""

from __future__ import annotations

from typing import Any, Final

import yaml

# The first line of a file that takes comments.
HEAD: Final = (
    "# Written by `llm-otel render` from llm-otel.yaml; a change made here is lost with the next"
    " one.\n"
)


def dump(document: Any) -> str:
    """YAML with keys in their order, text of several lines as a block, and no line folded."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=100_000, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """With blocks for text of several lines."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
