"""What an SDK tells of a response that it keeps to itself: request id, status, resends."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from llm_otel import clients, seams
from llm_otel.clients.spec import ClientSpec, Hook, Response, ResponseHeaders, named
from llm_otel.protocols.spec import Endpoint, Request
from llm_otel.testing import Telemetry, capture


class KeeperError(Exception):
    """Carries what came over the wire."""

    told: dict[str, Any]


class Client:
    """Gives dicts, with what came over the wire in one of their entries."""

    def ask(self, body: dict[str, Any]) -> dict[str, Any]:
        if "fails" in body:
            error = KeeperError()
            error.told = body["wire"]
            raise error
        return {"model": "m", "wire": body["wire"]}


def _request(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
    body = named(("body",), args, kwargs)["body"]
    return Request("post", "/ask", body, base_url="http://a.example")


def _response(given: Any) -> Response | None:
    wire = given.told if isinstance(given, Exception) else given["wire"]
    return wire and Response(ResponseHeaders({"x-request-id": wire["id"]}), 200, wire["resends"])


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Client, Telemetry]]:
    """The client, hooked."""
    module = types.ModuleType("keeper")
    module.__spec__ = types.SimpleNamespace(name="keeper", _initializing=False)  # type: ignore[assignment]
    cls = type("Client", (Client,), {"ask": lambda self, body: Client.ask(self, body)})
    module.Client = cls  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keeper", module)
    hook = Hook("", "Client.ask", "sync", _request, parameters=("body",), response=_response)
    spec = ClientSpec("keeper", ">=1", "keeper", {"post /ask": Endpoint("chat")}, hooks=(hook,))
    with capture() as telemetry:
        seams.install(clients.Known("keeper", lambda: spec))
        yield cls(), telemetry


WIRE = {"id": "req_1", "resends": 2}


def test_an_answer_tells_of_its_response(sdk: tuple[Client, Telemetry]) -> None:
    """The request id and the resends are on the span."""
    sdk[0].ask({"wire": WIRE})
    attributes = sdk[1].span.attributes
    assert attributes["llm_otel.provider.request_id"] == "req_1", attributes
    assert attributes["http.request.resend_count"] == 2, attributes


def test_an_exception_tells_of_its_response(sdk: tuple[Client, Telemetry]) -> None:
    """The same where the request failed."""
    with pytest.raises(KeeperError):
        sdk[0].ask({"fails": True, "wire": WIRE})
    attributes = sdk[1].span.attributes
    assert attributes["llm_otel.provider.request_id"] == "req_1", attributes
    assert attributes["http.request.resend_count"] == 2, attributes


def test_nothing_may_be_known_of_a_response(sdk: tuple[Client, Telemetry]) -> None:
    """A connection that failed has none."""
    with pytest.raises(KeeperError):
        sdk[0].ask({"fails": True, "wire": None})
    assert "http.request.resend_count" not in sdk[1].span.attributes
