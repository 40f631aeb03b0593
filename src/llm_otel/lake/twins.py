"""Of spans that tell of one answer side by side, one counts.

Two instrumentations, or two callbacks of a gateway, may each make a span for a request, as children
of one step. Nothing but the id of the answer in one trace says that they tell of the same. Some
servers give every answer the same id, and an answer from a cache has the id of the first one: where
one instrumentation of one service tells of it twice, the spans have to overlap in time and to agree
in their counts too, and an id that many of them have is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import duckdb

# An instrumentation, a framework's, a gateway's and its callback's.
_MOST: Final = 4

_ADD: Final = """
    INSERT INTO same
    WITH answers AS (
        SELECT trace_id, response_id FROM candidates WHERE response_id <> ''
        GROUP BY ALL HAVING count(*) BETWEEN 2 AND {most}
    ), counted AS (
        SELECT trace_id, span_id, response_id, work, service_name, scope, input, output, day, time,
            time + to_microseconds((least(coalesce(duration_s, 0), 86400) * 1e6)::BIGINT) AS until,
            input IS NOT NULL AND output IS NOT NULL AS whole, {facts} AS facts
        FROM candidates c SEMI JOIN answers USING (trace_id, response_id)
        ANTI JOIN same s ON s.trace_id = c.trace_id AND s.above = c.span_id
    ), ranked AS (
        SELECT *, first_value(counted) OVER (
                PARTITION BY trace_id, response_id, work
                ORDER BY day DESC, whole DESC, facts DESC, time, span_id
            ) AS best
        FROM counted
    )
    SELECT trace_id, best.span_id, span_id, true FROM ranked
    WHERE span_id <> best.span_id AND (
        service_name IS DISTINCT FROM best.service_name
        OR (time <= best.until AND best.time <= until AND (
            scope IS DISTINCT FROM best.scope
            OR (coalesce(input = best.input, true) AND coalesce(output = best.output, true))
        ))
    )
"""


def add(cursor: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> None:
    """Add to the table `same` of `nesting`, with the one that knows most in the place of the call
    below, and the others in that of the calls above it.

    Args:
        cursor: Has the tables `candidates` and `same`.
        columns: What a span may know.
    """
    facts = " + ".join(f'("{name}" IS NOT NULL)::INTEGER' for name in columns)
    cursor.execute(_ADD.replace("{facts}", facts).replace("{most}", str(_MOST)))
