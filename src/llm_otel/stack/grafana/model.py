"""Grafana's classic dashboard JSON (schema version 42) as frozen values.

The shape is that of `@grafana/schema` 13.2: classic, as Grafana 12 loads it too and 13 migrates it
when it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from llm_otel.stack import panels

SCHEMA_VERSION: Final = 42
COLUMNS: Final = 24
# Panels that stack/panels.py does not name are numbered from here.
FIRST_FREE_ID: Final = 20

Json = dict[str, Any]

PROMETHEUS: Final[Mapping[str, str]] = {"type": "prometheus", "uid": "${prometheus_datasource}"}
TEMPO: Final[Mapping[str, str]] = {"type": "tempo", "uid": "${tempo_datasource}"}


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel.

    Attributes:
        expr: PromQL.
        legend: What a series is called, e.g. `{{model}}`.
        instant: Only the value at the end of the time range.
        exemplar: Ask for exemplars too.
    """

    expr: str
    legend: str = ""
    instant: bool = False
    exemplar: bool = False

    def json(self, ref: str, *, table: bool) -> Json:
        """The target; `ref` is its letter."""
        return {
            "refId": ref,
            "datasource": dict(PROMETHEUS),
            "editorMode": "code",
            "expr": self.expr,
            "legendFormat": self.legend,
            "instant": self.instant,
            "range": not self.instant,
            "format": "table" if table else "time_series",
            "exemplar": self.exemplar,
        }


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """A search for traces.

    Attributes:
        traceql: What to look for.
        limit: The most traces to show.
    """

    traceql: str
    limit: int = 20

    def json(self, ref: str, *, table: bool) -> Json:
        """The target; `ref` is its letter."""
        return {
            "refId": ref,
            "datasource": dict(TEMPO),
            "queryType": "traceql",
            "query": self.traceql,
            "limit": self.limit,
            "tableType": "spans" if table else "traces",
        }


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; its place follows from its neighbours.

    Attributes:
        kind: Grafana's name of the visualisation.
        title: Unique in its dashboard.
        description: What it answers, and how to read it.
        queries: What it shows.
        unit: Grafana's name of the unit.
        width: In columns of 24.
        height: In rows of 30 pixels.
        pin: Its entry in stack/panels.py, which fixes its number. The levels of the alert that is
            drawn there are drawn in it, and in its copies on other dashboards.
        defaults: More of `fieldConfig.defaults`.
        overrides: For single series or columns.
        options: Of the visualisation.
        transformations: Of the frames, before they are shown.
        links: On each value.
        interval: The shortest step.
        points: The most steps.
    """

    kind: str
    title: str
    description: str
    queries: Sequence[Query | TraceQuery]
    unit: str
    width: int = 8
    height: int = 9
    pin: panels.Panel | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    overrides: Sequence[Json] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    transformations: Sequence[Json] = ()
    links: Sequence[Json] = ()
    interval: str = "1m"
    points: int = 180

    def json(self, number: int, x: int, y: int) -> Json:
        """The panel at a place of the grid."""
        tempo = all(isinstance(query, TraceQuery) for query in self.queries)
        defaults: Json = {"unit": self.unit, **self.defaults}
        if self.links:
            defaults["links"] = list(self.links)
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": dict(TEMPO if tempo else PROMETHEUS),
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "transparent": False,
            "interval": self.interval,
            "maxDataPoints": self.points,
            "targets": [
                query.json(chr(ord("A") + n), table=self.kind == "table")
                for n, query in enumerate(self.queries)
            ],
            "fieldConfig": {"defaults": defaults, "overrides": list(self.overrides)},
            "options": dict(self.options),
            "transformations": list(self.transformations),
        }


@dataclass(frozen=True, slots=True)
class Row:
    """Panels below a title, folded up until somebody asks."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard.

    Attributes:
        uid: Its address.
        title: Its name.
        description: What it answers.
        folder: The folder it is in.
        panels: What is open on top.
        rows: What is folded up below.
        hidden: Variables that it does not use, and keeps for the others.
        since: The time range that it opens with, e.g. `now-6h`.
        refresh: How often it asks again.
        components: Alerts of these components are marked in its graphs.
    """

    uid: str
    title: str
    description: str
    folder: str
    panels: Sequence[Panel]
    rows: Sequence[Row]
    hidden: Sequence[str] = ()
    since: str = "now-6h"
    refresh: str = "1m"
    components: Sequence[str] = ()

    def panels_json(self) -> list[Json]:
        """The panels in their places; those of a folded row are inside it."""
        numbers = iter(range(FIRST_FREE_ID, 1000))

        def place(those: Sequence[Panel], y: int) -> tuple[list[Json], int]:
            entries, x, tallest = [], 0, 0
            for panel in those:
                if x + panel.width > COLUMNS:
                    x, y, tallest = 0, y + tallest, 0
                pin = panel.pin
                number = pin.id if pin and pin.dashboard == self.uid else next(numbers)
                entries.append(panel.json(number, x, y))
                x, tallest = x + panel.width, max(tallest, panel.height)
            return entries, y + tallest

        result, y = place(self.panels, 0)
        for row in self.rows:
            inside, _ = place(row.panels, y + 1)
            result.append(
                {
                    "id": next(numbers),
                    "type": "row",
                    "title": row.title,
                    "collapsed": True,
                    "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
                    "panels": inside,
                }
            )
            y += 1
        return result
