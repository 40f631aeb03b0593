"""LangChain and LangGraph: agents, tools and searches are spans, whatever way they are run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("langgraph")

from frameworks.parts import MODEL, WHO, Question
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langgraph.graph import END, START, MessagesState, StateGraph
from opentelemetry import trace

import llm_otel
from llm_otel.testing import Provider, capture

ASK = {"messages": [("user", "Use the weather tool.")]}
ONE_TOOL = [
    "invoke_agent helper",
    f"  chat {MODEL}",
    "  execute_tool weather",
    f"  chat {MODEL}",
]


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


@tool
def broken(city: str) -> str:
    """Always fails."""
    raise LookupError(f"secret {city}")


def _model(p: Provider, **options: Any) -> ChatOpenAI:
    return ChatOpenAI(
        model=MODEL, base_url=p.url, api_key="test", max_retries=0, stream_usage=True, **options
    )


def _agent(p: Provider, *tools: Any, name: str | None = "helper") -> Any:
    return create_agent(_model(p), list(tools or (weather,)), name=name)


def _invoke(agent: Any) -> None:
    agent.invoke(ASK)


def _stream(agent: Any) -> None:
    for _ in agent.stream(ASK):
        assert trace.get_current_span().name == "invoke_workflow question"


def _messages(agent: Any) -> None:
    for _ in agent.stream(ASK, stream_mode="messages"):
        assert trace.get_current_span().name == "invoke_workflow question"


def _ainvoke(agent: Any) -> None:
    asyncio.run(agent.ainvoke(ASK))


def _astream(agent: Any) -> None:
    async def read() -> None:
        async for _ in agent.astream(ASK, stream_mode="messages"):
            assert trace.get_current_span().name == "invoke_workflow question"

    asyncio.run(read())


@pytest.mark.parametrize("run", [_invoke, _stream, _messages, _ainvoke, _astream])
def test_agent_with_a_tool(question: Question, run: Any) -> None:
    """The agent and its tool are spans in every way to run it, and none is left current."""
    with question.asked(requests=2):
        run(_agent(question.p))
        assert trace.get_current_span().name == "invoke_workflow question"
    assert question.tree == ONE_TOOL
    weather_span = question.span("execute_tool weather").attributes
    assert weather_span["gen_ai.tool.call.id"].startswith("call_")
    assert weather_span["gen_ai.agent.name"] == "helper"
    assert weather_span["gen_ai.tool.description"] == "The weather in a city."
    assert not {"gen_ai.tool.call.arguments", "gen_ai.tool.call.result"} & weather_span.keys()


def test_content_is_recorded_where_asked(p: Provider) -> None:
    """Arguments and results of tools are content."""
    with capture(setup=False, capture_content="span_only") as telemetry:
        _agent(p).invoke(ASK)
    [span] = [each for each in telemetry.spans if each.name == "execute_tool weather"]
    assert "city" in span.attributes["gen_ai.tool.call.arguments"]
    assert "sunny" in span.attributes["gen_ai.tool.call.result"]


def test_agent_in_a_tool_of_an_agent(question: Question) -> None:
    """A sub-agent lies in the tool that runs it, and its calls lie in it."""
    inner = _agent(question.p, weather, name="inner")

    @tool
    def delegate(task: str) -> str:
        """Ask the other agent."""
        text: str = inner.invoke(ASK)["messages"][-1].content
        return text

    with question.asked(requests=4):
        _agent(question.p, delegate, name=None).invoke({"messages": [("user", "Please delegate.")]})
    assert question.tree == [
        "invoke_agent",
        f"  chat {MODEL}",
        "  execute_tool delegate",
        "    invoke_agent inner",
        f"      chat {MODEL}",
        "      execute_tool weather",
        f"      chat {MODEL}",
        f"  chat {MODEL}",
    ]


def test_tool_error(question: Question) -> None:
    """A tool that fails has the error's class, and no text of it."""
    with question.asked(requests=1), pytest.raises(LookupError):
        _agent(question.p, broken).invoke({"messages": [("user", "Call broken now.")]})
    span = question.span("execute_tool broken")
    assert (span.status, span.error) == ("ERROR", "LookupError")
    assert question.span("invoke_agent helper").error == "LookupError"
    assert "secret" not in repr(question.telemetry)


def test_parallel_tools_keep_their_parents(question: Question) -> None:
    """Tools that run at once, each with a call of its own, by threads and by tasks."""
    model = _model(question.p)

    @tool
    def first(city: str) -> str:
        """Ask the model."""
        return str(model.invoke("one").content)

    @tool
    async def second(city: str) -> str:
        """Ask the model."""
        return str((await model.ainvoke("two")).content)

    agent = _agent(question.p, first, second)
    with question.asked(requests=4):
        asyncio.run(agent.ainvoke({"messages": [("user", "Call first and second.")]}))
    assert sorted(question.tree[2:-1]) == sorted(
        [
            "  execute_tool first",
            f"    chat {MODEL}",
            "  execute_tool second",
            f"    chat {MODEL}",
        ]
    )
    parents = {each.parent for each in question.telemetry.spans if each.name == f"chat {MODEL}"}
    assert parents == {"invoke_agent helper", "execute_tool first", "execute_tool second"}


def _graph(p: Provider, **nodes: Any) -> Any:
    graph = StateGraph(MessagesState)
    previous = START
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_edge(previous, name)
        previous = name
    graph.add_edge(previous, END)
    return graph.compile(name="flow")


