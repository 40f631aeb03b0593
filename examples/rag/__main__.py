"""`python -m examples.rag "What does error code E3 mean?"`, with or without an OpenAI account."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import Any

from openai import OpenAI

import llm_otel
from examples import local
from examples.rag.manual import MANUAL
from examples.rag.pipeline import Passages, Rag
from llm_otel.testing import provider

QUESTION = "Is the warranty still valid without a water filter?"


def main(question: str) -> None:
    """Answer one question; each span is printed when it ends."""
    settings: dict[str, Any] = {}
    with ExitStack() as stack:
        if os.environ.get("OPENAI_API_KEY"):
            client = OpenAI()
        else:
            print(
                "OPENAI_API_KEY is not set: a local provider answers, at OpenAI's prices.\n",
                flush=True,
            )
            local.bypass_proxies()
            server = stack.enter_context(provider(answer=local.quote))
            client = OpenAI(base_url=server.url, api_key="local")
            settings["providers"] = local.priced_as(server.url, "openai")
        llm_otel.instrument(console=True, **settings)
        local.wait_for_prices()

        passages = Passages(client, "manual")
        passages.add(MANUAL)
        answer = Rag(client, passages).answer(question)
        passages.close()
        print(f"\n{question}\n{answer.text}")
        print("From the passages", ", ".join(str(each.number) for each in answer.passages) + ".")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or QUESTION)
