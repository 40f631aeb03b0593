"""What is google-genai's own: two APIs, thoughts, grounding, modalities, batches, interactions."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import httpx
import httpx2
import pytest
from google import genai
from google.genai import errors, types
from google.genai._interactions_errors import APIStatusError

from llm_otel import semconv
from llm_otel.testing import Reply
from tests.clients.redirect import transport

pytestmark = [
    pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning"),  # by aiohttp
    pytest.mark.filterwarnings("ignore:The generate_images method"),
]

FLASH = "gemini-2.5-flash"  # 0.3 and 2.5 USD for a million; cached 0.03, audio 1
PRO = "gemini-2.5-pro"  # 1.25 and 10 USD, above 200,000 tokens 2.5 and 15; cached 0.125
THREE = "gemini-3.5-flash"  # 1.5 and 9 USD, a search 0.014
PICTURES = "gemini-2.5-flash-image"  # 0.3 and 2.5 USD, pictures 30
SPEECH = "gemini-2.5-flash-tts"  # 0.5 and 10 USD
ASK: dict[str, Any] = {"model": FLASH, "contents": "Hello there"}


def client_of(p, *, vertex: bool = False, **arguments: Any) -> genai.Client:
    """A client that believes to call Google."""
    options = types.HttpOptions(
        client_args={"transport": transport(httpx, p, False)},
        async_client_args={"transport": transport(httpx, p, True)},
        retry_options=types.HttpRetryOptions(attempts=1),
    )
    return genai.Client(api_key="test", vertexai=vertex, http_options=options, **arguments)


@pytest.fixture
def client(p):
    with client_of(p) as made:
        yield made


@pytest.fixture
def told(instrumented):
    return instrumented()


def answer(usage: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A whole answer; `parts` and `stop` are those of its one candidate."""
    candidate = {
        "content": {"parts": more.pop("parts", [{"text": "Yes."}]), "role": "model"},
        "finishReason": more.pop("stop", "STOP"),
        "index": 0,
        **more.pop("candidate", {}),
    }
    body = {"candidates": [candidate], "modelVersion": FLASH, "responseId": "r1", **more}
    if usage is not None:
        body["usageMetadata"] = usage
    return body


def stream(*chunks: dict[str, Any]) -> Reply:
    lines = "".join(f"data: {json.dumps(chunk)}\r\n\r\n" for chunk in chunks)
    return Reply(headers={"content-type": "text/event-stream"}, body=lines)


def chunks_of(body: dict[str, Any]) -> Reply:
    """The stream that amounts to an answer of one candidate."""
    (candidate,) = body["candidates"]
    about = {
        key: value for key, value in body.items() if key not in ("candidates", "usageMetadata")
    }
    first = {"promptTokenCount": 3, "totalTokenCount": 3}
    pieces = [
        {"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}],
         "usageMetadata": first, **about}
        for part in candidate["content"]["parts"]
    ]  # fmt: skip
    last = {**candidate, "content": {"parts": [{"text": ""}], "role": "model"}}
    return stream(*pieces, {**body, "candidates": [last]})


def ask(client: genai.Client, p, body: dict[str, Any], how: str, **more: Any) -> None:
    """Have a question answered by a body, whole or as a stream."""
    if how == "whole":
        p.enqueue(Reply(body=body))
        client.models.generate_content(**{**ASK, **more})
    else:
        p.enqueue(chunks_of(body))
        list(client.models.generate_content_stream(**{**ASK, **more}))


every_how = pytest.mark.parametrize("how", ["whole", "stream"])


def details(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items()]


PLAIN = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100}
BASE = 1000 * 0.3 + 100 * 2.5  # millionths of a USD

