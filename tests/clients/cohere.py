"""cohere, as it calls Cohere; what is its own is in tests/conformance."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import Any

import cohere
import httpx

from clients.redirect import http_client
from clients.spec import Client, Recorded, Way
from llm_otel.testing import Provider
from tests.conformance.expected import ERROR_CLASSES, Facts
from tests.conformance.replay import Exchange

MODEL = "command-a-03-2025"
CHAT: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Tell me everything."}],
}
OLD_CHAT: dict[str, Any] = {"model": "command-r-08-2024", "message": "Tell me everything."}


def _clients(server: Provider, asynchronous: bool) -> SimpleNamespace:
    http = http_client(httpx, server, asynchronous)
    kinds = (cohere.AsyncClient, cohere.AsyncClientV2) if asynchronous else (
        cohere.Client, cohere.ClientV2
    )  # fmt: skip
    v1, v2 = (kind(api_key="test", httpx_client=http, max_retries=0) for kind in kinds)
    return SimpleNamespace(v1=v1, v2=v2, http=http)


def _make(server: Provider, asynchronous: bool) -> Any:
    return _open_async(server) if asynchronous else _open(server)


@contextmanager
def _open(server: Provider) -> Any:
    clients = _clients(server, False)
    with clients.http:
        yield clients


@asynccontextmanager
async def _open_async(server: Provider) -> Any:
    clients = _clients(server, True)
    async with clients.http:
        yield clients


def _embed(clients: Any) -> Any:
    return clients.v2.embed(
        model="embed-v4.0",
        texts=["Hello", "there"],
        input_type="search_document",
        embedding_types=["float"],
    )


def _rerank(clients: Any) -> Any:
    return clients.v2.rerank(model="rerank-v3.5", query="Hello", documents=["Hello", "there"])


# ------------------------------------------------------------------ recordings
def _ask(clients: Any, exchange: Exchange) -> Any:
    version, _, method = exchange["path"].strip("/").partition("/")
    arguments = dict(exchange["request"])
    if arguments.pop("stream", False):
        method += "_stream"
    if arguments.get("max_chunks_per_doc", 0) is None:
        del arguments["max_chunks_per_doc"]
    return getattr(clients.v1 if version == "v1" else clients.v2, method)(**arguments)


def _stream(found: Any, exchange: Exchange) -> Any | None:
    return found if exchange["request"].get("stream") else None


_FINISH_REASONS = {"COMPLETE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_call"}


def _facts(exchange: Exchange) -> Facts:
    if exchange["status"] >= 400:
        return Facts(error=ERROR_CLASSES[exchange["status"]])
    body = _whole(exchange)
    billed = (body.get("usage") or body["meta"])["billed_units"]
    reason = body.get("finish_reason")
    return Facts(
        response_id=body.get("id") or body["response_id"],
        input_tokens=billed.get("input_tokens"),
        output_tokens=billed.get("output_tokens"),
        finish_reasons=[_FINISH_REASONS[reason]] if reason else [],
    )


def _whole(exchange: Exchange) -> dict[str, Any]:
    text = exchange["response"]
    if not exchange["request"].get("stream"):
        return json.loads(text)  # type: ignore[no-any-return]
    if exchange["path"] == "/v1/chat":
        last = json.loads(text.strip().splitlines()[-1])
        return {**last["response"], "finish_reason": last["finish_reason"]}
    lines = [line[6:] for line in text.splitlines() if line.startswith("data: {")]
    first, last = json.loads(lines[0]), json.loads(lines[-1])
    return {"id": first["id"], **last["delta"]}


CLIENT = Client(
    provider="cohere",
    make=_make,
    ways=(
        Way("chat", lambda clients: clients.v2.chat(**CHAT), model=MODEL),
        Way(
            "chat stream",
            lambda clients: clients.v2.chat_stream(**CHAT),
            streaming=True,
            lazy=True,
            model=MODEL,
        ),
        Way("old chat", lambda clients: clients.v1.chat(**OLD_CHAT), model=OLD_CHAT["model"]),
        Way(
            "old chat stream",
            lambda clients: clients.v1.chat_stream(**OLD_CHAT),
            streaming=True,
            lazy=True,
            model=OLD_CHAT["model"],
        ),
        Way("embed", _embed, operation="embeddings", model="embed-v4.0"),
        # billed by the search unit
        Way("rerank", _rerank, operation="rerank", model="rerank-v3.5"),
    ),
    recorded=(Recorded("cohere", _ask, _facts, _stream),),
)
