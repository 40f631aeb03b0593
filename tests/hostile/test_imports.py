"""A client that is imported again: purged from `sys.modules`, or reloaded. Each in its process."""

from __future__ import annotations

import pytest
from programs import run as run_process

from llm_otel.testing import Provider

PROGRAM = """
import asyncio, importlib, importlib.util, pickle, sys
import llm_otel
from llm_otel.testing import capture

URL, ASK = {url!r}, dict(model="gpt-4o", messages=[{{"role": "user", "content": "Hi"}}])

def purge(*names):
    for name in list(sys.modules):
        if name.partition(".")[0] in names:
            del sys.modules[name]

def call(module, stream=False):
    with module.OpenAI(base_url=URL, api_key="x", max_retries=0) as client:
        answer = client.chat.completions.create(**ASK, stream=stream)
        return len(list(answer)) if stream else answer.object

async def call_async(module):
    async with module.AsyncOpenAI(base_url=URL, api_key="x", max_retries=0) as client:
        return (await client.chat.completions.create(**ASK)).object

def calls(module):
    "Every kind of call once."
    call(module)
    call(module, stream=True)
    asyncio.run(call_async(module))

def show(telemetry):
    durations = telemetry.points("gen_ai.request.duration")
    print(len(telemetry.spans), sum(point.count for point in durations))
"""

PURGED = """
import openai
kept = openai.OpenAI(base_url=URL, api_key="x", max_retries=0)
kept.chat.completions.create(**ASK)
old = openai
with capture(stream_usage="never") as telemetry:
    for _ in range(2):
        purge("openai")
        import openai
        assert openai is not old
        calls(openai)
        show(telemetry)
        kept.chat.completions.create(**ASK)
        show(telemetry)
    spec = openai.__spec__
    print(type(spec.loader).__name__, openai.__loader__ is spec.loader)
unhooked = openai.OpenAI.request.__code__.co_filename, old.OpenAI.request.__code__.co_filename
print([name.endswith("_base_client.py") for name in unhooked])
"""

PURGED_WITH_HTTPX = """
import openai
with capture(stream_usage="never") as telemetry:
    calls(openai)
    purge("openai", "httpx", "httpx2")
    import openai
    calls(openai)
    show(telemetry)
"""

BEFORE = """
with capture(stream_usage="never") as telemetry:
    import openai
    calls(openai)
    purge("openai")
    import openai
    calls(openai)
    show(telemetry)
"""

RELOADED = """
import openai
with capture(stream_usage="never") as telemetry:
    importlib.reload(openai)
    calls(openai)
    show(telemetry)
    importlib.reload(sys.modules["openai._base_client"])
    calls(importlib.reload(sys.modules["openai._client"]))
    show(telemetry)
"""

AFTERWARDS = """
import openai
with capture():
    pass
purge("openai")
import openai
print(openai.OpenAI.request.__code__.co_filename.endswith("_base_client.py"))
with capture(stream_usage="never") as telemetry:
    calls(openai)
    show(telemetry)
"""


NAMESPACE = """
with capture() as telemetry:
    for _ in range(2):
        from mistralai.client import Mistral
        with Mistral(api_key="x", server_url=URL.removesuffix("/v1")) as client:
            client.chat.complete(**ASK)
        show(telemetry)
        purge("mistralai")
"""


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (
            PURGED,
            ["3 3", "4 4", "7 7", "8 8", "SourceFileLoader True", "[True, True]"],
        ),
        (PURGED_WITH_HTTPX, ["6 6"]),
        (BEFORE, ["6 6"]),
        (RELOADED, ["3 3", "6 6"]),
        (AFTERWARDS, ["True", "3 3"]),
        (NAMESPACE, ["1 1", "2 2"]),
    ],
    ids=[
        "purged",
        "purged with httpx",
        "imported later and purged",
        "reloaded",
        "afterwards",
        "a namespace package",
    ],
)
def test_imported_again(server: Provider, program: str, told: list[str]) -> None:
    """The new classes are seen and the old ones work on; a call is one span and one count."""
    server.reset()
    ended = run_process(PROGRAM.format(url=server.url) + program)
    assert (ended.code, ended.out.splitlines()) == (0, told), ended