# Model, usage -> input, output, cached, reasoning, millionths of a USD, the cost's status.
USAGES: dict[str, tuple[str, dict[str, Any], tuple[Any, ...]]] = {
    "plain": (FLASH, {}, (1000, 100, 0, 0, BASE, None)),
    "cached": (
        FLASH, {"cachedContentTokenCount": 600},
        (1000, 100, 600, 0, 400 * 0.3 + 600 * 0.03 + 250, None),
    ),
    "thoughts beside the output": (
        FLASH, {"thoughtsTokenCount": 50, "totalTokenCount": 1150},
        (1000, 150, 0, 50, BASE + 50 * 2.5, None),
    ),
    "what tools found beside the prompt": (
        FLASH, {"toolUsePromptTokenCount": 70, "totalTokenCount": 1170},
        (1070, 100, 0, 0, BASE + 70 * 0.3, None),
    ),
    "audio in": (
        FLASH, {"promptTokensDetails": details(TEXT=400, AUDIO=600)},
        (1000, 100, 0, 0, 400 * 0.3 + 600 * 1 + 250, None),
    ),
    "cached audio": (
        FLASH, {"promptTokensDetails": details(TEXT=400, AUDIO=600), "cachedContentTokenCount": 500,
                "cacheTokensDetails": details(AUDIO=500)},
        (1000, 100, 500, 0, 400 * 0.3 + 100 * 1 + 500 * 0.1 + 250, None),
    ),
    "audio of a model with one rate": (
        PRO, {"promptTokensDetails": details(AUDIO=1000)},
        (1000, 100, 0, 0, 1000 * 1.25 + 100 * 10, None),
    ),
    "pictures and pages in": (
        FLASH, {"promptTokensDetails": details(TEXT=200, IMAGE=300, DOCUMENT=500)},
        (1000, 100, 0, 0, BASE, None),
    ),
    "pictures out": (
        PICTURES, {"candidatesTokensDetails": details(IMAGE=80)},
        (1000, 100, 0, 0, 1000 * 0.3 + 20 * 2.5 + 80 * 30, None),
    ),
    "speech out": (
        SPEECH, {"candidatesTokensDetails": details(AUDIO=100)},
        (1000, 100, 0, 0, 1000 * 0.5 + 100 * 10, None),
    ),
    "video out": (
        FLASH, {"candidatesTokensDetails": details(VIDEO=100)},
        (1000, 100, 0, 0, BASE, "incomplete"),
    ),
    "long context": (
        PRO, {"promptTokenCount": 300_000, "totalTokenCount": 300_100},
        (300_000, 100, 0, 0, 300_000 * 2.5 + 100 * 15, None),
    ),
    "standard": (FLASH, {"serviceTier": "standard"}, (1000, 100, 0, 0, BASE, None)),
    "flex, of which the list has no price": (
        FLASH, {"serviceTier": "flex"}, (1000, 100, 0, 0, 0, "unpriced")
    ),
    "on demand": (FLASH, {"trafficType": "ON_DEMAND"}, (1000, 100, 0, 0, BASE, None)),
    "bought throughput": (
        FLASH, {"trafficType": "PROVISIONED_THROUGHPUT"}, (1000, 100, 0, 0, 0, "unpriced")
    ),
    "no prompt": (
        FLASH, {"promptTokenCount": None, "totalTokenCount": None},
        (0, 100, 0, 0, 250, "incomplete"),
    ),
    "a negative count": (
        FLASH, {"candidatesTokenCount": -5, "totalTokenCount": 995},
        (1000, 0, 0, 0, 300, "incomplete"),
    ),
    "content that nobody counted": (
        FLASH, {"candidatesTokenCount": None, "totalTokenCount": 1000},
        (1000, 0, 0, 0, 300, "incomplete"),
    ),
    "more in the total": (
        FLASH, {"totalTokenCount": 1200}, (1000, 100, 0, 0, BASE, "incomplete")
    ),
}  # fmt: skip


@every_how
@pytest.mark.parametrize("name", USAGES)
def test_usage(told, client, p, name, how):
    """Tokens, their parts and the cost are what Google bills, whole and streamed."""
    model, usage, (tokens_in, tokens_out, cached, reasoning, cost, status) = USAGES[name]
    reported = {key: value for key, value in {**PLAIN, **usage}.items() if value is not None}
    ask(client, p, answer(reported, modelVersion=model), how, model=model)
    value, attributes = told.value, told.span.attributes
    assert {
        "input": value("gen_ai.tokens.consumed", token_type="input"),
        "output": value("gen_ai.tokens.consumed", token_type="output"),
        "cached": value("gen_ai.tokens.cached", cache="read"),
        "reasoning": value("gen_ai.tokens.reasoning"),
        "cost": round(value("gen_ai.cost.usd") * 1e6, 3),
        "status": attributes.get("llm_otel.cost.status"),
    } == {
        "input": tokens_in,
        "output": tokens_out,
        "cached": cached,
        "reasoning": reasoning,
        "cost": round(cost, 3),
        "status": status,
    }


