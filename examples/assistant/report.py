"""The closing tables, for a terminal of 100 columns or a file."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

import llm_otel.lake
from examples.assistant.figures import RELEVANCE, Figures, Row, seconds_of
from llm_otel import semconv
from llm_otel.testing import Bill

WIDTH = 100
_FIRST_WIDTH = 12
_UNKNOWN, _NOTHING = "unknown", "-"


def console() -> Console:
    """Where the report goes: plain and of a fixed width where that is no terminal."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)


def show(out: Console, figures: Figures) -> None:
    """Print everything that the telemetry tells."""
    total = figures.row()
    out.print(_side_by_side(_overview(figures, total), _errors(figures.errors(), total)), "")
    for label in _TABLES:
        out.print(_by(label, figures), "")
    if total.unpriced:
        out.print("[dim]>  The requests of unknown cost are not in it.[/]\n")
    trace = _example(figures.spans)
    who = trace[0].attributes or {}
    out.print(
        f"[bold]One interaction[/] of tenant {who.get(semconv.TENANT_ID)}, feature "
        f"{who.get(semconv.FEATURE)}, session {who.get(semconv.SESSION_ID)}, as a trace\n"
    )
    out.print(_trace(trace), "")


def agreement(out: Console, figures: Figures, bills: Mapping[str, Bill]) -> bool:
    """Print whether the providers count what the telemetry does.

    Returns:
        Whether they do.
    """
    differences = figures.differences(bills)
    if differences:
        out.print(f"[bold red]Telemetry differs from the providers' own count:[/]\n{differences}")
        return False
    answers = sum(bill.answers for bill in bills.values())
    tokens = sum(bill.input_tokens + bill.output_tokens for bill in bills.values())
    out.print(
        f"[green]Telemetry agrees with the providers' own count:[/] {answers:,} answers and "
        f"{tokens:,} tokens, by model, input, output, cached and reasoning.",
    )
    return True


def lake_agreement(out: Console, figures: Figures, folder: Path) -> bool:
    """Print whether the local lake holds what the telemetry told.

    Returns:
        Whether it does.
    """
    total = figures.row()
    with llm_otel.lake.open(folder).connection() as lake:
        rows = lake.execute("SELECT count(*), coalesce(sum(cost_usd), 0) FROM calls")
        ((calls, cost),) = rows.fetchall()
    if calls != total.requests or not math.isclose(cost, total.cost, rel_tol=1e-9):
        out.print(
            f"[bold red]The lake differs:[/] {calls:,} calls and ${cost:.6g}, where the telemetry "
            f"had {total.requests:,} and ${total.cost:.6g}."
        )
        return False
    out.print(f"[green]So does the local lake:[/] {calls:,} calls, ${cost:.4g}.")
    return True


# ---- tables


def _lines(title: str) -> Table:
    table = Table(
        title=title,
        title_style="bold",
        title_justify="left",
        box=None,
        show_header=False,
        padding=(0, 2, 0, 0),
    )
    table.add_column(style="dim", min_width=len(title))
    return table


def _side_by_side(*tables: Table) -> Table:
    grid = Table.grid(padding=(0, 6))
    grid.add_row(*tables)
    return grid


def _overview(figures: Figures, row: Row) -> Table:
    table = _lines("Everything")
    table.add_column(justify="right")
    for name, text in (
        ("requests to providers", f"{row.requests:,}"),
        ("errors", f"{row.errors:,} ({_share(row.errors / row.requests)})"),
        ("latency P50 / P95", f"{row.p50:.2f} s / {row.p95:.2f} s"),
        ("tokens in / of these cached", f"{row.input_tokens:,} / {row.cached_tokens:,}"),
        ("tokens out / of these reasoning", f"{row.output_tokens:,} / {row.reasoning_tokens:,}"),
        ("cost", _known(row, row.cost)),
        ("requests of unknown cost", f"{row.unpriced:,}"),
        ("interactions that succeeded", f"{row.successes:,} of {row.outcomes:,}"),
        ("success rate", _share(row.success_rate)),
        ("cost per success", _known(row, row.cost_per_success)),
        ("value of the outcomes", f"${row.value:,.2f}"),
        ("mean thumbs / relevance", f"{_score(row.thumbs)} / {_score(figures.score(RELEVANCE))}"),
    ):
        table.add_row(name, text)
    return table


def _errors(errors: Mapping[str, int], total: Row) -> Table:
    table = _lines("Errors by class")
    table.add_column(justify="right")
    table.add_column(justify="right")
    for name, count in errors.items():
        table.add_row(name, f"{count:,}", _share(count / total.requests))
    if not errors:
        table.add_row("none")
    return table


def _share(share: float | None) -> str:
    return _NOTHING if share is None else f"{share:.1%}"


