"""`llm-otel render`."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from llm_otel.cli import options


@click.command()
@options.config
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    show_default="the current one",
    help="The folder of the stack, where docker-compose.yml is.",
)
@click.option("--check", is_flag=True, help="Write nothing; name the files that are stale.")
@options.told
def command(config: Path | None, out: Path, check: bool) -> None:
    """Write the stack's generated files: Collector, rules, alerts, messages, dashboards.

    Thresholds, budgets and receivers come from llm-otel.yaml; what is current stays untouched.
    """
    from llm_otel.stack import render
    from llm_otel.stack.config import Config

    wanted = render.files(Config.load(config))
    changed = render.stale(out, wanted) if check else render.write(out, wanted)
    for path in changed:
        click.echo(f"{'stale' if check else 'wrote'} {path}")
    current = len(wanted) - len(changed)
    done = "stale" if check else "written"
    click.echo(f"{len(wanted)} files: {len(changed)} {done}, {current} current.")
    if check and changed:
        raise click.ClickException("Run `llm-otel render` to bring them up to date.")
