"""What is Mistral's own: usage, errors, pages and seconds, its clouds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from clients.mistralai import MODEL, PDF, QUESTION, SPEECH, make
from clients.redirect import http_client
from mistralai.azure.client import MistralAzure
from mistralai.client.utils import BackoffStrategy, RetryConfig
from mistralai.gcp.client import MistralGCP

from llm_otel import semconv
from llm_otel.testing import RateLimit, Reply, provider
from tests.conformance.mistral import ask, completion, counted, events, stream

# 0.15 USD and 0.6 USD for a million, cached 0.015
PLAIN = 1000 * 0.15 + 100 * 0.6  # millionths of a USD


@pytest.fixture
def client(p):
    with make(p, False) as made:
        yield made.client


# ------------------------------------------------------------------ chat
# Usage -> input, output, cached, millionths of a USD, status of the cost.
USAGES: dict[str, tuple[dict[str, Any], tuple[int, int, int, float, str | None]]] = {
    "plain": ({}, (1000, 100, 0, PLAIN, None)),
    "nulls": (
        {"prompt_audio_seconds": None, "prompt_token_details": None, "service_tier": None},
        (1000, 100, 0, PLAIN, None),
    ),
    "cached": (
        {"prompt_tokens_details": {"cached_tokens": 400}},
        (1000, 100, 400, PLAIN - 400 * (0.15 - 0.015), None),
    ),
    "cached by its older name": (
        {"num_cached_tokens": 400}, (1000, 100, 400, PLAIN - 400 * (0.15 - 0.015), None)
    ),
    "standard": ({"service_tier": "standard"}, (1000, 100, 0, PLAIN, None)),
    # nobody tells what it costs
    "priority": ({"service_tier": "priority"}, (1000, 100, 0, 0, "unpriced")),
}  # fmt: skip


@pytest.mark.parametrize("how", ["whole", "stream"])
@pytest.mark.parametrize("name", USAGES)
def test_usage(instrumented, client, p, name, how):
    """Tokens, their parts and the cost are what Mistral bills, whole and streamed."""
    telemetry = instrumented()
    usage, (tokens_in, tokens_out, cached, cost, status) = USAGES[name]
    ask(client, p, completion(usage), how)
    assert counted(telemetry) == {
        "input": tokens_in,
        "output": tokens_out,
        "cached": cached,
        "cost": round(cost, 3),
        "status": status,
    }


@pytest.mark.parametrize("how", ["whole", "stream"])
@pytest.mark.parametrize(
    ("reason", "told", "error"),
    [("stop", "stop", None), ("length", "length", None), ("model_length", "length", None),
     ("tool_calls", "tool_call", None), ("error", "error", "server")],
)  # fmt: skip
def test_finish_reasons(instrumented, client, p, reason, told, error, how):
    """They are told in the conventions' words; one is a failure."""
    telemetry = instrumented()
    ask(client, p, completion({}, finish_reason=reason), how)
    attributes = telemetry.span.attributes
    assert attributes["gen_ai.response.finish_reasons"] == (told,)
    assert attributes.get("llm_otel.error.class") == error


def test_request_attributes(instrumented, client, p):
    """A request says what it asks for, in a conversation as well."""
    telemetry = instrumented()
    settings: dict[str, Any] = {
        "temperature": 0.5, "top_p": 0.9, "max_tokens": 50, "stop": ["end"], "random_seed": 3,
        "presence_penalty": 0.1, "frequency_penalty": 0.2, "reasoning_effort": "high",
        "response_format": {"type": "json_object"},
    }  # fmt: skip
    client.chat.complete(**QUESTION, n=2, **settings)
    client.beta.conversations.start(model=MODEL, inputs="Hi", completion_args=settings)
    wanted = {
        "gen_ai.request.temperature": 0.5, "gen_ai.request.top_p": 0.9,
        "gen_ai.request.max_tokens": 50, "gen_ai.request.stop_sequences": ("end",),
        "gen_ai.request.seed": 3, "gen_ai.request.presence_penalty": 0.1,
        "gen_ai.request.frequency_penalty": 0.2, "gen_ai.output.type": "json",
        semconv.REQUEST_REASONING_LEVEL: "high",
    }  # fmt: skip
    chat, talk = (span.attributes for span in telemetry.spans)
    assert {name: chat.get(name) for name in wanted} == wanted
    assert {name: talk.get(name) for name in wanted} == wanted
    assert chat["gen_ai.request.choice.count"] == 2