def _score(score: float | None) -> str:
    return _NOTHING if score is None else f"{score:.2f}"


def _dollars(amount: float | None) -> str:
    """USD with four decimals, more where these would not show two digits."""
    if amount is None:
        return _NOTHING
    decimals = max(4, 1 - math.floor(math.log10(amount))) if amount else 4
    return f"${amount:,.{decimals}f}"


def _count(number: int) -> str:
    return f"{number:,}" if number else _NOTHING


def _known(row: Row, amount: float | None) -> str:
    """A cost, marked as too low where calls of unknown cost are not in it."""
    if row.unpriced and not row.cost:
        return _UNKNOWN
    return (">" if row.unpriced and amount else "") + _dollars(amount)


Column = tuple[str, Callable[[Row], str]]
_CALLS: tuple[Column, ...] = (
    ("requests", lambda row: _count(row.requests)),
    ("errors", lambda row: _count(row.errors)),
)
_COST: Column = ("cost", lambda row: _known(row, row.cost))
_UNPRICED: Column = ("unpriced", lambda row: _count(row.unpriced))
_SPEED: tuple[Column, ...] = (
    ("P50", lambda row: f"{row.p50:.2f} s"),
    ("P95", lambda row: f"{row.p95:.2f} s"),
)
_TOKENS: tuple[Column, ...] = (
    ("tokens in", lambda row: _count(row.input_tokens)),
    ("cached", lambda row: _count(row.cached_tokens)),
    ("out", lambda row: _count(row.output_tokens)),
)
_VERDICTS: tuple[Column, ...] = (
    ("success", lambda row: _share(row.success_rate)),
    ("value", lambda row: f"${row.value:,.2f}" if row.value else _NOTHING),
    ("thumbs", lambda row: _score(row.thumbs)),
)
_PER_SUCCESS: Column = ("per success", lambda row: _known(row, row.cost_per_success))
_TABLES: dict[str, tuple[str, tuple[Column, ...]]] = {
    semconv.PROVIDER: ("Provider", (*_CALLS, *_SPEED, *_TOKENS, _COST)),
    semconv.MODEL: ("Model", (*_CALLS, *_SPEED, *_TOKENS, _COST)),
    semconv.TENANT_ID: ("Tenant", (*_CALLS, *_VERDICTS, _COST, _UNPRICED, _PER_SUCCESS)),
    semconv.FEATURE: ("Feature", (*_CALLS, *_VERDICTS, _COST, _UNPRICED, _PER_SUCCESS)),
}


def _table(first: str, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(first, min_width=_FIRST_WIDTH, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _by(label: str, figures: Figures) -> Table:
    title, columns = _TABLES[label]
    table = _table(title, *(name for name, _ in columns))
    for value, row in figures.by(label).items():
        table.add_row(value, *(_cell(text(row)) for _, text in columns))
    return table


def _cell(text: str) -> Text:
    return Text(text, style={_UNKNOWN: "yellow", _NOTHING: "dim"}.get(text, ""))


# ---- one interaction


def _trace(spans: list[ReadableSpan]) -> Table:
    table = _table("Span", "time", "tokens in", "out", "cost")
    for depth, span in _walk(spans, None, 0):
        attributes = span.attributes or {}
        cost = attributes.get(semconv.COST_AMOUNT)
        table.add_row(
            "  " * depth + span.name,
            f"{seconds_of(span):.3f} s",
            _tokens(attributes.get(semconv.USAGE_INPUT_TOKENS)),
            _tokens(attributes.get(semconv.USAGE_OUTPUT_TOKENS)),
            _dollars(cost) if isinstance(cost, float) else "",
        )
    return table


def _tokens(count: object) -> str:
    return f"{count:,}" if isinstance(count, int) else ""


def _example(spans: Sequence[ReadableSpan]) -> list[ReadableSpan]:
    """The trace that shows most: one with a tool, without an error, with most spans."""
    traces: dict[int, list[ReadableSpan]] = {}
    for span in spans:
        traces.setdefault(span.context.trace_id, []).append(span)

    def worth(trace: list[ReadableSpan]) -> tuple[bool, bool, int]:
        tool = any(semconv.TOOL_NAME in (span.attributes or {}) for span in trace)
        return tool, all(span.status.is_unset for span in trace), len(trace)

    return max(traces.values(), key=worth)


def _walk(
    spans: list[ReadableSpan], parent: int | None, depth: int
) -> list[tuple[int, ReadableSpan]]:
    """The spans below `parent` with their depth, in the order of their start."""
    found = []
    children = [span for span in spans if (span.parent.span_id if span.parent else None) == parent]
    for span in sorted(children, key=lambda each: each.start_time or 0):
        found += [(depth, span), *_walk(spans, span.context.span_id, depth + 1)]
    return found
