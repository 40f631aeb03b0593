"""Puts the stack's hand-written files into the wheel, for `llm-otel init` to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LIST = "src/llm_otel/stack/static_files.txt"


class StackFiles(BuildHookInterface):  # type: ignore[type-arg]
    """Their one place is the repository; an editable install reads them there."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add each listed file to the wheel; one that is missing fails the build."""
        if version == "editable":
            return
        root = Path(self.root)
        for path in (root / LIST).read_text(encoding="utf-8").split():
            build_data["force_include"][str(root / path)] = f"llm_otel/stack/files/{path}"
