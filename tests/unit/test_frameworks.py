"""Frameworks: how an adapter is found, switched on and off, and where its steps' calls lie."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import openai
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import llm_otel
from llm_otel import ConfigError, frameworks, spans
from llm_otel.core import enclosing
from llm_otel.frameworks.spec import Framework, OpenSteps
from llm_otel.testing import Provider, Telemetry, capture

CHAT = "chat gpt-4o-mini"


def _framework(**options: Any) -> Framework:
    about = {"name": "toy", "module": "toy_framework", "supported": ">=1"}
    return Framework(**{**about, "install": lambda: lambda: None, **options})


STEPS = OpenSteps(_framework)


@pytest.fixture
def ask(p: Provider) -> Iterator[Callable[[], None]]:
    """Sends one request."""
    with openai.OpenAI(base_url=p.url, api_key="test", max_retries=0) as client:
        yield lambda: client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}]
        )


@pytest.fixture
def current() -> Iterator[dict[str, str]]:
    """The toy framework's own context: the id of what runs, under `id`."""
    place: dict[str, str] = {}

    def find() -> Any:
        return STEPS.of(place.get("id"))

    enclosing.add(find)
    yield place
    enclosing.remove(find)
    STEPS.end_all()


def test_call_lies_in_a_step_that_is_not_current(
    ask: Callable[[], None], current: dict[str, str]
) -> None:
    """It is found by the framework's own context; what lies in its parent's step, too."""
    with capture(setup=False) as telemetry:
        STEPS.begin("a", spans.agent("helper"))
        STEPS.join("b", "a")
        assert trace.get_current_span() is trace.INVALID_SPAN
        current["id"] = "b"
        ask()
        STEPS.end("b")
        STEPS.end("a")
        current.clear()
        ask()
    assert telemetry.tree().splitlines() == ["invoke_agent helper", f"  {CHAT}", CHAT]


def test_what_was_begun_inside_a_step_is_nearer(
    ask: Callable[[], None], current: dict[str, str]
) -> None:
    """A step of the program inside the agent's, and a tool that is current."""
    with capture(setup=False) as telemetry, llm_otel.workflow("question"):
        STEPS.begin("a", spans.agent("helper"))
        current["id"] = "a"
        with llm_otel.workflow("own"):
            ask()
        STEPS.begin("t", spans.tool("search"), "a", current=True)
        ask()
        STEPS.end("t", LookupError("secret"))
        ask()
        STEPS.end("a")
    assert telemetry.tree().splitlines() == [
        "invoke_workflow question",
        "  invoke_agent helper",
        "    invoke_workflow own",
        f"      {CHAT}",
        "    execute_tool search [error: LookupError]",
        f"      {CHAT}",
        f"    {CHAT}",
    ]
    [tool] = [each for each in telemetry.spans if each.name == "execute_tool search"]
    assert tool.attributes["gen_ai.agent.name"] == "helper"
    assert "secret" not in repr(telemetry)


def test_thread_without_context(ask: Callable[[], None], current: dict[str, str]) -> None:
    """A framework that follows its runs into a thread brings span and attribution along."""
    with capture(setup=False) as telemetry, llm_otel.attribution(tenant_id="acme"):
        STEPS.begin("a", spans.agent("helper"))
        current["id"] = "a"
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        STEPS.end("a")
    assert telemetry.tree().splitlines() == ["invoke_agent helper", f"  {CHAT}"]
    assert {each.attributes["tenant_id"] for each in telemetry.spans} == {"acme"}
    assert telemetry.count("gen_ai.request.duration", tenant_id="acme") == 1


def test_attribution_inside_a_step_wins(ask: Callable[[], None], current: dict[str, str]) -> None:
    """What the program says nearer to the call is true of it."""
    with capture(setup=False) as telemetry, llm_otel.attribution(tenant_id="acme"):
        STEPS.begin("a", spans.agent("helper"))
        current["id"] = "a"
        with llm_otel.attribution(tenant_id="globex"):
            ask()
        STEPS.end("a")
    tenants = [each.attributes["tenant_id"] for each in telemetry.spans]
    assert tenants == ["acme", "globex"]


def test_the_innermost_of_two_frameworks(ask: Callable[[], None], current: dict[str, str]) -> None:
    """One framework runs another: whichever is asked first, the inner step is the call's."""
    others = OpenSteps(_framework)
    outer_first = capture(setup=False)
    with outer_first as telemetry:
        STEPS.begin("a", spans.agent("outer"))
        current["id"] = "a"
        inner = others.begin("b", spans.agent("inner"))
        enclosing.add(lambda: inner)
        finder = enclosing.finders[-1]
        try:
            ask()
            enclosing.remove(finder)
            enclosing.finders = (finder, *enclosing.finders)
            ask()
        finally:
            enclosing.remove(finder)
        others.end("b")
        STEPS.end("a")
    assert telemetry.tree().splitlines() == [
        "invoke_agent outer",
        "  invoke_agent inner",
        f"    {CHAT}",
        f"    {CHAT}",
    ]


