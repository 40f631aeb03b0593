"""The few calls of Prometheus' HTTP API that the preview and the tests make."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from tools.preview.macros import View


class Failed(Exception):
    """Prometheus refused a query, or is not there; the text says which and why."""


@dataclass(frozen=True)
class Series:
    """One series of an answer: its labels, and (seconds since 1970, value) pairs."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


class Prometheus:
    """A Prometheus.

    Args:
        url: Its address.

    Attributes:
        slowest: The longest that a query took, in seconds, and the query.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.slowest = (0.0, "")
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str, **parameters: object) -> Any:
        """The `data` of an answer.

        Raises:
            Failed: Prometheus refused, or did not answer.
        """
        body = urllib.parse.urlencode({k: str(v) for k, v in parameters.items()}).encode()
        try:
            with self._opener.open(f"{self.url}/api/v1/{path}", body, timeout=120) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as exc:
            raise Failed(f"{parameters.get('query')}: {exc.read().decode()[:500]}") from exc
        except OSError as exc:
            raise Failed(f"{self.url} does not answer: {exc}") from exc

    def marks(self, dashboard: dict[str, Any], view: View) -> list[float]:
        """When the dashboard's annotations begin, in seconds since 1970.

        Raises:
            Failed: Prometheus refused a query of one.
        """
        step = max(60, view.seconds // 10_000)
        beginnings = []
        for each in dashboard["annotations"]["list"]:
            query = view.query(each["expr"], step)
            data = self.get("query_range", query=query, start=view.start, end=view.end, step=step)
            beginnings += [series["values"][0][0] for series in data["result"]]
        return beginnings

    def target(self, panel: dict[str, Any], target: dict[str, Any], view: View) -> list[Series]:
        """What a panel's target shows.

        Raises:
            Failed: Prometheus refused it.
        """
        step = view.step(panel)
        query = view.query(target["expr"], step)
        began = time.perf_counter()
        if target["instant"]:
            data = self.get("query", query=query, time=view.end)
        else:
            # Grafana aligns both ends to the step, so that points stay where they are.
            start, end = (edge // step * step for edge in (view.start, view.end))
            data = self.get("query_range", query=query, start=start, end=end, step=step)
        self.slowest = max(self.slowest, (time.perf_counter() - began, query))
        return [
            Series(
                each["metric"],
                [(at, float(v)) for at, v in each.get("values") or [each["value"]]],
            )
            for each in data["result"]
        ]
