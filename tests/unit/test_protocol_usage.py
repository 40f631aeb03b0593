"""Usages as a protocol's own table tells them."""

from __future__ import annotations

import openai
import pytest

from llm_otel.protocols import usage
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.openai import CHAT
from llm_otel.protocols.spec import Endpoint, Protocol
from llm_otel.testing import Provider, Reply, capture

BESIDE = Endpoint(
    "chat",
    usage={
        "in": "input_tokens",
        "out": "output_tokens",
        "cached": ("cache_read_tokens", "input_tokens"),
        "cachedTokens": ("cache_read_tokens", "input_tokens"),
        "written": ("cache_write_tokens", "input_tokens"),
        "thoughts": ("reasoning_tokens", "output_tokens"),
    },
)


@pytest.mark.parametrize(
    ("reported", "tokens"),
    [
        ({"in": 10, "out": 2, "cached": 100}, (110, 2)),
        ({"in": 10, "out": 2, "cached": 100, "written": 5}, (115, 2)),
        ({"in": 10, "out": 2, "cached": 100, "cachedTokens": 100}, (110, 2)),
        ({"in": 10, "out": 2, "cached": 100, "cachedTokens": 90}, (110, 2)),
        ({"in": 10, "out": 2, "thoughts": 30}, (10, 32)),
        ({"cached": 100}, (100, 0)),
    ],
)
def test_what_is_beside_a_count_is_added_once(
    reported: dict[str, int], tokens: tuple[int, int]
) -> None:
    """A part that two keys tell is one part."""
    used = usage.usage({"usage": reported}, BESIDE)
    assert used is not None
    assert (used.input_tokens, used.output_tokens) == tokens


def test_a_protocol_that_answers_with_nothing_leaves_no_call_open(
    p: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third party's mistake is a failure of ours: the span ends, nothing stays active."""
    from llm_otel.base import guard

    monkeypatch.setattr(guard, "strict", False)
    monkeypatch.setattr(type(CHAT.protocol), "answer", lambda *_: None)
    with capture() as got:
        client = openai.OpenAI(base_url=p.url, api_key="test")
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "a"}])
        assert [span.name for span in got.spans] == ["chat gpt-4o"]
        assert got.value("gen_ai.requests.active") == 0
        assert got.value("llm_otel.internal_errors", site="read answer") == 1


def test_a_failure_is_classified_by_its_protocol(p: Provider) -> None:
    """What the provider said, and the status, are read by the protocol."""

    class Odd(Protocol):
        def status(self, exc: BaseException) -> int | None:
            return 429

    from llm_otel.core.errors import Failure

    failure = Failure.of(ValueError("x"), Answer(), Odd())
    assert (failure.kind, failure.status) == ("rate_limit", 429)


def test_embeddings_whose_usage_is_in_parts_keep_their_attributes(p: Provider) -> None:
    """A usage that says that more was billed has no output to take away."""
    body = {
        "object": "list",
        "model": "m",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.1]}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3, "plugins": {"x": 1}},
    }
    p.enqueue(Reply(body=body))
    with capture() as got:
        openai.OpenAI(base_url=p.url, api_key="test").embeddings.create(
            model="m", input="a", encoding_format="float"
        )
        assert got.span.attributes["gen_ai.usage.input_tokens"] == 3
        assert "gen_ai.usage.output_tokens" not in got.span.attributes
