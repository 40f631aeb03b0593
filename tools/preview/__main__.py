"""`python -m tools.preview`: every dashboard as an HTML page, with live data and without Grafana.

By default it starts a Prometheus that has a past (tools/preview/history.py) and the recording rules
evaluated over it; `--prometheus` names one that runs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llm_otel.stack import prometheus
from llm_otel.stack.config import Budgets, Config
from llm_otel.stack.grafana import files
from tools.binaries.build import Unavailable
from tools.preview.api import Failed, Prometheus
from tools.preview.history import DAY, HOUR, Incident, Past, fleet
from tools.preview.macros import View, duration
from tools.preview.page import render
from tools.preview.server import temporary

WIDTH = 1500
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BUDGETS = Budgets(
    total=15_000, tenants={"acme": 8_000, "globex": 3_000, "*": 3_000}, features={"review": 3_000}
)


def main(arguments: list[str] | None = None) -> int:
    """Render; 1 when something cannot be had."""
    options = _parser().parse_args(arguments)
    config = Config(budgets=BUDGETS)
    try:
        with _source(options.prometheus, config) as (api, now):
            _pages(options.out, config, api, now)
            print(f"preview: {options.out.resolve()}; open it in a browser")
            if options.images:
                _images(options.images, config, api, now)
    except (Failed, Unavailable, OSError) as exc:
        print(f"preview: {exc}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def _source(url: str | None, config: Config) -> Iterator[tuple[Prometheus, float]]:
    if url:
        yield Prometheus(url), time.time()
        return
    now = int(time.time()) // HOUR * HOUR
    trouble = Incident("openai", now - 5400, now - 3000)
    with temporary() as store:
        print("preview: writing a past of two weeks (about a minute)", flush=True)
        text = store.folder / "past.om"
        Past(fleet(), now, trouble).write(text, recent=26 * HOUR, since=15 * DAY)
        store.load(text)
        store.record(prometheus.groups(config), now, recent=25 * HOUR, since=14 * DAY)
        with store.serving() as api:
            yield api, float(now)


def _rendered(
    config: Config, api: Prometheus, now: float, *, unfolded: bool
) -> Iterator[tuple[str, str, int]]:
    for path, text in files(config).items():
        if path.endswith(".json"):
            dashboard = json.loads(text)
            span = duration(dashboard["time"]["from"].removeprefix("now-"))
            page = render(dashboard, api, View(now, span), unfolded=unfolded)
            yield dashboard["uid"], page, _height(dashboard)


def _height(dashboard: dict[str, Any]) -> int:
    """Pixels that a dashboard needs with its rows folded: a grid row is 38 high, as in Grafana."""
    folded = [panel for panel in dashboard["panels"] if panel["type"] == "row"]
    return 124 + 38 * folded[0]["gridPos"]["y"] + 41 * len(folded)


def _pages(out: Path, config: Config, api: Prometheus, now: float) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, page, _ in _rendered(config, api, now, unfolded=True):
        (out / f"{name}.html").write_text(page, encoding="utf-8")


def _images(out: Path, config: Config, api: Prometheus, now: float) -> None:
    """Pictures of what is open when a dashboard is opened."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise OSError("no Chromium on PATH, so there are no pictures: install chromium")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, page, height in _rendered(config, api, now, unfolded=False):
            source = Path(folder) / f"{name}.html"
            source.write_text(page, encoding="utf-8")
            picture(browser, source, out / f"{name}.png", (WIDTH, height))


def picture(browser: str, page: Path, image: Path, size: tuple[int, int]) -> None:
    """Have a browser draw a page.

    Args:
        browser: Chromium.
        page: The HTML file.
        image: The PNG file.
        size: Width and height in pixels.
    """
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
    command = [browser, *flags, f"--window-size={size[0]},{size[1]}", "--virtual-time-budget=8000",
               f"--screenshot={image.resolve()}", page.resolve().as_uri()]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.preview", description=__doc__)
    parser.add_argument("--prometheus", metavar="URL", help="a Prometheus that runs")
    parser.add_argument("--out", type=Path, default=Path(".cache/preview"), metavar="FOLDER")
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="also draw pictures here")
    return parser


if __name__ == "__main__":
    sys.exit(main())
