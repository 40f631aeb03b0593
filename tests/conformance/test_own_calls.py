"""A request made by hand with `llm_otel.call()` tells what a client's tells."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from anthropic import Anthropic
from openai import OpenAI

import llm_otel
from llm_otel.testing import Provider, Telemetry, capture

Instrument = Callable[..., Telemetry]

HOST = "127.0.0.1"
ASKED = [{"role": "user", "content": "Where is my order?"}]
CHAT = {"model": "gpt-4o-mini", "messages": ASKED, "temperature": 0.2, "max_tokens": 50}
RESPONSE = {"model": "gpt-4o-mini", "input": "Where is my order?", "temperature": 0.2}
MESSAGE = {"model": "claude-haiku-4-5", "messages": ASKED, "max_tokens": 50}
STREAM = {"stream": True, "stream_options": {"include_usage": True}}
WHO = {"tenant_id": "acme", "feature": "support", "session_id": "s1"}

# What the names of values differ in from one request to the next.
_CHANCE = {"gen_ai.response.id", "llm_otel.provider.request_id"}
_TIMES = {"gen_ai.response.time_to_first_chunk"}


def by_hand(
    url: str, provider: str, body: dict[str, Any], headers: dict[str, str] | None = None
) -> None:
    """One request with httpx, its answer shown as it came."""
    with llm_otel.call(provider=provider, url=url, body=body) as call:
        if body.get("stream"):
            with httpx.stream("POST", url, json=body, headers=headers) as response:
                call.set_response(response)
                for event in events(response):
                    call.add_chunk(event)
        else:
            response = httpx.post(url, json=body, headers=headers)
            call.set_response(response)


def events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The JSON of server-sent events."""
    for line in response.iter_lines():
        if line.startswith("data: {"):
            yield json.loads(line[6:])


def openai_chat(p: Provider, body: dict[str, Any]) -> None:
    """The SDK's."""
    result = OpenAI(base_url=p.url, api_key="sk-x").chat.completions.create(**body)
    if body.get("stream"):
        list(result)


def openai_response(p: Provider, body: dict[str, Any]) -> None:
    """The SDK's."""
    result: Any = OpenAI(base_url=p.url, api_key="sk-x").responses.create(**body)
    if body.get("stream"):
        list(result)


def anthropic_message(p: Provider, body: dict[str, Any]) -> None:
    """The SDK's."""
    result: Any = Anthropic(base_url=p.origin, api_key="sk-x").messages.create(**body)
    if body.get("stream"):
        list(result)


CASES = [
    ("openai", "/chat/completions", CHAT, openai_chat),
    ("openai", "/chat/completions", {**CHAT, **STREAM}, openai_chat),
    ("openai", "/responses", RESPONSE, openai_response),
    ("openai", "/responses", {**RESPONSE, "stream": True}, openai_response),
    ("anthropic", "/messages", MESSAGE, anthropic_message),
    ("anthropic", "/messages", {**MESSAGE, "stream": True}, anthropic_message),
]
IDS = ["chat", "chat stream", "response", "response stream", "message", "message stream"]


def numbers(telemetry: Telemetry) -> dict[tuple[str, str], float | None]:
    """Every metric's points without times: counts of histograms, sums of counters."""
    return {
        (point.name, json.dumps(point.attributes, sort_keys=True)): (
            point.count if point.count is not None else point.value
        )
        for points in telemetry.metrics().values()
        for point in points
        if not point.name.startswith("llm_otel.prices")
    }


@pytest.mark.parametrize("content", ["no_content", "span_only"])
@pytest.mark.parametrize(("name", "path", "body", "sdk"), CASES, ids=IDS)
def test_a_request_by_hand_tells_what_the_sdk_tells(
    p: Provider,
    name: str,
    path: str,
    body: dict[str, Any],
    sdk: Callable[[Provider, dict[str, Any]], None],
    content: str,
) -> None:
    """The same attributes with the same values, the same metrics with the same sums."""
    settings: dict[str, Any] = {"capture_content": content, "providers": {HOST: name}}
    with capture(setup=False, **settings) as theirs, llm_otel.attribution(**WHO):
        sdk(p, body)
    p.reset()
    with capture(setup=False, **settings) as ours, llm_otel.attribution(**WHO):
        by_hand(p.url + path, name, body, {"x-api-key": "sk-x"})
    expected, span = theirs.span, ours.span
    assert (span.name, span.kind) == (expected.name, expected.kind)
    assert set(span.attributes) == set(expected.attributes)
    same = set(expected.attributes) - _CHANCE - _TIMES
    assert {k: span.attributes[k] for k in same} == {k: expected.attributes[k] for k in same}
    assert numbers(ours) == numbers(theirs)
