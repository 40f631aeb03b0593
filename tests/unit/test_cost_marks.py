"""What the span and the metrics of a call say about a cost that is not whole."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from llm_otel.base import guard
from llm_otel.core.call import Call
from llm_otel.core.record import Record
from llm_otel.pricing import Pricing
from llm_otel.testing import Reply, capture, provider

REQUEST: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
AS_OPENAI = {"127.0.0.1": "openai"}
STATUS = "llm_otel.cost.status"


@pytest.fixture
def p() -> Iterator[Any]:
    with provider() as serving:
        yield serving


@pytest.fixture
def client(p: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=p.url, api_key="test", max_retries=0) as made:
        yield made


def answer(model: str, **usage: Any) -> Reply:
    """A whole answer with this usage."""
    message = {"role": "assistant", "content": "Hi"}
    return Reply(
        body={
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110, **usage},
        }
    )


def test_a_whole_cost_has_no_mark(client: openai.OpenAI) -> None:
    """Where the amount is right, nothing is said about it."""
    with capture(providers=AS_OPENAI) as telemetry:
        client.chat.completions.create(**REQUEST)
    attributes = telemetry.span.attributes
    assert attributes["gen_ai.usage.cost.amount"] > 0
    assert STATUS not in attributes
    assert telemetry.value("gen_ai.requests.unpriced") == 0


def test_a_model_without_a_price_is_marked(client: openai.OpenAI, p: Any) -> None:
    """There is no amount, and the span says why."""
    p.enqueue(answer("our-own-model"))
    with capture(providers=AS_OPENAI) as telemetry:
        client.chat.completions.create(**{**REQUEST, "model": "our-own-model"})
    attributes = telemetry.span.attributes
    assert "gen_ai.usage.cost.amount" not in attributes
    assert attributes.get(STATUS) == "unpriced", attributes
    assert telemetry.value("gen_ai.requests.unpriced") == 1


def test_an_amount_that_lacks_a_part_is_marked(client: openai.OpenAI, p: Any) -> None:
    """Audio that the model has no rate for: the amount is there, and is said to be incomplete."""
    p.enqueue(answer("gpt-4o", prompt_tokens_details={"audio_tokens": 40}))
    with capture(providers=AS_OPENAI) as telemetry:
        client.chat.completions.create(**REQUEST)
    attributes = telemetry.span.attributes
    assert attributes["gen_ai.usage.cost.amount"] > 0
    assert attributes.get(STATUS) == "incomplete", attributes
    assert telemetry.value("gen_ai.requests.unpriced") == 1


def test_an_unknown_usage_has_its_own_mark(client: openai.OpenAI, p: Any) -> None:
    """Nothing was priced, so nothing is said about the price."""
    p.enqueue(answer("gpt-4o", prompt_tokens=None, completion_tokens=None, total_tokens=None))
    with capture(providers=AS_OPENAI) as telemetry:
        client.chat.completions.create(**REQUEST)
    attributes = telemetry.span.attributes
    assert attributes.get("llm_otel.usage.source") == "unknown", attributes
    assert not {STATUS, "gen_ai.usage.cost.amount"} & set(attributes), attributes
    assert telemetry.value("llm_otel.usage.unknown") == 1


def test_tokens_count_where_their_price_fails(
    client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of ours in the price loses the cost alone."""
    monkeypatch.setattr(guard, "strict", False)
    monkeypatch.setattr(Pricing, "cost", lambda *_, **__: 1 / 0)
    with capture(providers=AS_OPENAI) as telemetry:
        client.chat.completions.create(**REQUEST)
    assert telemetry.value("gen_ai.tokens.consumed") > 0
    assert telemetry.points("gen_ai.cost.usd") == []
    assert telemetry.value("llm_otel.internal_errors", site="count") == 1


def test_a_cost_that_waits_for_prices_keeps_no_body(
    client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading the price table takes a second, in which a service may make many calls."""
    waiting: list[Callable[[], None]] = []
    monkeypatch.setattr(Pricing, "ready", False)
    monkeypatch.setattr(Pricing, "defer", lambda _, work: waiting.append(work))
    with capture(providers=AS_OPENAI) as telemetry:
        client.chat.completions.create(**REQUEST)
        gc.collect()
        kept = [each for each in gc.get_objects() if isinstance(each, (Call, Record))]
        assert (len(waiting), kept) == (1, [])
        monkeypatch.undo()
        waiting[0]()
    assert telemetry.value("gen_ai.cost.usd") > 0
