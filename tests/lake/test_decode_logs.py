"""Evaluations and outcomes become rows, once."""

from __future__ import annotations

import json
from pathlib import Path

from lake import samples

import llm_otel.lake
from llm_otel.lake.decode import LOGS
from llm_otel.lake.ingest import Ingest

SCORE = {
    "gen_ai.evaluation.name": "relevance",
    "gen_ai.evaluation.score.value": 0.75,
    "gen_ai.evaluation.score.label": "pass",
    "gen_ai.evaluation.explanation": "It is.",
    "gen_ai.response.id": "chatcmpl-1",
    "model": "gpt-4o",
    "feature": "none",
    "tenant_id": "acme",
}
OUTCOME = {
    "llm_otel.outcome.success": True,
    "llm_otel.outcome.kind": "resolved",
    "llm_otel.outcome.value_usd": 4.5,
    "feature": "support",
}


def test_scores_and_outcomes_are_stored_once(tmp_path: Path) -> None:
    """All columns; what is sent again, in the same batch, later or after a restart, counts once."""
    requests = [
        samples.event("gen_ai.evaluation.result", SCORE),
        samples.event("gen_ai.evaluation.result", {**SCORE, "gen_ai.evaluation.name": "tone"}),
        samples.event("llm_otel.outcome", OUTCOME),
        samples.event("llm_otel.outcome", OUTCOME, time_ns=samples.NOW + 1000),
        samples.event("something.else", {"a": "b"}),
    ]
    for _ in range(2):
        with Ingest(tmp_path) as ingest:
            for _ in range(2):
                for request in requests * 2:
                    ingest.accept(LOGS, request.SerializeToString()).result(10)
                ingest.flush()
    lake = llm_otel.lake.open(tmp_path)
    columns = "evaluation, score, label, explanation, response_id, model, feature, tenant_id"
    scores = lake.sql(f"SELECT {columns} FROM scores ORDER BY evaluation").fetchall()
    same = (0.75, "pass", "It is.", "chatcmpl-1", "gpt-4o", None, "acme")
    assert scores == [("relevance", *same), ("tone", *same)]
    columns = "kind, success, value_usd, feature, tenant_id, trace_id, service_name"
    outcomes = lake.sql(f"SELECT {columns} FROM outcomes").fetchall()
    trace_id = (b"t" * 16).hex()
    assert outcomes == [("resolved", True, 4.5, "support", None, trace_id, "assistant")] * 2


def test_what_has_no_column_is_kept(tmp_path: Path) -> None:
    """The number on its scale, the attributes of an outcome, a score without a value."""
    scale = {"llm_otel.evaluation.raw_value": 4.0, "llm_otel.evaluation.scale.best": 5.0}
    category = {"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.label": "friendly"}
    ticket = {"llm_otel.outcome.ticket_id": "T-17", "llm_otel.outcome.attempts": 3}
    with Ingest(tmp_path) as ingest:
        for name, attributes in (
            ("gen_ai.evaluation.result", {**SCORE, **scale}),
            ("gen_ai.evaluation.result", category),
            ("llm_otel.outcome", {**OUTCOME, **ticket}),
            ("llm_otel.outcome", {"llm_otel.outcome.success": False}),
        ):
            request = samples.event(name, attributes)
            ingest.accept(LOGS, request.SerializeToString()).result(10)
        ingest.flush()
    lake = llm_otel.lake.open(tmp_path)
    scores = lake.sql(
        "SELECT evaluation, score, label, attributes FROM scores ORDER BY 1"
    ).fetchall()
    assert [row[:3] for row in scores] == [("relevance", 0.75, "pass"), ("tone", None, "friendly")]
    assert [row[3] and json.loads(row[3]) for row in scores] == [scale, None]
    outcomes = lake.sql("SELECT success, attributes FROM outcomes ORDER BY 1 DESC").fetchall()
    assert [(row[0], row[1] and json.loads(row[1])) for row in outcomes] == [
        (True, ticket),
        (False, None),
    ]


def test_scores_and_values_that_cannot_be_right_are_unknown(tmp_path: Path) -> None:
    """The row stays, the value is kept beside it; numbers and truth values as text are read."""
    name, score = "gen_ai.evaluation.result", "gen_ai.evaluation.score.value"
    success, value = "llm_otel.outcome.success", "llm_otel.outcome.value_usd"
    requests = [
        *(samples.event(name, {**SCORE, score: each}) for each in (float("nan"), 1e300, "0.5")),
        samples.event("llm_otel.outcome", {**OUTCOME, value: float("inf"), success: "false"}),
        samples.event("llm_otel.outcome", {**OUTCOME, value: "-2.5"}),
    ]
    with Ingest(tmp_path) as ingest:
        for request in requests:
            ingest.accept(LOGS, request.SerializeToString()).result(10)
        ingest.flush()
        assert ingest.refusals.counts() == {"score or value": 3}
    lake = llm_otel.lake.open(tmp_path)
    kept = f"attributes ->> '{score}'"
    scores = lake.sql(f"SELECT score, {kept} FROM scores ORDER BY 1 NULLS LAST, 2").fetchall()
    assert scores == [(0.5, None), (None, "1e300"), (None, "NaN")]
    outcomes = lake.sql("SELECT value_usd, success FROM outcomes ORDER BY 1 NULLS LAST").fetchall()
    assert outcomes == [(-2.5, True), (None, False)]
