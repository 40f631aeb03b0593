"""Work that goes on at the provider: every poll is a span, its usage is counted once."""

from __future__ import annotations

import asyncio
import json

import openai
import pytest

import llm_otel
from llm_otel.testing import Reply
from tests.conformance.test_bodies import ALL

REQUEST = {"model": "gpt-5", "input": "Hello there"}


def names(telemetry):
    """The spans' names with the status that each response told."""
    return [(span.name, span.attributes.get("gen_ai.response.status")) for span in telemetry.spans]


def test_background_response(instrumented, client):
    """A background response that is polled to its end and beyond counts its tokens once."""
    telemetry = instrumented()
    response = client.responses.create(**REQUEST, background=True)
    polled = [client.responses.retrieve(response.id) for _ in range(4)]
    assert names(telemetry) == [
        ("chat gpt-5", None),
        *(("fetch_response", each.status) for each in polled),
    ]
    assert [each.status for each in polled][-1] == "completed"
    usage = polled[-1].usage
    labels = {"model": "gpt-5", "operation": "chat"}
    value = telemetry.value
    assert value("gen_ai.tokens.consumed", token_type="input", **labels) == usage.input_tokens
    assert value("gen_ai.tokens.consumed") == usage.total_tokens
    assert value("gen_ai.requests.active") == 0


def test_polls_show_no_tokens(instrumented, client):
    """A poll's span tells id, model and end of the response, and no tokens of its own."""
    telemetry = instrumented()
    response = client.responses.create(**REQUEST, background=True)
    for _ in range(3):
        client.responses.retrieve(response.id)
    told = telemetry.spans[-1].attributes
    assert told["gen_ai.response.id"] == response.id
    assert told["gen_ai.response.model"] == response.model
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert [name for name in told if name.startswith("gen_ai.usage.")] == []


def test_cancelled_response(instrumented, client):
    """Cancelling is a call of its own, and no error."""
    telemetry = instrumented()
    response = client.responses.create(**REQUEST, background=True)
    cancelled = client.responses.cancel(response.id)
    assert names(telemetry)[1:] == [("cancel_response", cancelled.status)]
    assert cancelled.status == "cancelled"
    assert telemetry.spans[1].status == "UNSET"
    assert telemetry.value("gen_ai.errors") == 0


def test_foreground_response_retrieved(instrumented, client):
    """A response that was counted when it was made is not counted again when it is fetched."""
    telemetry = instrumented()
    response = client.responses.create(**REQUEST)
    client.responses.retrieve(response.id)
    assert telemetry.value("gen_ai.tokens.consumed") == response.usage.total_tokens


def stored(status="completed", **more):
    """A response as the provider tells it, made in the foreground."""
    usage = {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 12,
    }
    response = ALL["a background response as a stream"]["response"][-1]["response"]
    return {**response, "background": False, "status": status, "usage": usage, **more}


def cut_off(p, more=""):
    """The next stream of a response ends after its first event, or after what `more` adds."""
    event = {
        "type": "response.created",
        "sequence_number": 0,
        "response": stored("in_progress", usage=None, output=[]),
    }
    body = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n{more}"
    p.enqueue(Reply(headers={"content-type": "text/event-stream"}, body=body))


@pytest.mark.parametrize("how", ["left", "drained", "failed"])
def test_foreground_stream_cut_off(instrumented, client, p, how):
    """What a stream used that was cut off counts with the first poll that tells it, once, for who
    began it."""
    telemetry = instrumented()
    cut_off(p, 'data: {"error": {"message": "gone"}}\n\n' if how == "failed" else "")
    with llm_otel.attribution(tenant_id="acme", feature="chat"):
        stream = client.responses.create(**REQUEST, stream=True)
        if how == "left":
            next(iter(stream))
            stream.close()
        elif how == "drained":
            list(stream)
        else:
            with pytest.raises(openai.APIError):
                list(stream)
    assert telemetry.value("gen_ai.tokens.consumed") == 0
    for answer in (stored("in_progress", usage=None), stored(), stored()):
        p.enqueue(Reply(body=answer))
        client.responses.retrieve("resp_1")
    labels = {"tenant_id": "acme", "feature": "chat", "operation": "chat", "model": "gpt-5"}
    assert telemetry.value("gen_ai.tokens.consumed") == 12
    assert telemetry.value("gen_ai.tokens.consumed", **labels) == 12


