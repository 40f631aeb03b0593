"""Searches in vector stores as `retrieval` spans, by one table of the stores' functions.

Nothing of a store is imported by us, and the table itself only where the program has imported one.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from llm_otel.seams import imports

# Packages that the table has rows of.
PACKAGES: Final = (
    "chromadb",
    "elasticsearch",
    "lancedb",
    "pinecone",
    "psycopg",
    "qdrant_client",
    "weaviate",
)


def install() -> None:
    """Hook the stores, each now or when it is imported."""
    for package in PACKAGES:
        imports.watch_from_now(package, partial(_install, package))


def _install(package: str) -> None:
    from llm_otel.stores import hooks, table

    for store in table.STORES:
        if store.package == package:
            hooks.install(store)
