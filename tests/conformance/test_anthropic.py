"""What is Anthropic's own: caches by lifetime, thinking, hosted tools, clouds, the SDK's spans."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import pytest
from opentelemetry import trace

from llm_otel import semconv
from llm_otel.testing import FakeClock, RateLimit, Reply, provider

MODEL = "claude-sonnet-5"  # 2 USD and 10 USD for a million; cache 2.5, 4 (1 h), 0.2
ASK: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 500,
    "messages": [{"role": "user", "content": "Hello there"}],
}
LONG = "A long document about nothing at all. " * 200  # 1,900 tokens


@pytest.fixture
def client(p):
    with anthropic.Anthropic(base_url=p.origin, api_key="test", max_retries=0) as made:
        yield made


@pytest.fixture
def told(instrumented):
    """Telemetry in which the local provider is Anthropic, with its prices."""
    return instrumented(providers={"127.0.0.1": "anthropic"})


def message(usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": "Yes."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1000, "output_tokens": 100, **usage},
        **more,
    }


def stream(body: dict[str, Any], *between: dict[str, Any]) -> Reply:
    """The stream that amounts to a message."""
    usage = body["usage"]
    start = {**body, "content": [], "stop_reason": None}
    start["usage"] = {"input_tokens": usage["input_tokens"], "output_tokens": 7}
    blocks = [
        {"type": "content_block_start", "index": index, "content_block": block}
        for index, block in enumerate(body["content"])
    ]
    events = [
        {"type": "message_start", "message": start},
        *blocks,
        *between,
        {"type": "message_delta", "delta": {"stop_reason": body["stop_reason"]}, "usage": usage},
        {"type": "message_stop"},
    ]
    lines = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events)
    return Reply(headers={"content-type": "text/event-stream"}, body=lines)


CACHES = {
    "cache_read_input_tokens": 300,
    "cache_creation_input_tokens": 700,
    "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 200},
}
PLAIN = 1000 * 2 + 100 * 10  # millionths of a USD
ADVICE = {"type": "advisor_message", "model": "claude-opus-5", "input_tokens": 10,
          "output_tokens": 10}  # fmt: skip

# Usage -> input, output, cached, written, millionths of a USD, whether the cost is incomplete.
USAGES: dict[str, tuple[dict[str, Any], tuple[int, int, int, int, float, bool]]] = {
    "plain": ({}, (1000, 100, 0, 0, PLAIN, False)),
    "caches by lifetime": (
        CACHES, (2000, 100, 300, 700, PLAIN + 300 * 0.2 + 500 * 2.5 + 200 * 4, False),
    ),
    "thinking": (
        {"output_tokens_details": {"thinking_tokens": 60}}, (1000, 100, 0, 0, PLAIN, False)
    ),
    "web search": (
        {"server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1}},
        (1000, 100, 0, 0, PLAIN + 2 * 10_000, False),
    ),
    "in the US": (
        {"inference_geo": "us", **CACHES, "server_tool_use": {"web_search_requests": 1}},
        (2000, 100, 300, 700,
         (PLAIN + 300 * 0.2 + 500 * 2.5 + 200 * 4) * 1.1 + 10_000, False),
    ),
    "somewhere else": ({"inference_geo": "mars"}, (1000, 100, 0, 0, PLAIN, True)),
    "written, by the total alone": (
        {"cache_creation_input_tokens": 700}, (1700, 100, 0, 700, PLAIN + 700 * 2.5, False),
    ),
    "anywhere": ({"inference_geo": "global"}, (1000, 100, 0, 0, PLAIN, False)),
    "standard": ({"service_tier": "standard"}, (1000, 100, 0, 0, PLAIN, False)),
    "batch": ({"service_tier": "batch"}, (1000, 100, 0, 0, PLAIN / 2, False)),
    "compaction": (
        {"iterations": [{"type": "message", "input_tokens": 1000, "output_tokens": 100},
                        {"type": "compaction", "input_tokens": 50, "output_tokens": 5,
                         "cache_read_input_tokens": 10, "cache_creation_input_tokens": 0}]},
        (1060, 105, 10, 0, PLAIN + 50 * 2 + 5 * 10 + 10 * 0.2, False),
    ),
    "advisor": ({"iterations": [ADVICE]}, (1000, 100, 0, 0, PLAIN + 10 * 5 + 10 * 25, False)),
    "no output": ({"output_tokens": 0}, (1000, 0, 0, 0, 1000 * 2, True)),
}  # fmt: skip


@pytest.mark.parametrize("how", ["whole", "stream"])
@pytest.mark.parametrize("name", USAGES)
def test_usage(told, client, p, name, how):
    """Tokens, their parts and the cost are what Anthropic bills, whole and streamed."""
    usage, (tokens_in, tokens_out, cached, written, cost, incomplete) = USAGES[name]
    body = message(usage)
    p.enqueue(Reply(body=body) if how == "whole" else stream(body))
    answer = client.beta.messages.create(**ASK, stream=how == "stream")
    if how == "stream":
        list(answer)
    value, attributes = told.value, told.span.attributes
    assert {
        "input": value("gen_ai.tokens.consumed", token_type="input"),
        "output": value("gen_ai.tokens.consumed", token_type="output"),
        "cached": value("gen_ai.tokens.cached", cache="read"),
        "written": value("gen_ai.tokens.cached", cache="write"),
        "cost": round(value("gen_ai.cost.usd") * 1e6, 3),
        "status": attributes.get("llm_otel.cost.status"),
        "tier": attributes.get("openai.response.service_tier"),
    } == {
        "input": tokens_in,
        "output": tokens_out,
        "cached": cached,
        "written": written,
        "cost": round(cost, 3),
        "status": "incomplete" if incomplete else None,
        "tier": None,
    }


@pytest.mark.parametrize("how", ["whole", "stream"])
def test_warming_the_cache(told, client, how):
    """A request that only fills the cache is answered nothing, and its cost is whole."""
    system = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    ask = {**ASK, "max_tokens": 0, "system": system}
    answer = client.messages.create(**ask, stream=how == "stream")
    if how == "stream":
        list(answer)
    attributes = told.span.attributes
    assert attributes["gen_ai.usage.output_tokens"] == 0
    assert attributes["gen_ai.usage.input_tokens"] == 1910
    assert "llm_otel.cost.status" not in attributes
    assert told.value("gen_ai.cost.usd") == pytest.approx((1900 * 2.5 + 10 * 2) / 1e6)


def test_fast_mode(told, client, p):
    """The fast mode has a price of its own."""
    p.enqueue(Reply(body=message({"speed": "fast"}, model="claude-opus-5")))
    client.messages.create(**{**ASK, "model": "claude-opus-5"})
    assert told.value("gen_ai.cost.usd") == pytest.approx((1000 * 10 + 100 * 50) / 1e6)


def used(name: str) -> dict[str, Any]:
    """The block of a tool of Anthropic's that ran."""
    return {"type": "server_tool_use", "id": "s1", "name": name, "input": {}}


