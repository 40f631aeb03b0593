"""`score()`: an event about the right span, and the score metric."""

from __future__ import annotations

import enum
import math
from decimal import Decimal
from typing import Any

import pytest

import llm_otel
from llm_otel.testing import capture
from llm_otel.testing.telemetry import Telemetry

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


class Tone(enum.Enum):
    RUDE = "rude"


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


WORST, BEST, RAW = (
    "llm_otel.evaluation.scale.worst",
    "llm_otel.evaluation.scale.best",
    "llm_otel.evaluation.raw_value",
)
VALUE, LABEL = "gen_ai.evaluation.score.value", "gen_ai.evaluation.score.label"


@pytest.mark.parametrize(
    ("value", "scale", "expected"),
    [
        (4.5, (1, 5), 0.875),
        (1, (1, 5), 0.0),
        (5, [1, 5], 1.0),
        (0, (-1, 1), 0.5),
        (2, (6, 1), 0.8),
        (Decimal(75), (0, 100), 0.75),
    ],
)
def test_scale(value: float, scale: tuple[float, float], expected: float) -> None:
    """Event and metric have a number as a part of its scale; the event keeps number and scale."""
    with capture() as telemetry:
        llm_otel.score("csat", value, scale=scale)
    [event] = telemetry.logs
    assert event.attributes == {
        "gen_ai.evaluation.name": "csat",
        VALUE: expected,
        RAW: float(value),
        WORST: float(scale[0]),
        BEST: float(scale[1]),
    }
    assert telemetry.value("gen_ai.evaluation.score") == expected


def test_not_evaluated() -> None:
    """None is an event without a value, and not in the metric."""
    with capture() as telemetry:
        llm_otel.score("faithfulness", None, label="judge failed", scale=(1, 5))
    [event] = telemetry.logs
    assert event.attributes == {
        "gen_ai.evaluation.name": "faithfulness",
        LABEL: "judge failed",
    }
    assert telemetry.points("gen_ai.evaluation.score") == []


@pytest.mark.parametrize(
    ("value", "keywords", "expected"),
    [
        ("friendly", {}, {LABEL: "friendly"}),
        ("friendly", {"labels": {"friendly": 1, "rude": 0}}, {LABEL: "friendly", VALUE: 1.0}),
        (Tone.RUDE, {"labels": {"friendly": 1, "rude": 0}}, {LABEL: "rude", VALUE: 0.0}),
        (
            "good",
            {"labels": {"good": 4}, "scale": (1, 5)},
            {LABEL: "good", VALUE: 0.75, RAW: 4.0, WORST: 1.0, BEST: 5.0},
        ),
        ("odd", {"labels": {"friendly": 1}}, {LABEL: "odd"}),
        (True, {"scale": (1, 5)}, {VALUE: 1.0}),
        (False, {}, {VALUE: 0.0}),
    ],
)
def test_categories_and_booleans(
    value: float | str, keywords: dict[str, Any], expected: dict[str, object]
) -> None:
    """A category is the label, and in the metric where it has a number; a bool is 0 or 1."""
    with capture() as telemetry:
        llm_otel.score("tone", value, **keywords)
    [event] = telemetry.logs
    assert event.attributes == {"gen_ai.evaluation.name": "tone", **expected}
    values = [point.value for point in telemetry.points("gen_ai.evaluation.score")]
    assert values == ([expected[VALUE]] if VALUE in expected else [])


@pytest.mark.parametrize(
    ("name", "value", "keywords", "argument"),
    [
        ("r", 1.01, {}, "value"),
        ("r", -1, {}, "value"),
        ("r", math.nan, {}, "value"),
        ("r", 6, {"scale": (1, 5)}, "value"),
        ("r", b"secret", {}, "value"),
        ("r", object(), {}, "value"),
        ("r", "", {}, "value"),
        ("r", 10**400, {}, "value"),
        ("r", 3, {"scale": (5, 5)}, "scale"),
        ("r", 3, {"scale": (1, math.inf)}, "scale"),
        ("r", 3, {"scale": 5}, "scale"),
        ("r", 3, {"scale": "15"}, "scale"),
        (None, 1, {}, "a score"),
        (object(), 1, {}, "name"),
    ],
)
def test_a_score_that_cannot_be_read(
    name: Any,
    value: Any,
    keywords: dict[str, Any],
    argument: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is left out, never clipped, with one warning that does not quote it."""
    with capture() as telemetry:
        for _ in range(3):
            llm_otel.score(name, value, **keywords)
    assert telemetry.logs == []
    assert telemetry.points("gen_ai.evaluation.score") == []
    [warning] = caplog.messages
    assert f"leaves out {argument} of score()" in warning, warning
    assert "secret" not in warning


@pytest.mark.parametrize(
    ("keywords", "argument"),
    [
        ({"span_id": SPAN}, "span_id"),
        ({"trace_id": "abc"}, "trace_id"),
        ({"trace_id": "0" * 32}, "trace_id"),
        ({"trace_id": TRACE, "span_id": object()}, "span_id"),
        ({"label": object()}, "label"),
        ({"model": b"m"}, "model"),
        ({"explanation": object()}, "explanation"),
        ({"response_id": []}, "response_id"),
    ],
)
def test_wrong_argument(
    keywords: dict[str, Any], argument: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Without that argument the score counts all the same, about no span where an id is wrong."""
    with capture() as telemetry, llm_otel.workflow("feedback"):
        llm_otel.score("r", 1, **keywords)
    [event] = telemetry.logs
    assert event.attributes == {"gen_ai.evaluation.name": "r", VALUE: 1.0}
    if argument.endswith("_id"):
        assert event.span_id is None
    [warning] = caplog.messages
    assert f"leaves out {argument} of score()" in warning, warning


def test_malformed_name() -> None:
    """A name without the label's form counts as `other`; the event keeps it."""
    with capture() as telemetry:
        llm_otel.score("Is it relevant?", 1)
    assert labels(telemetry)["evaluation"] == "other"
    assert telemetry.logs[0].attributes["gen_ai.evaluation.name"] == "Is it relevant?"


def test_without_instrument() -> None:
    """Without `instrument()` nothing happens, whatever is passed."""
    llm_otel.uninstrument()
    llm_otel.score("relevance", 1)
    llm_otel.score("relevance", 2)
