"""huggingface_hub's `InferenceClient`: who bills, its own tasks, usage that is asked for."""

from __future__ import annotations

import asyncio
import importlib
import json
from typing import Any

import huggingface_hub
import pytest
from clients.redirect import http_client
from huggingface_hub.errors import HTTPError
from huggingface_hub.inference._common import RequestParameters

from llm_otel import semconv
from llm_otel.testing import Reply

# The SDK leaves sockets to the garbage collector, and so do others before this file.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

# The library that it sends by: httpx before 2.0, then httpx2.
HTTP = importlib.import_module(HTTPError.__module__.partition(".")[0])
MESSAGES = [{"role": "user", "content": "Hello there"}]
MODEL = "meta-llama/Llama-3.3-70B-Instruct"
TGI = "https://router.huggingface.co/hf-inference/models/mistralai/Mistral-7B-Instruct-v0.3"


@pytest.fixture
def client(p):
    """A client of Hugging Face whose requests reach the local provider."""
    http = http_client(HTTP, p, False)
    huggingface_hub.set_client_factory(lambda: http)
    with huggingface_hub.InferenceClient(api_key="hf_test") as made:
        yield made
    huggingface_hub.close_session()


def post(client: Any, url: str, task: str = "conversational", **body: Any) -> Any:
    """What the client's methods send when a provider of this URL was resolved."""
    stream = body.get("stream") is True
    parameters = RequestParameters(url, task, "some/model", body, None, {})
    found = client._inner_post(parameters, stream=stream)
    return list(found) if stream else found


# ------------------------------------------------------------------ who bills
HOSTS = {
    "https://router.huggingface.co/v1/chat/completions": ("huggingface", True),
    "https://router.huggingface.co/groq/openai/v1/chat/completions": ("huggingface", False),
    "https://router.huggingface.co/hf-inference/models/a/b/v1/chat/completions": (
        "huggingface", True
    ),
    "https://x.us-east-1.aws.endpoints.huggingface.cloud/v1/chat/completions": (
        "huggingface", False
    ),
    "https://api.groq.com/openai/v1/chat/completions": ("groq", False),
    "https://api.together.xyz/v1/chat/completions": ("together", False),
    "https://api.fireworks.ai/inference/v1/chat/completions": ("fireworks", True),
    "http://tgi.example.com/v1/chat/completions": ("huggingface", False),
}  # fmt: skip


@pytest.mark.parametrize("url", HOSTS)
def test_who_answers_is_who_bills(instrumented, p, client, url):
    """Behind Hugging Face's router it is Hugging Face; with a provider's own key, the provider.
    Usage is asked for where the host is known to give it, and no line shows that."""
    provider, asks = HOSTS[url]
    body = {"model": MODEL, "messages": MESSAGES, "stream": True}
    alone = post(client, url, **body)
    p.reset()
    telemetry = instrumented()
    assert _lines(post(client, url, **body)) == _lines(alone)
    attributes = telemetry.span.attributes
    assert attributes[semconv.PROVIDER_NAME] == provider
    assert attributes[semconv.REQUEST_MODEL] == MODEL
    assert p.requests[-1].json.get("stream_options") == ({"include_usage": True} if asks else None)
    known = attributes.get(semconv.USAGE_INPUT_TOKENS) is not None
    assert known is asks
    assert attributes[semconv.RESPONSE_FINISH_REASONS] == ("stop",)
    assert attributes[semconv.RESPONSE_MODEL] == MODEL


def _lines(lines: list[str]) -> list[str]:
    return [line for line in lines if line]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_the_program_sees_the_same(instrumented, p, client, asynchronous):
    """The chunks of a stream whose usage was asked for, and the caller's arguments."""

    def chunks() -> list[Any]:
        p.reset()
        given = {"messages": MESSAGES, "model": MODEL, "stream": True}
        if not asynchronous:
            return list(client.chat.completions.create(**given))

        async def main() -> list[Any]:
            huggingface_hub.set_async_client_factory(lambda: http_client(HTTP, p, True))
            async with huggingface_hub.AsyncInferenceClient(api_key="hf_test") as made:
                return [chunk async for chunk in await made.chat.completions.create(**given)]

        return asyncio.run(main())

    alone = chunks()
    telemetry = instrumented()
    seen = chunks()
    assert [(type(each), dict(each), vars(each)) for each in seen] == [
        (type(each), dict(each), vars(each)) for each in alone
    ]
    (bill,) = p.bill.values()
    assert telemetry.span.attributes[semconv.USAGE_INPUT_TOKENS] == bill.input_tokens
    assert telemetry.span.attributes[semconv.RESPONSE_FINISH_REASONS] == ("stop",)


# ------------------------------------------------------------------ its own tasks
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_text_generation(instrumented, p, client, stream):
    """What a server of Hugging Face counts is in its details; parameters, content and all."""
    telemetry = instrumented(capture_content="span_only")
    given = {"details": True, "max_new_tokens": 5, "temperature": 0.5, "stop": ["x"], "seed": 3}
    found = client.text_generation(
        "Once upon a time", model=TGI, stream=stream, decoder_input_details=not stream, **given
    )
    text = "".join(each.token.text for each in found) if stream else found.generated_text
    attributes = telemetry.span.attributes
    assert telemetry.span.name == "text_completion"
    assert attributes[semconv.USAGE_INPUT_TOKENS] == 4
    assert attributes[semconv.USAGE_OUTPUT_TOKENS] == 5
    assert attributes[semconv.RESPONSE_FINISH_REASONS] == ("length",)
    assert attributes[semconv.REQUEST_MAX_TOKENS] == 5
    assert attributes[semconv.REQUEST_TEMPERATURE] == 0.5
    assert attributes[semconv.REQUEST_STOP_SEQUENCES] == ("x",)
    assert attributes[semconv.REQUEST_SEED] == 3
    assert "Once upon a time" in attributes[semconv.INPUT_MESSAGES]
    assert text.split()[0] in attributes[semconv.OUTPUT_MESSAGES]


