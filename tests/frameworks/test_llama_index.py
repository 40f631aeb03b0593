"""LlamaIndex: agents, workflows, tools and searches are spans."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("llama_index.core")

from frameworks.parts import MODEL, Question
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI
from opentelemetry import trace

from llm_otel.testing import Provider, capture

ASK = "Use the weather tool."
EMBEDDER = "text-embedding-ada-002"
ONE_TOOL = [
    "invoke_agent helper",
    f"  chat {MODEL}",
    "  execute_tool weather",
    f"  chat {MODEL}",
]


def weather(city: str) -> str:
    """The weather in a city."""
    assert trace.get_current_span().name == "execute_tool weather"
    return f"sunny in {city}"


def broken(city: str) -> str:
    """Always fails."""
    raise LookupError(f"secret {city}")


def _llm(p: Provider) -> OpenAI:
    return OpenAI(model=MODEL, api_base=p.url, api_key="test", max_retries=0)


def _agent(p: Provider, *tools: Any, name: str = "helper", **options: Any) -> FunctionAgent:
    return FunctionAgent(
        tools=list(tools or (weather,)), llm=_llm(p), name=name, description=name, **options
    )


async def _run(agent: Any, text: str = ASK) -> Any:
    return await agent.run(text)


async def _streamed(agent: Any) -> None:
    handler = agent.run(ASK)
    async for _ in handler.stream_events():
        assert trace.get_current_span().name == "invoke_workflow question"
    await handler


@pytest.mark.parametrize("run", [_run, _streamed])
@pytest.mark.parametrize("streaming", [True, False])
def test_agent_with_a_tool(question: Question, run: Any, streaming: bool) -> None:
    """The agent and its tool are spans, and the calls lie where they are made."""
    with question.asked(requests=2):
        asyncio.run(run(_agent(question.p, streaming=streaming)))
    assert question.tree == ONE_TOOL
    attributes = question.span("execute_tool weather").attributes
    assert attributes["gen_ai.agent.name"] == "helper"
    assert attributes["gen_ai.tool.call.id"].startswith("call_")
    assert not {"gen_ai.tool.call.arguments", "gen_ai.tool.call.result"} & attributes.keys()


def test_content_is_recorded_where_asked(p: Provider) -> None:
    """Arguments and results of tools are content."""
    with capture(setup=False, capture_content="span_only") as telemetry:
        asyncio.run(_run(_agent(p)))
    assert telemetry.tree().splitlines() == ONE_TOOL
    [span] = [each for each in telemetry.spans if each.name == "execute_tool weather"]
    assert "city" in span.attributes["gen_ai.tool.call.arguments"]
    assert "sunny" in span.attributes["gen_ai.tool.call.result"]


def test_agent_in_a_tool_of_an_agent(question: Question) -> None:
    """A sub-agent lies in the tool that runs it, and its calls lie in it."""
    inner = _agent(question.p, name="inner")

    async def delegate(task: str) -> str:
        """Ask the other agent."""
        return str(await inner.run(ASK))

    with question.asked(requests=4):
        asyncio.run(_run(_agent(question.p, delegate), "Please delegate."))
    assert question.tree == [
        "invoke_agent helper",
        f"  chat {MODEL}",
        "  execute_tool delegate",
        "    invoke_agent inner",
        f"      chat {MODEL}",
        "      execute_tool weather",
        f"      chat {MODEL}",
        f"  chat {MODEL}",
    ]


def test_agents_started_side_by_side(question: Question) -> None:
    """LlamaIndex takes what is started first for the parent of what is started next."""

    async def run() -> None:
        agents = [_agent(question.p, name=name) for name in ("one", "two")]
        await asyncio.gather(*[agent.run(ASK) for agent in agents])
        await agents[0].run(ASK)

    with question.asked(requests=6):
        asyncio.run(run())
    agents = [line for line in question.tree if "invoke_agent" in line]
    assert agents == ["invoke_agent one", "invoke_agent two", "invoke_agent one"]


def test_team_of_agents(question: Question) -> None:
    """Each agent of a workflow of agents is a span for the time that it is its turn."""
    first = _agent(question.p, name="first", streaming=False, can_handoff_to=["second"])
    second = _agent(question.p, name="second", streaming=False)
    team = AgentWorkflow(agents=[first, second], root_agent="first")
    question.will_call("handoff", to_agent="second", reason="it knows more")
    with question.asked(requests=2):
        asyncio.run(_run(team))
    assert question.tree == [
        "invoke_workflow AgentWorkflow",
        "  invoke_agent first",
        f"    chat {MODEL}",
        "    execute_tool handoff",
        "  invoke_agent second",
        f"    chat {MODEL}",
    ]


def test_workflow_of_the_program(question: Question) -> None:
    """A workflow with a call and an agent in its step."""
    p = question.p

    class Flow(Workflow):
        @step
        async def work(self, ev: StartEvent) -> StopEvent:
            await _llm(p).acomplete("hello")
            await _agent(p, name="one").run(ASK)
            await _agent(p, name="two").run(ASK)
            return StopEvent(result="done")

    async def run() -> None:
        await Flow(timeout=30).run()

    with question.asked(requests=5):
        asyncio.run(run())
    assert [line for line in question.tree if "tool" not in line] == [
        "invoke_workflow Flow",
        f"  chat {MODEL}",
        "  invoke_agent one",
        f"    chat {MODEL}",
        f"    chat {MODEL}",
        "  invoke_agent two",
        f"    chat {MODEL}",
        f"    chat {MODEL}",
    ]


def test_tool_error(question: Question) -> None:
    """A tool that fails has the error's class, and no text of it; its agent goes on."""
    with question.asked(requests=2):
        asyncio.run(_run(_agent(question.p, broken), "Call broken now."))
    assert question.span("execute_tool broken").error == "LookupError"
    assert question.span("invoke_agent helper").error is None
    assert "secret" not in repr(question.telemetry)


