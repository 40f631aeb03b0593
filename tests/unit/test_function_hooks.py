"""What is hooked when, in a client whose functions are hooked: each in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile.conftest import install_toy
from programs import run

from llm_otel.testing import provider

TESTS = Path(__file__).parents[1]

PROGRAM = """
import asyncio, importlib, inspect, sys, types
import llm_otel, wrapt
from llm_otel.testing import capture

URL, BODY = {url!r}, {{"text": "Hi"}}

def ask(module):
    with module.Client(URL) as client:
        try:
            client.ask("/models/toy:say", BODY)
        except module.ToyError:
            pass

async def ask_async(module):
    async with module.AsyncClient(URL) as client:
        try:
            await client.ask("/models/toy:say", BODY)
        except module.ToyError:
            pass

def calls(module):
    ask(module)
    asyncio.run(ask_async(module))

def show(telemetry):
    points = telemetry.points("gen_ai.request.duration")
    print(len(telemetry.spans), sum(point.count for point in points))

def own(module):
    function = module.Client.ask
    return function.__code__.co_filename.endswith("client.py"), hasattr(function, "__wrapped__")

@wrapt.decorator
def theirs(wrapped, instance, args, kwargs):
    return wrapped(*args, **kwargs)
"""

IMPORTED_BEFORE = """
import toysdk
with capture() as telemetry:
    calls(toysdk)
    show(telemetry)
print(own(toysdk))
"""
IMPORTED_LATER = """
with capture() as telemetry:
    import toysdk
    calls(toysdk)
    importlib.reload(toysdk.client)
    importlib.reload(toysdk)
    calls(toysdk)
    for name in [each for each in sys.modules if each.partition(".")[0] == "toysdk"]:
        del sys.modules[name]
    import toysdk as again
    assert again is not toysdk
    calls(again)
    calls(toysdk)
    show(telemetry)
print(own(toysdk), own(again))
with capture() as telemetry:
    calls(again)
    show(telemetry)
"""
WRAPPED_SINCE = """
import toysdk
llm_otel.instrument(setup=False)
toysdk.Client.ask = theirs(toysdk.Client.ask)
llm_otel.uninstrument()
print(type(vars(toysdk.Client)["ask"]).__name__)
with capture() as telemetry:
    ask(toysdk)
    show(telemetry)
toysdk.Client.ask = toysdk.Client.ask.__wrapped__.__wrapped__
"""
WRAPPED_BEFORE = """
import toysdk
class Mine(toysdk.Client):
    ask = theirs(toysdk.Client.ask)
toysdk.Client.chunks = theirs(toysdk.Client.chunks)
with capture() as telemetry:
    client = Mine(URL)
    for function in (client.ask, client.chunks):
        try:
            function("/models/toy:say", BODY)
        except toysdk.ToyError:
            pass
    client.close()
    show(telemetry)
print(*(type(vars(c)[n]).__name__ for c, n in ((Mine, "ask"), (toysdk.Client, "chunks"))))
"""
RIVAL = """
import toysdk
module = types.ModuleType("openinference.instrumentation.toy")
exec("def wrapper(wrapped, instance, args, kwargs):\\n    return wrapped(*args, **kwargs)\\n",
     module.__dict__)
sys.modules[module.__name__] = module
toysdk.Client.ask = wrapt.FunctionWrapper(toysdk.Client.ask, module.wrapper)
with capture() as telemetry:
    calls(toysdk)
    show(telemetry)
"""
OTHER_SIGNATURES = """
import toysdk.client as client
class Other(client.Client):
    pass
client.Client.ask = lambda self, route, body: {"answered": True}
async def chunks(self, path, body): return []
client.Client.chunks = chunks
del client.AsyncClient.reader
client.Client.post = staticmethod(lambda path, body: 1)
with capture() as telemetry:
    toy = client.Client(URL)
    print(toy.ask("/models/toy:say", BODY), toy.post("", None), asyncio.run(toy.chunks("", None)))
    ask_async_only = asyncio.run(ask_async(sys.modules["toysdk"]))
    toy.close()
    show(telemetry)
"""


@pytest.mark.parametrize(
    ("program", "told", "log"),
    [
        (IMPORTED_BEFORE, ["2 2", "(True, False)"], []),
        (IMPORTED_LATER, ["8 8", "(True, False) (True, False)", "2 2"], []),
        (WRAPPED_SINCE, ["FunctionWrapper", "1 1"], []),
        (WRAPPED_BEFORE, ["2 2", "FunctionWrapper FunctionWrapper"], []),
        (RIVAL, ["1 2"], ["openinference.instrumentation.toy already makes spans for toysdk:"]),
        (
            OTHER_SIGNATURES,
            ["{'answered': True} 1 []", "1 1"],
            [
                "llm-otel stays out of `Client.ask`, `Client.chunks`, `AsyncClient.reader`, "
                "`Client.post` in toysdk 1.2.3, which it does not know with this signature "
                "(supported: >=1,<2)."
            ],
        ),
    ],
    ids=["before", "later", "wrapped since", "wrapped before", "rival", "other signatures"],
)
def test_functions_are_hooked(
    tmp_path: Path, program: str, told: list[str], log: list[str]
) -> None:
    """Each once, whatever the order of the SDK, of us and of others; none that we do not know."""
    install_toy(tmp_path)
    with provider() as serving:
        ended = run(PROGRAM.format(url=serving.url) + program, tmp_path, TESTS)
    assert (ended.code, ended.out.splitlines()) == (0, told), ended
    assert len(ended.log) == len(log), ended.log
    for line, beginning in zip(ended.log, log):
        assert line.startswith(beginning), ended.log


HOOK = """
from llm_otel.clients.spec import Hook
Hook("client", {function!r}, {shape!r}, print)
"""


@pytest.mark.parametrize(
    ("function", "shape", "sentence"),
    [
        (
            "Client.ask",
            "lazy",
            "The hook of Client.ask has the shape 'lazy'; it can be one of sync",
        ),
        ("ask", "sync", "The hook of 'ask' names no class; write it as Class.method."),
    ],
)
def test_a_hook_that_cannot_be(function: str, shape: str, sentence: str) -> None:
    """One sentence says what is wrong."""
    with pytest.raises(ValueError, match="^" + sentence):
        exec(HOOK.format(function=function, shape=shape))