def test_text_generation_without_details_is_unknown(instrumented, client):
    """Who asks for the text alone is told nothing of tokens, and neither are we."""
    telemetry = instrumented()
    client.text_generation("Once upon a time", model=TGI)
    assert semconv.USAGE_INPUT_TOKENS not in telemetry.span.attributes
    assert telemetry.value("llm_otel.usage.unknown") == 1


@pytest.mark.parametrize(
    ("task", "body", "operation"),
    [
        ("feature-extraction", b"[[0.1, 0.2]]", "embeddings some/model"),
        ("text-to-image", b"\x89PNG", "image_generation some/model"),
        ("text-to-speech", b"ID3", "speech some/model"),
        ("automatic-speech-recognition", b'{"text": "Hello"}', "transcription some/model"),
        ("text-classification", b'[[{"label": "x", "score": 1}]]', None),
        ("summarization", b'[{"summary_text": "x"}]', None),
    ],
)
def test_other_tasks(instrumented, p, client, task, body, operation):
    """Those of the conventions' operations are calls, of unknown usage; small models' are none."""
    telemetry = instrumented()
    p.enqueue(Reply(body=body))
    assert post(client, "https://router.huggingface.co/fal-ai/some", task, inputs="Hi") == body
    assert [span.name for span in telemetry.spans] == ([operation] if operation else [])


# ------------------------------------------------------------------ errors
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(status=401, body={"error": "Invalid username or password."}), "authentication"),
        (Reply(status=402, body={"error": "You have exceeded"}), "insufficient_funds"),
        (Reply(status=404, body={"error": {"code": "model_not_found"}}), "not_found"),
        (Reply(status=422, body={"error": "no", "error_type": "validation"}), "invalid_request"),
        (Reply(status=429, body={"error": "slow down"}), "rate_limit"),
        (Reply(status=503, body={"error": "Model too busy"}), "server"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value.status),
)
def test_errors(instrumented, p, client, reply, kind):
    """`HfHubHTTPError` carries the response, and no status of its own."""
    telemetry = instrumented()
    p.enqueue(reply)
    with pytest.raises(huggingface_hub.errors.HfHubHTTPError):
        client.chat_completion(MESSAGES, model=MODEL)
    assert telemetry.span.attributes[semconv.ERROR_CLASS] == kind
    assert telemetry.span.attributes[semconv.HTTP_STATUS_CODE] == reply.status


def test_timeout(instrumented, p, client):
    """`InferenceTimeoutError` is one, and httpx's own, which older versions let through."""
    telemetry = instrumented()
    p.enqueue(Reply(ending="silence"))
    client.timeout = 0.2
    with pytest.raises((huggingface_hub.InferenceTimeoutError, HTTP.TimeoutException)):
        client.chat_completion(MESSAGES, model=MODEL)
    assert telemetry.span.attributes[semconv.ERROR_CLASS] == "timeout"


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        ({"error": "Model is overloaded", "error_type": "overloaded"}, "server"),
        ({"error": "out of memory", "error_type": "generation"}, "server"),
        ({"error": "incomplete", "error_type": "incomplete_generation"}, "server"),
        ({"error": "too long", "error_type": "validation"}, "invalid_request"),
        ({"error": "Slow down", "http_status_code": 429}, "rate_limit"),
        ({"error": {"message": "Slow down", "http_status_code": 429}}, "rate_limit"),
        ({"error": "no"}, "other"),
    ],
)
@pytest.mark.parametrize("begun", [False, True])
def test_an_error_in_the_middle_of_a_stream(instrumented, p, client, error, error_class, begun):
    """It comes with HTTP 200, and the SDK raises for it."""
    telemetry = instrumented()
    piece = {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}],
             "id": "x", "model": MODEL, "created": 1}  # fmt: skip
    events = [piece, error] if begun else [error]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    p.enqueue(Reply(headers={"content-type": "text/event-stream"}, body=body))
    with pytest.raises(huggingface_hub.errors.TextGenerationError):
        list(client.chat_completion(MESSAGES, model=MODEL, stream=True))
    assert telemetry.span.status == "ERROR"
    assert telemetry.span.attributes[semconv.ERROR_CLASS] == error_class
    reasons = telemetry.span.attributes.get("gen_ai.response.finish_reasons", ("error",))
    assert reasons == ("error",)


def test_cost_by_hand(instrumented, p, client):
    """By one's own prices: Hugging Face's depend on who serves the model."""
    prices = [{"model": MODEL, "input": 3, "output": 7}]
    telemetry = instrumented(prices=prices)
    client.chat_completion(MESSAGES, model=MODEL)
    (bill,) = p.bill.values()
    cost = (bill.input_tokens * 3 + bill.output_tokens * 7) / 1e6
    assert telemetry.value("gen_ai.cost.usd") == pytest.approx(cost)
