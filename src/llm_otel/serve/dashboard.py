"""The dashboard as a process of its own: `python -m llm_otel.serve.dashboard LAKE HOST PORT`.

Its first line on standard input is JSON with who may look: `token`, `trusted` and `names` of
`llm_otel.dashboard.server.run`; its first line on standard output is the address, once it answers.
It ends when its standard input does: with the process that started it, however that ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

from llm_otel.errors import ConfigError


def main(lake: str, host: str, port: int) -> None:
    """Serve until standard input ends."""
    from llm_otel.dashboard import server

    guard = json.loads(sys.stdin.readline())
    # Ctrl-C goes to both processes; the other one ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        server.run(lake, host, port, **guard, ready=lambda at: print(at, flush=True))  # noqa: T201
    except ConfigError as exc:
        sys.exit(f"llm-otel: {exc}")


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
