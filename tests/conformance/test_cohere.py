"""What is Cohere's own: billed units, versions, events, clouds, batches of embeddings."""

from __future__ import annotations

import asyncio
import inspect
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cohere
import httpx
import pytest
from clients.redirect import http_client

import llm_otel
from llm_otel.testing import RateLimit, Reply, provider

MODEL = "command-a-03-2025"  # 2.5 USD and 10 USD for a million
ASK: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hello there"}]}
OLD: dict[str, Any] = {"model": MODEL, "message": "Hello there"}


def make(kind: Any, p: Any, **more: Any) -> Any:
    """A client that believes to call Cohere, and does not try again."""
    asynchronous = issubclass(kind, cohere.AsyncClient)
    http = http_client(httpx, p, asynchronous)
    if "max_retries" in inspect.signature(kind).parameters:  # older ones try once anyway
        more = {"max_retries": 0, **more}
    return kind(api_key="test", httpx_client=http, **more)


@pytest.fixture
def v1(p):
    with make(cohere.Client, p) as made:
        yield made


@pytest.fixture
def v2(p):
    with make(cohere.ClientV2, p) as made:
        yield made


def answer(usage: dict[str, Any] | None, reason: str = "COMPLETE", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]}
    return {"id": "c1", "message": message, "finish_reason": reason, "usage": usage, **more}


