"""Amazon Bedrock by boto3: Converse, its tokens and cost, errors, and what the request says."""

from __future__ import annotations

import gc
import json
from typing import Any

import boto3
import botocore.exceptions
import pytest
from clients import botocore as table

from llm_otel import attribution
from llm_otel.testing import Reply, provider
from tests.conformance import aws
from tests.conformance.aws import MODEL, USER

# botocore leaves sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(autouse=True)
def nothing_left_for_others():
    """What the SDK leaves to the garbage collector is found here, not in a later test."""
    yield
    gc.collect()


@pytest.fixture
def client(p):
    with table.CLIENT.make(p, False) as made:
        yield made


@pytest.fixture
def told(instrumented):
    return instrumented()


def ask(client: Any, p: Any, how: str, body: dict[str, Any], **more: Any) -> Any:
    """Converse, whole or streamed, which is answered so."""
    arguments: dict[str, Any] = {"modelId": MODEL, "messages": USER, **more}
    if how == "whole":
        p.enqueue(aws.whole(body))
        return client.converse(**arguments)
    p.enqueue(aws.events(*aws.spoken_events(body)))
    return list(client.converse_stream(**arguments)["stream"])


both = pytest.mark.parametrize("how", ["whole", "stream"])

# In one region: 3.3 USD and 16.5 USD for a million; cache 0.33, 4.125 (5 min), 6.6 (1 h).
PLAIN = 1000 * 3.3 + 100 * 16.5  # millionths of a USD
CACHES = {
    "cacheReadInputTokens": 300,
    "cacheWriteInputTokens": 700,
    "totalTokens": 2100,
    "cacheDetails": [{"ttl": "5m", "inputTokens": 500}, {"ttl": "1h", "inputTokens": 200}],
}
ACCOUNT = "arn:aws:bedrock:us-east-1:123456789012"


def _tier(name: str) -> dict[str, Any]:
    return {"serviceTier": {"type": name}}


GUARDRAIL = {"guardrailIdentifier": "gr-1", "guardrailVersion": "1"}

# Usage and what else the answer holds, more of the request -> input, output, cached, written,
# millionths of a USD (None: no price), whether the cost is incomplete.
USAGES: dict[str, Any] = {
    "plain": ({}, {}, {}, (1000, 100, 0, 0, PLAIN, False)),
    "caches by lifetime": (
        CACHES, {}, {},
        (2000, 100, 300, 700, PLAIN + 300 * 0.33 + 500 * 4.125 + 200 * 6.6, False),
    ),
    "caches without a lifetime": (
        {"cacheWriteInputTokens": 700, "totalTokens": 1800}, {}, {},
        (1700, 100, 0, 700, PLAIN + 700 * 4.125, False),
    ),
    "more in the total": ({"totalTokens": 1200}, {}, {}, (1000, 100, 0, 0, PLAIN, True)),
    "default tier": ({}, _tier("default"), {}, (1000, 100, 0, 0, PLAIN, False)),
    "priority tier": ({}, _tier("priority"), {}, (1000, 100, 0, 0, None, False)),
    "flex tier asked for": ({}, {}, _tier("flex"), (1000, 100, 0, 0, None, False)),
    "optimized latency": (
        {}, {"performanceConfig": {"latency": "optimized"}}, {}, (1000, 100, 0, 0, None, False)
    ),
    "guarded": ({}, {}, {"guardrailConfig": GUARDRAIL}, (1000, 100, 0, 0, PLAIN, True)),
    "globally": (
        {}, {}, {"modelId": f"global.{MODEL}"},
        (1000, 100, 0, 0, 1000 * 3 + 100 * 15, False),
    ),
    "by a profile's ARN": (
        {}, {}, {"modelId": f"{ACCOUNT}:inference-profile/eu.{MODEL}"},
        (1000, 100, 0, 0, PLAIN, False),
    ),
    "by a model's ARN": (
        {}, {}, {"modelId": f"arn:aws:bedrock:us-east-1::foundation-model/{MODEL}"},
        (1000, 100, 0, 0, PLAIN, False),
    ),
    "by an application's profile": (
        {}, {},
        {"modelId": f"{ACCOUNT}:application-inference-profile/a1b2c3"},
        (1000, 100, 0, 0, None, False),
    ),
    "provisioned": (
        {}, {}, {"modelId": f"{ACCOUNT}:provisioned-model/a1b2c3"},
        (1000, 100, 0, 0, None, False),
    ),
    "routed": (
        {}, {"trace": {"promptRouter": {
            "invokedModelId": f"arn:aws:bedrock:us-east-1::foundation-model/{MODEL}"}}},
        {"modelId": f"{ACCOUNT}:default-prompt-router/anthropic.claude:1"},
        (1000, 100, 0, 0, PLAIN, False),
    ),
    "Nova": (
        {"cacheReadInputTokens": 400, "totalTokens": 1500}, {}, {"modelId": "amazon.nova-pro-v1:0"},
        (1400, 100, 400, 0, 1000 * 0.8 + 400 * 0.2 + 100 * 3.2, False),
    ),
}  # fmt: skip


