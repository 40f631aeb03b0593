"""Traces in the real Jaeger 2, by the profile of the compose file, read back by its API."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
from compose.stack import Stack, ask
from stack.parts import fetch

Tree = dict[str, Any]


@pytest.fixture(scope="module")
def jaeger(stack: Stack) -> Iterator[Stack]:
    """The stack with Jaeger instead of Tempo, as the page says."""
    stack.variables["TRACES_ENDPOINT"] = "jaeger:4317"
    stack.note("up --wait with the profile jaeger", stack.up(profile="jaeger"))
    yield stack
    del stack.variables["TRACES_ENDPOINT"]
    for command in (("kill",), ("rm", "--force")):  # its traces are in memory: nothing to wait for
        assert stack.compose("--profile", "jaeger", *command, "jaeger").returncode == 0


def application(stack: Stack, service: str, module: str, *options: str) -> None:
    """Run one of the examples in the image, against the Collector."""
    ran = stack.compose(
        "--profile", "sample", "run", "--rm", "--no-deps", "-T", "--env",
        f"OTEL_SERVICE_NAME={service}", "--entrypoint", "python", "sample", "-m", module, *options,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]


def trees(stack: Stack, service: str) -> list[Tree]:
    """The traces of a service as Jaeger tells them: name of a span -> the trees below it."""
    query = urllib.parse.urlencode({"service": service, "limit": 100, "lookback": "1h"})
    answer = json.loads(fetch(f"{stack.url('JAEGER')}/api/traces?{query}"))
    return [_tree(each["spans"]) for each in answer["data"]]


def _tree(spans: list[Any]) -> Tree:
    parents = {
        span["spanID"]: next((r["spanID"] for r in span["references"]), None) for span in spans
    }

    def below(parent: str | None) -> Tree:
        children = sorted((s for s in spans if parents[s["spanID"]] == parent), key=_start)
        return {span["operationName"]: below(span["spanID"]) for span in children}

    return below(None)


def _start(span: Any) -> int:
    return int(span["startTime"])


def test_the_tree_of_a_rag(jaeger: Stack) -> None:
    """Embedding, retrieval and answer are below their workflow, in their order."""
    application(jaeger, "rag", "examples.rag")
    found = ask(lambda: trees(jaeger, "rag"), 60, "the trace in Jaeger")
    workflow = next(tree for tree in found if "invoke_workflow rag" in tree)
    assert workflow == {
        "invoke_workflow rag": {
            "embeddings text-embedding-3-small": {},
            "retrieval manual": {},
            "chat gpt-4o-mini": {},
        }
    }


def test_the_tree_of_an_agent(jaeger: Stack) -> None:
    """The model's calls and the tools that it asked for are below their agent and workflow."""
    application(
        jaeger, "agent", "examples.assistant", "--headless", "--fast", "--interactions=12"
    )  # fmt: skip

    def with_tools() -> list[Tree]:
        workflows = [tree.get("invoke_workflow support", {}) for tree in trees(jaeger, "agent")]
        found = [below.get("invoke_agent helper", {}) for below in workflows]
        return [below for below in found if any(name.startswith("execute_tool") for name in below)]

    for below in ask(with_tools, 60, "a trace with tools in Jaeger"):
        first, *rest = below
        assert first.startswith("chat "), below
        assert {name.partition(" ")[0] for name in rest} <= {"chat", "execute_tool"}, below
        assert all(not deeper for deeper in below.values()), below