def events(body: dict[str, Any]) -> Reply:
    """The stream of v2 that amounts to an answer."""
    end = {"finish_reason": body["finish_reason"], "usage": body["usage"]}
    nodes = [
        {"id": body["id"], "type": "message-start", "delta": {"message": {"role": "assistant"}}},
        {"type": "content-start", "index": 0,
         "delta": {"message": {"content": {"type": "text", "text": ""}}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Yes."}}}},
        {"type": "content-end", "index": 0},
        {"type": "message-end", "delta": end},
    ]  # fmt: skip
    lines = "".join(f"event: {n['type']}\ndata: {json.dumps(n)}\n\n" for n in nodes)
    return Reply(headers={"content-type": "text/event-stream"}, body=lines + "data: [DONE]\n\n")


def old_answer(body: dict[str, Any]) -> dict[str, Any]:
    """The same in v1."""
    same = {"text": "Yes.", "finish_reason": body["finish_reason"], "generation_id": "g1"}
    return {"response_id": "c1", **same, **({"meta": body["usage"]} if body["usage"] else {})}


def lines(body: dict[str, Any]) -> Reply:
    """The stream of v1 that amounts to an answer."""
    whole = old_answer(body)
    nodes = [
        {"is_finished": False, "event_type": "stream-start", "generation_id": "g1"},
        {"is_finished": False, "event_type": "text-generation", "text": "Yes."},
        {"is_finished": True, "event_type": "stream-end", "finish_reason": whole["finish_reason"],
         "response": whole},
    ]  # fmt: skip
    text = "".join(json.dumps(node) + "\n" for node in nodes)
    return Reply(headers={"content-type": "application/stream+json"}, body=text)


def asked(how: str, body: dict[str, Any], p: Any, v1: Any, v2: Any) -> None:
    """Has an answer come in one of four ways."""
    if how == "v2":
        p.enqueue(Reply(body=body))
        v2.chat(**ASK)
    elif how == "v2 stream":
        p.enqueue(events(body))
        list(v2.chat_stream(**ASK))
    elif how == "v1":
        p.enqueue(Reply(body=old_answer(body)))
        v1.chat(**OLD)
    else:
        p.enqueue(lines(body))
        list(v1.chat_stream(**OLD))


four_ways = pytest.mark.parametrize("how", ["v2", "v2 stream", "v1", "v1 stream"])
BILLED = {"input_tokens": 1000, "output_tokens": 100}
COST = 1000 * 2.5 + 100 * 10

# Usage -> input, output, cached, search units, millionths of a USD, cost status.
USAGES: dict[str, tuple[dict[str, Any] | None, tuple[Any, ...]]] = {
    "billed": ({"billed_units": BILLED}, (1000, 100, 0, 0, COST, None)),
    "billed and not billed": (
        {"billed_units": BILLED, "tokens": {"input_tokens": 1200, "output_tokens": 101}},
        (1000, 100, 0, 0, COST, None),
    ),
    "cached, with what is not billed": (
        {"billed_units": BILLED, "tokens": {"input_tokens": 1200, "output_tokens": 100},
         "cached_tokens": 1100},
        (1000, 100, 0, 0, COST, None),
    ),
    "cached": (
        {"billed_units": BILLED, "tokens": BILLED, "cached_tokens": 600},
        (1000, 100, 600, 0, COST, None),
    ),
    "fractions": (
        {"billed_units": {"input_tokens": 1000.0, "output_tokens": 100.0}},
        (1000, 100, 0, 0, COST, None),
    ),
    "tokens alone": ({"tokens": BILLED}, (1000, 100, 0, 0, COST, None)),
    "connectors": (
        {"billed_units": {**BILLED, "search_units": 2}}, (1000, 100, 0, 2, COST, "incomplete")
    ),
    "classifications": (
        {"billed_units": {**BILLED, "classifications": 3}}, (1000, 100, 0, 0, COST, "incomplete")
    ),
    "counted, and billed as nothing": (
        {"billed_units": {"input_tokens": 0, "output_tokens": 0}, "tokens": BILLED},
        (1000, 100, 0, 0, COST, "incomplete"),
    ),
    "output alone": (
        {"billed_units": {"output_tokens": 100}}, (0, 100, 0, 0, 1000, "incomplete")
    ),
    "nothing": (None, (0, 0, 0, 0, 0, None)),
}  # fmt: skip


@four_ways
@pytest.mark.parametrize("name", USAGES)
def test_usage(instrumented, p, v1, v2, how, name):
    """Tokens and cost are what is billed, whatever else is reported beside it."""
    telemetry = instrumented()
    usage, (tokens_in, tokens_out, cached, units, cost, status) = USAGES[name]
    asked(how, answer(usage), p, v1, v2)
    value, attributes = telemetry.value, telemetry.span.attributes
    assert {
        "input": value("gen_ai.tokens.consumed", token_type="input"),
        "output": value("gen_ai.tokens.consumed", token_type="output"),
        "cached": value("gen_ai.tokens.cached", cache="read"),
        "units": attributes.get("llm_otel.usage.search_units", 0),
        "cost": round(value("gen_ai.cost.usd") * 1e6, 3),
        "status": attributes.get("llm_otel.cost.status"),
        "source": attributes.get("llm_otel.usage.source"),
        "id": attributes["gen_ai.response.id"],
    } == {
        "input": tokens_in,
        "output": tokens_out,
        "cached": cached,
        "units": units,
        "cost": round(cost, 3),
        "status": status,
        "source": "provider" if usage else "unknown",
        "id": "c1",
    }


# What Cohere says -> the conventions' word, and the class of the error, if it is one.
REASONS = {
    "COMPLETE": ("stop", None),
    "STOP_SEQUENCE": ("stop", None),
    "MAX_TOKENS": ("length", None),
    "ERROR_LIMIT": ("length", None),
    "TOOL_CALL": ("tool_call", None),
    "USER_CANCEL": ("cancelled", None),
    "ERROR_TOXIC": ("content_filter", "content_filter"),
    "ERROR": ("error", "server"),
    "TIMEOUT": ("error", "timeout"),
    "NEW": ("NEW", None),
}


@four_ways
@pytest.mark.parametrize("reason", REASONS)
def test_finish_reasons(instrumented, p, v1, v2, how, reason):
    """Reasons in the conventions' words; those that say that the provider failed are errors."""
    telemetry = instrumented()
    asked(how, answer({"billed_units": BILLED}, reason), p, v1, v2)
    attributes = telemetry.span.attributes
    word, error = REASONS[reason]
    assert attributes["gen_ai.response.finish_reasons"] == (word,)
    assert attributes.get("llm_otel.error.class") == error
    assert telemetry.value("gen_ai.errors") == (1 if error else 0)


# ------------------------------------------------------------------ other endpoints
RERANKS = {
    "rerank-v4.0-pro": 2500, "rerank-v4.0-fast": 2000, "rerank-v3.5": 2000,
    "rerank-multilingual-v3.0": 2000, "rerank-english-v2.0": 1000,
}  # fmt: skip


@pytest.mark.parametrize("model", RERANKS)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_rerank(instrumented, p, v1, v2, version, model):
    """A rerank is billed by the search unit: 150 documents are two."""
    telemetry = instrumented()
    client = v1 if version == "v1" else v2
    client.rerank(model=model, query="Hello", documents=[f"text {n}" for n in range(150)])
    attributes = telemetry.span.attributes
    assert telemetry.span.name == f"rerank {model}"
    assert attributes["llm_otel.usage.search_units"] == 2 == p.bill[model].search_units
    assert "gen_ai.usage.input_tokens" not in attributes
    assert attributes["gen_ai.usage.cost.amount"] == pytest.approx(2 * RERANKS[model] * 1e-6)
    assert attributes.get("llm_otel.cost.status") is None


IMAGE = "data:image/png;base64,aGVsbG8="
# Billed units of an embed -> input tokens, millionths of a USD.
EMBEDS: dict[str, tuple[str, dict[str, Any], int | None, float]] = {
    "texts": ("embed-v4.0", {"input_tokens": 1000}, 1000, 120),
    "images": ("embed-v4.0", {"images": 2, "image_tokens": 3000}, 3000, 1410),
    "both": ("embed-v4.0", {"input_tokens": 1000, "images": 1, "image_tokens": 3000}, 4000, 1530),
    "older texts": ("embed-english-v3.0", {"input_tokens": 1000}, 1000, 100),
    "older images": ("embed-english-v3.0", {"images": 2}, None, 200),
}


@pytest.mark.parametrize("name", EMBEDS)
def test_embed(instrumented, p, v2, name):
    """Tokens of images lie beside those of texts, at a price of their own."""
    telemetry = instrumented()
    model, billed, tokens, cost = EMBEDS[name]
    meta = {"api_version": {"version": "2"}, "billed_units": billed}
    p.enqueue(Reply(body={"id": "e1", "embeddings": {"float": [[0.5]]}, "meta": meta}))
    v2.embed(
        model=model,
        input_type="search_document",
        texts=["Hello"],
        embedding_types=["float", "int8"],
    )
    attributes = telemetry.span.attributes
    assert telemetry.span.name == f"embeddings {model}"
    assert attributes.get("gen_ai.usage.input_tokens") == tokens
    assert "gen_ai.usage.output_tokens" not in attributes
    assert attributes["gen_ai.request.encoding_formats"] == ("float", "int8")
    assert attributes["gen_ai.usage.cost.amount"] * 1e6 == pytest.approx(cost)


def test_batches_of_embeddings(instrumented, p, v1):
    """Texts beyond 96 go in several requests, by threads: each is a call."""
    telemetry = instrumented()
    answered = v1.embed(model="embed-v4.0", texts=["Hello"] * 200, input_type="search_document")
    assert len(answered.embeddings) == 200
    assert [span.name for span in telemetry.spans] == ["embeddings embed-v4.0"] * 3
    billed = p.bill["embed-v4.0"]
    assert billed.answers == 3
    assert telemetry.value("gen_ai.tokens.consumed", token_type="input") == billed.input_tokens


class Attributed(ThreadPoolExecutor):
    """Passes on who asks, as the documentation shows it."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        return super().submit(llm_otel.propagate(fn), *args, **kwargs)


def test_batches_of_embeddings_belong_to_who_asks(instrumented, p):
    """An executor that passes on the attribution has every request attributed, below the step."""
    telemetry = instrumented()
    with Attributed(2) as executor:
        client = make(cohere.Client, p, thread_pool_executor=executor)
        with client, llm_otel.attribution(tenant_id="acme"), llm_otel.workflow("index"):
            client.embed(model="embed-v4.0", texts=["Hello"] * 200, input_type="search_document")
    calls = [span for span in telemetry.spans if span.name.startswith("embeddings")]
    assert [span.attributes["tenant_id"] for span in calls] == ["acme"] * 3
    assert telemetry.tree().count("\n  embeddings embed-v4.0") == 3


def test_long_vectors(instrumented, p, v2):
    """The usage that stands behind long vectors is read, whatever the texts are."""
    telemetry = instrumented()
    vectors = [[n / 1024 - 0.5 for n in range(1024)]] * 3
    texts = ["[1, 2, 3]" * 50, '", "meta": {"billed_units": {"input_tokens": 9}}', "c"]
    body = {
        "id": "e1", "embeddings": {"float": vectors}, "texts": texts,
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 30}},
    }  # fmt: skip
    p.enqueue(Reply(body=body))
    answered = v2.embed(
        model="embed-v4.0", texts=texts, input_type="search_document", embedding_types=["float"]
    )
    assert answered.embeddings.float_ == vectors
    assert telemetry.span.attributes["gen_ai.usage.input_tokens"] == 30
    assert telemetry.span.attributes["gen_ai.response.id"] == "e1"


def test_generate(instrumented, p, v1):
    """Generations are text completions, whole and streamed."""
    telemetry = instrumented()
    v1.generate(prompt="Hello", model="command", max_tokens=50, k=3, num_generations=2)
    list(v1.generate_stream(prompt="Hello", model="command"))
    assert [span.name for span in telemetry.spans] == ["text_completion command"] * 2
    attributes = telemetry.spans[0].attributes
    assert attributes["gen_ai.request.choice.count"] == 2
    assert attributes["gen_ai.request.top_k"] == 3
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",)
    billed = p.bill["command"]
    assert telemetry.value("gen_ai.tokens.consumed", token_type="output") == billed.output_tokens


def test_what_is_no_call(instrumented, p, v1):
    """Counting tokens, lists of models, datasets and jobs are no calls of a model."""
    telemetry = instrumented()
    for body in ({"tokens": [1], "token_strings": ["a"]}, {"models": []}, {"datasets": []}):
        p.enqueue(Reply(body=body))
    v1.tokenize(text="Hello", model=MODEL, offline=False)
    v1.models.list()
    v1.datasets.list()
    assert len(p.requests) == 3
    assert telemetry.spans == []


def test_request(instrumented, p, v2):
    """What a request says of itself, and what it leaves out."""
    telemetry = instrumented()
    v2.chat(
        **ASK, temperature=0.5, k=5, p=0.9, max_tokens=30, seed=7, stop_sequences=["END"],
        frequency_penalty=0.1, response_format={"type": "json_object"},
        request_options={"additional_body_parameters": {"model": "command-r7b-12-2024"}},
    )  # fmt: skip
    attributes = {
        key: value
        for key, value in telemetry.span.attributes.items()
        if key.startswith(("gen_ai.request.", "gen_ai.output"))
    }
    assert attributes == {
        "gen_ai.request.model": "command-r7b-12-2024",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_k": 5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.max_tokens": 30,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.frequency_penalty": 0.1,
        "gen_ai.output.type": "json",
    }
    assert telemetry.span.attributes["server.address"] == "api.cohere.com"
    assert telemetry.span.attributes["llm_otel.provider.request_id"].startswith("req_")


# ------------------------------------------------------------------ failures
STATUSES = {
    400: "invalid_request", 401: "authentication", 402: "insufficient_funds", 403: "permission",
    404: "not_found", 422: "invalid_request", 429: "rate_limit", 498: "content_filter",
    499: "cancelled", 500: "server", 503: "server", 504: "timeout",
}  # fmt: skip


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("how", ["v2", "v2 stream", "v1", "v1 stream"])
def test_statuses(instrumented, p, v1, v2, how, status):
    """A refusal is one failed call with its class; its id is no answer's."""
    telemetry = instrumented()
    p.enqueue(Reply(status=status, body={"id": "e1", "message": "no"}))
    ask = {
        "v2": lambda: v2.chat(**ASK),
        "v2 stream": lambda: list(v2.chat_stream(**ASK)),
        "v1": lambda: v1.chat(**OLD),
        "v1 stream": lambda: list(v1.chat_stream(**OLD)),
    }
    with pytest.raises(cohere.core.api_error.ApiError) as caught:
        ask[how]()
    assert caught.value.status_code == status
    attributes = telemetry.span.attributes
    assert attributes["llm_otel.error.class"] == STATUSES[status]
    assert attributes["http.response.status_code"] == status
    assert "gen_ai.response.id" not in attributes
    assert telemetry.value("gen_ai.errors") == 1


def test_error_in_a_stream(instrumented, p, v1, v2):
    """What the last event tells of an error is the call's, in both versions."""
    telemetry = instrumented()
    p.enqueue("stream_error", "stream_error")
    list(v2.chat_stream(**ASK))
    list(v1.chat_stream(**OLD))
    for span in telemetry.spans:
        assert span.attributes["llm_otel.error.class"] == "server", span.attributes
        assert span.attributes["gen_ai.response.finish_reasons"] == ("error",)
        assert span.status == "ERROR"


FAILED = 'data: {"id": "c1", "message": "internal server error"}\n\n'


def test_an_event_that_is_an_error(instrumented, p, v2):
    """An error that has no kind is the call's, and nobody cancelled."""
    telemetry = instrumented()
    whole = events(answer({"billed_units": BILLED})).body
    body = whole[: whole.index("event: message-end")] + FAILED + "data: [DONE]\n\n"
    p.enqueue(Reply(headers={"content-type": "text/event-stream"}, body=body))
    list(v2.chat_stream(**ASK))
    assert telemetry.span.status == "ERROR"
    assert telemetry.span.attributes["gen_ai.response.finish_reasons"] == ("error",)


@pytest.mark.parametrize("body", ["", "<html>busy</html>"], ids=["empty", "a page"])
@pytest.mark.parametrize("name", ["chat", "embed"])
def test_an_answer_that_is_none(instrumented, p, v2, name, body):
    """Of what is no JSON the SDK makes an exception, whatever its status: the call has failed."""
    telemetry = instrumented()
    p.enqueue(Reply(headers={"content-type": "text/html"}, body=body))
    with pytest.raises(cohere.core.api_error.ApiError):
        v2.chat(**ASK) if name == "chat" else v2.embed(
            model="embed-v4.0", texts=["a"], input_type="search_query", embedding_types=["float"]
        )
    attributes = telemetry.span.attributes
    assert telemetry.span.status == "ERROR"
    assert attributes["llm_otel.error.class"] == "other"
    assert attributes["http.response.status_code"] == 200
    assert telemetry.value("llm_otel.usage.unknown") == 0
    assert telemetry.value("gen_ai.errors") == 1


@pytest.mark.parametrize("end", ["", "data: [DONE]\n\n"], ids=["cut", "done"])
def test_a_stream_without_an_end(instrumented, p, v2, end):
    """A stream that stops before its last event leaves the usage unknown; nobody cancelled it."""
    telemetry = instrumented()
    whole = events(answer({"billed_units": BILLED})).body
    cut = whole[: whole.index("event: message-end")] + end
    p.enqueue(Reply(headers={"content-type": "text/event-stream"}, body=cut))
    list(v2.chat_stream(**ASK))
    attributes = telemetry.span.attributes
    assert attributes["gen_ai.response.finish_reasons"] == ("error",)
    assert attributes["llm_otel.usage.source"] == "unknown"


@pytest.mark.skipif(
    "max_retries" not in inspect.signature(cohere.ClientV2).parameters,
    reason="this version does not try again by itself",
)
def test_retries(instrumented, p):
    """A request that the SDK sends again is one call, which tells how often it was."""
    telemetry = instrumented()
    busy = Reply(status=503, headers={"retry-after-ms": "1"}, body={"message": "busy"})
    p.enqueue(busy, busy)
    with make(cohere.ClientV2, p, max_retries=2) as client:
        client.chat(**ASK)
    assert len(p.requests) == 3
    assert telemetry.span.status == "UNSET"
    assert telemetry.span.attributes["http.request.resend_count"] == 2
    assert telemetry.count("gen_ai.request.duration") == 1


def test_headroom_of_a_trial_key(instrumented):
    """The limits that trial keys are told are exported."""
    telemetry = instrumented()
    with provider(rate_limit=RateLimit(requests=20)) as p, make(cohere.ClientV2, p) as client:
        client.chat(**ASK)
    assert telemetry.value("gen_ai.ratelimit.requests.limit") == 20
    assert telemetry.value("gen_ai.ratelimit.requests.remaining") == 19


# ------------------------------------------------------------------ ways to ask
def test_async(instrumented, p):
    """The asynchronous clients: whole answers, streams, embeddings in several requests."""
    telemetry = instrumented()

    async def program() -> None:
        v1, v2 = make(cohere.AsyncClient, p), make(cohere.AsyncClientV2, p)
        with llm_otel.attribution(tenant_id="acme"):
            await v2.chat(**ASK)
            async for _ in v2.chat_stream(**ASK):
                pass
            async for _ in v1.chat_stream(**OLD):
                pass
            await v1.embed(model="embed-v4.0", texts=["Hello"] * 200, input_type="search_document")
        for client in (v1, v2):
            await client._client_wrapper.httpx_client.httpx_client.aclose()

    asyncio.run(program())
    assert sorted(span.name for span in telemetry.spans) == [
        *[f"chat {MODEL}"] * 3, *["embeddings embed-v4.0"] * 3,
    ]  # fmt: skip
    assert {span.attributes["tenant_id"] for span in telemetry.spans} == {"acme"}
    billed = sum(bill.input_tokens for bill in p.bill.values())
    assert telemetry.value("gen_ai.tokens.consumed", token_type="input") == billed


@pytest.mark.skipif(
    not hasattr(cohere.ClientV2, "with_raw_response"), reason="this version has no raw responses"
)
def test_raw_responses(instrumented, p, v2):
    """Whoever wants the response gets it, and is one call."""
    telemetry = instrumented()
    response = v2.with_raw_response.chat(**ASK)
    with v2.with_raw_response.chat_stream(**ASK) as streamed:
        chunks = list(streamed.data)
    assert response.data.finish_reason == "COMPLETE"
    assert chunks[-1].type == "message-end"
    used = [span.attributes["gen_ai.usage.output_tokens"] for span in telemetry.spans]
    assert len(used) == 2
    assert sum(used) == p.bill[MODEL].output_tokens


@pytest.mark.parametrize("name", ["request", "stream"])
def test_another_signature(instrumented, p, monkeypatch, caplog, name):
    """A version whose functions we do not know is left alone, with one warning."""
    original = getattr(cohere.core.http_client.HttpClient, name)

    def other(self: Any, route: str, **kwargs: Any) -> Any:
        return original(self, route, **kwargs)

    monkeypatch.setattr(cohere.core.http_client.HttpClient, name, other)
    telemetry = instrumented()
    with make(cohere.ClientV2, p) as client:
        if name == "request":
            client.chat(**ASK)
        else:
            list(client.chat_stream(**ASK))
    assert telemetry.spans == []
    (record,) = [each for each in caplog.records if "stays out" in each.message]
    assert f"`HttpClient.{name}`" in record.message
