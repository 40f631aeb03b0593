"""Optimise: money that need not be spent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from llm_otel import escaping, formats
from llm_otel.dashboard import charts
from llm_otel.dashboard.charts import Chart
from llm_otel.dashboard.components.cards import figure_card, figures, notice
from llm_otel.dashboard.components.filters import field
from llm_otel.dashboard.components.tables import Column, Table, word
from llm_otel.dashboard.context import Charts, Context, Page, Tables
from llm_otel.dashboard.failures import Lazy
from llm_otel.dashboard.pages import common
from llm_otel.formats import change
from llm_otel.lake.queries import Reader, optimise
from llm_otel.lake.queries.optimise import Optimise, Prefix, WhatIf

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
class _Week:
    """The priced chats of the last seven days, and what they would have cost elsewhere."""

    usd: float
    models: list[WhatIf]
    # The model of the address, where no price is known for it.
    unpriced: str


class _Data:
    """What the page shows; each is read when it is first shown."""

    def __init__(self, context: Context) -> None:
        self.findings = Lazy(lambda: optimise.optimise(context.reader()))
        self.week = Lazy(lambda: _week(context))
        self.saved = Lazy(
            lambda: {
                row: optimise.caching_saves(row, context.price) for row in self.findings().prefixes
            }
        )


def _week(context: Context) -> _Week:
    window = context.filter.over(context.now - _WEEK, context.now)
    priced = [row for row in optimise.mix(Reader(context.lake, window, _NO_TIME)) if row.cost_usd]
    used = [(row.provider or "", row.model or "") for row in priced]
    model = context.state.get(_ON)
    models = [_named(model)] if model else []
    offered = {model: (provider, model) for provider, model in (*_OFFERED, *used, *models)}
    estimates = optimise.what_if(priced, offered.values(), context.price)
    return _Week(
        sum(row.cost_usd or 0 for row in priced),
        estimates,
        model
        if models and models[0] not in [(row.provider, row.model) for row in estimates]
        else "",
    )


def _named(text: str) -> tuple[str, str]:
    """Provider and model; without a provider it is OpenAI's, as of `llm_otel.cost`."""
    provider, slash, model = text.partition("/")
    return (provider.strip(), model.strip()) if slash else ("openai", provider.strip())


def _tables(context: Context, data: _Data) -> Tables:
    return {
        "what-if": lambda: _what_if(data.week()),
        "bloated": lambda: _bloated(context, data.findings()),
        "prefixes": lambda: _prefixes(data.findings(), data.saved()),
        "wasted": lambda: _wasted(context, data.findings()),
        "cached": lambda: _cached(data.findings()),
    }


def _bloated(context: Context, data: Optimise) -> Table:
    return Table(
        "Bloated prompts",
        (
            word(
                "Feature",
                lambda r: r.feature,
                link=lambda r: context.there("/traces", feature=r.feature, sort="in"),
            ),
            word("Prompt", lambda r: _prompt(r.prompt_name, r.prompt_version)),
            word("Model", lambda r: r.model),
            Column("In : out", lambda r: r.ratio, formats.ratio, bar=True),
            Column("Tokens in a call", lambda r: r.input_tokens / r.calls, formats.count),
            Column("Calls", lambda r: r.calls, formats.count),
            Column("Cost", lambda r: r.cost_usd, formats.money, bar=True),
        ),
        data.bloated,
        "No prompt reads more than ten tokens for one that it writes.",
        "More than ten tokens in for one out: send less context, or cache it.",
    )


def _prefixes(data: Optimise, saved: dict[Prefix, float | None]) -> Table:
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
            Column("Caching saves at least", saved.get, formats.money, bar=True),
        ),
        data.prefixes,
        "No repeats were seen. They are only where message content is captured.",
        "Calls that begin with the same 1,024 characters: put what is constant first and let "
        "the provider cache it.",
    )


def _what_if(week: _Week) -> Table:
    return Table(
        "What the last 7 days would have cost",
        (
            word("Model", lambda r: r.model),
            word("Provider", lambda r: r.provider),
            Column("Would have cost", lambda r: r.cost_usd, formats.money, bar=True),
            Column("Difference", lambda r: r.cost_usd - week.usd, formats.money),
            Column(
                "Change",
                lambda r: change(r.cost_usd, week.usd),
                formats.signed,
                tone=lambda r: "good" if r.cost_usd < week.usd else "bad",
            ),
        ),
        week.models,
        "No chats with a price in the last 7 days.",
        f"All priced chats, {formats.money(week.usd)} in truth, on one model: the same "
        "tokens, cached as they were. Tokenizers differ by 10 to 20 %. Whether the answers are as "
        "good, this does not say: try the model, score it, and compare both under Quality.",
    )