CODE = {"type": "code_execution_20250825", "name": "code_execution"}
UPLOADED = {
    "messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "file_1"}]}]
}
IN_AN_HOUR = {
    "system": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
}
WRITTEN = {"cache_creation_input_tokens": 700}
BY_HOURS = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 700}


def _web(name: str) -> dict[str, Any]:
    return {"type": name, "name": name[:-9]}


# What the request adds, the tool that ran, the usage -> millionths of a USD beyond the plain
# message, whether the cost is incomplete.
HOSTED: dict[str, tuple[dict[str, Any], str | None, dict[str, Any], float, bool]] = {
    # A container is billed by the hour, which nobody tells.
    "code": ({"tools": [CODE]}, "bash_code_execution", {}, 0, True),
    "code, nothing ran": ({"tools": [CODE]}, None, {}, 0, False),
    "code, by the usage": ({"tools": [CODE]}, None,
                           {"server_tool_use": {"code_execution_requests": 1}}, 0, True),
    "files for code": ({"tools": [CODE], **UPLOADED}, None, {}, 0, True),
    "files, no code": (UPLOADED, None, {}, 0, False),
    # With these it is free.
    "code beside a search": ({"tools": [CODE, _web("web_search_20260209")]}, "code_execution",
                             {"server_tool_use": {"web_search_requests": 1}}, 10_000, False),
    "a search that runs code": ({"tools": [_web("web_fetch_20260318")]}, "code_execution",
                                {"server_tool_use": {"web_fetch_requests": 1}}, 0, False),
    "files beside a search": ({"tools": [CODE, _web("web_fetch_20260209")], **UPLOADED}, None, {},
                              0, False),
    "code beside an old search": ({"tools": [CODE, _web("web_search_20250305")]},
                                  "code_execution", {}, 0, True),
    # These cost tokens alone.
    "fetch": ({"tools": [_web("web_fetch_20250910")]}, "web_fetch",
              {"server_tool_use": {"web_fetch_requests": 3}}, 0, False),
    "tool search": ({"tools": [{"type": "tool_search_tool_bm25_20251119",
                                "name": "tool_search_tool_bm25"}]},
                    "tool_search_tool_bm25", {}, 0, False),
    "memory": ({"tools": [{"type": "memory_20250818", "name": "memory"}]}, None, {}, 0, False),
    # Only the request can tell how long a cache lives whose lifetimes are not reported.
    "an hour": (IN_AN_HOUR, None, {**WRITTEN, "cache_creation": BY_HOURS}, 700 * 4, False),
    "an hour, by the total alone": (IN_AN_HOUR, None, WRITTEN, 700 * 2.5, True),
}  # fmt: skip


