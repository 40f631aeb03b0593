"""`llm_otel.cached()`: an answer from the program's own cache saves money and is no call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import llm_otel
from llm_otel.testing import Telemetry

Instrument = Callable[..., Telemetry]
MODEL = {"model": "gpt-4o-mini", "provider": "openai"}


def value(telemetry: Telemetry, metric: str, **labels: Any) -> float | None:
    """The sum of a counter, None where nothing was counted."""
    points = telemetry.points(metric, **labels)
    return sum(point.value for point in points) if points else None


def test_the_tokens_are_priced_by_the_table(instrumented: Instrument) -> None:
    """As the call would have been that was not made."""
    told = instrumented()
    with (
        llm_otel.attribution(tenant_id="acme", feature="support"),
        llm_otel.cached(**MODEL, input_tokens=1_000, output_tokens=100),
    ):
        pass
    expected = llm_otel.cost(llm_otel.Usage(1_000, 100), **MODEL)
    assert expected is not None
    assert (told.span.name, told.span.kind) == ("cached_answer gpt-4o-mini", "INTERNAL")
    assert told.span.attributes == {
        "gen_ai.operation.name": "cached_answer",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.provider.name": "openai",
        "llm_otel.cache_hit": True,
        "llm_otel.saved.usd": pytest.approx(expected.total),
        "llm_otel.saved.input_tokens": 1_000,
        "llm_otel.saved.output_tokens": 100,
        "tenant_id": "acme",
        "feature": "support",
    }
    labels = {**MODEL, "feature": "support", "tenant_id": "acme"}
    assert value(told, "gen_ai.cost.saved", **labels) == pytest.approx(expected.total)
    assert value(told, "llm_otel.saved.unknown") is None


def test_it_is_no_call(instrumented: Instrument) -> None:
    """No tokens, no cost, no duration of a request."""
    told = instrumented()
    with llm_otel.cached(**MODEL, input_tokens=1_000, output_tokens=100):
        pass
    assert {*told.metrics()} & {
        "gen_ai.request.duration",
        "gen_ai.tokens.consumed",
        "gen_ai.cost.usd",
        "gen_ai.client.operation.duration",
        "gen_ai.client.token.usage",
    } == set()


@pytest.mark.parametrize(
    ("arguments", "status", "saved"),
    [
        (MODEL, "unknown", None),
        ({}, "unknown", None),
        ({"model": "house-7b", "provider": "acme", "input_tokens": 5, "output_tokens": 1},
         "unpriced", None),
        ({**MODEL, "input_tokens": 1_000_000}, "incomplete", 0.15),
    ],
)  # fmt: skip
def test_what_is_not_known_is_marked(
    instrumented: Instrument, arguments: dict[str, Any], status: str, saved: float | None
) -> None:
    """Never 0."""
    told = instrumented()
    with llm_otel.cached(**arguments):
        pass
    assert told.span.attributes["llm_otel.saved.status"] == status
    assert told.span.attributes.get("llm_otel.saved.usd") == saved
    assert value(told, "gen_ai.cost.saved") == saved
    assert value(told, "llm_otel.saved.unknown") == 1


def test_the_program_says_what_was_saved(instrumented: Instrument) -> None:
    """It knows its contract better than the price list."""
    told = instrumented()
    with llm_otel.cached(**MODEL, input_tokens=10, output_tokens=10, saved_usd=0.5):
        pass
    with llm_otel.cached() as hit:
        hit.set_saved(0.25)
    assert value(told, "gen_ai.cost.saved") == 0.75
    assert [span.attributes["llm_otel.saved.usd"] for span in told.spans] == [0.5, 0.25]


def test_a_decorated_function_and_what_its_cache_tells(instrumented: Instrument) -> None:
    """The tokens may come with the answer."""
    told = instrumented()
    with llm_otel.cached(**MODEL) as hit:
        hit.set_saved_usage(1_000, 100)

    @llm_otel.cached(**MODEL, input_tokens=1_000, output_tokens=100)
    def answer() -> str:
        return "42"

    assert answer() == "42"
    first, second = (span.attributes["llm_otel.saved.usd"] for span in told.spans)
    assert first == second > 0


def test_a_failure_saves_nothing(instrumented: Instrument) -> None:
    """Nobody got an answer."""
    told = instrumented()
    with suppress(LookupError), llm_otel.cached(**MODEL, saved_usd=1):
        raise LookupError
    assert told.span.status == "ERROR"
    assert value(told, "gen_ai.cost.saved") is None


def test_wrong_values_are_left_out(
    instrumented: Instrument, caplog: pytest.LogCaptureFixture
) -> None:
    """With a warning each, and the saving is unknown."""
    told = instrumented()
    wrong: Any = object()
    with llm_otel.cached(
        wrong, provider=wrong, input_tokens=wrong, output_tokens=-1, saved_usd=-2
    ) as hit:
        hit.set_saved(float("inf"))
        hit.set_saved_usage(wrong)
    assert told.span.attributes["llm_otel.saved.status"] == "unknown"
    assert len(caplog.records) == 7, caplog.text
