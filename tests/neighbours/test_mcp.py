"""MCP: one trace over both sides, by the conventions, on the SDK's versions 1 and 2."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from neighbours.mcp_stage import (
    BAGGAGE,
    NEW,
    over_http,
    over_pipes,
    server,
    serving,
    spans_in,
    traced,
)

import llm_otel
from llm_otel.testing import Provider, SpanRecord, Telemetry

Instrument = Callable[..., Telemetry]
Connect = Callable[[], AbstractAsyncContextManager[Any]]
Work = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's servers configure the root logger."""
    import logging

    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)


class Stage:
    """A client and a server with what each of them recorded."""

    def __init__(self, telemetry: Telemetry, written: Path, url: str) -> None:
        self.telemetry = telemetry
        self._written = written
        self._url = url

    def http(self, work: Work) -> list[SpanRecord]:
        """Work with a session over HTTP: the spans of both sides."""
        with traced(self.telemetry), serving(server(self._url)) as address:

            async def main() -> None:
                async with over_http(address) as session:
                    await work(session)

            asyncio.run(main())
        return self.telemetry.spans

    def pipes(self, work: Work) -> list[SpanRecord]:
        """The same over pipes, with the server in a process of its own."""

        async def main() -> None:
            async with over_pipes(self._url, self._written) as session:
                await work(session)

        with traced(self.telemetry):
            asyncio.run(main())
        return [*self.telemetry.spans, *spans_in(self._written)]


@pytest.fixture
def stage(instrumented: Instrument, p: Provider, tmp_path: Path) -> Stage:
    return Stage(instrumented(baggage=BAGGAGE), tmp_path / "spans.json", p.url)


def one(spans: list[SpanRecord], name: str, kind: str) -> SpanRecord:
    """The one span of a name and a kind."""
    found = [each for each in spans if (each.name, each.kind) == (name, kind)]
    assert len(found) == 1, [(each.name, each.kind) for each in spans]
    return found[0]


async def ask(session: Any) -> None:
    """Call the tool for a tenant, in a workflow."""
    with llm_otel.attribution(tenant_id="acme", feature="travel"), llm_otel.workflow("trip"):
        await session.call_tool("weather", {"city": "Oslo"})


@pytest.mark.parametrize("transport", ["http", "pipes"])
def test_one_tree_over_both_sides(stage: Stage, transport: str) -> None:
    """From the workflow by the client's and the server's span to the tool's call of a model, which
    is counted for the tenant."""
    spans = getattr(stage, transport)(ask)
    workflow = one(spans, "invoke_workflow trip", "INTERNAL")
    client = one(spans, "tools/call weather", "CLIENT")
    served = one(spans, "tools/call weather", "SERVER")
    call = one(spans, "chat gpt-4o-mini", "CLIENT")
    chain = [each.parent_id for each in (client, served, call)]
    assert chain == [workflow.span_id, client.span_id, served.span_id]
    for span in (client, served, call):
        assert span.attributes["tenant_id"] == "acme", span
        assert span.attributes["feature"] == "travel", span


@pytest.mark.parametrize("transport", ["http", "pipes"])
def test_attributes_by_the_conventions(stage: Stage, transport: str) -> None:
    """Method, tool, protocol and transport on both sides; over HTTP the session and the host."""
    spans = getattr(stage, transport)(ask)
    network = {"http": ("tcp", "http"), "pipes": ("pipe", None)}[transport]
    sides = [one(spans, "tools/call weather", kind).attributes for kind in ("CLIENT", "SERVER")]
    for attributes in sides:
        assert attributes["mcp.method.name"] == "tools/call"
        assert attributes["gen_ai.operation.name"] == "execute_tool"
        assert attributes["gen_ai.tool.name"] == "weather"
        assert attributes["mcp.protocol.version"].startswith("20")
        assert attributes["jsonrpc.request.id"]
        found = attributes["network.transport"], attributes.get("network.protocol.name")
        assert found == network, attributes
    if transport == "http":
        client, served = sides
        assert client["mcp.session.id"] == served["mcp.session.id"] != ""
        assert client["server.address"] == "127.0.0.1"
        assert client["server.port"] > 0


@pytest.mark.parametrize("transport", ["http", "pipes"])
def test_a_tool_error_is_an_error(stage: Stage, transport: str) -> None:
    """A result that says so fails both spans, and what the tool said stays out."""

    async def work(session: Any) -> None:
        result = await session.call_tool("broken", {})
        assert getattr(result, "is_error", None) or result.isError

    spans = getattr(stage, transport)(work)
    for kind in ("CLIENT", "SERVER"):
        span = one(spans, "tools/call broken", kind)
        assert (span.status, span.attributes["error.type"]) == ("ERROR", "tool_error"), span
        assert "secret" not in repr(span)


