"""Evaluations and outcomes become rows, once."""

from __future__ import annotations

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
