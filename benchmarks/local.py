"""Ten million calls in a lake: how long each dashboard page takes, in how much memory.

    python benchmarks/local.py [--calls 10000000] [--days 30] [--lake FOLDER]

The lake is made up first (`llm_otel.history`, about two minutes) and its days are joined as
`llm-otel serve` would in its first minutes, unless `--lake` holds one from an earlier run. Every
page is then read in a process of its own, DuckDB held to two threads, with the window from the
lake's first day to its newest call, so that every call counts; a page's figure is the median of its
rounds after the first. Its memory is the process's highest, Python and libraries included.

CPU is of the whole process: with both threads at work, two CPU seconds are one of time on idle
cores. It says more than the time where other work runs on the same cores, though that makes it
larger too, as they share their caches.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

END = datetime(2026, 11, 20, 15, 30)
ROUNDS = 4
THREADS = 2
SLOWEST_S = 1.0
MOST_MIB = 2048
# What is read: name -> (path, search beyond the window).
PAGES = {
    "Now": ("/", ""),
    "Cost by model": ("/cost", "by=model"),
    "Cost by user": ("/cost", "by=user"),
    "Cost by tag": ("/cost", "by=tag:channel"),
    "Errors": ("/errors", ""),
    "Latency": ("/latency", ""),
    "Traces, newest": ("/traces", ""),
    "Traces, most expensive": ("/traces", "sort=cost"),
    "Conversations": ("/sessions", ""),
    "Quality, two models": ("/quality", ""),
    "Quality, two prompts": ("/quality", "by=prompt"),
    "Optimise": ("/optimise", ""),
    "ROI": ("/roi", ""),
}


def fill(path: Path, calls: int, days: int) -> None:
    """Make the lake up."""
    from llm_otel.history import generate
    from llm_otel.lake.maintenance import compact
    from llm_otel.lake.writer import Writer

    began = time.monotonic()
    with Writer(path) as writer:
        for batch in generate(days, end=END, calls_per_day=calls // days):
            writer.append(**batch.tables)
            print(f"{batch.day}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        for store in writer.tables.values():
            compact(store, END.date())


def measure(path: Path, name: str) -> None:
    """Read one page in this process and print its figures as JSON."""
    import htpy as h

    import llm_otel
    import llm_otel.lake
    from llm_otel.dashboard import pages
    from llm_otel.dashboard.context import Context
    from llm_otel.dashboard.state import State

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    llm_otel.cost({"input_tokens": 1}, model="gpt-5-mini")
    lake = llm_otel.lake.open(path)
    place, search = PAGES[name]
    (times,) = lake.sql("SELECT min(time), max(time) FROM calls").fetchall()
    now = times[1] + timedelta(seconds=1)
    state = State.parse(f"since={times[0].date().isoformat()}&{search}")
    took, used = [], []
    for _ in range(ROUNDS):
        page, subject = pages.find(place)
        began, worked = time.perf_counter(), time.process_time()
        context = Context(lake, state, now, llm_otel.cost, page.path, subject, strict=True)
        data = page.load(context)
        tables, charts = page.tables(context, data), page.charts(context, data)
        str(h.div[page.show(context, data, tables, charts)])
        took.append(time.perf_counter() - began)
        used.append(time.process_time() - worked)
    figures = {
        "first": took[0],
        "then": statistics.median(took[1:]),
        "cpu": statistics.median(used[1:]),
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures))


def run(path: Path) -> dict[str, dict[str, float]]:
    """The figures of every page: seconds of the first round, of the others, of CPU, and MiB."""
    rows = {}
    for name in PAGES:
        ran = subprocess.run(
            [sys.executable, __file__, "--lake", str(path), "--page", name],
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            sys.exit(f"benchmarks/local.py: {name} failed:\n{ran.stderr[-2000:]}")
        figures = json.loads(ran.stdout)
        rows[name] = figures
        print(
            f"{name}: {figures['then']:.2f} s, CPU {figures['cpu']:.2f} s",
            file=sys.stderr,
            flush=True,
        )
    return rows


def table(rows: dict[str, dict[str, float]]) -> str:
    """The figures in Markdown."""
    lines = [
        "| page | first, s | then, s | CPU, s | memory, MiB | held |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, figures in rows.items():
        held = "yes" if figures["then"] <= SLOWEST_S and figures["mib"] <= MOST_MIB else "no"
        lines.append(
            f"| {name} | {figures['first']:.2f} | {figures['then']:.2f} | {figures['cpu']:.2f} | "
            f"{figures['mib']:.0f} | {held} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--lake", type=Path)
    parser.add_argument("--page", choices=PAGES)
    parser.add_argument("--fill", action="store_true", help="only make the lake up")
    options = parser.parse_args()
    if options.page:
        measure(options.lake, options.page)
        return
    if options.fill:
        fill(options.lake, options.calls, options.days)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.lake or Path(folder) / "lake"
        if not (path / "calls").exists():
            # In a process of its own: the highest memory of a parent is told of its children too.
            sizes = (f"--calls={options.calls}", f"--days={options.days}")
            subprocess.run(
                [sys.executable, __file__, "--fill", f"--lake={path}", *sizes], check=True
            )
        print(table(run(path)))


if __name__ == "__main__":
    main()
