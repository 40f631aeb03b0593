"""The support service: an agent over HTTP that asks three providers and another service's tools.

`python -m examples.agent.support` answers `POST /ask`. For llm-otel it says who a question is from
(`attribution`) and what its steps are (`workflow`, `agent`, `tool`). Searches, calls to providers
and those to the MCP server need nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import cohere
from anthropic import AsyncAnthropic
from mcp import Client
from mcp.types import TextContent
from openai import AsyncOpenAI
from openai.types.chat import (
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionMessageParam,
    ChatCompletionToolParam,
)
from opentelemetry import trace
from qdrant_client import AsyncQdrantClient, models
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import llm_otel
from examples.agent import service
from examples.rag.manual import MANUAL

EMBEDDING_MODEL = "embed-v4.0"  # of Cohere
AGENT_MODEL = "gpt-4o"  # of OpenAI
WRITER_MODEL = "claude-haiku-4-5"  # of Anthropic
COLLECTION = "manual"
ATTEMPTS = 2  # of a tool

AGENT_INSTRUCTIONS = "You find out what a customer needs to know. Use the tools for orders."
WRITER_INSTRUCTIONS = "Answer the customer in two friendly sentences, from these facts alone."


@dataclass(frozen=True)
class Answer:
    """An answer, the trace that shows how it came about, and what it took in this service.

    `totals` do not have what the tools of other services asked models for: that is in the trace.
    """

    text: str
    trace_id: str
    totals: llm_otel.Totals


class Manual:
    """The passages of a manual in a vector store in memory, with embeddings by Cohere."""

    def __init__(self) -> None:
        self._cohere = cohere.AsyncClientV2()
        self._store = AsyncQdrantClient(":memory:")

    async def add(self, texts: Sequence[str]) -> None:
        """Embed passages and put them into the store."""
        vectors = await self._embed(texts, "search_document")
        size = models.VectorParams(size=len(vectors[0]), distance=models.Distance.COSINE)
        await self._store.create_collection(COLLECTION, vectors_config=size)
        points = [
            models.PointStruct(id=number, vector=vector, payload={"text": text})
            for number, (vector, text) in enumerate(zip(vectors, texts))
        ]
        await self._store.upsert(COLLECTION, points)

    async def search(self, question: str, limit: int = 2) -> list[str]:
        """The passages that are most like the question, best first."""
        (vector,) = await self._embed([question], "search_query")
        found = await self._store.query_points(COLLECTION, query=vector, limit=limit)
        return [(point.payload or {})["text"] for point in found.points]

    async def _embed(self, texts: Sequence[str], purpose: str) -> list[list[float]]:
        answer = await self._cohere.embed(
            model=EMBEDDING_MODEL,
            texts=list(texts),
            input_type=purpose,
            embedding_types=["float"],
        )
        return answer.embeddings.float_ or []


class Support:
    """Answers the questions of customers.

    Args:
        manual: What is known of the machine.
        orders: A connected client of the MCP server that knows the orders.
        tools: What that server offers, as OpenAI takes it.
    """

    def __init__(
        self, manual: Manual, orders: Client, tools: Sequence[ChatCompletionToolParam]
    ) -> None:
        self._manual = manual
        self._orders = orders
        self._tools = tools
        self._openai = AsyncOpenAI()
        self._anthropic = AsyncAnthropic()

    @llm_otel.workflow("support")
    async def answer(self, question: str) -> Answer:
        """Answer one question."""
        passages = await self._manual.search(question)
        text = await self._help(question, passages)
        # the current span is the workflow's
        trace_id = trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)
        return Answer(text, trace_id, llm_otel.current_totals())

    @llm_otel.agent("helper", model=AGENT_MODEL)
    async def _help(self, question: str, passages: Sequence[str]) -> str:
        """Find out what is needed, by tools where the model asks for them, and have it written."""
        messages: list[ChatCompletionMessageParam] = [
            {"role": "system", "content": "\n\n".join((AGENT_INSTRUCTIONS, *passages))},
            {"role": "user", "content": question},
        ]
        facts = list(passages)
        completion = await self._openai.chat.completions.create(
            model=AGENT_MODEL, messages=messages, tools=self._tools
        )
        message = completion.choices[0].message
        for call in message.tool_calls or ():
            if call.type == "function":
                facts.append(await self._use(call))
        return await self._write(question, facts)

    async def _use(self, call: ChatCompletionMessageFunctionToolCall) -> str:
        """The result of a tool, which is asked again where it fails, or what went wrong."""
        arguments = json.loads(call.function.arguments)
        for _ in range(ATTEMPTS):
            with llm_otel.tool(call.function.name, call_id=call.id):
                result = await self._orders.call_tool(call.function.name, arguments)
            if not result.is_error:
                break
        return "".join(part.text for part in result.content if isinstance(part, TextContent))

    @llm_otel.agent("writer", model=WRITER_MODEL)
    async def _write(self, question: str, facts: Sequence[str]) -> str:
        """The sub-agent that writes the answer."""
        message = await self._anthropic.messages.create(
            model=WRITER_MODEL,
            max_tokens=200,
            system="\n\n".join((WRITER_INSTRUCTIONS, *facts)),
            messages=[{"role": "user", "content": question}],
        )
        return "".join(block.text for block in message.content if block.type == "text")


async def offered(orders: Client) -> list[ChatCompletionToolParam]:
    """The tools of an MCP server as OpenAI takes them."""
    listed = await orders.list_tools()
    return [
        cast(
            ChatCompletionToolParam,
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description or "",
                    "parameters": tool.input_schema,
                },
            },
        )
        for tool in listed.tools
    ]


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
    """Connect to the orders and put the manual into the store, once."""
    with llm_otel.attribution(feature="setup"):
        manual = Manual()
        await manual.add(MANUAL)
        orders = Client(os.environ["ORDERS_URL"])
    async with orders:
        yield {"support": Support(manual, orders, await offered(orders))}


async def ask(request: Request) -> JSONResponse:
    """`POST /ask` with a question, and whom it is from."""
    body = await request.json()
    with llm_otel.attribution(
        tenant_id=body["tenant"], feature="support", session_id=body["session"]
    ):
        answer = await request.state.support.answer(body["question"])
    return JSONResponse(dataclasses.asdict(answer))


async def health(_: Request) -> JSONResponse:
    """`GET /health` answers as soon as the service is ready."""
    return JSONResponse({"ready": True})


def main() -> None:
    """Serve until SIGTERM."""
    if "ORDERS_URL" not in os.environ:
        raise SystemExit(
            "Set ORDERS_URL to the address of the orders, as http://127.0.0.1:PORT/mcp."
        )
    service.instrument()
    routes = [Route("/ask", ask, methods=["POST"]), Route("/health", health)]
    service.serve(Starlette(routes=routes, lifespan=lifespan))


if __name__ == "__main__":
    main()
