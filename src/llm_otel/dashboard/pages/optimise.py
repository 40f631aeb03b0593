"""Optimise: money that need not be spent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from dash import html

from llm_otel import escaping, formats
from llm_otel.dashboard import charts
from llm_otel.dashboard.components.cards import chart_card, figure_card, figures, notice
from llm_otel.dashboard.components.filters import field
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Context, Page
from llm_otel.dashboard.pages import common
from llm_otel.formats import change
from llm_otel.lake.queries import Reader, optimise
from llm_otel.lake.queries.optimise import Mix, Optimise, Prefix, WhatIf

# Besides the models that are in use: usual ones, named for the price table.
_OFFERED: Final = (
    ("openai", "gpt-5-mini"),
    ("openai", "gpt-5-nano"),
    ("openai", "gpt-5"),
    ("anthropic", "claude-haiku-4-5"),
    ("anthropic", "claude-sonnet-4-5"),
    ("google", "gemini-2.5-flash"),
    ("groq", "llama-3.3-70b-versatile"),
)
_WEEK: Final = timedelta(days=7)
_NO_TIME: Final = timedelta()
# Parameter of the address: a model to add to the comparison, as provider/model.
_ON: Final = "on"


@dataclass(frozen=True)
class _Data:
    found: Optimise
    week: list[Mix]
    week_usd: float
    models: list[WhatIf]
    unpriced: str
    saved: dict[Prefix, float | None]


def _read(context: Context) -> _Data:
    found = optimise.optimise(context.reader())
    window = context.filter.over(context.now - _WEEK, context.now)
    week = optimise.mix(Reader(context.lake, window, _NO_TIME))
    priced = [row for row in week if row.cost_usd]
    used = [(row.provider or "", row.model or "") for row in priced]
    asked = context.state.get(_ON)
    own = [_named(asked)] if asked else []
    offered = {model: (provider, model) for provider, model in (*_OFFERED, *used, *own)}
    models = optimise.what_if(priced, offered.values(), context.price)
    return _Data(
        found,
        priced,
        sum(row.cost_usd or 0 for row in priced),
        models,
        asked if own and own[0] not in [(row.provider, row.model) for row in models] else "",
        {row: optimise.caching_saves(row, context.price) for row in found.prefixes},
    )


def _named(text: str) -> tuple[str, str]:
    """Provider and model; without a provider it is OpenAI's, as of `llm_otel.cost`."""
    provider, slash, model = text.partition("/")
    return (provider.strip(), model.strip()) if slash else ("openai", provider.strip())


def _tables(context: Context, data: _Data) -> dict[str, Table]:
    return {
        "what-if": _what_if(data),
        "bloated": _bloated(context, data),
        "prefixes": _prefixes(data),
        "wasted": _wasted(context, data),
    }


def _bloated(context: Context, data: _Data) -> Table:
    return Table(
        "Bloated prompts",
        (
            word(
                "Feature",
                lambda r: r.feature,
                link=lambda r: context.there("/traces", feature=r.feature, sort="tokens"),
            ),
            word("Prompt", lambda r: _prompt(r.prompt_name, r.prompt_version)),
            word("Model", lambda r: r.model),
            Column("In : out", lambda r: r.ratio, formats.ratio, bar=True),
            Column("Tokens in a call", lambda r: r.input_tokens / r.calls, formats.count),
            Column("Calls", lambda r: r.calls, formats.count),
            Column("Cost", lambda r: r.cost_usd, formats.money, bar=True),
        ),
        data.found.bloated,
        "No prompt reads more than ten tokens for one that it writes.",
        "More than ten tokens in for one out: send less context, or cache it.",
    )


def _prefixes(data: _Data) -> Table:
    return Table(
        "Repeated prefixes",
        (
            word("Feature", lambda r: r.feature),
            word("Prompt", lambda r: r.prompt_name),
            word("Model", lambda r: r.model),
            Column("Prefixes", lambda r: r.prefixes, formats.count),
            Column("Calls", lambda r: r.calls, formats.count),
            Column("Read nothing cached", lambda r: r.uncached_calls / r.calls, formats.share),
            Column(
                "Cached tokens",
                lambda r: r.cached_tokens / r.input_tokens if r.input_tokens else None,
                formats.share,
            ),
            Column("Caching saves at least", data.saved.get, formats.money, bar=True),
        ),
        data.found.prefixes,
        "No repeats were seen. They are only where message content is captured.",
        "Calls that begin with the same 1,024 characters: put what is constant first and let "
        "the provider cache it.",
    )


