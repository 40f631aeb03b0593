"""Failures have their class; what the provider answered and billed counts all the same."""

from __future__ import annotations

import asyncio
import gzip
import json
from importlib import import_module

import openai
import pydantic
import pytest

from llm_otel.testing import Reply
from tests.conformance.calls import BY_NAME, MESSAGES, SDKS, make, make_async

USAGE = {"prompt_tokens": 40, "completion_tokens": 16, "total_tokens": 56}


class Answer(pydantic.BaseModel):
    """What the caller wants to have."""

    text: str


def reply(finish: str, content: str) -> Reply:
    """A chat completion that has this end and this content."""
    message = {"role": "assistant", "content": content, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    names = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o"}
    return Reply(body={**names, "choices": [choice], "usage": USAGE})


@pytest.mark.parametrize(
    ("finish", "content", "raised", "kind"),
    [
        ("length", '{"te', openai.LengthFinishReasonError, "invalid_request"),
        ("content_filter", "", openai.ContentFilterFinishReasonError, "content_filter"),
        ("stop", "no JSON", pydantic.ValidationError, "other"),
    ],
)
def test_parse(instrumented, client, p, finish, content, raised, kind):
    """An answer that `parse` cannot turn into the caller's type has its tokens and is an error."""
    telemetry = instrumented()
    p.enqueue(reply(finish, content))
    with pytest.raises(raised):
        client.chat.completions.parse(model="gpt-4o", messages=MESSAGES, response_format=Answer)
    span = telemetry.span
    assert (span.status, span.attributes["llm_otel.error.class"]) == ("ERROR", kind)
    assert span.attributes["gen_ai.response.finish_reasons"] == (finish,)
    assert span.attributes["gen_ai.usage.input_tokens"] == 40
    assert telemetry.value("gen_ai.tokens.consumed") == 56


def test_parse_a_response(instrumented, client):
    """The same for the Responses API."""
    telemetry = instrumented()
    with pytest.raises(pydantic.ValidationError):
        client.responses.parse(
            model="gpt-5", input="Hello there", max_output_tokens=16, text_format=Answer
        )
    span = telemetry.span
    assert span.status == "ERROR"
    assert telemetry.value("gen_ai.tokens.consumed", token_type="output") == 16
    assert span.attributes["gen_ai.usage.output_tokens"] == 16


def test_stream_helper(instrumented, client):
    """A helper that raises at the end of its stream has the stream's tokens."""
    telemetry = instrumented()
    with (
        client.chat.completions.stream(
            model="gpt-4o",
            messages=MESSAGES,
            response_format=Answer,
            max_tokens=2,
            stream_options={"include_usage": True},
        ) as stream,
        pytest.raises(openai.LengthFinishReasonError),
    ):
        for _ in stream:
            pass
    span = telemetry.span
    assert span.attributes["gen_ai.response.finish_reasons"] == ("length",)
    assert telemetry.value("gen_ai.requests.active") == 0


# Where Anthropic refuses in another way: it has no word of its own for what it filtered.
_ANTHROPIC = {"unavailable": ("server", 529), "content_filter": ("invalid_request", 400)}


@pytest.mark.parametrize(
    ("fault", "kind", "status"),
    [
        ("rate_limit", "rate_limit", 429),
        ("quota", "rate_limit", 429),
        ("server_error", "server", 500),
        ("unavailable", "server", 503),
        ("bad_gateway", "server", 502),
        ("authentication", "authentication", 401),
        ("permission", "permission", 403),
        ("invalid_request", "invalid_request", 400),
        ("context_length", "invalid_request", 400),
        ("not_found", "not_found", 404),
        ("content_filter", "content_filter", 400),
    ],
)
@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.client)
def test_refusal(instrumented, p, sdk, fault, kind, status):
    """A refusal is an error of its class, with its status and without a word of its text."""
    telemetry = instrumented()
    p.enqueue(fault, fault)
    errors = import_module(sdk.package).APIStatusError
    if sdk.package == "anthropic":
        kind, status = _ANTHROPIC.get(fault, (kind, status))
    with pytest.raises(errors) as raised:
        make(sdk, sdk.calls[0], "plain", p.origin)
    with pytest.raises(errors):
        asyncio.run(make_async(sdk, sdk.calls[0], "stream", p.origin))
    for span in telemetry.spans:
        told = span.attributes
        assert (span.status, told["llm_otel.error.class"]) == ("ERROR", kind)
        assert told["http.response.status_code"] == status
        assert told["error.type"] == f"{sdk.package}.{type(raised.value).__name__}"
        assert raised.value.message not in repr(span)
    assert telemetry.value("gen_ai.errors", error_type=kind) == 2
    assert telemetry.count("gen_ai.request.duration", error_type=kind) == 2
    assert telemetry.value("gen_ai.requests.active") == 0


def test_timeout(instrumented, p):
    """An answer that does not come in time is a timeout."""
    telemetry = instrumented()
    p.enqueue("hang")
    with pytest.raises(openai.APITimeoutError):
        make(SDKS[0], BY_NAME["chat"], "plain", p.origin, timeout=0.05)
    assert telemetry.span.attributes["llm_otel.error.class"] == "timeout"


def test_retried(instrumented, p):
    """What the SDK tries again is one call, which tells how often."""
    telemetry = instrumented()
    p.enqueue("rate_limit", "unavailable")
    with openai.OpenAI(base_url=p.url, api_key="test", max_retries=2) as client:
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert telemetry.span.status == "UNSET"
    assert telemetry.span.attributes["http.request.resend_count"] == 2
    assert telemetry.value("gen_ai.errors") == 0


@pytest.mark.parametrize("how", ["read", "iter_bytes", "iter_lines"])
def test_compressed_bytes(instrumented, client, p, how):
    """Who reads a compressed answer as bytes has its tokens counted, and the bytes they want."""
    telemetry = instrumented()
    body = reply("stop", "Hello").body
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    p.enqueue(Reply(headers=headers, body=gzip.compress(json.dumps(body).encode())))
    create = client.chat.completions.with_streaming_response.create
    with create(model="gpt-4o", messages=MESSAGES) as response:
        read = getattr(response, how)()
        parts = [read] if isinstance(read, bytes) else list(read)
    joined = "".join(part if isinstance(part, str) else part.decode() for part in parts)
    assert json.loads(joined) == body
    assert telemetry.value("gen_ai.tokens.consumed") == 56


@pytest.mark.parametrize("status", [403, 429])
def test_xai_without_money(instrumented, client, p, status):
    """xAI sends a text in the place of an error object; that alone says that there is no money."""
    telemetry = instrumented()
    said = "Your team 16f2151a-40f4 has either used all available credits or reached its limit."
    p.enqueue(Reply(status=status, body={"code": "Some resource is exhausted", "error": said}))
    with pytest.raises(openai.APIStatusError):
        client.chat.completions.create(model="grok-4.3", messages=MESSAGES)
    assert telemetry.span.attributes["llm_otel.error.class"] == "insufficient_funds"
    assert "16f2151a" not in repr(telemetry)