def test_failed_agent(question: Question) -> None:
    """An agent whose provider fails has the error's class."""
    question.p.enqueue("server_error")
    with pytest.raises(Exception) as failure:  # noqa: PT011
        asyncio.run(_run(_agent(question.p)))
    assert question.span("invoke_agent helper").error is not None, failure


def test_search(question: Question) -> None:
    """A retriever's search holds the embedding of its query, plain and streamed."""
    embedder = OpenAIEmbedding(api_base=question.p.url, api_key="test", max_retries=0)
    with question.asked(requests=5):
        index = VectorStoreIndex.from_documents([Document(text="a page")], embed_model=embedder)
        index.as_query_engine(llm=_llm(question.p)).query("which?")
        streamed = index.as_query_engine(llm=_llm(question.p), streaming=True)
        for _ in streamed.query("which?").response_gen:
            pass
    search = ["retrieval VectorIndexRetriever", f"  embeddings {EMBEDDER}", f"chat {MODEL}"]
    assert question.tree == [f"embeddings {EMBEDDER}", *search, *search]
    spans = [each for each in question.telemetry.spans if each.name == search[0]]
    assert {each.attributes["gen_ai.retrieval.top_k"] for each in spans} == {2}


def test_react_agent(question: Question) -> None:
    """An agent that is told of its tools in the prompt."""
    with question.asked(requests=1):
        agent = ReActAgent(tools=[weather], llm=_llm(question.p), name="react")
        asyncio.run(_run(agent, "Hello."))
    assert question.tree == ["invoke_agent react", f"  chat {MODEL}"]


def test_taken_away_and_put_back(p: Provider) -> None:
    """uninstrument() leaves no handler with LlamaIndex; instrument() brings it back, once."""
    handlers = get_dispatcher().span_handlers
    with capture(setup=False, frameworks=False) as telemetry:
        asyncio.run(_run(_agent(p)))
    assert telemetry.tree().splitlines() == [f"chat {MODEL}"] * 2
    with capture(setup=False) as telemetry:
        asyncio.run(_run(_agent(p)))
    assert telemetry.tree().splitlines() == ONE_TOOL
    assert get_dispatcher().span_handlers == handlers
