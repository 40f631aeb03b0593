"""How the clients are hooked: one function for all ways there are."""

from __future__ import annotations

import sys
from functools import partial

from llm_otel.clients import Known
from llm_otel.seams import imports, stainless
from llm_otel.seams.replacing import replaced
from llm_otel.seams.websockets import classes as connections

# Packages that were imported, so that their clients are hooked.
_packages: set[str] = set()


def install(client: Known) -> None:
    """Hook a client: now, or as soon as it is imported, of which nothing is known before."""
    if client.package in sys.modules:
        imports.guarded(partial(_install, client))
    else:
        imports.watch(client.package, partial(_first_imported, client))


def _first_imported(client: Known) -> None:
    if client.package not in _packages:
        _install(client)


def _install(client: Known) -> None:
    _packages.add(client.package)
    spec = client.load()
    if spec.hooks:
        from llm_otel.seams import functions  # most programs use no client that has these

        functions.install(spec)
    else:
        stainless.install(spec)
    connections.install(spec)


def complete() -> None:
    """Hook what waits until there is an SDK."""
    stainless.complete()


def remove_all() -> None:
    """Take all hooks out; one that somebody has wrapped since stays, and passes through.

    What is open on a WebSocket ends: nobody will see its end.
    """
    imports.forget()
    _packages.clear()
    with replaced.lock:
        stainless.forget()
        replaced.remove_all()
    connections.end_all()
