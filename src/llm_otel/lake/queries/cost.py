"""The money: by day or week and by model, user, tenant, feature or a tag."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from llm_otel.lake.queries import marks, usage
from llm_otel.lake.queries.drivers import Change, Names, Use, changes, explained, parts
from llm_otel.lake.queries.filters import NONE
from llm_otel.lake.queries.reader import Reader
from llm_otel.lake.queries.uncounted import Uncounted, uncounted

# What the cost can be split by -> the column; tags are split by `tag:<key>`.
DIMENSIONS: Final = {
    "model": "model",
    "tenant_id": "tenant_id",
    "feature": "feature",
    "user": '"user"',
    "provider": "provider",
    "service": "service_name",
    "release": "release",
    "agent": "agent",
}
_METERED: Final = frozenset({"model", "tenant_id", "feature", "provider", "service"})
_ATTRIBUTED: Final = frozenset({"tenant_id", "feature"})
TAG: Final = "tag:"
PERIODS: Final = {"hour": 3600, "day": 86_400, "week": 604_800}
_TOP: Final = 8
OTHERS: Final = "all others"
# A cell's place in these.
CELL: Final = ("name", "tenant_id", "feature", "model")


@dataclass(frozen=True)
class Split:
    """One value of the dimension: sums of the window, and the cost of the window before; no cost
    where nothing has a price. The cost of `unpriced` calls is unknown, or known in part."""

    name: str | None
    requests: int
    cost_usd: float | None
    before_usd: float
    tokens: int
    unpriced: int


@dataclass(frozen=True)
class Spending:
    """Cost of one value in one day, week or hour."""

    time: object
    name: str | None
    cost_usd: float


@dataclass(frozen=True)
class Unpriced:
    """Calls whose cost is unknown, incomplete or estimated (`status`), by model."""

    model: str | None
    provider: str | None
    status: str
    cost_usd: float | None
    calls: int
    tokens: int


@dataclass(frozen=True, slots=True)
class _Cell:
    name: str | None
    tenant_id: str | None
    feature: str | None
    model: str | None
    calls: float
    tokens: float
    cost: float

    @property
    def key(self) -> Names:
        return (self.name or NONE, self.tenant_id or NONE, self.feature or NONE, self.model or NONE)


class Moves:
    """What moved the cost against the window before."""

    def __init__(self, before: Mapping[Names, Use], after: Mapping[Names, Use]) -> None:
        self._before, self._after = before, after

    def causes(self) -> dict[str, float]:
        """USD of the whole change by cause; nothing where there was nothing before."""
        return explained(self._before, self._after) if self._before and self._after else {}

    def by_cause(self, dimension: str, cause: str) -> dict[str, float]:
        """What each name adds to one of the `causes`, USD, the largest first; as of `by`."""
        place, sums = CELL.index(dimension), defaultdict[str, float](float)
        for key, causes in parts(self._before, self._after).items():
            sums[key[place]] += causes.get(cause, 0.0)
        return dict(sorted(sums.items(), key=lambda each: -abs(each[1])))

    def by(self, dimension: str) -> list[Change[str]]:
        """The changes by what the costs are split by (`name`), by `tenant_id`, `feature` or
        `model`, the largest first."""
        place = CELL.index(dimension)
        return changes(self._before, self._after, lambda key: key[place])


@dataclass(frozen=True)
class Costs:
    """What the page shows; `metered`: by the services' metrics, not by the spans; `days`: those
    that have calls, at midnight."""

    metered: bool
    request_counts: usage.RequestCounts
    days: list[datetime]
    splits: list[Split]
    moves: Moves
    spendings: list[Spending]
    unpriced: list[Unpriced]
    uncounted: list[Uncounted]
    tag_keys: list[str]


_CALLS: Final = """
    SELECT time_bucket(to_seconds($bucket_s), {moment}, TIMESTAMP '2000-01-03') AS time,
        {name} AS name, model, tenant_id, feature, count(*) AS requests,
        sum(cost_usd) AS cost_usd,
        sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) AS tokens,
        count(*) FILTER ({unpriced}) AS unpriced
    FROM {calls} GROUP BY ALL
""".replace("{unpriced}", marks.UNPRICED)
_USAGE: Final = """
    SELECT time_bucket(to_seconds($bucket_s), time, TIMESTAMP '2000-01-03') AS time, {name} AS name,
        model, tenant_id, feature, sum(requests) AS requests, sum(cost_usd) AS cost_usd,
        sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) AS tokens,
        sum(unpriced) AS unpriced
    FROM usage GROUP BY ALL
"""
_SPLITS: Final = """
    SELECT name, coalesce(sum(requests) FILTER (now), 0)::BIGINT AS requests,
        sum(cost_usd) FILTER (now) AS cost_usd,
        coalesce(sum(cost_usd) FILTER (NOT now), 0) AS before_usd,
        coalesce(sum(tokens) FILTER (now), 0)::BIGINT AS tokens,
        coalesce(sum(unpriced) FILTER (now), 0)::BIGINT AS unpriced
    FROM (SELECT *, true AS now FROM split UNION ALL SELECT *, false AS now FROM split_before)
    GROUP BY name ORDER BY cost_usd DESC NULLS LAST, requests DESC, name