def _what_if(data: _Data) -> Table:
    return Table(
        "What the last 7 days would have cost",
        (
            word("Model", lambda r: r.model),
            word("Provider", lambda r: r.provider),
            Column("Would have cost", lambda r: r.cost_usd, formats.money, bar=True),
            Column("Difference", lambda r: r.cost_usd - data.week_usd, formats.money),
            Column(
                "Change",
                lambda r: change(r.cost_usd, data.week_usd),
                formats.signed,
                tone=lambda r: "good" if r.cost_usd < data.week_usd else "bad",
            ),
        ),
        data.models,
        "No chats with a price in the last 7 days.",
        f"All priced chats, {formats.money(data.week_usd)} in truth, on one model: the same "
        "tokens, cached as they were. Tokenizers differ by 10 to 20 %, and so do answers.",
    )


def _wasted(context: Context, data: _Data) -> Table:
    return Table(
        "Failures and retries paid for",
        (
            word("Reason", lambda r: r.reason),
            word(
                "Model",
                lambda r: r.model,
                link=lambda r: context.there("/traces", model=r.model, status=r.status),
            ),
            Column("Calls", lambda r: r.calls, formats.count),
            Column("Retries", lambda r: r.retries, formats.count),
            Column("Time spent", lambda r: r.seconds, formats.seconds),
            Column("Cost", lambda r: r.cost_usd, formats.money, bar=True),
        ),
        data.found.wasted,
        "Every call was answered at once.",
    )


def _prompt(name: str | None, version: str | None) -> str | None:
    return f"{name}@{version}" if name and version else name


def _show(context: Context, data: _Data, tables: dict[str, Table]) -> list[Any]:
    return [
        figures(_cards(data)),
        notice(f"No price is known for {data.unpriced}: write it as provider/model.", "warn")
        if data.unpriced
        else None,
        chart_card(
            "The last 7 days on one model",
            _models(data),
            "cost by model",
            about="The dotted line is what they did cost",
            extra=field(context, _ON, "Add a model", "mistral/mistral-large-latest"),
        )
        if data.models
        else None,
        common.show(context, tables, "what-if"),
        common.show(context, tables, "bloated"),
        common.show(context, tables, "prefixes"),
        html.Div(common.show(context, tables, "wasted")),
    ]


def _cards(data: _Data) -> list[Any]:
    wasted = sum(row.cost_usd for row in data.found.wasted)
    bloated = sum(row.cost_usd or 0 for row in data.found.bloated)
    saved = sum(value or 0 for value in data.saved.values())
    cheapest = data.models[0] if data.models else None
    changed = change(cheapest.cost_usd, data.week_usd) if cheapest else None
    return [
        figure_card(
            "Bloated prompts",
            formats.money(bloated),
            note=f"spent on {len(data.found.bloated)} prompts",
        ),
        figure_card("Caching would save", formats.money(saved), note="at the least"),
        figure_card(
            "Paid for failures",
            formats.money(wasted),
            note=f"{sum(r.calls for r in data.found.wasted):,} calls",
        ),
        figure_card(
            "Cheapest model",
            formats.signed(changed),
            note=cheapest.model if cheapest else "no price known",
        ),
    ]


def _models(data: _Data) -> Any:
    made = charts.figure("usd", legend=False)
    colours = [charts.GOOD if r.cost_usd < data.week_usd else charts.REST for r in data.models]
    made.add_bar(
        x=[escaping.plotly(r.model) for r in data.models],
        y=[r.cost_usd for r in data.models],
        marker={"color": colours, "line": {"width": 0}},
        hovertemplate="%{x}: %{y:$,.2f}<extra></extra>",
    )
    made.add_hline(
        y=data.week_usd,
        line={"width": 1.5, "dash": "dot", "color": charts.BAD},
        annotation_text=f"did cost {formats.money(data.week_usd)}",
        annotation_position="top left",
    )
    # names, even where they look like numbers or dates
    made.update_xaxes(type="category")
    made.update_layout(hovermode="closest")
    return made


PAGE = Page("/optimise", "Optimise", "Money that need not be spent", _read, _tables, _show)
