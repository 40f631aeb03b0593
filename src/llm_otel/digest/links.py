"""Addresses of the dashboard's pages that show what a digest speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final
from urllib.parse import urlencode

from llm_otel.digest.model import Digest, Finding

# Name of a figure -> the page that shows it, and its filters there.
_PAGES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "cost": ("/cost", {}),
    "error share": ("/errors", {}),
    "P95 latency": ("/latency", {}),
}
_OVERVIEW: Final[tuple[str, Mapping[str, str]]] = ("/", {})


def period(digest: Digest, path: str = "/", **filters: str) -> str:
    """A page of the digest's period; empty where the digest knows no dashboard."""
    last = digest.period.until - timedelta(days=1)
    return _address(digest, path, digest.period.since, last, filters)


def finding(digest: Digest, entry: Finding) -> str:
    """The page of an anomaly, on its day."""
    path, filters = _PAGES.get(entry.name, _OVERVIEW)
    own = {entry.dimension: entry.key} if entry.key else {}
    return _address(digest, path, entry.anomaly.day, entry.anomaly.day, {**filters, **own})


def errors(digest: Digest) -> str:
    """The page of the calls that failed."""
    return period(digest, "/errors")


def _address(digest: Digest, path: str, since: date, last: date, filters: Mapping[str, str]) -> str:
    if not digest.dashboard:
        return ""
    # A date alone is the end of that day there.
    window = {"since": since.isoformat(), "until": last.isoformat()}
    return f"{digest.dashboard}{path}?{urlencode({**window, **filters})}"
