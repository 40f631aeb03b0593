"""Every block that the guard protects fails once: the program goes on, and nothing stays open."""

from __future__ import annotations

import ast
import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openai
import pytest
import toysdk
import toysdk_llm_otel
from clients import botocore as boto
from hostile.bodies import CHUNK, END, events, reply
from hostile.harness import (
    ASYNC,
    PROVEN,
    SYNC,
    Place,
    Program,
    Run,
    difference,
    each,
    entered,
    run,
    step,
    wait,
)
from hostile.sdks import QUESTION
from hostile.telemetry import Watch, watched
from mcp import Client
from mcp.server.mcpserver import MCPServer
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from qdrant_client import QdrantClient, models

import llm_otel
from llm_otel import frameworks
from llm_otel.base import fork, guard
from llm_otel.clients.openai import CLIENT
from llm_otel.core import runtime
from llm_otel.frameworks.spec import guarded
from llm_otel.instrumentor import LlmOtelInstrumentor
from llm_otel.sdk import flushing
from llm_otel.sdk.at_exit import AtExit
from llm_otel.sdk.sigterm import SigtermFlush
from llm_otel.seams import functions, imports, stainless
from llm_otel.testing import Provider, Reply
from tests.conformance import sockets
from tests.conformance.sockets import serving

SOURCE = Path(llm_otel.__file__).parent


class Fault(Exception):
    """What is injected."""


def _fail(*_: Any, **__: Any) -> Any:
    raise Fault("its text quotes a prompt")


class _FailingProcessor(SpanProcessor):
    """Somebody's span processor that raises."""

    def on_end(self, span: Any) -> None:
        _fail()


# ------------------------------------------------------------------ programs
async def chat(client: Any) -> Any:
    return await wait(client.chat.completions.create(model="gpt-4o", messages=QUESTION))


async def chat_in_a_span(client: Any) -> Any:
    """As a framework does, with a span of its own for the request."""
    active = runtime.active()
    provider = TracerProvider() if active is None else active.providers[0]
    tracer: Any = provider.get_tracer("framework")  # type: ignore[union-attr]
    with tracer.start_as_current_span("chat", attributes={"gen_ai.operation.name": "chat"}):
        return await chat(client)


async def own_call(client: Any) -> Any:
    """A request that the program sends by itself."""
    with llm_otel.call("gpt-4o", provider="openai") as call:
        call.set_usage(3, 1)
    return "sent"


async def spans_counted(client: Any) -> Any:
    """A program that has its own spans counted, and priced when they are exported."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(llm_otel.SpanMetrics())
    provider.add_span_processor(SimpleSpanProcessor(llm_otel.priced(exporter)))
    attributes = {"gen_ai.operation.name": "chat"}
    with provider.get_tracer("own").start_as_current_span("chat", attributes=attributes):
        pass
    return [span.name for span in exporter.get_finished_spans()]


async def start(client: Any) -> Any:
    create = client.chat.completions.create
    return await wait(create(model="gpt-4o", messages=QUESTION, stream=True))


async def drained(client: Any) -> Any:
    return [chunk async for chunk in each(await start(client))]


async def closed_unread(client: Any) -> Any:
    stream = await start(client)
    await wait(stream.close())
    return stream.response.is_closed


async def iterator_closed(client: Any) -> Any:
    """As the interpreter does with what a program has dropped."""
    stream = await start(client)
    chunk, iterator = await step(stream), stream._iterator
    await wait(iterator.aclose() if hasattr(iterator, "aclose") else iterator.close())
    return chunk, stream.response.is_closed


async def raw_parsed(client: Any) -> Any:
    create = client.chat.completions.with_raw_response.create
    response = await wait(create(model="gpt-4o", messages=QUESTION, stream=True))
    return [chunk async for chunk in each(response.parse())]


async def raw_lines(client: Any) -> Any:
    create = client.chat.completions.with_streaming_response.create
    async with entered(create(model="gpt-4o", messages=QUESTION, stream=True)) as response:
        return [line async for line in each(response.iter_lines())]


async def tool(client: Any) -> Any:
    @llm_otel.tool("find")
    def find(x: int) -> int:
        return x + 1

    with llm_otel.workflow("all") as run:
        return find(1), type(run).__name__


async def summed(client: Any) -> Any:
    with llm_otel.workflow("all"):
        answer = await chat(client)
        llm_otel.current_totals()
        return answer


async def tool_of_a_server(client: Any) -> Any:
    server: Any = MCPServer("stage")

    @server.tool()
    def find(x: int) -> int:
        return x + 1

    async with Client(server) as session:
        result = await session.call_tool("find", {"x": 1})
    return result.structured_content, result.is_error


async def searched(client: Any) -> Any:
    store = QdrantClient(":memory:")
    size = models.VectorParams(size=2, distance=models.Distance.COSINE)
    store.create_collection("pages", size)
    store.upsert("pages", [models.PointStruct(id=1, vector=[1.0, 0.0])])
    points = store.query_points("pages", query=[1.0, 0.0]).points
    store.close()
    return [point.id for point in points]


async def attributed(client: Any) -> Any:
    with llm_otel.attribution(tenant_id="acme"):
        return 1


async def scored(client: Any) -> Any:
    llm_otel.score("relevance", 1)
    llm_otel.outcome(success=True)


class _Child:
    def after_fork(self) -> None:
        _fail()


async def forked(client: Any) -> Any:
    """What a fork runs in the child, run here."""
    child = _Child()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fork, "_methods", [])
        fork.after_in_child(child.after_fork)
        fork._run_in_child()


async def installed(client: Any) -> Any:
    imports.guarded(lambda: stainless._install(CLIENT))


async def functions_installed(client: Any) -> Any:
    hooks = list(toysdk_llm_otel.CLIENT.hooks)
    imports.guarded(lambda: functions._install(toysdk_llm_otel.CLIENT, "toysdk.client", hooks))


async def framework_told(client: Any) -> Any:
    """A framework's callback."""
    guarded(_fail)()


