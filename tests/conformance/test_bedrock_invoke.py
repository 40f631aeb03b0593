"""InvokeModel: bodies of the model families as AWS documents them, whole and streamed, and every
way to read them.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from __future__ import annotations

import gc
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from botocore.response import StreamingBody
from clients import botocore as table

from llm_otel.testing import Reply
from tests.conformance import aws

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(autouse=True)
def nothing_left_for_others():
    """What the SDK leaves to the garbage collector is found here, not in a later test."""
    yield
    gc.collect()


class Case(NamedTuple):
    """A family.

    Attributes:
        model: What is asked for.
        request: The body of the request.
        answer: Of the whole answer.
        chunks: The same streamed, without AWS's metrics in the last; empty where there are none.
        operation: The span's.
        reason: Why it ended.
        facts: Further attributes of the span.
        tokens: Input and output; in headers where the body does not tell.
        cost: Millionths of a USD; None: no price is known.
    """

    model: str
    request: dict[str, Any]
    answer: dict[str, Any]
    chunks: tuple[dict[str, Any], ...] = ()
    operation: str = "text_completion"
    reason: tuple[str, ...] = ("stop",)
    facts: Mapping[str, Any] = MappingProxyType({})
    tokens: tuple[int, int] = (10, 20)
    cost: float | None = None


SAMPLING = {
    "gen_ai.request.max_tokens": 100,
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.top_p": 0.9,
}
MESSAGES = [{"role": "user", "content": "Hello"}]
OPENAI = {"messages": MESSAGES, "max_tokens": 100, "temperature": 0.5, "top_p": 0.9}
CHAT_USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
ANTHROPIC_USAGE = {"input_tokens": 10, "output_tokens": 20}
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"


def _choice(**choice: Any) -> dict[str, Any]:
    return {"id": "c1", "model": "m", "choices": [{"index": 0, **choice}]}


CASES: dict[str, Case] = {
    "anthropic": Case(
        HAIKU,
        {"anthropic_version": "bedrock-2023-05-31", **OPENAI},
        {
            "id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5",
            "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn",
            "usage": ANTHROPIC_USAGE,
        },
        (
            {"type": "message_start", "message": {
                "id": "msg_bdrk_1", "model": "claude-haiku-4-5", "content": [],
                "usage": {"input_tokens": 10, "output_tokens": 1}}},
            {"type": "content_block_start", "index": 0,
             "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0,
             "delta": {"type": "text_delta", "text": "Hi"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"},
             "usage": {"output_tokens": 20}},
            {"type": "message_stop"},
        ),
        "chat",
        facts={**SAMPLING, "gen_ai.response.id": "msg_bdrk_1",
               "gen_ai.response.model": "claude-haiku-4-5"},
        cost=10 * 1.1 + 20 * 5.5,
    ),
    "anthropic's completions": Case(
        "anthropic.claude-v2:1",
        {"prompt": "\n\nHuman: Hello\n\nAssistant:", "max_tokens_to_sample": 100,
         "temperature": 0.5, "top_p": 0.9},
        {"type": "completion", "completion": " Hi", "stop_reason": "max_tokens"},
        ({"type": "completion", "completion": " Hi", "stop_reason": None},
         {"type": "completion", "completion": "", "stop_reason": "max_tokens"}),
        reason=("length",),
        facts=SAMPLING,
    ),
    "nova": Case(
        "amazon.nova-lite-v1:0",
        {"schemaVersion": "messages-v1", "messages": aws.USER,
         "inferenceConfig": {"max_new_tokens": 100, "temperature": 0.5, "topP": 0.9, "topK": 5}},
        {"output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}},
         "stopReason": "max_tokens",
         "usage": {"inputTokens": 10, "outputTokens": 20, "totalTokens": 30,
                   "cacheReadInputTokenCount": 0, "cacheWriteInputTokenCount": 0}},
        (
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"delta": {"text": "Hi"}, "contentBlockIndex": 0}},
            {"contentBlockStop": {"contentBlockIndex": 0}},
            {"messageStop": {"stopReason": "max_tokens"}},
            {"metadata": {"usage": {"inputTokens": 10, "outputTokens": 20}, "metrics": {}}},
        ),
        "chat",
        reason=("length",),
        facts={**SAMPLING, "gen_ai.request.top_k": 5},
        cost=10 * 0.06 + 20 * 0.24,
    ),
    "titan": Case(
        "amazon.titan-text-express-v1",
        {"inputText": "Hello", "textGenerationConfig": {
            "maxTokenCount": 100, "temperature": 0.5, "topP": 0.9, "stopSequences": ["|"]}},
        {"inputTextTokenCount": 10,
         "results": [{"tokenCount": 20, "outputText": "Hi", "completionReason": "FINISH"}]},
        ({"outputText": "Hi", "index": 0, "totalOutputTextTokenCount": None,
          "completionReason": None, "inputTextTokenCount": None},
         {"outputText": "", "index": 0, "totalOutputTextTokenCount": 20,
          "completionReason": "FINISH", "inputTextTokenCount": 10}),
        facts={**SAMPLING, "gen_ai.request.stop_sequences": ("|",)},
        cost=10 * 0.2 + 20 * 0.6,
    ),
    "llama": Case(
        "us.meta.llama3-1-8b-instruct-v1:0",
        {"prompt": "Hello", "max_gen_len": 100, "temperature": 0.5, "top_p": 0.9},
        {"generation": "Hi", "prompt_token_count": 10, "generation_token_count": 20,
         "stop_reason": "length"},
        ({"generation": "H", "prompt_token_count": 10, "generation_token_count": 1,
          "stop_reason": None},
         {"generation": "i", "prompt_token_count": None, "generation_token_count": 2,
          "stop_reason": None},
         {"generation": "", "prompt_token_count": None, "generation_token_count": 20,
          "stop_reason": "length"}),
        reason=("length",),
        facts=SAMPLING,
        cost=10 * 0.22 + 20 * 0.22,
    ),
    "mistral": Case(
        "mistral.mistral-7b-instruct-v0:2",
        {"prompt": "<s>[INST] Hello [/INST]", "max_tokens": 100, "temperature": 0.5, "top_p": 0.9,
         "stop": ["|"]},
        {"outputs": [{"text": "Hi", "stop_reason": "stop"}]},
        ({"outputs": [{"text": "Hi", "stop_reason": None}]},
         {"outputs": [{"text": "", "stop_reason": "stop"}]}),
        facts={**SAMPLING, "gen_ai.request.stop_sequences": ("|",)},
        cost=10 * 0.15 + 20 * 0.2,
    ),
    "mistral's chat": Case(
        "mistral.mistral-large-2402-v1:0",
        OPENAI,
        _choice(message={"role": "assistant", "content": "", "tool_calls": [
            {"id": "t", "function": {"name": "f", "arguments": "{}"}}]}, stop_reason="tool_calls"),
        (_choice(message={"role": "assistant", "content": "Hi"}, stop_reason=None),
         _choice(message={"role": "assistant", "content": ""}, stop_reason="tool_calls")),
        "chat",
        reason=("tool_call",),
        facts=SAMPLING,
        cost=10 * 4 + 20 * 12,
    ),
    "cohere": Case(
        "cohere.command-text-v14",
        {"prompt": "Hello", "max_tokens": 100, "temperature": 0.5, "p": 0.9, "k": 5,
         "num_generations": 2},
        {"id": "c1", "prompt": "Hello", "generations": [
            {"id": "g1", "text": "Hi", "finish_reason": "COMPLETE"},
            {"id": "g2", "text": "Ho", "finish_reason": "MAX_TOKENS"}]},
        reason=("stop", "length"),
        facts={**SAMPLING, "gen_ai.request.choice.count": 2, "gen_ai.request.top_k": 5,
               "gen_ai.response.id": "c1"},
    ),
    "cohere's stream": Case(
        "cohere.command-light-text-v14",
        {"prompt": "Hello", "max_tokens": 100, "temperature": 0.5, "p": 0.9},
        {"id": "c1", "generations": [{"text": "Hi", "finish_reason": "COMPLETE"}]},
        ({"text": "Hi", "is_finished": False},
         {"is_finished": True, "finish_reason": "COMPLETE", "text": ""}),
        facts=SAMPLING,
    ),
    "cohere's chat": Case(
        "cohere.command-r-plus-v1:0",
        {"message": "Hello", "max_tokens": 100, "temperature": 0.5, "p": 0.9},
        {"response_id": "r1", "text": "Hi", "generation_id": "g1", "finish_reason": "COMPLETE"},
        ({"event_type": "text-generation", "is_finished": False, "text": "Hi"},
         {"event_type": "stream-end", "is_finished": True, "finish_reason": "COMPLETE",
          "text": "", "response": {}}),
        "chat",
        facts=SAMPLING,
    ),
    "jamba": Case(
        "ai21.jamba-1-5-mini-v1:0", OPENAI,
        {**_choice(message={"role": "assistant", "content": "Hi"}, finish_reason="stop"),
         "usage": CHAT_USAGE},
        (_choice(delta={"role": "assistant", "content": "Hi"}, finish_reason=None),
         {**_choice(delta={}, finish_reason="stop"), "usage": CHAT_USAGE}),
        "chat",
        facts={**SAMPLING, "gen_ai.response.id": "c1"},
    ),
    "jurassic": Case(
        "ai21.j2-mid-v1",
        {"prompt": "Hello", "maxTokens": 100, "temperature": 0.5, "topP": 0.9},
        {"id": 1, "prompt": {"text": "Hello", "tokens": []}, "completions": [
            {"data": {"text": "Hi", "tokens": []}, "finishReason": {"reason": "endoftext"}}]},
        facts=SAMPLING,
    ),
    "deepseek": Case(
        "us.deepseek.r1-v1:0",
        {"prompt": "Hello", "max_tokens": 100, "temperature": 0.5, "top_p": 0.9},
        {"choices": [{"text": "Hi", "stop_reason": "length"}]},
        ({"choices": [{"text": "Hi", "stop_reason": None}]},
         {"choices": [{"text": "", "stop_reason": "length"}]}),
        reason=("length",),
        facts=SAMPLING,
        cost=10 * 1.35 + 20 * 5.4,
    ),
    "gpt-oss": Case(
        "openai.gpt-oss-120b-1:0", OPENAI,
        {**_choice(message={"role": "assistant", "content": "Hi"}, finish_reason="stop"),
         "usage": CHAT_USAGE},
        (_choice(delta={"content": "H"}, finish_reason=None),
         _choice(delta={"content": "i"}, finish_reason=None),
         _choice(delta={}, finish_reason="stop")),
        "chat",
        facts={**SAMPLING, "gen_ai.response.id": "c1", "gen_ai.response.model": "m"},
        cost=10 * 0.15 + 20 * 0.6,
    ),
    "qwen": Case(
        "qwen.qwen3-32b-v1:0", OPENAI,
        {**_choice(message={"role": "assistant", "content": "Hi"}, finish_reason="length"),
         "usage": CHAT_USAGE},
        operation="chat",
        reason=("length",),
        facts=SAMPLING,
        cost=10 * 0.15 + 20 * 0.6,
    ),
    "writer": Case(
        "us.writer.palmyra-x4-v1:0", OPENAI,
        {**_choice(message={"role": "assistant", "content": "Hi"}, finish_reason="stop"),
         "usage": CHAT_USAGE},
        operation="chat",
        facts=SAMPLING,
        cost=10 * 2.5 + 20 * 10,
    ),
    "an account's own model": Case(
        "arn:aws:bedrock:us-east-1:123456789012:imported-model/abc123",
        {"prompt": "Hello", "max_gen_len": 100, "temperature": 0.5, "top_p": 0.9},
        {"generation": "Hi", "prompt_token_count": 10, "generation_token_count": 20,
         "stop_reason": "stop"},
        facts=SAMPLING,
    ),
    "titan's embeddings": Case(
        "amazon.titan-embed-text-v2:0",
        {"inputText": "Hello", "dimensions": 256, "embeddingTypes": ["float"]},
        {"embedding": [0.1], "embeddingsByType": {"float": [0.1]}, "inputTextTokenCount": 10},
        operation="embeddings",
        reason=(),
        facts={"gen_ai.embeddings.dimension.count": 256,
               "gen_ai.request.encoding_formats": ("float",)},
        tokens=(10, 0),
        cost=10 * 0.02,
    ),
    "cohere's embeddings": Case(
        "cohere.embed-multilingual-v3",
        {"texts": ["Hello"], "input_type": "search_query"},
        {"id": "e1", "embeddings": [[0.1]], "texts": ["hello"]},
        operation="embeddings",
        reason=(),
        facts={"gen_ai.response.id": "e1"},
        tokens=(10, 0),
    ),
}  # fmt: skip


def _told(told: Any) -> tuple[dict[str, Any], tuple[int, int]]:
    value = told.value
    tokens = (
        value("gen_ai.tokens.consumed", token_type="input"),
        value("gen_ai.tokens.consumed", token_type="output"),
    )
    return dict(told.span.attributes), tokens


def _check(case: Case, told: Any) -> None:
    attributes, tokens = _told(told)
    assert attributes["gen_ai.operation.name"] == case.operation
    assert attributes["gen_ai.request.model"] == case.model
    assert attributes.get("gen_ai.response.finish_reasons", ()) == case.reason
    assert {name: attributes.get(name) for name in case.facts} == case.facts
    assert tokens == case.tokens
    if case.cost is None:
        assert attributes["llm_otel.cost.status"] == "unpriced"
    else:
        assert told.value("gen_ai.cost.usd") * 1e6 == pytest.approx(case.cost)
        assert "llm_otel.cost.status" not in attributes
    assert attributes["llm_otel.provider.request_id"] == aws.HEADERS["x-amzn-requestid"]


@pytest.fixture
def client(p):
    with table.CLIENT.make(p, False) as made:
        yield made


@pytest.fixture
def told(instrumented):
    return instrumented()


def counted(case: Case) -> dict[str, str]:
    """The headers of every answer."""
    return {
        "x-amzn-bedrock-input-token-count": str(case.tokens[0]),
        "x-amzn-bedrock-output-token-count": str(case.tokens[1]),
    }


@pytest.mark.parametrize("name", CASES)
def test_whole_answers(told, client, p, name):
    """The body that the caller reads is as it was; tokens and cost are what AWS bills."""
    case = CASES[name]
    p.enqueue(aws.whole(case.answer, **counted(case)))
    answer = table.invoke(client, case.model, case.request)
    assert not told.spans, "nobody has read it"
    assert json.loads(answer["body"].read()) == case.answer
    _check(case, told)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.chunks])
def test_streams(told, client, p, name):
    """The same where the answer comes in chunks, of which the last holds AWS's metrics."""
    case = CASES[name]
    metrics = {"inputTokenCount": case.tokens[0], "outputTokenCount": case.tokens[1]}
    last = {**case.chunks[-1], "amazon-bedrock-invocationMetrics": metrics}
    p.enqueue(aws.chunks(*case.chunks[:-1], last))
    stream = table.invoke(client, case.model, case.request, table.STREAM)["body"]
    read = [json.loads(event["chunk"]["bytes"]) for event in stream]
    assert read == [*case.chunks[:-1], last]
    _check(case, told)
    assert told.span.attributes["gen_ai.request.stream"] is True


