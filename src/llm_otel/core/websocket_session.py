"""What one WebSocket connection carries: a span of its own, and a call for each response."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.trace import SpanKind, Status, StatusCode

from llm_otel import semconv
from llm_otel.attribution import current
from llm_otel.clients.spec import Endpoint, Socket
from llm_otel.core import endings, errors, finalizers, guard, read, rivals
from llm_otel.core.call import Call, Observer
from llm_otel.core.runtime import Runtime
from llm_otel.core.server import Server

CREATE = "response.create"
_CREATED = "response.created"
_ERROR = "error"
_SESSIONS = frozenset({"session.created", "session.updated"})
_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"

# Most messages are pieces of audio: only those are parsed that may say something new.
_TYPES = re.compile(rb'"type"\s*:\s*"([a-z_.]+)"')

# Where a session names the model that transcribes: the API of today, and its beta.
_TRANSCRIBERS = (
    ("audio", "input", "transcription", "model"),
    ("input_audio_transcription", "model"),
)


@dataclass(eq=False)
class Response:
    """A response on its way.

    Attributes:
        call: None where the application wants no telemetry of it.
        event_id: The client's id for the event that asked for it.
        lane: Several conversations may share a connection: which one this belongs to.
        observers: See the events of this response.
    """

    call: Call | None
    event_id: str | None = None
    lane: str | None = None
    observers: list[Observer] = field(default_factory=list)

    @property
    def awaits_chunk(self) -> bool:
        """Whether its first chunk is still to come."""
        return self.call is not None and self.call.first_chunk_at is None


class Session:
    """One connection, from before its handshake to its end.

    Args:
        runtime: Where to emit.
        socket: What the events are.
        host: Who answers.
        model: What the program connects to; None where each response names its own.
        context: The caller's.
        own_spans: False when an outer instrumentation has spans for these calls.
    """

    def __init__(
        self,
        runtime: Runtime,
        socket: Socket,
        host: Server,
        model: str | None,
        context: Context,
        own_spans: bool,
    ) -> None:
        self._runtime = runtime
        self._socket = socket
        self._server = host
        self._model = model
        self._transcriber: str | None = None
        self._own_spans = own_spans
        self._epoch = runtime.instruments.epoch
        # The server has not begun these, in the order in which they were sent.
        self._waiting: list[Response] = []
        self._begun: dict[str, Response] = {}
        self._lock = threading.Lock()
        self._open = True
        self._outer = trace.get_current_span(context)
        self._parses_all = runtime.policy.active or runtime.settings.per_chunk_metric
        self._wanted = {
            name.encode() for name in (*socket.ends, *_SESSIONS, _CREATED, _ERROR, _TRANSCRIBED)
        }
        # The program is about to close the connection.
        self.closing = False
        self.span = self._start_span(context)
        self.context = trace.set_span_in_context(self.span, context)

    def _start_span(self, context: Context) -> trace.Span:
        attributes = {semconv.OPERATION_NAME: semconv.CONNECT, **self._server.attributes}
        if self._socket.endpoint.api_type is not None:
            attributes[semconv.OPENAI_API_TYPE] = self._socket.endpoint.api_type
        name = semconv.CONNECT
        if self._model is not None:
            attributes[semconv.REQUEST_MODEL] = self._model
            name = f"{name} {self._model}"
        attributes.update(current(context).span_attributes)
        return self._runtime.tracer.start_span(name, context, SpanKind.CLIENT, attributes)

    # ------------------------------------------------------------------ the client's side
    def sending(self, event: object) -> Response | None:
        """The client is about to send an event.

        Returns:
            The response that it asks for, if it does.
        """
        if not self._open or read.text(event, "type") != CREATE:
            return None
        body = read.path(event, self._socket.body_at)
        response = Response(
            self._begin(self._socket.endpoint, read.fields(body)),
            read.text(event, "event_id"),
            read.text(event, "stream_id"),
        )
        self._watch(response)
        with self._lock:
            self._waiting.append(response)
        return response

    def unsent(self, response: Response, exc: BaseException) -> None:
        """The event that asks for a response could not be sent."""
        self._forget(response)
        if response.call is not None:
            endings.fail("websocket", response.call, exc)

    def _begin(
        self, endpoint: Endpoint, body: Mapping[str, object], model: str | None = None
    ) -> Call | None:
        """Begin a call under the caller's span, under the connection's where there is no nearer."""
        context = get_current()
        if rivals.suppressed(context):
            return None
        model = model or self._model
        if model is not None and not body.get("model"):
            body = {**body, "model": model}
        if trace.get_current_span(context) in (self._outer, trace.INVALID_SPAN):
            context = trace.set_span_in_context(self.span, context)
        return Call(
            self._runtime,
            endpoint,
            self._server,
            body,
            None,
            context,
            streaming=endpoint is self._socket.endpoint,
            own_span=self._own_spans,
        )

    def _watch(self, response: Response) -> None:
        call = response.call
        if call is None:
            return
        endings.watch(call)
        try:
            response.observers = call.watch()
        except Exception as exc:  # noqa: BLE001 - the call ends without what its events tell
            guard.handle("websocket", exc)

    def _forget(self, response: Response) -> None:
        with self._lock:
            if response in self._waiting:
                self._waiting.remove(response)
            for key in [key for key, known in self._begun.items() if known is response]:
                del self._begun[key]

    # ------------------------------------------------------------------ the server's side
    def received(self, data: object) -> None:
        """A message came, as it was on the wire."""
        message = data.encode() if isinstance(data, str) else data
        if not self._open or not isinstance(message, bytes) or not self._may_matter(message):
            return
        event = read.json_of(message)
        kind = read.text(event, "type") or ""
        if kind in _SESSIONS:
            self._configured(read.get(event, "session"))
        elif kind == _CREATED:
            self._created(event)
        elif kind in self._socket.ends:
            self._ended(event)
        elif kind == _ERROR:
            self._refused(event)
        elif kind == _TRANSCRIBED:
            self._transcribed(event)
        elif kind.startswith("response."):
            self._continued(event, chunk=kind.endswith(".delta"))

    def _may_matter(self, message: bytes) -> bool:
        if self._parses_all:
            return True
        names = set(_TYPES.findall(message))
        if not names.isdisjoint(self._wanted):
            return True
        with self._lock:
            waits = any(each.awaits_chunk for each in (*self._waiting, *self._begun.values()))
        return waits and any(name.endswith(b".delta") for name in names)

    def _configured(self, session: object) -> None:
        self._model = read.string(read.get(session, "model")) or self._model
        for way in _TRANSCRIBERS:
            model = read.string(read.path(session, way))
            if model is not None:
                self._transcriber = model
                return

    def _created(self, event: object) -> None:
        node = read.get(event, "response")
        response = self._next(event)
        if response is None:  # the server begins it on its own: it heard somebody stop speaking
            response = self._of_server(node)
        self._observe(response, event)
        key = read.text(node, "id")
        with self._lock:
            if key is not None:
                self._begun[key] = response

    def _of_server(self, node: object) -> Response:
        model = read.string(read.get(node, "model"))
        response = Response(self._begin(self._socket.endpoint, {}, model))
        self._watch(response)
        return response

    def _next(self, event: object, event_id: str | None = None) -> Response | None:
        """Take the first response that waits, in the event's lane if it has one."""
        lane = read.text(event, "stream_id")
        with self._lock:
            for response in self._waiting:
                other_lane = lane is not None and response.lane not in (None, lane)
                if not other_lane and event_id in (None, response.event_id):
                    self._waiting.remove(response)
                    return response
        return None

    def _under_way(self, event: object) -> Response | None:
        """The response that an event belongs to: by its id, its lane, else the first."""
        key = read.text(event, "response_id") or read.text(read.get(event, "response"), "id")
        lane = read.text(event, "stream_id")
        with self._lock:
            if key is not None:
                return self._begun.get(key)
            begun = list(self._begun.values())
        lanes = (each for each in begun if lane is not None and each.lane == lane)
        return next(lanes, begun[0] if begun else None)

    def _observe(self, response: Response, event: object) -> None:
        try:
            for observer in response.observers:
                observer.add(event)
        except Exception as exc:  # noqa: BLE001 - the response ends all the same
            guard.handle("websocket", exc)

    def _continued(self, event: object, *, chunk: bool) -> None:
        response = self._under_way(event)
        if response is None or response.call is None:
            return
        if chunk and response.call.first_chunk_at is None:
            response.call.first_chunk_at = perf_counter()
        if chunk or len(response.observers) > 1:
            self._observe(response, event)

    def _ended(self, event: object) -> None:
        response = self._under_way(event) or self._next(event)
        self._finish(response or self._of_server(read.get(event, "response")), event)

    def _refused(self, event: object) -> None:
        """The server tells an error: of a response, or of any other event of the client's."""
        event_id = read.text(read.get(event, "error"), "event_id")
        response = self._next(event, event_id)
        if response is None and self._socket.errors_end_responses:
            response = self._under_way(event)
        if response is not None:
            self._finish(response, event)

    def _finish(self, response: Response, event: object) -> None:
        self._forget(response)
        self._observe(response, event)
        if response.call is not None:
            endings.end("websocket", response.call, response.call.drained)

    def _transcribed(self, event: object) -> None:
        """The user's speech was transcribed, by a model of its own and billed at its prices."""
        endpoint = self._socket.transcription
        if endpoint is None or read.get(event, "usage") is None:
            return
        # The session's own model must not stand for one that is not known.
        body = {"model": self._transcriber or semconv.NONE}
        call = self._begin(endpoint, body)
        if call is not None:
            endings.end("websocket", call, call.returned, event)

    # ------------------------------------------------------------------ ends
    def refused(self, exc: BaseException) -> None:
        """There is no connection: the handshake failed."""
        if not self._close():
            return
        code = errors.status(exc) or read.integer(read.path(exc, ("response", "status_code")))
        kind = errors.by_status(code) if code is not None else errors.classify(exc)
        self.span.set_attribute(semconv.ERROR_TYPE, errors.full_name(exc))
        self.span.set_attribute(semconv.ERROR_CLASS, kind)
        if code is not None:
            self.span.set_attribute(semconv.HTTP_STATUS_CODE, code)
        self.span.set_status(Status(StatusCode.ERROR, self._runtime.policy.quote(exc)))
        self.span.end()

    def broken(self, exc: BaseException, *, final: bool) -> None:
        """The connection was closed, by whoever.

        Args:
            exc: What reading from it raised.
            final: The SDK will not connect again.
        """
        failed = type(exc).__name__ == "ConnectionClosedError" and not self.closing
        for call in self._take_calls():
            if failed:
                endings.fail("websocket", call, exc)
            else:
                endings.leave(call)
        if final:
            self.end(finalizers.now())

    def end(self, at: finalizers.Moment) -> None:
        """End what is open: the program does not wait for it any longer."""
        for call in self._take_calls():
            endings.end("websocket", call, call.left, at=at)
        if self._close():
            self.span.end(at.epoch_ns)

    def _take_calls(self) -> list[Call]:
        with self._lock:
            responses = [*self._waiting, *self._begun.values()]
            self._waiting.clear()
            self._begun.clear()
        return [each.call for each in responses if each.call is not None]

    def _close(self) -> bool:
        """True for the first who ends the connection, in the process that began it."""
        with self._lock:
            was_open, self._open = self._open, False
        return was_open and self._runtime.instruments.epoch == self._epoch


def event_of(data: Any) -> object:
    """The event in a message that the client sends as it is; None where it asks for nothing."""
    if isinstance(data, str):
        return json.loads(data) if CREATE in data else None
    return read.json_of(data) if isinstance(data, bytes) and CREATE.encode() in data else None
