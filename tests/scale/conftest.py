"""Tests with programs that only `make test-all` builds or fetches."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ON = os.environ.get("LLM_OTEL_TEST_STACK", "").lower() == "all"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave everything out where it was not asked for."""
    off = pytest.mark.skip(reason="takes long: make test-all, or LLM_OTEL_TEST_STACK=all")
    for item in items:
        if Path(item.path).parent == Path(__file__).parent and not ON:
            item.add_marker(off)
