"""The tables, in Markdown: fit for a terminal and for the docs."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

from client_rows import Row
from clients.spec import CHUNKS, STREAM, WHOLE
from rounds import FLOOR, Result
from startup import Startup
from subjects import Subject

_STREAM = "stream"
_HELD_TO_FLOOR = ("chat", "async chat", "embeddings", "responses", "messages")
_CLOCKS = {
    "all": "CPU of all threads, export included: µs added to a call (× what the floor adds)",
    "caller": "CPU of the caller's thread: µs added to a call (× what the floor adds)",
}


def heading(versions: Mapping[str, str]) -> str:
    """When, on what, with which versions."""
    lines = [
        f"{datetime.now(timezone.utc):%Y-%m-%d}, Python {platform.python_version()}, {_cpu()}",
        "",
    ]
    lines += [f"- {name}: {version}" for name, version in versions.items()]
    return "\n".join([*lines, ""])


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def tables(results: Mapping[str, Result], subjects: Mapping[str, Subject]) -> str:
    """One table per clock: a row per subject, a column per workload."""
    first = next(iter(results.values()))
    names = list(first.spans)
    lines: list[str] = []
    for clock, title in _CLOCKS.items():
        rows = [["", *results, "stream, a chunk"]]
        rows.append(["a call itself", *(f"{r.bare[clock]:.0f}" for r in results.values()), ""])
        for name in names:
            cells = [
                f"{result.added[clock][name]:.0f} ({result.ratio[clock][name]:.2f})"
                if name in result.added[clock]
                else "–"
                for result in results.values()
            ]
            rows.append([name, *cells, f"{per_chunk(results[_STREAM], clock, name):.2f}"])
        lines += [title, "", *_table(rows), ""]
    lines += [f"- {name}: {subjects[name].about}" for name in names]
    lines += [
        f"- {name} makes {first.spans[name]:g} spans a chat call, "
        f"{results[_STREAM].spans[name]:g} a stream"
        for name in names
        if (first.spans[name], results[_STREAM].spans[name]) not in {(1, 1), (0, 0)}
    ]
    lines.append(f"- stream, a chunk: beyond the floor, of {CHUNKS} chunks")
    return "\n".join([*lines, ""])


def per_chunk(stream: Result, clock: str, name: str) -> float:
    """µs a chunk that a subject adds beyond the floor."""
    return (stream.added[clock][name] - stream.added[clock][FLOOR]) / CHUNKS


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return lines


def targets(
    results: Mapping[str, Result],
    small: Mapping[str, list[float]],
    started: Startup,
    growth: Mapping[str, Any],
    sizes: tuple[int, int],
) -> str:
    """What we hold ourselves to, and what was measured."""
    clock = "all"
    rows = [["held to", "measured", ""]]

    def held(what: str, figure: float, most: float, unit: str) -> None:
        verdict = "yes" if figure <= most else "no"
        rows.append([f"{what} ≤ {most:g}{unit}", f"{figure:.2f}{unit}", verdict])

    for name in _HELD_TO_FLOOR:
        held(name, results[name].ratio[clock]["ours"], 1.25, " × floor")
    for name, figures, most in (
        ("stream, a chunk", small["chunk"], 2),
        ("message stream, a chunk", small["message chunk"], 2),
        ("chat, no SDK", small["no SDK"], 10),
        ("chat in five steps, their sums", small["roll-up"], 5),
    ):
        held(name, median(figures), most, " µs")
        spread = f"{figures[0]:.2f} to {figures[-1]:.2f} µs"
        rows.append([f"the same, from process to process ({len(figures)})", spread, ""])
    held("start-up beyond OpenTelemetry's", started.beyond, 60, " ms")
    rows.append(
        ["the same, CPU of the main thread", f"{started.beyond_cpu:.2f} ms", ""],
    )
    rows.append(
        [
            "price data not loaded by then",
            str(not started.prices_loaded),
            _yes(not started.prices_loaded),
        ]
    )
    rows.append(
        [
            "client libraries, and files about them, not imported by then",
            f"{started.clients} imported",
            _yes(not started.clients),
        ]
    )
    for what, size in zip(("calls", "streams"), sizes):
        (first_kib, first_objects), (kib, objects) = growth[what]
        flat = kib - first_kib < 1024 and objects - first_objects < 500
        grown = f"{kib - first_kib:+} KiB, {objects - first_objects:+} objects"
        about = "abandoned streams" if what == "streams" else what
        rows.append([f"{size:,} {about}: second half against first", grown, _yes(flat)])
    rows.append(["active requests in the end", str(growth["active"]), _yes(growth["active"] == 0)])
    return "\n".join([*_table(rows), ""])


# Of each client's calls, on its own transport.
_MOST_RATIO, _MOST_PER_CHUNK = 1.25, 2.0


def clients(rows: Mapping[str, Mapping[str, Row]]) -> str:
    """A row for each client library, on a transport of its own."""
    head = ["client", "a call itself", "floor", "ours", "held to 1.25", "a chunk", "held to 2 µs"]
    lines = [head]
    for name, calls in rows.items():
        whole, stream = calls[WHOLE], calls.get(STREAM)
        chunk = "–" if stream is None else f"{stream.per_chunk:.2f} µs"
        held = "" if stream is None else _yes(stream.per_chunk <= _MOST_PER_CHUNK)
        lines.append(
            [
                name.replace("__", "."),
                f"{whole.bare:.0f}",
                f"{whole.floor:.0f}",
                f"{whole.ours:.0f} ({whole.ratio:.2f})",
                _yes(whole.ratio <= _MOST_RATIO),
                chunk,
                held,
            ]
        )
    title = "Each client on its own transport: CPU of all threads, export included, in µs"
    return "\n".join([title, "", *_table(lines), ""])


def _yes(held: bool) -> str:
    return "yes" if held else "no"
