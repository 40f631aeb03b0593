"""A million calls: every page still loads at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from browser.parts import PAGES, View, fill, serving

CALLS = 1_000_000
DAYS = 30
# Of the server with its queries, in CPU, as other tests run meanwhile; about 2 were seen.
LONGEST_CPU_S = 10.0


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard over a month of a large company; spans of a tenth of its traces."""
    path = tmp_path_factory.mktemp("lake") / "million"
    with serving(fill(path, DAYS, CALLS // DAYS, spans=0.1)) as address:
        yield address


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_with_a_million_calls(
    view: Callable[..., View], million: str, path: str
) -> None:
    """The window is the whole month, so that every call counts."""
    seen = view(million)
    began = time.process_time()
    page = seen.open(f"{path}?range=30d&live=off")
    took = time.process_time() - began
    assert page.locator("main table tbody tr").count() > 0
    assert took < LONGEST_CPU_S, f"{path} took {took:.1f} s of CPU"