def test_the_last_chunk_counts(told, client, p):
    """Each chunk tells the usage so far, and a later one may tell less."""
    many = {"promptTokenCount": 12, "totalTokenCount": 12}
    p.enqueue(stream(answer(many, stop=None), answer(PLAIN)))
    list(client.models.generate_content_stream(**ASK))
    assert told.value("gen_ai.tokens.consumed") == 1100


def test_a_stream_without_a_usage_is_unknown(told, client, p):
    """Its tokens are not 0."""
    p.enqueue(stream(answer()))
    list(client.models.generate_content_stream(**ASK))
    assert told.span.attributes[semconv.USAGE_SOURCE] == "unknown"
    assert told.value("llm_otel.usage.unknown") == 1


# ------------------------------------------------------------------ grounding
WEB = [{"web": {"uri": "https://example.com", "title": "Example"}}]
MAPS = [{"maps": {"uri": "https://maps.example.com", "title": "Example"}}]
STORE = [{"retrievedContext": {"uri": "gs://example", "title": "Example"}}]
SEARCH = types.Tool(google_search=types.GoogleSearch())
PAGES = types.Tool(url_context=types.UrlContext())
# Model, tool, grounding -> millionths of a USD beyond the tokens, the cost's status.
GROUNDED: dict[str, tuple[str, types.Tool, dict[str, Any], float, str | None]] = {
    "Gemini 2.5 bills a prompt": (
        FLASH, SEARCH, {"webSearchQueries": ["a", "b"], "groundingChunks": WEB}, 35_000, None
    ),
    "Gemini 3 bills queries, each once": (
        THREE, SEARCH, {"webSearchQueries": ["a", "b", "a", ""]}, 2 * 14_000, None
    ),
    "pages, and no query": (THREE, SEARCH, {"groundingChunks": WEB}, 14_000, "incomplete"),
    "nothing was searched": (THREE, SEARCH, {}, 0, None),
    "pages that the prompt names": (FLASH, PAGES, {"groundingChunks": WEB}, 0, None),
    "maps": (
        FLASH, types.Tool(google_maps=types.GoogleMaps()), {"groundingChunks": MAPS}, 0,
        "incomplete",
    ),
    "files": (
        FLASH, types.Tool(file_search=types.FileSearch(file_search_store_names=["s"])),
        {"groundingChunks": STORE}, 0, None,
    ),
}  # fmt: skip


@every_how
@pytest.mark.parametrize("name", GROUNDED)
def test_grounding(told, client, p, name, how):
    """Searches have a fee by the prompt or by the query; what has no price marks the cost."""
    model, tool, grounding, fee, status = GROUNDED[name]
    body = answer(PLAIN, modelVersion=model, candidate={"groundingMetadata": grounding})
    ask(client, p, body, how, model=model, config={"tools": [tool]})
    tokens = BASE if model == FLASH else 1000 * 1.5 + 100 * 9
    assert told.value("gen_ai.cost.usd") * 1e6 == pytest.approx(tokens + fee)
    assert told.span.attributes.get("llm_otel.cost.status") == status


@pytest.mark.parametrize(
    ("tool", "grounding"),
    [
        (types.Tool(enterprise_web_search=types.EnterpriseWebSearch()),
         {"webSearchQueries": ["a"], "groundingChunks": WEB}),
        (types.Tool(retrieval=types.Retrieval(vertex_ai_search=types.VertexAISearch(
            datastore="projects/p/locations/global/collections/c/dataStores/d"))),
         {"groundingChunks": STORE}),
    ],
    ids=["enterprise web search", "a store of Vertex AI Search"],
)  # fmt: skip
def test_searches_of_vertex_ai_have_no_price(told, p, tool, grounding):
    """Their fees are not that of Google Search: the cost is incomplete."""
    p.enqueue(Reply(body=answer(PLAIN, candidate={"groundingMetadata": grounding})))
    with client_of(p, vertex=True) as client:
        client.models.generate_content(**ASK, config={"tools": [tool]})
    assert told.value("gen_ai.cost.usd") * 1e6 == pytest.approx(BASE)
    assert told.span.attributes["llm_otel.cost.status"] == "incomplete"


# ------------------------------------------------------------------ how answers end
CALL = {"functionCall": {"id": "c1", "name": "get_weather", "args": {"city": "Rome"}}}


