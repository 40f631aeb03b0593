"""Puts values for Grafana's macros and variables into a query, as Grafana does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_otel.stack.grafana.board import CHOICES

# Where a variable is at "All", it is this; so say the dashboards (`allValue`).
ALL = ".*"
# Grafana rounds a step to one of these seconds: the first whose bound is above it.
# Source: packages/grafana-data/src/datetime/rangeutil.ts, `roundInterval`.
_STEPS = (
    (90, 60), (210, 120), (450, 300), (750, 600), (1050, 900), (1500, 1200), (2700, 1800),
    (5400, 3600), (9000, 7200), (16200, 10800), (32400, 21600), (86400, 43200), (604800, 86400),
)  # fmt: skip
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)")


@dataclass(frozen=True)
class View:
    """What a reader looks at.

    Attributes:
        end: The right edge, in seconds since 1970.
        seconds: How much time it shows.
        variables: The patterns of those that are not at "All".
        scrape: Seconds between two samples.
    """

    end: float
    seconds: int
    variables: Mapping[str, str] = field(default_factory=dict)
    scrape: int = 60

    @property
    def start(self) -> float:
        """The left edge, in seconds since 1970."""
        return self.end - self.seconds

    def step(self, panel: Mapping[str, Any]) -> int:
        """Seconds between two points of a panel."""
        ideal = self.seconds / panel["maxDataPoints"]
        rounded = next((step for bound, step in _STEPS if ideal < bound), 86400)
        return max(rounded, duration(panel["interval"]))

    def query(self, text: str, step: int) -> str:
        """A query with everything put in."""
        values = {
            "__rate_interval": f"{max(step + self.scrape, 4 * self.scrape)}s",
            "__interval": f"{step}s",
            "__range": f"{self.seconds}s",
            **{name: options[first] for name, (_, options, first) in CHOICES.items()},
            **self.variables,
        }
        return _VARIABLE.sub(lambda match: values.get(match[1] or match[3], ALL), text)

    def title(self, text: str) -> str:
        """A title with the choices put in, as a reader sees them."""
        return _VARIABLE.sub(lambda match: CHOICES[match[1]][2], text)


def duration(text: str) -> int:
    """Seconds of a duration such as `6h`."""
    return int(text[:-1]) * _UNITS[text[-1]]


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All panels of a dashboard, those in folded rows too, the rows themselves left out."""
    result = []
    for panel in dashboard["panels"]:
        result += panel["panels"] if panel["type"] == "row" else [panel]
    return result
