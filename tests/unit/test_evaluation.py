"""`score()`: an event about the right span, and the score metric."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

import pytest

import llm_otel
from llm_otel.testing import capture
from llm_otel.testing.telemetry import Telemetry

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


def labels(telemetry: Telemetry) -> dict[str, str]:
    """The labels of the one score there is."""
    [point] = telemetry.points("gen_ai.evaluation.score")
    assert point.count == 1
    return point.attributes


def test_current_span() -> None:
    """A score without ids is about the current span, and knows its model, feature and tenant."""
    with (
        capture() as telemetry,
        llm_otel.attribution(tenant_id="acme", feature="chat", user_id="ann", session_id="s"),
        llm_otel.agent("a", model="m"),
    ):
        llm_otel.score("relevance", 0.75, label="relevant")
    [event] = telemetry.logs
    assert (event.trace_id, event.span_id) == (telemetry.span.trace_id, telemetry.span.span_id)
    assert event.event == "gen_ai.evaluation.result"
    assert event.attributes == {
        "gen_ai.evaluation.name": "relevance",
        "gen_ai.evaluation.score.value": 0.75,
        "gen_ai.evaluation.score.label": "relevant",
        "gen_ai.request.model": "m",
        "feature": "chat",
        "tenant_id": "acme",
    }
    assert telemetry.value("gen_ai.evaluation.score") == 0.75
    assert labels(telemetry) == {
        "evaluation": "relevance",
        "model": "m",
        "feature": "chat",
        "tenant_id": "acme",
    }


def test_outside_of_spans() -> None:
    """Without a span, ids and attribution the labels are `none`, and the event names no span."""
    with capture() as telemetry:
        llm_otel.score("thumbs", True)
    [event] = telemetry.logs
    assert (event.trace_id, event.span_id) == (None, None)
    assert event.attributes == {
        "gen_ai.evaluation.name": "thumbs",
        "gen_ai.evaluation.score.value": 1.0,
    }
    assert labels(telemetry) == {
        "evaluation": "thumbs",
        "model": "none",
        "feature": "none",
        "tenant_id": "none",
    }


@pytest.mark.parametrize(("trace_id", "span_id"), [(TRACE, SPAN), (int(TRACE, 16), int(SPAN, 16))])
def test_ids(trace_id: str | int, span_id: str | int) -> None:
    """With ids the score is about that span, and the attribution here and now is not used."""
    with (
        capture() as telemetry,
        llm_otel.attribution(tenant_id="reviewer", feature="review"),
        llm_otel.agent("a", model="m"),
    ):
        llm_otel.score("thumbs", 0, trace_id=trace_id, span_id=span_id, tenant_id="acme")
    [event] = telemetry.logs
    assert (event.trace_id, event.span_id) == (TRACE, SPAN)
    assert labels(telemetry) == {
        "evaluation": "thumbs",
        "model": "none",
        "feature": "none",
        "tenant_id": "acme",
    }


def test_response_id() -> None:
    """With a response id alone the event carries that, and no span that happens to be current."""
    with capture() as telemetry, llm_otel.workflow("feedback"):
        llm_otel.score("thumbs", 1, response_id="resp_1", model="m", feature="chat")
    [event] = telemetry.logs
    assert (event.trace_id, event.span_id) == (None, None)
    assert event.attributes["gen_ai.response.id"] == "resp_1"
    assert (labels(telemetry)["model"], labels(telemetry)["feature"]) == ("m", "chat")


def test_whole_trace() -> None:
    """A trace id alone is enough."""
    with capture() as telemetry:
        llm_otel.score("thumbs", 1, trace_id=TRACE)
    [event] = telemetry.logs
    assert (event.trace_id, event.span_id) == (TRACE, None)


@pytest.mark.parametrize("mode", ["no_content", "span_only", "event_only", "span_and_event"])
def test_explanation(mode: str) -> None:
    """An explanation is content: recorded only when events may hold content, redacted and cut."""
    settings = {"redact": lambda text: text.replace("ann", "***"), "content_max_length": 8}
    with capture(capture_content=mode, **settings) as telemetry:
        llm_otel.score("relevance", 1, explanation="ann asked for it")
    explanation = telemetry.logs[0].attributes.get("gen_ai.evaluation.explanation")
    if mode in ("event_only", "span_and_event"):
        assert explanation.startswith("*** aske…[truncated")
    else:
        assert explanation is None


@pytest.mark.parametrize(("value", "expected"), [(0, 0.0), (True, 1.0), (Decimal("0.5"), 0.5)])
def test_values(value: float, expected: float) -> None:
    """Ints, bools and other numbers are scores too."""
    with capture() as telemetry:
        llm_otel.score("thumbs", value)
    assert telemetry.value("gen_ai.evaluation.score") == expected


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda: llm_otel.score("r", 1.01),
            ValueError,
            "score(): value must be between 0 and 1, not 1.01.",
        ),
        (
            lambda: llm_otel.score("r", -1),
            ValueError,
            "score(): value must be between 0 and 1, not -1.",
        ),
        (
            lambda: llm_otel.score("r", math.nan),
            ValueError,
            "score(): value must be between 0 and 1, not nan.",
        ),
        (
            lambda: llm_otel.score("r", "1"),  # type: ignore[arg-type]
            TypeError,
            "score(): value must be a number, not str.",
        ),
        (
            lambda: llm_otel.score("r", 1, span_id=SPAN),
            ValueError,
            "score(): span_id needs its trace_id.",
        ),
        (
            lambda: llm_otel.score("r", 1, trace_id="abc"),
            ValueError,
            "score(): trace_id must be 32 hex digits, not all 0, or an int.",
        ),
        (
            lambda: llm_otel.score("r", 1, trace_id="0" * 32),
            ValueError,
            "score(): trace_id must be 32 hex digits, not all 0, or an int.",
        ),
        (
            lambda: llm_otel.score(None, 1),  # type: ignore[arg-type]
            TypeError,
            "score(): name must be a string that says what was judged.",
        ),
    ],
)
def test_wrong_argument(call: Callable[[], None], error: type[Exception], sentence: str) -> None:
    """A wrong argument is one sentence, and nothing is recorded."""
    with capture() as telemetry, pytest.raises(error) as caught:
        call()
    assert str(caught.value) == sentence
    assert telemetry.logs == []


def test_malformed_name() -> None:
    """A name without the label's form counts as `other`; the event keeps it."""
    with capture() as telemetry:
        llm_otel.score("Is it relevant?", 1)
    assert labels(telemetry)["evaluation"] == "other"
    assert telemetry.logs[0].attributes["gen_ai.evaluation.name"] == "Is it relevant?"


def test_without_instrument() -> None:
    """Without `instrument()` nothing happens, but wrong arguments are still told."""
    llm_otel.uninstrument()
    llm_otel.score("relevance", 1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        llm_otel.score("relevance", 2)