@every_how
@pytest.mark.parametrize(
    ("stop", "reason"),
    [("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter"),
     ("RECITATION", "content_filter"), ("IMAGE_SAFETY", "content_filter"), ("SPII",
      "content_filter"), ("MALFORMED_FUNCTION_CALL", "error"), ("OTHER", "error"),
     ("LANGUAGE", "language"), (None, "error")],
)  # fmt: skip
def test_finish_reasons(told, client, p, stop, reason, how):
    """Finish reasons are told in the conventions' words."""
    ask(client, p, answer(PLAIN, stop=stop), how)
    assert told.span.attributes["gen_ai.response.finish_reasons"] == (reason,)
    assert told.span.status == "UNSET"


@every_how
def test_a_call_of_a_function_is_a_reason(told, client, p, how):
    """Google says STOP; the call may be in any part."""
    ask(client, p, answer(PLAIN, parts=[{"text": "Let me see."}, CALL]), how)
    assert told.span.attributes["gen_ai.response.finish_reasons"] == ("tool_call",)


def test_candidates(told, client, p):
    """Each candidate has its reason."""
    body = answer(PLAIN)
    second = {**body["candidates"][0], "index": 1, "finishReason": "MAX_TOKENS"}
    body["candidates"].append(second)
    p.enqueue(Reply(body=body))
    client.models.generate_content(**ASK, config={"candidate_count": 2})
    assert told.span.attributes["gen_ai.response.finish_reasons"] == ("stop", "length")
    assert told.span.attributes["gen_ai.request.choice.count"] == 2


@every_how
def test_a_blocked_prompt(told, client, p, how):
    """It is billed, and no error."""
    body = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
        "modelVersion": FLASH,
    }
    p.enqueue(Reply(body=body) if how == "whole" else stream(body))
    if how == "whole":
        client.models.generate_content(**ASK)
    else:
        list(client.models.generate_content_stream(**ASK))
    assert told.span.attributes["gen_ai.response.finish_reasons"] == ("content_filter",)
    assert told.span.status == "UNSET"
    assert told.value("gen_ai.cost.usd") * 1e6 == pytest.approx(9 * 0.3)
    assert "llm_otel.cost.status" not in told.span.attributes


# ------------------------------------------------------------------ errors
def error(status: int, word: str, reason: str | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"code": status, "message": "no", "status": word}
    if reason is not None:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}
        body["details"] = [info]
    return {"error": body}


ERRORS = [
    (400, "INVALID_ARGUMENT", None, "invalid_request"),
    (400, "INVALID_ARGUMENT", "API_KEY_INVALID", "authentication"),
    (401, "UNAUTHENTICATED", None, "authentication"),
    (403, "PERMISSION_DENIED", None, "permission"),
    (403, "PERMISSION_DENIED", "BILLING_DISABLED", "insufficient_funds"),
    (404, "NOT_FOUND", None, "not_found"),
    (429, "RESOURCE_EXHAUSTED", None, "rate_limit"),
    (499, "CANCELLED", None, "cancelled"),
    (500, "INTERNAL", None, "server"),
    (503, "UNAVAILABLE", None, "server"),
    (504, "DEADLINE_EXCEEDED", None, "timeout"),
]


@pytest.mark.parametrize(("status", "word", "reason", "kind"), ERRORS)
@pytest.mark.parametrize("how", ["whole", "stream", "inside", "interaction"])
def test_errors(told, client, p, status, word, reason, kind, how):
    """Errors have their class, refused at once or in the middle of a stream with status 200."""
    body = error(status, word, reason)
    if how == "inside":
        p.enqueue(stream(answer(PLAIN, stop=None), body))
    else:
        p.enqueue(Reply(status=status, body=body))
    asking = {
        "whole": lambda: client.models.generate_content(**ASK),
        "interaction": lambda: client.interactions.create(model=FLASH, input="Hello"),
    }.get(how, lambda: list(client.models.generate_content_stream(**ASK)))
    # The SDK's two halves have two bases of exceptions.
    with pytest.raises((errors.APIError, APIStatusError)) as caught:
        asking()
    kinds = [point.attributes["error_type"] for point in told.points("gen_ai.errors")]
    assert kinds == [kind], caught.value
    assert told.span.status == "ERROR"
    if how == "inside":
        assert told.span.attributes["llm_otel.cost.status"] == "incomplete"


