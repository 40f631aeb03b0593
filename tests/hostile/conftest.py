"""What the hostile tests share: one provider for all of them."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from llm_otel.testing import Provider, provider


@pytest.fixture(scope="session")
def server() -> Iterator[Provider]:
    """The provider that every program calls; each run resets it."""
    # What is there by now need not be looked through by each of our collections.
    gc.collect()
    gc.freeze()
    with provider() as running:
        yield running
    gc.unfreeze()
