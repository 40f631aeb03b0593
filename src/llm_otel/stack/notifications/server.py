"""The HTTP server: takes messages at /alerts and /heartbeat, shows them at /.

The documentation is at /docs/: alerts link to their runbooks there.
"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from llm_otel.connections import Connection, ConnectionServer, bind
from llm_otel.listening import host_name
from llm_otel.stack.notifications import documentation, page
from llm_otel.stack.notifications.messages import Inbox, Message, Refused

_logger = logging.getLogger("llm_otel")

LARGEST_BODY: Final = 1 << 20
# Of a body that is refused, what is read all the same: a sender looks at the answer after it.
_PASSED_OVER: Final = 8 << 20


class Server(ConnectionServer):
    """A server for one inbox.

    Args:
        address: Host and port to listen at; port 0: any that is free.
        inbox: Where messages go.
        names: What it answers to in the Host header; empty: whatever it is called.

    Raises:
        OSError: The port is taken or not allowed.
    """

    # Half of the processes and threads that the compose file allows.
    most = 32

    def __init__(
        self, address: tuple[str, int], inbox: Inbox, names: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(_Handler, bind(*address))
        self.inbox = inbox
        self.names = names

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of those who hang up; what is our mistake is told."""
        if isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)
        else:
            _logger.exception("The notifications page failed at a request")


def serve(host: str, port: int, inbox: Inbox, names: frozenset[str] = frozenset()) -> None:
    """Serve until interrupted.

    Args:
        host: The address to listen at.
        port: The port.
        inbox: Where messages go.
        names: What it answers to in the Host header; empty: whatever it is called.

    Raises:
        OSError: The port is taken or not allowed.
    """
    with Server((host, port), inbox, names) as server:
        server.serve_forever()


class _Handler(Connection):
    server: Server
    server_version = "llm-otel"
    sys_version = ""
    protocol_version = "HTTP/1.0"  # one request a connection

    def do_GET(self) -> None:
        if self._is_for_another():
            return
        path = urlsplit(self.path).path
        if path == "/":
            text = page.render(self.server.inbox, datetime.now(timezone.utc))
            self._answer(HTTPStatus.OK, text, "text/html; charset=utf-8")
        elif path == "/api/messages":
            self._answer_json(HTTPStatus.OK, [as_json(each) for each in self.server.inbox.messages])
        elif path == "/healthz":
            self._answer(HTTPStatus.OK, "ok\n", "text/plain; charset=utf-8")
        elif path.startswith("/docs/"):
            self._answer_documentation(path.removeprefix("/docs/") or documentation.INDEX)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "There are /, /docs/, /api/messages and /healthz.")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        if self._is_for_another():
            return
        path = urlsplit(self.path).path
        if path not in ("/alerts", "/heartbeat"):
            self._refuse_unread(
                HTTPStatus.NOT_FOUND, "Messages are taken at /alerts and /heartbeat."
            )
            return
        # Another site's page in a browser can post text and forms here, but not this type.
        if self.headers.get_content_type() != "application/json":
            self._refuse_unread(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send application/json.")
            return
        length = self._length()
        if length is None or length > LARGEST_BODY:
            self._refuse_unread(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"Send a body with its length, of at most {LARGEST_BODY} bytes.",
            )
            return
        body = self.rfile.read(length)
        self.request_is_whole()
        if path == "/heartbeat":
            self.server.inbox.beat(datetime.now(timezone.utc))
        else:
            try:
                self.server.inbox.add(body)
            except Refused as exc:
                self._refuse(HTTPStatus.BAD_REQUEST, str(exc))
                return
            except OSError as exc:
                # Alertmanager sends it again.
                why = f"The message cannot be stored ({exc.strerror}): make room on the disk."
                self._refuse(HTTPStatus.INSUFFICIENT_STORAGE, why)
                return
        self._answer_json(HTTPStatus.OK, {"status": "ok"})

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: what came is on the page."""

    def _is_for_another(self) -> bool:
        """Refuse a request for a name that is not ours, as a page sends whose name points here."""
        header = self.headers["host"]
        if not self.server.names or header is None:  # every browser sends one
            return False
        name = host_name(header)
        # Who knows the very address did not come by a name.
        if name in self.server.names or name == self.connection.getsockname()[0]:
            return False
        why = f"This is not {name[:100]}: --host-name adds a name that it answers to."
        self._refuse_unread(HTTPStatus.MISDIRECTED_REQUEST, why)
        return True

    def _length(self) -> int | None:
        """What the body's length is said to be; None: nothing, or no sensible number."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isdecimal() and len(text) < 10 else None

    def _refuse_unread(self, status: HTTPStatus, why: str) -> None:
        remaining = min(self._length() or 0, _PASSED_OVER)
        while remaining > 0:
            part = self.rfile.read(min(remaining, 1 << 16))
            if not part:
                break
            remaining -= len(part)
        self._refuse(status, why)

    def _answer_documentation(self, name: str) -> None:
        text = page.render_documentation(name)
        if text is None:
            self._refuse(
                HTTPStatus.NOT_FOUND, "There is no such page; /docs/ lists those there are."
            )
        else:
            self._answer(HTTPStatus.OK, text, "text/html; charset=utf-8")

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True  # more may follow
        self._answer_json(status, {"error": why})

    def _answer_json(self, status: HTTPStatus, content: Any) -> None:
        self._answer(status, json.dumps(content) + "\n", "application/json")

    def _answer(self, status: HTTPStatus, text: str, content_type: str) -> None:
        body = text.encode()
        self.request_is_whole()
        self.send_response(status)
        for name, value in (
            ("Content-Type", content_type),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", page.policy()),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def as_json(message: Message) -> dict[str, Any]:
    """A message as `/api/messages` shows it."""
    return {
        **asdict(message),
        "received": message.received.isoformat(),
        "severity": message.severity,
    }
