"""Requests that a program makes below the SDK's methods: `client.get` and `client.post`."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from llm_otel.testing import Reply
from tests.conformance.calls import MESSAGES

BODY = {"model": "gpt-4o", "messages": MESSAGES}
STREAMED: dict[str, Any] = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


def tokens(telemetry: Any) -> tuple[Any, Any]:
    """Input tokens on the span and the sum of all tokens in the metrics."""
    span = telemetry.span.attributes
    return span.get("gen_ai.usage.input_tokens"), telemetry.value("gen_ai.tokens.consumed")


# ---------------------------------------------------------------- the response as it is
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("cast_to", [httpx.Response, httpx2.Response, str, object, dict[str, Any]])
@pytest.mark.parametrize("body", [BODY, STREAMED], ids=["whole", "stream in the body"])
def test_cast_to(instrumented, p, cast_to, body, asynchronous):
    """Whatever the SDK is asked to make of a response, its usage counts and nothing is changed."""
    if cast_to is str:
        p.on("*", lambda _: Reply(headers={"content-type": "text/plain"}, body=_ANSWER))

    def post() -> Any:
        if not asynchronous:
            with openai.OpenAI(base_url=p.url, api_key="x", max_retries=0) as client:
                return client.post("/chat/completions", cast_to=cast_to, body=body)

        async def main() -> Any:
            async with openai.AsyncOpenAI(base_url=p.url, api_key="x", max_retries=0) as client:
                return await client.post("/chat/completions", cast_to=cast_to, body=body)

        return asyncio.run(main())

    alone = _seen(post())
    telemetry = instrumented()
    assert _seen(post()) == alone
    used, counted = tokens(telemetry)
    assert used, telemetry.span.attributes
    assert counted > used
    assert telemetry.value("llm_otel.usage.unknown") == 0


_ANSWER = (
    '{"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o", '
    '"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}'
)


def _seen(answer: Any) -> Any:
    if not isinstance(answer, (httpx.Response, httpx2.Response)):
        return type(answer)
    return type(answer), answer.is_closed, sorted(vars(answer)), answer.status_code


def test_stream_of_an_http_response(instrumented, p):
    """A stream that the program reads from the HTTP response itself."""
    telemetry = instrumented()
    with openai.OpenAI(base_url=p.url, api_key="x", max_retries=0) as client:
        response = client.post(
            "/chat/completions",
            cast_to=httpx2.Response,
            body=STREAMED,
            stream=True,
            stream_cls=openai.Stream[ChatCompletionChunk],
        )
        assert type(response) is httpx2.Response
        assert b"[DONE]" in response.read()
    used, counted = tokens(telemetry)
    assert used
    assert counted > used


def test_a_raw_response_with_a_stream_in_the_body(instrumented, p):
    """The same behind `with_streaming_response` of a call that the SDK takes for a whole answer."""
    telemetry = instrumented()
    with openai.OpenAI(base_url=p.url, api_key="x", max_retries=0) as client:
        raw = client.chat.completions.with_streaming_response
        with raw.create(**BODY, extra_body={"stream": True, "stream_options": USED}) as response:
            response.read()
    assert tokens(telemetry)[0]


USED = {"include_usage": True}


# ---------------------------------------------------------------- paths
@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("/v1", "/chat/completions"),
        ("/v1", "chat/completions"),
        ("/v1", "chat/completions?x=y"),
        ("/v1", "/chat/completions/"),
        ("/v1", "/chat//completions"),
        ("", "/v1/chat/completions"),
        ("", "v1/chat/completions"),
        ("/elsewhere", "{origin}/v1/chat/completions"),
        ("/elsewhere", "{origin}//v1//chat/completions"),
    ],
)
@pytest.mark.parametrize("method", ["post", "POST"])
def test_paths(instrumented, p, base, url, method):
    """However a program writes the path of an endpoint, the request is seen and named."""
    telemetry = instrumented()
    p.on("*", lambda _: Reply(body=_ANSWER))
    with openai.OpenAI(base_url=p.origin + base, api_key="x", max_retries=0) as client:
        options = openai._models.FinalRequestOptions.construct(
            method=method, url=url.format(origin=p.origin), json_data=BODY
        )
        client.request(ChatCompletion, options)
    assert telemetry.span.name == "chat gpt-4o"
    assert tokens(telemetry) == (9, 11)


@pytest.mark.parametrize("url", ["models", "/models", "/threads/t/runs", "/chat/completions/c_1"])
def test_other_paths(instrumented, p, url):
    """What is no endpoint of ours stays unseen."""
    telemetry = instrumented()
    p.on("*", lambda _: Reply(body={}))
    with openai.OpenAI(base_url=p.url, api_key="x", max_retries=0) as client:
        client.get(url, cast_to=object)
        client.post(url, cast_to=object, body={})
    assert telemetry.spans == []


def test_poll_without_a_slash(instrumented, p):
    """A pattern with an id in it matches without a leading slash, too."""
    telemetry = instrumented()
    p.on("*", lambda _: Reply(body={"id": "resp_1", "object": "response", "status": "queued"}))
    with openai.OpenAI(base_url=p.url, api_key="x", max_retries=0) as client:
        client.get("responses/resp_1", cast_to=object)
    assert telemetry.span.name == "fetch_response"


# ---------------------------------------------------------------- ends
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_an_empty_finish_reason_is_none(instrumented, p, streamed):
    """Some gateways send `""` where there is no reason yet, or none at all."""
    telemetry = instrumented()
    names = {"id": "1", "created": 1, "model": "gpt-4o"}
    if streamed:
        chunks = [
            {**names, "object": "chat.completion.chunk", "choices": [choice], "usage": usage}
            for choice, usage in (
                ({"index": 0, "delta": {"content": "a"}, "finish_reason": ""}, None),
                ({"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}, USAGE),
            )
        ]
        p.enqueue(_sse(chunks))
    else:
        choice = {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": ""}
        body = {**names, "object": "chat.completion", "choices": [choice], "usage": USAGE}
        p.enqueue(Reply(body=body))
    with openai.OpenAI(base_url=p.url, api_key="x", max_retries=0) as client:
        answer = client.chat.completions.create(**BODY, stream=streamed)
        if streamed:
            list(answer)
    told = telemetry.span
    reasons = told.attributes.get("gen_ai.response.finish_reasons")
    assert reasons == (("stop",) if streamed else None), reasons
    assert told.status == "UNSET"
    assert "error.type" not in told.attributes
    assert tokens(telemetry) == (9, 11)


def _sse(chunks: list[Any]) -> Reply:
    body = "".join(f"data: {json.dumps(each)}\n\n" for each in chunks) + "data: [DONE]\n\n"
    return Reply(headers={"content-type": "text/event-stream"}, body=body)
