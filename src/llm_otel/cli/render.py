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
@options.readable_errors
def command(config: Path | None, out: Path, check: bool) -> None:
    """Write the stack's generated files: Collector, rules, alerts, messages, dashboards.

    Thresholds, budgets and receivers come from llm-otel.yaml; what is current stays untouched. A
    file that an earlier run wrote and that is no longer made is removed.
    """
    from llm_otel.stack import folder, render
    from llm_otel.stack.config import Config

    texts = render.files(Config.load(config))
    leftovers = render.leftovers(out, texts)
    if not check:
        # first, as writing forgets what there was
        for path in leftovers:
            (out / path).unlink()
    differing = render.stale(out, texts) if check else render.write(out, texts)
    if not check:
        folder.note_rendered(out, texts, leftovers)
    for path in differing:
        click.echo(f"{'stale' if check else 'wrote'} {path}")
    for path in leftovers:
        click.echo(f"{'no longer made:' if check else 'removed'} {path}")
    click.echo(_counts(len(texts), len(differing), len(leftovers), check))
    if check and (differing or leftovers):
        raise click.ClickException("Run `llm-otel render` to bring them up to date.")


def _counts(files: int, differing: int, leftovers: int, check: bool) -> str:
    verb, other_verb = ("stale", "no longer made") if check else ("written", "removed")
    more = f", {leftovers} {other_verb}" if leftovers else ""
    return f"{files} files: {differing} {verb}, {files - differing} current{more}."
