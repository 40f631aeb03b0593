"""When each alert fires: the defaults, and reading what `llm-otel.yaml` says instead.

A key of `DEFAULTS` is the alert's key in the section `alerts:` of the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from llm_otel import semconv
from llm_otel.errors import ConfigError
from llm_otel.settings.kinds import Kind
from llm_otel.settings.sources import require_known

LEVELS: Final = ("info", "warning", "critical")

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION: Final = re.compile(r"(\d{1,6})([smhdw])")


@dataclass(frozen=True, slots=True)
class Limits:
    """When one alert fires; None: this alert has no such thing.

    Attributes:
        unit: What the levels count: s, share, times, USD, or a word in the plural.
        info: From where on it tells; the value must be beyond it, above or below.
        warning: From where on it warns.
        critical: From where on it pages.
        window: The time that the value is taken over, as Prometheus writes durations.
        minimum: What the window must hold for the value to mean something.
        counted: What `minimum` counts.
        history: How much there must be before a comparison with the past means something.
        for_: How long it must last before anybody is told; `for` in the file.
        keep_firing_for: How long it goes on after the last time it was seen.
        models: The levels of single models, instead of those above: model -> level -> value.
    """

    unit: str
    info: float | None = None
    warning: float | None = None
    critical: float | None = None
    window: str | None = None
    minimum: float | None = None
    counted: str = "calls"
    history: str | None = None
    for_: str = "5m"
    keep_firing_for: str = "10m"
    models: Mapping[str, Mapping[str, float]] | None = None

    def level(self, severity: str, model: str | None = None) -> float | None:
        """The value from which on the alert has this severity; None: never.

        Args:
            severity: One of `LEVELS`.
            model: The model in question, where its own levels count.
        """
        if model is not None and self.models and model in self.models:
            return self.models[model].get(severity)
        found: float | None = getattr(self, severity)
        return found


def seconds(duration: str) -> int:
    """A duration such as `10m` or `2d` in seconds."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise ValueError(duration)
    return int(found[1]) * _UNITS[found[2]]


def _per_call(unit: str, **given: Any) -> Limits:
    return Limits(unit, window="10m", minimum=20, **given)


_NO_MODELS: Final[Mapping[str, Mapping[str, float]]] = MappingProxyType({})

DEFAULTS: Final[Mapping[str, Limits]] = MappingProxyType(
    {
        # llm
        "latency": _per_call("s", warning=5, critical=10, models=_NO_MODELS),
        "first_chunk": _per_call("s", warning=3, critical=8, models=_NO_MODELS),
        "errors": _per_call("share", warning=0.03, critical=0.10),
        "rate_limited": _per_call("share", warning=0.05),
        "timeouts": _per_call("share", warning=0.05),
        "content_filter": _per_call("share", warning=0.05),
        "rejected": _per_call("share", warning=0.10),
        "key_refused": Limits("share", critical=0.5, window="10m", minimum=3, for_="2m"),
        "insufficient_funds": Limits("calls", critical=0, window="10m", for_="0s"),
        "headroom": Limits("share", warning=0.10, window="10m", for_="2m"),
        "stuck": Limits("calls", warning=0, window="15m"),
        "traffic": Limits("share", warning=0.2, minimum=100, for_="30m"),
        # Burn rates: each level times the share of errors that the objective allows.
        "slo_1h": Limits("times", critical=14.4, minimum=50, for_="2m"),
        "slo_6h": Limits("times", critical=6, minimum=50, for_="2m"),
        "slo_1d": Limits("times", warning=3, minimum=50, for_="2m"),
        "slo_3d": Limits("times", warning=1, minimum=50, for_="2m"),
        # cost
        "daily_cost": Limits(
            "times", warning=1.2, critical=2, minimum=1, counted="USD",
            history="2d", for_="15m",
        ),
        "hourly_cost": Limits(
            "times", warning=3, critical=6, minimum=1, counted="USD", history="1d",
        ),
        "tokens": Limits(
            "times", warning=1.5, critical=3, minimum=10_000, counted="tokens",
            history="1d", for_="15m",
        ),
        "budget_projected": Limits("share", warning=0.8, critical=1, history="1d", for_="1h"),
        "budget_used": Limits("share", info=0.5, warning=0.8, critical=1, for_="0s"),
        "unpriced": Limits("calls", warning=0, window="1h", for_="0s"),
        "usage_unknown": Limits("share", warning=0.05, window="1h", minimum=20),
        "prices_age": Limits("s", warning=90 * 86400, for_="1h"),
        # quality
        "success": Limits(
            "share", warning=0.75, critical=0.5, window="1h", minimum=20,
            counted="outcomes", for_="10m",
        ),
        "drift": Limits(
            "share", warning=0.10, critical=0.25, window="6h", minimum=50,
            counted="scores", for_="30m", keep_firing_for="30m",
        ),
        # telemetry
        "silent": Limits("s", warning=600, minimum=60, counted="minutes", for_="2m"),
        "internal_errors": Limits("errors", warning=0, window="1h", for_="0s"),
        "overflow": Limits("values", warning=0, window="1h", for_="0s"),
        "collector_down": Limits("up", critical=1),
        "collector_refusing": Limits("records", critical=0, window="5m"),
        "collector_queue": Limits("share", warning=0.8),
        "collector_stalled": Limits("batches", critical=0, window="10m"),
        "collector_failing": Limits("records", warning=0, window="5m"),
        "collector_dropping": Limits("records", critical=0, window="5m", for_="0s"),
        "target_down": Limits("up", warning=1),
        "rules_failing": Limits("failures", warning=0, window="5m", for_="10m"),
        "notifications_failing": Limits("failures", critical=0, window="10m"),
        "samples_refused": Limits("requests", warning=0, window="10m", for_="15m"),
        "storage": Limits("failures", critical=0, window="1h", for_="0s"),
        "series": Limits("series", warning=500_000, critical=1_500_000, for_="10m"),
        "configuration": Limits("accepted", warning=1),
    }
)  # fmt: skip


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e15:
        raise ValueError
    return value


