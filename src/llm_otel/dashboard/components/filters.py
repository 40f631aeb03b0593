"""The filters of all pages: menus of links and three fields, so that an address holds them all."""

from __future__ import annotations

from typing import Any, Final

from dash import dcc, html

from llm_otel.dashboard.components.spoken import UNHEARD, chosen, named, spoken
from llm_otel.dashboard.context import Context
from llm_otel.dashboard.state import RANGES
from llm_otel.lake.queries.choices import Choices
from llm_otel.lake.queries.filters import NONE

_MENUS: Final = {
    "model": "Model",
    "feature": "Feature",
    "tenant_id": "Tenant",
    "service": "Service",
    "provider": "Provider",
    "status": "Status",
}
_STATUSES: Final = ("ok", "error", "cancelled")
_OPTIONAL: Final = frozenset({"feature", "tenant_id"})
# Parameter -> label and example of what is typed.
FIELDS: Final = {
    "user": ("User", "user-0042"),
    "session": ("Session", "s1121-00042"),
    "tag": ("Tag", "key=value"),
    "since": ("From", "2026-01-31"),
    "until": ("To", "2026-02-01"),
}


def ranges(context: Context) -> Any:
    """The window: one link each."""
    links = [
        dcc.Link(
            [name, chosen(context.state.range == name)],
            href=context.here(range=name, since=None, until=None),
            className="segment on" if context.state.range == name else "segment",
            title=label,
        )
        for name, (label, _) in RANGES.items()
    ]
    return html.Nav(links, className="segments", **named("Time window"))


def filter_bar(context: Context, choices: Choices) -> Any:
    """Menus, what is chosen, and the fields."""
    menus = [
        _menu(context, field, label, _values(field, choices)) for field, label in _MENUS.items()
    ]
    return html.Div(
        [html.Div([*menus, _more(context)], className="menus"), _chips(context)],
        className="filters",
        role="search",
        **named("Filters"),
    )


def _values(field: str, choices: Choices) -> list[str]:
    if field == "status":
        return list(_STATUSES)
    values: list[str] = getattr(choices, field)
    return [*values, NONE] if field in _OPTIONAL else values


def _menu(context: Context, field: str, label: str, values: list[str]) -> Any:
    selection = context.state.all(field)
    unlisted = [value for value in selection if value not in values]
    links = [
        html.Li(
            dcc.Link(
                [
                    html.Span(className="tick", **UNHEARD),
                    value,
                    chosen(value in selection),
                ],
                href=context.state.toggled(field, value).href(context.path),
                className="option on" if value in selection else "option",
            )
        )
        for value in [*unlisted, *values]
    ]
    summary: Any = (
        [label, html.Span(str(len(selection)), className="badge")] if selection else label
    )
    return html.Details(
        [
            html.Summary(summary, className="button"),
            html.Ul(links or html.Li("none seen", className="muted"), className="popover"),
        ],
        className="menu",
    )


def _more(context: Context) -> Any:
    fields = [field(context, name, *arguments) for name, arguments in FIELDS.items()]
    return html.Details(
        [html.Summary("More", className="button"), html.Div(fields, className="popover fields")],
        className="menu",
    )


def field(context: Context, name: str, label: str, example: str) -> Any:
    """A line to type a parameter of the address into."""
    line = dcc.Input(
        id={"type": "field", "name": name},
        value=context.state.get(name),
        placeholder=example,
        debounce=True,
        type="text",
    )
    return html.Label([label, line], className="field")


def _chips(context: Context) -> Any:
    names = {**_MENUS, **{name: label for name, (label, _) in FIELDS.items()}}
    chips = [
        dcc.Link(
            [
                spoken("Take out the filter "),
                f"{label}: {value}",
                html.Span("×", **UNHEARD),
            ],
            href=context.state.toggled(name, value).href(context.path),
            className="chip",
        )
        for name, label in names.items()
        for value in context.state.all(name)
    ]
    if not chips:
        return None
    clear = context.state.cleared().to(since=None, until=None).href(context.path)
    return html.Div(
        [*chips, dcc.Link("Clear all", href=clear, className="clear")], className="chips"
    )
