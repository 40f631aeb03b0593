"""Threads: the context is carried on request, and one hint says where it got lost."""

from __future__ import annotations

import inspect
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

import llm_otel
from llm_otel.core import lost_context
from llm_otel.testing import Provider, Telemetry

Instrument = Callable[..., Telemetry]
THREADING = "opentelemetry.instrumentation.threading"
QUESTION: Any = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def ask(p: Provider) -> Iterator[Callable[[], None]]:
    with openai.OpenAI(base_url=p.url, api_key="x") as client:

        def call() -> None:
            client.chat.completions.create(model="gpt-4o", messages=QUESTION)

        yield call


@pytest.fixture(autouse=True)
def _not_given_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_context, "_pending", [True])


def in_a_thread(function: Callable[[], None]) -> None:
    thread = threading.Thread(target=function, name="worker")
    thread.start()
    thread.join()


def in_an_executor(function: Callable[[], None]) -> None:
    with ThreadPoolExecutor(1, "worker") as executor:
        executor.submit(function).result()


def hints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.message for each in caplog.records if "threads do not inherit" in each.message]


@pytest.mark.parametrize("run", [in_a_thread, in_an_executor])
def test_the_context_is_carried(
    run: Callable[[Any], None],
    ask: Callable[[], None],
    instrumented: Instrument,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With the setting a call in a thread is the step's child, for the same tenant."""
    pytest.importorskip(THREADING)
    telemetry = instrumented(threads=True)
    with llm_otel.attribution(tenant_id="acme"), llm_otel.workflow("ask"):
        run(ask)
    call = telemetry.spans[1]
    assert (call.parent, call.attributes["tenant_id"]) == ("invoke_workflow ask", "acme")
    assert hints(caplog) == []


@pytest.mark.parametrize("run", [in_a_thread, in_an_executor])
def test_without_the_setting_a_hint(
    run: Callable[[Any], None],
    ask: Callable[[], None],
    instrumented: Instrument,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A trace of its own, and one line that says what to do; once."""
    telemetry = instrumented()
    with llm_otel.workflow("ask"):
        run(ask)
        run(ask)
    assert [each.parent for each in telemetry.spans] == [None, None, None]
    (hint,) = hints(caplog)
    assert "'worker" in hint
    assert "llm_otel.propagate" in hint


def test_no_hint_where_nothing_is_lost(
    ask: Callable[[], None], instrumented: Instrument, caplog: pytest.LogCaptureFixture
) -> None:
    """Another request of a server, a call with a parent, and one when no step is open."""
    instrumented()

    def another_request() -> None:
        with llm_otel.attribution(tenant_id="other"):
            ask()

    with llm_otel.workflow("ask"):
        ask()
        in_a_thread(another_request)
        in_a_thread(llm_otel.propagate(ask))
    in_a_thread(ask)
    assert hints(caplog) == []


def test_undone(instrumented: Instrument) -> None:
    """Threads are what they were after `uninstrument()`; what the program did itself stays."""
    ThreadingInstrumentor = pytest.importorskip(THREADING).ThreadingInstrumentor
    before = threading.Thread.start, ThreadPoolExecutor.submit
    instrumented(threads=True)
    assert threading.Thread.start is not before[0]
    llm_otel.uninstrument()
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == before
    ThreadingInstrumentor().instrument()
    try:
        theirs = inspect.getattr_static(threading.Thread, "start")
        instrumented(threads=True)
        llm_otel.uninstrument()
        assert inspect.getattr_static(threading.Thread, "start") is theirs
    finally:
        ThreadingInstrumentor().uninstrument()


def test_without_the_package_one_sentence() -> None:
    """The program is told what to install, before anything is set up."""
    program = (
        "import sys; sys.modules['opentelemetry.instrumentation.threading'] = None\n"
        "import llm_otel\n"
        "try: llm_otel.instrument(threads=True, setup=False)\n"
        "except llm_otel.ConfigError as exc: print(exc)\n"
        "from llm_otel.core import runtime; print(runtime.active())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == [
        "The setting threads needs the package opentelemetry-instrumentation-threading: "
        "pip install 'llm-otel[threads]'.",
        "None",
    ]
