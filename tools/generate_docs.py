"""Rewrites the generated blocks of the documentation; with `--check` only says which are stale.

A block stands between `<!-- generated: <name> -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path

from llm_otel.settings import OPTIONS, Settings
from llm_otel.sources import Option

DOCS = Path(__file__).resolve().parents[1] / "docs"
_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def settings_table() -> str:
    """Every setting: name, variable, what is allowed, default, meaning."""
    defaults = {field.name: getattr(Settings(), field.name) for field in fields(Settings)}
    rows = [
        (
            f"`{name}`",
            f"`{option.variable(name)}`" if option.variable(name) else "",
            option.kind.allowed,
            _shown(defaults[name]),
            option.help + _restriction(option),
        )
        for name, option in OPTIONS.items()
    ]
    return _table(("setting", "environment", "allowed", "default", "meaning"), rows)


def _restriction(option: Option) -> str:
    if not option.keyword:
        return " Only in the file."
    if not option.yaml:
        return " Not in the file."
    return ""


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`" if isinstance(default, (str, int)) else ""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = (head, ("---",) * len(head), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


BLOCKS: dict[str, Callable[[], str]] = {"settings": settings_table}


def generated(text: str) -> str:
    """`text` with every generated block made anew."""
    return _BLOCK.sub(lambda found: found[1] + BLOCKS[found[2]]() + found[3], text)


def main(arguments: list[str]) -> int:
    """Write, or check, all documents; 1 when the check finds a stale one."""
    stale = []
    for path in sorted(DOCS.rglob("*.md")):
        old = path.read_text(encoding="utf-8")
        new = generated(old)
        if new != old:
            stale.append(path)
            if "--check" not in arguments:
                path.write_text(new, encoding="utf-8")
    if "--check" in arguments and stale:
        names = ", ".join(path.name for path in stale)
        sys.stderr.write(f"Stale: {names}; run python tools/generate_docs.py.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
