"""The README, the links between pages, the changelog, and what no file may say."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from docs.markdown import CHANGELOG, PAGES, README, ROOT, anchors, blocks, links, text_lines

MAX_README = 120
MAX_COLUMNS = 110

# Put together here, so that this file does not say them.
MACHINE_PATHS = tuple("/" + part for part in ("work/", "root/", "tmp/bash"))

SECTIONS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
RELEASE = re.compile(r"\[?(\d+)\.(\d+)\.(\d+)\]? - \d{4}-\d{2}-\d{2}")


def tracked() -> list[Path]:
    """The repository's files, those included that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]


def test_readme_is_short_and_names_the_commands() -> None:
    """The README fits two screens and shows the two commands that show everything."""
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_README
    commands = "".join(block.text for block in blocks(README, "console"))
    assert "make demo" in commands
    assert "make test" in commands


@pytest.mark.parametrize("page", [*PAGES, CHANGELOG], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link leads to a file, and to a heading in it where it names one."""
    for number, target in links(page):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        assert file.exists(), f"{page.name}:{number}: {target}"
        assert not anchor or anchor in anchors(file), f"{page.name}:{number}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_that_a_page_names_are_there(page: Path) -> None:
    """A module in backticks is one of the repository, or of the package."""
    for line in text_lines(page):
        for name in re.findall(r"`([a-z_]+/[a-z_/]*\.py)`", str(line)):
            places = (ROOT, ROOT / "src", ROOT / "src" / "llm_otel")
            assert any((place / name).is_file() for place in places), f"{page.name}: {name}"


@pytest.mark.parametrize("page", [*PAGES, CHANGELOG], ids=lambda page: page.name)
def test_lines_fit(page: Path) -> None:
    """Text that is written by hand fits an editor's window; tables and headings may be wider."""
    wide = [
        number
        for number, line in text_lines(page)
        if len(line) > MAX_COLUMNS and not line.startswith(("|", "#"))
    ]
    assert not wide


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    """No file mentions a path of somebody's machine."""
    found = [
        f"{path.relative_to(ROOT)}: {part}"
        for path in tracked()
        for part in MACHINE_PATHS
        if part.encode() in path.read_bytes()
    ]
    assert not found


def test_changelog_is_a_changelog() -> None:
    """The changelog has the form of Keep a Changelog: versions, newest first, by kind of change."""
    lines = [line for _, line in text_lines(CHANGELOG)]
    assert lines[0] == "# Changelog"
    versions = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    if versions[0].strip("[]") == "Unreleased":
        del versions[0]
    releases = [RELEASE.fullmatch(version) for version in versions]
    assert None not in releases, versions
    numbers = [tuple(map(int, found.groups())) for found in releases if found]
    assert numbers == sorted(numbers, reverse=True), versions
    assert {line.removeprefix("### ") for line in lines if line.startswith("### ")} <= SECTIONS