@pytest.mark.parametrize("how", ["whole", "stream"])
@pytest.mark.parametrize("name", HOSTED)
def test_what_the_request_decides(told, client, p, name, how):
    """Tools that Anthropic runs, and lifetimes of caches, cost what the documentation says."""
    asked, tool, usage, more, incomplete = HOSTED[name]
    blocks = [used(tool)] if tool else []
    body = message(usage, content=[*blocks, {"type": "text", "text": "4"}])
    p.enqueue(Reply(body=body) if how == "whole" else stream(body))
    answer = client.beta.messages.create(**{**ASK, **asked}, stream=how == "stream")
    if how == "stream":
        list(answer)
    status = told.span.attributes.get("llm_otel.cost.status")
    spent = round(told.value("gen_ai.cost.usd") * 1e6, 3)
    assert (spent, status) == (PLAIN + more, "incomplete" if incomplete else None)


@pytest.mark.filterwarnings("ignore:The model .* is deprecated:DeprecationWarning")
def test_long_contexts(told, client, p):
    """Cached tokens count towards the length from which a model costs more."""
    reported = {"input_tokens": 150_000, "cache_read_input_tokens": 60_000}
    p.enqueue(Reply(body=message(reported, model="claude-sonnet-4-5")))
    client.messages.create(**{**ASK, "model": "claude-sonnet-4-5"})
    spent = 150_000 * 6 + 60_000 * 0.6 + 100 * 22.5
    assert told.value("gen_ai.cost.usd") * 1e6 == pytest.approx(spent)


def test_the_priority_tier(told, client, p):
    """What was committed to has a price of its own, which nobody publishes."""
    p.enqueue(Reply(body=message({"service_tier": "priority"})))
    client.messages.create(**ASK)
    assert told.span.attributes["llm_otel.cost.status"] == "unpriced"


@pytest.mark.parametrize("how", ["closed", "cut"])
def test_the_placeholder_is_no_usage(told, client, p, how):
    """A stream that never told its end has an input, and an output that nobody knows."""
    if how == "cut":
        whole = stream(message({})).body
        head = whole.partition("event: message_delta")[0]
        p.enqueue(Reply(headers={"content-type": "text/event-stream"}, body=head))
        list(client.messages.create(**ASK, stream=True))
    else:
        p.enqueue(stream(message({})))
        with client.messages.stream(**ASK) as events:
            next(iter(events))
    attributes = told.span.attributes
    assert attributes["gen_ai.usage.input_tokens"] == 1000
    assert "gen_ai.usage.output_tokens" not in attributes
    assert attributes["llm_otel.cost.status"] == "incomplete"
    assert told.value("gen_ai.tokens.consumed") == 1000
    reason = "cancelled" if how == "closed" else "error"
    assert attributes["gen_ai.response.finish_reasons"] == (reason,)


