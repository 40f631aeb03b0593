"""From the parsed YAML of `prices:` to `Overrides`; every mistake is one clear sentence."""

from __future__ import annotations

import fnmatch
import re
import reprlib
from collections.abc import Mapping
from datetime import date, datetime, timezone
from typing import Final, TypeGuard

from llm_otel.errors import ConfigError
from llm_otel.pricing.overrides import Override, Overrides, Sheet
from llm_otel.pricing.rates import ALWAYS, UNITS
from llm_otel.pricing.table import normal_tier

_MATCH: Final = ("model", "provider", "host", "from")
_LISTED: Final = ("discount", "price_as")
_HOURLY: Final = ("per_hour", "concurrency")
_LARGEST: Final = 1e15
# What a rate is for; all others are for a million tokens.
_UNIT_TEXT: Final = {
    "audio_second": "second of audio",
    "web_search": "thousand searches",
    "file_search": "thousand searches",
    "search_unit": "thousand search units",
    "page": "thousand pages",
    "annotated_page": "thousand pages",
    "image": "image",
    "image_pixel": "thousand million pixels",
    "request": "request",
}
_KEYS: Final = (*_MATCH, *UNITS, "tiers", "above", *_LISTED, *_HOURLY)


def parse_overrides(node: object, where: str) -> Overrides:
    """Read the section `prices:`.

    Args:
        node: What the YAML parser gave; None for an empty section.
        where: File and key path of the section, for error messages: "llm-otel.yaml: prices".

    Raises:
        ConfigError: A key or value is wrong.
    """
    if node is None:
        return ()
    if not isinstance(node, list):
        raise ConfigError(f"{where} must be a list of entries, not {_shown(node)}.")
    return tuple(_entry(item, f"{where}[{i}]") for i, item in enumerate(node))


def _entry(node: object, where: str) -> Override:
    entry = _mapping(node, where, _KEYS)
    kind = _kind(entry, where)
    own = kind == "rates"
    return Override(
        model=_pattern(entry.get("model"), f"{where}.model"),
        provider=_text(entry.get("provider"), f"{where}.provider"),
        host=_pattern(entry.get("host"), f"{where}.host"),
        start=_date(entry.get("from"), f"{where}.from"),
        sheet=_sheet(entry, where) if own else None,
        tiers=_tiers(entry.get("tiers"), f"{where}.tiers", sheets=own),
        discount=_discount(entry.get("discount", 0), f"{where}.discount"),
        price_as=_text(entry.get("price_as"), f"{where}.price_as"),
        per_second=_per_second(entry, where) if kind == "per_hour" else None,
    )


def _kind(entry: Mapping[str, object], where: str) -> str:
    """Which of the three ways to give a price the entry takes."""
    kinds = [
        name
        for name, keys in (("rates", UNITS), ("a list price", _LISTED), ("per_hour", _HOURLY))
        if any(key in entry for key in keys)
    ]
    if len(kinds) > 1:
        raise ConfigError(
            f"{where} must give one of rates, discount or price_as, per_hour, "
            f"but has {' and '.join(kinds)}."
        )
    if not kinds and "tiers" not in entry:
        raise ConfigError(
            f"{where} must give a price: rates such as input and output, discount, "
            "price_as, tiers, or per_hour."
        )
    kind = kinds[0] if kinds else "a list price"
    if "above" in entry and kind != "rates":
        raise ConfigError(f"{where}.above is allowed only beside rates such as input and output.")
    if "tiers" in entry and kind == "per_hour":
        raise ConfigError(f"{where}.tiers is not allowed beside per_hour.")
    return kind


def _sheet(node: Mapping[str, object], where: str) -> Sheet:
    return Sheet(_rates(node, where), _above(node.get("above"), f"{where}.above"))


def _rates(node: Mapping[str, object], where: str) -> dict[str, float]:
    return {
        name: _number(node[name], f"{where}.{name}", _UNIT_TEXT.get(name, "million tokens"))
        / UNITS[name]
        for name in UNITS
        if name in node
    }


