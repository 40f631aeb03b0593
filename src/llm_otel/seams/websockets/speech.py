"""Transcriptions of what the user says: by a model of its own and billed at its prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.core import endings
from llm_otel.core.call import Call
from llm_otel.protocols.spec import Endpoint, Transcription

Begin = Callable[[Endpoint, dict[str, object]], "Call | None"]


class Speech:
    """What the server transcribes on one connection.

    Args:
        events: What the events are.
        begin: Begins a call, given its endpoint and its request's parameters.
    """

    def __init__(self, events: Transcription, begin: Begin) -> None:
        self._events = events
        self._begin = begin
        self._model: str | None = None
        self._calls: dict[str, Call] = {}
        self._handlers: Mapping[str, Callable[[object], None]] = {
            events.begun: self._begun,
            events.chunk: self._chunk,
            events.completed: self._completed,
            events.failed: self._failed,
        }
        # The others are only wanted while somebody waits for a chunk.
        self.wanted = frozenset(
            name.encode() for name in (events.begun, events.completed, events.failed)
        )

    def configured(self, session: object) -> None:
        """The server tells how a session is set up."""
        for *way, last in self._events.models:
            settings = read.path(session, tuple(way[:-1]))
            if way[-1] in read.fields(settings):
                self._model = read.text(read.get(settings, way[-1]), last)
                return

    def received(self, kind: str, event: object) -> bool:
        """Take an event; False if it is not about speech."""
        handler = self._handlers.get(kind)
        if handler is None:
            return False
        handler(event)
        return True

    @property
    def awaits_chunk(self) -> bool:
        """Whether the first piece of any text is still to come."""
        return any(call.first_chunk_at is None for call in list(self._calls.values()))

    def take_all(self) -> list[Call]:
        """Forget what is open."""
        calls = list(self._calls.values())
        self._calls.clear()
        return calls

    def _begun(self, event: object) -> None:
        key = read.text(event, "item_id")
        if key is None or key in self._calls or self._model is None:
            return
        call = self._start()
        if call is not None:
            self._calls[key] = call

    def _start(self) -> Call | None:
        # The session's own model must not stand for one that is not known.
        call = self._begin(self._events.endpoint, {"model": self._model or semconv.NONE})
        if call is not None:
            endings.watch(call)
        return call

    def _chunk(self, event: object) -> None:
        call = self._calls.get(read.text(event, "item_id") or "")
        if call is not None and call.first_chunk_at is None:
            call.first_chunk_at = perf_counter()

    def _ended(self, event: object) -> Call | None:
        call = self._calls.pop(read.text(event, "item_id") or "", None)
        return call if call is not None else self._start()

    def _completed(self, event: object) -> None:
        call = self._ended(event)
        if call is not None:
            endings.end("websocket", call, call.returned, event)

    def _failed(self, event: object) -> None:
        call = self._ended(event)
        if call is not None:
            endings.end("websocket", call, _end_failed, call, event)


def _end_failed(call: Call, event: object) -> None:
    call.watch()[0].add({"type": "error", "error": read.get(event, "error")})
    call.drained()
