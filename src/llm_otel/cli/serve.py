"""`llm-otel serve`."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click
from click import get_current_context
from click.core import ParameterSource

from llm_otel.cli import options
from llm_otel.escaping import visible, visible_lines

if TYPE_CHECKING:
    from llm_otel.serve import Running
    from llm_otel.serve.schedule import Digests

_GB = 10**9


@click.command()
@options.lake
@options.config
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    envvar="LLM_OTEL_HOST",
    show_envvar=True,
    help="Address to listen at; any but this machine's own needs a token or --trust-network.",
)
@click.option("--http-port", type=int, default=4318, show_default=True, help="OTLP over HTTP.")
@click.option("--grpc-port", type=int, default=4317, show_default=True, help="OTLP over gRPC.")
@click.option(
    "--dashboard-port", type=int, default=8050, show_default=True, help="The dashboard's port."
)
@click.option("--no-dashboard", is_flag=True, help="Only receive and store.")
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the token that senders and browsers must show; or the variable LLM_OTEL_TOKEN.",
)
@click.option("--token", envvar="LLM_OTEL_TOKEN", hidden=True)
@click.option(
    "--trust-network",
    "trusted",
    is_flag=True,
    help="Whoever reaches --host may send and look, without a token: only where nobody else can, "
    "as in a container whose ports are published on loopback.",
)
@click.option(
    "--host-name",
    "names",
    multiple=True,
    metavar="NAME",
    help="A name that the dashboard and the receiver answer to beside localhost, as that of a "
    "proxy in front of them or of this container; may be given more than once.",
)
@click.option(
    "--keep-days", type=click.IntRange(min=1), help="Delete what is older; by default all is kept."
)
@click.option(
    "--keep-gb",
    type=click.FloatRange(min=0.1),
    help="Delete the oldest days when the lake is larger.",
)
@click.option(
    "--digest",
    type=click.Choice(("day", "week")),
    help="Send a digest every day, or every Monday; needs --to.",
)
@click.option(
    "--digest-at",
    type=click.DateTime(("%H:%M",)),
    default="06:00",
    show_default=True,
    help="When, in UTC.",
)
@click.option(
    "--alertmanager",
    metavar="URL",
    envvar="LLM_OTEL_ALERTMANAGER_URL",
    show_envvar=True,
    help="Alertmanager whose firing alerts the dashboard's first page shows, as "
    "http://localhost:9093.",
)
@click.option(
    "--metrics-to",
    metavar="URL",
    envvar="LLM_OTEL_METRICS_TO",
    show_envvar=True,
    help="OTLP over HTTP, as http://localhost:4318 of a Collector: gets the metrics of calls that "
    "only spans tell of, as of services in other languages.",
)
@options.targets("Where to; as of `llm-otel report`.")
@options.readable_errors
def command(
    lake: Path,
    config: Path | None,
    host: str,
    http_port: int,
    grpc_port: int,
    dashboard_port: int,
    no_dashboard: bool,
    token_file: Path | None,
    token: str | None,
    trusted: bool,
    names: tuple[str, ...],
    keep_days: int | None,
    keep_gb: float | None,
    digest: str | None,
    digest_at: datetime,
    alertmanager: str | None,
    metrics_to: str | None,
    targets: tuple[str, ...],
    targets_file: Path | None,
) -> None:
    """Receive OpenTelemetry, keep it in the lake, and show it on a dashboard.

    Programs that call `llm_otel.instrument()` find it without a setting, as any OpenTelemetry
    exporter with its default address does. What is acknowledged is on the disk. SIGHUP stores it
    in the tables at once.
    """
    from llm_otel.lake.maintenance import Retention
    from llm_otel.serve import Places, serve
    from llm_otel.stack.config import Config

    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("%(asctime)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    if token_file is not None:
        token = token_file.read_text(encoding="utf-8").strip()
    places = Places(
        host,
        http_port,
        grpc_port,
        None if no_dashboard else dashboard_port,
        token or None,
        trusted,
        names,
        Config.load(config).budgets,
        _url("--alertmanager", alertmanager, "http://localhost:9093"),
        _url("--metrics-to", metrics_to, "http://localhost:4318"),
    )
    retention = Retention(keep_days, None if keep_gb is None else int(keep_gb * _GB))
    to = options.all_targets(targets, targets_file)
    digests = _digests(digest, digest_at, to, config)
    options.private_files()
    unstored = serve(
        lake, places, retention, digests, lambda running: _tell(running, lake, places.token)
    )
    click.echo(_farewell(unstored))


def _url(option: str, text: str | None, example: str) -> str | None:
    if text and not text.startswith(("http://", "https://")):
        raise click.BadParameter(f"{text!r} is no URL: write it as {example}.", param_hint=option)
    return text or None


def _farewell(unstored: list[Path]) -> str:
    if not unstored:
        return "Stopped; everything that was acknowledged is stored."
    files = ", ".join(map(str, unstored))
    return (
        "Stopped; a part of what was acknowledged is not in the tables yet and will be at the next "
        f"start: {files}"
    )


class _OneLine(logging.Formatter):
    """A message, which may quote what was received, in one line; a traceback below it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return visible(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        return visible_lines(super().formatException(ei))


def _digests(
    kind: str | None, at: datetime, targets: tuple[str, ...], config: Path | None
) -> Digests | None:
    # The variable may be meant for `llm-otel report`.
    source = get_current_context().get_parameter_source("targets")
    if kind is None and source is ParameterSource.ENVIRONMENT:
        return None
    if (kind is None) != (not targets):
        raise click.UsageError("--digest says what to send and --to where: give both, or neither.")
    if kind is None:
        return None
    from llm_otel.digest import send
    from llm_otel.serve.schedule import Digests
    from llm_otel.stack.config import Config

    send.check(targets)
    settings = Config.load(config)
    return Digests(kind, at.time(), targets, settings.budgets, dashboard=settings.dashboard_url)


def _tell(running: Running, lake: Path, token: str | None) -> None:
    lines = [("OTLP", f"{running.http} (HTTP), {running.grpc} (gRPC)")]
    if running.dashboard is not None:
        address = f"{running.dashboard}/?token=…" if token else running.dashboard
        lines.append(("dashboard", address))
    lines.append(("lake", str(lake)))
    for name, value in lines:
        click.echo(f"  {click.style(f'{name:<10}', bold=True)} {value}")
    click.echo("Programs that call llm_otel.instrument() send here. Ctrl-C stops.")
