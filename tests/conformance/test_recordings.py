"""Real exchanges, played through the real SDKs, show on one span each what the provider said."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.conformance.expected import check_metrics, expected, shown
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
    ("anthropic", "anthropic", "anthropic"),
    ("mistral", "openai", "mistral_ai"),
)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not on this machine")
@pytest.mark.filterwarnings("ignore:The model .* is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Using Claude with .* deprecated:UserWarning")
@pytest.mark.parametrize("stream_usage", ["never", "proven"])
@pytest.mark.parametrize("way", ["plain", "async", "raw", "streaming"])
@pytest.mark.parametrize(("name", "sdk", "provider"), PLAYED)
def test_recordings(instrumented, p, name, sdk, provider, way, stream_usage):
    """Every exchange gives one span with the provider's own facts, and metrics of the same sums."""
    exchanges = load(RECORDINGS / f"{name}.jsonl")
    telemetry = instrumented(stream_usage=stream_usage, providers={"localhost:8000": "vllm"})
    play(p, exchanges, sdk, way)

    spans = telemetry.spans
    ids = [each["id"] for each in exchanges]
    assert Counter(span.attributes["session.id"] for span in spans) == Counter(ids)
    by_id = {span.attributes["session.id"]: span for span in spans}
    parsed = way in ("plain", "async")
    wanted = {
        each["id"]: expected(each["status"], each["response"], parsed=parsed) for each in exchanges
    }
    got = {key: shown(by_id[key].attributes) for key in ids}
    assert {key: (got[key], wanted[key]) for key in ids if got[key] != wanted[key]} == {}
    assert {span.attributes["gen_ai.provider.name"] for span in spans} == {provider}
    failed = {key for key in ids if by_id[key].status == "ERROR"}
    assert failed == {key for key in ids if wanted[key].error}
    check_metrics(telemetry, list(wanted.values()))