def _wasted(context: Context, data: Optimise) -> Table:
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
        data.wasted,
        "Every call was answered at once.",
    )


def _cached(data: Optimise) -> Table:
    return Table(
        "Answered from your own cache",
        (
            word("Feature", lambda r: r.feature),
            word("Model", lambda r: r.model),
            Column("Answers", lambda r: r.answers, formats.count),
            Column("Saving not known", lambda r: r.unknown, formats.count),
            Column("Saved", lambda r: r.saved_usd, formats.money, bar=True),
        ),
        data.cached,
        "No answers from a cache of your own. A program reports them with llm_otel.cached().",
        "What the calls would have cost. What a provider's cache saves is in the price of the "
        "calls.",
    )


def _prompt(name: str | None, version: str | None) -> str | None:
    return f"{name}@{version}" if name and version else name


def _plots(_context: Context, data: _Data) -> Charts:
    def on_one_model() -> Chart | None:
        week = data.week()
        if not week.models:
            return None
        about = "The dotted line is what they did cost"
        return Chart("The last 7 days on one model", _models(week), "cost by model", about)

    return {"models": on_one_model}


def _show(context: Context, data: _Data, tables: Tables, plots: Charts) -> list[Any]:
    return [
        figures(
            [
                common.part(
                    context, "What was spent", lambda: _cards(data.findings(), data.saved())
                ),
                common.part(context, "The cheapest model", lambda: _cheapest(data.week())),
            ]
        ),
        common.part(context, "The model of the address", lambda: _unpriced(data.week())),
        common.draw(
            context,
            plots,
            "models",
            field(context, _ON, "Add a model", "mistral/mistral-large-latest"),
        ),
        common.show(context, tables, "what-if"),
        common.show(context, tables, "bloated"),
        common.show(context, tables, "prefixes"),
        common.show(context, tables, "wasted"),
        common.show(context, tables, "cached"),
    ]


def _unpriced(week: _Week) -> Any:
    if not week.unpriced:
        return None
    return notice(f"No price is known for {week.unpriced}: write it as provider/model.", "warn")


def _cards(data: Optimise, saved: dict[Prefix, float | None]) -> list[Any]:
    return [
        figure_card(
            "Bloated prompts",
            formats.money(sum(row.cost_usd or 0 for row in data.bloated)),
            note=f"spent on {len(data.bloated)} prompts",
        ),
        figure_card(
            "Caching would save",
            formats.money(sum(value or 0 for value in saved.values())),
            note="or more",
        ),
        figure_card(
            "Paid for failures",
            formats.money(sum(row.cost_usd for row in data.wasted)),
            note=f"{sum(r.calls for r in data.wasted):,} calls",
        ),
        *_saved(data),
    ]


def _saved(data: Optimise) -> list[Any]:
    """What the program's own cache saved; nothing where it has none."""
    if not data.cached:
        return []
    amounts = [row.saved_usd for row in data.cached if row.saved_usd is not None]
    unknown = sum(row.unknown for row in data.cached)
    answers = sum(row.answers for row in data.cached)
    note = f"{answers:,} answers" + (f", of {unknown:,} the saving is not known" if unknown else "")
    return [
        figure_card(
            "Saved by your cache", formats.money(sum(amounts) if amounts else None), note=note
        )
    ]


def _cheapest(week: _Week) -> Any:
    cheapest = week.models[0] if week.models else None
    difference = change(cheapest.cost_usd, week.usd) if cheapest else None
    return figure_card(
        "Cheapest model",
        formats.signed(difference),
        note=f"{cheapest.model}, if its answers are as good" if cheapest else "no price known",
    )


def _models(week: _Week) -> charts.Figure:
    figure = charts.figure("usd", legend=False)
    colours = [charts.GOOD if r.cost_usd < week.usd else charts.REST for r in week.models]
    figure.add(
        "bar",
        x=[escaping.plotly(r.model) for r in week.models],
        y=[r.cost_usd for r in week.models],
        marker={"color": colours, "line": {"width": 0}},
        hovertemplate=f"%{{x}}: %{{y:{charts.FORMATS['usd']['hover']}}}<extra></extra>",
    )
    figure.mark("y", week.usd, f"did cost {formats.money(week.usd)}", charts.BAD)
    # names, even where they look like numbers or dates
    figure.axis("x", type="category")
    figure.layout["hovermode"] = "closest"
    return figure


PAGE = Page("/optimise", "Optimise", "Money that need not be spent", _Data, _tables, _plots, _show)