async def framework_removed(client: Any) -> Any:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(frameworks, "_removals", {"toy": _fail})
        frameworks.remove_all()


_PATH, _BODY = "/models/toy:say", {"text": "Hi"}


async def toy_asked(client: Any) -> Any:
    return client.ask(_PATH, _BODY)


async def toy_posted(client: Any) -> Any:
    return client.post(_PATH, _BODY).text


async def toy_chunks(client: Any) -> Any:
    return list(client.chunks(_PATH, _BODY))


async def toy_lines(client: Any) -> Any:
    return list(client.lines(_PATH, _BODY))


async def toy_texts(client: Any) -> Any:
    """Lines of a stream whose usage is asked for."""
    body = {"model": "toy-1", "messages": [], "stream": True}
    return [line for line in client.texts("/chat/completions", body) if line]


async def toy_opened(client: Any) -> Any:
    with client.opened(_PATH, _BODY) as response:
        return response.read()


async def boto_invoked(client: Any) -> Any:
    return boto.invoke(client, boto.LLAMA, boto.LLAMA_ASK)["body"].read()


async def boto_closed(client: Any) -> Any:
    return boto.invoke(client, boto.LLAMA, boto.LLAMA_ASK)["body"].close()


async def spoken(client: Any) -> Any:
    """Two responses over a WebSocket; the second is left."""
    with serving(lambda _event: sockets.spoken("resp_1")) as server:
        own = openai.AsyncOpenAI(base_url=server.url, api_key="test")
        async with own.realtime.connect(model="gpt-realtime") as connection:
            await connection.response.create()
            events = await sockets.until(connection, "response.done")
            await connection.response.create()
            return [event.type for event in events]


async def zero_code(client: Any) -> Any:
    LlmOtelInstrumentor()._instrument(setup=False)


async def at_exit(client: Any) -> Any:
    ending = AtExit()
    ending.watch(_fail)
    return ending.close(5)


class _Failing:
    def force_flush(self, _milliseconds: int) -> bool:
        return bool(_fail())


async def flushed(client: Any) -> Any:
    return flushing.flush([_Failing()], 5)


async def on_sigterm(client: Any) -> Any:
    SigtermFlush(_fail).install()
    return signal.getsignal(signal.SIGTERM)


