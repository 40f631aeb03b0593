"""Threads, programs without telemetry, and programs that end while nobody takes their telemetry."""

from __future__ import annotations

import threading
from typing import Any

import openai
import pytest
from hostile.harness import (
    ASYNC,
    SYNC,
    Place,
    Program,
    client_for,
    difference,
    each,
    run,
    wait,
)
from hostile.sdks import QUESTION
from hostile.telemetry import watched
from opentelemetry.instrumentation.utils import suppress_instrumentation
from otlp_receiver import OtlpReceiver
from programs import nowhere
from programs import run as run_process

import llm_otel
from llm_otel import semconv
from llm_otel.testing import Provider

THREADS, CALLS = 8, 25

# What we may add to the end of a process, and what a busy machine may add to that (s).
LONGEST_DELAY, BUSY = 2, 0.5


async def everything(client: Any) -> Any:
    answer = await wait(client.chat.completions.create(model="gpt-4o", messages=QUESTION))
    stream = await wait(
        client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True)
    )
    return answer, [chunk async for chunk in each(stream)]


def test_threads_are_counted_exactly(server: Provider) -> None:
    """Eight threads that call and stream at once: every call and token counts once."""
    server.reset()
    told: list[openai.types.CompletionUsage] = []

    def work() -> None:
        for number in range(CALLS):
            if number % 2:
                answer = client.chat.completions.create(model="gpt-4o", messages=QUESTION)
                assert answer.usage is not None
                told.append(answer.usage)
            else:
                *_, last = client.chat.completions.create(
                    model="gpt-4o",
                    messages=QUESTION,
                    stream=True,
                    stream_options={"include_usage": True},
                )
                assert last.usage is not None
                told.append(last.usage)

    with watched() as watch, client_for(server, SYNC) as client:
        threads = [threading.Thread(target=work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    watch.check(calls=THREADS * CALLS)
    for kind, amount in (
        (semconv.INPUT, sum(usage.prompt_tokens for usage in told)),
        (semconv.OUTPUT, sum(usage.completion_tokens for usage in told)),
    ):
        assert watch.value("gen_ai.tokens.consumed", token_type=kind) == amount


@pytest.mark.parametrize("place", [SYNC, ASYNC], ids=["sync", "async"])
def test_suppressed(server: Provider, place: Place) -> None:
    """Inside `suppress_instrumentation()` a program behaves the same and nothing is emitted."""
    bare = run(Program(everything), server, place)

    async def suppressed(client: Any) -> Any:
        with suppress_instrumentation():
            return await everything(client)

    with watched() as watch:
        ours = run(Program(suppressed), server, place)
    assert ours == bare, difference(bare, ours)
    assert (watch.spans.started, watch.value("gen_ai.request.duration")) == (0, 0)


@pytest.mark.parametrize("disabled", [False, True], ids=["no SDK", "disabled"])
@pytest.mark.parametrize("place", [SYNC, ASYNC], ids=["sync", "async"])
def test_without_telemetry(
    server: Provider, place: Place, disabled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an SDK, or with one that is switched off, a program behaves the same."""
    bare = run(Program(everything), server, place)
    if disabled:
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    llm_otel.instrument(setup=False)
    try:
        ours = run(Program(everything), server, place)
    finally:
        llm_otel.uninstrument()
    assert ours == bare, difference(bare, ours)


CALL = """
import openai, llm_otel
llm_otel.instrument(providers={{"127.0.0.1": "openai"}}, stream_usage="never")
client = openai.OpenAI(base_url={url!r}, api_key="test")
ask = [{{"role": "user", "content": "Hi"}}]
print(client.chat.completions.create(model="gpt-4o", messages=ask).object)
for _ in client.chat.completions.create(model="gpt-4o", messages=ask, stream=True): pass
"""


@pytest.mark.parametrize("receiver", ["absent", "hangs", "refuses"])
def test_end_of_a_program_that_nobody_listens_to(server: Provider, receiver: str) -> None:
    """The calls work, one line is logged, and the process ends at most 2 s later."""
    server.reset()
    program = CALL.format(url=server.url)
    if receiver == "absent":
        ended = run_process(program, OTEL_EXPORTER_OTLP_ENDPOINT=nowhere())
    else:
        with OtlpReceiver(500, hangs=receiver == "hangs") as listening:
            ended = run_process(program, OTEL_EXPORTER_OTLP_ENDPOINT=listening.endpoint)
    assert (ended.code, ended.out.split()) == (0, ["chat.completion"]), ended
    assert len(ended.log) == 1, ended.log
    assert "cannot export telemetry" in ended.log[0]
    bare = run_process(program.replace("llm_otel.instrument(", "dict("))
    assert ended.delay < bare.delay + LONGEST_DELAY + BUSY, (ended, bare)


def test_end_of_a_program_in_the_middle_of_everything(server: Provider) -> None:
    """Streams left open, calls in threads that never end: the process ends, without a word."""
    server.reset()
    program = CALL.format(url=server.url) + (
        "import threading\n"
        "kept = client.chat.completions.create(model='gpt-4o', messages=ask, stream=True)\n"
        "next(kept)\n"
        "def forever():\n"
        "    while True: client.chat.completions.create(model='gpt-4o', messages=ask)\n"
        "threading.Thread(target=forever, daemon=True).start()\n"
    )
    with OtlpReceiver() as listening:
        ended = run_process(program, OTEL_EXPORTER_OTLP_ENDPOINT=listening.endpoint)
    assert (ended.code, ended.log) == (0, []), ended
    assert ended.delay < LONGEST_DELAY + BUSY, ended
    assert "chat gpt-4o" in listening.spans()