def test_graph_of_functions_and_agents(question: Question) -> None:
    """A graph is a workflow; its nodes are no spans unless they are agents."""
    model = _model(question.p)

    def node(state: Any) -> Any:
        with trace.get_tracer("program").start_as_current_span("lookup"):
            pass
        return {"messages": [model.invoke("hello")]}

    graph = _graph(question.p, one=node, two=_agent(question.p, name="inner"))
    with question.asked(requests=2):
        graph.invoke({"messages": [("user", "Hello.")]})
    assert question.tree == [
        "invoke_workflow flow",
        f"  chat {MODEL}",
        "  invoke_agent inner",
        f"    chat {MODEL}",
    ]


def test_batch(question: Question) -> None:
    """Runs in a pool of threads are agents side by side."""
    with question.asked(requests=6):
        _agent(question.p).batch([ASK, ASK, ASK])
    assert question.tree == ONE_TOOL * 3


def test_thread_is_the_conversation(question: Question) -> None:
    """The id of LangGraph's thread is the conversation's."""
    with question.asked(requests=2):
        _agent(question.p).invoke(ASK, {"configurable": {"thread_id": "t-1"}})
    agent = question.span("invoke_agent helper").attributes
    assert agent["gen_ai.conversation.id"] == "t-1"


def test_search(question: Question) -> None:
    """A retriever's search holds the embedding of its query; a chain is no span of its own."""
    from langchain_core.vectorstores import InMemoryVectorStore

    embeddings = OpenAIEmbeddings(
        model="text-embedding-3-small",
        base_url=question.p.url,
        api_key="test",
        check_embedding_ctx_length=False,
    )
    with question.asked(requests=3):
        store = InMemoryVectorStore.from_texts(["a page", "another"], embeddings)
        chain = store.as_retriever() | (lambda pages: str(pages)) | _model(question.p)
        chain.invoke("which?")
    assert question.tree == [
        "embeddings text-embedding-3-small",
        "retrieval InMemoryVectorStore",
        "  embeddings text-embedding-3-small",
        f"chat {MODEL}",
    ]


def test_outermost_chain_is_a_workflow(p: Provider) -> None:
    """With nothing around it, a chain of two calls is one tree all the same."""
    chain = _model(p) | (lambda message: message.content) | _model(p)
    with capture(setup=False) as telemetry:
        chain.invoke("hello")
    assert telemetry.tree().splitlines() == [
        "invoke_workflow RunnableSequence",
        f"  chat {MODEL}",
        f"  chat {MODEL}",
    ]


def test_stream_left_early(question: Question) -> None:
    """What is left early is no error, and nothing of it stays current."""
    with question.asked(requests=1):
        stream = _agent(question.p).stream(ASK)
        next(stream)
        stream.close()
        assert trace.get_current_span().name == "invoke_workflow question"
    assert question.span("invoke_agent helper").error is None


def test_handoff_between_agents_is_no_error(question: Question) -> None:
    """A tool that hands over to another node of the graph."""
    from langgraph.types import Command

    @tool
    def transfer() -> Any:
        """Hand over."""
        return Command(goto="second", graph=Command.PARENT)

    first = _agent(question.p, transfer, name="first")
    graph = StateGraph(MessagesState)
    graph.add_node("first", first, destinations=("second",))
    graph.add_node("second", _agent(question.p, name="second"))
    graph.add_edge(START, "first")
    with question.asked(requests=2):
        graph.compile().invoke({"messages": [("user", "Please transfer me.")]})
    assert [each.error for each in question.telemetry.spans if each.error] == []
    assert "  invoke_agent second" in question.tree


@pytest.mark.parametrize("frameworks", [False, ["dspy"]])
def test_off_by_setting(p: Provider, frameworks: Any) -> None:
    """Without the adapter calls are there, and agents are not."""
    with capture(setup=False, frameworks=frameworks) as telemetry:
        _agent(p).invoke(ASK)
    assert telemetry.tree().splitlines() == [f"chat {MODEL}"] * 2


def test_taken_away_and_put_back(p: Provider) -> None:
    """uninstrument() leaves no handler with LangChain; instrument() brings it back, once."""
    from langchain_core.callbacks import CallbackManager

    with capture(setup=False):
        handlers = CallbackManager.configure().handlers
        assert [type(each).__module__ for each in handlers] == ["llm_otel.frameworks.langchain"]
    assert CallbackManager.configure().handlers == []
    with capture(setup=False) as telemetry, llm_otel.attribution(**WHO):
        _agent(p).invoke(ASK)
    assert telemetry.tree().splitlines() == ONE_TOOL


def test_langsmith_makes_the_spans(
    p: Provider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where it is set to make OpenTelemetry spans of all runs, ours makes none, and says so."""
    import langsmith.utils

    monkeypatch.setattr(
        langsmith.utils, "is_env_var_truish", lambda name: name in ("OTEL_ENABLED", "TRACING")
    )
    with capture(setup=False) as telemetry:
        for _ in range(2):
            _agent(p).invoke(ASK)
    assert telemetry.tree().splitlines() == [f"chat {MODEL}"] * 4
    warnings = [each for each in caplog.messages if "langsmith already makes spans" in each]
    assert len(warnings) == 1, caplog.messages
