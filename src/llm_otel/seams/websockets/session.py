"""What one WebSocket connection carries: a span of its own, and a call for each response."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.trace import INVALID_SPAN

from llm_otel.attribution import current
from llm_otel.base import finalizers, guard, read
from llm_otel.core import endings, rivals
from llm_otel.core.call import Call
from llm_otel.core.runtime import Runtime
from llm_otel.core.server import Server
from llm_otel.protocols.spec import Endpoint, Request, Socket
from llm_otel.seams.websockets import span as websocket_span
from llm_otel.seams.websockets.responses import Response, Responses
from llm_otel.seams.websockets.speech import Speech

# Most messages are pieces of audio: only those are parsed that may say something new.
_TYPES = re.compile(rb'"type"\s*:\s*"([a-z_.]+)"')


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
        self.socket = socket
        self._server = host
        self._model = model
        self._own_spans = own_spans
        self._epoch = runtime.instruments.epoch
        # Ids of the responses that ended last.
        self._finished: deque[str | None] = deque(maxlen=64)
        self._responses = Responses(socket)
        self._speech = Speech(socket.transcription, self._heard) if socket.transcription else None
        self._lock = threading.Lock()
        self._open = True
        # What broke the connection, and when; None while it holds.
        self._break: tuple[BaseException, finalizers.Moment] | None = None
        self._reconnects = 0
        self._outer = trace.get_current_span(context)
        self._parses_all = runtime.policy.active or runtime.settings.per_chunk_metric
        names = {*socket.ends, *socket.sessions, socket.created, socket.error}
        speech = self._speech.wanted if self._speech is not None else ()
        self._wanted = {*speech, *(name.encode() for name in names)}
        # The program is about to close the connection.
        self.closing = False
        self.span = websocket_span.start(runtime, socket, host, model, context)
        self.context = trace.set_span_in_context(self.span, context)

    # ------------------------------------------------------------------ the client's side
    def sending(self, event: object, context: Context | None = None) -> Response | None:
        """The client is about to send an event.

        Args:
            event: As it is given to the SDK, or read from the message.
            context: Where the client decided to; None for here and now.

        Returns:
            The response that it asks for, if it does.
        """
        kind = read.text(event, "type")
        if kind != self.socket.create or not self._open:
            if kind != self.socket.audio:
                self._responses.sent_another_event()
            return None
        parameters = read.fields(read.path(event, self.socket.body_at))
        response = Response(
            context if context is not None else get_current(),
            {k: v for k, v in parameters.items() if k not in self.socket.unlike_http},
            self._responses.shared(event),
            read.text(event, "event_id"),
        )
        # Calls are counted by model: without one this call begins when the server names it.
        if self._model is not None or response.body.get("model"):
            self._start(response)
        self._responses.asked_for(response)
        return response

    def unsent(self, response: Response, exc: BaseException) -> None:
        """The event that asks for a response could not be sent."""
        self._start(response)
        self._responses.forget(response)
        if response.call is not None:
            endings.fail("websocket", response.call, exc)

    def _start(self, response: Response, node: object = None) -> None:
        """Begin the call of a response, if that has not been done.

        Args:
            response: The response.
            node: What the server tells of it.
        """
        if response.started:
            return
        response.started = True
        model = read.string(response.body.get("model")) or read.text(node, "model") or self._model
        if model is not None:
            response.body["model"] = model
        call = self._begin(self.socket.endpoint, response.body, response.context)
        if call is None:
            return
        response.call = call
        endings.watch(call)
        try:
            response.observers = call.watch()
        except Exception as exc:  # noqa: BLE001 - the call ends without what its events tell
            guard.handle("websocket", exc)

    def _begin(
        self, endpoint: Endpoint, body: Mapping[str, object], context: Context
    ) -> Call | None:
        """Begin a call under the caller's span, under the connection's where there is no nearer."""
        if rivals.suppressed(context):
            return None
        if trace.get_current_span(context) in (self._outer, INVALID_SPAN):
            context = trace.set_span_in_context(self.span, context)
        return Call(
            self._runtime,
            endpoint,
            self._server,
            Request("", "", body, streaming=True),
            context,
            own_span=self._own_spans,
        )

    # ------------------------------------------------------------------ the server's side
    def received(self, data: object) -> None:
        """A message came, as it was on the wire."""
        if self._break is not None:
            self._break = None
            self._reconnects += 1
        message = data.encode() if isinstance(data, str) else data
        if not self._open or not isinstance(message, bytes) or not self._may_matter(message):
            return
        event = read.json_of(message)
        kind = read.text(event, "type") or ""
        if kind in self.socket.sessions:
            self._configured(read.get(event, "session"))
        elif kind == self.socket.created:
            self._created(event)
        elif kind in self.socket.ends:
            self._ended(event)
        elif kind == self.socket.error:
            self._refused(event)
        elif self._speech is not None and self._speech.received(kind, event):
            pass
        elif kind.startswith("response."):
            self._continued(event, chunk=kind.endswith(".delta"))

    def _may_matter(self, message: bytes) -> bool:
        if self._parses_all:
            return True
        names = set(_TYPES.findall(message))
        if not names.isdisjoint(self._wanted):
            return True
        waits = self._responses.awaits_chunk or (self._speech and self._speech.awaits_chunk)
        return bool(waits) and any(name.endswith(b".delta") for name in names)

    def _configured(self, session: object) -> None:
        self._model = read.text(session, "model") or self._model
        if self._speech is not None:
            self._speech.configured(session)
        if self._model is not None:
            for response in self._responses.waiting:
                self._start(response)

    def _created(self, event: object) -> None:
        response = self._responses.begun(event)
        self._take(response or self._of_server(event), event)

    def _of_server(self, event: object) -> Response:
        """A response that the server begins by itself: it heard somebody stop speaking."""
        return Response(self._reading(), {}, self._responses.shared(event))

    def _reading(self) -> Context:
        """Where the program reads; where it connected if a thread reads that knows nothing."""
        context = get_current()
        unknown = trace.get_current_span(context) is INVALID_SPAN
        return self.context if unknown and not current(context).span_attributes else context

    def _take(self, response: Response, event: object) -> None:
        """Take what the first or the last event of a response tells."""
        node = read.get(event, "response")
        self._start(response, node)
        conversation = read.text(node, "conversation_id")
        if conversation is not None:
            response.body["conversation"] = conversation
        self._observe(response, event)
        self._responses.remember(read.text(node, "id"), response)

    def _observe(self, response: Response, event: object) -> None:
        try:
            for observer in response.observers:
                observer.add(event)
        except Exception as exc:  # noqa: BLE001 - the response ends all the same
            guard.handle("websocket", exc)

    def _continued(self, event: object, *, chunk: bool) -> None:
        response = self._responses.under_way(event)
        if response is None or response.call is None:
            return
        if chunk and response.call.first_chunk_at is None:
            response.call.first_chunk_at = perf_counter()
        if chunk or len(response.observers) > 1:
            self._observe(response, event)

    def _ended(self, event: object) -> None:
        key = read.text(read.get(event, "response"), "id")
        if key is not None and key in self._finished:
            return  # an end that is sent twice
        self._finished.append(key)
        response = self._responses.under_way(event) or self._responses.begun(event)
        self._finish(response or self._of_server(event), event)

    def _refused(self, event: object) -> None:
        """The server tells an error: of a response, or of any other event of the client's."""
        response = self._responses.refused(event)
        if response is not None:
            self._finish(response, event)

    def _finish(self, response: Response, event: object) -> None:
        self._take(response, event)
        self._responses.forget(response)
        if response.call is not None:
            endings.end("websocket", response.call, response.call.drained)

    def _heard(self, endpoint: Endpoint, body: dict[str, object]) -> Call | None:
        return self._begin(endpoint, body, self._reading())

    # ------------------------------------------------------------------ ends
    def refused(self, exc: BaseException) -> None:
        """There is no connection: the handshake failed."""
        at = finalizers.now()
        self._fail(self._take_calls(), exc)
        if self._close():
            self._end_span(exc, at)

    def broken(self, exc: BaseException, *, final: bool) -> None:
        """The connection was closed, by whoever.

        Args:
            exc: What reading from it raised.
            final: The SDK will not connect again.
        """
        failed = type(exc).__name__ == "ConnectionClosedError" and not self.closing
        calls = self._take_calls()
        if failed:
            self._break = (exc, finalizers.now())
            self._fail(calls, exc)
        else:
            for call in calls:
                endings.leave(call)
        if final:
            self.end(finalizers.now())

    def _fail(self, calls: Iterable[Call], exc: BaseException) -> None:
        for call in calls:
            endings.fail("websocket", call, exc)

    def end(self, at: finalizers.Moment) -> None:
        """End what is open: the program does not wait for it any longer."""
        for call in self._take_calls():
            endings.end("websocket", call, call.left, at=at)
        if self._close():
            exc, at = self._break or (None, at)
            self._end_span(exc, at)

    def _end_span(self, exc: BaseException | None, at: finalizers.Moment) -> None:
        websocket_span.end(self.span, self.socket, self._runtime.policy, at, exc, self._reconnects)

    def _take_calls(self) -> list[Call]:
        responses = self._responses.take_all()
        for response in responses:
            self._start(response)
        calls = [each.call for each in responses if each.call is not None]
        return [*calls, *self._speech.take_all()] if self._speech is not None else calls

    def _close(self) -> bool:
        """True for the first who ends the connection, in the process that began it."""
        with self._lock:
            was_open, self._open = self._open, False
        return was_open and self._runtime.instruments.epoch == self._epoch


def event_of(data: str | bytes, socket: Socket) -> Any:
    """The event in a message that the client sends as it is; only its type where nothing else is
    needed."""
    message = data.encode() if isinstance(data, str) else data
    if socket.create.encode() in message:
        return read.json_of(message)
    return {"type": socket.audio} if socket.audio.encode() in message else None
