"""Every page in a real browser: with data, without, and for those who do not see or use a mouse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.parts import PAGES, View

_SERIOUS = ("serious", "critical")
# The rows of a table are alike, and axe takes longest for them.
_LOOKED_AT = {"exclude": [["tbody tr:nth-child(n+4)"], [".popover li:nth-child(n+4)"]]}


def _faults(page: Any) -> list[str]:
    found = Axe().run(page, context=_LOOKED_AT).response["violations"]
    return [
        f"{fault['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for fault in found
        if fault["impact"] in _SERIOUS
        for node in fault["nodes"]
    ]


def _hold_accessible(page: Any) -> None:
    faults = _faults(page)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_shows_what_it_is_for(view: Callable[..., View], dashboard: str, path: str) -> None:
    """A heading, figures, tables, and no serious accessibility fault in either theme."""
    page = view(dashboard, color_scheme="light", reduced_motion="reduce").open(path)
    assert page.locator("h1").count() == 1
    assert page.locator("main table tbody tr").count() > 0, page.locator("main").inner_text()[:400]
    assert "NaN" not in page.locator("main").inner_text()
    assert page.locator("nav[aria-label=Pages] a").count() == len(PAGES)
    _hold_accessible(page)
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    _hold_accessible(page)


@pytest.mark.parametrize(
    "path", ["/label?range=7d", "/cost?range=7d&tenant_id=acme&cause=mix", "/quality?by=prompt"]
)
def test_a_page_one_level_deeper_is_as_good(
    view: Callable[..., View], dashboard: str, path: str
) -> None:
    """No serious accessibility fault in either theme, and nothing wider than a telephone."""
    seen = view(dashboard, color_scheme="light", reduced_motion="reduce")
    page = seen.open(path)
    _hold_accessible(page)
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    _hold_accessible(page)
    page.set_viewport_size({"width": 390, "height": 800})
    page = seen.open(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_an_empty_lake_says_what_to_do(view: Callable[..., View], empty_dashboard: str) -> None:
    """Without a single call each page tells how to send one."""
    seen = view(empty_dashboard)
    for path in PAGES:
        page = seen.open(path)
        said = page.locator("main").inner_text()
        assert "llm_otel.instrument()" in said, f"{path}: {said}"
    _hold_accessible(seen.page)


def test_filters_that_match_nothing_offer_a_way_out(
    view: Callable[..., View], dashboard: str
) -> None:
    """There are calls, but none of this tenant: clear the filters."""
    seen = view(dashboard)
    page = seen.open("/cost?tenant_id=nobody&range=24h")
    page.get_by_role("link", name="Clear the filters").click()
    page.wait_for_selector("main table")
    assert "tenant_id" not in page.url


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_screen_scrolls_sideways(view: Callable[..., View], dashboard: str, theme: str) -> None:
    """The page fits a telephone, a tablet and a desk; only tables scroll, in their cards."""
    seen = view(dashboard, color_scheme=theme)
    wide = {}
    for path in PAGES:
        page = seen.open(path)
        for width in (1440, 1024, 390):
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wide[path, width] = page.evaluate("document.documentElement.scrollWidth")
    assert not wide, wide


def test_the_keyboard_reaches_everything(view: Callable[..., View], dashboard: str) -> None:
    """Tab goes to the skip link first; a menu opens by Enter and closes by Escape."""
    page = view(dashboard).open("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.locator("summary", has_text="Model").focus()
    page.keyboard.press("Enter")
    assert page.locator("details.menu[open]").count() == 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.matches('.menu[open] .popover *')")
    page.keyboard.press("Escape")
    assert page.locator("details.menu[open]").count() == 0
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
