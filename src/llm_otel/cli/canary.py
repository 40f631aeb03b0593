"""`llm-otel canary`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import rich_click as click

from llm_otel.errors import ConfigError
from llm_otel.escaping import visible
from llm_otel.stack import canary
from llm_otel.stack.canary import looking, sending

_FORMS_SHOWN: Final = 3
_PROTOCOLS: Final = ("both", "http", "grpc")


@click.command()
@click.option(
    "--endpoint",
    default="http://localhost:4318",
    show_default=True,
    envvar="OTEL_EXPORTER_OTLP_ENDPOINT",
    show_envvar=True,
    metavar="URL",
    help="The OTLP/HTTP endpoint under test.",
)
@click.option(
    "--grpc-endpoint",
    default="localhost:4317",
    show_default=True,
    metavar="HOST:PORT",
    help="Its OTLP/gRPC endpoint.",
)
@click.option(
    "--protocol",
    type=click.Choice(_PROTOCOLS),
    default="both",
    show_default=True,
    help="How to send.",
)
@click.option(
    "--look-in",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="A file or folder to search: logs, queues, exported files. Can be repeated.",
)
@click.option("--prometheus", metavar="URL", help="Search series, exemplars and metadata.")
@click.option("--alertmanager", metavar="URL", help="Search alerts.")
@click.option("--tempo", metavar="URL", help="Search tags, their values and traces.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0, max=3600),
    default=30.0,
    show_default=True,
    help="Seconds that telemetry may take to get there.",
)
def command(
    endpoint: str,
    grpc_endpoint: str,
    protocol: str,
    look_in: tuple[Path, ...],
    prometheus: str | None,
    alertmanager: str | None,
    tempo: str | None,
    wait: float,
) -> None:
    """Prove that an endpoint lets nothing private through.

    Sends thousands of records, each with a secret of its own at one place of OTLP, then looks for
    the secrets where nothing private may be. Use it on a stack whose data may be thrown away: what
    leaks stays there. Exit code 1: something leaked, or nothing arrived and nothing is proven.
    """
    ways = {"http": sending.http(endpoint), "grpc": sending.grpc_(grpc_endpoint)}
    places = {str(path): looking.files(path) for path in look_in}
    for name, url, place in (
        ("Prometheus", prometheus, looking.prometheus),
        ("Alertmanager", alertmanager, looking.alertmanager),
        ("Tempo", tempo, looking.tempo),
    ):
        if url is not None:
            places[name] = place(url.rstrip("/"))
    marks = canary.new_marks()
    try:
        selected = {name: way for name, way in ways.items() if protocol in (name, "both")}
        report = canary.run(marks, selected, places, wait)
    except ConfigError as exc:
        raise click.ClickException(str(exc)) from None
    _show(report)
    raise SystemExit(0 if report.proven or not places else 1)


def _show(report: canary.Report) -> None:
    total, refusals = len(report.shipment.canaries), len(report.shipment.refused_indices)
    click.echo(f"{total:,} canaries sent, {refusals:,} of them refused.")
    mark = report.marks.text(0)[:-5]
    click.echo(f"Each holds {mark}NNNNN: search for {mark} wherever else you like.")
    for (place, where), leaks in report.leaked.items():
        forms = ", ".join(f"{leak.form} ({leak.protocol})" for leak in leaks[:_FORMS_SHOWN])
        more = f" and {len(leaks) - _FORMS_SHOWN} more" if len(leaks) > _FORMS_SHOWN else ""
        click.echo(f"✗ {visible(f'{place}: {where}: {forms}{more}')}")
    leaking = {place for place, _ in report.leaked}
    for place in report.sightings.keys() - leaking:
        arrived = "nothing of this run arrived" if place in report.silent else "telemetry arrived"
        click.echo(f"✓ {visible(place)}: {arrived}, no canary in it")
    if report.sightings and len(report.silent) == len(report.sightings):
        click.echo("✗ Nothing of this run arrived anywhere, so nothing is proven: see --wait.")
