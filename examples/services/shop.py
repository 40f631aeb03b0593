"""The service that customers reach: it knows who asks, and has another one write the answer."""

from __future__ import annotations

import os
from typing import Annotated

import httpx
from fastapi import FastAPI, Header
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from pydantic import BaseModel

import llm_otel
from examples.services.telemetry import set_up

WRITER_URL = os.environ.get("WRITER_URL", "http://127.0.0.1:8001")


class Question(BaseModel):
    """What a customer asks."""

    text: str


app = FastAPI()
set_up(app)
# Puts the trace and the baggage into the headers of every request.
HTTPXClientInstrumentor().instrument()


@app.post("/questions")
async def ask(question: Question, x_tenant: Annotated[str, Header()]) -> dict[str, str]:
    """Answer a customer's question. A real shop takes the tenant from who is logged in."""
    with llm_otel.attribution(tenant_id=x_tenant, feature="support"), llm_otel.workflow("answer"):
        async with httpx.AsyncClient(base_url=WRITER_URL, trust_env=False) as writer:
            response = await writer.post("/drafts", json={"text": question.text})
            response.raise_for_status()
            answer: dict[str, str] = response.json()
            return answer
