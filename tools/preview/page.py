"""A dashboard as one HTML page that needs nothing else."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from tools.preview import charts
from tools.preview.api import Prometheus
from tools.preview.macros import View

HERE = Path(__file__).parent


def render(dashboard: dict[str, Any], api: Prometheus, view: View, *, unfolded: bool) -> str:
    """The page.

    Args:
        dashboard: As Grafana reads it.
        api: What answers its queries.
        view: What to show.
        unfolded: Show what the rows hold.

    Raises:
        Failed: A query was refused.
    """
    figures: dict[str, Any] = {}
    marks = api.marks(dashboard, view)
    parts, loose = [], []
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            loose.append(_panel(panel, api, view, figures, marks, 0))
            continue
        top = panel["gridPos"]["y"] + 1
        inside = "".join(_panel(each, api, view, figures, marks, top) for each in panel["panels"])
        is_open = " open" if unfolded else ""
        parts.append(
            f"<details{is_open}><summary>{html.escape(panel['title'])}</summary>"
            f'<div class="grid">{inside}</div></details>'
        )
    return _document(
        dashboard, f'<div class="grid">{"".join(loose)}</div>{"".join(parts)}', figures
    )


def _panel(
    panel: dict[str, Any],
    api: Prometheus,
    view: View,
    figures: dict[str, Any],
    marks: list[float],
    top: int,
) -> str:
    grid = panel["gridPos"]
    place = (
        f"grid-column:{grid['x'] + 1}/span {grid['w']};"
        f"grid-row:{grid['y'] - top + 1}/span {grid['h']}"
    )
    about = html.escape(panel["description"], quote=True)
    title = f'<h2>{html.escape(view.title(panel["title"]))}<i title="{about}">i</i></h2>'
    body = _body(panel, api, view, figures, marks)
    return f'<section id="panel-{panel["id"]}" style="{place}">{title}{body}</section>'


def _body(
    panel: dict[str, Any], api: Prometheus, view: View, figures: dict[str, Any], marks: list[float]
) -> str:
    if panel["datasource"]["type"] == "tempo":
        query = html.escape(view.query(panel["targets"][0]["query"], 60))
        return f'<div class="traces">Tempo lists here the traces of<code>{query}</code></div>'
    answers = [api.target(panel, target, view) for target in panel["targets"]]
    if panel["type"] == "timeseries":
        lines = charts.lines(panel, answers)
        if not lines:
            return f'<div class="stat none">{panel["fieldConfig"]["defaults"]["noValue"]}</div>'
        name = f"plot-{panel['id']}"
        figures[name] = charts.graph(panel, lines, view, marks)
        legend = charts.legend(panel, lines)
        return f'<div class="plot" id="{name}"></div><div class="scroll legend">{legend}</div>'
    if panel["type"] == "stat":
        return charts.stat(panel, answers)
    kind = {"bargauge": charts.gauges, "table": charts.table}[panel["type"]]
    return f'<div class="scroll rest">{kind(panel, answers)}</div>'


def _chosen(variable: dict[str, Any]) -> str:
    text = variable["current"]["text"]
    return html.escape(text if isinstance(text, str) else ", ".join(text))


def _document(dashboard: dict[str, Any], body: str, figures: dict[str, Any]) -> str:
    variables = "".join(
        f"<span><b>{html.escape(each['label'])}</b>{_chosen(each)}</span>"
        for each in dashboard["templating"]["list"]
        if not each["hide"]
    )
    title = html.escape(dashboard["title"])
    style, script = ((HERE / f"page.{kind}").read_text() for kind in ("css", "js"))
    data = json.dumps(figures, separators=(",", ":")).replace("</", "<\\/")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{style}</style><header><h1>{title}</h1>"
        f"<p>{html.escape(dashboard['description'])}</p><nav>{variables}"
        f"<span><b>Time</b>{dashboard['time']['from']} to now</span></nav></header>"
        f"<main>{body}</main><script>{get_plotlyjs()}</script>"
        f"<script>const FIGURES={data};{script}</script></html>\n"
    )
