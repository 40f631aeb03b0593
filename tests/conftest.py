"""What all tests share: no failure of ours stays hidden, and telemetry stays in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from llm_otel.core import arguments, guard
from llm_otel.testing import Provider, Telemetry, capture, provider

Instrument = Callable[..., Telemetry]


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