@pytest.mark.parametrize(
    ("stop", "reason"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"),
     ("model_context_window_exceeded", "length"), ("tool_use", "tool_call"),
     ("refusal", "content_filter"), ("pause_turn", "pause_turn"), (None, "error")],
)  # fmt: skip
@pytest.mark.parametrize("how", ["whole", "stream"])
def test_stop_reasons(told, client, p, stop, reason, how):
    """Stop reasons are told in the conventions' words."""
    body = message({}, stop_reason=stop)
    p.enqueue(Reply(body=body) if how == "whole" else stream(body))
    answer = client.messages.create(**ASK, stream=how == "stream")
    if how == "stream":
        list(answer)
    assert told.span.attributes["gen_ai.response.finish_reasons"] == (reason,)


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [("overloaded_error", 529, "server"), ("api_error", 500, "server"),
     ("rate_limit_error", 429, "rate_limit"), ("authentication_error", 401, "authentication"),
     ("permission_error", 403, "permission"), ("not_found_error", 404, "not_found"),
     ("billing_error", 402, "insufficient_funds"), ("timeout_error", 504, "timeout"),
     ("invalid_request_error", 400, "invalid_request"), ("request_too_large", 413,
      "invalid_request")],
)  # fmt: skip
@pytest.mark.parametrize("how", ["whole", "stream", "inside"])
def test_errors(told, client, p, kind, status, expected, how):
    """Errors have their class, refused at once or in the middle of a stream with status 200."""
    body = {"type": "error", "error": {"type": kind, "message": "no"}, "request_id": "req_1"}
    if how == "inside":
        p.enqueue(stream(message({}), body))
    else:
        p.enqueue(Reply(status=status, body=body))
    with pytest.raises(anthropic.APIStatusError):
        list(client.messages.create(**ASK, stream=how != "whole"))
    kinds = [point.attributes["error_type"] for point in told.points("gen_ai.errors")]
    assert kinds == [expected]
    assert told.span.status == "ERROR"


OUT_OF_CREDITS = (
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
)


@pytest.mark.parametrize("how", ["whole", "stream", "raw", "bytes", "an event"])
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (OUT_OF_CREDITS, "insufficient_funds"),
        # What comes later in a message may quote a prompt.
        (f"messages.0: {OUT_OF_CREDITS}", "invalid_request"),
    ],
)
def test_without_money(told, client, p, said, expected, how):
    """The status and the type call it a wrong request; the message is read and not kept."""
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": said}}
    if how == "an event":
        lines = f"event: error\ndata: {json.dumps(error)}\n\n"
        p.enqueue(Reply(headers={"content-type": "text/event-stream"}, body=lines))
    else:
        p.enqueue(Reply(status=400, body=error))
    raw, streaming = client.messages.with_raw_response, client.messages.with_streaming_response
    ask = {
        "raw": lambda: raw.create(**ASK),
        "bytes": lambda: streaming.create(**ASK).__enter__(),
        "whole": lambda: client.messages.create(**ASK),
    }.get(how, lambda: list(client.messages.create(**ASK, stream=True)))
    with pytest.raises(anthropic.APIError):
        ask()
    assert told.span.attributes["llm_otel.error.class"] == expected
    assert told.value("gen_ai.errors", error_type=expected) == 1
    assert "credit balance" not in repr(told)


def test_request_attributes(told, client):
    """What the request says is on the span, and nothing that tells who the user is."""
    schema = {"type": "object", "properties": {}}
    body = {
        **ASK,
        "temperature": 0.5,
        "top_k": 5,
        "stop_sequences": ["x", "y"],
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": schema}},
        "metadata": {"user_id": "u-secret"},
    }
    client.post("/v1/messages", cast_to=anthropic.types.Message, body=body)
    attributes = told.span.attributes
    assert {
        name: attributes.get(f"gen_ai.{name}")
        for name in ("request.max_tokens", "request.temperature", "request.top_k", "output.type",
                     "request.stop_sequences", "request.reasoning.level")
    } == {
        "request.max_tokens": 500,
        "request.temperature": 0.5,
        "request.top_k": 5,
        "output.type": "json",
        "request.stop_sequences": ("x", "y"),
        "request.reasoning.level": "low",
    }  # fmt: skip
    assert "u-secret" not in str(attributes)


