"""OpenAI's protocols over a WebSocket: which events begin, continue and end a response."""

from __future__ import annotations

from llm_otel import semconv
from llm_otel.clients.spec import Endpoint, Socket
from llm_otel.clients.wire import RESPONSES, TRANSCRIPTION, USAGE

# https://platform.openai.com/docs/api-reference/realtime-server-events
REALTIME = Endpoint(semconv.CHAT, "realtime", USAGE)

OPENAI_SOCKETS = (
    Socket(
        modules=("resources.realtime.realtime", "resources.beta.realtime.realtime"),
        name="Realtime",
        endpoint=REALTIME,
        body_at=("response",),
        ends=frozenset({"response.done"}),
        # What the server refuses after a response has begun is another event of the client's.
        errors_end_responses=False,
        transcription=TRANSCRIPTION,
    ),
    Socket(
        modules=("resources.responses.responses", "resources.beta.responses.responses"),
        name="Responses",
        endpoint=RESPONSES,
        ends=frozenset({"response.completed", "response.incomplete", "response.failed"}),
    ),
)
