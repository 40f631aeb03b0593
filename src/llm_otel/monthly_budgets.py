"""What may be spent in a calendar month, and what of it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from llm_otel.projected_month import Projection

ANY: Final = "*"
_DAY: Final = timedelta(days=1)


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Budgets:
    """What may be spent in a calendar month (UTC), in USD.

    Attributes:
        total: Of everything; None: no such budget.
        tenants: By `tenant_id`; the key `*` holds for each tenant that is not named.
        features: By `feature`, likewise.
    """

    total: float | None = None
    tenants: Mapping[str, float] = field(default_factory=_nothing)
    features: Mapping[str, float] = field(default_factory=_nothing)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.total or self.tenants or self.features)


NO_BUDGETS: Final = Budgets()


def used_up(month: Projection, limit: float, now: datetime) -> datetime | None:
    """When `limit` USD of a month will have been spent at its pace; None: not in this month.

    Args:
        month: Projected at `now`.
        limit: USD.
        now: UTC, without a zone. It is the answer where the limit is reached already.
    """
    if month.spent >= limit:
        return now
    if month.usd <= limit:
        return None
    return now + (limit - month.spent) / month.pace * _DAY
