"""The charts of runs: of all agents, or of one."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from llm_otel import formats
from llm_otel.dashboard import charts
from llm_otel.dashboard.charts import Chart
from llm_otel.dashboard.context import Context
from llm_otel.dashboard.pages import common
from llm_otel.dashboard.pages.run_list import calls_between
from llm_otel.lake.queries.agents import ANY, Figures
from llm_otel.lake.queries.filters import HOUR

_FAILED: Final = "failed"


def over_time(context: Context, figures: Figures, step: str, code: int = ANY) -> Chart | None:
    """Runs by how they ended; a bar leads to the traces of them.

    Args:
        context: The request.
        figures: Of its window.
        step: The runs' name, as the traces are filtered by it.
        code: Of one agent.
    """
    points = figures.points(code)
    if not points:
        return None
    line = common.times(context, points, max(context.filter.bucket_s, HOUR))
    ok = line.sums(points, lambda p: p.runs - p.failed)
    failed = line.sums(points, lambda p: p.failed)
    figure = charts.bars(line, {"ok": ok, _FAILED: failed}, "count", (charts.GOOD, charts.BAD))
    length = timedelta(seconds=line.step_s)
    addresses = [
        context.there("/traces", failed_step=step, since=start.isoformat("T", "minutes"),
                      until=(start + length).isoformat("T", "minutes"))
        for start in line.starts
    ]  # fmt: skip
    for trace in figure.data:
        if trace["name"] == _FAILED:
            trace["meta"] = {"hrefs": addresses}
    return Chart(
        "Runs",
        figure,
        f"{formats.count(sum(ok))} ok, {formats.count(sum(failed))} failed",
        f"By their start. {line.about}",
        to=context.there("/traces", step=step),
        step_s=line.step_s,
    )


def cost(context: Context, figures: Figures, step: str, code: int = ANY) -> Chart | None:
    """What a run costs over time."""
    points = figures.points(code)
    if not any(point.mean_usd is not None for point in points):
        return None
    line = common.times(context, points, max(context.filter.bucket_s, HOUR))
    series = {
        "mean": line.values(points, lambda p: p.mean_usd),
        "P95": line.values(points, lambda p: p.p95_usd),
    }
    unpriced = sum(point.unpriced for point in points)
    about = line.about_points + (f"; at least: {formats.missing(unpriced)}" if unpriced else "")
    return Chart(
        "Cost of a run",
        charts.lines(line, series, "usd"),
        f"mean and 95th percentile, at most {formats.money(max(p.p95_usd or 0 for p in points))}",
        about,
        to=context.there("/traces", step=step, sort="cost"),
        step_s=line.step_s,
    )


def distribution(context: Context, figures: Figures, code: int = ANY) -> Chart | None:
    """How many model calls the runs made; a bar leads to the list of its runs."""
    bins = figures.bins(code)
    if not bins:
        return None
    figure = charts.figure("count", legend=False)
    names = [calls_between(each.least, each.most) for each in bins]
    figure.add(
        "bar",
        x=[_short(each.least, each.most) for each in bins],
        y=[each.runs for each in bins],
        customdata=names,
        marker={"color": charts.PALETTE[0], "line": {"width": 0}},
        hovertemplate="%{customdata}: %{y:,.0f} runs<extra></extra>",
        meta={
            "hrefs": [
                context.here(
                    least=str(each.least),
                    most=None if each.most is None else str(each.most),
                    sort="calls",
                    order=None,
                    only=None,
                )
                for each in bins
            ]
        },
    )
    figure.axis("x", type="category")
    figure.layout["hovermode"] = "closest"
    if max(each.runs for each in bins) <= charts.FEW:
        figure.axis("y", dtick=1)
    says = ", ".join(f"{name}: {formats.count(each.runs)}" for name, each in zip(names, bins))
    return Chart("Model calls of a run", figure, says, "Runs by how many calls they made")


def _short(least: int, most: int | None) -> str:
    if most is None:
        return f"> {least - 1}"
    return str(least) if least == most else f"{least}–{most}"
