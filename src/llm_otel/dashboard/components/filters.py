"""The filters of all pages: a line to search in, menus, and fields; an address holds them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import htpy as h

from llm_otel.dashboard.components.spoken import chosen, spoken
from llm_otel.dashboard.context import Context
from llm_otel.dashboard.state import DAYS, RANGES
from llm_otel.lake.queries.choices import Choices
from llm_otel.lake.queries.filters import NONE

_MENUS: Final = {
    "model": "Model",
    "feature": "Feature",
    "tenant_id": "Tenant",
    "service": "Service",
    "provider": "Provider",
    "environment": "Environment",
    "status": "Status",
    "error_type": "Error",
}
_STATUSES: Final = ("ok", "error", "cancelled")
_OPTIONAL: Final = frozenset({"feature", "tenant_id", "environment"})
# A menu of fewer values needs no search.
_SEARCHED_FROM: Final = 8
# Parameter -> label and example of what is typed.
_FIELDS: Final = {
    "user": ("User", "whole id"),
    "session": ("Session", "whole id"),
    "tag": ("Tag", "key=value"),
    "where": ("Compare", "cost>0.1"),
}
_TIMES: Final = {"since": "From", "until": "To"}
_CHIPS: Final = {
    **_MENUS,
    **{name: label for name, (label, _) in _FIELDS.items()},
    "release": "Release",
    "agent": "Agent",
    "match": "Pattern",
    "text": "Words",
    **_TIMES,
}


def values(choices: Choices) -> Mapping[str, Sequence[str]]:
    """What can be chosen, by parameter."""
    return {**asdict(choices), "status": _STATUSES, "range": (*RANGES, *DAYS)}


# ------------------------------------------------------------------ the window
def ranges(context: Context) -> Any:
    """The window: one link each."""
    labels = {**DAYS, **{name: label for name, (label, _) in RANGES.items()}}
    links = [
        h.a(
            href=context.here(range=name, since=None, until=None),
            class_="segment on" if context.state.range == name else "segment",
            title=label,
        )[name, chosen(context.state.range == name)]
        for name, label in labels.items()
    ]
    return h.nav(class_="segments", aria_label="Time window")[links]


# ------------------------------------------------------------------ the line
def search_line(context: Context) -> Any:
    """A line to type what to look for into: words, ids, or the filter language."""
    return h.form(action="/search", class_="search", role="search")[
        h.input(
            {
                "hx-get": "/complete",
                "hx-trigger": "input changed delay:120ms",
                "hx-target": "#completions",
                "hx-swap": "innerHTML",
                # Not in the queue of pages: typing must not stop one.
                "hx-sync": "this:replace",
            },
            id="search",
            name="q",
            type="search",
            list="completions",
            value=context.state.get("q"),
            placeholder='Search: a trace id, "words said", model:gpt-5 cost>0.1 error:rate_limit',
            aria_label="Search, or filter by name:value",
            autocomplete="off",
            spellcheck="false",
        ),
        h.datalist(id="completions", hx_morph_skip_children=""),
        h.input(type="hidden", name="of", value=context.here(q=None)),
        h.kbd(aria_hidden="true")["/"],
    ]


# ------------------------------------------------------------------ menus and fields
def filter_bar(context: Context, choices: Choices | None) -> Any:
    """The line, menus, what is chosen, and the fields."""
    menus: list[Any] = []
    if choices is not None:
        menus = [_menu(context, name, label, _options(name, choices))
                 for name, label in _MENUS.items()]  # fmt: skip
    return h.div(class_="filters", aria_label="Filters", role="group")[
        search_line(context),
        h.div(class_="menus")[menus, _more(context), _views()],
        _chips(context),
    ]


def _options(name: str, choices: Choices) -> list[str]:
    options = list(values(choices)[name])
    return [*options, NONE] if name in _OPTIONAL else options


def _menu(context: Context, name: str, label: str, options: list[str]) -> Any:
    selection = context.state.all(name)
    unlisted = [value for value in selection if value not in options]
    summary = [label, h.span(class_="badge")[str(len(selection))] if selection else None]
    lines = [_option(context, name, value, value in selection) for value in [*unlisted, *options]]
    narrow = h.input(
        type="search", class_="narrow", placeholder="Find", aria_label=f"Find in {label}",
        autocomplete="off",
    )  # fmt: skip
    return h.details(class_="menu", id=f"menu-{name}")[
        h.summary(class_="button")[summary],
        h.div(class_="popover")[
            narrow if len(lines) >= _SEARCHED_FROM else None,
            h.ul[lines or h.li(class_="muted")["none seen"]],
        ],
    ]


def _option(context: Context, name: str, value: str, is_on: bool) -> Any:
    return h.li(class_="choice")[
        h.a(href=context.toggled(name, value), class_="option on" if is_on else "option")[
            h.span(class_="tick", aria_hidden="true"), value, chosen(is_on)
        ],
        h.a(href=context.here(**{name: value}), class_="only")["only", spoken(f" {value}")],
    ]


def _more(context: Context) -> Any:
    fields = [field(context, name, *arguments) for name, arguments in _FIELDS.items()]
    window = context.filter
    times = [
        _time(context, name, label, moment)
        for (name, label), moment in zip(_TIMES.items(), (window.since, window.until))
    ]
    return h.details(class_="menu", id="menu-more")[
        h.summary(class_="button")["More"], h.div(class_="popover fields")[fields, times]
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
    return _form(context, name, label, line)


def _time(context: Context, name: str, label: str, moment: datetime) -> Any:
    """A picker of a day and a time, UTC."""
    line = h.input(
        id=f"field-{name}",
        name=name,
        value=moment.isoformat("T", "minutes") if context.state.get(name) else "",
        type="datetime-local",
    )
    return _form(context, name, f"{label}, UTC", line)


def _form(context: Context, name: str, label: str, line: Any) -> Any:
    hidden = [
        h.input(type="hidden", name=key, value=value)
        for key, values in context.state.to(**{name: None}, page=None).params.items()
        for value in values
    ]
    # A picker changes with every key.
    return h.form(action=context.address, hx_trigger="submit, change delay:700ms", class_="field")[
        h.label(for_=f"field-{name}")[label], line, hidden
    ]


def _views() -> Any:
    """Addresses that the reader keeps under a name, in this browser: `assets/app.js` does."""
    return h.details(class_="menu", id="menu-views")[
        h.summary(class_="button")["Views"],
        h.div(class_="popover end")[
            h.form(id="keep-view", class_="field", hx_boost="false")[
                h.label(for_="view-name")["Keep as"],
                h.input(
                    id="view-name", type="text", required=True, maxlength="60", autocomplete="off"
                ),
            ],
            h.ul(id="views", hx_morph_skip_children=""),
        ],
    ]


def _chips(context: Context) -> Any:
    chips = [
        h.a(href=context.toggled(name, value), class_="chip")[
            spoken("Take out the filter "),
            f"{label}: {value}",
            h.span(aria_hidden="true")["×"],
        ]
        for name, label in _CHIPS.items()
        for value in context.state.all(name)
    ]
    if not chips:
        return None
    clear = context.state.cleared().to(since=None, until=None, page=None).href(context.address)
    return h.div(class_="chips")[chips, h.a(href=clear, class_="clear")["Clear all"]]
