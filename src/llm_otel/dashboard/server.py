"""Serving the dashboard.

Waitress: a WSGI server for production in plain Python. Flask's own says that it is none, and a
page is a few short queries in DuckDB, which lets go of Python's lock: threads are enough.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import flask

from llm_otel import listening
from llm_otel.dashboard.app import create_app
from llm_otel.dashboard.guard import COOKIE
from llm_otel.errors import ConfigError
from llm_otel.listening import in_url, is_loopback

_THREADS: Final = 8
_JOIN_S: Final = 5.0
_LOCAL: Final = "127.0.0.1"


def run(
    lake: str | os.PathLike[str],
    host: str = "127.0.0.1",
    port: int = 8050,
    *,
    token: str | None = None,
    trusted: bool = False,
    names: Sequence[str] = (),
    ready: Callable[[str], None] | None = None,
    **options: Any,
) -> None:
    """Serve the dashboard over the lake until the process is stopped.

    Args:
        lake: The lake's folder.
        host, port: Where to listen; port 0 takes a free one.
        token: What a browser must show; needed unless `host` is the machine itself or trusted.
        trusted: Whoever reaches `host` may look; only where nobody else can, as in a container
            whose ports are published on loopback.
        names: Names of the dashboard beside the machine's own, as of a proxy in front of it.
        ready: Called with the address once it answers.
        options: As of `create_app`.

    Raises:
        ConfigError: `host` can be reached from elsewhere, nobody said that it is trusted, and there
            is no token; or the port is taken.
    """
    server, application = _listening(lake, host, port, token, trusted, names, options)
    if ready is not None:
        ready(_address(server, host))
    threading.Thread(target=_warm, args=(application, token), daemon=True).start()
    server.run()


def _warm(application: flask.Flask, token: str | None) -> None:
    """Draw the first page before somebody asks for it: what a lake is read by is made then."""
    browser = application.test_client()
    if token is not None:
        browser.set_cookie(COOKIE, token)
    browser.get("/")


@contextmanager
def serving(lake: str | os.PathLike[str], **options: Any) -> Iterator[str]:
    """Serve on a free port of this machine, in a thread of this process; gives the address.

    Args:
        lake: The lake's folder.
        options: As of `create_app`.
    """
    token = options.pop("token", None)
    server, _ = _listening(lake, _LOCAL, 0, token, False, (), options)
    thread = threading.Thread(target=_until_closed, args=(server,), daemon=True)
    thread.start()
    try:
        yield _address(server, _LOCAL)
    finally:
        # What is being answered wakes the loop when it is done, so that goes last, within 5 s.
        server.task_dispatcher.shutdown()
        server.close()
        thread.join(_JOIN_S)
        # Browsers keep connections open, and Waitress a file for an answer that is half sent.
        for channel in list(server.active_channels.values()):
            channel.handle_close()


def _until_closed(server: Any) -> None:
    # Waitress has no stop: its loop ends by the error of its closed socket.
    with suppress(OSError):
        server.run()


def _address(server: Any, host: str) -> str:
    return f"http://{in_url(host)}:{server.socket.getsockname()[1]}"


def _listening(
    lake: str | os.PathLike[str],
    host: str,
    port: int,
    token: str | None,
    trusted: bool,
    names: Sequence[str],
    options: dict[str, Any],
) -> tuple[Any, flask.Flask]:
    """The server, and what it serves."""
    import waitress

    local = trusted or is_loopback(host)
    if not local and not token:
        raise ConfigError(
            f"the dashboard on {host} can be read from other machines: give a token, or listen on "
            "127.0.0.1"
        )
    hosts = listening.names(host, names, local=local)
    application = create_app(lake, token=token, hosts=hosts, **options)
    try:
        server = waitress.create_server(
            application, host=host, port=port, threads=_THREADS, ident="llm-otel"
        )
    except OSError as error:
        raise ConfigError(
            f"the dashboard cannot listen on {host}:{port} ({error.strerror}): choose another port"
        ) from error
    return server, application
