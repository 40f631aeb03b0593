"""What the examples share to run without an account: a local provider, and prices for it."""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import urlsplit

import llm_otel


def priced_as(url: str, provider: str) -> dict[str, str]:
    """The setting `providers` that names a local server, so that its calls have that one's prices.

    Args:
        url: Base URL of the server.
        provider: `gen_ai.provider.name`, e.g. `openai`.
    """
    return {urlsplit(url).netloc: provider}


def wait_for_prices() -> None:
    """Wait for the price table, which loads in the background, so that the first span has a cost.

    A service does not do this: its metrics get the cost of early calls a second later.
    """
    llm_otel.cost(model="gpt-4o-mini", input_tokens=1)


def bypass_proxies() -> None:
    """Have the clients of this process reach local servers directly."""
    for name in ("NO_PROXY", "no_proxy"):
        given = os.environ.get(name)
        os.environ[name] = f"{given},127.0.0.1" if given else "127.0.0.1"


def quote(body: dict[str, Any]) -> str:
    """What the local provider answers, as it cannot think: the sentence nearest to the question."""
    instructions = [{"content": body["system"]}] if "system" in body else []  # Anthropic's place
    messages = [*instructions, *body["messages"]]
    context, question = (str(message["content"]) for message in messages)
    asked = _words(question)
    sentences: list[str] = _SENTENCE.findall(context)
    return max(sentences, key=lambda each: len(asked & _words(each)))


_SENTENCE = re.compile(r"[A-Z][^.]+\.")


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w{4,}", text.lower()))
