"""`python -m examples.assistant`, or `make demo`: traffic, what the telemetry tells, the dashboard.

The application exports to a receiver of its own, as `llm-otel serve` is one; its lake is what the
dashboard shows.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import threading
import time
import webbrowser
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

import llm_otel
from examples import local
from examples.assistant import report, telemetry, traffic
from examples.assistant.app import Assistant, Hosts
from examples.assistant.figures import Figures
from examples.assistant.telemetry import Telemetry
from examples.rag.manual import MANUAL
from llm_otel import serve
from llm_otel.serve import Places, Running
from llm_otel.testing import Latency, Provider, provider

# About half of what these models take, so that nobody waits for a minute.
LATENCY = {
    "gpt-4o-mini": Latency(first=0.22, per_chunk=0.009, sigma=0.45),
    "gpt-4o": Latency(first=0.30, per_chunk=0.012, sigma=0.45),
    "gpt-5-mini": Latency(first=0.70, per_chunk=0.008, sigma=0.40),
    "claude-haiku-4-5": Latency(first=0.45, per_chunk=0.010, sigma=0.35),
    "gemini-2.5-flash": Latency(first=0.35, per_chunk=0.006, sigma=0.40),
    "text-embedding-*": Latency(first=0.06, sigma=0.40),
    "*": Latency(first=0.12, per_chunk=0.016, sigma=0.25),
}
# Shares of the requests.
FAULTS = {
    "rate_limit": 0.015,
    "server_error": 0.010,
    "unavailable": 0.006,
    "content_filter": 0.006,
    "context_length": 0.004,
    "hang": 0.003,
}
# Who answers, by `gen_ai.provider.name`, and how each fails.
PROVIDERS: dict[str, dict[str, float]] = {
    "openai": FAULTS,
    "anthropic": FAULTS,
    "gcp.gemini": {},
    "house": {},
}
ANY_PORTS = Places(http_port=0, grpc_port=0, dashboard_port=0)
USER_ID_KEY = "a key for the demo, so no secret at all"


class Notes(logging.Handler):
    """Keeps log lines for the end, as the progress bar owns the screen."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: dict[str, list[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.setdefault(record.name.partition(".")[0], []).append(record.getMessage())

    def listen(self, name: str) -> None:
        """Take over what a library logs."""
        logger = logging.getLogger(name)
        logger.addHandler(self)
        logger.propagate = False


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; 0 when the telemetry agrees with the providers."""
    options = _parser().parse_args(arguments)
    out, notes = report.console(), Notes()
    notes.listen("llm_otel")
    notes.listen("opentelemetry")
    local.bypass_proxies()
    with ExitStack() as open_:
        folder = options.lake or Path(open_.enter_context(TemporaryDirectory(prefix="llm-otel-")))
        here = open_.enter_context(serve.running(folder, ANY_PORTS))
        return _demonstrate(out, options, notes, here, folder)


def _demonstrate(
    out: Console, options: argparse.Namespace, notes: Notes, here: Running, folder: Path
) -> int:
    endpoint = telemetry.endpoint()
    listened = endpoint is not None and telemetry.listens(endpoint)
    recorded = Telemetry([here.http, None] if listened else [here.http])
    latency = None if options.fast else LATENCY
    with ExitStack() as open_:
        servers = {
            name: open_.enter_context(provider(seed=options.seed, latency=latency, faults=faults))
            for name, faults in PROVIDERS.items()
        }
        _introduce(out, options, servers)
        _instrument(recorded, servers)
        hosts = Hosts(
            openai=servers["openai"].url,
            anthropic=servers["anthropic"].origin,
            google=servers["gcp.gemini"].origin,
            house=servers["house"].url,
        )
        asyncio.run(_run(out, options, Assistant(hosts, MANUAL)))
        bills = {model: bill for each in servers.values() for model, bill in each.bill.items()}
    figures = Figures(recorded)
    if not figures.spans:
        out.print("Nothing was recorded. Is OTEL_SDK_DISABLED set?")
        return 1
    report.show(out, figures)
    agreed = report.agreement(out, figures, bills)
    in_time = recorded.close()
    here.flush()
    agreed = report.lake_agreement(out, figures, folder) and agreed
    _conclude(out, notes)
    if endpoint is not None:
        _tell_of_export(out, endpoint, listened, in_time and "opentelemetry" not in notes.lines)
    _show(out, here, wait=out.is_terminal and not options.headless)
    return 0 if agreed else 1


def _show(out: Console, here: Running, *, wait: bool) -> None:
    """Say where the dashboard is; leave it there until the user has seen enough."""
    assert here.dashboard is not None
    with urlopen(here.dashboard) as page:  # noqa: S310 our own, on this machine
        page.read()
    out.print(f"  The dashboard:        {here.dashboard}")
    out.print(f"  Providers in it:      {here.dashboard}/cost?by=provider")
    if wait:
        webbrowser.open(here.dashboard)
        out.print("\n[bold]Ctrl-C[/] ends the demo.")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    else:
        out.print("  It ended with this run; in a terminal, without --headless, it stays.")


def _instrument(recorded: Telemetry, servers: Mapping[str, Provider]) -> None:
    named = [local.priced_as(server.url, name) for name, server in servers.items()]
    llm_otel.instrument(
        tracer_provider=recorded.tracer_provider,
        meter_provider=recorded.meter_provider,
        logger_provider=recorded.logger_provider,
        providers={host: name for each in named for host, name in each.items()},
        stream_usage="always",  # by default only where it is proven to be accepted
        user_id="hash",
        user_id_key=USER_ID_KEY,
        flush_on_sigterm=True,  # as a service it is ended by `docker stop`
    )
    local.wait_for_prices()


async def _run(out: Console, options: argparse.Namespace, assistant: Assistant) -> None:
    interactions = traffic.schedule(options.interactions, options.seed)
    began = time.perf_counter()
    progress = Progress(
        TextColumn("interactions"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=out,
        transient=True,
        disable=not out.is_terminal,
    )
    with progress:
        task = progress.add_task("", total=len(interactions))
        await traffic.run(assistant, interactions, options.at_once, lambda: progress.advance(task))
    await assistant.close()
    out.print(f"{len(interactions)} interactions in {time.perf_counter() - began:.1f} s\n")


def _introduce(out: Console, options: argparse.Namespace, servers: Mapping[str, Provider]) -> None:
    host = servers["openai"].origin.partition("//")[2]
    out.print(
        "[bold]llm-otel demo[/]: an assistant with four features for three shops, on three SDKs: "
        "openai,\nanthropic and google-genai"
    )
    out.print(
        f"Local providers answer (seed {options.seed}); nothing leaves this machine, nothing is "
        "billed.\nPrices are those of the real ones, by the setting providers={"
        f"'{host}': 'openai', …}}.",
    )


def _conclude(out: Console, notes: Notes) -> None:
    for line in notes.lines.get("llm_otel", ()):
        out.print("[yellow]Log:[/]", Text(line))
    out.print("\n[bold]See more[/]")
    out.print("  The application:      examples/assistant/app.py")
    out.print("  What is emitted:      docs/telemetry.md; how cost is computed: docs/cost.md")
    if telemetry.endpoint() is None:
        out.print("  In your own backend:  OTEL_EXPORTER_OTLP_ENDPOINT=http://... make demo")


def _tell_of_export(out: Console, endpoint: str, listened: bool, complete: bool) -> None:
    if not listened:
        out.print(f"  [yellow]Nothing listens at {endpoint}: this run was not exported.[/]")
    elif not complete:
        out.print(f"  [yellow]{endpoint} did not take all of it.[/]")
    else:
        out.print(f"  In your own backend:  traces, metrics and events went to {endpoint}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m examples.assistant", description="Run the sample application."
    )
    parser.add_argument("--interactions", type=_positive, default=220, metavar="N")
    parser.add_argument("--seed", type=int, default=7, metavar="S", help="of traffic and providers")
    parser.add_argument(
        "--at-once", type=_positive, default=12, metavar="N", help="users at a time"
    )
    parser.add_argument("--headless", action="store_true", help="end instead of showing the page")
    parser.add_argument("--lake", type=Path, help="keep what was received in this folder")
    parser.add_argument("--fast", action="store_true", help="providers answer at once")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        raise SystemExit(130) from None