@both
@pytest.mark.parametrize("name", USAGES)
def test_usage(told, client, p, name, how):
    """Tokens, their parts and the cost are what AWS bills, whole and streamed."""
    usage, more, request, expected = USAGES[name]
    ask(client, p, how, aws.spoken(usage, **more), **request)
    value, attributes = told.value, told.span.attributes
    tokens_in, tokens_out, cached, written, cost, incomplete = expected
    assert {
        "input": value("gen_ai.tokens.consumed", token_type="input"),
        "output": value("gen_ai.tokens.consumed", token_type="output"),
        "cached": value("gen_ai.tokens.cached", cache="read"),
        "written": value("gen_ai.tokens.cached", cache="write"),
        "cost": round(value("gen_ai.cost.usd") * 1e6, 3),
        "status": attributes.get("llm_otel.cost.status"),
        "unpriced": value("gen_ai.requests.unpriced"),
        "model": attributes["gen_ai.request.model"],
    } == {
        "input": tokens_in,
        "output": tokens_out,
        "cached": cached,
        "written": written,
        "cost": round(cost or 0, 3),
        "status": "unpriced" if cost is None else "incomplete" if incomplete else None,
        "unpriced": int(cost is None or incomplete),
        "model": request.get("modelId", MODEL),
    }


def test_the_router_names_the_model(told, client, p):
    """The model that a prompt router chose answered."""
    _, more, request, _ = USAGES["routed"]
    ask(client, p, "whole", aws.spoken({}, **more), **request)
    assert told.span.attributes["gen_ai.response.model"] == MODEL


@both
@pytest.mark.parametrize(
    ("stop", "reason"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"),
     ("tool_use", "tool_call"), ("guardrail_intervened", "content_filter"),
     ("content_filtered", "content_filter"), ("model_context_window_exceeded", "length"),
     ("malformed_tool_use", "error"), ("something_new", "something_new")],
)  # fmt: skip
def test_stop_reasons(told, client, p, stop, reason, how):
    """Stop reasons are told in the conventions' words."""
    ask(client, p, how, aws.spoken({}, stop))
    assert told.span.attributes["gen_ai.response.finish_reasons"] == (reason,)


def test_a_guardrail_that_blocks_the_input(told, client, p):
    """No token was used, and what the guardrail costs nobody tells: unknown, not 0."""
    nothing = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
    ask(client, p, "whole", aws.spoken(nothing, "guardrail_intervened"), guardrailConfig=GUARDRAIL)
    attributes = told.span.attributes
    assert attributes["gen_ai.response.finish_reasons"] == ("content_filter",)
    assert attributes["llm_otel.usage.source"] == "unknown"
    assert attributes["aws.bedrock.guardrail.id"] == "gr-1"


@both
def test_hosted_tools_have_a_price_of_their_own(told, client, p, how):
    """Web grounding is billed besides the tokens."""
    use = {"toolUseId": "t1", "name": "nova_grounding", "type": "server_tool_use"}
    if how == "whole":
        body = aws.spoken({})
        body["output"]["message"]["content"].insert(0, {"toolUse": {**use, "input": {}}})
        p.enqueue(aws.whole(body))
        client.converse(modelId=MODEL, messages=USER)
    else:
        start = ("contentBlockStart", {"start": {"toolUse": use}, "contentBlockIndex": 1})
        first, *rest = aws.spoken_events(aws.spoken({}))
        p.enqueue(aws.events(first, start, *rest))
        list(client.converse_stream(modelId=MODEL, messages=USER)["stream"])
    assert told.span.attributes["llm_otel.cost.status"] == "incomplete"