def test_an_agent_has_no_model_but_that_of_the_answer(instrumented, client, p):
    """Its price is that of the model which answered."""
    telemetry = instrumented()
    p.enqueue(Reply(body=completion({})))
    client.agents.complete(agent_id="ag_1", messages=QUESTION["messages"])
    attributes = telemetry.span.attributes
    assert telemetry.span.name == "chat"
    assert attributes["gen_ai.agent.id"] == "ag_1"
    assert attributes["gen_ai.response.model"] == MODEL
    assert telemetry.value("gen_ai.cost.usd") == pytest.approx(PLAIN / 1e6)


def test_raw_parse_helpers_and_files(instrumented, client, p):
    """A helper is its one request; what is no inference is no call."""
    from pydantic import BaseModel

    class Shape(BaseModel):
        answer: str

    telemetry = instrumented()
    parsed = client.chat.parse(Shape, **QUESTION)
    assert parsed.choices[0].message.parsed.answer
    p.enqueue(Reply(body={"object": "list", "data": []}))
    client.models.list()
    p.enqueue(Reply(body={"object": "list", "data": [], "total": 0}))
    client.files.list()
    assert telemetry.span.name == f"chat {MODEL}"
    assert telemetry.span.attributes["gen_ai.output.type"] == "json"


# ------------------------------------------------------------------ pages and seconds
@pytest.mark.parametrize(
    ("more", "usd"),
    [({}, 3 * 0.002), ({"document_annotation_format": {"type": "json_object"}}, 3 * 0.003)],
    ids=["plain", "annotated"],
)
def test_ocr_is_billed_by_the_page(instrumented, client, p, more, usd):
    """Pages cost as listed, those that are described more; tokens are none."""
    telemetry = instrumented()
    page = {"markdown": "# A", "images": [], "dimensions": None}
    pages = [{"index": index, **page} for index in range(3)]
    used = {"pages_processed": 3, "doc_size_bytes": 1234}
    p.enqueue(Reply(body={"pages": pages, "model": "mistral-ocr-2512", "usage_info": used}))
    client.ocr.process(model="mistral-ocr-2512", document=PDF, **more)
    attributes = telemetry.span.attributes
    assert telemetry.span.name == "ocr mistral-ocr-2512"
    assert attributes["llm_otel.usage.pages"] == 3
    assert "gen_ai.usage.input_tokens" not in attributes
    assert telemetry.value("gen_ai.cost.usd") == pytest.approx(usd)
    assert telemetry.value("gen_ai.tokens.consumed") == 0
    assert "llm_otel.cost.status" not in attributes


@pytest.mark.parametrize("how", ["whole", "stream"])
def test_transcriptions_are_billed_by_the_second(instrumented, client, p, how):
    """Voxtral costs so much an hour of sound; the form's fields name the model."""
    telemetry = instrumented()
    used = {"prompt_audio_seconds": 60, "prompt_tokens": 10, "completion_tokens": 20,
            "total_tokens": 750}  # fmt: skip
    whole = {"model": "voxtral-mini-2602", "text": "Hello you", "language": "en", "segments": [],
             "usage": used}  # fmt: skip
    sound = {**SPEECH, "model": "voxtral-mini-2602"}
    if how == "whole":
        p.enqueue(Reply(body=whole))
        client.audio.transcriptions.complete(**sound)
    else:
        pieces = [{"type": "transcription.text.delta", "text": piece} for piece in ("Hel", "lo")]
        p.enqueue(events(*pieces, {**whole, "type": "transcription.done"}))
        with client.audio.transcriptions.stream(**sound) as chunks:
            list(chunks)
    assert telemetry.span.name == "transcription voxtral-mini-2602"
    assert telemetry.value("gen_ai.cost.usd") == pytest.approx(60 * 0.18 / 3600)
    assert telemetry.value("gen_ai.tokens.consumed", token_type="output") == 20


@pytest.mark.parametrize("given", [{"file_url": "https://a.example/1.mp3"}, {"file_id": "f1"}])
def test_transcriptions_of_what_is_elsewhere(instrumented, client, p, given):
    """Without a file the form is another one: it names the model as well."""
    telemetry = instrumented()
    used = {"prompt_audio_seconds": 60, "prompt_tokens": 10, "completion_tokens": 20,
            "total_tokens": 750}  # fmt: skip
    model = "voxtral-mini-2602"
    p.enqueue(
        Reply(body={"model": model, "text": "Hi", "language": None, "segments": [], "usage": used})
    )
    client.audio.transcriptions.complete(model=model, **given)
    assert telemetry.span.name == f"transcription {model}"
    assert telemetry.value("gen_ai.cost.usd") == pytest.approx(60 * 0.18 / 3600)


