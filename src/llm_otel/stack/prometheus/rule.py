"""A recording rule, and a group of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rule:
    """One recording rule: its name, its PromQL, labels to add."""

    record: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after another, every `interval`."""

    name: str
    interval: str
    rules: tuple[Rule, ...]
