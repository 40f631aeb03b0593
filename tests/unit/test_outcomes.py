"""`outcome()`: an event about the right span, and the outcome metrics."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

import llm_otel
from llm_otel.core import guard
from llm_otel.core.instruments import Instruments
from llm_otel.testing import capture

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


def test_current_span() -> None:
    """An outcome without ids is about the current span and its attribution."""
    with (
        capture() as telemetry,
        llm_otel.attribution(tenant_id="acme", feature="support"),
        llm_otel.workflow("w"),
    ):
        llm_otel.outcome(success=True, kind="ticket_resolved", value_usd=4.5)
    [event] = telemetry.logs
    assert (event.trace_id, event.span_id) == (telemetry.span.trace_id, telemetry.span.span_id)
    assert event.event == "llm_otel.outcome"
    assert event.attributes == {
        "llm_otel.outcome.success": True,
        "llm_otel.outcome.kind": "ticket_resolved",
        "llm_otel.outcome.value_usd": 4.5,
        "feature": "support",
        "tenant_id": "acme",
    }
    [counted] = telemetry.points("gen_ai.outcomes")
    assert counted.value == 1
    assert counted.attributes == {
        "outcome": "success",
        "kind": "ticket_resolved",
        "feature": "support",
        "tenant_id": "acme",
    }
    [value] = telemetry.points("gen_ai.outcome.value")
    assert value.value == 4.5
    assert value.attributes == {
        "kind": "ticket_resolved",
        "feature": "support",
        "tenant_id": "acme",
    }


def test_failure_without_value() -> None:
    """A failure is counted as such; no value is not a value of 0."""
    with capture() as telemetry:
        llm_otel.outcome(success=False)
    assert telemetry.value("gen_ai.outcomes", outcome="failure", kind="none") == 1
    assert telemetry.points("gen_ai.outcome.value") == []
    assert telemetry.logs[0].attributes == {"llm_otel.outcome.success": False}


def test_sum() -> None:
    """Outcomes of one kind add up."""
    with capture() as telemetry:
        for success, value in ((True, 2), (True, 3), (False, 0)):
            llm_otel.outcome(success=success, kind="order", value_usd=value)
    assert telemetry.value("gen_ai.outcomes", kind="order", outcome="success") == 2
    assert telemetry.value("gen_ai.outcomes", kind="order", outcome="failure") == 1
    assert telemetry.value("gen_ai.outcome.value", kind="order") == 5


def test_from_elsewhere() -> None:
    """With ids it is about that span, and knows only what it is told."""
    with capture() as telemetry, llm_otel.attribution(tenant_id="worker", feature="jobs"):
        llm_otel.outcome(
            success=True,
            kind="order",
            trace_id=TRACE,
            span_id=SPAN,
            response_id="resp_1",
            tenant_id="acme",
        )
    [event] = telemetry.logs
    assert (event.trace_id, event.span_id) == (TRACE, SPAN)
    assert event.attributes["gen_ai.response.id"] == "resp_1"
    assert telemetry.value("gen_ai.outcomes", tenant_id="acme", feature="none") == 1


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda: llm_otel.outcome(success=True, value_usd=-1),
            ValueError,
            "outcome(): value_usd must be at least 0 and finite, not -1.",
        ),
        (
            lambda: llm_otel.outcome(success=True, value_usd=math.inf),
            ValueError,
            "outcome(): value_usd must be at least 0 and finite, not inf.",
        ),
        (
            lambda: llm_otel.outcome(success="no"),  # type: ignore[arg-type]
            TypeError,
            "outcome(): success must be True or False, not str.",
        ),
        (
            lambda: llm_otel.outcome(success=True, span_id=SPAN),
            ValueError,
            "outcome(): span_id needs its trace_id.",
        ),
        (
            lambda: llm_otel.outcome(success=True, kind=1.5),  # type: ignore[arg-type]
            TypeError,
            "outcome(): kind must be a string, int or UUID, not float.",
        ),
    ],
)
def test_wrong_argument(call: Callable[[], None], error: type[Exception], sentence: str) -> None:
    """A wrong argument is one sentence, and nothing is recorded."""
    with capture() as telemetry, pytest.raises(error) as caught:
        call()
    assert str(caught.value) == sentence
    assert telemetry.logs == []
    assert telemetry.points("gen_ai.outcomes") == []


def test_our_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure of ours stays inside and is counted."""
    monkeypatch.setattr(guard, "strict", False)
    monkeypatch.setattr(Instruments, "outcome", lambda *_: 1 / 0)
    with capture() as telemetry:
        llm_otel.outcome(success=True)
    assert telemetry.value("llm_otel.internal_errors", site="outcome") == 1


def test_without_instrument() -> None:
    """Without `instrument()` nothing happens."""
    llm_otel.uninstrument()
    llm_otel.outcome(success=True, value_usd=1)
