"""`lake.json`: which schema a lake was written with, and when it began."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from llm_otel.errors import ConfigError
from llm_otel.lake.failures import first_line
from llm_otel.lake.schema import VERSION
from llm_otel.lake.whole import mention

MANIFEST: Final = "lake.json"

# The table format takes % for a code, DuckDB the others for a pattern.
_SPECIAL: Final = frozenset("%*?[]")


def read_manifest(path: Path) -> dict[str, Any]:
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
        manifest = parse_manifest(path / MANIFEST)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        mention(
            path / MANIFEST,
            "The file %s is damaged (%s) and read without: `llm-otel serve` writes it anew",
            path / MANIFEST,
            first_line(error),
        )
        return {}
    version = manifest.get("version", VERSION)
    if version > VERSION:
        raise ConfigError(
            f"the lake {path} was written by a newer llm-otel (schema {version}, this one reads "
            f"up to {VERSION}): upgrade llm-otel"
        )
    return manifest


def parse_manifest(file: Path) -> dict[str, Any]:
    """What a `lake.json` says.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged.
    """
    manifest = json.loads(file.read_bytes())
    if not isinstance(manifest, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 the file is wrong, not the call
    for key in ("version", "created"):
        if type(manifest.get(key, 0)) is not int:
            raise ValueError(f"its {key} is no number")
    return manifest
