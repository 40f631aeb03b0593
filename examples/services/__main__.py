"""`python -m examples.services "Where is my order?"`, with or without an OpenAI account."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import httpx

from examples import local
from llm_otel.testing import provider

QUESTION = "Is the warranty still valid without a water filter?"


def main(question: str) -> None:
    """Start both services, ask one question as a customer of acme, and end them."""
    environment = dict(os.environ)
    with ExitStack() as stack:
        if not environment.get("OPENAI_API_KEY"):
            print(
                "OPENAI_API_KEY is not set: a local provider answers, at OpenAI's prices.\n",
                flush=True,
            )
            server = stack.enter_context(provider(answer="Keep the invoice, and use a filter."))
            environment |= {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "local"}
            hosts = local.priced_as(server.url, "openai").items()
            environment["LLM_OTEL_PROVIDERS"] = ",".join(f"{host}={name}" for host, name in hosts)
            environment["NO_PROXY"] = environment["no_proxy"] = "127.0.0.1"
        writer = stack.enter_context(service("writer", environment))
        shop = stack.enter_context(service("shop", environment | {"WRITER_URL": writer}))
        response = httpx.post(
            f"{shop}/questions",
            json={"text": question},
            headers={"x-tenant": "acme"},
            timeout=60,
            trust_env=False,
        )
        response.raise_for_status()
    print(f"\n{question}\n{response.json()['text']}")


@contextmanager
def service(name: str, environment: Mapping[str, str]) -> Iterator[str]:
    """The address of a service that runs in a process of its own, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        descriptor = listening.fileno()
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "examples.services.serve", name, str(descriptor)],
            env={**environment, "OTEL_SERVICE_NAME": name},
            pass_fds=[descriptor],
        )
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or QUESTION)
