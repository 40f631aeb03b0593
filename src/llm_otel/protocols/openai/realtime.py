"""OpenAI's protocols over a WebSocket: which events begin, continue and end a response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols import errors
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.openai import RESPONSES, TRANSCRIPTION
from llm_otel.protocols.openai.common import OpenAI
from llm_otel.protocols.openai.usage import USAGE
from llm_otel.protocols.spec import Endpoint, Socket, Transcription

if TYPE_CHECKING:
    from llm_otel.providers.dialects import Dialect

_CALLS_OF_THE_CALLER = frozenset({"function_call", "mcp_approval_request"})
_INCOMPLETE_REASONS = {"max_output_tokens": "length"}


class Realtime(OpenAI):
    """A response of the Realtime API tells its end by `status` and `status_details`."""

    def read(
        self,
        result: Answer,
        body: Mapping[str, object],
        endpoint: Endpoint,  # noqa: ARG002
        dialect: Dialect,
    ) -> None:
        """Add how a response ended: `body` is that of a `response.done`."""
        details = body.get("status_details")
        if result.status == "completed":
            kinds = {read.text(item, "type") for item in read.items(body, "output")}
            calls = not kinds.isdisjoint(_CALLS_OF_THE_CALLER)
            result.finish_reasons = ["tool_call" if calls else "stop"]
        elif result.status == "incomplete":
            reason = read.string(read.get(details, "reason")) or "incomplete"
            result.finish_reasons = [_INCOMPLETE_REASONS.get(reason, reason)]
        elif result.status == "cancelled":
            result.finish_reasons = [semconv.CANCELLED]
        elif result.status == "failed":
            result.finish_reasons = ["error"]
            result.error = errors.in_response(details, dialect, failed=True)


# https://platform.openai.com/docs/api-reference/realtime-server-events
REALTIME = Endpoint(semconv.CHAT, Realtime(), USAGE)

_TRANSCRIPTION = "conversation.item.input_audio_transcription"

# Common to both.
_EVENTS: Mapping[str, Any] = {
    "create": "response.create",
    "created": "response.created",
    "error": "error",
    "sessions": frozenset({"session.created", "session.updated"}),
    "audio": "input_audio_buffer.append",
}

SOCKETS = (
    Socket(
        modules=("resources.realtime.realtime", "resources.beta.realtime.realtime"),
        name="Realtime",
        endpoint=REALTIME,
        **_EVENTS,
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
        **_EVENTS,
        ends=frozenset({"response.completed", "response.incomplete", "response.failed"}),
        # The lane: https://github.com/openai/openai-python, lib/responses_websocket/README.md
        shared=("stream_id",),
    ),
)
