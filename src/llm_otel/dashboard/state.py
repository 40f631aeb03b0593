"""Everything a page shows follows from its address: this reads it and writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlencode

from llm_otel.dashboard import moments
from llm_otel.lake.queries.filters import (
    COLUMNS,
    HOUR,
    NUMBERS,
    OPERATORS,
    SCORE,
    Filter,
    Limit,
    Match,
)

# Name in the address -> what it is called, and how long it is; of a day, what day.
RANGES: Final = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
    "90d": ("Last 90 days", timedelta(days=90)),
}
DAYS: Final = {"today": "Today, UTC", "yesterday": "Yesterday, UTC"}
DEFAULT_RANGE: Final = "7d"
# What narrows a question, beside its window.
NARROWING: Final = (*COLUMNS, "tag", "match", "where", "text")
SHARED: Final = (*NARROWING, "range", "since", "until", "live")
_LONGEST_VALUE: Final = 256
_MOST_VALUES: Final = 50


@dataclass(frozen=True)
class State:
    """The parameters of an address: name → values, in their order."""

    params: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, search: str | None) -> State:
        """Of the part of an address from the question mark on; what is too long is cut off."""
        params: dict[str, tuple[str, ...]] = {}
        for name, value in parse_qsl((search or "").lstrip("?"))[:_MOST_VALUES]:
            params[name] = (*params.get(name, ()), value[:_LONGEST_VALUE])
        return cls(params)

    def get(self, name: str, default: str = "") -> str:
        """The first value of a parameter."""
        return self.all(name)[0] if self.all(name) else default

    def choice(self, name: str, allowed: Mapping[str, object]) -> str:
        """The value of a parameter when it is one of `allowed`, else the first of these."""
        value = self.get(name)
        return value if value in allowed else next(iter(allowed))

    def all(self, name: str) -> tuple[str, ...]:
        """All values of a parameter."""
        return self.params.get(name, ())

    def mistakes(self, now: datetime) -> list[str]:
        """What of the address says nothing that can be shown, and is therefore ignored: a sentence
        each."""
        mistakes = [
            f"{label} {self.get(name)!r} is no date and was ignored: write 2026-01-31, "
            "2026-01-31T15:30, yesterday or -3d, in UTC."
            for name, label in (("since", "From"), ("until", "To"))
            if self.get(name) and moments.first(self.get(name), now) is None
        ]
        since = moments.first(self.get("since"), now)
        until = moments.last(self.get("until"), now)
        if since is not None and until is not None and until <= since:
            mistakes.append("To is not after From and was ignored: the window ends now.")
        if since is not None and until is None and since >= now:
            mistakes.append("From is in the future: there is nothing to show yet.")
        if self.get("range") and self.get("range") not in (*RANGES, *DAYS):
            mistakes.append(
                f"The window {self.get('range')!r} is none and was ignored: use one of "
                f"{', '.join((*RANGES, *DAYS))}."
            )
        mistakes += [
            f"The pattern {value!r} was ignored: write model:gpt-* or -tenant_id:acme."
            for value in self.all("match")
            if match(value) is None
        ]
        mistakes += [
            f"The comparison {value!r} was ignored: write cost>0.1, duration>5, tokens>1000 or "
            "score.helpfulness<0.5."
            for value in self.all("where")
            if limit(value) is None
        ]
        return mistakes + [
            f"The tag {value!r} was ignored: write key=value."
            for value in self.all("tag")
            if "=" not in value
        ]

    def number(self, name: str) -> float | None:
        """A parameter as a number of 0 or more; None where it is none."""
        try:
            value = float(self.get(name))
        except ValueError:
            return None
        return value if 0 <= value < float("inf") else None

    def to(self, **changes: str | tuple[str, ...] | None) -> State:
        """With other values; None takes a parameter out."""
        params = {**self.params}
        for name, value in changes.items():
            params.pop(name, None)
            if value:
                params[name] = (value,) if isinstance(value, str) else value
        return State(params)

    def toggled(self, name: str, value: str) -> State:
        """With `value` added to a parameter, or taken out of it."""
        values = self.all(name)
        rest = tuple(each for each in values if each != value)
        return self.to(**{name: rest if value in values else (*values, value)})

    def shared(self) -> State:
        """Only what holds on every page."""
        return State({name: self.params[name] for name in SHARED if name in self.params})

    def cleared(self) -> State:
        """Without any filter; the window stays."""
        return State(
            {name: values for name, values in self.params.items() if name not in NARROWING}
        )

    def href(self, path: str) -> str:
        """The address."""
        pairs = [(name, value) for name, values in self.params.items() for value in values]
        return f"{path}?{urlencode(pairs)}" if pairs else path

    @property
    def live(self) -> bool:
        """Whether the page reads again by itself."""
        return self.get("live") != "off"

    @property
    def range(self) -> str:
        """A key of `RANGES` or `DAYS`, or `custom`."""
        if self.get("since"):
            return "custom"
        return self.get("range") if self.get("range") in (*RANGES, *DAYS) else DEFAULT_RANGE

    def filter(self, now: datetime) -> Filter:
        """The question of this address at `now` (UTC, without a zone).

        A window of more than a few hours begins with an hour, as the metrics are by hour.
        """
        since, until = self._window(now)
        window = Filter(
            since,
            until,
            **{name: self.all(name) for name in COLUMNS},
            tags=tuple(_pair(value) for value in self.all("tag") if "=" in value),
            matches=tuple(each for each in map(match, self.all("match")) if each is not None),
            limits=tuple(each for each in map(limit, self.all("where")) if each is not None),
            texts=self.all("text"),
        )
        if window.bucket_s < HOUR:
            return window
        return window.over(since.replace(minute=0, second=0, microsecond=0), until)

    def _window(self, now: datetime) -> tuple[datetime, datetime]:
        since = moments.first(self.get("since"), now)
        until = moments.last(self.get("until"), now)
        if since is None:
            name = self.get("range") if self.get("range") in (*RANGES, *DAYS) else DEFAULT_RANGE
            if name in DAYS:
                since = moments.first(name, now)
                until = min(moments.last(name, now) or now, now)
                return since or now, until
            until = now if until is None else until
            return until - RANGES[name][1], until
        until = until if until is not None and until > since else max(now, since)
        return since, max(until, since + timedelta(minutes=1))


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def match(text: str) -> Match | None:
    """A pattern or an exclusion, as `model:gpt-*` or `-tenant_id:acme`; None for what is none."""
    name, colon, value = text.removeprefix("-").partition(":")
    return Match(name, value, text.startswith("-")) if name in COLUMNS and colon and value else None


def limit(text: str) -> Limit | None:
    """A comparison, as `cost>0.1`; None for what is none."""
    match = _LIMIT.fullmatch(text.strip())
    if match is None:
        return None
    name, operator, digits = match.groups()
    if name not in NUMBERS and not (name.startswith(SCORE) and name != SCORE):
        return None
    return Limit(name, operator, float(digits))


_LIMIT: Final = re.compile(
    rf"([\w.:/ -]+?)\s*({'|'.join(OPERATORS)})\s*(-?\d+(?:\.\d+)?(?:e-?\d+)?)", re.ASCII
)
