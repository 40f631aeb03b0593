"""What the hostile tests share: one provider for all of them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from llm_otel.testing import Provider, provider


@pytest.fixture(scope="session")
def server() -> Iterator[Provider]:
    """The provider that every program calls; each run resets it."""
    with provider() as running:
        yield running


@pytest.fixture(autouse=True)
def short_collections() -> None:
    """What is there when a test begins need not be looked through by each of its collections: SDKs
    build ten thousands of classes, and some build them at a first call."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def thawed() -> Iterator[None]:
    """After all tests everything is the collector's again."""
    yield
    gc.unfreeze()


def install_toy(folder: Path) -> None:
    """Write what installing the toy's package for us leaves behind: its entry point."""
    info = folder / "toysdk_llm_otel-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toysdk-llm-otel\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[llm_otel.clients]\ntoysdk = toysdk_llm_otel:CLIENT\n")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`instrument()` knows the toy SDK."""
    folder = tmp_path_factory.mktemp("site")
    install_toy(folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(folder)
        # What is installed is read once in a process, and this process has read it.
        patched.setattr("llm_otel.clients.entry_points", metadata.entry_points)
        yield
