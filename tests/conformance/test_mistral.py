"""What is Mistral's own: conversations, OCR by the page, thinking, its clouds, the SDK's spans."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest
from clients.mistralai import MODEL, PDF, QUESTION, SPEECH, make
from clients.redirect import http_client
from mistralai.azure.client import MistralAzure
from mistralai.client.utils import BackoffStrategy, RetryConfig
from mistralai.extra.observability.telemetry import configure_telemetry
from mistralai.gcp.client import MistralGCP

from llm_otel import semconv
from llm_otel.testing import RateLimit, Reply, Telemetry, provider

# 0.15 USD and 0.6 USD for a million, cached 0.015
PLAIN = 1000 * 0.15 + 100 * 0.6  # millionths of a USD


@pytest.fixture
def client(p):
    with make(p, False) as made:
        yield made.client


def completion(usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": "Yes.", "tool_calls": None},
        **more,
    }
    return {
        "id": "9c4b",
        "object": "chat.completion",
        "created": 1757760403,
        "model": MODEL,
        "choices": [choice],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100, **usage},
    }


def stream(body: dict[str, Any]) -> Reply:
    """The stream that amounts to a completion: usage comes with the finish reason."""
    (choice,) = body["choices"]
    message = choice["message"]
    common = {key: body[key] for key in ("id", "created", "model")}
    common["object"] = "chat.completion.chunk"
    content = message["content"]
    pieces = [[block] for block in content] if isinstance(content, list) else [content]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in pieces]
    if message.get("tool_calls"):
        deltas.append({"tool_calls": message["tool_calls"]})
    chunks = [{**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
              for delta in deltas]  # fmt: skip
    end = {"index": 0, "delta": {"content": ""}, "finish_reason": choice["finish_reason"]}
    chunks.append({**common, "choices": [end], "usage": body["usage"]})
    return events(*chunks, done=True)


def events(*bodies: dict[str, Any], done: bool = False) -> Reply:
    lines = []
    for body in bodies:
        name = f"event: {body['type']}\n" if "type" in body and "object" not in body else ""
        lines.append(f"{name}data: {json.dumps(body)}\n\n")
    tail = "data: [DONE]\n\n" if done else ""
    return Reply(headers={"content-type": "text/event-stream"}, body="".join(lines) + tail)


def ask(client: Any, p: Any, body: dict[str, Any], how: str, **more: Any) -> Any:
    """A question that is answered by this body, whole or streamed."""
    if how == "whole":
        p.enqueue(Reply(body=body))
        return client.chat.complete(**QUESTION, **more)
    p.enqueue(stream(body))
    with client.chat.stream(**QUESTION, **more) as chunks:
        return list(chunks)


def counted(telemetry: Telemetry) -> dict[str, Any]:
    value = telemetry.value
    return {
        "input": value("gen_ai.tokens.consumed", token_type="input"),
        "output": value("gen_ai.tokens.consumed", token_type="output"),
        "cached": value("gen_ai.tokens.cached", cache="read"),
        "cost": round(value("gen_ai.cost.usd") * 1e6, 3),
        "status": telemetry.span.attributes.get("llm_otel.cost.status"),
    }


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


# ------------------------------------------------------------------ conversations
TALK_USAGE = {
    "prompt_tokens": 95, "completion_tokens": 209, "total_tokens": 399, "connector_tokens": 95,
    "connectors": {"code_interpreter": 1},
}  # fmt: skip
AGENT = {"agent_id": "ag_2", "model": "mistral-medium-2505"}


def conversation(*outputs: dict[str, Any], **usage: Any) -> dict[str, Any]:
    return {
        "object": "conversation.response",
        "conversation_id": "conv_1",
        "outputs": [{"object": "entry", **AGENT, **output} for output in outputs],
        "usage": {**TALK_USAGE, **usage},
    }


SAID = {"type": "message.output", "id": "msg_1", "role": "assistant", "content": "Thirteen."}
RAN = {"type": "tool.execution", "id": "tool_1", "name": "code_interpreter",
       "arguments": '{"code": "5 + 8"}', "info": {"code_output": "13"}}  # fmt: skip
CALLED = {"type": "function.call", "id": "fc_1", "tool_call_id": "c1", "name": "add",
          "arguments": '{"a": 5}'}  # fmt: skip


def conversation_events(*outputs: dict[str, Any]) -> Reply:
    started = {"type": "conversation.response.started", "conversation_id": "conv_1"}
    bodies: list[dict[str, Any]] = [started]
    for index, output in enumerate(outputs):
        common = {**AGENT, "output_index": index, "id": output["id"]}
        kind = output["type"]
        if kind == "message.output":
            for piece in ("Thir", "teen."):
                bodies.append({**common, "type": f"{kind}.delta", "role": "assistant",
                               "content": piece})  # fmt: skip
        elif kind == "tool.execution":
            named = {**common, "name": output["name"]}
            bodies.append({**named, "type": f"{kind}.started", "arguments": ""})
            bodies.append({**named, "type": f"{kind}.delta", "arguments": output["arguments"]})
            bodies.append({**named, "type": f"{kind}.done", "info": output["info"]})
        else:
            half = len(output["arguments"]) // 2
            for part in (output["arguments"][:half], output["arguments"][half:]):
                bodies.append({**common, "type": f"{kind}.delta", "name": output["name"],
                               "tool_call_id": "c1", "arguments": part})  # fmt: skip
    return events(*bodies, {"type": "conversation.response.done", "usage": TALK_USAGE})


def talk(client: Any, p: Any, how: str, *outputs: dict[str, Any], **more: Any) -> None:
    if how == "whole":
        p.enqueue(Reply(body=conversation(*outputs)))
        client.beta.conversations.start(inputs="What is 5 + 8?", agent_id="ag_2", **more)
        return
    p.enqueue(conversation_events(*outputs))
    with client.beta.conversations.start_stream(
        inputs="What is 5 + 8?", agent_id="ag_2", **more
    ) as chunks:
        list(chunks)


@pytest.mark.parametrize("how", ["whole", "stream"])
def test_a_conversation(instrumented, client, p, how):
    """What connectors read is input beside the prompt; what they cost themselves is not known."""
    telemetry = instrumented()
    talk(client, p, how, RAN, SAID)
    attributes = telemetry.span.attributes
    shown = {name: attributes.get(name) for name in (
        "gen_ai.operation.name", "gen_ai.conversation.id", "gen_ai.agent.id", "gen_ai.response.id",
        "gen_ai.response.model", "gen_ai.response.finish_reasons")}  # fmt: skip
    assert shown == {
        "gen_ai.operation.name": "chat",
        "gen_ai.conversation.id": "conv_1",
        "gen_ai.agent.id": "ag_2",
        "gen_ai.response.id": "msg_1",
        "gen_ai.response.model": "mistral-medium-2505",
        "gen_ai.response.finish_reasons": ("stop",),
    }
    assert counted(telemetry) == {
        "input": 190,
        "output": 209,
        "cached": 0,
        "cost": round(190 * 0.4 + 209 * 2, 3),
        "status": "incomplete",
    }


@pytest.mark.parametrize("how", ["whole", "stream"])
def test_a_call_of_a_function_ends_a_turn(instrumented, client, p, how):
    """As in a chat, whose finish reason says so."""
    telemetry = instrumented()
    talk(client, p, how, CALLED)
    assert telemetry.span.attributes["gen_ai.response.finish_reasons"] == ("tool_call",)


def test_the_turns_of_a_conversation(instrumented, client, p):
    """Started, gone on with, restarted: three calls; its history is none."""
    telemetry = instrumented()
    talks = client.beta.conversations
    begun = talks.start(model=MODEL, inputs="Hi")
    talks.append(conversation_id=begun.conversation_id, inputs="And now?")
    with talks.restart_stream(
        conversation_id=begun.conversation_id, from_entry_id="x", inputs="No"
    ) as chunks:
        list(chunks)
    bill = p.bill
    assert [span.attributes["gen_ai.operation.name"] for span in telemetry.spans] == ["chat"] * 3
    assert telemetry.value("gen_ai.tokens.consumed", token_type="input") == sum(
        each.input_tokens for each in bill.values()
    )
    assert telemetry.value("llm_otel.usage.unknown") == 0


def test_a_conversation_that_fails_midway(instrumented, client, p):
    """The stream's last word is an error."""
    telemetry = instrumented()
    p.enqueue(
        events(
            {"type": "conversation.response.started", "conversation_id": "conv_1"},
            {"type": "conversation.response.error", "message": "no", "code": 429},
        )
    )
    with client.beta.conversations.start_stream(inputs="Hi", model=MODEL) as chunks:
        list(chunks)
    attributes = telemetry.span.attributes
    assert attributes["llm_otel.error.class"] == "rate_limit"
    assert attributes["gen_ai.response.finish_reasons"] == ("error",)


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
def azure(p: Any) -> Any:
    return MistralAzure(
        api_key="test",
        server_url="https://mine.eastus.models.ai.azure.com",
        client=http_client(httpx2, p, False),
    )


