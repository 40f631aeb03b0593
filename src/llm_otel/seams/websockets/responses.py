"""Which events of a WebSocket connection belong to which response."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.context import Context

from llm_otel.base import read
from llm_otel.core.call import Call
from llm_otel.protocols.spec import Observer, Socket


@dataclass(eq=False)
class Response:
    """A response on its way.

    Attributes:
        context: Where it was asked for.
        body: The request's parameters.
        shared: What its request and its first event have in common.
        event_id: The client's id for the event that asked for it.
        started: Its call has begun, or never will.
        call: None before that, and where the application wants no telemetry of it.
        observers: See the events of this response.
    """

    context: Context
    body: dict[str, Any]
    shared: object = None
    event_id: str | None = None
    started: bool = False
    call: Call | None = None
    observers: list[Observer] = field(default_factory=list)

    @property
    def awaits_chunk(self) -> bool:
        """Whether its first chunk is still to come."""
        return self.call is None or self.call.first_chunk_at is None


class Responses:
    """The responses of one connection. Thread-safe.

    Args:
        socket: What the events are.
    """

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        # The server has not begun these, in the order in which they were sent.
        self._waiting: list[Response] = []
        self._begun: dict[str, Response] = {}
        # What the client's last event asked for.
        self._latest: Response | None = None
        self._lock = threading.Lock()

    def shared(self, event: object) -> object:
        """What an event has in common with the others of its response; None for nothing."""
        return read.path(event, self._socket.shared) or None

    # ------------------------------------------------------------------ the client's side
    def asked_for(self, response: Response) -> None:
        """The client asks for a response."""
        with self._lock:
            self._waiting.append(response)
            self._latest = response

    def sent_another_event(self) -> None:
        """The client sends something that asks for no response."""
        self._latest = None

    @property
    def waiting(self) -> list[Response]:
        """Those that the server has not begun."""
        with self._lock:
            return list(self._waiting)

    # ------------------------------------------------------------------ the server's side
    def begun(self, event: object) -> Response | None:
        """The response that was asked for and begins with an event; None where nobody asked."""
        shared = self.shared(event)
        *way, last = self._socket.shared
        # A server that does not tell what it was sent answers in order.
        in_order = last not in read.fields(read.path(event, tuple(way)))
        with self._lock:
            match = _first(each for each in self._waiting if each.shared == shared)
            if match is None and in_order:
                match = _first(self._waiting)
            if match is not None:
                self._waiting.remove(match)
            return match

    def remember(self, key: str | None, response: Response) -> None:
        """Have a response that has begun found by its id."""
        if key is not None:
            with self._lock:
                self._begun[key] = response

    def under_way(self, event: object) -> Response | None:
        """The response that an event belongs to: by its id, else by what it shares."""
        key = read.text(event, "response_id") or read.text(read.get(event, "response"), "id")
        shared = self.shared(event)
        with self._lock:
            if key is not None:
                return self._begun.get(key)
            return _first(each for each in self._begun.values() if each.shared == shared)

    def refused(self, event: object) -> Response | None:
        """The response that the server refuses, or ends, with an error; None for another error."""
        with self._lock:
            match = self._refused(event)
            if match is not None:
                self._waiting.remove(match)
        if match is None and self._socket.errors_end_responses:
            return self.under_way(event)
        return match

    def _refused(self, event: object) -> Response | None:
        error = read.get(event, "error")
        event_id, param = read.text(error, "event_id"), read.text(error, "param")
        if event_id is not None:
            return _first(each for each in self._waiting if each.event_id == event_id)
        if self._socket.errors_end_responses:
            shared = self.shared(event)
            return _first(each for each in self._waiting if each.shared == shared)
        refusal = read.text(error, "code") in self._socket.refusals
        if refusal or (param is not None and param.startswith("response")):
            return _first(self._waiting)
        # Without any of these it is most likely about what was sent last.
        return self._latest if param is None and self._latest in self._waiting else None

    @property
    def awaits_chunk(self) -> bool:
        """Whether the first chunk of any response is still to come."""
        with self._lock:
            return any(each.awaits_chunk for each in (*self._waiting, *self._begun.values()))

    # ------------------------------------------------------------------ ends
    def forget(self, response: Response) -> None:
        """A response has ended."""
        with self._lock:
            if response in self._waiting:
                self._waiting.remove(response)
            for key in [key for key, known in self._begun.items() if known is response]:
                del self._begun[key]

    def take_all(self) -> list[Response]:
        """Forget all of them."""
        with self._lock:
            responses = [*self._waiting, *self._begun.values()]
            self._waiting.clear()
            self._begun.clear()
        return responses


def _first(responses: Iterable[Response]) -> Response | None:
    return next(iter(responses), None)
