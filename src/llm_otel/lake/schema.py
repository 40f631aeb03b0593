"""The lake's tables as data: one grain each, every column with its Arrow type and meaning.

All times are UTC without a zone (DuckDB answers `date_trunc` on them five times faster than on
zoned ones). Each table is partitioned by `day`, the UTC date of its time column. The short column
names are the words of the metric labels in `llm_otel.semconv`.

A column may be added at the end of a table, with `VERSION` raised; older lakes stay readable, the
column is NULL there. A column never changes its type or meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

VERSION: Final = 4
DAY: Final = "day"

_TEXT: Final = pa.string()
_COUNT: Final = pa.int64()
_REAL: Final = pa.float64()
_TIME: Final = pa.timestamp("us")
_TAGS: Final = pa.map_(pa.string(), pa.string())


@dataclass(frozen=True)
class Column:
    """One column: `meaning` is a phrase for the docs; `unique` says that values rarely repeat."""

    name: str
    type: pa.DataType
    meaning: str
    unique: bool = False


@dataclass(frozen=True)
class Table:
    """One table; `time` names the column that decides the partition, `key` what counts once."""

    name: str
    grain: str
    time: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """The columns of a file, without the partition column."""
        return pa.schema([(column.name, column.type) for column in self.columns])

    @property
    def partitioned(self) -> pa.Schema:
        """The columns that a reader sees: `day` is the last."""
        return self.schema.append(pa.field(DAY, pa.date32()))


_IDS: Final = (
    Column("trace_id", _TEXT, "trace, 32 hex digits", unique=True),
    Column("span_id", _TEXT, "span, 16 hex digits", unique=True),
)
_PARENT: Final = Column("parent_span_id", _TEXT, "the span above, NULL at the root", unique=True)
_RESPONSE_ID: Final = Column("response_id", _TEXT, "the provider's id of the answer", unique=True)
_SERVICE: Final = (
    Column("service_name", _TEXT, "resource `service.name`"),
    Column("environment", _TEXT, "resource `deployment.environment.name`"),
)
_WHAT: Final = (
    Column("operation", _TEXT, "`gen_ai.operation.name`: chat, embeddings, …"),
    Column("provider", _TEXT, "who answers: openai, anthropic, …"),
    Column("model", _TEXT, "the model asked for"),
)
_WHO: Final = (
    Column("tenant_id", _TEXT, "tenant, NULL when not set"),
    Column("feature", _TEXT, "feature, NULL when not set"),
    Column("user", _TEXT, "`user.hash`, or `user.id` in plain mode"),
    Column("session_id", _TEXT, "`session.id`"),
    Column("conversation_id", _TEXT, "`gen_ai.conversation.id`"),
)
_INSTANCE: Final = Column(
    "instance", _TEXT, "the process that told: `service.instance.id`, else host and pid"
)
_EVENT_ID: Final = Column("event_id", _COUNT, "hash of the record: a resend has the same")

CALLS: Final = Table(
    "calls",
    "one call to a provider; agents, tools and workflows are in `spans` only",
    "time",
    ("trace_id", "span_id"),
    (
        Column("time", _TIME, "start, UTC"),
        *_IDS,
        _PARENT,
        _RESPONSE_ID,
        *_SERVICE,
        Column("name", _TEXT, "name of the span"),
        *_WHAT,
        Column("response_model", _TEXT, "the model that answered"),
        *_WHO,
        Column("tags", _TAGS, "the tags, `llm_otel.tag.<key>` by key"),
        Column("status", _TEXT, "ok, error or cancelled"),
        Column("error_type", _TEXT, "class of the error: rate_limit, timeout, …"),
        Column("status_code", pa.int32(), "HTTP status of the answer, where known"),
        Column("finish_reasons", pa.list_(pa.string()), "why the answer ended, one per choice"),
        Column("duration_s", _REAL, "seconds to the end of the answer", unique=True),
        Column("first_chunk_s", _REAL, "seconds to the first chunk of a stream", unique=True),
        Column("input_tokens", _COUNT, "tokens in, cached ones included"),
        Column("output_tokens", _COUNT, "tokens out, reasoning included"),
        Column("cache_read_tokens", _COUNT, "part of the input read from the cache"),
        Column("cache_write_tokens", _COUNT, "part of the input written to the cache"),
        Column("reasoning_tokens", _COUNT, "part of the output spent on reasoning"),
        Column("cost_usd", _REAL, "cost in USD; NULL is unknown, never free", unique=True),
        Column("cost_source", _TEXT, "provider: it said so; local: by price table"),
        Column("streaming", pa.bool_(), "the answer was streamed"),
        Column("service_tier", _TEXT, "the tier that answered: default, flex, batch, …"),
        Column("retries", pa.int32(), "retries inside the call"),
        Column("prompt_name", _TEXT, "`gen_ai.prompt.name`"),
        Column("prompt_version", _TEXT, "`gen_ai.prompt.version`"),
        Column("prefix_hash", _COUNT, "hash of the first 1,024 characters of the captured input"),
        Column(
            "cost_status",
            _TEXT,
            "NULL: `cost_usd` is the whole cost; incomplete: a part of it; estimated: of tokens "
            "that were counted, not reported; unpriced, unknown: the price or the usage is missing",
        ),
        Column("scope", _TEXT, "the instrumentation that made the span"),
        _INSTANCE,
        Column("release", _TEXT, "resource `service.version`"),
        Column("agent", _TEXT, "`gen_ai.agent.name` of the call's own span"),
    ),
)

SPANS: Final = Table(
    "spans",
    "every span, calls too",
    "time",
    ("trace_id", "span_id"),
    (
        Column("time", _TIME, "start, UTC"),
        *_IDS,
        _PARENT,
        *_SERVICE,
        Column("name", _TEXT, "name of the span"),
        Column("kind", _TEXT, "internal, server, client, producer or consumer"),
        Column("duration_s", _REAL, "seconds from start to end", unique=True),
        Column("status", _TEXT, "ok, error or cancelled"),
        Column("status_message", _TEXT, "the description of the status"),
        Column("error_type", _TEXT, "class of the error, or `error.type`"),
        *_WHAT,
        *_WHO,
        Column("scope", _TEXT, "the instrumentation that made the span"),
        Column("attributes", _TEXT, "the attributes as a JSON object, content apart", unique=True),
        Column("events", _TEXT, "JSON list of {time, name, attributes}", unique=True),
        Column("links", _TEXT, "JSON list of {trace_id, span_id, attributes}", unique=True),
        Column("resource", _TEXT, "the resource's attributes as a JSON object"),
        Column("input_messages", _TEXT, "JSON, where content was captured", unique=True),
        Column("output_messages", _TEXT, "JSON, where content was captured", unique=True),
        Column("system_instructions", _TEXT, "JSON, where content was captured"),
    ),
)

SCORES: Final = Table(
    "scores",
    "one evaluation of one answer",
    "time",
    ("event_id",),
    (
        Column("time", _TIME, "when it was given, UTC"),
        *_IDS,
        _RESPONSE_ID,
        *_SERVICE,
        Column("evaluation", _TEXT, "what was judged: relevance, …"),
        Column("score", _REAL, "0 to 1; NULL: a category, or not evaluated", unique=True),
        Column("label", _TEXT, "the verdict as a word"),
        Column("model", _TEXT, "the model whose answer it was"),
        Column("feature", _TEXT, "feature, NULL when not set"),
        Column("tenant_id", _TEXT, "tenant, NULL when not set"),
        Column("explanation", _TEXT, "why, where content was captured", unique=True),
        Column("attributes", _TEXT, "all else: the number on its scale, the scale; JSON"),
        _EVENT_ID,
    ),
)

OUTCOMES: Final = Table(
    "outcomes",
    "one interaction that succeeded or failed for the user",
    "time",
    ("event_id",),
    (
        Column("time", _TIME, "when it was told, UTC"),
        *_IDS,
        _RESPONSE_ID,
        *_SERVICE,
        Column("kind", _TEXT, "what was tried: resolution, …"),
        Column("success", pa.bool_(), "whether it succeeded"),
        Column("value_usd", _REAL, "what it was worth, NULL when not said"),
        Column("model", _TEXT, "the model, where known"),
        Column("feature", _TEXT, "feature, NULL when not set"),
        Column("tenant_id", _TEXT, "tenant, NULL when not set"),
        Column("attributes", _TEXT, "what else was told: `llm_otel.outcome.<name>`; JSON"),
        _EVENT_ID,
    ),
)

MESSAGES: Final = Table(
    "messages",
    "what was said in one call, where an event captured it; a span's own are in `spans`",
    "time",
    ("event_id",),
    (
        Column("time", _TIME, "when it was told, UTC"),
        *_IDS,
        _RESPONSE_ID,
        *_SERVICE,
        Column("input_messages", _TEXT, "JSON", unique=True),
        Column("output_messages", _TEXT, "JSON", unique=True),
        Column("system_instructions", _TEXT, "JSON"),
        _EVENT_ID,
    ),
)

METRICS: Final = Table(
    "metrics_hourly",
    "what one metric's series gained in an hour; several rows an hour may exist: always sum",
    "hour",
    (),
    (
        Column("hour", _TIME, "start of the hour, UTC"),
        Column("metric", _TEXT, "OpenTelemetry name: gen_ai.cost.usd, …"),
        Column("instrument", _TEXT, "counter, histogram or gauge"),
        *_SERVICE,
        *_WHAT,
        Column("feature", _TEXT, "label feature, NULL for `none`"),
        Column("tenant_id", _TEXT, "label tenant_id, NULL for `none`"),
        Column("token_type", _TEXT, "label: input, output, other"),
        Column("error_type", _TEXT, "label: class of the error"),
        Column("cache", _TEXT, "label: read or write"),
        Column("outcome", _TEXT, "label: success or failure"),
        Column("kind", _TEXT, "label: kind of the outcome"),
        Column("evaluation", _TEXT, "label: what was judged"),
        Column("labels", _TAGS, "all other labels"),
        Column("sum", _REAL, "counter: gain; histogram: sum of the values; gauge: of the samples"),
        Column("count", _COUNT, "histogram: values; gauge: samples; counter: NULL"),
        Column("bounds", pa.list_(pa.float64()), "histogram: upper bounds of the buckets"),
        Column(
            "buckets", pa.list_(pa.int64()), "histogram: values by bucket, one more than bounds"
        ),
        _INSTANCE,
    ),
)

TABLES: Final = {table.name: table for table in (CALLS, SPANS, SCORES, OUTCOMES, MESSAGES, METRICS)}