def test_caches_in_the_metrics_lie_beside_the_input(told, client, p):
    """A stream whose chunks tell no usage has AWS's metrics, caches included."""
    metrics = {"inputTokenCount": 7, "outputTokenCount": 126, "cacheReadInputTokenCount": 14486,
               "cacheWriteInputTokenCount": 2238}  # fmt: skip
    p.enqueue(
        aws.chunks(
            _choice(delta={"content": "Hi"}, finish_reason=None),
            {
                **_choice(delta={}, finish_reason="stop"),
                "amazon-bedrock-invocationMetrics": metrics,
            },
        )
    )
    list(table.invoke(client, "openai.gpt-oss-20b-1:0", OPENAI, table.STREAM)["body"])
    attributes, tokens = _told(told)
    assert tokens == (7 + 14486 + 2238, 126)
    assert attributes["gen_ai.usage.cache_read.input_tokens"] == 14486


def test_many_vectors_are_counted_by_the_headers(told, client, p):
    """What is long, and tells no more than they do, is not read."""
    vectors = {"embeddings": [[0.123456] * 1024] * 8}
    p.enqueue(aws.whole(vectors, **{"x-amzn-bedrock-input-token-count": "80"}))
    body = table.invoke(client, "cohere.embed-english-v3", {"texts": ["Hello"] * 8})["body"]
    assert json.loads(body.read()) == vectors
    assert _told(told)[1] == (80, 0)


