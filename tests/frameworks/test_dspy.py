"""DSPy: agents, tools and the program are spans, in its threads, too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

dspy = pytest.importorskip("dspy")

from dspy.utils.callback import BaseCallback
from frameworks.parts import MODEL, Question
from opentelemetry import trace

from llm_otel.testing import Provider, capture, provider


def _field(name: str, value: object) -> str:
    return f"[[ ## {name} ## ]]\n{value}\n\n"


def _answer(body: dict[str, Any]) -> str:
    """What DSPy's chat adapter reads: it names the fields that it wants in the last message."""
    text = str(body["messages"][-1]["content"])
    called = "observation_0" in text
    fields = {
        "reasoning": "why",
        "answer": "yes",
        "next_thought": "thinking",
        "next_tool_name": "finish" if called else ("broken" if "broken" in text else "weather"),
        "next_tool_args": json.dumps({} if called else {"city": "Rome"}),
    }
    wanted = text[text.rfind("Respond with") :]
    return "".join(_field(k, v) for k, v in fields.items() if f"## {k} ##" in wanted)


@pytest.fixture
def p() -> Iterator[Provider]:
    """A provider that answers in DSPy's format."""
    with provider(answer=_answer) as serving:
        yield serving


@pytest.fixture(autouse=True)
def lm(p: Provider) -> Iterator[Any]:
    """A model of the local provider, uncached."""
    model = dspy.LM(
        f"openai/{MODEL}",
        api_base=p.url,
        api_key="test",
        cache=False,
        num_retries=0,
        engine="litellm",
    )
    with dspy.context(lm=model):
        yield model


def weather(city: str) -> str:
    """The weather in a city."""
    assert trace.get_current_span().name == "execute_tool weather"
    return f"sunny in {city}"


def broken(city: str) -> str:
    """Always fails."""
    raise LookupError(f"secret {city}")


class Helper(dspy.Module):  # type: ignore[misc, name-defined]
    """A program of two modules."""

    def __init__(self) -> None:
        super().__init__()
        self.think = dspy.ChainOfThought("question -> answer")
        self.act = dspy.ReAct("question -> answer", tools=[weather])

    def forward(self, question: str) -> Any:
        self.think(question=question)
        return self.act(question=question)


AGENT = [
    "invoke_agent ReAct",
    f"  chat {MODEL}",
    "  execute_tool weather",
    f"  chat {MODEL}",
    "  execute_tool finish",
    f"  chat {MODEL}",
]


def test_modules_of_dspys_own_are_no_spans(question: Question) -> None:
    """Calls lie in the program's step."""
    with question.asked(requests=2):
        dspy.Predict("question -> answer")(question="why")
        dspy.ChainOfThought("question -> answer")(question="why")
    assert question.tree == [f"chat {MODEL}"] * 2


@pytest.mark.parametrize("asynchronous", [False, True])
def test_program_with_an_agent(question: Question, asynchronous: bool) -> None:
    """The program, its agent and its tools are spans, and none is left current."""
    program = Helper()
    with question.asked(requests=4 if not asynchronous else 3):
        if asynchronous:
            asyncio.run(program.act.acall(question="Use the weather"))
        else:
            program(question="Use the weather")
        assert trace.get_current_span().name == "invoke_workflow question"
    whole = ["invoke_workflow Helper", f"  chat {MODEL}", *(f"  {line}" for line in AGENT)]
    assert question.tree == (AGENT if asynchronous else whole)
    attributes = question.span("execute_tool weather").attributes
    assert attributes["gen_ai.agent.name"] == "ReAct"
    assert not {"gen_ai.tool.call.arguments", "gen_ai.tool.call.result"} & attributes.keys()


def test_content_is_recorded_where_asked(p: Provider) -> None:
    """Arguments and results of tools are content."""
    with capture(setup=False, capture_content="span_only") as telemetry:
        Helper().act(question="Use the weather")
    [span] = [each for each in telemetry.spans if each.name == "execute_tool weather"]
    assert span.attributes["gen_ai.tool.call.arguments"] == '{"city":"Rome"}'
    assert span.attributes["gen_ai.tool.call.result"] == "sunny in Rome"


def test_tool_error(question: Question) -> None:
    """A tool that fails has the error's class, and no text of it; its agent goes on."""
    agent = dspy.ReAct("question -> answer", tools=[broken])
    with question.asked(requests=3):
        agent(question="why")
    assert question.span("execute_tool broken").error == "LookupError"
    assert question.span("invoke_agent ReAct").error is None
    assert "secret" not in repr(question.telemetry)


def test_failed_program(question: Question) -> None:
    """A program whose provider fails has the error's class."""
    question.p.enqueue("authentication")
    with question.asked(requests=1), pytest.raises(Exception, match="API key"):
        Helper()(question="why")
    assert question.span("invoke_workflow Helper").error is not None


def test_threads_keep_their_parent(question: Question) -> None:
    """`Parallel` inside a module, whose threads get nothing of the caller's but settings."""

    class Fan(dspy.Module):  # type: ignore[misc, name-defined]
        def forward(self, questions: list[str]) -> Any:
            predict = dspy.Predict("question -> answer")
            parallel = dspy.Parallel(num_threads=3, disable_progress_bar=True)
            examples = [dspy.Example(question=q).with_inputs("question") for q in questions]
            return parallel([(predict, each) for each in examples])

    with question.asked(requests=3):
        Fan()(questions=["a", "b", "c"])
    assert question.tree == ["invoke_workflow Fan", *[f"  chat {MODEL}"] * 3]


def test_callbacks_of_the_program_stay(p: Provider) -> None:
    """A program that sets callbacks of its own gets them and no others to see, and so do we."""
    heard = []

    class Own(BaseCallback):
        def on_lm_start(self, call_id: str, instance: Any, inputs: Any) -> None:
            heard.append(call_id)

    own = [Own()]
    with capture(setup=False) as telemetry, dspy.context(callbacks=own):
        Helper().act(question="Use the weather")
        assert dspy.settings.callbacks == own
    assert len(heard) == 3
    assert telemetry.tree().splitlines() == AGENT


def test_taken_away_and_put_back(p: Provider) -> None:
    """Without the adapter calls are there, and agents are not; later it is back, once."""
    with capture(setup=False, frameworks=False) as telemetry:
        Helper().act(question="Use the weather")
    assert telemetry.tree().splitlines() == [f"chat {MODEL}"] * 3
    with capture(setup=False) as telemetry:
        Helper().act(question="Use the weather")
    assert telemetry.tree().splitlines() == AGENT


def test_requests_that_are_not_seen_are_warned_of(
    p: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    """Those of DSPy's own HTTP client: no tokens is not the truth, so it is said."""
    model = dspy.LM(f"openai/{MODEL}", api_base=p.url, api_key="test", cache=False, num_retries=0)
    with capture(setup=False), dspy.context(lm=model):
        dspy.Predict("question -> answer")(question="why")
    warnings = [each for each in caplog.messages if "engine='litellm'" in each]
    assert len(warnings) == 1, caplog.messages
