"""`llm-otel notifications`: a page that shows what Alertmanager sends."""

from __future__ import annotations

import sys

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
    help="How many messages are kept, in memory.",
)
def command(host: str, port: int, keep: int) -> None:
    """Show the messages of Alertmanager on a page: what would be sent.

    Alertmanager posts to /alerts; the page is at /, the same as JSON at /api/messages. The last
    messages are kept in memory, and nothing is sent on. It runs until it is interrupted.
    """
    from llm_otel.stack.notifications import Inbox, serve

    click.echo(f"Notifications: http://{host}:{port}/")
    try:
        serve(host, port, Inbox(keep))
    except OSError as exc:
        reason = f"Cannot listen at {host}:{port}: {exc.strerror}; choose another --port."
        raise click.ClickException(reason) from None
    except KeyboardInterrupt:
        sys.exit(130)