def test_an_error_of_the_protocol_is_an_error(stage: Stage) -> None:
    """The exception reaches the caller; its code is on the client's span and metric."""
    codes = []

    async def work(session: Any) -> None:
        try:
            await session.get_prompt("nothing like it")
        except Exception as exc:
            codes.append(str(exc.error.code))  # type: ignore[attr-defined]

    spans = stage.http(work)
    span = one(spans, "prompts/get nothing like it", "CLIENT")
    assert [span.attributes["error.type"]] == codes
    assert span.attributes["rpc.response.status_code"] == codes[0]
    assert span.status == "ERROR"
    failed = stage.telemetry.count(
        "mcp.client.operation.duration",
        **{"mcp.method.name": "prompts/get", "error.type": codes[0]},
    )
    assert failed == 1


def test_a_cancelled_request_ends(stage: Stage) -> None:
    """The caller's own limit ends the request as without us, and the session goes on."""

    async def work(session: Any) -> None:
        with anyio.move_on_after(0.1) as limit:
            await session.call_tool("endless", {})
        assert limit.cancelled_caught
        await session.call_tool("weather", {"city": "Oslo"})

    spans = stage.http(work)
    assert one(spans, "tools/call weather", "CLIENT").status == "UNSET"
    tool = {"gen_ai.tool.name": "endless"}
    (point,) = stage.telemetry.points("mcp.client.operation.duration", **tool)
    assert (point.count, point.attributes["error.type"]) == (
        1,
        "asyncio.exceptions.CancelledError",
    )
    assert one(spans, "tools/call endless", "CLIENT").attributes["gen_ai.tool.name"] == "endless"


def test_durations_on_both_sides(stage: Stage) -> None:
    """Once a request, by method and tool."""

    async def work(session: Any) -> None:
        await session.call_tool("weather", {"city": "Oslo"})
        await session.call_tool("weather", {"city": "Rome"})
        await session.call_tool("broken", {})

    stage.http(work)
    for side in ("client", "server"):
        metric = f"mcp.{side}.operation.duration"
        tool = {"mcp.method.name": "tools/call", "gen_ai.tool.name": "weather"}
        assert stage.telemetry.count(metric, **tool) == 2, side
        assert stage.telemetry.count(metric, **{"error.type": "tool_error"}) == 1, side
        assert stage.telemetry.count(metric, **{"mcp.method.name": "initialize"}) in (0, 1), side


@pytest.mark.parametrize("name", ["weather", "forecast"])
def test_inside_a_tools_span_there_is_no_second_execution(stage: Stage, name: str) -> None:
    """The client's side is one `execute_tool`: the span around, which says how it is reached where
    it is of the same tool."""

    async def work(session: Any) -> None:
        with llm_otel.tool(name):
            await session.call_tool("weather", {"city": "Oslo"})

    spans = stage.http(work)
    tools = [
        each
        for each in spans
        if each.attributes.get("gen_ai.operation.name") == "execute_tool" and each.kind != "SERVER"
    ]
    assert [each.name for each in tools] == [f"execute_tool {name}"]
    assert ("mcp.session.id" in tools[0].attributes) == (name == "weather")
    own = [each for each in spans if (each.name, each.kind) == ("tools/call weather", "CLIENT")]
    assert len(own) == (1 if NEW or name == "forecast" else 0)


def test_a_failing_tool_inside_a_tools_span_fails_that(stage: Stage) -> None:
    """A result that says the tool failed raises nothing: the span of that tool says it."""

    async def work(session: Any) -> None:
        with llm_otel.tool("broken"):
            await session.call_tool("broken", {})
        with llm_otel.tool("retry"):
            await session.call_tool("broken", {})

    spans = stage.http(work)
    assert one(spans, "execute_tool broken", "INTERNAL").error == "tool_error"
    assert one(spans, "execute_tool retry", "INTERNAL").status == "UNSET"


def test_content_by_opt_in(instrumented: Instrument, p: Provider, tmp_path: Path) -> None:
    """Arguments and results are on spans where the setting says so, and else nowhere."""
    for capture_content in ("no_content", "span_only"):
        telemetry = instrumented(capture_content=capture_content)
        spans = Stage(telemetry, tmp_path, p.url).http(ask)
        span = one(spans, "tools/call weather", "CLIENT")
        recorded = "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"
        assert all(("Oslo" in span.attributes.get(name, "")) for name in recorded) == (
            capture_content == "span_only"
        ), span.attributes


def test_without_the_setting_no_baggage_is_believed(
    instrumented: Instrument, p: Provider, tmp_path: Path
) -> None:
    """The allow list holds at the server: what it does not name is neither sent nor read."""
    spans = Stage(instrumented(baggage=()), tmp_path, p.url).http(ask)
    served = one(spans, "tools/call weather", "SERVER")
    assert "tenant_id" not in served.attributes
    assert "tenant_id" not in one(spans, "chat gpt-4o-mini", "CLIENT").attributes


def test_switched_off(instrumented: Instrument, p: Provider, tmp_path: Path) -> None:
    """With the setting the SDK does what it does without us."""
    telemetry = instrumented(mcp=False, baggage=BAGGAGE)
    spans = Stage(telemetry, tmp_path, p.url).http(ask)
    names = [each.name for each in spans if each.kind == "CLIENT" and "weather" in each.name]
    assert names == (["MCP send tools/call weather"] if NEW else [])
    assert "mcp.client.operation.duration" not in telemetry.metrics()


