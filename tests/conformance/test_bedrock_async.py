"""Amazon Bedrock by aiobotocore, on which aioboto3 stands: the same, awaited."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import botocore.exceptions
import pytest
from botocore.exceptions import BotoCoreError
from clients import aiobotocore as table
from clients import botocore as sync_table

from llm_otel.testing import Reply
from tests.conformance import aws
from tests.conformance.aws import MODEL, USER

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(autouse=True)
def nothing_left_for_others():
    """What the SDK leaves to the garbage collector is found here, not in a later test."""
    yield
    gc.collect()


LLAMA = "meta.llama3-8b-instruct-v1:0"  # 0.3 USD and 0.6 USD for a million
ANSWER = {"generation": "Hi", "prompt_token_count": 10, "generation_token_count": 20,
          "stop_reason": "stop"}  # fmt: skip
COUNTS = {"x-amzn-bedrock-input-token-count": "10", "x-amzn-bedrock-output-token-count": "20"}

Program = Callable[[Any], Awaitable[Any]]


@pytest.fixture
def told(instrumented):
    return instrumented()


@pytest.fixture
def run(p):
    """Runs a program with a client of the local provider."""

    def running(program: Program) -> Any:
        async def main() -> Any:
            async with table.CLIENT.make(p, True) as client:
                return await program(client)

        return asyncio.run(main())

    return running


def tokens(told: Any) -> tuple[int, int]:
    value = told.value
    return (
        value("gen_ai.tokens.consumed", token_type="input"),
        value("gen_ai.tokens.consumed", token_type="output"),
    )


def test_converse(told, run, p):
    """A whole answer: tokens, cost, request id."""
    p.enqueue(aws.whole(aws.spoken({})))
    run(lambda client: client.converse(modelId=MODEL, messages=USER))
    assert tokens(told) == (1000, 100)
    assert told.value("gen_ai.cost.usd") == pytest.approx((1000 * 3.3 + 100 * 16.5) / 1e6)
    request_id = told.span.attributes["llm_otel.provider.request_id"]
    assert request_id == aws.HEADERS["x-amzn-requestid"]


def test_converse_stream(told, run, p):
    """The SDK's own stream, whose events are as they were."""
    p.enqueue(aws.events(*aws.spoken_events(aws.spoken({}))))

    async def program(client: Any) -> Any:
        stream = (await client.converse_stream(modelId=MODEL, messages=USER))["stream"]
        return type(stream).__name__, [next(iter(event)) async for event in stream]

    kind, names = run(program)
    assert (kind, names[0], names[-1]) == ("AioEventStream", "messageStart", "metadata")
    assert tokens(told) == (1000, 100)


def test_invoke_stream(told, run, p):
    """Chunks of a family."""
    last = {**ANSWER, "amazon-bedrock-invocationMetrics": {"inputTokenCount": 10}}
    p.enqueue(aws.chunks({**ANSWER, "stop_reason": None}, last))

    async def program(client: Any) -> Any:
        answer = await sync_table.invoke(client, LLAMA, {"prompt": "Hi"}, sync_table.STREAM)
        return [json.loads(event["chunk"]["bytes"]) async for event in answer["body"]]

    assert run(program)[-1] == last
    assert tokens(told) == (10, 20)


async def _read(body: Any) -> bytes:
    return await body.read()


async def _by_pieces(body: Any) -> bytes:
    return await body.read(20) + await body.read(10_000)


async def _iterated(body: Any) -> bytes:
    return b"".join([piece async for piece in body])


async def _iter_chunks(body: Any) -> bytes:
    return b"".join([piece async for piece in body.iter_chunks(7)])


async def _iter_lines(body: Any) -> bytes:
    return b"".join([line async for line in body.iter_lines()])


async def _entered(body: Any) -> bytes:
    async with body as raw:
        return await raw.read()


@pytest.mark.parametrize(
    "read", [_read, _by_pieces, _iterated, _iter_chunks, _iter_lines, _entered],
    ids=lambda read: read.__name__,
)  # fmt: skip
def test_ways_to_read_a_body(told, run, p, read):
    """Whichever way it is read, the call ends once and tells what the body told."""
    p.enqueue(aws.whole(ANSWER))

    async def program(client: Any) -> Any:
        answer = await sync_table.invoke(client, LLAMA, {"prompt": "Hi"})
        return json.loads(await read(answer["body"]))

    assert run(program) == ANSWER
    assert tokens(told) == (10, 20)
    assert told.value("gen_ai.cost.usd") == pytest.approx((10 * 0.3 + 20 * 0.6) / 1e6)
    assert told.span.attributes["gen_ai.response.finish_reasons"] == ("stop",)


@pytest.mark.parametrize("leave", ["close", "drop"])
def test_bodies_that_are_left(told, run, p, leave):
    """The provider has made and billed the whole answer; its headers tell the tokens."""
    p.enqueue(aws.whole(ANSWER, **COUNTS))

    async def program(client: Any) -> None:
        answer = await sync_table.invoke(client, LLAMA, {"prompt": "Hi"})
        if leave == "close":
            answer["body"].close()
        del answer
        gc.collect()

    run(program)
    assert tokens(told) == (10, 20)
    assert "error.type" not in told.span.attributes


def test_a_body_that_is_cut_off(told, run, p):
    """Reading it raises what it would raise, and the call failed so."""
    p.enqueue(Reply(headers=aws.HEADERS, body=b"x" * 1000, ending="cut"))

    async def program(client: Any) -> None:
        answer = await sync_table.invoke(client, LLAMA, {"prompt": "Hi"})
        await answer["body"].read()

    with pytest.raises((OSError, aiohttp.ClientError, BotoCoreError)) as raised:
        run(program)
    assert told.span.attributes["error.type"].endswith(type(raised.value).__name__)


def test_an_error(told, run, p):
    """AWS's word for it has its class."""
    p.enqueue(aws.refused(429, "ThrottlingException"))
    with pytest.raises(botocore.exceptions.ClientError):
        run(lambda client: client.converse(modelId=MODEL, messages=USER))
    assert told.span.attributes["llm_otel.error.class"] == "rate_limit"


def test_a_call_that_is_cancelled(told, run, p):
    """Is no error of the provider's."""
    p.enqueue("hang")

    async def program(client: Any) -> None:
        asked = asyncio.ensure_future(client.converse(modelId=MODEL, messages=USER))
        while not p.requests:
            await asyncio.sleep(0)
        asked.cancel()
        await asked

    with pytest.raises(asyncio.CancelledError):
        run(program)
    assert told.span.attributes["llm_otel.error.class"] == "cancelled"
