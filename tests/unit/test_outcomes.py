"""`outcome()`: an event about the right span, and the outcome metrics."""

from __future__ import annotations

import hashlib
import hmac
import math
import uuid
from typing import Any

import pytest

import llm_otel
from llm_otel.base import guard
from llm_otel.core.metrics import feedback
from llm_otel.testing import capture

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
HASH_OF_ANN = hmac.new(b"k" * 32, b"ann", hashlib.sha256).hexdigest()


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
    ("keywords", "argument"),
    [
        ({"value_usd": -1}, "value_usd"),
        ({"value_usd": math.inf}, "value_usd"),
        ({"value_usd": "4"}, "value_usd"),
        ({"span_id": SPAN}, "span_id"),
        ({"kind": object()}, "kind"),
        ({"tenant_id": b"secret"}, "tenant_id"),
        ({"ticket_id": object()}, "attributes['ticket_id']"),
        ({"ticket_id": "secret" * 1000}, "attributes['ticket_id']"),
        ({"attributes": {"score": math.nan}}, "attributes['score']"),
        ({"attributes": {"success": False}}, "attributes['success']"),
        ({"attributes": {"a b": 1}}, "attributes['a b']"),
        ({"attributes": "secret"}, "attributes"),
        ({"attributes": {f"k{n}": n for n in range(33)}}, "some attributes"),
    ],
)
def test_wrong_argument(
    keywords: dict[str, Any], argument: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Without that argument the outcome counts all the same, with one warning."""
    with capture() as telemetry:
        for _ in range(2):
            llm_otel.outcome(success=True, **keywords)
    assert telemetry.value("gen_ai.outcomes", outcome="success", kind="none") == 2
    assert telemetry.points("gen_ai.outcome.value") == []
    [event, _] = telemetry.logs
    expected = {f"llm_otel.outcome.k{n}": n for n in range(32)} if "some" in argument else {}
    assert event.attributes == {"llm_otel.outcome.success": True, **expected}
    [warning] = caplog.messages
    assert f"leaves out {argument} of outcome()" in warning, warning
    assert "secret" not in warning


@pytest.mark.parametrize("success", ["no", None, 2, object()])
def test_an_outcome_that_cannot_be_read(success: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An outcome that is neither success nor failure is left out."""
    with capture() as telemetry:
        llm_otel.outcome(success=success)
    assert telemetry.logs == []
    assert telemetry.points("gen_ai.outcomes") == []
    assert len(caplog.messages) == 1


def test_attributes() -> None:
    """What else is known of an outcome is on its event, and on no metric."""
    with capture() as telemetry:
        llm_otel.outcome(
            success=True,
            ticket_id="T-17",
            attempts=3,
            hours=1.5,
            first=True,
            attributes={"queue": "eu", "ticket": uuid.UUID(int=7)},
        )
    [event] = telemetry.logs
    assert event.attributes == {
        "llm_otel.outcome.success": True,
        "llm_otel.outcome.ticket_id": "T-17",
        "llm_otel.outcome.attempts": 3,
        "llm_otel.outcome.hours": 1.5,
        "llm_otel.outcome.first": True,
        "llm_otel.outcome.queue": "eu",
        "llm_otel.outcome.ticket": str(uuid.UUID(int=7)),
    }
    [point] = telemetry.points("gen_ai.outcomes")
    assert set(point.attributes) == {"outcome", "kind", "feature", "tenant_id"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {}),
        ({"user_id": "plain"}, {"user.id": "ann"}),
        ({"user_id": "hash", "user_id_key": b"k" * 32}, {"user.hash": HASH_OF_ANN}),
    ],
    ids=["off", "plain", "hash"],
)
def test_a_user_id_follows_the_setting(settings: dict[str, Any], expected: dict[str, str]) -> None:
    """A user id among the attributes leaves as the setting allows: by default not at all."""
    with capture(**settings) as telemetry:
        llm_otel.outcome(success=True, user_id="ann")
    [event] = telemetry.logs
    assert event.attributes == {"llm_otel.outcome.success": True, **expected}


def test_our_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure of ours stays inside and is counted."""
    monkeypatch.setattr(guard, "strict", False)
    monkeypatch.setattr(feedback, "outcome", lambda *_: 1 / 0)
    with capture() as telemetry:
        llm_otel.outcome(success=True)
    assert telemetry.value("llm_otel.internal_errors", site="outcome") == 1


def test_without_instrument() -> None:
    """Without `instrument()` nothing happens."""
    llm_otel.uninstrument()
    llm_otel.outcome(success=True, value_usd=1)
