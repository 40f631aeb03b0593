"""One stack for all tests of this folder: the compose file of a clean clone, on a real engine.

`python -m tools.compose` sees to the engine and to the images, and runs these tests. They are in
the order in which somebody uses a stack; the files' numbers keep it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from compose.stack import Stack, clone

ENGINE = os.environ.get("LLM_OTEL_TEST_COMPOSE") == "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave everything out where nobody saw to an engine."""
    no_engine = pytest.mark.skip(reason="needs an engine and images: python -m tools.compose")
    for item in items:
        if Path(item.path).parent == Path(__file__).parent and not ENGINE:
            item.add_marker(no_engine)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A clean clone, with nothing started; what is left of it is taken down."""
    here = Stack(clone(tmp_path_factory.mktemp("clone")))
    here.clear()
    yield here
    here.report()
    here.clear()
