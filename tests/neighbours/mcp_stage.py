"""An MCP server and its client, over the transports of whichever SDK is installed.

As a program it is the server: over pipes, with its telemetry written to a file at the end.
"""

from __future__ import annotations

import dataclasses
import json
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
import openai
from opentelemetry import trace

from llm_otel.testing import SpanRecord, capture

NEW = not version("mcp").startswith("1.")
if NEW:
    from mcp.shared import _otel  # before there is a provider, which its tracer would keep
BAGGAGE = ("tenant_id", "feature")
QUESTION: Any = [{"role": "user", "content": "Is it raining?"}]


def server(url: str) -> Any:
    """A server whose tool asks a model, whose other tool fails, and that has a prompt."""
    if NEW:
        from mcp.server.mcpserver import MCPServer as Server
    else:
        from mcp.server.fastmcp import FastMCP as Server

    made: Any = Server("stage")

    @made.tool()
    def weather(city: str) -> str:
        with openai.OpenAI(base_url=url, api_key="x") as client:
            answer = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
        return f"{city}: {answer.choices[0].message.content}"

    @made.tool()
    def broken() -> str:
        raise ValueError("the secret of the tool")

    @made.tool()
    async def endless() -> str:
        await anyio.sleep(1)
        return "late"

    @made.prompt()
    def greeting(name: str) -> str:
        return f"Hello {name}"

    return made


@contextmanager
def traced(telemetry: Any) -> Iterator[None]:
    """The SDK's own tracer on the captured provider: it keeps the first one of a process."""
    provider = telemetry._memory.tracer_provider
    before = trace._TRACER_PROVIDER
    trace._TRACER_PROVIDER = provider
    try:
        if NEW:
            kept, _otel._tracer = _otel._tracer, provider.get_tracer("mcp-python-sdk")
            try:
                yield
            finally:
                _otel._tracer = kept
        else:
            yield
    finally:
        trace._TRACER_PROVIDER = before


@contextmanager
def serving(made: Any) -> Iterator[str]:
    """Serves over streamable HTTP, in a thread; gives the address."""
    import uvicorn

    app = made.streamable_http_app()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    config = uvicorn.Config(app, log_level="error", lifespan="on")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
    finally:
        running.should_exit = True
        thread.join()
        listening.close()


@asynccontextmanager
async def over_http(address: str) -> AsyncIterator[Any]:
    """A session of a client over streamable HTTP, initialised."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async with (
        streamable_http_client(address) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        yield session


@asynccontextmanager
async def over_pipes(url: str, written: Path) -> AsyncIterator[Any]:
    """The same with this file as a server of its own process."""
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client

    program = StdioServerParameters(
        command=sys.executable,
        args=[__file__, url, str(written)],
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    async with (
        stdio_client(program) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        yield session


def spans_in(written: Path) -> list[SpanRecord]:
    """The spans of the server that has ended."""
    records = json.loads(written.read_text())
    return [SpanRecord(**{**each, "events": ()}) for each in records]


def main() -> None:
    """Serve over pipes until the client leaves."""
    url, written = sys.argv[1:]
    made = server(url)
    with capture(setup=False, baggage=BAGGAGE) as telemetry, traced(telemetry):
        made.run("stdio")
    Path(written).write_text(json.dumps([dataclasses.asdict(each) for each in telemetry.spans]))


if __name__ == "__main__":
    main()
