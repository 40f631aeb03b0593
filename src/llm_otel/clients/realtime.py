"""OpenAI's protocols over a WebSocket: which events begin, continue and end a response."""

from __future__ import annotations

from llm_otel import semconv
from llm_otel.clients.spec import Endpoint, Socket, Transcription
from llm_otel.clients.wire import RESPONSES, TRANSCRIPTION, USAGE

# https://platform.openai.com/docs/api-reference/realtime-server-events
REALTIME = Endpoint(semconv.CHAT, "realtime", USAGE)

_TRANSCRIPTION = "conversation.item.input_audio_transcription"

OPENAI_SOCKETS = (
    Socket(
        modules=("resources.realtime.realtime", "resources.beta.realtime.realtime"),
        name="Realtime",
        endpoint=REALTIME,
        ends=frozenset({"response.done"}),
        shared=("response", "metadata"),
        body_at=("response",),
        # Whether the response joins the conversation: `auto` or `none`.
        unlike_http=frozenset({"conversation"}),
        errors_end_responses=False,
        refusals=frozenset({"conversation_already_has_active_response"}),
        transcription=Transcription(
            TRANSCRIPTION,
            begun="input_audio_buffer.committed",
            chunk=f"{_TRANSCRIPTION}.delta",
            completed=f"{_TRANSCRIPTION}.completed",
            failed=f"{_TRANSCRIPTION}.failed",
            # The API of today, and its beta.
            models=(
                ("audio", "input", "transcription", "model"),
                ("input_audio_transcription", "model"),
            ),
        ),
    ),
    Socket(
        modules=("resources.responses.responses", "resources.beta.responses.responses"),
        name="Responses",
        endpoint=RESPONSES,
        ends=frozenset({"response.completed", "response.incomplete", "response.failed"}),
        # The lane: https://github.com/openai/openai-python, lib/responses_websocket/README.md
        shared=("stream_id",),
    ),
)
