"""What both stand-ins need: an HTTP server over a table of answers, and Prometheus's text."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

# Path, query and headers of a request -> status and body; a body that is no bytes goes out as JSON.
Answer = Callable[[str, str, Any], tuple[int, Any]]
_STARTED = time.time()


def serve(port: int, answer: Answer) -> None:
    """Answer GET until SIGTERM, and let nothing unanswered kill the server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            split = urlsplit(self.path)
            status, body = answer(split.path, split.query, self.headers)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            kind = "text/plain" if isinstance(body, bytes) else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = ThreadingHTTPServer(("0.0.0.0", port), Handler)
    server.daemon_threads = True
    server.serve_forever()


def metrics(**values: float) -> bytes:
    """A page of metrics, with the time of the start as Go programs have it."""
    values["process_start_time_seconds"] = _STARTED
    return "".join(f"# TYPE {n} gauge\n{n} {v}\n" for n, v in values.items()).encode()
