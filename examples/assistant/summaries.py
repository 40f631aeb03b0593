"""Summaries by whichever provider a shop has its contract with, each asked by its own SDK.

The telemetry of all three is the same: nothing here knows of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import anthropic
import httpx
import openai
from google import genai
from google.genai import errors, types

INSTRUCTIONS = "Summarise this for a colleague in five sentences."
MODELS = {"acme": "gpt-5-mini", "globex": "claude-haiku-4-5", "initech": "gemini-2.5-flash"}

# What these SDKs raise when a provider fails them.
FAILURES = (openai.OpenAIError, anthropic.AnthropicError, errors.APIError, httpx.HTTPError)


class Piece(NamedTuple):
    """A piece of a streamed summary, with the id of the response, which may come with any."""

    text: str = ""
    response_id: str = ""


class Summaries:
    """Streams summaries.

    Args:
        openai_url, anthropic_url, google_url: Base URLs of the providers, as their SDKs take them.
        timeout: Seconds that a caller waits for one.
    """

    def __init__(
        self, openai_url: str, anthropic_url: str, google_url: str, timeout: float
    ) -> None:
        self._openai = openai.AsyncOpenAI(
            base_url=openai_url, api_key="local", timeout=timeout, max_retries=0
        )
        self._anthropic = anthropic.AsyncAnthropic(
            base_url=anthropic_url, api_key="local", timeout=timeout, max_retries=0
        )
        self._http = httpx.AsyncClient(timeout=timeout)
        options = types.HttpOptions(base_url=google_url, httpx_async_client=self._http)
        self._google = genai.Client(api_key="local", vertexai=False, http_options=options)
        self._streams: dict[str, Callable[[str, str], AsyncIterator[Piece]]] = {
            "gpt": self._by_openai,
            "claude": self._by_anthropic,
            "gemini": self._by_google,
        }

    def stream(self, model: str, text: str) -> AsyncIterator[Piece]:
        """The summary of a text, piece by piece.

        Args:
            model: Which model to ask.
            text: What to summarise.
        """
        return self._streams[model.partition("-")[0]](model, text)

    async def close(self) -> None:
        """Close the connections."""
        await self._openai.close()
        await self._anthropic.close()
        await self._http.aclose()
        self._google.close()

    async def _by_openai(self, model: str, text: str) -> AsyncIterator[Piece]:
        stream = await self._openai.responses.create(
            model=model,
            instructions=INSTRUCTIONS,
            input=text,
            reasoning={"effort": "low"},
            stream=True,
        )
        async for event in stream:
            if event.type == "response.output_text.delta":
                yield Piece(event.delta)
            elif event.type == "response.completed":
                yield Piece(response_id=event.response.id)

    async def _by_anthropic(self, model: str, text: str) -> AsyncIterator[Piece]:
        stream = await self._anthropic.messages.create(
            model=model,
            max_tokens=1024,
            system=INSTRUCTIONS,
            messages=[{"role": "user", "content": text}],
            stream=True,
        )
        async for event in stream:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                yield Piece(event.delta.text)
            elif event.type == "message_start":
                yield Piece(response_id=event.message.id)

    async def _by_google(self, model: str, text: str) -> AsyncIterator[Piece]:
        stream = await self._google.aio.models.generate_content_stream(
            model=model,
            contents=text,
            config=types.GenerateContentConfig(system_instruction=INSTRUCTIONS),
        )
        async for chunk in stream:
            yield Piece(chunk.text or "", chunk.response_id or "")