def test_counting_is_no_call(told, client):
    """Counting tokens asks no model."""
    client.messages.count_tokens(model=MODEL, messages=ASK["messages"])
    client.beta.messages.count_tokens(model=MODEL, messages=ASK["messages"])
    assert told.spans == []


def test_headroom(instrumented):
    """What is left of the limits is known from the headers, until they are full again."""
    telemetry = instrumented(providers={"127.0.0.1": "anthropic"})
    limit = RateLimit(requests=10, tokens=1000, window=60)
    with (
        provider(rate_limit=limit, clock=FakeClock()) as p,
        anthropic.Anthropic(base_url=p.origin, api_key="test") as client,
    ):
        raw = client.messages.with_raw_response.create(**ASK)
    left = int(raw.headers["anthropic-ratelimit-tokens-remaining"])
    labels = {"provider": "anthropic", "model": MODEL}
    assert telemetry.value("gen_ai.ratelimit.requests.limit", **labels) == 10
    assert telemetry.value("gen_ai.ratelimit.requests.remaining", **labels) == 9
    assert telemetry.value("gen_ai.ratelimit.tokens.remaining", **labels) == left


# ------------------------------------------------------------------ clouds
def _vertex(p):
    return anthropic.AnthropicVertex(
        base_url=p.origin + "/v1", region="europe-west1", project_id="x", access_token="x"
    )


def _bedrock(p):
    return anthropic.AnthropicBedrock(
        base_url=p.origin, aws_region="us-east-1", aws_access_key="x", aws_secret_key="x"
    )


@pytest.mark.parametrize("how", ["whole", "stream", "helper"])
@pytest.mark.parametrize("cloud", [_vertex, _bedrock], ids=["vertex", "bedrock"])
def test_clouds(instrumented, p, cloud, how):
    """Messages on Vertex AI and Bedrock are calls like any other, AWS' frames included."""
    telemetry = instrumented()
    with cloud(p) as client:
        if how == "helper":
            with client.messages.stream(**ASK) as stream:
                stream.get_final_message()
        else:
            answer = client.messages.create(**ASK, stream=how == "stream")
            if how == "stream":
                list(answer)
    bill = p.bill[MODEL]
    assert telemetry.span.name == f"chat {MODEL}"
    value = telemetry.value
    assert value("gen_ai.tokens.consumed", token_type="input") == bill.input_tokens
    assert value("gen_ai.tokens.consumed", token_type="output") == bill.output_tokens
    assert telemetry.span.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert value("llm_otel.internal_errors") == 0


# ------------------------------------------------------------------ the SDK's own spans
@pytest.mark.parametrize("how", ["whole", "stream", "helper", "raw"])
def test_the_sdks_own_spans(instrumented, client, monkeypatch, how):
    """They stand below ours, whole as without us; our metrics count the call once."""
    telemetry = instrumented(providers={"127.0.0.1": "anthropic"})
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", telemetry._memory.tracer_provider)
    if how == "helper":
        with client.messages.stream(**ASK) as stream:
            stream.get_final_message()
    elif how == "raw":
        list(client.messages.with_raw_response.create(**ASK, stream=True).parse())
    else:
        answer = client.messages.create(**ASK, stream=how == "stream")
        if how == "stream":
            list(answer)
    assert telemetry.tree() == f"chat {MODEL}\n  anthropic.messages.create"
    ours, theirs = telemetry.spans
    for name in (semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS, semconv.RESPONSE_ID):
        assert theirs.attributes[name] == ours.attributes[name]
    assert theirs.attributes["anthropic.message.stop_reason"] == "end_turn"
    assert telemetry.count("gen_ai.request.duration") == 1
    total = sum(ours.attributes[f"gen_ai.usage.{each}_tokens"] for each in ("input", "output"))
    assert telemetry.value("gen_ai.tokens.consumed") == total
    assert telemetry.value("gen_ai.cost.usd") > 0


