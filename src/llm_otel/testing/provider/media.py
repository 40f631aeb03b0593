"""`/v1/images/*` and `/v1/audio/*`."""

from __future__ import annotations

import base64
from typing import Any

from . import sse
from .answers import IMAGE_TOKENS, count_tokens, split, words
from .messages import Json, ProtocolError, ReceivedRequest, Reply
from .multipart import form, text_of
from .state import CREATED, State

_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAA"
    "DUlEQVR4nGNgYGD4DwABBAEAX+XDSwAAAABJRU5ErkJggg=="
)
_IMAGE_OUTPUT_TOKENS = {"low": 272, "medium": 1056, "high": 4160}
_BYTES_PER_SECOND = 32_000  # of 16-bit mono audio at 16 kHz
_AUDIO_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_SPEECH_CHUNK = 1024


def generate_image(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `POST /v1/images/generations`: every image is one pixel."""
    body = request.json
    if not isinstance(body, dict) or not isinstance(body.get("prompt"), str):
        raise ProtocolError("Missing required parameter: 'prompt'.", param="prompt")
    return _images(body, request.model or "gpt-image-1", inputs=0)


def edit_image(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `POST /v1/images/edits` and `/v1/images/variations`."""
    fields = form(request)
    body: Json = {name: text_of(fields, name) for name in fields if not name.startswith("image")}
    body["n"] = int(body.get("n") or 1)
    return _images({"prompt": "", **body}, body.get("model") or "gpt-image-1", inputs=1)


def _images(body: Json, model: str, inputs: int) -> Reply:
    count = body.get("n") or 1
    if model.startswith("dall-e"):
        by_url = body.get("response_format", "url") == "url"
        image = {"url": "https://images.example/1.png"} if by_url else {"b64_json": _PIXEL}
        data = [{**image, "revised_prompt": body["prompt"]}] * count
        return Reply(body={"created": CREATED, "data": data})
    quality = body.get("quality")
    quality = quality if quality in _IMAGE_OUTPUT_TOKENS else "medium"
    size = body.get("size")
    drawn: Json = {
        "background": "opaque",
        "output_format": body.get("output_format") or "png",
        "quality": quality,
        "size": size if size not in (None, "auto") else "1024x1024",
    }
    usage = _image_usage(body["prompt"], inputs, count * _IMAGE_OUTPUT_TOKENS[quality])
    if body.get("stream"):
        return _image_stream(drawn, usage, int(body.get("partial_images") or 0))
    data = [{"b64_json": _PIXEL}] * count
    return Reply(body={"created": CREATED, **drawn, "data": data, "usage": usage})


def _image_usage(prompt: str, inputs: int, output: int) -> Json:
    text, images = count_tokens(prompt), inputs * IMAGE_TOKENS
    return {
        "input_tokens": text + images,
        "input_tokens_details": {"text_tokens": text, "image_tokens": images},
        "output_tokens": output,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": output},
        "total_tokens": text + images + output,
    }


def _image_stream(drawn: Json, usage: Json, partials: int) -> Reply:
    common = {**drawn, "created_at": CREATED, "b64_json": _PIXEL}
    kind = "image_generation"
    chunks = [
        sse.event(
            {"type": kind + ".partial_image", **common, "partial_image_index": index},
            kind + ".partial_image",
        )
        for index in range(partials)
    ]
    done = {"type": kind + ".completed", **common, "usage": usage}
    chunks.append(sse.event(done, kind + ".completed"))
    return Reply(chunks=chunks, pieces=len(chunks))


def speech(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/audio/speech`: noise that depends on the text, in chunks."""
    body = request.json
    if not isinstance(body, dict) or not isinstance(body.get("input"), str):
        raise ProtocolError("Missing required parameter: 'input'.", param="input")
    text = body["input"]
    noise = state.digest("speech", body.get("voice"), text) * (_SPEECH_CHUNK // 64)
    pieces = [noise] * max(1, len(split(text)) // 2)
    if body.get("stream_format") == "sse":
        output = 10 * len(pieces)
        usage = {"input_tokens": count_tokens(text), "output_tokens": output}
        usage["total_tokens"] = sum(usage.values())
        return _audio_stream(pieces, usage)
    content_type = _AUDIO_TYPES.get(body.get("response_format") or "mp3", "audio/mpeg")
    return Reply(chunks=pieces, headers={"content-type": content_type}, pieces=len(pieces))


def _audio_stream(pieces: list[bytes], usage: Json) -> Reply:
    events = [
        sse.event({"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()})
        for piece in pieces
    ]
    done = sse.event({"type": "speech.audio.done", "usage": usage})
    return Reply(chunks=[*events, done], pieces=len(events))


def transcription(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/audio/transcriptions` and `/v1/audio/translations`."""
    fields = form(request)
    if "file" not in fields:
        raise ProtocolError("Missing required parameter: 'file'.", param="file")
    model = text_of(fields, "model", "whisper-1")
    seconds = len(fields["file"]) / _BYTES_PER_SECOND
    text = words(state.digest("transcription", fields["file"].hex()), 12).capitalize() + "."
    usage = _transcription_usage(model, seconds, text)
    wanted = text_of(fields, "response_format", "json")
    if text_of(fields, "stream") == "true" and not model.startswith("whisper"):
        return _transcript_stream(text, usage)
    if wanted in ("text", "srt", "vtt"):
        return Reply(body=text + "\n", headers={"content-type": "text/plain; charset=utf-8"})
    if wanted == "verbose_json":
        return Reply(body=_verbose(text, seconds, usage))
    return Reply(body={"text": text, "usage": usage})


def _transcription_usage(model: str, seconds: float, text: str) -> Json:
    if model.startswith("whisper"):
        return {"type": "duration", "seconds": max(1, round(seconds))}
    audio, output = max(1, round(10 * seconds)), count_tokens(text)
    return {
        "type": "tokens",
        "input_tokens": audio,
        "input_token_details": {"text_tokens": 0, "audio_tokens": audio},
        "output_tokens": output,
        "total_tokens": audio + output,
    }


def _verbose(text: str, seconds: float, usage: Json) -> dict[str, Any]:
    segment = {"id": 0, "seek": 0, "start": 0.0, "end": seconds, "text": text, "tokens": []}
    segment |= {"temperature": 0.0, "avg_logprob": -0.1, "compression_ratio": 1.0}
    segment |= {"no_speech_prob": 0.0}
    return {
        "task": "transcribe",
        "language": "english",
        "duration": seconds,
        "text": text,
        "segments": [segment],
        "usage": usage,
    }


def _transcript_stream(text: str, usage: Json) -> Reply:
    events = [sse.event({"type": "transcript.text.delta", "delta": piece}) for piece in split(text)]
    done = sse.event({"type": "transcript.text.done", "text": text, "usage": usage})
    return Reply(chunks=[*events, done, sse.DONE], pieces=len(events))