def test_speech_moderation_and_batches(instrumented, client, p):
    """Each is a call of its kind; a job is counted where it begins, and its polls cost nothing."""
    telemetry = instrumented()
    client.audio.speech.complete(model="voxtral-tts-3", input="Hello", voice_id="v")
    with client.audio.speech.complete(
        model="voxtral-tts-3", input="Hello", voice_id="v", stream=True
    ) as chunks:
        list(chunks)
    client.classifiers.moderate(model="mistral-moderation-latest", inputs=["Hello"])
    job = client.batch.jobs.create(
        endpoint="/v1/chat/completions", model=MODEL, requests=[{"body": QUESTION}]
    )
    client.batch.jobs.get(job_id=job.id)
    client.batch.jobs.cancel(job_id=job.id)
    names = [span.attributes["gen_ai.operation.name"] for span in telemetry.spans]
    assert names == ["speech", "speech", "moderation", "create_batch", "fetch_batch",
                     "cancel_batch"]  # fmt: skip
    assert telemetry.value("gen_ai.requests.active") == 0


def test_moderation_is_billed_by_the_token(instrumented, client, p):
    """What the total holds beyond the text may be billed or not: that makes the cost incomplete."""
    telemetry = instrumented(prices=[{"model": "mistral-moderation*", "input": 0.1, "output": 0}])
    used = {"prompt_tokens": 9, "total_tokens": 98, "completion_tokens": 0, "request_count": 1}
    judged = {"categories": {"law": False}, "category_scores": {"law": 0.1}}
    body = {"id": "m1", "model": "mistral-moderation-2411", "results": [judged]}
    p.enqueue(Reply(body={**body, "usage": used}), Reply(body=body))
    for _ in range(2):
        client.classifiers.moderate(model="mistral-moderation-latest", inputs=["Hello"])
    told, silent = (span.attributes for span in telemetry.spans)
    assert told["gen_ai.usage.input_tokens"] == 9
    assert told["gen_ai.usage.output_tokens"] == 0
    assert told["gen_ai.usage.cost.amount"] == pytest.approx(9 * 0.1e-6)
    assert told["llm_otel.cost.status"] == "incomplete"
    assert silent["llm_otel.usage.source"] == "unknown"


# ------------------------------------------------------------------ failures
@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (401, {"detail": "Unauthorized"}, "authentication", "401"),
        (422, {"detail": [{"type": "missing", "loc": ["body"], "msg": "x"}]}, "invalid_request",
         "422"),
        (429, {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited",
               "param": None, "code": "1300"}, "rate_limit", "rate_limited"),
        (429, {"object": "error", "message": "Service tier capacity exceeded for this model.",
               "type": "service_tier_capacity_exceeded", "param": None, "code": "3505"}, "server",
         "service_tier_capacity_exceeded"),
        (400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model",
               "param": None, "code": "1500"}, "invalid_request", "invalid_model"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("streaming", [False, True])
def test_errors(instrumented, client, p, status, body, kind, told, streaming):
    """The class is that of the status, or what the provider says better."""
    telemetry = instrumented()
    p.enqueue(Reply(status=status, body=body))
    with pytest.raises(Exception, match=str(status) if status != 422 else None):
        (client.chat.stream if streaming else client.chat.complete)(**QUESTION)
    attributes = telemetry.span.attributes
    assert attributes["llm_otel.error.class"] == kind
    assert attributes["error.type"] == told
    assert attributes["http.response.status_code"] == status
    assert telemetry.value("gen_ai.errors", error_type=kind) == 1


@pytest.mark.parametrize("body", ["", "<html>busy</html>"], ids=["empty", "a page"])
def test_an_answer_that_is_none(instrumented, client, p, body):
    """Of what is no JSON the SDK makes an exception, whatever its status: the call has failed."""
    telemetry = instrumented()
    p.enqueue(Reply(headers={"content-type": "text/html"}, body=body))
    with pytest.raises(Exception, match="Status 200"):
        client.chat.complete(**QUESTION)
    assert telemetry.span.status == "ERROR"
    assert telemetry.span.attributes["llm_otel.error.class"] == "other"
    assert telemetry.value("gen_ai.errors") == 1


