"""The service that asks a model. Whose question it is came with the request."""

from __future__ import annotations

from fastapi import FastAPI
from openai import AsyncOpenAI
from pydantic import BaseModel

from examples.services.telemetry import set_up


class Task(BaseModel):
    """What the answer is to be about."""

    text: str


app = FastAPI()
set_up(app)
client = AsyncOpenAI()


@app.post("/drafts")
async def draft(task: Task) -> dict[str, str]:
    """Write an answer."""
    completion = await client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": task.text}]
    )
    return {"text": completion.choices[0].message.content or ""}