def test_nobody_there(told):
    """A connection that fails is of the class `connection`, by httpx and by aiohttp."""
    options = types.HttpOptions(
        base_url="http://127.0.0.1:9", retry_options=types.HttpRetryOptions(attempts=1)
    )
    client = genai.Client(api_key="test", http_options=options)
    with pytest.raises((httpx.ConnectError, httpx2.ConnectError)):
        client.models.generate_content(**ASK)

    async def program() -> None:
        async with client.aio as asynchronous:
            assert client._api_client._use_aiohttp()
            await asynchronous.models.generate_content(**ASK)

    with pytest.raises(OSError, match=r"127\.0\.0\.1"):
        asyncio.run(program())
    client.close()
    kinds = {span.attributes["llm_otel.error.class"] for span in told.spans}
    assert kinds == {"connection"}


# ------------------------------------------------------------------ requests
CONFIG = types.GenerateContentConfig(
    temperature=0.5,
    top_p=0.9,
    top_k=40,
    max_output_tokens=500,
    stop_sequences=["x", "y"],
    seed=7,
    candidate_count=2,
    presence_penalty=0.1,
    frequency_penalty=0.2,
    response_mime_type="application/json",
    thinking_config=types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW),
)


def test_request_attributes(told, client):
    """What a request says is on the span."""
    client.models.generate_content(**ASK, config=CONFIG)
    got = {
        name.removeprefix("gen_ai."): value
        for name, value in told.span.attributes.items()
        if name.startswith(("gen_ai.request.", "gen_ai.output."))
    }
    assert got == {
        "request.model": FLASH,
        "request.temperature": 0.5,
        "request.top_p": 0.9,
        "request.top_k": 40,
        "request.max_tokens": 500,
        "request.stop_sequences": ("x", "y"),
        "request.seed": 7,
        "request.choice.count": 2,
        "request.presence_penalty": 0.1,
        "request.frequency_penalty": 0.2,
        "request.reasoning.level": "low",
        "output.type": "json",
    }


def test_what_is_no_call(told, client):
    """Counting tokens, listing models and the like ask no model."""
    client.models.count_tokens(**ASK)
    with pytest.raises(errors.ClientError):
        client.files.get(name="files/none")
    assert told.spans == []


def test_a_cache_has_an_unknown_cost(told, client, p):
    """What writing and keeping it costs is in no usage."""
    p.enqueue(Reply(body={"name": "cachedContents/1", "usageMetadata": {"totalTokenCount": 2000}}))
    client.caches.create(model=FLASH, config={"contents": "A long text"})
    assert told.span.name == f"create_cache {FLASH}"
    assert told.span.attributes[semconv.USAGE_SOURCE] == "unknown"


def test_functions_that_the_sdk_calls_are_two_requests(told, client):
    """The SDK's own loop sends the result of a function: each request is a call."""

    def get_weather(city: str) -> str:
        """The weather."""
        return f"sunny in {city}"

    chat = client.chats.create(model=FLASH, config={"tools": [get_weather]})
    chat.send_message("What does get_weather say?")
    reasons = [span.attributes["gen_ai.response.finish_reasons"] for span in told.spans]
    assert reasons == [("tool_call",), ("stop",)]


# ------------------------------------------------------------------ Vertex AI
@pytest.mark.parametrize("location", ["global", "europe-west1", None])
def test_vertex_ai(told, p, location, monkeypatch):
    """Vertex AI is another provider, found by its host, with the same models and prices."""
    if location is None:
        made = client_of(p, vertex=True)
    else:
        options = types.HttpOptions(client_args={"transport": transport(httpx, p, False)})
        made = genai.Client(
            vertexai=True, project="my-project", location=location, http_options=options
        )
        monkeypatch.setattr(made._api_client, "_access_token", lambda: "token")
    with made as client:
        client.models.generate_content(**ASK)
        list(client.models.generate_content_stream(**ASK))
    for span in told.spans:
        attributes = span.attributes
        assert span.name == f"generate_content {FLASH}"
        assert attributes["gen_ai.provider.name"] == "gcp.vertex_ai"
        host = attributes["server.address"]
        assert host == ("aiplatform.googleapis.com" if location in ("global", None)
                        else f"{location}-aiplatform.googleapis.com")  # fmt: skip
        assert attributes["gen_ai.usage.cost.amount"] > 0
    assert len(told.spans) == 2


def test_other_hosts_are_google_s(instrumented, p):
    """Behind a gateway it is some API of Google's."""
    telemetry = instrumented()
    options = types.HttpOptions(base_url=p.origin)
    with genai.Client(api_key="x", http_options=options) as client:
        client.models.generate_content(**ASK)
    assert telemetry.span.attributes["gen_ai.provider.name"] == "gcp.gen_ai"
    assert telemetry.value("gen_ai.cost.usd") > 0


