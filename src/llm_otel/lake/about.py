"""`lake.json`: which schema a lake was written with, and when it began."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from llm_otel.errors import ConfigError
from llm_otel.lake.schema import VERSION

ABOUT: Final = "lake.json"

# The table format takes % for a code, DuckDB the others for a pattern.
_SPECIAL: Final = frozenset("%*?[]")


def read_about(path: Path) -> dict[str, Any]:
    """What the lake in `path` says about itself; empty where there is none yet.

    Raises:
        ConfigError: a newer llm-otel wrote it, or `path` cannot be a lake's folder.
    """
    if path.exists() and not path.is_dir():
        raise ConfigError(f"the lake {path} is a file: give a folder")
    wrong = _SPECIAL.intersection(str(path.resolve()))
    if wrong:
        raise ConfigError(
            f"the lake {path} has {' '.join(sorted(wrong))} in its path: choose another folder"
        )
    try:
        about: dict[str, Any] = json.loads((path / ABOUT).read_text())
    except (OSError, ValueError):
        return {}
    version = about.get("version", VERSION)
    if version > VERSION:
        raise ConfigError(
            f"the lake {path} was written by a newer llm-otel (schema {version}, this one reads "
            f"up to {VERSION}): upgrade llm-otel"
        )
    return about
