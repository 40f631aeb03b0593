"""Bodies of every shape that providers send, of our own making, each with what must be shown."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.expected import check_metrics, shown
from tests.conformance.replay import play

BODIES = Path(__file__).parent / "bodies"

# What a case says completely: these attributes and no others of the kind.
TOLD = ("gen_ai.response.", "gen_ai.usage.", "openai.response.", "error.type",
        "llm_otel.error.class", "http.response.status_code")  # fmt: skip
NOT_TOLD = ("gen_ai.response.time_to_first_chunk", "gen_ai.usage.cost.")

ALL = {
    each["id"]: each
    for path in sorted(BODIES.glob("*.json"))
    for each in json.loads(path.read_text())
}


def cases() -> list[Any]:
    """Every case of every file, named by its id."""
    found = [
        each for path in sorted(BODIES.glob("*.json")) for each in json.loads(path.read_text())
    ]
    return [pytest.param(each, id=each["id"]) for each in found]


def exchange_of(case: dict[str, Any]) -> dict[str, Any]:
    """The case in the form of a recording."""
    response = case["response"]
    if isinstance(response, list):
        response = "".join(f"data: {json.dumps(event)}\n\n" for event in response)
        response += "data: [DONE]\n\n"
    elif not isinstance(response, str):
        response = json.dumps(response)
    return {"query": "", "status": 200, "content_type": "", **case, "response": response}


@pytest.mark.parametrize("way", ["plain", "streaming"])
@pytest.mark.parametrize("case", cases())
def test_body(instrumented, p, case, way):
    """A body shows exactly its facts, whether the SDK parses it or the caller reads the bytes."""
    telemetry = instrumented(providers={"localhost:8000": "vllm"})
    play(p, [exchange_of(case)], "openai", way)
    got = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in telemetry.span.attributes.items()
        if name.startswith(TOLD) and not name.startswith(NOT_TOLD)
    }
    wanted = dict(case["expect"])
    if case.get("raises") and case.get("status", 200) == 200 and way == "streaming":
        # Who reads bytes gets no exception: the provider's own word for the error is told.
        assert bool(got.pop("error.type"))
        del wanted["error.type"]
    assert got == wanted
    check_metrics(telemetry, [shown(wanted)])


@pytest.mark.parametrize(
    "case_id",
    ["a web search", "a file search", "an image drawn by a tool", "a drawing written by a tool"],
)
def test_hosted_tools_are_billed(instrumented, p, case_id):
    """What a hosted tool ran up outside `usage` is in the cost, and not in the tokens."""
    case = ALL[case_id]
    without = copy.deepcopy(case)
    without["response"].pop("tool_usage", None)
    for item in without["response"]["output"]:
        item.pop("svg_usage", None)
        if item["type"] == "file_search_call":
            item["status"] = "failed"
    costs = []
    for each in (without, case):
        telemetry = instrumented()
        play(p, [exchange_of(each)], "openai", "plain")
        costs.append(telemetry.value("gen_ai.cost.usd"))
        assert (
            telemetry.value("gen_ai.tokens.consumed") == case["response"]["usage"]["total_tokens"]
        )
        # A picture of which nobody counts anything marks the cost.
        uncounted = each is without and ("drawn" in case_id or "drawing" in case_id)
        assert telemetry.value("gen_ai.requests.unpriced") == uncounted
    assert costs[0] < costs[1]
