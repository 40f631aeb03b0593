"""What a page of the dashboard says and draws."""

from __future__ import annotations

from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Any

import htpy as h
import plotly.io

from llm_otel.dashboard.site import Site
from llm_otel.dashboard.state import State


def content(site: Site, address: str) -> list[Any]:
    """The parts of a page."""
    return site.content(*_context(site, address))


def charts(site: Site, address: str) -> dict[str, Any]:
    """The charts of a page by their names, as Plotly reads them."""
    drawn = {name: draw() for name, draw in site.charts(*_context(site, address)).items()}
    return {
        name: plotly.io.from_json(chart.figure.json())
        for name, chart in drawn.items()
        if chart is not None
    }


def _context(site: Site, address: str) -> Any:
    path, _, search = address.partition("?")
    return site.context(path, State.parse(search).href(""))


def text(parts: Iterable[Any]) -> str:
    """All that parts of a page say, a line for each piece."""
    return "\n".join(_Pieces(parts).texts)


def links(parts: Iterable[Any]) -> dict[str, str]:
    """The addresses of the links in parts of a page, by their first words."""
    return _Pieces(parts).links


class _Pieces(HTMLParser):
    def __init__(self, parts: Iterable[Any]) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: dict[str, str] = {}
        self._href: str | None = None
        # The zone of a time is a word of its sentence.
        self._goes_on = 0
        self.feed(str(h.div[list(parts)]))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if ("class", "zone") in attrs:
            self._goes_on = 2
        if tag == "a":
            self._href = dict(attrs).get("href")

    def handle_data(self, data: str) -> None:
        if self._goes_on and self.texts:
            self._goes_on -= 1
            self.texts[-1] += data
        else:
            self.texts.append(data)
        if self._href is not None:
            self.links[data] = self._href
            self._href = None
