"""One of the services in a process of its own: `python -m examples.services.serve shop SOCKET`."""

from __future__ import annotations

import importlib
import socket
import sys

import uvicorn

from examples import local


def main(name: str, descriptor: int) -> None:
    """Serve until SIGTERM.

    Args:
        name: Of the module with the `app`.
        descriptor: Of a socket that listens already, so that nobody need wait for the service.
    """
    app = importlib.import_module(f"examples.services.{name}").app
    local.wait_for_prices()
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    server.run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