# ------------------------------------------------------------------ embeddings, pictures, videos
EMBEDDED = {"embeddings": [{"values": [0.1] * 3000}], "usageMetadata": {"promptTokenCount": 12}}


@pytest.mark.parametrize("body", [EMBEDDED, {"embeddings": [{"values": [0.1]}]}])
def test_embeddings(told, client, p, body):
    """Newer answers tell their tokens; older ones nothing, which is unknown."""
    p.enqueue(Reply(body=body))
    config = types.EmbedContentConfig(output_dimensionality=3000)
    client.models.embed_content(model="gemini-embedding-001", contents="one", config=config)
    attributes = told.span.attributes
    assert attributes["gen_ai.embeddings.dimension.count"] == 3000
    if body is EMBEDDED:
        assert told.value("gen_ai.cost.usd") * 1e6 == pytest.approx(12 * 0.15)
    else:
        assert attributes[semconv.USAGE_SOURCE] == "unknown"


def test_video_of_embeddings_has_another_price(told, client, p):
    """No count of ours holds it: the cost is incomplete."""
    used = {"promptTokenCount": 12, "promptTokensDetails": details(VIDEO=12)}
    p.enqueue(Reply(body={**EMBEDDED, "usageMetadata": used}))
    client.models.embed_content(model="gemini-embedding-2", contents="one")
    assert told.span.attributes["llm_otel.cost.status"] == "incomplete"


def test_embeddings_of_vertex_ai(told, p):
    """Each prediction tells its tokens."""
    one = {"embeddings": {"values": [0.1], "statistics": {"token_count": 4, "truncated": False}}}
    p.enqueue(Reply(body={"predictions": [one, one]}))
    with client_of(p, vertex=True) as client:
        client.models.embed_content(model="text-embedding-005", contents=["one", "two"])
    assert told.span.name == "embeddings text-embedding-005"
    assert told.value("gen_ai.tokens.consumed", token_type="input") == 8


def test_pictures_are_billed_each(instrumented, p):
    """Imagen counts no tokens: each picture has a price, if the settings give one."""
    prices = [{"model": "imagen-4.0-generate-001", "image": 0.04}]
    telemetry = instrumented(prices=prices)
    with client_of(p, vertex=True) as client:
        client.models.generate_images(
            model="imagen-4.0-generate-001", prompt="A cat", config={"number_of_images": 3}
        )
    attributes = telemetry.span.attributes
    assert telemetry.span.name == "image_generation imagen-4.0-generate-001"
    assert attributes["llm_otel.usage.images"] == 3
    assert attributes["gen_ai.output.type"] == "image"
    assert telemetry.value("gen_ai.cost.usd") == pytest.approx(3 * 0.04)
    assert "gen_ai.usage.input_tokens" not in attributes


def test_a_video_is_a_call_of_unknown_usage(told, p):
    """The operation is polled without a call."""
    with client_of(p, vertex=True) as client:
        operation = client.models.generate_videos(
            model="veo-3.0-generate-001", source={"prompt": "A cat"}
        )
        assert client.operations.get(operation).done
    assert [span.name for span in told.spans] == ["video_generation veo-3.0-generate-001"]
    assert told.span.attributes[semconv.USAGE_SOURCE] == "unknown"


# ------------------------------------------------------------------ batches
def test_batches(told, client, p):
    """A batch with its answers inline is counted once, at the price of batches."""
    name = "batches/b1"
    running = {"name": name, "metadata": {"state": "BATCH_STATE_RUNNING", "name": name,
                                          "model": f"models/{FLASH}"}}  # fmt: skip
    inlined = {"inlinedResponses": [{"response": answer(PLAIN)}, {"response": answer(PLAIN)},
                                    {"error": {"code": 400, "message": "no"}}]}  # fmt: skip
    done = {
        "name": name,
        "done": True,
        "metadata": {**running["metadata"], "state": "BATCH_STATE_SUCCEEDED",
                     "output": {"inlinedResponses": inlined}},
        "response": {"inlinedResponses": inlined},
    }  # fmt: skip
    p.enqueue(*(Reply(body=body) for body in (running, running, done, done, {})))
    job = client.batches.create(
        model=FLASH, src=[{"contents": [{"parts": [{"text": "Hi"}], "role": "user"}]}]
    )
    for _ in range(3):
        client.batches.get(name=job.name)
    client.batches.cancel(name=job.name)
    assert [span.attributes["gen_ai.operation.name"] for span in told.spans] == [
        "create_batch", *["fetch_batch"] * 3, "cancel_batch",
    ]  # fmt: skip
    assert told.value("gen_ai.tokens.consumed", model=FLASH) == 2200
    assert told.value("gen_ai.cost.usd") * 1e6 == pytest.approx(2 * (1000 * 0.15 + 100 * 1.25))


