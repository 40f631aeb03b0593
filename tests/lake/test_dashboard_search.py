"""What the filter language lets through, asked of a real lake; the routes of the search line."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from lake.pages import content, text

import llm_otel.lake
from llm_otel.dashboard import language
from llm_otel.dashboard.app import create_app
from llm_otel.dashboard.site import Site
from llm_otel.dashboard.state import State
from llm_otel.lake.queries import Reader
from llm_otel.lake.queries.usage import One
from llm_otel.lake.writer import Writer

NOW = datetime(2026, 11, 20, 15, 30)
HOUR = NOW - timedelta(hours=1)


def _call(number: int, **fields: Any) -> dict[str, Any]:
    usual = {"time": HOUR, "trace_id": f"{number:032x}", "span_id": f"{number:016x}",
             "service_name": "shop", "provider": "openai", "model": "gpt-5", "operation": "chat",
             "status": "ok", "duration_s": 1.0, "cost_usd": 0.01}  # fmt: skip
    return {**usual, **fields}


def _span(number: int, **fields: Any) -> dict[str, Any]:
    return {"time": HOUR, "trace_id": f"{number:032x}", "span_id": f"{number:016x}",
            "service_name": "shop", "name": "chat", **fields}  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four calls, each unlike the others."""
    folder = tmp_path_factory.mktemp("lake")
    calls = [
        _call(1, model="gpt-4o", tenant_id="acme", environment="prod"),
        _call(2, model="gpt-5", tenant_id="acme", cost_usd=0.5, input_tokens=900),
        _call(3, model="gpt-5-mini", tenant_id="b[1]", duration_s=9.0),
        _call(4, model="claude", cost_usd=None),
    ]
    spans = [
        _span(1, input_messages='[{"role":"user","parts":[{"content":"Where is my REFUND?"}]}]'),
        _span(2, status_message="quota is used up"),
        _span(3, name="resolve-ticket"),
        _span(4, session_id="s-42"),
    ]
    scores = [
        {"time": HOUR, "trace_id": f"{number:032x}", "evaluation": "helpful", "score": score,
         "event_id": number}
        for number, score in ((1, 0.2), (2, 0.9))
    ]  # fmt: skip
    with Writer(folder) as writer:
        writer.append(calls=calls, spans=spans, scores=scores)
    return folder


@pytest.mark.parametrize(
    ("line", "numbers"),
    [
        ("", "1234"),
        ("model:gpt-5", "2"),
        ("model:gpt-*", "123"),
        ("-model:gpt-*", "4"),
        ("model:gpt-* -model:gpt-5", "13"),
        ("-tenant:acme", "34"),
        ("tenant:b[1]", "3"),
        ("model:gpt-* model:gpt-5", "2"),
        ("tenant:b[*", "3"),
        ("tenant:none", "4"),
        ("-tenant:none", "123"),
        ("env:prod", "1"),
        ("cost>0.1", "2"),
        ("cost<=0.01", "13"),
        ("duration>5", "3"),
        ("tokens>=900", "2"),
        ("score.helpful<0.5", "1"),
        ("score.helpful<0.5 cost>0.1", ""),
        ("refund", "1"),
        ("quota", "2"),
        ("resolve-ticket", "3"),
        ("s-42", "4"),
        (f"{3:016x}", "3"),
        ("REFUND quota", ""),
    ],
)
def test_a_line_lets_through_what_it_says(lake: Path, line: str, numbers: str) -> None:
    """By the calls, whatever it compares."""
    selection = language.search(line, State(), NOW).state.filter(NOW)
    ids = "string_agg(right(trace_id, 1), '' ORDER BY trace_id)"
    query = f"SELECT coalesce({ids}, '') AS one FROM {{calls}}"
    assert Reader(llm_otel.lake.open(lake), selection).one(query, One).one == numbers


@pytest.mark.parametrize(
    "path", ["/", "/cost", "/latency", "/traces", "/sessions", "/quality", "/optimise", "/roi"]
)
def test_every_page_can_be_narrowed_by_all_of_it(lake: Path, path: str) -> None:
    """Every table that a page asks knows every term."""
    line = 'model:gpt-* -tenant:x env:prod cost>0.001 score.helpful<0.5 "refund"'
    site = Site(llm_otel.lake.open(lake), clock=lambda: NOW.replace(tzinfo=timezone.utc))
    address = language.search(line, State(), NOW).state.href(path)
    words = text(content(site, address))
    assert "could not be drawn" not in words
    assert "No calls match" not in words


def test_the_line_leads_to_addresses(lake: Path) -> None:
    """It stays on the page, goes to the traces for words and to a trace for its id."""
    browser = create_app(lake, clock=lambda: NOW.replace(tzinfo=timezone.utc)).test_client()

    def leads(line: str, of: str) -> str:
        answer = browser.get("/search", query_string={"q": line, "of": of})
        assert answer.status_code == 303
        return str(answer.headers["Location"])

    assert leads("model:gpt-5", "/cost?range=24h&by=user") == "/cost?range=24h&by=user&model=gpt-5"
    assert leads("refund", "/cost?range=24h&by=user") == "/traces?text=refund&range=24h"
    assert leads("ab" * 16, "/cost?range=24h") == f"/traces/{'ab' * 16}?range=24h"
    assert leads("colour:red", "/cost") == "/cost?q=colour%3Ared"
    assert leads("model:x", "//evil.example/") == "/traces?model=x"
    assert "colour:red" in browser.get("/cost?q=colour%3Ared").text


def test_the_line_is_completed_from_the_lake(lake: Path) -> None:
    """Options of a list, escaped."""
    browser = create_app(lake, clock=lambda: NOW.replace(tzinfo=timezone.utc)).test_client()
    answer = browser.get("/complete", query_string={"q": "tenant:b"}).text
    assert answer == '<option value="tenant:b[1]"></option>'
    assert "score.helpful&lt;" in browser.get("/complete", query_string={"q": "score"}).text
