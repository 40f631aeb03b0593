"""What the tests of this folder share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import openai
import pytest

from llm_otel.testing import Provider


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Nothing may wait for the cycle collector, except where a test runs it."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def client(p: Provider) -> Iterator[openai.OpenAI]:
    """A client of the local provider."""
    with openai.OpenAI(base_url=p.url, api_key="test", max_retries=0) as made:
        yield made
