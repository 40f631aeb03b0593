"""Pictures of the dashboard for the docs: `python -m tools.screenshots`.

Makes a month of history up, serves it, and writes docs/images/dashboard-*.png, light and dark. The
figures are those of the seed; a picture changes when the dashboard does.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

import llm_otel.lake
from llm_otel.dashboard.server import serving
from llm_otel.history import generate
from llm_otel.lake.writer import Writer
from tools.browser import NoBrowserError, chromium

ROOT: Final = Path(__file__).resolve().parents[1]
IMAGES: Final = ROOT / "docs" / "images"
NOW: Final = datetime(2026, 11, 20, 15, 30, tzinfo=timezone.utc)
LARGEST: Final = 300_000
# Picture -> (address, theme).
PICTURES: Final = {
    "now": ("/", "light"),
    "now-dark": ("/", "dark"),
    "cost": ("/cost?range=30d&by=tenant_id", "light"),
    "errors": ("/errors", "light"),
    "latency": ("/latency", "dark"),
    "traces": ("/traces?feature=support-chat", "light"),
    "trace": ("/traces/{trace}", "dark"),
    "conversation": ("/sessions/{session}", "light"),
    "conversations": ("/sessions", "light"),
    "agents": ("/agents", "light"),
    "quality": ("/quality?range=30d&by=prompt", "light"),
    "optimise": ("/optimise", "light"),
    "roi": ("/roi", "dark"),
}
_TRACE: Final = """
    SELECT trace_id, session_id FROM spans WHERE input_messages IS NOT NULL AND status = 'ok'
        AND session_id IS NOT NULL
    ORDER BY time DESC LIMIT 1
"""


def main() -> int:
    """Write the pictures; 1 where there is no browser or one is too large."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake"
        with Writer(lake) as writer:
            for batch in generate(30, end=NOW, calls_per_day=4000):
                writer.append(**batch.tables)
        trace, session = llm_otel.lake.open(lake).sql(_TRACE).fetchall()[0]
        try:
            with serving(lake, clock=lambda: NOW) as address:
                return _take(address, {"trace": trace, "session": session})
        except NoBrowserError as error:
            print(f"screenshots: {error}", file=sys.stderr)
            return 1


def _take(address: str, ids: dict[str, str]) -> int:
    IMAGES.mkdir(parents=True, exist_ok=True)
    worst = 0
    with chromium() as browser:
        for name, (path, theme) in PICTURES.items():
            profile = browser.new_context(
                viewport={"width": 1360, "height": 900},
                color_scheme="dark" if theme == "dark" else "light",
                reduced_motion="reduce",
            )
            page = profile.new_page()
            page.goto(address + path.format(**ids))
            page.wait_for_selector("main[aria-busy=false] .card", timeout=60_000)
            if name == "trace":
                page.locator(".span-row", has_text="chat ").first.click()
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(1500)
            picture = IMAGES / f"dashboard-{name}.png"
            page.screenshot(path=picture)
            profile.close()
            size = picture.stat().st_size
            worst = max(worst, size)
            print(f"screenshots: {picture.relative_to(ROOT)}, {size // 1000} kB")
    return int(worst > LARGEST)


if __name__ == "__main__":
    sys.exit(main())
