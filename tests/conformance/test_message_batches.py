"""Message batches: every look is a call, and what the results used is counted once."""

from __future__ import annotations

import asyncio

import anthropic
import pytest

import llm_otel

ASK = {
    "model": "claude-sonnet-5",
    "max_tokens": 500,
    "messages": [{"role": "user", "content": "Hello there"}],
}
REQUESTS = [{"custom_id": str(n), "params": ASK} for n in range(3)]


@pytest.fixture
def batches(p):
    with anthropic.Anthropic(base_url=p.origin, api_key="test", max_retries=0) as client:
        yield client.messages.batches


def read_results(batches, batch):
    """What the results of a batch used, as their lines say: input and output tokens."""
    usages = [each.result.message.usage for each in batches.results(batch.id)]
    return sum(usage.input_tokens for usage in usages), sum(u.output_tokens for u in usages)


def test_to_the_end(instrumented, batches):
    """Looks show the state; the results are counted once, for who began the batch, at its tier."""
    telemetry = instrumented()
    with llm_otel.attribution(tenant_id="acme"):
        batch = batches.create(requests=REQUESTS)
    states = [batches.retrieve(batch.id) for _ in "12"]
    tokens = [read_results(batches, batch) for _ in "12"]
    assert states[-1].processing_status == "ended"
    # `results` looks at the batch before it fetches them.
    names = ["create_batch", *["fetch_batch"] * 6]
    assert [span.name for span in telemetry.spans] == names
    told = [span.attributes.get("gen_ai.response.status") for span in telemetry.spans]
    assert told == ["in_progress", "in_progress", *["completed"] * 5]
    ids = {span.attributes["gen_ai.response.id"] for span in telemetry.spans}
    assert ids == {batch.id}
    value = telemetry.value
    assert tokens[0] == tokens[1]
    labels = {"tenant_id": "acme", "operation": "create_batch", "model": "claude-sonnet-5"}
    assert value("gen_ai.tokens.consumed", token_type="input", **labels) == tokens[0][0]
    assert value("gen_ai.tokens.consumed") == sum(tokens[0])
    assert value("gen_ai.requests.active") == 0
    # Half of 2 and 10 USD for a million.
    expected = (tokens[0][0] * 2 + tokens[0][1] * 10) / 2 / 1e6
    assert value("gen_ai.cost.usd") == pytest.approx(expected)


def test_read_as_bytes(instrumented, batches):
    """Results that are read as bytes count the same, where the SDK gives them so."""
    if not hasattr(batches.with_streaming_response, "results"):
        pytest.skip("this version of the SDK gives parsed results alone")
    telemetry = instrumented()
    batch = batches.create(requests=REQUESTS)
    for _ in "12":
        batches.retrieve(batch.id)
    with batches.with_streaming_response.results(batch.id) as response:
        response.read()
    counted = telemetry.value("gen_ai.tokens.consumed")
    assert counted == sum(read_results(batches, batch))
    assert telemetry.value("gen_ai.tokens.consumed") == counted


def test_left_early(instrumented, batches):
    """Results that were not read to their end count when somebody reads them whole."""
    telemetry = instrumented()
    batch = batches.create(requests=REQUESTS)
    for _ in "12":
        batches.retrieve(batch.id)
    results = batches.results(batch.id)
    next(results)
    results.http_response.close()
    assert telemetry.value("gen_ai.tokens.consumed") == 0
    tokens = read_results(batches, batch)
    assert telemetry.value("gen_ai.tokens.consumed") == sum(tokens)


def test_async(instrumented, p):
    """The asynchronous client's results count the same."""
    telemetry = instrumented()

    async def run():
        async with anthropic.AsyncAnthropic(base_url=p.origin, api_key="test") as client:
            batches = client.messages.batches
            batch = await batches.create(requests=REQUESTS)
            for _ in "12":
                await batches.retrieve(batch.id)
            return [each async for each in await batches.results(batch.id)]

    usages = [each.result.message.usage for each in asyncio.run(run())]
    total = sum(usage.input_tokens + usage.output_tokens for usage in usages)
    assert telemetry.value("gen_ai.tokens.consumed") == total


def test_cancelled(instrumented, batches):
    """Cancelling is a call of its own, and nothing is counted."""
    telemetry = instrumented()
    batch = batches.create(requests=REQUESTS)
    batches.cancel(batch.id)
    assert [span.name for span in telemetry.spans] == ["create_batch", "cancel_batch"]
    assert telemetry.value("gen_ai.tokens.consumed") == 0
    assert telemetry.value("llm_otel.usage.unknown") == 0
