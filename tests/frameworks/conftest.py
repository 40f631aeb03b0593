"""What the tests of frameworks share: each file needs its framework, and is left out without it."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from frameworks.parts import Question

from llm_otel.testing import Provider, capture

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What frameworks warn of is theirs."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """The same while they are imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (yield)


@pytest.fixture(autouse=True)
def no_leftovers() -> Iterator[None]:
    """Connections that a framework leaves to the garbage collector, which warns of them."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture
def question(p: Provider) -> Iterator[Question]:
    """A question that is asked with us, of the local provider."""
    with capture(
        setup=False, providers={"127.0.0.1": "openai"}, stream_usage="always"
    ) as telemetry:
        yield Question(p, telemetry)