def _above(node: object, where: str) -> tuple[tuple[int, dict[str, float]], ...]:
    if node is None:
        return ()
    if not isinstance(node, Mapping):
        raise ConfigError(f"{where} must map numbers of input tokens to rates, not {_shown(node)}.")
    bands = []
    for start, rates in node.items():
        if type(start) is not int or start < 0:
            raise ConfigError(
                f"{where} must have whole numbers of input tokens as keys, not {_shown(start)}."
            )
        here = f"{where}.{start}"
        bands.append((start, _rates(_mapping(rates, here, tuple(UNITS)), here)))
    return tuple(bands)


def _tiers(node: object, where: str, *, sheets: bool) -> dict[str, float | Sheet]:
    if node is None:
        return {}
    if not isinstance(node, Mapping):
        raise ConfigError(
            f"{where} must map service tiers to factors or rates, not {_shown(node)}."
        )
    tiers: dict[str, float | Sheet] = {}
    for key, value in node.items():
        here = f"{where}.{key}"
        name = normal_tier(key) if isinstance(key, str) else None
        if name is None:
            raise ConfigError(
                f"{here} must be named as a service tier other than the standard "
                "one, such as batch, flex or priority."
            )
        if sheets and isinstance(value, Mapping):
            tiers[name] = _sheet(_mapping(value, here, (*UNITS, "above")), here)
        elif _is_number(value):
            tiers[name] = float(value)
        else:
            allowed = "a factor, 0 or more" + (", or a mapping of rates" if sheets else "")
            raise ConfigError(f"{here} must be {allowed}, not {_shown(value)}.")
    return tiers


def _per_second(entry: Mapping[str, object], where: str) -> float:
    if "per_hour" not in entry:
        raise ConfigError(f"{where}.concurrency is allowed only beside per_hour.")
    hourly = _number(entry["per_hour"], f"{where}.per_hour", "hour of a call")
    concurrency = entry.get("concurrency", 1)
    if not _is_number(concurrency) or concurrency < 1:
        raise ConfigError(
            f"{where}.concurrency must be a number of calls that share the machine, "
            f"1 or more, not {_shown(concurrency)}."
        )
    return hourly / 3600 / float(concurrency)


def _discount(value: object, where: str) -> float:
    if _is_number(value, least=-10) and value <= 1:
        return float(value)
    raise ConfigError(
        f"{where} must be a share of the list price between -10 (a surcharge of ten "
        f"times the price) and 1 (free), not {_shown(value)}."
    )


def _number(value: object, where: str, unit: str) -> float:
    if _is_number(value):
        return float(value)
    raise ConfigError(
        f"{where} must be a number of US dollars per {unit}, 0 or more, not {_shown(value)}."
    )


def _is_number(value: object, least: float = 0) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return least <= value <= _LARGEST


def _pattern(value: object, where: str) -> re.Pattern[str] | None:
    text = _text(value, where)
    if text is None:
        return None
    if len(text) < 2 or text[0] != "/" or text[-1] != "/":
        return re.compile(fnmatch.translate(text), re.IGNORECASE)
    try:
        return re.compile(text[1:-1], re.IGNORECASE)
    except re.error as error:
        raise ConfigError(
            f"{where} must be a glob or a /regular expression/, but "
            f"{_shown(text)} does not compile: {error}."
        ) from None


def _text(value: object, where: str) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    raise ConfigError(f"{where} must be a text, not {_shown(value)}.")


def _date(value: object, where: str) -> float:
    if value is None:
        return ALWAYS[0]
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            pass
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ConfigError(f"{where} must be a date such as 2026-01-31 (UTC), not {_shown(value)}.")
    return datetime(value.year, value.month, value.day, tzinfo=timezone.utc).timestamp()


def _mapping(node: object, where: str, allowed: tuple[str, ...]) -> Mapping[str, object]:
    if not isinstance(node, Mapping):
        raise ConfigError(f"{where} must be a mapping, not {_shown(node)}.")
    for key in node:
        if key not in allowed:
            raise ConfigError(
                f"{where} has the unknown key {_shown(key)}; allowed are {', '.join(allowed)}."
            )
    return node


def _shown(value: object) -> str:
    return reprlib.repr(value)
