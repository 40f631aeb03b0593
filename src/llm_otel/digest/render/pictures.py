"""The digest's pictures, as PNG: what mail programs show; each for a light and a dark page.

They are narrow, so that on a phone their text is as large as that of the page around them.
"""

from __future__ import annotations

import io
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from llm_otel import escaping
from llm_otel.digest import sentences
from llm_otel.digest.model import Digest
from llm_otel.lake.queries import drivers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLORS: Final = ("#4269d0", "#efb118", "#3ca951", "#ff725c", "#a463f2", "#9c9c9c")
_MOST: Final = len(_COLORS) - 1
_LONGEST_NAME: Final = 22
# As wide as a phone's page, where a point is a pixel; and three pixels of it for each of those.
_WIDTH: Final = 334 / 72
_DPI: Final = 216
_TEXT: Final = 10


class _Theme(NamedTuple):
    """The colours of a page around a picture."""

    ink: str
    faint: str
    page: str
    up: str
    down: str


THEMES: Final = {
    "light": _Theme("#30343b", "#d9dce1", "#ffffff", "#c0392b", "#2e8b57"),
    "dark": _Theme("#d5d9e0", "#3a404a", "#161b22", "#ff7b72", "#56d364"),
}


def pictures(digest: Digest) -> dict[str, bytes]:
    """File name -> PNG; a picture that would be empty is left out."""
    return {
        f"{name}-{theme}.png": _png(figure)
        for theme in THEMES
        for name, figure in figures(digest, theme).items()
    }


def figures(digest: Digest, theme: str) -> dict[str, Figure]:
    """Name -> figure, in the colours of one of `THEMES`."""
    result = {}
    if any(sum(models.values()) for models in digest.daily.values()):
        result["daily-cost"] = _daily(digest, THEMES[theme])
    if any(digest.causes.values()):
        result["causes"] = _causes(digest, THEMES[theme])
    return result


def _axes(height: float, theme: _Theme) -> tuple[Figure, Axes]:
    # The object, not pyplot: no global state, no window system, safe in any thread.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained", facecolor=theme.page)
    axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_facecolor(theme.page)
    axes.spines["bottom"].set_color(theme.faint)
    axes.tick_params(colors=theme.ink, labelsize=_TEXT, length=0)
    return figure, axes


def _daily(digest: Digest, theme: _Theme) -> Figure:
    """Cost by day, stacked by model; the period stands out."""
    days = sorted(digest.daily)
    totals: dict[str, float] = defaultdict(float)
    for models in digest.daily.values():
        for model, amount in models.items():
            totals[model] += amount
    top_models = sorted(totals, key=lambda model: -totals[model])[:_MOST]
    rows = {model: [digest.daily[day].get(model, 0.0) for day in days] for model in top_models}
    if len(totals) > _MOST:
        rows["others"] = [
            sum(amount for model, amount in digest.daily[day].items() if model not in rows)
            for day in days
        ]
    legend_rows = (len(rows) + 1) // 2
    figure, axes = _axes(2.5 + 0.21 * legend_rows, theme)
    bottom = [0.0] * len(days)
    opacity = [1.0 if digest.period.since <= day else 0.45 for day in days]
    for (model, amounts), color in zip(rows.items(), _COLORS):
        bars = axes.bar(range(len(days)), amounts, 0.82, bottom, color=color, label=_label(model))
        for bar, alpha in zip(bars, opacity):
            bar.set_alpha(alpha)
        bottom = [low + amount for low, amount in zip(bottom, amounts)]
    # A label for each week: more would touch one another.
    ticks = range(len(days) - 1, -1, -max(1, -(-len(days) // 4)))
    axes.set_xticks(list(ticks), [sentences.day(days[n]) for n in ticks])
    _money(axes.yaxis)
    axes.grid(axis="y", color=theme.faint, linewidth=0.6)
    axes.set_axisbelow(True)
    legend = figure.legend(
        loc="outside upper left",
        ncols=2,
        fontsize=_TEXT,
        frameon=False,
        labelcolor=theme.ink,
        handlelength=1,
        columnspacing=1.2,
    )
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
    axes.set_ylim(top=max(bottom) * 1.06)
    return figure


def _label(model: str) -> str:
    """A model's name in the legend, which has room for two in a row."""
    name = model if len(model) <= _LONGEST_NAME else f"{model[: _LONGEST_NAME - 1]}…"
    return escaping.matplotlib(name)


def _causes(digest: Digest, theme: _Theme) -> Figure:
    """The change of the cost by cause, the largest on top."""
    ordered = sorted(digest.causes.items(), key=lambda each: abs(each[1]))
    figure, axes = _axes(0.34 * len(ordered) + 0.3, theme)
    amounts = [amount for _, amount in ordered]
    colors = [theme.up if amount > 0 else theme.down for amount in amounts]
    axes.barh(range(len(ordered)), amounts, 0.62, color=colors)
    axes.set_yticks(range(len(ordered)), [drivers.phrase(name, a > 0) for name, a in ordered])
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.axvline(0, color=theme.faint, linewidth=1)
    for n, amount in enumerate(amounts):
        axes.annotate(
            sentences.signed_usd(amount),
            # Right of the bar, or of the line: on the left are the names.
            (max(amount, 0.0), n),
            (4, 0),
            textcoords="offset points",
            va="center",
            ha="left",
            fontsize=_TEXT,
            color=theme.ink,
        )
    low, high = min(0.0, *amounts), max(0.0, *amounts)
    axes.set_xlim(low, high + 0.45 * (high - low))
    return figure


def _money(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(4))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _amount(value)))


def _amount(value: float) -> str:
    return sentences.usd(value) if value % 1 else f"${value:,.0f}"


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
