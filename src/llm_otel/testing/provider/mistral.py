"""What Mistral's API has beside OpenAI's, or in another shape; chat is OpenAI's in a dialect."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

from . import chat, mistral_conversations, sse
from .answers import count_tokens, split, words
from .catalog import moderate
from .embeddings import embeddings
from .messages import Json, ProtocolError, ReceivedRequest, Reply
from .multipart import form, text_of
from .state import CREATED, State

AGENT_MODEL = "mistral-medium-latest"
"""The model of every agent."""

_BYTES_PER_SECOND = 32_000  # of 16-bit mono audio at 16 kHz
_MOST_PAGES = 4
_RUNNING = ("QUEUED", "RUNNING")


def _with_body(request: ReceivedRequest, **changes: object) -> ReceivedRequest:
    body = {**_body(request), **changes}
    return replace(request, body=json.dumps(body).encode())


def _body(request: ReceivedRequest) -> Json:
    if not isinstance(request.json, dict):
        raise ProtocolError("The request body is not valid JSON")
    return request.json


# ------------------------------------------------------------------ chat and its like
def chat_completion(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/chat/completions`, and what Vertex AI's client sends."""
    body = _body(request)
    if "prompt" in body:
        return fill_in(request, state)
    choice = "required" if body.get("tool_choice") == "any" else body.get("tool_choice")
    return chat.chat_completion(_with_body(request, tool_choice=choice), state)