def gcp(p: Any) -> Any:
    return MistralGCP(
        project_id="mine",
        region="europe-west4",
        access_token="test",
        client=http_client(httpx2, p, False),
    )


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


# ------------------------------------------------------------------ the SDK's own spans
@pytest.mark.parametrize("how", ["whole", "stream", "async", "conversation", "refused"])
def test_the_sdks_own_spans(instrumented, p, how):
    """They stand below ours, whole as without us; our metrics count the call once."""
    plain = asyncio.run(traced(Telemetry, p, how, None))
    p.reset()
    telemetry = instrumented()
    ours = asyncio.run(traced(Telemetry, p, how, telemetry))
    assert plain == ours
    assert telemetry.count("gen_ai.request.duration") == 1
    assert telemetry.spans[0].name.startswith("chat")
    assert all("traceparent" in request.headers for request in p.requests)


async def traced(_: Any, p: Any, how: str, telemetry: Telemetry | None) -> list[Any]:
    """Names and attributes of the spans that the SDK makes."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    memory = InMemorySpanExporter()
    own = TracerProvider()
    own.add_span_processor(SimpleSpanProcessor(memory))
    asynchronous = how == "async"
    made = make(p, asynchronous)
    configure_telemetry(made.client, provider=own, redaction=False)
    if asynchronous:
        async with made:
            await made.call("chat.complete", **QUESTION)
    else:
        with made:
            if how == "whole":
                made.client.chat.complete(**QUESTION)
            elif how == "conversation":
                made.client.beta.conversations.start(model=MODEL, inputs="Hi")
            elif how == "refused":
                p.enqueue("rate_limit")
                with pytest.raises(Exception, match="429"):
                    made.client.chat.complete(**QUESTION)
            else:
                with made.client.chat.stream(**QUESTION) as chunks:
                    list(chunks)
    spans = memory.get_finished_spans()
    if telemetry is not None:
        inner = {span.context.span_id for span in spans}
        outer = {span.parent.span_id for span in spans if span.parent} - inner
        assert outer == {int(telemetry.spans[0].span_id, 16)}
    return [(span.name, span.status.status_code, dict(span.attributes)) for span in spans]


# ------------------------------------------------------------------ content
CONTENT = {"capture_content": "span_only"}
THOUGHT = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Let me "}]},
    {"type": "thinking", "thinking": [{"type": "text", "text": "see."}]},
    {"type": "text", "text": "Yes."},
]
CALLS = [{"id": "c1", "function": {"name": "add", "arguments": '{"a": 5}'}, "index": 0}]


def messages(telemetry: Telemetry, name: str) -> Any:
    return json.loads(telemetry.span.attributes[name])


@pytest.mark.parametrize("how", ["whole", "stream"])
def test_content_of_a_chat(instrumented, client, p, how):
    """Thoughts, text and calls of tools, whole and streamed."""
    telemetry = instrumented(**CONTENT)
    content = THOUGHT
    if how == "whole":
        content = [{"type": "thinking", "thinking": [{"type": "text", "text": "Let me see."}]},
                   THOUGHT[-1]]  # fmt: skip
    said = {"role": "assistant", "content": content, "tool_calls": CALLS}
    ask(client, p, completion({}, message=said, finish_reason="tool_calls"), how)
    assert messages(telemetry, "gen_ai.output.messages") == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Let me see."},
                {"type": "text", "content": "Yes."},
                {"type": "tool_call", "name": "add", "id": "c1", "arguments": {"a": 5}},
            ],
            "finish_reason": "tool_call",
        }
    ]


def test_content_of_a_question(instrumented, client, p):
    """Images, documents and sound are named, never copied; results of tools are told."""
    telemetry = instrumented(**CONTENT)
    asked: list[Any] = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": "https://pictures.example/1.png"},
            {"type": "document_url", "document_url": "https://documents.example/1.pdf"},
            {"type": "input_audio", "input_audio": "AAAA"},
            {"type": "file", "file_id": "file-1"},
        ]},
        {"role": "assistant", "content": "", "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "c1", "name": "add", "content": "13"},
    ]  # fmt: skip
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    client.chat.complete(model=MODEL, messages=asked, tools=[tool])
    system, user, assistant, answer = messages(telemetry, "gen_ai.input.messages")
    assert system["parts"] == [{"type": "text", "content": "Be kind."}]
    kinds = [(part["type"], part.get("modality")) for part in user["parts"]]
    assert kinds[0] == ("text", None)
    assert kinds[1:3] == [("uri", "image"), ("uri", "document")]
    assert [modality for _, modality in kinds[3:]] == ["audio", "document"]
    assert assistant["parts"] == [
        {"type": "tool_call", "name": "add", "id": "c1", "arguments": {"a": 5}}
    ]
    assert answer["parts"] == [{"type": "tool_call_response", "response": "13", "id": "c1"}]
    definitions = messages(telemetry, "gen_ai.tool.definitions")
    assert definitions[0]["name"] == "add"


@pytest.mark.parametrize("how", ["whole", "stream"])
def test_content_of_a_conversation(instrumented, client, p, how):
    """Instructions and inputs; outputs in their order, with the tools that the provider ran."""
    telemetry = instrumented(**CONTENT)
    talk(client, p, how, RAN, SAID, instructions="Be brief.")
    assert messages(telemetry, "gen_ai.system_instructions") == [
        {"type": "text", "content": "Be brief."}
    ]
    assert messages(telemetry, "gen_ai.input.messages") == [
        {"role": "user", "parts": [{"type": "text", "content": "What is 5 + 8?"}]}
    ]
    (output,) = messages(telemetry, "gen_ai.output.messages")
    ran, said = output["parts"]
    assert (ran["type"], ran["name"], ran["id"]) == (
        "server_tool_call", "code_interpreter", "tool_1",
    )  # fmt: skip
    assert ran["server_tool_call"]["arguments"] == RAN["arguments"]
    assert said == {"type": "text", "content": "Thirteen."}
    assert output["finish_reason"] == "stop"


@pytest.mark.parametrize("how", ["whole", "stream"])
def test_content_of_a_call_in_a_conversation(instrumented, client, p, how):
    """A call of the caller's function, from its pieces."""
    telemetry = instrumented(**CONTENT)
    talk(client, p, how, CALLED)
    (output,) = messages(telemetry, "gen_ai.output.messages")
    assert output["parts"] == [
        {"type": "tool_call", "name": "add", "id": "c1", "arguments": {"a": 5}}
    ]


def test_no_content_unless_asked(instrumented, client, p):
    """Nothing of what was said is in the telemetry."""
    telemetry = instrumented()
    secret = "xyzzy-plugh"
    p.enqueue(Reply(body=completion({}, message={"role": "assistant", "content": secret})))
    client.chat.complete(model=MODEL, messages=[{"role": "user", "content": secret}])
    p.enqueue(Reply(body=conversation({**SAID, "content": secret})))
    client.beta.conversations.start(model=MODEL, inputs=secret, instructions=secret)
    client.ocr.process(model="mistral-ocr-latest", document={**PDF, "document_name": secret})
    assert secret not in repr(telemetry)
    assert len(telemetry.spans) == 3


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
