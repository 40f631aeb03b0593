"""The calls that metrics count, and those that none do: see `lake.metering`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from llm_otel import semconv
from llm_otel.lake.metering import SAME
from llm_otel.lake.queries.reader import Reader

# What follows the table `c` of calls to keep those that the metrics count, or do not; and of the
# latter those of which they hold the money, or do not. Most lakes have no `metered_above`, and an
# anti join with nothing costs nothing.
_OWN: Final = """
    ANTI JOIN metered_above a ON a.trace_id = c.trace_id AND a.span_id = c.span_id
"""
ONLY_METERED: Final = f"ANTI JOIN unmetered u ON {SAME}"
ONLY_UNMETERED: Final = f"SEMI JOIN unmetered u ON {SAME} {_OWN}"
ONLY_PAID: Final = f"SEMI JOIN (SELECT * FROM unmetered WHERE paid) u ON {SAME} {_OWN}"
ONLY_UNPAID: Final = f"SEMI JOIN (SELECT * FROM unmetered WHERE NOT paid) u ON {SAME} {_OWN}"


# The rows of `metrics_hourly` without the share that the metrics of others hold, too.
_SHARE: Final = f"""
    CASE m.metric WHEN '{semconv.COST.name}' THEN t.cost_usd
        WHEN '{semconv.TOKENS_CACHED.name}' THEN t.cached_tokens
        WHEN '{semconv.TOKENS_CONSUMED.name}' THEN
            CASE m.token_type WHEN 'output' THEN t.output_tokens ELSE t.input_tokens END
        ELSE t.requests END
"""
_ONCE: Final = f"""
    (SELECT m.* REPLACE (m.sum * (1 - coalesce({_SHARE}, 0)) AS sum,
        m.count * (1 - coalesce({_SHARE}, 0)) AS count)
    FROM {{metrics_hourly}} m LEFT JOIN metered_twice t ON t.day = m.day
        AND t.service_name IS NOT DISTINCT FROM m.service_name
        AND t.model = coalesce(m.model, '{semconv.NONE}'))
"""


def keep_unmetered(reader: Reader) -> None:
    """Put who sent calls that no metrics count, of all that the reader reaches, on its connection:
    the views `unmetered` and `metered_above` of the conditions here, and `metered_twice`."""
    unmetered = reader.unmetered()
    reader.connection.register("unmetered", unmetered.senders)
    reader.connection.register("metered_above", unmetered.above)
    reader.connection.register("metered_twice", unmetered.twice)


def once(reader: Reader, query: str) -> str:
    """A query `FROM {metrics_hourly}` so that it has what several metrics hold once; after
    `keep_unmetered`."""
    # Most lakes have nothing of the kind, and are not to be joined with it.
    if not reader.rows("SELECT day FROM metered_twice LIMIT 1", _Twice):
        return query
    for table in ("{metrics_hourly}", "{metrics_hourly_before}"):
        query = query.replace(f"FROM {table}", f"FROM {_ONCE}".replace("{metrics_hourly}", table))
    return query


@dataclass(frozen=True)
class _Twice:
    day: date