def test_without_a_provider_of_spans_nothing_is_sent(instrumented, client, p):
    """The SDK sends the ids of the current span to Anthropic: never those of ours alone."""
    instrumented()
    client.messages.create(**ASK)
    assert "traceparent" not in p.requests[0].headers


@pytest.mark.parametrize(
    ("first", "last", "tokens"),
    [
        # Kimi, Qwen: https://github.com/maximhq/bifrost/issues/5355
        ({"input_tokens": 8834}, {"input_tokens": 18, "cache_read_input_tokens": 8831}, 8849),
        ({"input_tokens": 5000}, {"input_tokens": 0, "cache_read_input_tokens": 5000}, 5000),
        ({"input_tokens": 10, "cache_read_input_tokens": 90}, {}, 100),
        ({"input_tokens": 10, "cache_read_input_tokens": 90}, {"input_tokens": 10}, 100),
        ({"input_tokens": 10}, {"input_tokens": 0}, 10),
    ],
)
def test_the_last_event_says_what_the_input_was(told, client, p, first, last, tokens):
    """What a first event counts as fresh may be cached by the last: it counts once."""
    body = message({})
    events = [
        {"type": "message_start", "message": {**body, "content": [], "stop_reason": None,
                                              "usage": {"output_tokens": 1, **first}}},
        {"type": "content_block_start", "index": 0, "content_block": body["content"][0]},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
         "usage": {"output_tokens": 20, **last}},
        {"type": "message_stop"},
    ]  # fmt: skip
    lines = "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events)
    p.enqueue(Reply(headers={"content-type": "text/event-stream"}, body=lines))
    list(client.messages.create(**ASK, stream=True))
    assert told.value("gen_ai.tokens.consumed", token_type="input") == tokens
    assert told.value("gen_ai.tokens.consumed", token_type="output") == 20


def test_a_message_that_only_compacts_is_billed(told, client, p):
    """Its own counts are zeros; those of the compaction are beside them."""
    done = {"type": "compaction", "input_tokens": 150_000, "output_tokens": 800}
    usage = {"input_tokens": 0, "output_tokens": 0, "iterations": [done]}
    p.enqueue(Reply(body=message(usage, stop_reason="compaction")))
    client.messages.create(**ASK)
    assert told.value("gen_ai.tokens.consumed", token_type="input") == 150_000
    assert told.value("gen_ai.tokens.consumed", token_type="output") == 800


def test_a_refused_model_before_marks_the_cost(told, client, p):
    """The SDK's middleware asks another model: the usage is of the second alone."""
    block = {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}}
    p.enqueue(Reply(body=message({}, content=[block, {"type": "text", "text": "Yes."}])))
    client.post("/v1/messages", cast_to=object, body=ASK)
    assert told.span.attributes["llm_otel.cost.status"] == "incomplete"


def test_text_completions_have_a_span_and_no_usage(told, client, p):
    """The API of older SDKs tells no tokens: they are unknown, not 0."""
    answer = {"type": "completion", "id": "compl_1", "completion": " Hi", "model": "claude-2.1",
              "stop_reason": "stop_sequence", "stop": None, "log_id": "x"}  # fmt: skip
    p.enqueue(Reply(body=answer))
    body = {"model": "claude-2.1", "prompt": "Hello", "max_tokens_to_sample": 9}
    client.post("/v1/complete", cast_to=object, body=body)
    span = told.span
    assert span.name == "text_completion claude-2.1"
    assert span.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert span.attributes["gen_ai.request.max_tokens"] == 9
    assert span.attributes[semconv.USAGE_SOURCE] == "unknown"


@pytest.mark.parametrize(("profile", "usd"), [("global.", 0.0045), ("us.", 0.00495)])
def test_a_profile_of_bedrock_has_its_price(instrumented, client, p, profile, usd):
    """The answer names the model alone; where it ran is in the request."""
    got = instrumented(providers={"127.0.0.1": "aws.bedrock"})
    name = "claude-sonnet-4-5-20250929"
    p.enqueue(Reply(body=message({}, model=name)))
    client.messages.create(**{**ASK, "model": f"{profile}anthropic.{name}-v1:0"})
    assert got.value("gen_ai.cost.usd") == pytest.approx(usd)
    assert got.span.attributes["gen_ai.response.model"] == name
