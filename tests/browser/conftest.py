"""A browser, and the dashboards that it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser.parts import View, fill, serving

from tools.browser import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for a file of tests: while it runs there is an event loop in this thread, and
    others' tests cannot have their own."""
    with chromium() as running:
        yield running


@pytest.fixture
def view(browser: Any) -> Iterator[Callable[..., View]]:
    """Opens a fresh browser profile at a dashboard; any complaint fails the test in the end."""
    opened: list[tuple[Any, View]] = []

    def open_view(address: str, **options: Any) -> View:
        profile = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        seen = View(profile.new_page(), address)
        seen.page.on(
            "console",
            lambda said: seen.complaints.append(said.text) if said.type == "error" else None,
        )
        seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        seen.page.on(
            "request",
            lambda asked: (
                seen.abroad.append(asked.url)
                if not asked.url.startswith((address, "data:", "blob:"))
                else None
            ),
        )
        opened.append((profile, seen))
        return seen

    yield open_view
    for profile, seen in opened:
        profile.close()
        assert not seen.complaints, seen.complaints
        assert not seen.abroad, seen.abroad


@pytest.fixture(scope="session")
def small_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty days of a small company, every trace with its spans."""
    return fill(tmp_path_factory.mktemp("lake") / "small", 20, 400)


@pytest.fixture(scope="session")
def dashboard(small_lake: Path) -> Iterator[str]:
    """The dashboard over the small lake."""
    with serving(small_lake) as address:
        yield address


@pytest.fixture
def writable_dashboard(tmp_path: Path) -> Iterator[str]:
    """A dashboard over a lake of its own, to be written to."""
    with serving(fill(tmp_path / "lake", 3, 200)) as address:
        yield address


@pytest.fixture(scope="session")
def empty_dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dashboard over a folder that is not there yet."""
    with serving(tmp_path_factory.mktemp("none") / "lake") as address:
        yield address