# ------------------------------------------------------------------ how to make each block fail
@dataclass(frozen=True)
class Row:
    """A way to make one guarded block fail, twice, once in each run of a program.

    Attributes:
        run: The program.
        broken: What raises when it is called; None when something else does.
        replies: The server's, for one run.
        settings: Those of `instrument()`.
        place: Where it runs.
        processor: A span processor of the application that raises stands behind ours.
        differs: The program may see more than without us: what we could not hide.
        times: How often the block fails in one run; None where the content decides.
        also: What else is put in place of what.
        beside: The other blocks that fail then.
    """

    run: Run
    broken: str | None = None
    replies: tuple[Reply, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    place: Place = SYNC
    processor: bool = False
    differs: bool = False
    times: int | None = 1
    also: dict[str, Any] = field(default_factory=dict)
    beside: tuple[str, ...] = ()


_MCP = "llm_otel.mcp"
_CONTENT = {"capture_content": "span_and_event"}
_ALWAYS = {"stream_usage": "always"}
_WHOLE = (events(CHUNK, CHUNK, END),)
_CUT = (events(CHUNK, done=False, ending="cut"),)
_REFUSED = (reply({"error": {"message": "no"}}, 400),)
_TOY = Place(False, make=toysdk.Client)
_BOTO = Place(False, open=lambda server: boto.CLIENT.make(server, False))
_BOTO_CUT = (Reply(body=b"x" * 500, ending="cut"),)
_TOY_WHOLE = (reply({"stop": "end"}),)
_CORE = "llm_otel.core"
_SEAMS = "llm_otel.seams"
_PROTOCOLS = "llm_otel.protocols.openai"
_CHAT = f"{_PROTOCOLS}.chat"

ROWS: dict[str, tuple[Row, ...]] = {
    "begin": (
        Row(chat, f"{_CORE}.begin.provider_context"),
        Row(drained, f"{_CORE}.begin._may_ask", place=Place(False, PROVEN)),
        Row(chat, f"{_CORE}.call.current"),
        Row(chat, "opentelemetry.sdk.trace.Tracer.start_span"),
        Row(chat, f"{_CORE}.rivals.span_maker", place=ASYNC),
        Row(toy_asked, "toysdk_llm_otel.request_of", _TOY_WHOLE, place=_TOY),
        Row(toy_lines, "toysdk_llm_otel.request_of", _TOY_WHOLE, place=_TOY),
        Row(boto_invoked, place=_BOTO, also={"llm_otel.clients.botocore._SERVICES": None}),
    ),
    "ask for usage": (
        Row(drained, "copy.copy", (events(CHUNK, END),), place=Place(False, PROVEN)),
        Row(
            toy_texts,
            "llm_otel.protocols.spec.Request._replace",
            (events(CHUNK, END),),
            _ALWAYS,
            _TOY,
        ),
    ),
    "enrich": (Row(chat_in_a_span, f"{_CORE}.peer_spans.enrich"),),
    "protect": (Row(tool, f"{_CORE}.peer_spans.protect", times=2),),
    "returned inside": (
        Row(chat_in_a_span, f"{_SEAMS}.stainless._is_read_later", beside=("returned",)),
    ),
    "span start": (Row(spans_counted, "llm_otel.sdk.span_metrics._Open"),),
    "span end": (Row(spans_counted, "llm_otel.sdk.span_metrics.reading"),),
    "price spans": (Row(spans_counted, "llm_otel.sdk.priced._told"),),
    "describe request": (Row(chat, f"{_CHAT}.Chat.request_attributes"),),
    "received": (
        Row(chat, f"{_CORE}.call.Call.received"),
        Row(drained, f"{_CORE}.call.Call.received"),
        Row(chat, replies=_REFUSED, also={f"{_SEAMS}.stainless._COUNT": None}),
        Row(boto_invoked, "llm_otel.clients.botocore.ResponseHeaders", place=_BOTO),
    ),
    "returned": (
        Row(drained, f"{_CORE}.byte_streams.watch_response", _WHOLE),
        Row(drained, f"{_CORE}.streams.observe", _WHOLE),
        Row(raw_lines, f"{_CORE}.byte_streams.watch_response", _WHOLE, place=ASYNC),
        Row(chat, processor=True),
        Row(toy_posted, "llm_otel.seams.functions._is_whole", _TOY_WHOLE, place=_TOY),
        Row(toy_opened, f"{_CORE}.byte_streams.watch_response", _TOY_WHOLE, place=_TOY),
    ),
    "failed": (Row(chat, replies=_REFUSED, processor=True),),
    "abandon": (
        Row(
            drained,
            f"{_CORE}.byte_streams.watch_response",
            _WHOLE,
            processor=True,
            beside=("returned",),
        ),
    ),
    "read answer": (
        Row(chat, f"{_CHAT}.Chat.answer"),
        Row(drained, f"{_CHAT}.Choices.answer"),
        Row(chat, "llm_otel.base.read.successful_body", _REFUSED),
        Row(toy_asked, "toysdk_llm_otel.node_of", _TOY_WHOLE, place=_TOY),
        Row(toy_posted, "toysdk_llm_otel.Toy.answer", (reply({}, 500),), place=_TOY),
    ),
    "classify": (Row(chat, f"{_CORE}.errors.full_name", _REFUSED),),
    "measure": (
        Row(chat, f"{_CORE}.headroom.Headroom.keep"),
        Row(chat, also={f"{_CORE}.metrics.semconv_metrics.points": lambda *_: object()}),
        Row(drained, f"{_CORE}.metrics.semconv_metrics.points"),
    ),
    "count": (
        Row(chat, f"{_CORE}.billing.bill"),
        Row(chat, "llm_otel.pricing.Pricing.cost"),
        Row(drained, f"{_CORE}.polled_usage.countable"),
    ),
    "describe": (
        Row(chat, f"{_CORE}.describe.end_attributes"),
        Row(chat, f"{_CORE}.describe.content", settings=_CONTENT),
    ),
    "watch stream": (
        Row(drained, f"{_CHAT}.Chat.fold"),
        Row(drained, f"{_CHAT}.Chat.fold", place=ASYNC),
        Row(toy_chunks, f"{_SEAMS}.objects.put", _TOY_WHOLE, place=_TOY),
        Row(toy_lines, f"{_SEAMS}.iterators._generator", _TOY_WHOLE, place=_TOY),
    ),
    "watch manager": (Row(toy_opened, f"{_SEAMS}.objects.put", _TOY_WHOLE, place=_TOY),),
    "watch body": (Row(boto_invoked, f"{_SEAMS}.objects.put", place=_BOTO),),
    "read body": (Row(boto_invoked, f"{_SEAMS}.bodies._Body.take", place=_BOTO),),
    "body read": (Row(boto_invoked, processor=True, place=_BOTO),),
    "body left": (Row(boto_closed, processor=True, place=_BOTO),),
    "body failed": (Row(boto_invoked, replies=_BOTO_CUT, processor=True, place=_BOTO),),
    "read chunk": (
        Row(drained, f"{_CHAT}.Choices.add"),
        Row(drained, f"{_CHAT}_content.ChatAccumulator.add", settings=_CONTENT),
        Row(toy_lines, "toysdk_llm_otel.node_of", _TOY_WHOLE, place=_TOY),
    ),
    "hide usage": (
        Row(
            toy_texts,
            f"{_CHAT}.Chat.hide_in_event",
            (events(CHUNK, END),),
            _ALWAYS,
            _TOY,
            differs=True,
            times=None,
        ),
        Row(
            drained,
            f"{_CHAT}.Chat.hide",
            (events(CHUNK, END),),
            place=Place(False, PROVEN),
            differs=True,
            times=3,
        ),
    ),
    "filter stream": (
        Row(
            raw_parsed,
            f"{_SEAMS}.event_filter.Filter._events",
            (events(CHUNK, END),),
            place=Place(False, PROVEN),
            differs=True,
        ),
    ),
    "stream left": (
        Row(iterator_closed, replies=_WHOLE, processor=True),
        Row(iterator_closed, replies=_WHOLE, processor=True, place=ASYNC),
    ),
    "stream failed": (
        Row(drained, replies=_CUT, processor=True),
        Row(drained, replies=_CUT, processor=True, place=ASYNC),
    ),
    "stream drained": (
        Row(drained, processor=True),
        Row(drained, processor=True, place=ASYNC),
    ),
    "stream closed": (
        Row(closed_unread, processor=True),
        Row(closed_unread, processor=True, place=ASYNC),
    ),
    "raw body closed": (
        Row(raw_lines, f"{_CORE}.byte_streams._decoded"),
        Row(raw_lines, processor=True, place=ASYNC),
    ),
    "redact": (Row(chat, settings={**_CONTENT, "redact": _fail}, times=None),),
    "completion_hook": (
        Row(chat, settings={"completion_hook": SimpleNamespace(on_completion=_fail)}),
    ),
    "deferred price": (
        Row(
            chat,
            "llm_otel.pricing.Pricing.cost",
            also={
                "llm_otel.pricing.Pricing.ready": False,
                "llm_otel.pricing.Pricing.defer": lambda _, work: work(),
            },
        ),
    ),
    "step": (
        Row(tool, f"{_CORE}.steps.current_attribution", times=2),
        Row(tool, f"{_CORE}.metrics.step_durations.record", times=2, beside=("roll up",)),
    ),
    "roll up": (
        Row(tool, f"{_CORE}.steps.attributes"),
        Row(summed, f"{_CORE}.rollup.calls._add_usage"),
    ),
    "own call": (
        Row(own_call, "llm_otel.call_facts.own.endpoint"),
        Row(own_call, "llm_otel.call_facts.set_usage"),
        Row(own_call, f"{_CORE}.own_calls.OwnCall.concluded"),
    ),
    "totals": (Row(summed, f"{_CORE}.rollup.sums.get_current"),),
    "step end": (Row(tool, processor=True, times=2),),
    "step content": (Row(tool, f"{_CORE}.steps.captured", settings=_CONTENT, times=2),),
    "mcp": (
        Row(tool_of_a_server, f"{_MCP}.sdk_v2.Exchange", place=ASYNC, times=None),
        Row(tool_of_a_server, f"{_MCP}.transports.of_request", place=ASYNC, times=None),
        Row(tool_of_a_server, f"{_MCP}.exchange._failure", place=ASYNC, times=None),
        Row(tool_of_a_server, f"{_MCP}.exchange.Exchange._measure", place=ASYNC, times=None),
    ),
    "mcp end": (Row(tool_of_a_server, processor=True, place=ASYNC, times=None),),
    "store": (
        Row(searched, "llm_otel.stores.hooks._search"),
        Row(searched, "llm_otel.stores.hooks._described"),
    ),
    "enclosing step": (Row(chat, also={f"{_CORE}.enclosing.finders": (lambda: _fail(),)}),),
    "framework": (Row(framework_told),),
    "uninstall": (Row(framework_removed),),
    "attribution": (Row(attributed, "llm_otel.base.activation.set_value"),),
    "score": (Row(scored, f"{_CORE}.metrics.feedback.score"),),
    "outcome": (Row(scored, f"{_CORE}.metrics.feedback.outcome"),),
    "fork": (Row(forked),),
    "install": (
        Row(installed, f"{_SEAMS}.stainless._install"),
        Row(functions_installed, f"{_SEAMS}.functions._fits"),
    ),
    "websocket": (
        Row(spoken, f"{_SEAMS}.websockets.hooks._begin", place=ASYNC),
        Row(spoken, f"{_SEAMS}.websockets.hooks._opened", place=ASYNC),
        Row(spoken, f"{_SEAMS}.websockets.session.Session.sending", place=ASYNC, times=2),
        Row(spoken, f"{_SEAMS}.websockets.session.Session.received", place=ASYNC, times=None),
        Row(spoken, f"{_PROTOCOLS}.common.OpenAI.fold", place=ASYNC, times=None),
        Row(spoken, f"{_PROTOCOLS}.events.Events.add", place=ASYNC, times=None),
        Row(spoken, processor=True, place=ASYNC, times=None),
    ),
    "instrument": (Row(zero_code, "llm_otel.instrument"),),
    "exit": (Row(at_exit),),
    "flush": (Row(flushed),),
    "sigterm": (Row(on_sigterm, "llm_otel.sdk.sigterm._on_gevent"),),
    "console": (Row(chat, "llm_otel.sdk.console.line", settings={"console": True}),),
}

CASES = [
    pytest.param(site, row, id=f"{site}-{number}")
    for site, rows in ROWS.items()
    for number, row in enumerate(rows)
]


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(("site", "row"), CASES)
def test_fault(server: Provider, monkeypatch: pytest.MonkeyPatch, site: str, row: Row) -> None:
    """The program behaves the same; one line, two counts, no span open, nothing active."""
    monkeypatch.setattr(guard, "strict", False)
    program = Program(row.run, row.replies)
    with _broken(row):
        bare = run(program, server, row.place)
    monkeypatch.setattr(guard, "_logged", set())
    with watched(**row.settings) as watch:
        if row.processor:
            watch.tracer_provider.add_span_processor(_FailingProcessor())
        with _broken(row):
            ours = [run(program, server, row.place) for _ in range(2)]
            gc.collect()
    for record in ours:
        if row.differs:
            assert record.outcome[0] == "returned", record.outcome
        else:
            assert record.outcome == bare.outcome, difference(bare, record)
    _check(watch, site, row.times, row.beside)


@contextmanager
def _broken(row: Row) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        if row.broken is not None:
            patched.setattr(row.broken, _fail)
        for name, value in row.also.items():
            patched.setattr(name, value)
        yield


def _check(watch: Watch, site: str, times: int | None, beside: tuple[str, ...]) -> None:
    lines = [line for line in watch.log if line.startswith(f"llm-otel failed in {site!r}")]
    assert len(lines) == 1, watch.log
    others = {line.split("'")[1] for line in watch.log if line.startswith("llm-otel failed in")}
    assert others == {site, *beside}, watch.log
    assert not any("prompt" in line for line in watch.log), watch.log
    counted = watch.value("llm_otel.internal_errors", site=site)
    assert counted == 2 * times if times is not None else counted >= 2, counted
    watch.check_ended()


# ------------------------------------------------------------------ the table is complete
# Handlers in base/ and core/ that need no guard, and why.
UNGUARDED = {
    "finalizers._put": "gevent's queue in a thread without a loop; a finaliser logs nothing",
    "finalizers._end_and_wait": "gevent's loop itself must not wait",
    "finalizers._work": "what ends is guarded; the rest is an application's span processor's",
    "otel_internals.forget_measurements": "warns by itself",
    "otel_internals.set_attributes": "warns by itself, and takes the public way",
    "guard.handle": "the guard itself",
    "streams.observe": "a chunk of another kind is looked at by a call",
    "streams.observe_async": "the same",
    "streams.see": "the same",
    "byte_streams.__del__": "the interpreter may be going down",
    "byte_streams._decoded": "a body that was cut off: nothing to learn from it",
    "read.get": "an object of the program's own class runs its own code",
    "read.fields": "the same",
    "arguments._tried": "a value of the program's own class runs its own code",
    "rivals._rival": "a stranger's object runs its own code",
}


def _modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        if "testing" not in path.relative_to(SOURCE).parts:
            yield path, ast.parse(path.read_text())


_GUARDS = ("guard.handle", "endings.end", "endings.fail", "end")


def _sites(tree: ast.AST) -> Iterator[str]:
    """First arguments of calls of the guard, and of `endings`, which hands them on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _GUARDS:
            first = node.args[0]
            if isinstance(first, ast.Constant):
                yield first.value
            else:
                assert ast.unparse(first) == "site", ast.unparse(node)


def test_every_guarded_block_has_a_row() -> None:
    """A new guarded block needs a row that makes it fail; a row without a block is out of date."""
    found = {site for _, tree in _modules() for site in _sites(tree)}
    assert sorted(found) == sorted(ROWS)


def _handlers(tree: ast.AST) -> Iterator[tuple[str, ast.ExceptHandler]]:
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            handlers = [each for each in ast.walk(function) if isinstance(each, ast.ExceptHandler)]
            for each in handlers:
                if each.type is None or ast.unparse(each.type) in ("Exception", "BaseException"):
                    yield function.name, each


def _passes_on(handler: ast.ExceptHandler) -> bool:
    """It raises again, or throws into the generator that it stands for."""
    return any(
        isinstance(node, ast.Raise) or (isinstance(node, ast.Attribute) and "throw" in node.attr)
        for node in ast.walk(handler)
    )


def test_every_broad_handler_in_the_core_is_guarded() -> None:
    """Where calls run, `except Exception` tells the guard, passes on, or is explained above."""
    found = {
        f"{path.stem}.{name}"
        for path, tree in _modules()
        if path.relative_to(SOURCE).parts[0] in ("base", "content", "core", "protocols", "seams")
        for name, handler in _handlers(tree)
        if not any(_sites(handler)) and not _passes_on(handler) and name != "end"
    }
    assert found == set(UNGUARDED), found ^ set(UNGUARDED)
