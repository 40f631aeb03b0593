"""Streams of an SDK that keeps them, closes them itself, or names its parameters as we do."""

from __future__ import annotations

import gc
import sys
import types
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from llm_otel import clients, seams
from llm_otel.clients.spec import ClientSpec, Hook, named
from llm_otel.protocols.spec import Endpoint, Request
from llm_otel.seams import objects
from llm_otel.testing import Telemetry, capture


class Stream:
    """Three chunks; one that fails closes itself before it raises."""

    def __init__(self, fails: bool) -> None:
        self.left, self.fails = 3, fails

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> dict[str, object]:
        if self.left == 1 and self.fails:
            self.close()
            raise ValueError("the provider failed")
        if not self.left:
            self.close()
            raise StopIteration
        self.left -= 1
        return {"model": "m"}

    def close(self) -> None:
        """End it."""


class Client:
    """Keeps its streams, and has a parameter that is called `client`."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []

    def stream(self, body: dict[str, object], client: object = None) -> Stream:
        self.streams.append(Stream(body.get("fails") is True))
        return self.streams[-1]


def _request(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
    body = named(("body",), args, kwargs)["body"]
    return Request("post", "/say", body, streaming=True, base_url="http://a.example")


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[type[Client], Telemetry]]:
    """The client, hooked."""
    module = types.ModuleType("keeper")
    module.__spec__ = types.SimpleNamespace(name="keeper", _initializing=False)  # type: ignore[assignment]
    cls = type(
        "Client", (Client,), {"stream": lambda self, body, client=None: Client.stream(self, body)}
    )
    module.Client = cls  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keeper", module)
    hook = Hook("", "Client.stream", "generator", _request, parameters=("body",))
    spec = ClientSpec("keeper", ">=1", "keeper", {"post /say": Endpoint("chat")}, hooks=(hook,))
    with capture() as telemetry:
        seams.install(clients.Known("keeper", lambda: spec))
        yield cls, telemetry


def test_a_stream_that_closes_itself_before_it_raises_failed(
    sdk: tuple[type[Client], Telemetry],
) -> None:
    """Its own close is no end by the caller."""
    client, telemetry = sdk[0](), sdk[1]
    with pytest.raises(ValueError, match="failed"):
        list(client.stream({"fails": True}))
    span = telemetry.span
    assert span.status == "ERROR"
    assert span.attributes["error.type"] == "ValueError"


def test_a_parameter_may_have_any_name(sdk: tuple[type[Client], Telemetry]) -> None:
    """`client=` is the SDK's own argument."""
    chunks = list(sdk[0]().stream({}, client="theirs"))
    assert len(chunks) == 3
    assert len(sdk[1].spans) == 1


def test_a_client_that_keeps_its_streams_can_be_dropped(
    sdk: tuple[type[Client], Telemetry],
) -> None:
    """Neither those that were read nor those that never began keep it."""
    client = sdk[0]()
    list(client.stream({}))
    client.stream({})
    states, gone = len(objects._states), weakref.ref(client)
    assert states >= 2
    del client
    gc.collect()
    assert gone() is None
    assert len(objects._states) == states - 2