def agent_completion(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/agents/completions`."""
    if not _body(request).get("agent_id"):
        raise ProtocolError("Field required: agent_id", status=422, param="agent_id")
    return chat_completion(_with_body(request, model=AGENT_MODEL), state)


def fill_in(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/fim/completions`."""
    body = _body(request)
    text = f"{body['prompt']}\x1e{body.get('suffix') or ''}"
    messages = [{"role": "user", "content": text}]
    return chat.chat_completion(_with_body(request, messages=messages), state)


def embed(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/embeddings`."""
    body = _body(request)
    changes = {"dimensions": body.get("output_dimension") or 1024}
    reply = embeddings(_with_body(request, **changes), state)
    usage = {**reply.body["usage"], "completion_tokens": 0, "prompt_audio_seconds": None}
    return replace(reply, body={**reply.body, "id": state.new_id("", 32), "usage": usage})


# ------------------------------------------------------------------ documents and sound
def ocr(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/ocr`: the pages that are asked for, or as many as the document tells."""
    body = _body(request)
    document = body.get("document")
    if not isinstance(document, dict):
        raise ProtocolError("Field required: document", status=422, param="document")
    digest = state.digest("ocr", json.dumps(document, sort_keys=True))
    requested_pages = body.get("pages")
    numbers = (
        requested_pages if isinstance(requested_pages, list) else range(1 + digest[0] % _MOST_PAGES)
    )
    pages: list[Json] = [
        {
            "index": number,
            "markdown": "# " + words(state.digest("page", number, digest), 20).capitalize(),
            "images": [],
            "dimensions": {"dpi": 200, "height": 2200, "width": 1700},
        }
        for number in numbers
    ]
    usage = {"pages_processed": len(pages), "doc_size_bytes": None}
    annotated = body.get("document_annotation_format")
    annotation = {"document_annotation": '{"title": "A document"}'} if annotated else {}
    answer = {"pages": pages, "model": request.model, "usage_info": usage, **annotation}
    return Reply(body=answer, pieces=len(pages), usage=usage)


def transcribe(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/audio/transcriptions`: a second for every 32,000 bytes, at least one."""
    fields = form(request)
    sound = fields.get("file", b"") or text_of(fields, "file_url").encode()
    if not sound:
        raise ProtocolError("Field required: file", status=422, param="file")
    seconds = max(1, round(len(sound) / _BYTES_PER_SECOND))
    text = words(state.digest("transcription", sound.hex()), 12).capitalize() + "."
    output = count_tokens(text)
    usage = {
        "prompt_audio_seconds": seconds,
        "prompt_tokens": 10,
        "completion_tokens": output,
        "total_tokens": 10 + output + 12 * seconds,
    }
    whole: Json = {
        "model": text_of(fields, "model", "voxtral-mini-latest"),
        "text": text,
        "language": None,
        "segments": [],
        "usage": usage,
    }
    if text_of(fields, "stream").lower() != "true":
        return Reply(body=whole, usage=usage)
    pieces: list[Json] = [{"type": "transcription.language", "audio_language": "en"}]
    pieces += [{"type": "transcription.text.delta", "text": piece} for piece in split(text)]
    return _events([*pieces, {**whole, "type": "transcription.done"}], usage)


def speak(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/audio/speech`: noise that depends on the text."""
    body = _body(request)
    text = str(body.get("input", ""))
    noise = base64.b64encode(state.digest("speech", body.get("voice_id"), text) * 8).decode()
    if not body.get("stream"):
        return Reply(body={"audio_data": noise})
    pieces: list[Json] = [
        {"type": "speech.audio.delta", "audio_data": noise} for _ in split(text) or [""]
    ]
    output = 10 * len(pieces)
    tokens = count_tokens(text)
    usage = {
        "prompt_tokens": tokens,
        "completion_tokens": output,
        "total_tokens": tokens + output,
    }
    return _events([*pieces, {"type": "speech.audio.done", "usage": usage}], usage)


def _events(events: list[Json], usage: Json) -> Reply:
    chunks = [sse.event(event, event["type"]) for event in events]
    return Reply(chunks=chunks, pieces=len(chunks), usage=usage)


# ------------------------------------------------------------------ moderation and batches
def moderate_chat(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/chat/moderations`: one result for each conversation."""
    inputs = _body(request).get("input")
    nested = isinstance(inputs, list) and any(isinstance(each, list) for each in inputs)
    texts = [json.dumps(each) for each in (inputs if nested else [inputs])]  # type: ignore[union-attr]
    return moderate(_with_body(request, input=texts), state)


def classify(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/classifications` and `/v1/chat/classifications`."""
    inputs = _body(request).get("input")
    count = len(inputs) if isinstance(inputs, list) else 1
    results = [{"topic": {"scores": {"news": 0.9, "other": 0.1}}}] * count
    answer = {"id": state.new_id("cls-"), "model": request.model, "results": results}
    return Reply(body=answer)


def create_job(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/batch/jobs`: nothing is run."""
    body = _body(request)
    count = len(body.get("requests") or ()) or 3
    job: Json = {
        "id": state.new_id("", 32),
        "object": "batch",
        "input_files": body.get("input_files") or [],
        "endpoint": body["endpoint"],
        "model": body.get("model"),
        "errors": [],
        "metadata": body.get("metadata"),
        "status": _RUNNING[0],
        "created_at": CREATED,
        "total_requests": count,
        "completed_requests": 0,
        "succeeded_requests": 0,
        "failed_requests": 0,
        "polls": 0,
    }
    state.store(job["id"], job)
    return Reply(body=_shown(job))


def retrieve_job(request: ReceivedRequest, state: State) -> Reply:
    """Answers `GET /v1/batch/jobs/{id}`."""
    job = _job(request, state, -1)
    job["polls"] += 1
    if job["status"] in _RUNNING:
        is_done = job["polls"] >= state.polls
        job["status"] = "SUCCESS" if is_done else _RUNNING[1]
        job["completed_requests"] = job["total_requests"] if is_done else 0
        job["succeeded_requests"] = job["completed_requests"]
    return Reply(body=_shown(job))


def cancel_job(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/batch/jobs/{id}/cancel`."""
    job = _job(request, state, -2)
    job["status"] = "CANCELLED" if job["status"] in _RUNNING else job["status"]
    return Reply(body=_shown(job))


def _job(request: ReceivedRequest, state: State, at: int) -> Json:
    job = state.stored.get(request.route.split("/")[at])
    if not isinstance(job, dict):
        raise ProtocolError("The batch job does not exist.", status=404)
    return job


def _shown(job: Json) -> Json:
    return {key: value for key, value in job.items() if key != "polls"}


ENDPOINTS = (
    ("POST", "/v1/chat/completions", chat_completion),
    ("POST", "/v1/agents/completions", agent_completion),
    ("POST", "/v1/fim/completions", fill_in),
    ("POST", "/v1/embeddings", embed),
    ("POST", "/v1/ocr", ocr),
    ("POST", "/v1/audio/transcriptions", transcribe),
    ("POST", "/v1/audio/speech", speak),
    ("POST", "/v1/chat/moderations", moderate_chat),
    ("POST", "/v1/classifications", classify),
    ("POST", "/v1/chat/classifications", classify),
    ("POST", "/v1/batch/jobs", create_job),
    ("POST", "/v1/batch/jobs/*/cancel", cancel_job),
    ("GET", "/v1/batch/jobs/*", retrieve_job),
    *mistral_conversations.ENDPOINTS,
)
