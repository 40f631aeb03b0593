"""Gemini's API, at its own paths and those of Vertex AI: content, embeddings, pictures, tokens."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from . import sse
from .answers import Answer, Prompt, Tool, compose, count_tokens, split, words
from .embeddings import embed
from .messages import Json, ProtocolError, ReceivedRequest, Reply
from .state import State

IMAGE_TOKENS = 258
_DIMENSIONS = 3072
_PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def generate(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST …:generateContent`."""
    body = answer_content(request.json, request.model, state)
    texts = [part.get("text", "") for each in body["candidates"] for part in _parts(each)]
    pieces = sum(len(text.split()) for text in texts) or 1
    return Reply(body=body, pieces=pieces, usage=body["usageMetadata"])


def stream(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST …:streamGenerateContent`: as events, else as one list."""
    body = answer_content(request.json, request.model, state)
    chunks = list(_chunks(body))
    if "alt=sse" in request.target:
        return Reply(
            headers={"content-type": "text/event-stream"},
            chunks=[sse.event(each) for each in chunks],
            pieces=len(chunks),
            usage=body["usageMetadata"],
        )
    return Reply(body=chunks, pieces=len(chunks), usage=body["usageMetadata"])


def count(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `POST …:countTokens`."""
    prompt = _prompt(_checked(request.json), request.model)
    return Reply(body={"totalTokens": prompt.tokens})


def answer_content(body: Any, model: str, state: State) -> Json:
    """The whole answer to a request's body.

    Raises:
        ProtocolError: The request is refused.
    """
    body = _checked(body)
    prompt = _prompt(body, model)
    config = body.get("generationConfig") or {}
    choices = config.get("candidateCount") or 1
    stops = config.get("stopSequences") or ()
    answers = [_stopped(compose(state, prompt, body, index), stops) for index in range(choices)]
    tools = google_tools(body.get("tools"), prompt.question)
    candidates = [
        {
            "content": {"parts": list(_content(state, prompt, each, tools)), "role": "model"},
            "finishReason": "MAX_TOKENS" if each.truncated else "STOP",
            "index": index,
            **_grounding(prompt, tools),
        }
        for index, each in enumerate(answers)
    ]
    return {
        "candidates": candidates,
        "usageMetadata": _usage(state, body, prompt, answers, tools),
        "modelVersion": model,
        "responseId": state.new_id("", 22),
    }


def _checked(body: Any) -> Json:
    if not isinstance(body, dict):
        raise ProtocolError("Invalid JSON payload received.")
    contents = body.get("contents")
    if not isinstance(contents, list) or not all(isinstance(each, dict) for each in contents):
        raise ProtocolError("* GenerateContentRequest.contents: contents is not specified")
    return body


# ------------------------------------------------------------------ the prompt
def _prompt(body: Json, model: str) -> Prompt:
    contents = [body.get("systemInstruction") or {}, *body["contents"]]
    text = "\x1e".join(_text(each) for each in contents)
    tools = body.get("tools") or []
    tokens = sum(count_tokens(_text(each)) for each in contents) + IMAGE_TOKENS * _media(body)
    config = body.get("generationConfig") or {}
    thinking = config.get("thinkingConfig") or {}
    level = thinking.get("thinkingLevel") or thinking.get("thinking_level") or "medium"
    mode = ((body.get("toolConfig") or {}).get("functionCallingConfig") or {}).get("mode")
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    is_json = config.get("responseMimeType") == "application/json"
    return Prompt(
        model=model,
        text=text,
        tokens=tokens + (count_tokens(json.dumps(tools)) if tools else 0),
        question=_question(body["contents"]),
        tools=[] if mode == "NONE" else _functions(tools),
        must_call=mode == "ANY",
        schema=_plain(schema) if schema else {} if is_json else None,
        max_tokens=config.get("maxOutputTokens"),
        effort=str(level).lower(),
        thinks=bool(thinking) and thinking.get("thinkingBudget") != 0,
    )


def _parts(content: Json) -> list[Json]:
    content = content.get("content") or content
    return [part for part in content.get("parts") or () if isinstance(part, dict)]


def _text(content: Json) -> str:
    """The text of a content, and of what its functions got and gave."""
    texts = []
    for part in _parts(content):
        function = part.get("functionCall") or part.get("functionResponse")
        texts.append(json.dumps(function) if function else str(part.get("text") or ""))
    return "".join(texts)


def _media(body: Json) -> int:
    parts = [part for each in body["contents"] for part in _parts(each)]
    return sum("inlineData" in part or "fileData" in part for part in parts)


def _question(contents: list[Json]) -> str:
    """The text of the last content when it is the user's; the result of a function asks nothing."""
    last = contents[-1] if contents else {}
    if last.get("role", "user") != "user":
        return ""
    return "".join(str(part.get("text") or "") for part in _parts(last))


def _functions(tools: list[Json]) -> list[Tool]:
    return [
        Tool(str(each["name"]), _plain(_schema(each)))
        for tool in tools
        for each in tool.get("functionDeclarations") or ()
    ]


def _schema(declaration: Json) -> Json:
    schema = declaration.get("parametersJsonSchema") or declaration.get("parameters")
    return schema if isinstance(schema, dict) else {"type": "object", "properties": {}}


def _plain(schema: Any) -> Any:
    """A schema with its types in lower case, as JSON Schema has them."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _plain(value) for key, value in schema.items()}
    kind = plain.get("type")
    return {**plain, "type": kind.lower()} if isinstance(kind, str) else plain


def google_tools(tools: Any, question: str) -> list[str]:
    """Names of the tools that Google itself runs for a question: `search` or `run` in it.

    Args:
        tools: Of the request, by their keys or types.
        question: What is asked.
    """
    names = {
        name
        for tool in tools or ()
        if isinstance(tool, dict)
        for name in (*tool, str(tool.get("type") or ""))
    }
    known_tools = (
        ("google_search", ("googleSearch", "google_search"), "search"),
        ("code_execution", ("codeExecution", "code_execution"), "run"),
    )
    question = question.lower()
    return [
        name for name, keys, word in known_tools if word in question and not names.isdisjoint(keys)
    ]


# ------------------------------------------------------------------ the answer
def _stopped(answer: Answer, sequences: Any) -> Answer:
    """The answer up to the first of the request's stop sequences."""
    ends = [answer.text.find(each) for each in sequences if each in answer.text]
    if not ends:
        return answer
    text = answer.text[: min(ends)]
    tokens = answer.reasoning_tokens + count_tokens(text)
    return replace(answer, text=text, tokens=tokens, truncated=False)


def _content(state: State, prompt: Prompt, answer: Answer, tools: list[str]) -> Iterator[Json]:
    if answer.reasoning_tokens:
        digest = state.digest("thinking", prompt.model, prompt.text)
        yield {"text": words(digest, 12).capitalize() + ".", "thought": True}
    if "code_execution" in tools:
        yield {"executableCode": {"language": "PYTHON", "code": "print(2 + 2)"}}
        yield {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "4\n"}}
    for name, arguments in answer.calls:
        call = {"name": name, "args": json.loads(arguments), "id": state.new_id("", 8)}
        yield {"functionCall": call}
    if answer.text:
        yield {"text": answer.text}


def _grounding(prompt: Prompt, tools: list[str]) -> Json:
    if "google_search" not in tools:
        return {}
    page = {"uri": "https://example.com/", "title": "Example"}
    metadata = {"webSearchQueries": [prompt.question], "groundingChunks": [{"web": page}]}
    return {"groundingMetadata": metadata}


def _usage(
    state: State, body: Json, prompt: Prompt, answers: list[Answer], tools: list[str]
) -> Json:
    thoughts = sum(each.reasoning_tokens for each in answers)
    output = sum(each.tokens for each in answers) - thoughts
    used = IMAGE_TOKENS if "code_execution" in tools else 0
    cached = state.cached_tokens(prompt.model, prompt.text)
    usage: Json = {
        "promptTokenCount": prompt.tokens,
        "candidatesTokenCount": output,
        "totalTokenCount": prompt.tokens + used + output + thoughts,
        "promptTokensDetails": list(_modalities(prompt.tokens, IMAGE_TOKENS * _media(body))),
    }
    for key, count_ in (
        ("cachedContentTokenCount", cached),
        ("toolUsePromptTokenCount", used),
        ("thoughtsTokenCount", thoughts),
    ):
        if count_:
            usage[key] = count_
    return {**usage, "serviceTier": "standard"}


def _modalities(tokens: int, pictures: int) -> Iterator[Json]:
    yield {"modality": "TEXT", "tokenCount": tokens - pictures}
    if pictures:
        yield {"modality": "IMAGE", "tokenCount": pictures}


def _chunks(body: Json) -> Iterator[Json]:
    """An answer as a stream brings it: each chunk with the usage so far, the last says why."""
    usage, tokens = dict(body["usageMetadata"]), 0
    about = {key: body[key] for key in ("modelVersion", "responseId")}
    for candidate in body["candidates"]:
        index = candidate["index"]
        for part in _parts(candidate):
            pieces = split(part["text"]) if "text" in part else [None]
            for piece in pieces:
                small = part if piece is None else {**part, "text": piece}
                tokens += count_tokens(piece or "")
                sofar = {
                    **usage,
                    "candidatesTokenCount": min(tokens, usage["candidatesTokenCount"]),
                }
                yield {
                    "candidates": [
                        {"content": {"parts": [small], "role": "model"}, "index": index}
                    ],
                    "usageMetadata": sofar,
                    **about,
                }
        last = {**candidate, "content": {"parts": [{"text": ""}], "role": "model"}}
        yield {"candidates": [last], "usageMetadata": usage, **about}


# ------------------------------------------------------------------ embeddings and pictures
def batch_embed(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `POST …:batchEmbedContents`."""
    requests = request.json["requests"]
    vectors = [{"values": _vector(each["content"], each)} for each in requests]
    usage = _embedding_usage([each["content"] for each in requests])
    return Reply(body={"embeddings": vectors, "usageMetadata": usage}, usage=usage)


def embed_content(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `POST …:embedContent`."""
    body = request.json
    usage = _embedding_usage([body["content"]])
    vector = {"values": _vector(body["content"], body)}
    return Reply(body={"embedding": vector, "usageMetadata": usage}, usage=usage)


def _vector(content: Json, options: Json) -> list[float]:
    return embed(_text(content), options.get("outputDimensionality") or _DIMENSIONS).tolist()


def _embedding_usage(contents: list[Json]) -> Json:
    tokens = sum(count_tokens(_text(each)) for each in contents)
    return {"promptTokenCount": tokens, "totalTokenCount": tokens}


def predict(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `POST …:predict`: embeddings of texts, pictures for prompts."""
    body = request.json
    parameters = body.get("parameters") or {}
    instances = body["instances"]
    if all("content" in each for each in instances):
        size = parameters.get("outputDimensionality") or _DIMENSIONS
        counts = [count_tokens(each["content"]) for each in instances]
        predictions = [
            {
                "embeddings": {
                    "values": embed(each["content"], size).tolist(),
                    "statistics": {"token_count": tokens, "truncated": False},
                }
            }
            for each, tokens in zip(instances, counts)
        ]
        usage = {"promptTokenCount": sum(counts)}
        return Reply(body={"predictions": predictions}, usage=usage)
    number = parameters.get("sampleCount") or 1
    picture = {"mimeType": "image/png", "bytesBase64Encoded": _PICTURE}
    return Reply(body={"predictions": [picture] * number})


def predict_long(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST …:predictLongRunning`: a video, which is ready at once."""
    name = f"models/{request.model}/operations/{state.new_id('', 16)}"
    return Reply(body={"name": name})


def fetch_video(request: ReceivedRequest, state: State) -> Reply:  # noqa: ARG001
    """Answers `POST …:fetchPredictOperation`."""
    video = {"gcsUri": "gs://example/video.mp4", "mimeType": "video/mp4"}
    operation = {"name": request.json["operationName"], "done": True}
    return Reply(body={**operation, "response": {"videos": [video]}})
