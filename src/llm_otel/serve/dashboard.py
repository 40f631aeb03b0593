"""The dashboard as a process of its own: `python -m llm_otel.serve.dashboard LAKE HOST PORT`.

Its first line on standard input is JSON: who may look (`token`, `trusted` and `names` of
`llm_otel.dashboard.server.run`), the `budgets` and the `alertmanager`; its first line on standard
output is the address, once it answers. A later line of standard input is JSON with the address of
the lake's receiver. It ends when its standard input does: with the process that started it, however
that ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

from llm_otel.errors import ConfigError
from llm_otel.monthly_budgets import Budgets


def main(lake: str, host: str, port: int) -> None:
    """Serve until standard input ends."""
    from llm_otel.dashboard import server

    options = json.loads(sys.stdin.readline())
    options["budgets"] = Budgets(**options["budgets"])
    # Ctrl-C goes to both processes; the other one ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    receiver: list[str] = []
    threading.Thread(target=_listen_to_parent, args=(receiver,), daemon=True).start()
    try:
        server.run(
            lake,
            host,
            port,
            **options,
            ready=lambda at: print(at, flush=True),  # noqa: T201
            receiver=lambda: receiver[-1] if receiver else None,
        )
    except ConfigError as exc:
        sys.exit(f"llm-otel: {exc}")


def _listen_to_parent(receiver: list[str]) -> None:
    for line in sys.stdin:
        receiver.append(json.loads(line)["receiver"])
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
