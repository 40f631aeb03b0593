"""Which calls the metrics count already: a call counts by its metrics or by its span, never both.

Spans may be sampled and metrics are not, so metrics win where they hold the call. Whether they do
is decided by the process that told of it: a process that exports durations of a model does so for
each of its calls of that model. Where the process is not known, the hour decides: the metrics of
the service for the provider and model, in the hour in which the call ended or was exported.
"""

from __future__ import annotations

from typing import Final

from llm_otel import semconv

# After its end a call is in the metrics of its process as soon as these are exported.
_EXPORTED_S: Final = 300

# The hour in which a call ended; none takes longer than a day.
_SECONDS: Final = "least(coalesce(duration_s, 0), 86400)"
END: Final = f"date_trunc('hour', time + to_microseconds(({_SECONDS} * 1e6)::BIGINT))"

# Columns of `calls`: what tells one who sends them from another.
SENDER: Final = ("day", "service_name", "instance", "provider", "model", "response_model", "scope")

# Who sent calls, and the hours in which the metrics of such a call can be.
_SENDERS: Final = f"""
    SELECT DISTINCT {", ".join(SENDER)}, coalesce(scope = '{semconv.SCOPE}', false) AS own,
        {END} AS hour, {END.replace(_SECONDS, f"({_SECONDS} + {_EXPORTED_S})")} AS next_hour
    FROM calls
"""

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
    FROM metrics_hourly WHERE metric = '{semconv.REQUEST_DURATION.name}'
"""
# A label that is missing excludes nothing. Another instrumentation may name the provider otherwise
# than we do, so that within one process the model alone decides about its spans.

# Senders of the view `calls` of whose calls the view `metrics_hourly` holds none.
UNMETERED: Final = f"""
    WITH numbered AS (SELECT *, row_number() OVER () AS n FROM ({_SENDERS})),
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
