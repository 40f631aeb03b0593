"""Every client library is measured."""

from __future__ import annotations

from pathlib import Path

from llm_otel import clients

FILES = Path(__file__).resolve().parents[2] / "benchmarks" / "clients"


def test_every_client_is_measured() -> None:
    """By a file of its name."""
    names = {path.stem for path in FILES.glob("[!_]*.py")}
    missing = {each.replace(".", "__") for each in clients.built_in()} - names
    assert missing == set(), f"benchmarks/clients has no file for {sorted(missing)}"