def test_an_error_in_a_stream(instrumented, client, p):
    """The SDK cannot read it and leaves the stream: that is an error, and no cancelling."""
    telemetry = instrumented()
    failed = {"object": "error", "message": "no", "type": "internal_server_error", "code": "3000"}
    begun = stream(completion({})).body.partition("\n\n")[0] + "\n\n"
    body = begun + events(failed).body
    p.enqueue(Reply(headers={"content-type": "text/event-stream"}, body=body))
    with pytest.raises(Exception, match="validation"), client.chat.stream(**QUESTION) as chunks:
        list(chunks)
    attributes = telemetry.span.attributes
    assert attributes["gen_ai.response.finish_reasons"] == ("error",)
    assert attributes["llm_otel.error.class"] == "server"


def test_retries_are_one_call(instrumented, client, p):
    """The SDK sends a request again below the function that we see."""
    telemetry = instrumented()
    p.enqueue(Reply(status=503, body={}), Reply(status=503, body={}))
    again = RetryConfig("backoff", BackoffStrategy(1, 2, 1, 5000), False)
    client.chat.complete(**QUESTION, retries=again)
    assert len(p.requests) == 3
    assert telemetry.count("gen_ai.request.duration") == 1
    assert telemetry.span.status != "ERROR"


def test_rate_limits(instrumented):
    """What is left of the limits is on the gauges, and the id of the request on the span."""
    telemetry = instrumented()
    limit = RateLimit(requests=10, tokens=1000)
    with provider(rate_limit=limit) as p, make(p, False) as made:
        made.client.chat.complete(**QUESTION)
    labels = {"provider": "mistral_ai", "model": MODEL}
    assert telemetry.value("gen_ai.ratelimit.requests.limit", **labels) == 10
    assert telemetry.value("gen_ai.ratelimit.requests.remaining", **labels) == 9
    assert telemetry.value("gen_ai.ratelimit.tokens.limit", **labels) == 1000
    assert telemetry.span.attributes["llm_otel.provider.request_id"].startswith("req_")


# ------------------------------------------------------------------ clouds
@contextmanager
def azure(p: Any) -> Iterator[Any]:
    host = "https://mine.eastus.models.ai.azure.com"
    with (
        http_client(httpx2, p, False) as own,
        MistralAzure(api_key="test", server_url=host, client=own) as made,
    ):
        yield made


@contextmanager
def gcp(p: Any) -> Iterator[Any]:
    place = {"project_id": "mine", "region": "europe-west4", "access_token": "test"}
    with http_client(httpx2, p, False) as own, MistralGCP(**place, client=own) as made:
        yield made


@pytest.mark.parametrize("how", ["whole", "stream"])
@pytest.mark.parametrize(
    ("cloud", "name"),
    [(azure, "azure.ai.inference"), (gcp, "gcp.vertex_ai")],
    ids=["azure", "gcp"],
)
def test_clouds(instrumented, p, cloud, name, how):
    """Chat on Azure and Vertex AI is a call like any other, of who answers there."""
    telemetry = instrumented()
    with cloud(p) as client:
        if how == "whole":
            client.chat.complete(**QUESTION)
        else:
            with client.chat.stream(**QUESTION) as chunks:
                list(chunks)
    (bill,) = p.bill.values()
    assert telemetry.span.name == f"chat {MODEL}"
    assert telemetry.span.attributes["gen_ai.provider.name"] == name
    assert telemetry.value("gen_ai.tokens.consumed", token_type="input") == bill.input_tokens
    assert telemetry.value("gen_ai.tokens.consumed", token_type="output") == bill.output_tokens


def test_filling_in_on_vertex_ai(instrumented, p):
    """It goes to the URL of chat, and is a text completion all the same."""
    telemetry = instrumented()
    with gcp(p) as client:
        client.fim.complete(model="codestral-2501", prompt="def f(", suffix="return 1")
    assert telemetry.span.name == "text_completion codestral-2501"


# ------------------------------------------------------------------ another SDK than we know
def test_a_function_that_is_not_what_we_know_is_left_alone(instrumented, p, monkeypatch, caplog):
    """One warning, and the program goes on."""
    from mistralai.client import basesdk

    def do_request(self, hook_ctx, sent, is_error, retry_config=None):
        raise LookupError("mine")

    monkeypatch.setattr(basesdk.BaseSDK, "do_request", do_request)
    telemetry = instrumented()
    with make(p, False) as made, pytest.raises(TypeError):
        made.client.chat.complete(**QUESTION)
    assert not telemetry.spans
    assert [r.getMessage() for r in caplog.records if "mistralai" in r.getMessage()]
