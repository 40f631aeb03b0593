"""When an alert fires, and how `llm-otel.yaml` changes that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from llm_otel import semconv
from llm_otel.settings.kinds import Kind, as_map, require_known

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
        minimum_unit: What `minimum` counts.
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
    minimum_unit: str = "calls"
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
        threshold: float | None = getattr(self, severity)
        return threshold


def seconds(duration: str) -> int:
    """A duration such as `10m` or `2d` in seconds."""
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise ValueError(duration)
    return int(match[1]) * _UNITS[match[2]]


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
    levels_by_model = {}
    for model, levels in value.items():
        if not semconv.well_formed(semconv.MODEL, model) or not set(levels) <= set(LEVELS):
            raise ValueError
        levels_by_model[model] = MappingProxyType(
            {name: _number(level) for name, level in levels.items()}
        )
    return MappingProxyType(levels_by_model)


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


def settable(limits: Limits) -> tuple[str, ...]:
    """The keys that the file can give for an alert with these limits."""
    return tuple(
        name for name in _KINDS if name in _ALWAYS or getattr(limits, _field(name)) is not None
    )


def change(limits: Limits, changes: Any, where: str) -> Limits:
    """The limits of one alert with what the file says instead.

    Args:
        limits: The alert's own.
        changes: What the file has for it: a map.
        where: Its place there, to begin an error message with.

    Raises:
        ConfigError: A key or value is wrong.
    """
    values: dict[str, Any] = {}
    for name, value in as_map(changes, where).items():
        require_known(name, settable(limits), f"{where}: the key")
        if value is None and name not in LEVELS:
            continue
        values[_field(name)] = (
            None if value is None else _KINDS[name].parse(value, f"{where}.{name}")
        )
    return replace(limits, **values)


def _field(name: str) -> str:
    return "for_" if name == "for" else name
