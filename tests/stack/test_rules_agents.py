"""The alerts on agents and tools, on the real promtool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stack.rule_cases import Case, Fires, calls, check, counter, series

from llm_otel import semconv
from llm_otel.stack.config import Config
from llm_otel.stack.prometheus.alerts import parse

RUNS = semconv.INVOKE_AGENT_INFERENCE_CALLS
TOOLS = semconv.EXECUTE_TOOL_DURATION
AGENT = {"service_name": "shop", "gen_ai_agent_name": "helper"}
RUN = {**AGENT, "feature": "search", "tenant_id": "acme"}
TOOL = {"service_name": "shop", "gen_ai_tool_name": "find"}
CALLED = {**TOOL, "gen_ai_agent_name": "helper", "feature": "search", "tenant_id": "acme"}
WARN, PAGE = "warning", "critical"


def loops() -> Iterator[Case]:
    name = "LLMAgentLooping"

    def runs(*phases: tuple[float, float, int], **labels: str) -> dict[str, str]:
        return calls(RUNS, *phases, **{**RUN, **labels})

    yield Case(
        "one run among many, and until it has left the window",
        name,
        runs((3, 5, 30), (60, 1, 1), (3, 5, 60)),
        {"29m": [], "32m": [Fires(WARN, "64", AGENT)], "44m": [Fires(WARN, "64", AGENT)],
         "58m": []},
    )  # fmt: skip
    yield Case(
        "one that pages",
        name,
        runs((3, 5, 30), (400, 1, 1), (3, 5, 30)),
        {"32m": [Fires(s, "512", AGENT) for s in (WARN, PAGE)]},
    )
    yield Case("as many as are allowed", name, runs((32, 5, 60)), {"40m": [], "59m": []})
    yield Case("none is over", name, runs((3, 0, 60)), {"40m": []})
    tenants = {**runs((3, 5, 60)), **runs((3, 5, 30), (100, 1, 30), tenant_id="other")}
    yield Case("of all tenants", name, tenants, {"40m": [Fires(WARN, "128", AGENT)]})
    own = Config(alerts=parse({"agent_loops": {"warning": 8, "critical": 16}}, "f"))
    yield Case(
        "limits of one's own",
        name,
        runs((12, 5, 60)),
        {"40m": [Fires(WARN, "16", AGENT)]},
        config=own,
    )


def failures() -> Iterator[Case]:
    name = "LLMToolFailing"

    def ends(error: str | None, *phases: tuple[float, int], **labels: str) -> dict[str, str]:
        more = {} if error is None else {"error_type": error}
        return {series(TOOLS, "_count", **{**CALLED, **more, **labels}): counter(*phases)}

    yield Case(
        "fails, and is mended",
        name,
        {**ends(None, (6, 20), (2, 30), (6, 60)),
         **ends("KeyError", (0, 20), (2, 30), (0, 60))},
        {"19m": [], "45m": [Fires(WARN, "50%", TOOL)], "85m": []},
    )  # fmt: skip
    yield Case(
        "fails always, in two ways",
        name,
        {**ends("KeyError", (3, 60)), **ends("shop.Gone", (1, 60))},
        {"30m": [Fires(s, "100%", TOOL) for s in (WARN, PAGE)]},
    )
    yield Case("too few", name, ends("KeyError", (1, 60)), {"30m": []})
    yield Case(
        "cancelled",
        name,
        {**ends(None, (3, 60)), **ends("asyncio.exceptions.CancelledError", (3, 60))},
        {"30m": []},
    )
    yield Case(
        "of another tool",
        name,
        {**ends(None, (6, 60)), **ends("KeyError", (6, 60), gen_ai_tool_name="book")},
        {"30m": [Fires(s, "100%", {**TOOL, "gen_ai_tool_name": "book"}) for s in (WARN, PAGE)]},
    )


CASES = [case for part in (loops, failures) for case in part()]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_alert(case: Case, tmp_path: Path) -> None:
    """An alert fires when it should, with its labels and texts, and at no other time."""
    check(case, tmp_path)
