"""Rewrites the generated blocks of the documentation; with `--check` only says which are stale.

A block stands between `<!-- generated: <name> -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from textwrap import fill

from benchmarks import sizing
from llm_otel import semconv
from llm_otel.lake.schema import TABLES
from llm_otel.providers import stream_usage
from llm_otel.settings import OPTIONS, Settings
from llm_otel.settings.sources import Option
from llm_otel.stack.collector import allowed
from llm_otel.stack.limits import LEVELS, Limits
from llm_otel.stack.prometheus import alerts
from llm_otel.stack.prometheus.alert import Alert, shown
from tools import command_docs

DOCS = Path(__file__).resolve().parents[1] / "docs"
_BLOCK = re.compile(r"(<!-- generated: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def settings_table() -> str:
    """Every setting: name, variable, what is allowed, default, meaning."""
    defaults = {field.name: getattr(Settings(), field.name) for field in fields(Settings)}
    rows = [
        (
            f"`{name}`",
            f"`{option.variable(name)}`" if option.variable(name) else "",
            option.kind.allowed,
            _shown(defaults[name]),
            option.help + _restriction(option),
        )
        for name, option in OPTIONS.items()
    ]
    return _table(("setting", "environment", "allowed", "default", "meaning"), rows)


def _restriction(option: Option) -> str:
    if not option.keyword:
        return " Only in the file."
    if not option.yaml:
        return " Not in the file."
    return ""


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`" if isinstance(default, (str, int)) else ""


def family_a_table() -> str:
    """Every metric of family A."""
    rows = [
        (
            f"`{metric.name}`",
            f"`{metric.prometheus}`",
            _kind(metric),
            _names(metric.labels),
            metric.description,
        )
        for metric in semconv.FAMILY_A
    ]
    return _table(("metric", "in Prometheus", "kind, unit", "labels", "what"), rows)


def family_b_table() -> str:
    """Every metric of family B, by the values of the setting `semconv` that have it."""
    rows = [
        (f"`{metric.name}`", settings, _kind(metric), _attributes(metric), metric.description)
        for settings, family in (
            ("`v1.41`", semconv.FAMILY_B_V141),
            ("`latest`", semconv.FAMILY_B_LATEST),
            ("`v1.41`, `latest`", semconv.FAMILY_B_STEPS),
        )
        for metric in family
    ]
    table = _table(("metric", "in", "kind, unit", "attributes", "what"), rows)
    common = fill(f"The *common* attributes are {_names(semconv.COMMON_B)}.", 100)
    return f"{common}\n\n{table}"


def _attributes(metric: semconv.Metric) -> str:
    """The attributes of a metric of family B, those in common by that word."""
    own = _names(name for name in metric.labels if name not in semconv.COMMON_B)
    if not set(semconv.COMMON_B) <= set(metric.labels):
        return _names(metric.labels)
    return f"common, {own}" if own else "common"


def error_classes_table() -> str:
    """Every class of errors."""
    rows = [
        (f"`{name}`", what, "yes" if name in semconv.SLO_ERROR_CLASSES else "no")
        for name, what in semconv.ERROR_CLASSES.items()
    ]
    return _table(("`error_type`", "what it is", "counts against the SLO"), rows)


def alerts_table() -> str:
    """Every alert of the stack with its defaults."""
    rows = [
        (
            f"[{alert.name}](#{alert.anchor})",
            f"`{alert.key}`",
            *(_level(alert, level) for level in LEVELS),
            alert.limits.window or "",
            _minimum(alert.limits),
            alert.limits.history or "",
            alert.limits.for_,
        )
        for alert in alerts.ALERTS
    ]
    head = ("alert", "key", *LEVELS, "window", "at least", "history", "for")
    return _table(head, rows)


def _level(alert: Alert, severity: str) -> str:
    value = alert.limits.level(severity)
    sign = "<" if alert.below else ">"
    return "" if value is None else f"{sign} {shown(value, alert.limits.unit)}"


def _minimum(limits: Limits) -> str:
    return "" if limits.minimum is None else shown(limits.minimum, limits.minimum_unit)


def collector_table() -> str:
    """Every key that the Collector lets through, with the form of its value."""
    rows = [(f"`{key}`", where, form) for key, where, form in allowed.rows()]
    return _table(("key", "on", "form of the value"), rows)


def _kind(metric: semconv.Metric) -> str:
    kind = "up-down counter" if metric.kind == "updown" else metric.kind
    return f"{kind}, {metric.unit}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = (head, ("---",) * len(head), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def lake_schema() -> str:
    """Every table of the lake with its columns."""
    parts = []
    for table in TABLES.values():
        rows = [
            (f"`{c.name}`", f"`{c.type}`".replace("|", "\\|"), c.meaning) for c in table.columns
        ]
        heading = f"### {table.name}\n\n{table.grain[0].upper()}{table.grain[1:]}."
        parts.append(f"{heading}\n\n{_table(('column', 'type', 'meaning'), rows)}")
    return "\n" + "\n".join(parts)


def stream_usage_table() -> str:
    """What each host does about the usage of streams, and the source of that."""
    hosts = [(f"`{host}`", *entry) for host, entry in stream_usage.HOSTS.items()]
    ports = [(f"any host, port {port}", *entry) for port, entry in stream_usage.PORTS.items()]
    rows = [(host, does, f"[source]({url})") for host, does, url in (*hosts, *ports)]
    return _table(("host, or the parent domain of one", "reports usage", "shown by"), rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "commands": command_docs.commands,
    "settings": settings_table,
    "family A": family_a_table,
    "family B": family_b_table,
    "error classes": error_classes_table,
    "collector keys": collector_table,
    "alerts": alerts_table,
    "lake schema": lake_schema,
    "stream usage": stream_usage_table,
    "sizes": sizing.table,
    "steps": sizing.steps_table,
}


def generated(text: str) -> str:
    """`text` with every generated block made anew."""
    return _BLOCK.sub(lambda match: match[1] + BLOCKS[match[2]]() + match[3], text)


def main(arguments: list[str]) -> int:
    """Write, or check, all documents; 1 when the check finds a stale one."""
    stale = []
    for path in sorted(DOCS.rglob("*.md")):
        old = path.read_text(encoding="utf-8")
        new = generated(old)
        if new != old:
            stale.append(path)
            if "--check" not in arguments:
                path.write_text(new, encoding="utf-8")
    if "--check" in arguments and stale:
        names = ", ".join(path.name for path in stale)
        sys.stderr.write(f"Stale: {names}; run make generate.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