"""
_SPENDINGS: Final = """
    WITH top AS (SELECT name FROM split GROUP BY name ORDER BY sum(cost_usd) DESC NULLS LAST
        LIMIT $top)
    SELECT time_bucket(to_seconds($period_s), time, TIMESTAMP '2000-01-03') AS time,
        CASE WHEN name IS NULL THEN 'none' WHEN name IN (SELECT name FROM top) THEN name
        ELSE $others END AS name, coalesce(sum(cost_usd), 0) AS cost_usd
    FROM split GROUP BY ALL ORDER BY time
"""
# What moved is told by cells so small that each has one price and one kind of work.
_CELLS: Final = """
    SELECT name, tenant_id, feature, model, coalesce(sum(requests), 0)::DOUBLE AS calls,
        coalesce(sum(tokens), 0)::DOUBLE AS tokens, coalesce(sum(cost_usd), 0) AS cost
    FROM {split} GROUP BY ALL HAVING calls > 0 OR cost > 0
"""
_MOVED: Final = """
    SELECT NULL AS name, tenant_id, feature, model, requests, cost_usd,
        coalesce(input_tokens, 0) + coalesce(output_tokens, 0) AS tokens FROM {usage}
"""
_UNPRICED: Final = """
    SELECT model, provider, {status} AS status, sum(cost_usd) AS cost_usd,
        count(*) AS calls,
        sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0))::BIGINT AS tokens
    FROM {calls} WHERE {marked}
    GROUP BY ALL ORDER BY calls DESC LIMIT 20
""".replace("{status}", marks.STATUS).replace("{marked}", marks.MARKED)
_DAYS: Final = """
    SELECT DISTINCT date_trunc('day', time)::TIMESTAMP AS day FROM split
    WHERE requests > 0 OR cost_usd > 0 ORDER BY day
"""
_TAG_KEYS: Final = """
    SELECT DISTINCT unnest(map_keys(tags)) AS key FROM (SELECT tags FROM {calls} LIMIT 20000)
    ORDER BY key LIMIT 20
"""


@dataclass(frozen=True)
class _Day:
    day: datetime


@dataclass(frozen=True)
class _Key:
    key: str


def costs(reader: Reader, by: str, period: str) -> Costs:
    """Read all of it.

    Args:
        reader: The filter's.
        by: A key of `DIMENSIONS`, or `tag:<key>`.
        period: A key of `PERIODS`.

    Raises:
        ValueError: There is no such dimension or period.
    """
    if period not in PERIODS:
        raise ValueError(f"no period {period!r}: use one of {', '.join(PERIODS)}")
    tag = by.removeprefix(TAG) if by.startswith(TAG) else None
    if tag is None and by not in DIMENSIONS:
        raise ValueError(f"no dimension {by!r}: use one of {', '.join(DIMENSIONS)} or tag:<key>")
    bucket_s = min(PERIODS[period], PERIODS["day"])
    metered = by in _METERED and usage.keep_usage(reader, bucket_s, attributed=by in _ATTRIBUTED)
    name = "tags[$tag]" if tag is not None else DIMENSIONS[by]
    for before in ("", "_before"):
        text = _USAGE if metered else _CALLS
        text = text.replace("FROM usage", f"FROM usage{before}")
        text = text.replace("{calls}", f"{{calls{before}}}").replace("{name}", name)
        reader.keep(f"split{before}", text, bucket_s=bucket_s, tag=tag)
    return Costs(
        metered,
        usage.request_counts(reader) if metered else usage.RequestCounts(0, 0),
        [row.day for row in reader.rows(_DAYS, _Day)],
        reader.rows(_SPLITS, Split),
        Moves(_uses(reader, "split_before"), _uses(reader, "split")),
        reader.rows(_SPENDINGS, Spending, top=_TOP, others=OTHERS, period_s=PERIODS[period]),
        reader.rows(_UNPRICED, Unpriced),
        uncounted(reader) if metered else [],
        [row.key for row in reader.rows(_TAG_KEYS, _Key)],
    )


def moves(reader: Reader) -> Moves:
    """What moved the cost; after `usage.keep_usage`."""
    for before in ("", "_before"):
        reader.keep(f"moved{before}", _MOVED.replace("{usage}", f"usage{before}"))
    return Moves(_uses(reader, "moved_before"), _uses(reader, "moved"))


def _uses(reader: Reader, split: str) -> dict[Names, Use]:
    cells = reader.rows(_CELLS.replace("{split}", split), _Cell)
    return {cell.key: Use(cell.calls, cell.tokens, cell.cost) for cell in cells}
