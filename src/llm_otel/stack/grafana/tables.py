"""Tables: of numbers by label, and of traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_otel.stack.grafana.board import of_row
from llm_otel.stack.grafana.model import Json, Panel, Query, TraceQuery
from llm_otel.stack.grafana.style import BLUE, colour


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table that a query fills.

    Attributes:
        name: Its head.
        expr: PromQL; its labels are the table's other columns.
        unit: Grafana's name of the unit.
        decimals: Digits after the point.
        bar: Whether its cells hold a bar.
        total: Whether the last row has its sum: of what adds up, not of shares and means.
        levels: Thresholds that colour its cells.
    """

    name: str
    expr: str
    unit: str
    decimals: int | None = None
    bar: bool = False
    total: bool = False
    levels: Sequence[Json] = ()


def table(
    title: str,
    description: str,
    labels: Mapping[str, str],
    *columns: Column,
    traceql: str = "",
    nothing: str = "–",
    **panel: Any,
) -> Panel:
    """A table: a row for each set of labels, sorted by the first column of numbers.

    The cells of labels lead to the calls, their cost and their traces.

    Args:
        title, description: See `Panel`.
        labels: Labels to show, and the heads of their columns.
        columns: The numbers.
        traceql: What the traces of a row have besides its labels.
        nothing: What it says when there is nothing to show.
        panel: More of `Panel`.
    """
    letters = [chr(ord("A") + n) for n in range(len(columns))]
    heads = {f"Value #{letter}": column.name for letter, column in zip(letters, columns)}
    if len(columns) == 1:
        heads = {"Value": columns[0].name, **heads}
    order = [*labels, *heads]
    return Panel(
        "table",
        title,
        description,
        [Query(column.expr, instant=True) for column in columns],
        columns[0].unit,
        defaults={"noValue": nothing, "custom": {"align": "auto", "filterable": False}},
        overrides=[
            *(_cells(column) for column in columns),
            *_linked(labels, of_row(labels, traceql)),
        ],
        options={
            "showHeader": True,
            "cellHeight": "sm",
            "sortBy": [{"displayName": columns[0].name, "desc": True}],
            **_footer(columns),
        },
        transformations=[
            {"id": "merge", "options": {}},
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "indexByName": {name: n for n, name in enumerate(order)},
                    "renameByName": {**labels, **heads},
                },
            },
        ],
        **panel,
    )


def _footer(columns: Sequence[Column]) -> Json:
    """The row of sums; nothing where no column has one."""
    names = [column.name for column in columns if column.total]
    if not names:
        return {}
    return {"footer": {"show": True, "reducer": ["sum"], "countRows": False, "fields": names}}


def _linked(labels: Mapping[str, str], links: Sequence[Json]) -> list[Json]:
    if not links:
        return []
    return [
        {
            "matcher": {"id": "byName", "options": head},
            "properties": [{"id": "links", "value": list(links)}],
        }
        for head in labels.values()
    ]


def _cells(column: Column) -> Json:
    properties: list[Json] = [{"id": "unit", "value": column.unit}]
    if column.decimals is not None:
        properties.append({"id": "decimals", "value": column.decimals})
    if column.bar:
        cell = {"type": "gauge", "mode": "gradient", "valueDisplayMode": "text"}
        properties += [
            {"id": "custom.cellOptions", "value": cell},
            {"id": "color", "value": colour(BLUE)},
            {"id": "min", "value": 0},
        ]
    if column.levels:
        steps_ = {"mode": "absolute", "steps": list(column.levels)}
        properties += [
            {"id": "thresholds", "value": steps_},
            {"id": "color", "value": {"mode": "thresholds"}},
            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
        ]
    return {"matcher": {"id": "byName", "options": column.name}, "properties": properties}


def traces(title: str, description: str, traceql: str, **panel: Any) -> Panel:
    """A table of traces; its trace ids are links."""
    options = {"showHeader": True, "cellHeight": "sm"}
    defaults = {"custom": {"align": "auto"}, "noValue": "No such trace"}
    return Panel("table", title, description, (TraceQuery(traceql),), "none", defaults=defaults,
                 options=options, **panel)  # fmt: skip