# ------------------------------------------------------------------ interactions
INTERACTION = {
    "total_input_tokens": 1000, "total_output_tokens": 100, "total_thought_tokens": 50,
    "total_tool_use_tokens": 70, "total_cached_tokens": 600, "total_tokens": 1220,
    "input_tokens_by_modality": [{"modality": "text", "tokens": 400},
                                 {"modality": "audio", "tokens": 600}],
}  # fmt: skip


def interaction(**more: Any) -> dict[str, Any]:
    return {
        "id": "v1_1",
        "status": "completed",
        "model": FLASH,
        "object": "interaction",
        "steps": [{"type": "model_output", "content": [{"type": "text", "text": "Yes."}]}],
        "usage": INTERACTION,
        "created": "2026-01-01T00:00:00Z",
        "updated": "2026-01-01T00:00:00Z",
        **more,
    }


def events_of(body: dict[str, Any]) -> Reply:
    about = {key: value for key, value in body.items() if key not in ("steps", "usage")}
    events = [
        {"interaction": {**about, "status": "in_progress"}, "event_type": "interaction.created"},
        *({"index": at, "step": step, "event_type": "step.start"}
          for at, step in enumerate(body["steps"])),
        {"interaction": {**about, "usage": body["usage"]}, "event_type": "interaction.completed"},
    ]  # fmt: skip
    lines = "".join(f"event: {each['event_type']}\ndata: {json.dumps(each)}\n\n" for each in events)
    return Reply(
        headers={"content-type": "text/event-stream"}, body=f"{lines}event: done\ndata: [DONE]\n\n"
    )


@every_how
@pytest.mark.parametrize(
    ("status", "reason"),
    [("completed", "stop"), ("requires_action", "tool_call"), ("incomplete", "length")],
)
def test_interactions(told, client, p, status, reason, how):
    """Usage, cost and reason of an interaction, whole and streamed."""
    body = interaction(status=status)
    p.enqueue(Reply(body=body) if how == "whole" else events_of(body))
    found = client.interactions.create(
        model=FLASH,
        input="Hello",
        stream=how == "stream",
        previous_interaction_id="v1_0",
        generation_config={"temperature": 0.5, "max_output_tokens": 9, "thinking_level": "low"},
    )
    if how == "stream":
        list(found)
    attributes = told.span.attributes
    assert told.span.name == f"generate_content {FLASH}"
    assert attributes["gen_ai.response.finish_reasons"] == (reason,)
    assert attributes["gen_ai.response.id"] == "v1_1"
    assert attributes["gen_ai.request.temperature"] == 0.5
    assert attributes["gen_ai.request.max_tokens"] == 9
    assert attributes["gen_ai.request.reasoning.level"] == "low"
    assert attributes["gen_ai.request.previous_response.id"] == "v1_0"
    assert attributes["gen_ai.usage.input_tokens"] == 1070
    assert attributes["gen_ai.usage.output_tokens"] == 150
    assert attributes["gen_ai.usage.reasoning.output_tokens"] == 50
    assert attributes["gen_ai.usage.audio.input_tokens"] == 600
    cost = 600 * 0.03 + 600 * 1.0 - 130 * 0.3  # contradicts itself: more is cached than is text
    assert attributes["llm_otel.cost.status"] == "incomplete", cost


@every_how
@pytest.mark.parametrize("model", [FLASH, THREE])
def test_searches_of_interactions(told, client, p, model, how):
    """The usage counts them; Gemini 2.5 bills the prompt."""
    used = {
        "total_input_tokens": 1000, "total_output_tokens": 100, "total_tokens": 1100,
        "grounding_tool_count": [{"type": "google_search", "count": 3}],
    }  # fmt: skip
    body = interaction(model=model, usage=used)
    p.enqueue(Reply(body=body) if how == "whole" else events_of(body))
    found = client.interactions.create(
        model=model, input="Hello", stream=how == "stream", tools=[{"type": "google_search"}]
    )
    if how == "stream":
        list(found)
    cost = BASE + 35_000 if model == FLASH else 1000 * 1.5 + 100 * 9 + 3 * 14_000
    assert told.value("gen_ai.cost.usd") * 1e6 == pytest.approx(cost)
    assert "llm_otel.cost.status" not in told.span.attributes


