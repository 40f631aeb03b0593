"""`llm-otel notifications`: a page that shows what Alertmanager sends."""

from __future__ import annotations

import sys
from pathlib import Path

import rich_click as click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port", default=8025, show_default=True, type=click.IntRange(1, 65535), help="The port."
)
@click.option(
    "--keep",
    default=200,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="How many messages are kept.",
)
@click.option(
    "--store",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep the messages in this file, too: a restart does not forget them.",
)
@click.option(
    "--host-name",
    "names",
    multiple=True,
    metavar="NAME",
    help="A name that the page answers to beside localhost, as that of a proxy in front of it or of"
    " this container; may be given more than once.",
)
def command(host: str, port: int, keep: int, store: Path | None, names: tuple[str, ...]) -> None:
    """Show the messages of Alertmanager on a page: what would be sent.

    Alertmanager posts to /alerts; the page is at /, the same as JSON at /api/messages. The last
    messages are kept, in memory or in a file, and nothing is sent on. It runs until it is
    interrupted.
    """
    from llm_otel import listening
    from llm_otel.stack.notifications import Inbox, Journal, serve

    try:
        inbox = Inbox(keep, Journal(store, keep) if store else None)
    except OSError as exc:
        reason = f"Cannot keep messages in {exc.filename or store}: {exc.strerror}."
        raise click.ClickException(reason) from None
    click.echo(f"Notifications: http://{host}:{port}/")
    try:
        host_names = listening.names(host, names, local=listening.is_loopback(host))
        serve(host, port, inbox, host_names)
    except OSError as exc:
        reason = f"Cannot listen at {host}:{port}: {exc.strerror}; choose another --port."
        raise click.ClickException(reason) from None
    except KeyboardInterrupt:
        sys.exit(130)
