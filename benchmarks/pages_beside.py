"""The pages of `llm-otel serve`, Arize Phoenix and MLflow over the same traces, in one browser.

Each server is filled with the same 20,000 spans and restarted. Then all run, and one Chromium looks
at the list of traces, opens traces of 10, 1,000 and 10,000 spans and the page of costs, one server
after the other, in several rounds. The first round is a fresh profile at a server that nobody has
asked yet; the others have the browser's cache. Every time ends when a frame with what is waited for
has been painted. Stores are kept in the folder and are not filled again.

    python benchmarks/pages_beside.py [--folder FOLDER] [--rounds 6] [--skip NAME]
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import environments
from page_servers import filled, memory, places
from page_traces import Trace, requests, traces
from page_views import Reader, Seen, Target
from server_kinds import SERVERS, Places, Server
from server_process import Process, running
from subjects import OURS

sys.path.insert(0, str(environments.ROOT))

from tools.browser import chromium

SIZES = (10, 1_000, 10_000)
_SMALL = 899  # Traces of ten spans beside these: 20,000 spans in all.
_ROWS = 10  # Of the list or of a trace: what is on the screen.
_LIST = "trace list"
_COST = "cost"
_PROJECT = "/projects/UHJvamVjdDox"  # Phoenix's id of its first project: base64 of `Project:1`.


@dataclass(frozen=True)
class Views:
    """Where a server shows what, and what is there when it does.

    Args:
        listed: Address of the list of traces.
        row: Gives the selector of the link to a trace, of any when there is no id.
        span: Selector of a span's row in an opened trace.
        cost: Address of the page with costs.
        spent: What is there when it says what was spent.
    """

    listed: str
    row: Callable[[str], str]
    span: str
    cost: str
    spent: Target


VIEWS: Mapping[str, Views] = {
    OURS: Views(
        "/traces",
        lambda trace: f'main tbody td:nth-child(2) a[href^="/traces/{trace}"]',
        ".waterfall > li",
        "/cost",
        Target("main .plot .point path", 7),
    ),
    "phoenix": Views(
        f"{_PROJECT}/traces",
        lambda trace: f'table a[href*="/traces/{trace}"]',
        ".span-node-wrap",
        f"{_PROJECT}/metrics",
        Target('section:has(h4[title="Cost"]) .recharts-rectangle', 7),
    ),
    "mlflow": Views(
        "/#/experiments/0/traces",
        lambda trace: f'a[aria-label^="Open trace tr-{trace}"]',
        '[data-testid^="span-text-block-"]',
        "/#/experiments/0/overview/usage",
        Target("h3", 1, r"^\$[\d.]+.*Total Cost"),
    ),
}


def opened(size: int) -> str:
    """The name of the row about a trace of so many spans."""
    return f"trace of {size:,} spans"


def visit(profile: Any, origin: str, views: Views, newest: Sequence[Trace]) -> dict[str, Seen]:
    """One round at one server: name -> what was seen."""
    reader = Reader(profile)
    seen = {}
    for trace in newest:
        reader.page.goto("about:blank")  # Else an address that differs by its # is no navigation.
        listed = reader.goto(f"{origin}{views.listed}", Target(views.row(""), _ROWS))
        seen.setdefault(_LIST, listed)
        target = Target(views.span, _ROWS, "step 1")
        seen[opened(trace.spans)] = reader.click(views.row(trace.trace_id), target)
    reader.page.goto("about:blank")
    seen[_COST] = reader.goto(f"{origin}{views.cost}", views.spent)
    reader.page.close()
    return seen


def measure(
    servers: Sequence[Server], folder: Path, newest: Sequence[Trace], rounds: int
) -> tuple[dict[str, list[dict[str, Seen]]], dict[str, tuple[int, int]]]:
    """Of each server, what was seen in each round; and its memory before and after them."""
    seen: dict[str, list[dict[str, Seen]]] = {server.title: [] for server in servers}
    used: dict[str, tuple[int, int]] = {}
    with ExitStack() as stack:
        at: dict[str, Places] = {each.title: places(folder / each.environment) for each in servers}
        programs: dict[str, Process] = {
            each.title: stack.enter_context(running(each, at[each.title])) for each in servers
        }
        time.sleep(10)  # What a server does once after its start is not its pages' work.
        idle = {title: memory(program) for title, program in programs.items()}
        browser = stack.enter_context(chromium())
        profiles = {
            each.title: browser.new_context(viewport={"width": 1440, "height": 900})
            for each in servers
        }
        for number in range(rounds):
            for server in servers:
                origin = f"http://127.0.0.1:{server.asked(at[server.title])}"
                views = VIEWS[server.environment]
                seen[server.title].append(visit(profiles[server.title], origin, views, newest))
                last = seen[server.title][-1]
                times = {name: f"{each.ms / 1000:.2f} s" for name, each in last.items()}
                print(f"round {number + 1}, {server.title}: {times}", flush=True)
        for title, program in programs.items():
            used[title] = idle[title], memory(program)
    return seen, used


def table(
    seen: Mapping[str, Sequence[Mapping[str, Seen]]],
    used: Mapping[str, tuple[int, int]],
    took: Mapping[str, float | None],
) -> str:
    """The figures in Markdown, a column for each server."""

    def row(name: str, value: Callable[[Sequence[Mapping[str, Seen]]], str]) -> str:
        return f"| {name} | {' | '.join(value(every) for every in seen.values())} |"

    names = [*next(iter(seen.values()))[0]]
    lines = ["| | " + " | ".join(seen) + " |", "|---|" + "---|" * len(seen)]
    fill = ("–" if each is None else f"{each:.0f} s" for each in took.values())
    lines.append(f"| 20,000 spans sent until readable | {' | '.join(fill)} |")
    for name in names:
        lines.append(row(f"**{name}**: first, then", lambda every, n=name: _times(every, n)))
    for name in names:
        lines.append(row(f"{name}: bytes first, then", lambda every, n=name: _bytes(every, n)))
    for name in names:
        lines.append(row(f"{name}: elements, rows", lambda every, n=name: _elements(every, n)))
    sizes = (f"{idle >> 20}, {after >> 20} MiB" for idle, after in used.values())
    lines.append(f"| server's memory after its start, after all this | {' | '.join(sizes)} |")
    return "\n".join(lines)


def _times(every: Sequence[Mapping[str, Seen]], name: str) -> str:
    first, *rest = (each[name].ms / 1000 for each in every)
    then = statistics.median(rest) if rest else first
    return ", ".join(f"{s:.2f} s" if math.isfinite(s) else "given up" for s in (first, then))


def _bytes(every: Sequence[Mapping[str, Seen]], name: str) -> str:
    first, *rest = (each[name].transferred / 1000 for each in every)
    return f"{first:,.0f} kB" + (f", {statistics.median(rest):,.0f} kB" if rest else "")


def _elements(every: Sequence[Mapping[str, Seen]], name: str) -> str:
    last = every[-1][name]
    return f"{last.nodes:,}, {last.targets:,}"


def main() -> None:
    """Fill, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, help="where stores are kept for another run")
    parser.add_argument("--rounds", type=int, default=6, help="the first one is told apart")
    parser.add_argument("--skip", action="append", default=[], choices=[*VIEWS])
    options = parser.parse_args()
    servers = [server for server in SERVERS if server.environment not in options.skip]
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        began = folder / "now"
        if not began.exists():
            began.write_text(str(time.time_ns()))
        every = traces(int(began.read_text()), _SMALL, SIZES, SIZES[0])
        bodies, spans = requests(every), sum(trace.spans for trace in every)
        took = {
            each.title: filled(each, folder / each.environment, bodies, spans) for each in servers
        }
        print(f"{os.cpu_count()} cores, {spans:,} spans, sent until readable: {took}", flush=True)
        print(f"load average {os.getloadavg()[0]:.1f}", flush=True)
        seen, used = measure(servers, folder, every[: len(SIZES)], options.rounds)
    print(table(seen, used, took))
    print(f"load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
