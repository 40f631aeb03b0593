"""What all tests share: no failure of ours stays hidden, and telemetry stays in memory."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import certifi
import pytest
from opentelemetry import trace
from opentelemetry.util._once import Once

from llm_otel.base import arguments, guard
from llm_otel.testing import Provider, Telemetry, capture, provider

Instrument = Callable[..., Telemetry]

EVERYTHING = os.environ.get("LLM_OTEL_TEST_ALL") == "1"


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.addinivalue_line("markers", "slow: takes long and changes seldom; only by make test-all")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what is slow where it is not asked for."""
    slow = pytest.mark.skip(reason="takes long: make test-all, or LLM_OTEL_TEST_ALL=1")
    for item in items:
        if not EVERYTHING and item.get_closest_marker("slow"):
            item.add_marker(slow)


@pytest.fixture(scope="session", autouse=True)
def no_public_authorities() -> Iterator[None]:
    """TLS contexts come without the public certificate authorities: no test calls a public host,
    and to read them takes 30 ms for each of the thousands of clients that tests make.

    A test's own authority is read as ever; a public host is not trusted.
    """
    system = ssl.get_default_verify_paths()
    public = {certifi.where(), system.cafile or "", system.openssl_cafile}
    load = ssl.SSLContext.load_verify_locations

    def load_others(
        context: Any, cafile: Any = None, capath: Any = None, cadata: Any = None
    ) -> None:
        if cafile not in public:
            load(context, cafile, capath, cadata)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl.SSLContext, "load_verify_locations", load_others)
        yield


@pytest.fixture(autouse=True)
def no_hidden_failures(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A failure inside llm-otel is raised, and fails the test even where somebody swallows it.

    A test that provokes one sets `guard.strict` back to False.
    """
    hidden: list[str] = []
    handle = guard.handle

    def watched(site: str, exc: Exception) -> None:
        if guard.strict:
            hidden.append(f"{site}: {exc!r}")
        handle(site, exc)

    monkeypatch.setattr(guard, "strict", True)
    monkeypatch.setattr(guard, "_logged", set())  # each test is the first to fail
    monkeypatch.setattr(guard, "handle", watched)
    monkeypatch.setattr(arguments, "_warned", set())
    yield
    assert not hidden


@pytest.fixture(autouse=True)
def no_provider_left() -> Iterator[None]:
    """An SDK that sets the process's tracer provider does so for one test: with one there are SDKs
    that send the ids of their spans, which are chance."""
    before = trace._TRACER_PROVIDER
    yield
    if trace._TRACER_PROVIDER is not before:
        trace._TRACER_PROVIDER = before
        trace._TRACER_PROVIDER_SET_ONCE = Once()


@pytest.fixture
def instrumented() -> Iterator[Instrument]:
    """`instrument()` on providers of the test's own, with settings as keywords; undone after it."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(capture(setup=False, **settings))


@pytest.fixture
def p() -> Iterator[Provider]:
    """A local provider."""
    with provider() as serving:
        yield serving