def test_spans_without_a_global_provider(
    instrumented: Instrument, p: Provider, tmp_path: Path
) -> None:
    """Where the SDK's own spans would go nowhere, as no provider is set, there are ours."""
    telemetry = instrumented(baggage=BAGGAGE)

    async def main(address: str) -> None:
        async with over_http(address) as session:
            await ask(session)

    with serving(server(p.url)) as address:
        asyncio.run(main(address))
    served = one(telemetry.spans, "tools/call weather", "SERVER")
    assert served.parent == "tools/call weather"
    assert served.attributes["tenant_id"] == "acme"


@asynccontextmanager
async def in_process(made: Any) -> AsyncIterator[Any]:
    """A client in the server's own process."""
    if NEW:
        from mcp import Client

        async with Client(made) as client:
            yield client
    else:
        from mcp.shared.memory import create_connected_server_and_client_session

        async with create_connected_server_and_client_session(made._mcp_server) as session:
            yield session


def test_in_one_process(instrumented: Instrument, p: Provider) -> None:
    """A server that is called directly is in the tree, too, with no transport to name."""
    telemetry = instrumented(baggage=BAGGAGE)

    async def main() -> None:
        async with in_process(server(p.url)) as session:
            await ask(session)

    with traced(telemetry):
        asyncio.run(main())
    client = one(telemetry.spans, "tools/call weather", "CLIENT")
    served = one(telemetry.spans, "tools/call weather", "SERVER")
    assert served.parent_id == client.span_id
    assert "network.transport" not in client.attributes


def test_undone(p: Provider) -> None:
    """After `uninstrument()` the SDK's functions are its own again."""
    import mcp.client.stdio
    from mcp.client.streamable_http import StreamableHTTPTransport

    before = mcp.client.stdio.stdio_client, StreamableHTTPTransport.post_writer, mcp.stdio_client
    llm_otel.instrument(setup=False)
    try:
        assert mcp.stdio_client is not before[0]
        assert mcp.stdio_client is mcp.client.stdio.stdio_client
    finally:
        llm_otel.uninstrument()
    after = mcp.client.stdio.stdio_client, StreamableHTTPTransport.post_writer, mcp.stdio_client
    assert after == before


PRIVATE = (
    [
        ("mcp.shared.jsonrpc_dispatcher", "JSONRPCDispatcher", "_write"),
        ("mcp.shared.jsonrpc_dispatcher", "JSONRPCDispatcher", "_resolve_pending"),
        ("mcp.server._otel", "OpenTelemetryMiddleware", "__call__"),
    ]
    if NEW
    else [("mcp.server.lowlevel.server", "Server", "_handle_request")]
)


@pytest.fixture
def renamed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that the SDK keeps private has another signature, as in a version to come."""
    import importlib

    module, owner, name = request.param
    cls = getattr(importlib.import_module(module), owner)
    original = getattr(cls, name)

    def other(self: Any, *anything: Any, **more: Any) -> Any:
        return original(self, *anything, **more)

    monkeypatch.setattr(cls, name, other)


@pytest.mark.parametrize("renamed", PRIVATE, ids=lambda each: each[2], indirect=True)
def test_a_private_name_that_has_changed(
    renamed: None,
    instrumented: Instrument,
    p: Provider,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One warning; the program goes on, and what stands on public names is still there."""
    from llm_otel.mcp import sdk_v2

    sdk_v2._warn.cache_clear()
    telemetry = instrumented(baggage=BAGGAGE)
    Stage(telemetry, tmp_path, p.url).http(ask)
    warnings = [each.message for each in caplog.records if each.name == "llm_otel"]
    assert any("mcp" in each for each in warnings), warnings
    assert telemetry.count("mcp.client.operation.duration", **{"gen_ai.tool.name": "weather"}) == 1


def test_the_callers_request_stays_as_it_is(stage: Stage) -> None:
    """What travels in `_meta` beside it is put into what is written, not into the caller's."""
    if NEW:
        pytest.skip("SDK 2 writes it itself")
    from mcp import types

    request = types.ClientRequest(
        types.CallToolRequest(
            params=types.CallToolRequestParams(name="weather", arguments={"city": "Oslo"})
        )
    )
    before = request.model_dump()

    async def work(session: Any) -> None:
        await session.send_request(request, types.CallToolResult)

    spans = stage.http(work)
    assert request.model_dump() == before
    client = one(spans, "tools/call weather", "CLIENT")
    assert one(spans, "tools/call weather", "SERVER").parent_id == client.span_id


def test_nothing_is_imported() -> None:
    """`instrument()` leaves it to the program whether there is MCP at all."""
    program = (
        "import sys, llm_otel; llm_otel.instrument(setup=False); import openai; "
        "print('mcp' in sys.modules, 'llm_otel.mcp.sdk_v2' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "False False", ran.stdout
