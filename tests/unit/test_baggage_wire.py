"""Our baggage on the wire: to your own services, never to a provider."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import openai
import pytest
from opentelemetry import baggage
from opentelemetry.context import attach, detach
from opentelemetry.instrumentation.httpx import (
    HTTPX2ClientInstrumentor,
    HTTPXClientInstrumentor,
)
from opentelemetry.instrumentation.utils import suppress_instrumentation

import llm_otel
from llm_otel.testing import Provider, ReceivedRequest, capture

QUESTION: Any = [{"role": "user", "content": "Hi"}]


@pytest.fixture(autouse=True)
def http_instrumented() -> Iterator[None]:
    """OpenTelemetry's own instrumentation of httpx and httpx2 puts baggage into headers."""
    instrumentors = (HTTPXClientInstrumentor(), HTTPX2ClientInstrumentor())
    for instrumentor in instrumentors:
        instrumentor.instrument()
    yield
    for instrumentor in instrumentors:
        instrumentor.uninstrument()


def _baggage(request: ReceivedRequest) -> str:
    return {name.lower(): value for name, value in request.headers.items()}.get("baggage", "")


def _client(p: Provider, library: Any) -> openai.OpenAI:
    http = {httpx: httpx.Client, httpx2: httpx2.Client}[library]()
    return openai.OpenAI(base_url=p.url, api_key="test", http_client=http)


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize("how", ["plain", "streamed", "suppressed", "not ours"])
def test_a_provider_sees_none_of_our_baggage(p: Provider, library: Any, how: str) -> None:
    """The user's own baggage travels as it would without us; tenant, feature and ids do not."""
    with (
        capture(baggage=("tenant_id", "feature", "session_id")),
        _client(p, library) as client,
    ):
        token = attach(baggage.set_baggage("mine", "kept"))
        try:
            with llm_otel.attribution(tenant_id="acme", feature="search", session_id="s1"):
                if how == "not ours":
                    client.models.list()
                elif how == "suppressed":
                    with suppress_instrumentation():
                        client.chat.completions.create(model="gpt-4o", messages=QUESTION)
                else:
                    done: Any = client.chat.completions.create(
                        model="gpt-4o", messages=QUESTION, stream=how == "streamed"
                    )
                    for _ in done:
                        pass
                library.get(p.url + "/models")
        finally:
            detach(token)
    to_provider, to_service = map(_baggage, p.requests)
    # A suppressed call has no header at all: the HTTP instrumentation is switched off as well.
    assert to_provider == ("" if how == "suppressed" else "mine=kept")
    assert "mine=kept" in to_service
    for ours in ("acme", "search", "s1"):
        assert ours in to_service, to_service


def test_a_service_takes_over_what_came_in(p: Provider) -> None:
    """Allow-listed baggage of a caller is the attribution where none is set locally."""
    with (
        capture(baggage=("tenant_id",), providers={"127.0.0.1": "openai"}) as upstream,
        llm_otel.attribution(tenant_id="acme", feature="search"),
    ):
        httpx2.get(p.url + "/models")
    header = _baggage(p.requests[0])
    assert "search" not in header
    with capture(baggage=("tenant_id",)) as downstream:
        from opentelemetry.propagate import extract

        token = attach(extract({"baggage": header}))
        try:
            with _client(p, httpx2) as client:
                client.chat.completions.create(model="gpt-4o", messages=QUESTION)
        finally:
            detach(token)
    assert upstream.spans == []
    assert downstream.value("gen_ai.tokens.consumed", tenant_id="acme", feature="none") > 0
    assert downstream.span.attributes["tenant_id"] == "acme"
