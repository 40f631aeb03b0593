"""The documentation that the stack serves: where the links of its alerts lead."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
import yaml
from stack.parts import ROOT
from stack.test_notifications import Seen, serving

from llm_otel.stack.config import Config

HOME = "http://localhost:8025"


class Page(HTMLParser):
    """What a browser makes of a page: anchors, links, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.links += [values["href"] or ""] if "href" in values else []
        if tag not in ("meta", "br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def pages() -> dict[str, Page]:
    """Every page that can be reached from the list of them, by its path."""
    found: dict[str, Page] = {}
    todo = ["/docs/"]
    with serving() as site:
        while todo:
            path = todo.pop()
            if path not in found:
                found[path] = Page(site.get(path))
                todo += [
                    urlsplit(target).path
                    for target in (urljoin(HOME + path, link) for link in found[path].links)
                    if target.startswith(HOME + "/docs/")
                ]
    return found


def test_every_alert_links_to_its_section(pages: dict[str, Page]) -> None:
    """The default address of each alert's runbook is served, down to the heading."""
    rules = [
        rule
        for file in (ROOT / "prometheus" / "alerts").glob("*.yaml")
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]
    assert len(rules) > 40
    for rule in rules:
        url = urlsplit(rule["annotations"]["runbook_url"])
        assert f"{url.scheme}://{url.netloc}" == HOME
        assert pages[url.path].ids.count(url.fragment) == 1, rule["alert"]


def test_links_between_pages_lead_somewhere(pages: dict[str, Page]) -> None:
    """No link of a page leads to a page or a heading that is not there."""
    assert len(pages) >= len(list((ROOT / "docs").glob("*.md")))
    for path, page in pages.items():
        assert not page.open, path
        for link in page.links:
            target = urlsplit(urljoin(HOME + path, link))
            if target.netloc == urlsplit(HOME).netloc and target.path not in ("", "/"):
                assert target.path in pages, f"{path}: {link}"
                assert not target.fragment or target.fragment in pages[target.path].ids, link


def test_a_section_reads_as_it_is_written() -> None:
    """Text, code and tables are HTML; marks of what is generated are not seen."""
    with serving() as site:
        text = site.get("/docs/alerts")
    words = " ".join(Seen(text).words)
    for needed in ("LLMErrorShareHigh", "Likely causes.", "llm-otel render"):
        assert needed in words
    assert {"table", "pre", "strong", "h3"} <= set(Seen(text).tags)
    assert "generated:" not in text
    assert "style=" not in text


@pytest.mark.parametrize(
    "path", ["/docs/nothing", "/docs/../pyproject", "/docs/alerts.md", "/docs"]
)
def test_what_is_no_page_is_not_there(path: str) -> None:
    """Only names of the list lead to a file."""
    with serving() as site:
        status, answer = site.ask("GET", path, None, {})
    assert status == 404
    assert "/docs/" in answer["error"]


def test_a_page_of_ones_own_is_a_setting(tmp_path: Path) -> None:
    """For those whose people do not reach the stack, or who write runbooks themselves."""
    path = tmp_path / "llm-otel.yaml"
    path.write_text("runbook_url: https://wiki.example.com/llm\n")
    assert Config().runbook_url == f"{HOME}/docs/alerts"
    assert Config.load(path).runbook_url == "https://wiki.example.com/llm"


def test_the_wheel_holds_the_pages_and_no_pictures(tmp_path: Path) -> None:
    """Installed from a package index the stack has its documentation as well."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    docs = {name for name in names if name.startswith("llm_otel/docs/")}
    assert docs == {f"llm_otel/docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}
    assert "llm_otel/__init__.py" in names
    assert not [name for name in names if name.startswith(("src/", "docs/"))]


def test_messages_and_documentation_link_to_each_other() -> None:
    """The page of notifications leads to the documentation and back."""
    with serving() as site:
        assert "/docs/" in Page(site.get("/")).links
        assert "/" in Page(site.get("/docs/alerts")).links
