"""Plays one case of `usage/*.json` through the real openai SDK and compares what is shown.

A case has these keys; only `id`, `url`, `why` and `expect` are needed.

    id, why     The name, and how the expected values follow by hand.
    url         Base URL. The host's name stays as it is, a mock transport answers.
    endpoint    `chat` (default), `responses`, `embeddings`, `images`, `transcription`, `speech`,
                `rerank` or `completions`.
    model       Default `m-1`.
    request     More keywords of the SDK's method.
    usage       The usage, for which a usual answer is made; None for an answer without one.
    body        Keys of the answer, over those of the usual one; None takes a key away.
    chunks      The events of a stream, instead of `usage` and `body`.
    ways        `plain`, `stream` or both; default both where the endpoint has streams.
    status, headers
    rates       USD per million tokens (keys of the setting `prices`) for whatever is called.
    settings    Keywords of `instrument()`.
    expect      `input`, `output`, `cached`, `written`, `reasoning` (None: unknown), `usd` (None:
                unknown), `marked` (default False), `error`, `provider`, `source`.
                A missing key is not compared, except `marked` and `error`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai

from llm_otel.testing import Telemetry

Case = dict[str, Any]

FILES = sorted((Path(__file__).parent / "usage").glob("*.json"))
STREAMED = ("chat", "responses", "images", "completions")
TOKENS = {
    "input": ("gen_ai.usage.input_tokens", "gen_ai.tokens.consumed", {"token_type": "input"}),
    "output": ("gen_ai.usage.output_tokens", "gen_ai.tokens.consumed", {"token_type": "output"}),
    "cached": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.tokens.cached", {"cache": "read"}),
    "written": (
        "gen_ai.usage.cache_creation.input_tokens", "gen_ai.tokens.cached", {"cache": "write"}
    ),
    "reasoning": ("gen_ai.usage.reasoning.output_tokens", "gen_ai.tokens.reasoning", {}),
}  # fmt: skip
CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "chat": lambda client, request: client.chat.completions.create(**request),
    "completions": lambda client, request: client.completions.create(**request),
    "responses": lambda client, request: client.responses.create(**request),
    "embeddings": lambda client, request: client.embeddings.create(
        encoding_format="float", **request
    ),
    "images": lambda client, request: client.images.generate(**request),
    "transcription": lambda client, request: client.audio.transcriptions.create(
        file=("a.wav", b"RIFF", "audio/wav"), **request
    ),
    "speech": lambda client, request: client.audio.speech.create(**request).content,
    "rerank": lambda client, request: client.post("/rerank", cast_to=dict, body=request),
}
REQUESTS: dict[str, Case] = {
    "chat": {"messages": [{"role": "user", "content": "Name a river."}]},
    "completions": {"prompt": "Name a river."},
    "responses": {"input": "Name a river."},
    "embeddings": {"input": "Name a river."},
    "images": {"prompt": "A river."},
    "speech": {"input": "A river.", "voice": "alloy", "stream_format": "sse"},
    "rerank": {"query": "river", "documents": ["Elbe", "Alps"]},
}


def load() -> list[tuple[Case, str]]:
    """Every case of every file, once for each way to play it."""
    cases = (case for path in FILES for case in json.loads(path.read_text()))
    return [(case, way) for case in cases for way in _ways(case)]


def _ways(case: Case) -> list[str]:
    if "ways" in case:
        return list(case["ways"])
    if "chunks" in case:
        return ["stream"]
    return ["plain", "stream"] if _endpoint(case) in STREAMED else ["plain"]


def _endpoint(case: Case) -> str:
    return str(case.get("endpoint", "chat"))


def settings(case: Case) -> Case:
    """The settings that the case asks for."""
    rates = case.get("rates")
    prices = {"prices": [{"model": "*", **rates}]} if rates else {}
    return {**prices, **case.get("settings", {})}


def send(case: Case, way: str) -> None:
    """Make the call, read the whole answer and swallow an API error."""
    content, kind = _answer(case, way)
    library = _http_library()

    def answer(_request: Any) -> Any:
        headers = {"content-type": kind, **case.get("headers", {})}
        return library.Response(case.get("status", 200), content=content, headers=headers)

    http = library.Client(transport=library.MockTransport(answer))
    client = openai.OpenAI(api_key="test", max_retries=0, base_url=case["url"], http_client=http)
    endpoint = _endpoint(case)
    request = {"model": case.get("model", "m-1"), **REQUESTS.get(endpoint, {})}
    request.update(case.get("request", {}))
    if way == "stream" and endpoint in STREAMED:
        request["stream"] = True
    try:
        result = CALLS[endpoint](client, request)
        if "stream" in request:
            for _ in result:
                pass
    except openai.APIError:
        pass
    finally:
        client.close()


def _http_library() -> Any:
    base = openai._base_client
    return getattr(base, "httpx2", None) or base.httpx  # type: ignore[attr-defined]


def differences(case: Case, telemetry: Telemetry) -> list[str]:
    """Each fact that the telemetry shows otherwise than the case expects."""
    expect, attributes, value = case["expect"], telemetry.span.attributes, telemetry.value
    shown: dict[str, Any] = {}
    wanted: dict[str, Any] = {}
    for key, (attribute, metric, labels) in TOKENS.items():
        if key in expect:
            shown[key] = (attributes.get(attribute), value(metric, **labels))
            zero_is_left_out = key not in ("input", "output") and not expect[key]
            wanted[key] = (None if zero_is_left_out else expect[key], expect[key] or 0)
    if "usd" in expect:
        amount = attributes.get("gen_ai.usage.cost.amount")
        shown["usd"] = (_rounded(amount), _rounded(value("gen_ai.cost.usd")))
        wanted["usd"] = (_rounded(expect["usd"]), _rounded(expect["usd"] or 0.0))
    shown["marked"] = bool(value("gen_ai.requests.unpriced") + value("llm_otel.usage.unknown"))
    wanted["marked"] = expect.get("marked", False)
    shown["error"] = (attributes.get("llm_otel.error.class"), value("gen_ai.errors"))
    error = expect.get("error")
    wanted["error"] = (error, 1 if error else 0)
    for key, name in (
        ("provider", "gen_ai.provider.name"), ("source", "llm_otel.usage.source")
    ):  # fmt: skip
        if key in expect:
            shown[key], wanted[key] = attributes.get(name), expect[key]
    if expect.get("usd") is not None:
        # What is marked on the metric is marked on the span, and the other way round.
        shown["status"] = attributes.get("llm_otel.cost.status")
        wanted["status"] = "incomplete" if wanted["marked"] else None
    return [f"{key}: {shown[key]} instead of {wanted[key]}" for key in wanted
            if shown[key] != wanted[key]]  # fmt: skip


def _rounded(usd: float | None) -> float | None:
    """Ten significant digits, so that sums of floats compare."""
    if not usd:
        return usd
    return round(usd, 10 - math.ceil(math.log10(abs(usd))))


# ------------------------------------------------------------------ answers
def _answer(case: Case, way: str) -> tuple[bytes, str]:
    """The bytes of the answer, and their media type."""
    if "raw" in case:
        return case["raw"].encode(), case.get("type", "application/json")
    endpoint = _endpoint(case)
    if way == "plain":
        return json.dumps(_body(case, endpoint)).encode(), "application/json"
    events = case["chunks"] if "chunks" in case else list(_events(case, endpoint))
    lines = []
    for event in events:
        if endpoint not in ("chat", "completions") and isinstance(event, dict) and "type" in event:
            lines.append(f"event: {event['type']}\n")
        lines.append(f"data: {json.dumps(event)}\n\n")
    if endpoint in ("chat", "completions"):
        lines.append("data: [DONE]\n\n")
    return "".join(lines).encode(), "text/event-stream"


def _body(case: Case, endpoint: str) -> Case:
    body = {**_USUAL[endpoint], "model": case.get("model", "m-1")}
    if case.get("usage") is not None:
        body["usage"] = case["usage"]
    body.update(case.get("body", {}))
    return {key: value for key, value in body.items() if value is not None}


def _events(case: Case, endpoint: str) -> Iterator[Case]:
    """A stream that says what the whole answer does."""
    body = _body(case, endpoint)
    if endpoint == "responses":
        yield {"type": "response.created", "sequence_number": 0,
               "response": {**body, "status": "in_progress", "usage": None}}  # fmt: skip
        status = body.get("status", "completed")
        yield {"type": f"response.{status}", "sequence_number": 1, "response": body}
    elif endpoint == "images":
        yield {"type": "image_generation.completed", "b64_json": "", **body}
    else:
        head = {"id": "q-1", "object": "chat.completion.chunk", "created": 7,
                "model": body["model"]}  # fmt: skip
        yield {**head, "choices": [{"index": 0, "delta": {"role": "assistant",
               "content": "Elbe"}, "finish_reason": None}]}  # fmt: skip
        choices = body.pop("choices", None) or []
        for choice in choices:
            rest = {key: value for key, value in choice.items() if key != "message"}
            yield {**head, "choices": [{"delta": {}, **rest}]}
        yield {**head, **{key: value for key, value in body.items() if key != "object"},
               "choices": []}  # fmt: skip


_USUAL: dict[str, Case] = {
    "chat": {
        "id": "q-1", "object": "chat.completion", "created": 7,
        "choices": [
            {"index": 0, "finish_reason": "stop",
             "message": {"role": "assistant", "content": "Elbe"}}
        ],
    },
    "completions": {
        "id": "q-2", "object": "text_completion", "created": 7,
        "choices": [{"index": 0, "finish_reason": "stop", "text": "Elbe"}],
    },
    "responses": {
        "id": "resp-1", "object": "response", "created_at": 7, "status": "completed",
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "output": [
            {"id": "msg-1", "type": "message", "role": "assistant", "status": "completed",
             "content": [{"type": "output_text", "text": "Elbe", "annotations": []}]}
        ],
    },
    "embeddings": {
        "object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.25]}],
    },
    "images": {"created": 7, "data": [{"b64_json": ""}]},
    "transcription": {"text": "Elbe"},
    "speech": {},
    "rerank": {"id": "rr-1", "results": [{"index": 0, "relevance_score": 0.5}]},
}  # fmt: skip
