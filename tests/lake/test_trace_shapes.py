"""Traces of every shape: all their spans are placed, each once."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

import llm_otel.lake
from llm_otel.lake.queries import traces
from llm_otel.lake.queries.traces import Nested, Parent
from llm_otel.lake.writer import Writer

_BEGAN = datetime(2026, 11, 20, 12)
_TRACE = f"{7:032x}"

# Shape -> each span's own letter and its parent's, in the order of time; and what is expected of
# each: letter, depth, fault.
_SHAPES: dict[str, tuple[str, list[tuple[str, int, Parent | None]]]] = {
    "a tree": ("a- ba cb da", [("a", 0, None), ("b", 1, None), ("c", 2, None), ("d", 1, None)]),
    "its own parent": ("aa", [("a", 0, Parent.CIRCLE)]),
    "its own parent, with children": (
        "aa ba",
        [("a", 0, Parent.CIRCLE), ("b", 1, None)],
    ),
    "each other's parent": ("ab ba", [("a", 0, Parent.CIRCLE), ("b", 1, None)]),
    "a circle with a tail before it": (
        "tb bc cd db",
        [("b", 0, Parent.CIRCLE), ("t", 1, None), ("d", 1, None), ("c", 2, None)],
    ),
    "a circle beside a tree": (
        "r- ab ba kr",
        [("r", 0, None), ("k", 1, None), ("a", 0, Parent.CIRCLE), ("b", 1, None)],
    ),
    "two circles": (
        "aa bc cb",
        [("a", 0, Parent.CIRCLE), ("b", 0, Parent.CIRCLE), ("c", 1, None)],
    ),
    "parents that never came": (
        "ax by ca",
        [("a", 0, Parent.MISSING), ("c", 1, None), ("b", 0, Parent.MISSING)],
    ),
}


def _placed(folder: Path, shape: str) -> list[Nested]:
    rows = [
        {
            "time": _BEGAN + timedelta(seconds=number),
            "trace_id": _TRACE,
            "span_id": f"{ord(own):016x}",
            "parent_span_id": None if parent == "-" else f"{ord(parent):016x}",
            "name": own,
        }
        for number, (own, parent) in enumerate(shape.split())
    ]
    with Writer(folder) as writer:
        writer.append(spans=rows)
    return traces.nested(traces.trace(llm_otel.lake.open(folder), _TRACE))


@pytest.mark.parametrize("name", _SHAPES)
def test_every_span_is_placed_once(tmp_path: Path, name: str) -> None:
    """Whatever the parents say, no span is left out and none is drawn twice."""
    shape, expected = _SHAPES[name]
    placed = [(n.span.name, n.depth, n.fault) for n in _placed(tmp_path, shape)]
    assert placed == expected


def test_a_chain_of_thousands_is_placed(tmp_path: Path) -> None:
    """Depth costs no recursion."""
    letters = [chr(1000 + n) for n in range(3000)]
    shape = " ".join(f"{own}{parent}" for own, parent in zip(letters, ["-", *letters]))
    assert [n.depth for n in _placed(tmp_path, shape)] == list(range(3000))
