"""A local server of OpenAI's protocols over a WebSocket, and programs for either client."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import openai

Events = list[dict[str, Any]]
# What the server answers to an event of the client's; None closes the connection.
Script = Callable[[dict[str, Any]], "Events | None"]


class Server:
    """What came in, over all connections."""

    def __init__(self, script: Script, greeting: Events) -> None:
        self.script = script
        self.greeting = greeting
        self.messages: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    def handle(self, socket: Any) -> None:
        """Serve one connection."""
        self.headers.append({name.lower(): value for name, value in socket.request.headers.items()})
        for event in self.greeting:
            socket.send(json.dumps(event))
        for message in socket:
            self.messages.append(message)
            events = self.script(json.loads(message))
            if events is None:
                socket.close(1011)
                return
            for event in events:
                socket.send(json.dumps(event))


@contextmanager
def serving(script: Script, greeting: Events = []) -> Iterator[Server]:  # noqa: B006
    """A server on a free local port."""
    from websockets.sync.server import serve

    server = Server(script, greeting)
    with serve(server.handle, "127.0.0.1", 0) as listening:
        host, port = listening.socket.getsockname()[:2]
        server.url = f"http://{host}:{port}/v1"
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join(10)


# ------------------------------------------------------------------ one text for both clients
async def wait(value: Any) -> Any:
    """The result of either client's call."""
    return await value if isinstance(value, Awaitable) else value


@asynccontextmanager
async def entered(manager: Any) -> Any:
    """`with` or `async with`."""
    if hasattr(manager, "__aenter__"):
        async with manager as connection:
            yield connection
    else:
        with manager as connection:
            yield connection


async def until(connection: Any, kind: str, times: int = 1) -> list[Any]:
    """Iterate until an event of this kind came so many times."""
    events: list[Any] = []
    if hasattr(connection, "__aiter__"):
        async for event in connection:
            events.append(event)
            times -= event.type == kind
            if not times:
                break
    else:
        for event in connection:
            events.append(event)
            times -= event.type == kind
            if not times:
                break
    return events


def run(flavour: str, url: str, program: Callable[[Any], Awaitable[Any]]) -> Any:
    """Run a program with the client of a flavour, `sync` or `async`."""
    cls = openai.OpenAI if flavour == "sync" else openai.AsyncOpenAI
    # Older SDKs take `http` in the base URL for `wss`.
    sockets = url.replace("http", "ws", 1)
    client = cls(base_url=url, websocket_base_url=sockets, api_key="test", max_retries=0)
    return asyncio.run(program(client))


# ------------------------------------------------------------------ what a server says
def realtime(key: str, **fields: Any) -> dict[str, Any]:
    """A response of the Realtime API."""
    return {"id": key, "object": "realtime.response", "status": "completed", "output": [], **fields}


def spoken(key: str, usage: Any = None, **fields: Any) -> Events:
    """A response of the Realtime API, from its beginning to its end."""
    return [
        {"type": "response.created", "response": realtime(key, status="in_progress")},
        {"type": "response.output_audio.delta", "response_id": key, "delta": "AAAA"},
        {"type": "response.output_audio.delta", "response_id": key, "delta": "AAAA"},
        {"type": "response.done", "response": realtime(key, usage=usage, **fields)},
    ]


def written(key: str, usage: Any = None, kind: str = "completed", **fields: Any) -> Events:
    """A response of the Responses API, from its beginning to its end."""
    node = {"id": key, "object": "response", "model": "gpt-5-2025-08-07", "output": []}
    return [
        {"type": "response.created", "response": {**node, "status": "in_progress"}},
        {"type": "response.output_text.delta", "delta": "Hi", "output_index": 0},
        {
            "type": f"response.{kind}",
            "response": {**node, "status": kind, "usage": usage, **fields},
        },
    ]
