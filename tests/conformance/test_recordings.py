"""Real exchanges, played through the real SDKs, show on one span each what the provider said."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.expected import Expected, expected
from tests.conformance.replay import load, play

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "recordings"

# Recorded client, SDK to play it with, and the provider's name.
PLAYED = (
    ("openai", "openai", "openai"),
    ("azure-openai", "openai", "azure.ai.openai"),
    ("groq", "groq", "groq"),
    ("groq", "openai", "groq"),
    ("together", "together", "together"),
    ("together", "openai", "together"),
    ("vllm", "openai", "vllm"),
)
WAYS = ("plain", "async", "raw", "streaming")


def shown(span: Any) -> Expected:
    """What a span shows."""
    of = span.attributes.get
    return Expected(
        model=of("gen_ai.response.model"),
        response_id=of("gen_ai.response.id"),
        input_tokens=of("gen_ai.usage.input_tokens"),
        output_tokens=of("gen_ai.usage.output_tokens"),
        cached=of("gen_ai.usage.cache_read.input_tokens"),
        reasoning=of("gen_ai.usage.reasoning.output_tokens"),
        finish_reasons=list(of("gen_ai.response.finish_reasons", ())),
        error=of("llm_otel.error.class"),
    )


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not on this machine")
@pytest.mark.parametrize("stream_usage", ["never", "proven"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "sdk", "provider"), PLAYED)
def test_recordings(instrumented, p, name, sdk, provider, way, stream_usage):
    """Every exchange gives one span with the provider's own facts, and metrics of the same sums."""
    exchanges = load(RECORDINGS / f"{name}.jsonl")
    telemetry = instrumented(stream_usage=stream_usage, providers={"localhost:8000": "vllm"})
    play(p, exchanges, sdk, way)
    spans = telemetry.spans
    by_exchange = {span.attributes["session.id"]: span for span in spans}
    assert Counter(span.attributes["session.id"] for span in spans) == Counter(
        exchange["id"] for exchange in exchanges
    )
    parsed = way in ("plain", "async")
    wanted = {
        each["id"]: expected(each["status"], each["response"], parsed=parsed) for each in exchanges
    }
    got = {key: shown(by_exchange[key]) for key in wanted}
    assert {key: (got[key], want) for key, want in wanted.items() if got[key] != want} == {}
    assert {span.attributes["gen_ai.provider.name"] for span in spans} == {provider}
    for key, span in by_exchange.items():
        assert span.status == ("ERROR" if wanted[key].error else "UNSET"), span
    check_metrics(telemetry, list(wanted.values()))


def check_metrics(telemetry: Any, wanted: list[Expected]) -> None:
    """The metrics' sums are those of the usages, and nothing is left open."""

    def total(name: str) -> int:
        return sum(getattr(each, name) or 0 for each in wanted)

    value = telemetry.value
    assert {
        "input": value("gen_ai.tokens.consumed", token_type="input"),
        "output": value("gen_ai.tokens.consumed", token_type="output"),
        "cached": value("gen_ai.tokens.cached", cache="read"),
        "reasoning": value("gen_ai.tokens.reasoning"),
        "errors": value("gen_ai.errors"),
        "active": value("gen_ai.requests.active"),
        "internal": value("llm_otel.internal_errors"),
        "calls": telemetry.count("gen_ai.request.duration"),
    } == {
        "input": total("input_tokens"),
        "output": total("output_tokens"),
        "cached": total("cached"),
        "reasoning": total("reasoning"),
        "errors": sum(1 for each in wanted if each.error),
        "active": 0,
        "internal": 0,
        "calls": len(wanted),
    }
