"""The digest's pictures, as PNG: what mail programs show."""

from __future__ import annotations

import io
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from llm_otel import escaping
from llm_otel.digest import sentences
from llm_otel.digest.model import Digest
from llm_otel.lake.queries import drivers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLORS: Final = ("#4269d0", "#efb118", "#3ca951", "#ff725c", "#a463f2", "#9c9c9c")
_INK: Final = "#30343b"
_FAINT: Final = "#d9dce1"
_UP: Final = "#c0392b"
_DOWN: Final = "#2e8b57"
_MOST: Final = len(_COLORS) - 1
_LONGEST_NAME: Final = 48
_WIDTH: Final = 7.2
_DPI: Final = 160


def pictures(digest: Digest) -> dict[str, bytes]:
    """File name -> PNG; a picture that would be empty is left out."""
    images = {}
    if any(sum(models.values()) for models in digest.daily.values()):
        images["daily-cost.png"] = _daily(digest)
    if any(digest.causes.values()):
        images["causes.png"] = _causes(digest)
    return images


def _axes(height: float) -> tuple[Figure, Axes]:
    # The object, not pyplot: no global state, no window system, safe in any thread.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_FAINT)
    axes.tick_params(colors=_INK, labelsize=8, length=0)
    return figure, axes


def _daily(digest: Digest) -> bytes:
    """Cost by day, stacked by model; the period stands out."""
    figure, axes = _axes(2.7)
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
    bottom = [0.0] * len(days)
    opacity = [1.0 if digest.period.since <= day else 0.45 for day in days]
    for (model, amounts), color in zip(rows.items(), _COLORS):
        bars = axes.bar(range(len(days)), amounts, 0.82, bottom, color=color, label=_label(model))
        for bar, alpha in zip(bars, opacity):
            bar.set_alpha(alpha)
        bottom = [low + amount for low, amount in zip(bottom, amounts)]
    step = max(1, len(days) // 8)
    ticks = range(len(days) - 1, -1, -step)
    axes.set_xticks(list(ticks), [f"{days[n]:%a} {days[n].day} {days[n]:%b}" for n in ticks])
    _money(axes.yaxis)
    axes.grid(axis="y", color=_FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    legend = axes.legend(loc="upper left", ncols=3, fontsize=7.5, frameon=False, borderpad=0)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1)
    axes.set_ylim(top=max(bottom) * 1.28)
    return _png(figure)


def _label(model: str) -> str:
    """A model's name in the legend, which has room for three in a row."""
    name = model if len(model) <= _LONGEST_NAME else f"{model[: _LONGEST_NAME - 1]}…"
    return escaping.matplotlib(name)


def _causes(digest: Digest) -> bytes:
    """The change of the cost by cause, the largest on top."""
    ordered = sorted(digest.causes.items(), key=lambda each: abs(each[1]))
    figure, axes = _axes(0.34 * len(ordered) + 0.3)
    amounts = [amount for _, amount in ordered]
    axes.barh(range(len(ordered)), amounts, 0.62, color=[_UP if a > 0 else _DOWN for a in amounts])
    axes.set_yticks(range(len(ordered)), [drivers.phrase(name, a > 0) for name, a in ordered])
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.axvline(0, color=_FAINT, linewidth=1)
    for n, amount in enumerate(amounts):
        axes.annotate(
            sentences.signed_usd(amount),
            (amount, n),
            (4 if amount >= 0 else -4, 0),
            textcoords="offset points",
            va="center",
            ha="left" if amount >= 0 else "right",
            fontsize=8,
            color=_INK,
        )
    axes.margins(x=0.22)
    return _png(figure)


def _money(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(4))
    axis.set_major_formatter(FuncFormatter(lambda value, _: sentences.usd(value)))


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
