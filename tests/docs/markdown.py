"""Reads the project's Markdown: code blocks, headings, links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
CHANGELOG = ROOT / "CHANGELOG.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, *DOCS]

_FENCE = "```"
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE_SPAN = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced code block; `line` is that of its first line of code, from 1."""

    page: Path
    language: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path, *languages: str) -> list[Block]:
    """The code blocks of a page in these languages, of all when none is named."""
    found: list[Block] = []
    inside: list[str] | None = None
    language = ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith(_FENCE):
            if inside is not None:
                inside.append(line)
        elif inside is None:
            inside, language = [], line.removeprefix(_FENCE)
        else:
            text = "\n".join(inside) + "\n"
            found.append(Block(page, language, number - len(inside), text))
            inside = None
    assert inside is None, f"{page.name}: a code block has no end"
    return [block for block in found if not languages or block.language in languages]


def program(page: Path) -> str:
    """The Python blocks of a page as one program, each on the lines where it stands there."""
    lines: list[str] = []
    for block in blocks(page, "python"):
        lines += [""] * (block.line - 1 - len(lines)) + block.text.splitlines()
    return "\n".join(lines) + "\n" if lines else ""


def text_lines(page: Path) -> list[tuple[int, str]]:
    """The lines of a page outside code blocks, with their numbers from 1."""
    found, inside = [], False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith(_FENCE):
            inside = not inside
        elif not inside:
            found.append((number, line))
    return found


def anchors(page: Path) -> set[str]:
    """What can follow `#` in a link to a page."""
    titles = (line.lstrip("#").strip() for _, line in text_lines(page) if line.startswith("#"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> list[tuple[int, str]]:
    """Targets of the links of a page, with their lines."""
    return [(n, target) for n, line in text_lines(page) for target in _LINK.findall(line)]


def code(page: Path) -> str:
    """All that a page shows as code, in text and in blocks."""
    spans = [span for _, line in text_lines(page) for span in _CODE_SPAN.findall(line)]
    return "\n".join([*spans, *(block.text for block in blocks(page))])
