"""smolagents: agents and tools are spans, in code that an agent runs, too."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("smolagents")

from frameworks.parts import MODEL, Question
from opentelemetry import trace
from smolagents import CodeAgent, OpenAIServerModel, ToolCallingAgent, tool
from smolagents.monitoring import LogLevel

from llm_otel.testing import Provider, capture

ASK = "Use the weather tool."
ONE_TOOL = [
    "invoke_agent helper",
    f"  chat {MODEL}",
    "  execute_tool weather",
    f"  chat {MODEL}",
]


@tool
def weather(city: str) -> str:
    """The weather in a city.

    Args:
        city: Which.
    """
    assert trace.get_current_span().name == "execute_tool weather"
    return f"sunny in {city}"


@tool
def broken(city: str) -> str:
    """Always fails.

    Args:
        city: Which.
    """
    raise LookupError(f"secret {city}")


def _model(p: Provider) -> Any:
    return OpenAIServerModel(
        model_id=MODEL, api_base=p.url, api_key="test", client_kwargs={"max_retries": 0}
    )


def _agent(p: Provider, *tools: Any, kind: Any = ToolCallingAgent, **options: Any) -> Any:
    return kind(
        tools=list(tools or (weather,)),
        model=_model(p),
        name=options.pop("name", "helper"),
        description="Helps.",
        verbosity_level=LogLevel.OFF,
        **options,
    )


def _run(agent: Any) -> None:
    agent.run(ASK)


def _stream(agent: Any) -> None:
    for _ in agent.run(ASK, stream=True):
        assert trace.get_current_span().name == "invoke_workflow question"


@pytest.mark.parametrize("run", [_run, _stream])
def test_agent_with_a_tool(question: Question, run: Any) -> None:
    """The agent and its tool are spans, and none is left current."""
    question.will_call("weather", city="Rome")
    question.will_call("final_answer", answer="sunny")
    with question.asked(requests=2):
        run(_agent(question.p))
        assert trace.get_current_span().name == "invoke_workflow question"
    assert question.tree == ONE_TOOL
    assert question.span("invoke_agent helper").attributes["gen_ai.request.model"] == MODEL
    attributes = question.span("execute_tool weather").attributes
    assert attributes["gen_ai.agent.name"] == "helper"
    assert not {"gen_ai.tool.call.arguments", "gen_ai.tool.call.result"} & attributes.keys()


def test_content_is_recorded_where_asked(question: Question) -> None:
    """Arguments and results of tools are content."""
    question.will_call("weather", city="Rome")
    question.will_call("final_answer", answer="sunny")
    with capture(setup=False, capture_content="span_only") as telemetry:
        _run(_agent(question.p))
    [span] = [each for each in telemetry.spans if each.name == "execute_tool weather"]
    assert span.attributes["gen_ai.tool.call.arguments"] == '{"city":"Rome"}'
    assert span.attributes["gen_ai.tool.call.result"] == "sunny in Rome"


def test_agent_of_an_agent(question: Question) -> None:
    """A managed agent lies in the one that manages it."""
    inner = _agent(question.p, name="inner")
    outer = _agent(question.p, managed_agents=[inner])
    question.will_call("inner", task="look")
    question.will_call("weather", city="Rome")
    question.will_call("final_answer", answer="sunny")
    question.will_call("final_answer", answer="sunny")
    with question.asked(requests=4):
        _run(outer)
    assert question.tree == [
        "invoke_agent helper",
        f"  chat {MODEL}",
        "  invoke_agent inner",
        f"    chat {MODEL}",
        "    execute_tool weather",
        f"    chat {MODEL}",
        f"  chat {MODEL}",
    ]


def test_code_of_an_agent(question: Question) -> None:
    """Tools that an agent's code calls, in a thread of smolagents' own."""
    question.will_say("<code>\nprint(weather(city='Rome'))\n</code>")
    question.will_say("<code>\nfinal_answer('sunny')\n</code>")
    with question.asked(requests=2):
        _run(_agent(question.p, kind=CodeAgent))
    assert question.tree == ONE_TOOL


def test_tool_error(question: Question) -> None:
    """A tool that fails has the error's class, and no text of it; its agent goes on."""
    question.will_call("broken", city="Rome")
    question.will_call("final_answer", answer="none")
    with question.asked(requests=2):
        _run(_agent(question.p, broken))
    assert question.span("execute_tool broken").error == "LookupError"
    assert question.span("invoke_agent helper").error is None
    assert "secret" not in repr(question.telemetry)


def test_taken_away_and_put_back(question: Question) -> None:
    """uninstrument() leaves smolagents as it was; instrument() brings the spans back, once."""
    from smolagents import MultiStepAgent, Tool, local_python_executor

    with capture(setup=False, frameworks=False):
        before = (MultiStepAgent.run, Tool.__call__, local_python_executor.ThreadPoolExecutor)
        assert not any(hasattr(each, "__wrapped__") for each in before)
    for _ in range(2):
        question.will_call("final_answer", answer="sunny")
    with capture(setup=False) as telemetry:
        _run(_agent(question.p))
    assert telemetry.tree().splitlines() == ["invoke_agent helper", f"  chat {MODEL}"]
    after = (MultiStepAgent.run, Tool.__call__, local_python_executor.ThreadPoolExecutor)
    assert after == before