def test_interactions_in_the_background(told, client):
    """What one used is counted once, for who began it."""
    begun = client.interactions.create(model=FLASH, input="Hello", background=True)
    assert begun.status == "in_progress"
    for _ in range(4):
        begun = client.interactions.get(begun.id)
    assert begun.status == "completed"
    assert told.value("gen_ai.tokens.consumed") == begun.usage.total_tokens
    assert told.value("gen_ai.tokens.consumed", operation="generate_content") > 0
    assert [span.attributes["gen_ai.operation.name"] for span in told.spans] == [
        "generate_content", *["fetch_response"] * 4,
    ]  # fmt: skip


def test_an_agent_s_interaction_is_named_as_the_agent(told, client):
    """Deep research names no model; its cost is unknown."""
    client.interactions.create(agent="deep-research-preview", input="Hello", background=True)
    assert told.span.name == "generate_content deep-research-preview"


def test_an_interaction_that_failed(told, client, p):
    """It came with status 200, and is an error."""
    failure = {"code": "resource_exhausted", "message": "no"}
    p.enqueue(Reply(body=interaction(status="failed", errors=[failure], usage=None)))
    client.interactions.create(model=FLASH, input="Hello")
    assert told.span.status == "ERROR"
    assert told.span.attributes["llm_otel.error.class"] == "rate_limit"


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"answers": {"q": {"type": "choice", "choice": "yes"}}}, "stop"),
     ({"prompt_feedback": {"block_reason": "safety"}}, "content_filter")],
)  # fmt: skip
def test_decisions(told, client, p, more, reason):
    """Answers to questions have the usage of interactions."""
    used = {"total_input_tokens": 1000, "total_output_tokens": 100, "total_tokens": 1100}
    p.enqueue(Reply(body={"usage": used, **more}))
    question = {"type": "noul", "instructions": "Is it?"}
    body = {"model": FLASH, "input": "Hello", "questions": {"q": question}}
    client.decisions.with_raw_response.create(**body)
    assert told.span.name == f"generate_content {FLASH}"
    assert told.span.attributes["gen_ai.response.finish_reasons"] == (reason,)
    assert told.value("gen_ai.cost.usd") * 1e6 == pytest.approx(BASE)


def test_raw_interactions(told, client, p):
    """A program that reads the response itself is seen as well."""
    p.enqueue(Reply(body=interaction()))
    raw = client.interactions.with_raw_response.create(model=FLASH, input="Hello")
    assert raw.parse().id == "v1_1"
    assert told.span.attributes["gen_ai.usage.output_tokens"] == 150


# ------------------------------------------------------------------ versions
def test_functions_that_are_not_known_are_left_alone(monkeypatch, instrumented, caplog, p):
    """A version that has other functions works without us, and one warning says so."""
    from google.genai import _api_client

    def request(self, method, where, body):
        raise LookupError

    monkeypatch.setattr(_api_client.BaseApiClient, "request_streamed", request)
    monkeypatch.delattr(_api_client.BaseApiClient, "async_request")
    with caplog.at_level(logging.WARNING, "llm_otel"):
        telemetry = instrumented()
    (warning,) = caplog.messages
    assert "BaseApiClient.request_streamed" in warning
    assert "BaseApiClient.async_request" in warning
    with client_of(p) as client:
        client.models.generate_content(**ASK)
    assert telemetry.span.name == f"generate_content {FLASH}"


class Hidden:
    """Options that are no object with fields."""

    __slots__ = ("options",)

    def __init__(self, options: Any) -> None:
        self.options = options

    def __getattr__(self, name: str) -> Any:
        if name == "__dict__":
            raise AttributeError(name)
        return getattr(self.options, name)


def test_a_client_that_keeps_its_url_elsewhere(told, p):
    """Without its private options the call is some API's of Google, at a host that is not known."""
    with client_of(p) as client:
        client._api_client._http_options = Hidden(client._api_client._http_options)
        client.models.generate_content(**ASK)
    assert told.span.attributes["gen_ai.provider.name"] == "gcp.gen_ai"
    assert "server.address" not in told.span.attributes
