"""What several tests of the stack share."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from stack.doctor_stage import Web


@pytest.fixture
def web() -> Iterator[Web]:
    """A server whose every answer a test decides."""
    serving = Web({})
    threading.Thread(target=serving.server.serve_forever, daemon=True).start()
    yield serving
    serving.server.shutdown()
    serving.server.server_close()
