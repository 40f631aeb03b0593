"""Who is above whom, over arrays of row numbers: `parents[n]` is the row above row n, -1 none.

Each function takes time in proportion to the rows, or to the rows times the logarithm of the depth,
whatever telemetry says of its parents.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]

# A run below one of its own name is looked for so many runs up.
_LEVELS: Final = 64


def without_circles(parents: Numbers, times: Numbers) -> Numbers:
    """The parents, of a circle the oldest without one: as the page of a trace draws it."""
    parents = np.where(parents == np.arange(len(parents)), -1, parents).astype(parents.dtype)
    jumps = parents.copy()
    for _ in range(max(len(parents), 2).bit_length()):
        active = np.flatnonzero(jumps >= 0)
        if not len(active):
            return parents
        jumps[active] = jumps[jumps[active]]
    # What is left leads into a circle, and its jump ends on one.
    visited: set[int] = set()
    for first in np.unique(jumps[jumps >= 0]).tolist():
        circle: list[int] = []
        row = first
        while row not in visited:
            visited.add(row)
            circle.append(row)
            row = int(parents[row])
        if circle:
            parents[min(circle, key=lambda each: (times[each], each))] = -1
    return parents


def repeats(parents: Numbers, is_run: Numbers, codes: Numbers) -> Numbers:
    """The runs right below a run of the same name: the same run, told of twice."""
    rows = np.flatnonzero(is_run & (parents >= 0))
    above = parents[rows]
    return np.asarray(rows[is_run[above] & (codes[above] == codes[rows])])


def nearest(parents: Numbers, is_run: Numbers) -> Numbers:
    """The nearest run at or above each row; -1 for none."""
    owners = np.where(is_run, np.arange(len(parents)), parents).astype(parents.dtype)
    while True:
        rows = np.flatnonzero(owners >= 0)
        rows = rows[~is_run[owners[rows]]]
        if not len(rows):
            return np.asarray(owners)
        # What a row above has found is found; what it has not is halfway there.
        owners[rows] = owners[owners[rows]]


def deepest_first(parents: Numbers) -> list[Numbers]:
    """The rows with a parent, by how deep they are, the deepest first."""
    depths = (parents >= 0).astype(np.int64)
    jumps = parents.copy()
    while len(active := np.flatnonzero(jumps >= 0)):
        depths[active] += depths[jumps[active]]
        jumps[active] = jumps[jumps[active]]
    rows = np.flatnonzero(depths)
    rows = rows[np.argsort(-depths[rows], kind="stable")]
    return np.split(rows, np.flatnonzero(np.diff(depths[rows])) + 1) if len(rows) else []


def sums_below(values: Numbers, parents: Numbers, levels: list[Numbers]) -> Numbers:
    """Of each row its value and those of all below it; `levels` of `deepest_first`."""
    sums: Numbers = values.copy()
    for rows in levels:
        np.add.at(sums, parents[rows], sums[rows])
    return sums


def has_same_above(parents: Numbers, codes: Numbers) -> Numbers:
    """Whether a row of the same code is somewhere above."""
    same = np.zeros(len(parents), bool)
    rows = np.flatnonzero(parents >= 0)
    above = parents[rows]
    for _ in range(_LEVELS):
        hit = codes[above] == codes[rows]
        same[rows[hit]] = True
        goes_on = ~hit & (parents[above] >= 0)
        rows, above = rows[goes_on], parents[above[goes_on]]
        if not len(rows):
            break
    return same


def streaks(
    runs: Numbers, codes: Numbers, starts: Numbers, ends: Numbers, size: int
) -> tuple[Numbers, Numbers]:
    """How often the same tool was called in a row, at most, in each of `size` runs, and which.

    Calls that overlap were asked for at once, as a model does for many things to look up: together
    they are one.

    Args:
        runs, codes, starts, ends: Of each tool call: its run, the tool, and when it was.
        size: How many runs there are.
    """
    longest, tools = np.zeros(size, np.int64), np.full(size, -1, np.int64)
    if not len(runs):
        return longest, tools
    order = np.lexsort((starts, runs))
    runs, codes, starts, ends = runs[order], codes[order], starts[order], ends[order]
    changes = np.ones(len(runs), bool)
    changes[1:] = (runs[1:] != runs[:-1]) | (codes[1:] != codes[:-1])
    follows = np.zeros(len(runs), np.int64)
    follows[1:] = ~changes[1:] & (starts[1:] >= ends[:-1])
    firsts = np.flatnonzero(changes)
    lengths = 1 + np.add.reduceat(follows, firsts)
    by_length = np.argsort(lengths, kind="stable")
    # The longest is written last.
    longest[runs[firsts[by_length]]] = lengths[by_length]
    tools[runs[firsts[by_length]]] = codes[firsts[by_length]]
    return longest, tools
