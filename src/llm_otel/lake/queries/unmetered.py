"""What calls that no metrics count add up to, for who counts them instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from llm_otel import semconv
from llm_otel.lake.queries import marks, metering
from llm_otel.lake.queries.reader import Reader


@dataclass(frozen=True)
class Group:
    """Calls that are alike, of one service: their number, durations and first chunks in seconds,
    tokens, and USD. The money is None, and `unpriced` and `unknown` 0, where metrics hold it."""

    service_name: str | None
    environment: str | None
    provider: str | None
    model: str | None
    operation: str | None
    feature: str | None
    tenant_id: str | None
    error_type: str | None
    durations: list[float]
    first_chunks: list[float]
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    unpriced: int
    unknown: int


_MONEY: Final = f"""
    sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens,
    sum(cache_read_tokens)::BIGINT AS cache_read_tokens,
    sum(cache_write_tokens)::BIGINT AS cache_write_tokens,
    sum(reasoning_tokens)::BIGINT AS reasoning_tokens, sum(cost_usd) AS cost_usd,
    count(*) FILTER ({marks.UNPRICED} AND cost_status IS DISTINCT FROM '{semconv.USAGE_UNKNOWN}')
        AS unpriced,
    count(*) FILTER (cost_status = '{semconv.USAGE_UNKNOWN}') AS unknown
"""
_NO_MONEY: Final = ", ".join(
    [
        *(f"NULL AS {name}_tokens" for name in
          ("input", "output", "cache_read", "cache_write", "reasoning")),
        "NULL AS cost_usd", "0 AS unpriced", "0 AS unknown",
    ]
)  # fmt: skip
_GROUPS: Final = """
    SELECT c.service_name, c.environment, c.provider, c.model, c.operation, c.feature, c.tenant_id,
        CASE WHEN c.status = 'error' THEN coalesce(c.error_type, '{other}')
            WHEN c.status <> 'ok' THEN c.error_type END AS error_type,
        list(c.duration_s) FILTER (c.duration_s IS NOT NULL) AS durations,
        coalesce(list(c.first_chunk_s) FILTER (c.first_chunk_s IS NOT NULL), []) AS first_chunks,
        {money}
    FROM (SELECT x.* FROM {calls} x JOIN waiting w USING (trace_id, span_id)) c {only}
    GROUP BY ALL HAVING durations IS NOT NULL
""".replace("{other}", semconv.OTHER)


def groups(reader: Reader, waiting: Any) -> list[Group]:
    """The calls of `waiting`, an Arrow table of `trace_id` and `span_id`, that no metrics count and
    no call below them stands for."""
    metering.keep_unmetered(reader)
    reader.connection.register("waiting", waiting)
    return [
        group
        for only, money in ((metering.ONLY_UNPAID, _MONEY), (metering.ONLY_PAID, _NO_MONEY))
        for group in reader.rows(_GROUPS.replace("{money}", money).replace("{only}", only), Group)
    ]
