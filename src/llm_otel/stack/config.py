"""What a user can change of the stack: thresholds, budgets, addresses; from `llm-otel.yaml`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from llm_otel import semconv
from llm_otel.monthly_budgets import ANY, Budgets
from llm_otel.settings import document
from llm_otel.settings.kinds import Kind, as_map, require_known
from llm_otel.stack.limits import NUMBER, Limits
from llm_otel.stack.notify import Notify


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Config:
    """What the stack's files are generated from; `Config()` holds the defaults.

    Attributes:
        alerts: The alerts that fire at other limits than their own, by key; None: one is off.
        budgets: What may be spent.
        slo: The share of calls that must be good, over 30 days.
        grafana_url: Where people reach Grafana, without a slash at the end.
        dashboard_url: Where people reach the pages of `llm-otel serve`: digests link to them.
        runbook_url: The page that explains the alerts; `#` and the alert's name are appended.
            By default the stack's own page of notifications serves it.
        external_labels: Labels that Prometheus puts on all that it sends elsewhere.
        notify: Who is told when an alert fires.
        tags: Keys of tags that the Collector lets through: the library's setting.
    """

    alerts: Mapping[str, Limits | None] = field(default_factory=_nothing)
    budgets: Budgets = field(default_factory=Budgets)
    slo: float = 0.99
    grafana_url: str = "http://localhost:3000"
    dashboard_url: str = "http://localhost:8050"
    runbook_url: str = "http://localhost:8025/docs/alerts"
    external_labels: Mapping[str, str] = field(default_factory=_nothing)
    notify: Notify = field(default_factory=Notify)
    tags: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> Config:
        """The configuration that a file holds; what it does not say is as by default.

        Args:
            path: The file; None: `llm-otel.yaml` in the working directory, if it is there.

        Raises:
            ConfigError: The file cannot be read, or a key or value is wrong.
        """
        return cls(**document.load(path).parsed([each.name for each in fields(cls)]))


def _slo(value: Any) -> float:
    number = float(NUMBER.check(value))
    if not 0.5 <= number < 1:
        raise ValueError
    return number


def _url(value: Any) -> str:
    url = urlsplit(value)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
        raise ValueError
    return str(value).rstrip("/")


def _labels(value: Any) -> Mapping[str, str]:
    for name, text in value.items():
        if not _LABEL.fullmatch(name) or not isinstance(text, str) or not text:
            raise ValueError
    return MappingProxyType(dict(value))


def parse_budgets(section: Any, where: str) -> Budgets:
    """The budgets that the section `budgets:` sets.

    Args:
        section: As it stands in the file.
        where: Its place, to begin an error message with.

    Raises:
        ConfigError: A key or value is wrong.
    """
    budgets: dict[str, Any] = {}
    for name, value in as_map(section, where).items():
        require_known(name, ("total", *_SCOPES), f"{where}: the key")
        if name == "total":
            budgets[name] = None if value is None else _USD.parse(value, f"{where}.total")
        else:
            budgets[name] = _scope(_SCOPES[name], value, f"{where}.{name}")
    return Budgets(**budgets)


def _scope(label: str, section: Any, where: str) -> Mapping[str, float]:
    key_kind = Kind(f"{ANY} or a {label} as the metrics have it", lambda key: _key(label, key))
    return MappingProxyType(
        {
            key_kind.parse(key, f"A key of {where}"): _USD.parse(usd, f"{where}.{key}")
            for key, usd in as_map(section, where).items()
        }
    )


def _key(label: str, key: str) -> str:
    if key != ANY and not semconv.well_formed(label, key):
        raise ValueError
    return key


def _usd(value: Any) -> float:
    number = float(NUMBER.check(value))
    if number <= 0:
        raise ValueError
    return number


_USD = Kind("a number of USD above 0", _usd)
_SCOPES: Final = {"tenants": semconv.TENANT_ID, "features": semconv.FEATURE}
parse_slo = Kind("a share from 0.5 to below 1, such as 0.99", _slo).parse
parse_url = Kind("an address with http:// or https://", _url).parse
parse_labels = Kind("a map of label names to text", _labels).parse