def test_foreground_response_of_another_process(instrumented, client, p):
    """A response that this process did not begin was counted where it was made."""
    telemetry = instrumented()
    for answer in (stored("in_progress", usage=None), stored()):
        p.enqueue(Reply(body=answer))
        client.responses.retrieve("resp_1")
    assert telemetry.value("gen_ai.tokens.consumed") == 0


def test_raw_poll(instrumented, client):
    """A poll whose answer is read as bytes counts like any other."""
    telemetry = instrumented()
    response = client.responses.create(**REQUEST, background=True)
    for _ in range(3):
        with client.responses.with_streaming_response.retrieve(response.id) as raw:
            raw.read()
    usage = client.responses.retrieve(response.id).usage
    assert telemetry.value("gen_ai.tokens.consumed") == usage.total_tokens


def test_async_background_response(instrumented, p):
    """The asynchronous client's polls count once too."""
    telemetry = instrumented()

    async def poll():
        async with openai.AsyncOpenAI(base_url=p.url, api_key="test") as client:
            response = await client.responses.create(**REQUEST, background=True)
            for _ in range(4):
                response = await client.responses.retrieve(response.id)
            return response

    response = asyncio.run(poll())
    assert telemetry.value("gen_ai.tokens.consumed") == response.usage.total_tokens


def test_resumed_stream(instrumented, client, p):
    """A background stream that is left, resumed twice and polled counts once, for who began it."""
    telemetry = instrumented()
    events = ALL["a background response as a stream"]["response"]
    lines = [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events]
    headers = {"content-type": "text/event-stream"}
    for sent in (lines[:1], lines, lines):
        p.enqueue(Reply(headers=headers, body="".join(sent)))
    p.enqueue(Reply(body=events[-1]["response"]))
    with client.responses.create(**REQUEST, background=True, stream=True) as stream:
        next(iter(stream))
    for _ in range(2):
        for _ in client.responses.retrieve("resp_1", stream=True, starting_after=0):
            pass
    client.responses.retrieve("resp_1")
    total = events[-1]["response"]["usage"]["total_tokens"]
    assert telemetry.value("gen_ai.tokens.consumed") == total
    assert telemetry.value("gen_ai.tokens.consumed", model="gpt-5", operation="chat") == total


def test_batch(instrumented, client):
    """A batch counts its tokens once, under the model that it tells when it is done."""
    telemetry = instrumented()
    line = (
        '{"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": '
        '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}}\n'
    )
    upload = client.files.create(file=("in.jsonl", line.encode() * 2), purpose="batch")
    batch = client.batches.create(
        input_file_id=upload.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    polled = [client.batches.retrieve(batch.id) for _ in range(4)]
    assert names(telemetry) == [
        ("create_batch", batch.status),
        *(("fetch_batch", each.status) for each in polled),
    ]
    assert polled[-1].status == "completed"
    total = polled[-1].usage.total_tokens
    assert telemetry.value("gen_ai.tokens.consumed") == total
    assert telemetry.value("gen_ai.tokens.consumed", model=polled[-1].model) == total


def test_cancelled_batch(instrumented, client):
    """A batch can be cancelled, which is a call of its own."""
    telemetry = instrumented()
    batch = client.batches.create(
        input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h"
    )
    cancelled = client.batches.cancel(batch.id)
    assert names(telemetry)[1:] == [("cancel_batch", cancelled.status)]
