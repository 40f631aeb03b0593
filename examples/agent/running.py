"""Starts the two services, and local providers for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import llm_otel
from examples import local
from examples.agent.service import COPY_TO
from llm_otel.testing import Provider, provider

# How the SDK of each provider learns its address and its key.
SDKS = {
    "openai": ("OPENAI_BASE_URL", "OPENAI_API_KEY"),
    "anthropic": ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"),
    "cohere": ("CO_API_URL", "CO_API_KEY"),
}
_ROOT = Path(__file__).resolve().parents[2]
_STOP_SECONDS = 20
_ANSWER_SECONDS = 60


@contextmanager
def providers() -> Iterator[dict[str, Provider]]:
    """A local server for each provider, by `gen_ai.provider.name`; each speaks its protocol."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(provider(answer=local.quote)) for name in SDKS}


def bill_usd(servers: Mapping[str, Provider]) -> float:
    """What the providers have answered so far, in USD at their list prices."""
    return sum(
        cost.total
        for name, server in servers.items()
        for model, bill in server.bill.items()
        if (
            cost := llm_otel.cost(
                model=model,
                provider=name,
                input_tokens=bill.input_tokens,
                output_tokens=bill.output_tokens,
                cache_read_tokens=bill.cached_tokens,
                cache_write_tokens=bill.cache_write_tokens,
            )
        )
    )


class NotStartedError(Exception):
    """A service ended before it was ready; it has said why."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The service {name} did not start; its own output says why.")


class Support:
    """The running support service.

    Args:
        address: Its base URL.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def wait(self) -> None:
        """Wait until it is ready.

        Raises:
            NotStartedError: It ended instead.
        """
        try:
            self._fetch("/health")
        except OSError as error:
            raise NotStartedError("support") from error

    def ask(self, question: str, tenant: str, session: str) -> dict[str, Any]:
        """The answer to a question: `text`, `trace_id` and `totals`."""
        body = {"question": question, "tenant": tenant, "session": session}
        answer: dict[str, Any] = self._fetch("/ask", json.dumps(body).encode())
        return answer

    def _fetch(self, path: str, data: bytes | None = None) -> Any:
        url = self._address + path
        with urllib.request.urlopen(url, data, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310
            return json.load(answer)


@contextmanager
def services(
    servers: Mapping[str, Provider], endpoint: str, copy_to: str | None = None
) -> Iterator[Support]:
    """Run both services; when the block ends they have exported everything.

    Args:
        servers: The providers, as `providers()` gives them.
        endpoint: Where the services export to, by OTLP.
        copy_to: A second receiver, of spans alone.

    Raises:
        NotStartedError: One of them ended instead.
    """
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **_addresses(servers)}
    if copy_to:
        variables[COPY_TO] = copy_to
    with (
        _service("orders", variables) as orders,
        _service("support", {**variables, "ORDERS_URL": f"{orders}/mcp"}) as address,
    ):
        support = Support(address)
        support.wait()
        yield support


def _addresses(servers: Mapping[str, Provider]) -> dict[str, str]:
    variables, names = {}, {}
    for name, server in servers.items():
        url, key = SDKS[name]
        variables[url] = server.url if name == "openai" else server.origin
        variables[key] = "local"
        names.update(local.priced_as(server.url, name))
    variables["LLM_OTEL_PROVIDERS"] = ",".join(f"{host}={name}" for host, name in names.items())
    return variables


@contextmanager
def _service(name: str, variables: Mapping[str, str]) -> Iterator[str]:
    """Run one of the services in a process of its own; its address."""
    environment = {**os.environ, **variables, "OTEL_SERVICE_NAME": name}
    command = [sys.executable, "-m", f"examples.agent.{name}"]
    with subprocess.Popen(  # noqa: S603
        command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address:
                raise NotStartedError(name)
            yield address
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)
