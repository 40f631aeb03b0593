"""A name of any length, from the provider or from the program, fits in a span's attribute."""

from __future__ import annotations

from typing import Any

import pytest
from hostile import bodies
from hostile.harness import SYNC, Program, each, unharmed, wait

import llm_otel
from llm_otel.testing import Provider, capture

LONG = "x" * 100_000
MOST = 4096
FIELDS = {"id": LONG, "model": LONG, "service_tier": LONG, "system_fingerprint": LONG}
CHOICE = {"index": 0, "finish_reason": LONG}
RAW: dict[str, Any] = {"model": LONG, "messages": [{"role": "user", "content": "Hi"}]}


async def _chat(client: Any) -> Any:
    return await wait(
        client.chat.completions.create(
            **RAW,
            stop=[LONG] * 300,
            reasoning_effort=LONG,
            extra_body={"previous_response_id": LONG, "conversation": LONG, "service_tier": LONG},
        )
    )


async def _stream(client: Any) -> Any:
    return [chunk async for chunk in each(client.chat.completions.create(**RAW, stream=True))]


async def _responses(client: Any) -> Any:
    return await wait(client.responses.create(model=LONG, input="Hi", prompt={"id": LONG}))


MESSAGE = {"role": "assistant", "content": "Yes.", "refusal": None}
PROGRAMS = {
    "chat": Program(
        _chat,
        [
            bodies.reply(
                {**bodies.CHAT, **FIELDS, "choices": [{**CHOICE, "message": MESSAGE}] * 300},
                x_request_id="r" * 5000,
            )
        ],
    ),
    "stream": Program(
        _stream,
        [
            bodies.events(
                {**bodies.CHUNK, **FIELDS}, {**bodies.END, "choices": [{**CHOICE, "delta": {}}]}
            )
        ],
    ),
    "responses": Program(
        _responses,
        [
            bodies.reply(
                {
                    **bodies.RESPONSE,
                    **FIELDS,
                    "status": "incomplete",
                    "incomplete_details": {"reason": LONG},
                }
            )
        ],
    ),
    "failed": Program(
        _responses,
        [
            bodies.reply(
                {**bodies.RESPONSE, "status": "failed", "error": {"code": LONG, "message": LONG}}
            )
        ],
    ),
    "refused": Program(
        _responses,
        [bodies.reply({"error": {"code": LONG}}, status=400)],
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_names_from_outside_are_cut(server: Provider, name: str) -> None:
    """No text of a span has more than 4,096 characters, no list more than 128 of them."""
    (watch,) = unharmed({name: PROGRAMS[name]}, server, SYNC, {"stream_usage": "never"}, calls=1)
    [span] = watch.spans.ended
    attributes = dict(span.attributes or {})
    texts = {
        key: value if isinstance(value, tuple) else (value,)
        for key, value in attributes.items()
        if isinstance(value, (str, tuple))
    }
    lengths = {key: max(map(len, values)) for key, values in texts.items()}
    assert not {key: length for key, length in lengths.items() if length > MOST}, lengths
    assert max(map(len, texts.values())) <= 128
    assert len(span.name) < MOST + 20
    # what was cut says so, and is not dropped
    assert attributes["gen_ai.request.model"] == "x" * (MOST - 1) + "…"


def test_content_has_its_own_limit(server: Provider) -> None:
    """A long answer is content: cut by `content_max_length`, not as a name."""
    answer = {**MESSAGE, "content": LONG}
    body = {**bodies.CHAT, "choices": [{**bodies.CHAT["choices"][0], "message": answer}]}
    chunk = {**bodies.CHUNK, "choices": [{"index": 0, "delta": {"content": LONG}}]}
    for run, reply in ((_chat, bodies.reply(body)), (_stream, bodies.events(chunk, bodies.END))):
        settings = {
            "capture_content": "span_only",
            "content_max_length": 0,
            "stream_usage": "never",
        }
        (watch,) = unharmed({"it": Program(run, [reply])}, server, SYNC, settings, calls=1)
        assert LONG in str((watch.spans.ended[0].attributes or {})["gen_ai.output.messages"])


def test_names_of_the_program() -> None:
    """Steps and attribution keep to the limit, too."""
    with (
        capture(tags=("t",)) as telemetry,
        llm_otel.attribution(session_id=LONG, tags={"t": LONG}, conversation_id=LONG),
        llm_otel.agent("a", id=LONG, description=LONG, conversation_id=LONG),
        llm_otel.tool(LONG, type=LONG, call_id=LONG, description=LONG),
        llm_otel.retrieval(LONG, provider=LONG, model=LONG),
    ):
        llm_otel.score("s", LONG, label=LONG)
        llm_otel.outcome(success=True, kind=LONG, note=LONG)
    for record in (*telemetry.spans, *telemetry.logs):
        texts = {k: len(v) for k, v in record.attributes.items() if isinstance(v, str)}
        assert not {k: length for k, length in texts.items() if length > MOST}, texts
