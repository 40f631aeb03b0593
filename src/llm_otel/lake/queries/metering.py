"""Which calls the metrics count already: a call counts by its metrics or by its span, never both.

Spans may be sampled and metrics are not, so metrics win where they hold the call. Whether they do
is decided by the process that told of it: a process that exports durations of a model does so for
each of its calls of that model. Where the process is not known, the hour decides: the metrics of
the service for the provider and model, in the hour in which the call ended or was exported.
"""

from __future__ import annotations

from typing import Final

from llm_otel import semconv
from llm_otel.lake.queries.reader import Reader
from llm_otel.lake.requests import END, SENDER

# Beyond their caps the labels of a process are these words.
_LABELLED: Final = f"""
    SELECT n, service_name, instance, coalesce(provider, '{semconv.NONE}') AS provider, own, hour,
        next_hour, unnest([coalesce(model, '{semconv.NONE}'), coalesce(response_model, model),
            '{semconv.OTHER}']) AS label
    FROM numbered
"""
_METERED: Final = f"""
    SELECT DISTINCT service_name, instance, coalesce(provider, '{semconv.NONE}') AS provider,
        coalesce(model, '{semconv.NONE}') AS label, hour
    FROM metrics_hourly WHERE metric = $duration
"""
# A label that is missing excludes nothing. Another instrumentation may name the provider otherwise
# than we do, so that within one process the model alone decides about its spans.
_UNMETERED: Final = f"""
    WITH numbered AS (SELECT *, row_number() OVER () AS n FROM senders),
    labelled AS ({_LABELLED}),
    metered AS ({_METERED}),
    processes AS (SELECT DISTINCT service_name, instance, provider, label FROM metered),
    counted AS (
        SELECT n FROM labelled l JOIN processes m ON m.instance = l.instance AND m.label = l.label
            AND m.service_name IS NOT DISTINCT FROM l.service_name
            AND (m.provider IN (l.provider, '{semconv.NONE}') OR NOT l.own)
        UNION
        SELECT n FROM labelled l JOIN metered m ON m.label = l.label
            AND (m.provider IN (l.provider, '{semconv.NONE}') OR l.provider = '{semconv.NONE}')
            AND m.service_name IS NOT DISTINCT FROM l.service_name
            AND m.hour IN (l.hour, l.next_hour)
        WHERE l.instance IS NULL OR m.instance IS NULL
    )
    SELECT * EXCLUDE (n, next_hour) FROM numbered ANTI JOIN counted USING (n)
"""

# What follows the table `c` of calls to keep those that are not, or are, in the metrics.
_SAME: Final = " AND ".join(
    f"{'c.' + name if name in SENDER else END.replace('time', 'c.time')} "
    f"IS NOT DISTINCT FROM unmetered.{name}"
    for name in (*SENDER, "hour")
)
ONLY_UNMETERED: Final = f"SEMI JOIN unmetered ON {_SAME}"
ONLY_METERED: Final = f"ANTI JOIN unmetered ON {_SAME}"


def keep_unmetered(reader: Reader) -> None:
    """Store who sent calls that no metrics count, of all that the reader reaches, as the temporary
    table `unmetered`: for `ONLY_UNMETERED` and `ONLY_METERED`."""
    reader.put_senders()
    reader.keep("unmetered", _UNMETERED, duration=semconv.REQUEST_DURATION.name)