def test_request_attributes(told, client, p):
    """What the request says is on the span, with the host that the client believes to call."""
    ask(
        client, p, "whole", aws.spoken({}),
        inferenceConfig={
            "maxTokens": 500, "temperature": 0.5, "topP": 0.9, "stopSequences": ["x", "y"],
        },
        additionalModelRequestFields={"top_k": 5, "output_config": {"effort": "low"}},
        outputConfig={"textFormat": {"type": "json_schema", "structure": {
            "jsonSchema": {"schema": "{}"}}}},
    )  # fmt: skip
    attributes = told.span.attributes
    wanted = {
        "gen_ai.provider.name": "aws.bedrock",
        "server.address": "bedrock-runtime.us-east-1.amazonaws.com",
        "server.port": 443,
        "gen_ai.request.max_tokens": 500,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.top_k": 5,
        "gen_ai.request.stop_sequences": ("x", "y"),
        "gen_ai.request.reasoning.level": "low",
        "gen_ai.output.type": "json",
        "llm_otel.provider.request_id": aws.HEADERS["x-amzn-requestid"],
    }
    assert {name: attributes.get(name) for name in wanted} == wanted
    assert "gen_ai.request.stream" not in attributes


# ------------------------------------------------------------------ errors
@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (429, "ThrottlingException", "Too many requests", "rate_limit"),
        (400, "ServiceQuotaExceededException", "no", "rate_limit"),
        (403, "AccessDeniedException", "no access", "permission"),
        (403, "ExpiredTokenException", "The security token is expired", "authentication"),
        (403, "UnrecognizedClientException", "invalid token", "authentication"),
        (403, "InvalidSignatureException", "bad signature", "authentication"),
        (400, "ValidationException", "Input is too long for requested model.", "invalid_request"),
        (400, "ValidationException", "blocked by our content filters.", "content_filter"),
        (404, "ResourceNotFoundException", "no such model", "not_found"),
        (408, "ModelTimeoutException", "timeout", "timeout"),
        (424, "ModelErrorException", "the model failed", "server"),
        (429, "ModelNotReadyException", "not ready", "server"),
        (500, "InternalServerException", "internal", "server"),
        (503, "ServiceUnavailableException", "unavailable", "server"),
        (418, "BrandNewException", "new", "invalid_request"),
    ],
)
def test_errors(told, client, p, status, code, message, kind):
    """Errors have their class by AWS's word for them, and keep id and status."""
    p.enqueue(aws.refused(status, code, message))
    with pytest.raises(botocore.exceptions.ClientError):
        client.converse(modelId=MODEL, messages=USER)
    attributes = told.span.attributes
    assert attributes["llm_otel.error.class"] == kind
    assert attributes["http.response.status_code"] == status
    assert attributes["llm_otel.provider.request_id"] == aws.HEADERS["x-amzn-requestid"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [("throttlingException", "rate_limit"), ("modelStreamErrorException", "server"),
     ("internalServerException", "server"), ("validationException", "invalid_request"),
     ("serviceUnavailableException", "server")],
)  # fmt: skip
def test_errors_inside_a_stream(told, client, p, code, kind):
    """An error that comes when the response had begun well has its class, and no HTTP status."""
    from llm_otel.testing.provider import aws_events

    reply = aws.events(*aws.spoken_events(aws.spoken({}))[:2])
    p.enqueue(
        Reply(headers=reply.headers, chunks=[*reply.chunks, aws_events.exception("no", code)])
    )
    stream = client.converse_stream(modelId=MODEL, messages=USER)["stream"]
    with pytest.raises(botocore.exceptions.EventStreamError):
        list(stream)
    attributes = told.span.attributes
    assert attributes["llm_otel.error.class"] == kind
    assert "http.response.status_code" not in attributes
    assert attributes["gen_ai.response.finish_reasons"] == ("error",)


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"endpoint_url": "http://127.0.0.1:9"}, "connection"),
        ({"config": table.config(read_timeout=0.2)}, "timeout"),
    ],
    ids=["refused", "silent"],
)
def test_no_answer(told, p, arguments, kind):
    """What the network does has its class."""
    made = boto3.client(
        **{**table.ARGUMENTS, "endpoint_url": p.origin, "config": table.config(), **arguments}
    )
    p.enqueue("hang")
    with pytest.raises(botocore.exceptions.BotoCoreError):
        made.converse(modelId=MODEL, messages=USER)
    assert told.span.attributes["llm_otel.error.class"] == kind