def test_finder_that_fails_costs_no_call(
    ask: Callable[[], None], current: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call is recorded all the same, and the failure is counted."""
    from llm_otel.base import guard

    monkeypatch.setattr(guard, "strict", False)

    def broken() -> Any:
        raise LookupError

    enclosing.add(broken)
    try:
        with capture(setup=False) as telemetry:
            ask()
    finally:
        enclosing.remove(broken)
    assert telemetry.tree() == CHAT
    assert telemetry.value("llm_otel.internal_errors", site="enclosing step") == 1


def test_ends_that_nobody_tells_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest step ends when there are too many; the others when the adapter goes."""
    monkeypatch.setattr("llm_otel.frameworks.spec._MOST", 2)
    steps = OpenSteps(_framework)
    with capture(setup=False) as telemetry:
        for name in ("one", "two", "three"):
            steps.begin(name, spans.agent(name))
        assert [each.name for each in telemetry.spans] == ["invoke_agent one"]
        steps.end_all()
        assert len(telemetry.spans) == 3


def test_another_instrumentation_makes_the_spans(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours makes none beside one that is active, and says so once; one that is not is no matter."""
    module = ModuleType("openinference.instrumentation.toy")

    class ToyInstrumentor:
        is_instrumented_by_opentelemetry = False

    ToyInstrumentor.__module__ = module.__name__
    module.ToyInstrumentor = ToyInstrumentor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    steps = OpenSteps(lambda: _framework(instrumentors=(module.__name__,)))
    with capture(setup=False) as telemetry:
        steps.begin("a", spans.agent("one"))
        steps.end("a")
        ToyInstrumentor.is_instrumented_by_opentelemetry = True
        for key in ("b", "c"):
            assert steps.begin(key, spans.agent("two")) is None
            steps.end(key)
    assert telemetry.tree() == "invoke_agent one"
    warnings = [each for each in caplog.messages if "already makes spans for toy" in each]
    assert len(warnings) == 1, caplog.messages


# ------------------------------------------------------------------ finding and switching
def _published(monkeypatch: pytest.MonkeyPatch, *loads: Callable[[], Any]) -> None:
    points = [SimpleNamespace(name=f"toy{n}", load=load) for n, load in enumerate(loads)]
    monkeypatch.setattr(frameworks, "entry_points", lambda group: points)


def test_framework_of_a_third_party(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is registered when the program imports it, and taken away by uninstrument()."""
    log: list[str] = []

    def install() -> Callable[[], None]:
        log.append("installed")
        return lambda: log.append("removed")

    def broken() -> Any:
        raise ImportError

    (tmp_path / "toy_framework.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    _published(monkeypatch, broken, lambda: _framework(install=install))
    with capture(setup=False):
        assert log == []
        __import__("toy_framework")
        assert log == ["installed"]
    assert log == ["installed", "removed"]
    assert "llm-otel skips the framework 'toy0'" in caplog.text
    with capture(setup=False, frameworks=["toy"]):
        assert log[2:] == ["installed"]
    with capture(setup=False, frameworks=False):
        pass
    assert log[2:] == ["installed", "removed"]
    del sys.modules["toy_framework"]


@pytest.mark.parametrize("value", ["false", "off"])
def test_off_in_the_environment(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable takes what the keyword takes."""
    monkeypatch.setenv("LLM_OTEL_FRAMEWORKS", value)
    assert llm_otel.Settings.resolve().frameworks is False
    monkeypatch.setenv("LLM_OTEL_FRAMEWORKS", "langchain, dspy")
    assert llm_otel.Settings.resolve().frameworks == ("langchain", "dspy")


def test_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a list of YAML's."""
    (tmp_path / "llm-otel.yaml").write_text("frameworks: [crewai]\n")
    monkeypatch.chdir(tmp_path)
    assert llm_otel.Settings.resolve().frameworks == ("crewai",)


def test_unknown_name_is_one_sentence() -> None:
    """And nothing is instrumented by then."""
    with pytest.raises(ConfigError, match="langchian is unknown; did you mean langchain"):
        llm_otel.instrument(setup=False, frameworks=["langchian"], tracer_provider=TracerProvider())
    with capture(setup=False) as telemetry:
        assert isinstance(telemetry, Telemetry)


def test_built_in_frameworks_have_files() -> None:
    """Each name of the table is a module here, and none is imported before its framework."""
    names = {each.stem for each in Path(frameworks.__file__).parent.glob("*.py")}
    assert set(frameworks.BUILT_IN) == names - {"__init__", "spec"}
    assert not any(f"llm_otel.frameworks.{name}" in sys.modules for name in frameworks.BUILT_IN)
