"""What it was worth: outcomes against the cost of the features that brought them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llm_otel.lake.queries import usage
from llm_otel.lake.queries.reader import Reader

# One pass over the outcomes of a window; all below is summed from it.
_KEEP: Final = """
    SELECT time_bucket(to_seconds($bucket_s), {moment}) AS time, feature, tenant_id, kind,
        count(*) AS outcomes, count(*) FILTER (success) AS successes, sum(value_usd) AS value_usd
    FROM {outcomes} GROUP BY ALL
"""
_SUMS: Final = """
    sum(outcomes)::BIGINT AS outcomes, sum(successes)::BIGINT AS successes,
    sum(value_usd) AS value_usd
"""
# A feature without outcomes has neither value nor cost here: nobody said what it is for.
_BY: Final = """
    SELECT o.name, outcomes, successes, value_usd, coalesce(c.cost_usd, 0) AS cost_usd,
        coalesce(c.unpriced, 0)::BIGINT AS unpriced
    FROM (SELECT {by} AS name, {sums} FROM returned{before} GROUP BY ALL) o LEFT JOIN (
        SELECT {by} AS name, sum(cost_usd) AS cost_usd, sum(unpriced) AS unpriced
        FROM usage{before}
        WHERE coalesce(feature, '') IN (SELECT coalesce(feature, '') FROM returned{before})
        GROUP BY ALL
    ) c ON o.name IS NOT DISTINCT FROM c.name
    ORDER BY value_usd DESC NULLS LAST, outcomes DESC
""".replace("{sums}", _SUMS)
_KINDS: Final = """
    SELECT kind AS name, {sums}, NULL AS cost_usd, 0 AS unpriced
    FROM returned GROUP BY ALL ORDER BY value_usd DESC NULLS LAST, outcomes DESC
""".replace("{sums}", _SUMS)
_POINTS: Final = """
    SELECT time, sum(value_usd) AS value_usd, sum(cost_usd) AS cost_usd,
        sum(successes)::BIGINT AS successes
    FROM (
        SELECT time, value_usd, 0 AS cost_usd, successes FROM returned
        UNION ALL
        SELECT time, 0, cost_usd, 0 FROM usage
        WHERE coalesce(feature, '') IN (SELECT coalesce(feature, '') FROM returned)
    ) GROUP BY time ORDER BY time
"""


@dataclass(frozen=True)
class Return:
    """What one feature, tenant or kind of outcome cost and brought; USD. No value where none was
    reported. The cost of `unpriced` calls is unknown, or known in part."""

    name: str | None
    outcomes: int
    successes: int
    value_usd: float | None
    cost_usd: float | None
    unpriced: int

    @property
    def success_rate(self) -> float | None:
        """Successes of all outcomes."""
        return self.successes / self.outcomes if self.outcomes else None

    @property
    def cost_per_success(self) -> float | None:
        """USD; None without a success or a cost."""
        return self.cost_usd / self.successes if self.successes and self.cost_usd else None

    @property
    def roi(self) -> float | None:
        """(value − cost) / cost; None without a cost or a reported value."""
        if not self.cost_usd or self.value_usd is None:
            return None
        return (self.value_usd - self.cost_usd) / self.cost_usd


@dataclass(frozen=True)
class Point:
    """Value and cost of a stretch of time."""

    time: object
    value_usd: float | None
    cost_usd: float | None
    successes: int


@dataclass(frozen=True)
class Returns:
    """What the page shows."""

    now: Return
    before: Return
    points: list[Point]
    features: list[Return]
    tenants: list[Return]
    kinds: list[Return]


def roi(reader: Reader) -> Returns:
    """Read all of it."""
    usage.keep_usage(reader, attributed=True)
    reader.keep("returned", _KEEP)
    reader.keep("returned_before", _KEEP.replace("{outcomes}", "{outcomes_before}"))
    features = _by(reader, "feature")
    return Returns(
        _sum(features),
        _sum(_by(reader, "feature", before=True)),
        reader.rows(_POINTS, Point),
        features,
        _by(reader, "tenant_id"),
        reader.rows(_KINDS, Return),
    )


def _by(reader: Reader, column: str, before: bool = False) -> list[Return]:
    """By one of our columns."""
    end = "_before" if before else ""
    return reader.rows(_BY.replace("{by}", column).replace("{before}", end), Return)


def _sum(rows: list[Return]) -> Return:
    values = [row.value_usd for row in rows if row.value_usd is not None]
    return Return(
        "all",
        sum(row.outcomes for row in rows),
        sum(row.successes for row in rows),
        sum(values) if values else None,
        sum(row.cost_usd or 0 for row in rows),
        sum(row.unpriced for row in rows),
    )
