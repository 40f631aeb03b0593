"""The RAG example: one answer is one tree."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from examples import local
from examples.rag.manual import MANUAL
from examples.rag.pipeline import Answer, Passages, Rag
from llm_otel.testing import Provider, Telemetry, capture, provider

ROOT = Path(__file__).resolve().parents[2]
QUESTION = "Is the warranty still valid without a water filter?"


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with provider(answer=local.quote) as running:
        yield running


@pytest.fixture(scope="module")
def answered(server: Provider) -> tuple[Telemetry, Answer]:
    settings = {"providers": local.priced_as(server.url, "openai")}
    with capture(**settings) as telemetry, OpenAI(base_url=server.url, api_key="x") as client:
        passages = Passages(client, "manual")
        passages.add(MANUAL)
        answer = Rag(client, passages).answer(QUESTION)
        passages.close()
    return telemetry, answer


def test_an_answer_is_one_tree(answered: tuple[Telemetry, Answer]) -> None:
    """Embedding, search and generation are children of the workflow, in this order."""
    telemetry, _ = answered
    assert telemetry.tree().splitlines()[1:] == [
        "invoke_workflow rag",
        "  embeddings text-embedding-3-small",
        "  retrieval manual",
        "  chat gpt-4o-mini",
    ], telemetry.tree()
    assert len({span.trace_id for span in telemetry.spans[1:]}) == 1


def test_steps_have_the_kinds_of_the_conventions(answered: tuple[Telemetry, Answer]) -> None:
    """The workflow is internal, the search and the calls are a client's."""
    kinds = [span.kind for span in answered[0].spans[1:]]
    assert kinds == ["INTERNAL", "CLIENT", "CLIENT", "CLIENT"], kinds


def test_calls_have_a_cost_and_the_search_has_none(answered: tuple[Telemetry, Answer]) -> None:
    """Both calls are priced as OpenAI's; the search is no provider's call."""
    telemetry, _ = answered
    _, embeddings, retrieval, chat = telemetry.spans[1:]
    for call in (embeddings, chat):
        assert call.attributes["gen_ai.usage.cost.amount"] > 0, call.attributes
    assert "gen_ai.usage.cost.amount" not in retrieval.attributes, retrieval.attributes
    assert retrieval.attributes["gen_ai.retrieval.top_k"] == 3, retrieval.attributes
    assert telemetry.count("gen_ai.request.duration") == 3


def test_the_answer_rests_on_what_was_found(answered: tuple[Telemetry, Answer]) -> None:
    """The passage on the warranty is found first and answers the question."""
    _, answer = answered
    assert answer.passages[0].text == MANUAL[0], answer.passages
    assert "without a water filter" in answer.text, answer.text


def test_relevance_is_scored(answered: tuple[Telemetry, Answer]) -> None:
    """The likeness of the best passage is the score of the answer."""
    telemetry, answer = answered
    score = telemetry.value("gen_ai.evaluation.score", evaluation="relevance")
    assert score == pytest.approx(answer.passages[0].likeness), score


def test_a_store_in_a_folder_stays(server: Provider, tmp_path: Path) -> None:
    """Passages that were put into a folder are found by the next program."""
    with OpenAI(base_url=server.url, api_key="x") as client:
        first = Passages(client, "manual", str(tmp_path))
        first.add(MANUAL[:3])
        first.close()
        second = Passages(client, "manual", str(tmp_path))
        found = second.search(QUESTION, top_k=1)
        second.close()
    assert [passage.text for passage in found] == [MANUAL[0]], found


def test_the_program_runs_without_an_account() -> None:
    """`python -m examples.rag` answers, and prints a line for each span."""
    unset = ("OTEL_", "LLM_OTEL_", "OPENAI_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "examples.rag", QUESTION],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "without a water filter" in ran.stdout.splitlines()[-2], ran.stdout
    operations = [line.split()[1] for line in ran.stderr.splitlines()]
    assert operations == ["embeddings", "embeddings", "retrieval", "chat", "invoke_workflow"], (
        ran.stderr
    )
