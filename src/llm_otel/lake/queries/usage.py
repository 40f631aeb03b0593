"""Requests, errors, tokens and cost: by the services' own metrics where there are any.

Spans may be sampled, metrics never are. So what metrics count is read from `metrics_hourly`, and
the calls that none count are added (`lake.queries.metering`). Only the calls know users, sessions,
tags and parts of an hour: what asks for those is answered by the calls alone. `unpriced` counts the
calls whose cost is unknown or incomplete, `traced` the requests that are counted by their spans.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from llm_otel import semconv
from llm_otel.lake.queries import marks, metering
from llm_otel.lake.queries.filters import HOUR
from llm_otel.lake.queries.reader import Reader

# The classes of errors that count, as names bound to $slo.
_METRICS: Final = {
    "duration": semconv.REQUEST_DURATION.name,
    "errors": semconv.ERRORS.name,
    "tokens": semconv.TOKENS_CONSUMED.name,
    "cached": semconv.TOKENS_CACHED.name,
    "cost": semconv.COST.name,
    "unpriced": semconv.REQUESTS_UNPRICED.name,
    "unknown": semconv.USAGE_UNKNOWN_TOTAL.name,
    "slo": list(semconv.SLO_ERROR_CLASSES),
}

_FROM_CALLS: Final = """
    SELECT time_bucket(to_seconds($bucket_s), {moment}) AS time, service_name, provider, model,
        feature, tenant_id, count(*) AS requests,
        count(*) FILTER (status = 'error' AND (error_type IS NULL
            OR list_contains($slo, error_type))) AS errors,
        count(*) FILTER (status <> 'ok') - errors AS unanswered,
        sum(cost_usd) AS cost_usd, sum(input_tokens) AS input_tokens,
        sum(output_tokens) AS output_tokens, sum(cache_read_tokens) AS cached_tokens,
        count(*) FILTER ({unpriced}) AS unpriced, count(*) AS traced
    FROM {calls} c {only} GROUP BY ALL
""".replace("{unpriced}", marks.UNPRICED)
# Of calls whose money the metrics hold.
_COUNTS: Final = """
    SELECT * EXCLUDE (cost_usd, input_tokens, output_tokens, cached_tokens, unpriced) FROM ({})
"""
_OF_METRICS: Final = """
    SELECT time_bucket(to_seconds($bucket_s), hour) AS time, service_name, provider, model,
        feature, tenant_id,
        sum(count) FILTER (metric = $duration) AS requests,
        sum(sum) FILTER (metric = $errors AND list_contains($slo, error_type)) AS errors,
        sum(sum) FILTER (metric = $errors AND NOT list_contains($slo, error_type)) AS unanswered,
        sum(sum) FILTER (metric = $cost) AS cost_usd,
        sum(sum) FILTER (metric = $tokens AND token_type = 'input') AS input_tokens,
        sum(sum) FILTER (metric = $tokens AND token_type = 'output') AS output_tokens,
        sum(sum) FILTER (metric = $cached AND cache = 'read') AS cached_tokens,
        sum(sum) FILTER (metric IN ($unpriced, $unknown)) AS unpriced,
        0::BIGINT AS traced
    FROM {metrics_hourly}
    WHERE metric IN ($duration, $errors, $cost, $tokens, $cached{more})
        AND instrument IS DISTINCT FROM 'gauge'
    GROUP BY ALL
"""
_FROM_METRICS: Final = _OF_METRICS.replace("{more}", ", $unpriced, $unknown")
# Without rows that hold such calls and nothing else.
_NONE_UNPRICED: Final = _OF_METRICS.replace("{more}", "")
# The counters of such calls know neither feature nor tenant: where these matter, the calls are
# counted, though these may be sampled.
_UNPRICED_OF_CALLS: Final = """
    SELECT * EXCLUDE (unpriced) FROM ({from_metrics}) UNION ALL BY NAME
    SELECT time_bucket(to_seconds($bucket_s), {moment}) AS time, service_name, provider, model,
        feature, tenant_id, count(*) AS unpriced
    FROM {calls} c {only} WHERE {unpriced} GROUP BY ALL