def _duration(least: str) -> Kind:
    """A duration that is not shorter than another."""

    def check(value: Any) -> str:
        if seconds(value) < seconds(least):
            raise ValueError
        return str(value)

    return Kind(f"a duration of at least {least}, such as 30s, 10m, 6h or 2d", check)


def _models(value: Any) -> Mapping[str, Mapping[str, float]]:
    found = {}
    for model, levels in value.items():
        if not semconv.well_formed(semconv.MODEL, model) or not set(levels) <= set(LEVELS):
            raise ValueError
        found[model] = MappingProxyType({name: _number(level) for name, level in levels.items()})
    return MappingProxyType(found)


NUMBER: Final = Kind("a number of at least 0", _number)
_KINDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(LEVELS, NUMBER),
    "minimum": NUMBER,
    # two points of a series that is exported each minute
    "window": _duration("2m"),
    "history": _duration("1h"),
    "for": _duration("0s"),
    "keep_firing_for": _duration("0s"),
    "models": Kind("a map of models to levels, such as {o3: {warning: 30, critical: 60}}", _models),
}
_ALWAYS: Final = ("warning", "critical", "for", "keep_firing_for")


def keys(key: str) -> tuple[str, ...]:
    """What can be set for an alert in the file."""
    own = DEFAULTS[key]
    return tuple(
        name for name in _KINDS if name in _ALWAYS or getattr(own, _field(name)) is not None
    )


def parse(given: Any, path: str) -> Mapping[str, Limits]:
    """The limits of every alert that is on: the defaults, changed by the section `alerts:`.

    Args:
        given: The section as it stands in the file; a level that is null there is never reached,
            an alert that is false is off.
        path: The file's name, to begin an error message with.

    Raises:
        ConfigError: A key or value is wrong.
    """
    where = f"{path}: alerts"
    found = dict(DEFAULTS)
    for key, changes in as_map(given, where).items():
        require_known(key, DEFAULTS, f"{where}: the alert")
        if changes is False:
            del found[key]
        elif changes is not None:
            found[key] = _changed(key, changes, f"{where}.{key}")
    return MappingProxyType(found)


def as_map(value: Any, where: str) -> Mapping[Any, Any]:
    """`value` where it is a map, an empty one for None.

    Raises:
        ConfigError: It is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a map, not {type(value).__name__}.")
    return value


def _changed(key: str, changes: Any, where: str) -> Limits:
    values: dict[str, Any] = {}
    for name, value in as_map(changes, where).items():
        require_known(name, keys(key), f"{where}: the key")
        if value is None and name not in LEVELS:
            continue
        values[_field(name)] = (
            None if value is None else _KINDS[name].parse(value, f"{where}.{name}")
        )
    return replace(DEFAULTS[key], **values)


def _field(name: str) -> str:
    return "for_" if name == "for" else name
