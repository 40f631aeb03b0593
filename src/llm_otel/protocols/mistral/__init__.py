"""Mistral's API: OpenAI's chat and embeddings, and what is Mistral's own."""

from __future__ import annotations

from dataclasses import replace

from llm_otel import semconv
from llm_otel.protocols import openai
from llm_otel.protocols.mistral import batches, chat, conversations, media
from llm_otel.protocols.openai import usage
from llm_otel.protocols.paths import Paths
from llm_otel.protocols.spec import Endpoint

_METHODS = ("complete", "complete_async", "stream", "stream_async")


def _methods(path: str, *names: str) -> tuple[tuple[str, str], ...]:
    """Public methods of a class in the module of its name, of both layouts of the package."""
    module = path.lower()
    return tuple(
        (prefix + module, f"{path}.{name}") for prefix in ("client.", "") for name in names
    )


CHAT = replace(
    openai.CHAT, protocol=chat.Chat(), attributes={}, methods=_methods("Chat", *_METHODS)
)
AGENT = replace(CHAT, methods=_methods("Agents", *_METHODS))
FIM = replace(openai.COMPLETION, protocol=chat.Completion(), methods=_methods("Fim", *_METHODS))
CONVERSATION = Endpoint(
    semconv.CHAT,
    conversations.Conversations(),
    conversations.USAGE,
    in_tokens=True,
    methods=_methods(
        "Conversations",
        *(
            f"{verb}{form}"
            for verb in ("start", "append", "restart")
            for form in ("", "_async", "_stream", "_stream_async")
        ),
    ),
)
EMBEDDINGS = replace(
    openai.EMBEDDINGS,
    protocol=chat.Embeddings(),
    methods=_methods("Embeddings", "create", "create_async"),
)
OCR = Endpoint(
    semconv.OCR,
    media.Ocr(),
    {"pages_processed": "pages"},
    usage_at=(("usage_info",),),
    methods=_methods("Ocr", "process", "process_async"),
)
TRANSCRIPTION = replace(
    openai.TRANSCRIPTION,
    protocol=media.Transcriptions(),
    methods=_methods("Transcriptions", *_METHODS),
)
SPEECH = replace(openai.SPEECH, protocol=media.Speech(), bytes_out=False)
# What the total holds beyond the text is Mistral's own; nobody says whether it is billed.
MODERATION = Endpoint(
    semconv.MODERATION, media.Moderations(), usage.USAGE, in_tokens=True, input_only=True
)


def _batch(operation: str) -> Endpoint:
    return Endpoint(operation, batches.Batches(), polled=True, billed=False)


MISTRAL = Paths(
    {
        "post /chat/completions": CHAT,
        "post /agents/completions": AGENT,
        "post /fim/completions": FIM,
        # Vertex AI, before the client puts the project and the model in front
        "post /rawPredict": CHAT,
        "post /streamRawPredict": CHAT,
        "post /rawPredict/fim": FIM,
        "post /streamRawPredict/fim": FIM,
        "post /conversations": CONVERSATION,
        "post /conversations/{id}": CONVERSATION,
        "post /conversations/{id}/restart": CONVERSATION,
        "post /responses": openai.RESPONSES,
        "post /embeddings": EMBEDDINGS,
        "post /moderations": MODERATION,
        "post /chat/moderations": MODERATION,
        "post /classifications": MODERATION,
        "post /chat/classifications": MODERATION,
        "post /ocr": OCR,
        "post /audio/transcriptions": TRANSCRIPTION,
        "post /audio/speech": SPEECH,
        "post /batch/jobs": _batch(semconv.CREATE_BATCH),
        "get /batch/jobs/{id}": _batch(semconv.FETCH_BATCH),
        "post /batch/jobs/{id}/cancel": _batch(semconv.CANCEL_BATCH),
    }
)
