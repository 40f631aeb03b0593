"""Lakes with made-up history, the dashboard served over them, and a page of a browser."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from llm_otel.dashboard import server
from llm_otel.history import generate
from llm_otel.lake.writer import Writer

NOW = datetime(2026, 11, 20, 15, 30, tzinfo=timezone.utc)
# A deadline, not a measure: other tests may have the machine.
_PATIENCE_S = 120
PAGES = (
    "/", "/cost", "/errors", "/latency", "/traces", "/sessions", "/agents", "/quality", "/optimise",
    "/roi",
)  # fmt: skip


def fill(path: Path, days: int, calls_per_day: int, **options: Any) -> Path:
    """A lake with the days before `NOW`."""
    with Writer(path) as writer:
        for batch in generate(days, end=NOW, calls_per_day=calls_per_day, seed=5, **options):
            writer.append(**batch.tables)
    return path


def serving(lake: Path, **options: Any) -> AbstractContextManager[str]:
    """The address of a dashboard over `lake` at the time `NOW`, while it lasts."""
    return server.serving(lake, clock=lambda: NOW, **options)


@dataclass
class View:
    """A page of the browser, with what it complained about and what it asked others for."""

    page: Any
    address: str
    complaints: list[str] = field(default_factory=list)
    abroad: list[str] = field(default_factory=list)

    def open(self, path: str) -> Any:
        """Go to an address of the dashboard and wait until it has been drawn."""
        self.page.goto(self.address + path)
        return self.drawn()

    def drawn(self) -> Any:
        """Wait until the content is there, with every chart in it."""
        self.page.wait_for_selector("main[aria-busy=false] .card", timeout=_PATIENCE_S * 1000)
        drawn = (
            "[...document.querySelectorAll('main .plot')]"
            ".every(graph => graph.querySelector('.main-svg'))"
        )
        # Not wait_for_function: it evaluates text inside the page, which the page forbids.
        until = time.monotonic() + _PATIENCE_S
        while not self.page.evaluate(drawn):
            assert time.monotonic() < until, f"a chart was not drawn within {_PATIENCE_S} s"
            self.page.wait_for_timeout(50)
        return self.page
