"""The filters of all pages: menus of links and three fields, so that an address holds them all."""

from __future__ import annotations

from typing import Any, Final

import htpy as h

from llm_otel.dashboard.components.spoken import chosen, spoken
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
        h.a(
            href=context.here(range=name, since=None, until=None),
            class_="segment on" if context.state.range == name else "segment",
            title=label,
        )[name, chosen(context.state.range == name)]
        for name, (label, _) in RANGES.items()
    ]
    return h.nav(class_="segments", aria_label="Time window")[links]


def filter_bar(context: Context, choices: Choices) -> Any:
    """Menus, what is chosen, and the fields."""
    menus = [
        _menu(context, field, label, _values(field, choices)) for field, label in _MENUS.items()
    ]
    return h.div(class_="filters", role="search", aria_label="Filters")[
        h.div(class_="menus")[[*menus, _more(context)]], _chips(context)
    ]


def _values(field: str, choices: Choices) -> list[str]:
    if field == "status":
        return list(_STATUSES)
    values: list[str] = getattr(choices, field)
    return [*values, NONE] if field in _OPTIONAL else values


def _menu(context: Context, field: str, label: str, values: list[str]) -> Any:
    selection = context.state.all(field)
    unlisted = [value for value in selection if value not in values]
    links = [
        h.li[
            h.a(
                href=context.state.toggled(field, value).href(context.path),
                class_="option on" if value in selection else "option",
            )[
                h.span(class_="tick", aria_hidden="true"),
                value,
                chosen(value in selection),
            ]
        ]
        for value in [*unlisted, *values]
    ]
    summary: Any = [label, h.span(class_="badge")[str(len(selection))]] if selection else label
    return h.details(class_="menu")[
        h.summary(class_="button")[summary],
        h.ul(class_="popover")[links or h.li(class_="muted")["none seen"]],
    ]


def _more(context: Context) -> Any:
    fields = [field(context, name, *arguments) for name, arguments in FIELDS.items()]
    return h.details(class_="menu", id="menu-more")[
        h.summary(class_="button")["More"], h.div(class_="popover fields")[fields]
    ]


def field(context: Context, name: str, label: str, example: str) -> Any:
    """A line to type a parameter of the address into."""
    line = h.input(
        id=f"field-{name}",
        name=name,
        value=context.state.get(name),
        placeholder=example,
        type="text",
        autocomplete="off",
    )
    others = context.state.to(**{name: None}).params
    hidden = [
        h.input(type="hidden", name=key, value=value)
        for key, values in others.items()
        for value in values
    ]
    return h.form(action=context.path, hx_trigger="submit, change", class_="field")[
        h.label(for_=f"field-{name}")[label], line, hidden
    ]


def _chips(context: Context) -> Any:
    names = {**_MENUS, **{name: label for name, (label, _) in FIELDS.items()}}
    chips = [
        h.a(href=context.state.toggled(name, value).href(context.path), class_="chip")[
            spoken("Take out the filter "),
            f"{label}: {value}",
            h.span(aria_hidden="true")["×"],
        ]
        for name, label in names.items()
        for value in context.state.all(name)
    ]
    if not chips:
        return None
    clear = context.state.cleared().to(since=None, until=None).href(context.path)
    return h.div(class_="chips")[[*chips, h.a(href=clear, class_="clear")["Clear all"]]]