def test_no_credentials(told, monkeypatch):
    """Nobody is asked."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE",
                 "AWS_BEARER_TOKEN_BEDROCK"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    session = boto3.session.Session(region_name="us-east-1")
    made = session.client("bedrock-runtime")
    with pytest.raises(botocore.exceptions.NoCredentialsError):
        made.converse(modelId=MODEL, messages=USER)
    assert told.span.attributes["llm_otel.error.class"] == "authentication"


def test_retries_are_one_call(told, p):
    """botocore tries again inside: one call, which says how often."""
    made = boto3.client(
        **table.ARGUMENTS,
        config=botocore.config.Config(retries={"max_attempts": 2, "mode": "standard"}),
    )
    made.meta.events.register("before-send.bedrock-runtime", table.moved(p))
    p.enqueue(aws.refused(503, "ServiceUnavailableException"), aws.whole(aws.spoken({})))
    made.converse(modelId=MODEL, messages=USER)
    assert len(p.requests) == 2
    assert told.span.attributes["http.request.resend_count"] == 1


# ------------------------------------------------------------------ what is no call
def test_others_of_bedrock_are_no_calls(told, client, p):
    """Counting tokens and applying a guardrail ask no model."""
    p.enqueue(aws.whole({"inputTokens": 7}))
    client.count_tokens(modelId=MODEL, input={"converse": {"messages": USER}})
    p.enqueue(aws.whole({"usage": {}, "action": "NONE", "outputs": [], "assessments": []}))
    client.apply_guardrail(**GUARDRAIL, source="INPUT", content=[{"text": {"text": "Hello"}}])
    assert not told.spans


def test_other_services_go_on_as_they_were(told, p):
    """A client of another service calls the SDK's own function, in the program's own context."""
    from opentelemetry import baggage

    made = boto3.client(**{**table.ARGUMENTS, "service_name": "s3"}, endpoint_url=p.origin)
    seen = []
    made.meta.events.register("before-send.s3", lambda **_: seen.append(dict(baggage.get_all())))
    p.enqueue(Reply(body="<ListAllMyBucketsResult/>", headers={"content-type": "text/xml"}))
    with attribution(tenant_id="acme"):
        before = dict(baggage.get_all())
        made.list_buckets()
    assert seen == [before]
    assert not told.spans


# ------------------------------------------------------------------ elsewhere
def test_asynchronous_work_is_a_call_of_unknown_usage(told, client, p):
    """The result goes to a bucket; nobody tells what it used."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:async-invoke/abc"
    p.enqueue(aws.whole({"invocationArn": arn}))
    client.start_async_invoke(
        modelId="amazon.nova-reel-v1:1",
        modelInput={"taskType": "TEXT_VIDEO", "textToVideoParams": {"text": "A cat"}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://bucket"}},
    )
    attributes = told.span.attributes
    assert attributes["gen_ai.operation.name"] == "generate_content"
    assert attributes["gen_ai.response.id"] == arn
    assert attributes["llm_otel.usage.source"] == "unknown"
    assert told.value("llm_otel.usage.unknown") == 1


def test_ranking_is_a_call_of_unknown_usage(told, p):
    """AWS bills units that it does not tell."""
    arguments = {**table.ARGUMENTS, "service_name": "bedrock-agent-runtime"}
    made = boto3.client(**arguments, endpoint_url=p.origin, config=table.config())
    arn = "arn:aws:bedrock:us-east-1::foundation-model/cohere.rerank-v3-5:0"
    text = {"type": "TEXT", "textDocument": {"text": "A cat"}}
    p.enqueue(aws.whole({"results": [{"index": 0, "relevanceScore": 0.9}]}))
    made.rerank(
        queries=[{"type": "TEXT", "textQuery": {"text": "cats"}}],
        sources=[{"type": "INLINE", "inlineDocumentSource": text}],
        rerankingConfiguration={
            "type": "BEDROCK_RERANKING_MODEL",
            "bedrockRerankingConfiguration": {"modelConfiguration": {"modelArn": arn}},
        },
    )
    attributes = told.span.attributes
    assert attributes["gen_ai.operation.name"] == "rerank"
    assert attributes["gen_ai.request.model"] == arn
    assert attributes["llm_otel.usage.source"] == "unknown"


def test_the_local_provider_is_deterministic():
    """Two providers of a seed answer alike, caches included."""
    answers = []
    for _ in range(2):
        with provider(seed=3) as p, table.CLIENT.make(p, False) as made:
            system = [{"text": "long " * 2000}, {"cachePoint": {"type": "default"}}]
            for _ in range(2):
                answer = made.converse(modelId=MODEL, messages=USER, system=system)
            answer.pop("ResponseMetadata")
            answers.append(json.dumps(answer, sort_keys=True))
            assert answer["usage"]["cacheReadInputTokens"] > 0
    assert answers[0] == answers[1]