IMAGES = {
    "canvas": ("amazon.nova-canvas-v1:0",
               {"taskType": "TEXT_IMAGE", "textToImageParams": {"text": "A cat"},
                "imageGenerationConfig": {"numberOfImages": 2, "seed": 7}},
               {"images": ["AAAA", "BBBB"]}, 2),
    "stability": ("stability.sd3-5-large-v1:0", {"prompt": "A cat", "seed": 7},
                  {"seeds": [7], "finish_reasons": [None], "images": ["AAAA"]}, 1),
    "sdxl": ("stability.stable-diffusion-xl-v1",
             {"text_prompts": [{"text": "A cat"}], "seed": 7},
             {"artifacts": [{"base64": "AAAA", "finishReason": "SUCCESS"}]}, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", IMAGES)
def test_images_are_billed_each(told, client, p, name):
    """Their number is known, their price is not: it depends on the size."""
    model, request, answer, count = IMAGES[name]
    p.enqueue(aws.whole(answer))
    table.invoke(client, model, request)["body"].read()
    attributes = told.span.attributes
    assert attributes["gen_ai.operation.name"] == "image_generation"
    assert attributes["gen_ai.output.type"] == "image"
    assert attributes["gen_ai.request.seed"] == 7
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",) * count
    assert attributes["llm_otel.cost.status"] == "unpriced"


def test_a_picture_that_was_filtered(told, client, p):
    """Is a failure that came with HTTP 200."""
    p.enqueue(aws.whole({"images": None, "error": "blocked by our content filters"}))
    table.invoke(client, "amazon.nova-canvas-v1:0", {"taskType": "TEXT_IMAGE"})["body"].read()
    assert told.span.attributes["llm_otel.error.class"] == "content_filter"


def test_a_guardrail_that_intervened(told, client, p):
    """Its text is in the place of the model's, and its price is not known."""
    case = CASES["llama"]
    p.enqueue(aws.whole({**case.answer, "amazon-bedrock-guardrailAction": "INTERVENED"}))
    body = json.dumps(case.request)
    guardrail = {"guardrailIdentifier": "gr-1", "guardrailVersion": "1"}
    client.invoke_model(modelId=case.model, body=body, **guardrail)["body"].read()
    attributes = told.span.attributes
    assert attributes["aws.bedrock.guardrail.id"] == "gr-1"
    assert attributes["gen_ai.response.finish_reasons"] == ("content_filter",)
    assert attributes["llm_otel.cost.status"] == "incomplete"


def test_a_count_that_a_guardrail_took_out(told, client, p):
    """The headers tell the tokens where a guardrail has left one number out of the body."""
    body = {
        "output": {"message": {"role": "assistant", "content": [{"text": "{Account Number}"}]}},
        "stopReason": "end_turn", "usage": {"inputTokens": 12},
        "amazon-bedrock-guardrailAction": "INTERVENED",
    }  # fmt: skip
    counts = {
        "x-amzn-bedrock-input-token-count": "12",
        "x-amzn-bedrock-output-token-count": "51",
    }
    p.enqueue(Reply(headers={**aws.HEADERS, **counts}, body=body))
    client.invoke_model(modelId="us.amazon.nova-lite-v1:0", body="{}")["body"].read()
    assert _told(told)[1] == (12, 51)


# ------------------------------------------------------------------ reading
def _by_two(body: Any) -> bytes:
    data = body.read(30)
    return data + body.read(10_000)


def _into(body: Any) -> bytes:
    data, buffer = b"", bytearray(50)
    while size := body.readinto(buffer):
        data += buffer[:size]
    return data


def _entered(body: Any) -> bytes:
    with body as raw:
        return raw.read()


def _streamed(body: Any) -> bytes:
    with body as raw:
        return b"".join(raw.stream(20))


READS = {
    "read": lambda body: body.read(),
    "read by pieces": _by_two,
    "readinto": _into,
    "readlines": lambda body: b"".join(body.readlines()),
    "iter_lines": lambda body: b"".join(body.iter_lines()),
    "iter_chunks": lambda body: b"".join(body.iter_chunks(7)),
    "iterated": lambda body: b"".join(body),
    "entered": _entered,
    "streamed": _streamed,
}


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("name", READS)
def test_ways_to_read_a_body(told, client, p, name, framing):
    """Whichever way it is read, the call ends once and tells what the body told."""
    if name == "readinto" and not hasattr(StreamingBody, "readinto"):
        pytest.skip("this botocore has no such method")
    case = CASES["llama"]
    data = json.dumps(case.answer).encode()
    headers = {**aws.HEADERS, "content-type": "application/json"}
    halves = [data[:40], data[40:]]
    p.enqueue(
        Reply(headers=headers, body=data)
        if framing == "length"
        else Reply(headers=headers, chunks=halves)
    )
    answer = table.invoke(client, case.model, case.request)
    assert READS[name](answer["body"]) == data
    answer["body"].close()
    _check(case, told)


@pytest.mark.parametrize("leave", ["close", "drop", "half"])
def test_bodies_that_are_left(told, client, p, leave):
    """The provider has made and billed the whole answer; its headers tell the tokens."""
    case = CASES["llama"]
    p.enqueue(aws.whole(case.answer, **counted(case)))
    answer = table.invoke(client, case.model, case.request)
    if leave == "half":
        answer["body"].read(5)
    if leave != "drop":
        answer["body"].close()
    del answer
    gc.collect()
    attributes, tokens = _told(told)
    assert tokens == case.tokens
    assert "error.type" not in attributes


def test_a_body_that_is_cut_off(told, client, p):
    """Reading it raises what it would raise, and the call failed so."""
    from botocore.exceptions import IncompleteReadError, ResponseStreamingError

    p.enqueue(Reply(headers=aws.HEADERS, body=b"x" * 1000, ending="cut"))
    answer = table.invoke(client, *CASES["llama"][:2])
    with pytest.raises((IncompleteReadError, ResponseStreamingError)):
        answer["body"].read()
    assert told.span.attributes["llm_otel.error.class"] == "connection"


def test_a_stubbed_body(told, client):
    """A body that a program's test puts there, which nobody can look into, ends the call."""
    import io

    from botocore.stub import Stubber

    with Stubber(client) as stub:
        stub.add_response("invoke_model", {"body": io.BytesIO(b"{}"), "contentType": "x"})
        answer = client.invoke_model(modelId="amazon.nova-lite-v1:0", body=b"{}")
        assert answer["body"].read() == b"{}"
    assert told.span.attributes["llm_otel.usage.source"] == "unknown"


def test_a_file_as_the_request_is_not_read(told, client, p):
    """The SDK reads it: what it says is not known, and the request goes out whole."""
    import io

    case = CASES["llama"]
    p.enqueue(aws.whole(case.answer))
    body = io.BytesIO(json.dumps(case.request).encode())
    client.invoke_model(modelId=case.model, body=body)["body"].read()
    assert json.loads(p.requests[-1].body) == case.request
    assert "gen_ai.request.max_tokens" not in told.span.attributes
