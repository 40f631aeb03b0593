"""The dashboards as Grafana reads them, and what their queries are made of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from llm_otel import semconv
from llm_otel.stack import prometheus
from llm_otel.stack.config import Budgets, Config
from llm_otel.stack.grafana import files
from llm_otel.stack.prometheus import promql

Json = dict[str, Any]
CONFIG = Config(budgets=Budgets(total=100, tenants={"acme": 50, "*": 20}, features={"search": 10}))


def dashboards(config: Config) -> dict[str, Json]:
    """The dashboards by path."""
    return {
        path: json.loads(text) for path, text in files(config).items() if path.endswith(".json")
    }


DASHBOARDS = dashboards(CONFIG)
BY_UID = {dashboard["uid"]: dashboard for dashboard in DASHBOARDS.values()}

# What other programs than the library emit, as the dashboards name it.
FOREIGN = re.compile(
    r"up|ALERTS(_FOR_STATE)?|otelcol_\w+|prometheus_\w+|alertmanager_\w+|process_resident_memory_bytes"
)
_KEYWORDS = {
    "by",
    "on",
    "or",
    "and",
    "unless",
    "offset",
    "bool",
    "without",
    "ignoring",
    "group_left",
}


@dataclass(frozen=True)
class Target:
    """A query, and where it stands."""

    dashboard: Json
    panel: Json
    target: Json

    def __str__(self) -> str:
        return f"{self.dashboard['uid']} · {self.panel['title']} · {self.target['refId']}"

    @property
    def expr(self) -> str:
        """Its PromQL, macros and all."""
        return str(self.target["expr"])


def panels(dashboard: Json, *, rows: bool = False) -> Iterator[Json]:
    """The panels of a dashboard, those in rows too."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            if rows:
                yield panel
            yield from panel["panels"]
        else:
            yield panel


def targets(boards: Mapping[str, Json] = DASHBOARDS) -> Iterator[Target]:
    """Every query of every dashboard to Prometheus."""
    for dashboard in boards.values():
        for panel in panels(dashboard):
            if panel["datasource"]["type"] == "prometheus":
                for target in panel["targets"]:
                    yield Target(dashboard, panel, target)


def names(expr: str) -> set[str]:
    """The names of series in a query, those in matchers on the name too."""
    found: set[str] = set()
    for pattern in re.findall(r'__name__(?:=~|=)"([^"]+)"', expr):
        plain = re.sub(r"\$\{\w+\}", "", pattern)
        for name in plain.split("|"):
            found |= _expanded(name)
    bare = re.sub(r'"[^"]*"', '""', expr)
    bare = re.sub(r"\$\w+", " ", bare)
    bare = re.sub(r"\b(by|on|group_left|without|ignoring)\s*\([^)]*\)", " ", bare)
    bare = re.sub(r"(?<!\$)\{[^{}]*\}", "{}", bare)
    bare = re.sub(r"\[[^\]]*\]|offset \S+|@ 0", " ", bare)
    for name, follows in re.findall(r"([a-zA-Z_:][\w:]*)\s*(\(?)", bare):
        if not follows and name not in _KEYWORDS and not name.startswith("__"):
            found.add(name)
    return found


def _expanded(name: str) -> set[str]:
    if name.endswith("(_bucket)?"):
        stem = name.removesuffix("(_bucket)?")
        return {stem, f"{stem}_bucket"}
    return {name}


def emitted() -> dict[str, set[str]]:
    """The name of each series that exists -> its labels; empty: any."""
    resource = {
        "service_name", "deployment_environment_name", "service_version", "job", "instance", "le",
        "__name__",
    }  # fmt: skip
    found = {"ALERTS": set[str](), "up": set[str]()}
    for metric in (*semconv.FAMILY_A, *semconv.FAMILY_B_STEPS):
        labels = {*map(promql.label, metric.labels), *resource}
        suffixes = ("", "_bucket", "_count", "_sum") if metric.kind == "histogram" else ("",)
        found |= {f"{metric.prometheus}{suffix}": labels for suffix in suffixes}
    for group in prometheus.groups(CONFIG):
        found |= {rule.record: set[str]() for rule in group.rules}
    return found