""".replace("{unpriced}", marks.UNPRICED).replace("{from_metrics}", _NONE_UNPRICED)


def keep_usage(reader: Reader, bucket_s: int | None = None, *, attributed: bool = False) -> bool:
    """Store the window's sums as the temporary table `usage`, and the earlier one's as
    `usage_before`.

    Args:
        reader: The filter's.
        bucket_s: Seconds that a row stands for; None: the filter's bucket.
        attributed: Whether `unpriced` is wanted by feature or tenant.

    Returns:
        Whether metrics were asked: no where the filter asks for what only calls know.
    """
    keep_window(reader, "_before", bucket_s)
    return keep_window(reader, bucket_s=bucket_s, attributed=attributed)


def keep_window(
    reader: Reader, before: str = "", bucket_s: int | None = None, *, attributed: bool = False
) -> bool:
    """Store the sums of one window as `usage{before}`, at `bucket_s` or else the filter's bucket.

    Returns:
        As `keep_usage`.
    """
    metered = not reader.filter.only_calls_know and reader.filter.bucket_s >= HOUR
    values = {**_METRICS, "bucket_s": bucket_s or reader.filter.bucket_s}

    def windowed(text: str) -> str:
        return text.replace("{calls}", f"{{calls{before}}}").replace(
            "{metrics_hourly}", f"{{metrics_hourly{before}}}"
        )

    from_calls = windowed(_FROM_CALLS)
    if not metered:
        reader.keep(f"usage{before}", from_calls.replace("{only}", ""), **values)
        return False
    metering.keep_unmetered(reader)
    of_calls = attributed or reader.filter.feature or reader.filter.tenant_id
    # Nobody asks how many there were before.
    query = _NONE_UNPRICED if before else _UNPRICED_OF_CALLS if of_calls else _FROM_METRICS
    # Most often there is none, and then the many rows of the calls are not read at all.
    senders = reader.rows("SELECT DISTINCT paid FROM unmetered", _Sender)
    text = windowed(metering.once(reader, query)).replace(
        "{only}", metering.ONLY_METERED if senders else ""
    )
    for sender in senders:
        only = metering.ONLY_PAID if sender.paid else metering.ONLY_UNPAID
        part = from_calls.replace("{only}", only)
        text += f" UNION ALL BY NAME {_COUNTS.format(part) if sender.paid else part}"
    reader.keep(f"usage{before}", text, **values)
    return True


@dataclass(frozen=True)
class _Sender:
    paid: bool


@dataclass(frozen=True)
class One:
    """A row is there."""

    one: int


@dataclass(frozen=True)
class RequestCounts:
    """The requests of a window, and those of them that are counted by their spans."""

    requests: int
    traced: int


def request_counts(reader: Reader) -> RequestCounts:
    """What the window is made of; after `keep_usage`."""
    return reader.one(
        "SELECT coalesce(sum(requests), 0)::BIGINT AS requests, "
        "coalesce(sum(traced), 0)::BIGINT AS traced FROM usage",
        RequestCounts,
    )


@dataclass(frozen=True)
class Totals:
    """Sums of a window; `cost_usd` is of what has a price, None where nothing has; the cost of
    `unpriced` calls is unknown, or known in part; `traced` requests are counted by their spans.
    `unanswered` calls were refused for what they asked, or cancelled: no answers, and no errors of
    the service either."""

    requests: int
    errors: int
    unanswered: int
    cost_usd: float | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    unpriced: int
    traced: int

    @property
    def error_rate(self) -> float | None:
        """Share of the requests that failed; None of none."""
        return self.errors / self.requests if self.requests else None

    @property
    def cost_per_call(self) -> float | None:
        """USD; None of no calls, or none with a price."""
        return (
            self.cost_usd / self.requests if self.requests and self.cost_usd is not None else None
        )


# What `Totals` counts, of the rows of `usage`.
COUNTS: Final = ", ".join(
    f"coalesce(sum({each.name}), 0)::BIGINT AS {each.name}"
    for each in fields(Totals)
    if each.type == "int"
)
_SUMS: Final = f"{COUNTS}, coalesce(sum(cost_usd), 0) AS cost_usd"


def totals(reader: Reader) -> tuple[Totals, Totals]:
    """Sums of the window and of the one before; after `keep_usage`."""
    return (
        reader.one(f"SELECT {_SUMS} FROM usage", Totals),  # noqa: S608 constants
        reader.one(f"SELECT {_SUMS} FROM usage_before", Totals),  # noqa: S608 constants
    )


@dataclass(frozen=True)
class Point(Totals):
    """Sums of one point of time."""

    time: object


def over_time(reader: Reader) -> list[Point]:
    """Sums by bucket, oldest first; after `keep_usage`."""
    return reader.rows(
        f"SELECT time, {_SUMS} FROM usage GROUP BY time ORDER BY time",  # noqa: S608 constants
        Point,
    )
