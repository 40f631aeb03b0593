"""Writes samples as OpenMetrics text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TextIO

from llm_otel.semconv import Metric


class Writer:
    """Writes samples as OpenMetrics, and keeps the counters' sums.

    Args:
        out: Where to.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._series: dict[str, dict[int, float]] = {}
        self._sums: dict[str, float] = {}

    def set(self, name: str, labels: Mapping[str, str], value: float, at: int) -> None:
        """A gauge's value."""
        self._samples(_series(name, labels), value, at)

    def add(self, name: str, labels: Mapping[str, str], more: float, at: int) -> None:
        """A counter that grew by `more`."""
        series = _series(name, labels)
        self._sums[series] = self._sums.get(series, 0.0) + more
        self._samples(series, self._sums[series], at)

    def observe(
        self, metric: Metric, labels: Mapping[str, str], count: float, median: float, at: int
    ) -> None:
        """A histogram of log-normal values, `count` more of them."""
        name, spread = metric.prometheus, 0.55
        for bound in (*metric.buckets, math.inf):
            below = 0.5 * (1 + math.erf(math.log(bound / median) / spread / math.sqrt(2)))
            le = "+Inf" if bound == math.inf else f"{bound:g}"
            self.add(f"{name}_bucket", {**labels, "le": le}, count * below, at)
        self.total(metric, labels, count, median * math.exp(spread**2 / 2), at)

    def total(
        self, metric: Metric, labels: Mapping[str, str], count: float, mean: float, at: int
    ) -> None:
        """A histogram without its buckets."""
        self.add(f"{metric.prometheus}_count", labels, count, at)
        self.add(f"{metric.prometheus}_sum", labels, count * mean, at)

    def _samples(self, series: str, value: float, at: int) -> None:
        samples = self._series.setdefault(series, {})
        samples[at] = value  # lines that share a series add up to one sample

    def close(self) -> None:
        """Write it all, series by series."""
        for series, samples in self._series.items():
            self._out.writelines(f"{series} {value:.9g} {at}\n" for at, value in samples.items())
        self._out.write("# EOF\n")


def _series(name: str, labels: Mapping[str, str]) -> str:
    return name + "{" + ",".join([f'{k}="{v}"' for k, v in labels.items()]) + "}"
