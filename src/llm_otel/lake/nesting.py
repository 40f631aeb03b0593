"""One request is one call: of nested spans that tell of the same request the innermost counts.

A framework's span and the SDK's below it, an operation and its model call, an application and its
gateway: each is a row of `calls` as it was sent, and the provider was asked once. Which of them
tell of one request is decided when a query runs, as a span may come long before the one above it.
The rules, for a call and the next call above it, over any number of other spans between them:

- Both do the same kind of work, and the ids of their answers are the same; or the models agree, and
  so does each count that both know; or input and output are the same, whatever the gateway calls
  the model; or the call above has the sums of the calls below it. Counts agree also where one of
  them leaves out the cached or the reasoning tokens.
- Spans that tell of one answer side by side are compared too (`twins`).
- Then the call above does not count. What only it knows (who asked, the cost, the usage) is taken
  over by the one below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from llm_otel import semconv
from llm_otel.lake import twins

# Instrumentations that make one span for a request, with no other of their own above it: where
# nothing else told of calls, and one service did, none can be nested.
_FLAT: Final = frozenset({semconv.SCOPE})

# How long before midnight the call above one of the next day may have ended, by its own clock.
_OVERLAP: Final = timedelta(hours=1)

_DEEPEST: Final = 64

# Columns that describe the request: each is taken from the nearest call above that knows it.
_DESCRIBING: Final = (
    "response_id", "provider", "model", "response_model", "tenant_id", "feature", "user",
    "session_id", "conversation_id", "tags", "finish_reasons", "first_chunk_s", "service_tier",
    "prompt_name", "prompt_version", "prefix_hash",
)  # fmt: skip
_CACHE: Final = ("cache_read_tokens", "cache_write_tokens")
_USAGE: Final = ("input_tokens", "output_tokens", *_CACHE, "reasoning_tokens")
_COST: Final = ("cost_usd", "cost_source", "cost_status")


class Nested(NamedTuple):
    """What differs from the rows of `calls` as they were sent.

    Attributes:
        without: `trace_id` and `span_id` of the rows that do not count as they are, of this day
            or the one before; also of rows in the place of these that the day before found.
        instead: Rows of `calls` of these days in the place of some of these.
        above: Rows of `calls` that do not count, each with the ids of the one that counts for it,
            `counted_trace_id` and `counted_span_id`, and how many it is above that, `level`.
    """

    without: pa.Table
    instead: pa.Table
    above: pa.Table


def find(
    cursor: duckdb.DuckDBPyConnection,
    day: date,
    calls: Mapping[date, str],
    spans: Mapping[date, str],
) -> Nested | None:
    """What is nested among the calls of a day and those above them; None for nothing.

    Args:
        cursor: Where to work: leaves temporary tables.
        day: The day, which has calls.
        calls, spans: The rows of the day and, where there are any, of the one before, as queries.
    """
    calls = {each: _with_scope(cursor, calls[each], spans.get(each)) for each in calls}
    emitters = cursor.execute(_with(_EMITTERS, calls=calls[day])).fetchall()
    before = day - timedelta(days=1)
    if before in calls:
        late = (
            "time + to_microseconds((least(coalesce(duration_s, 0), 86400) * 1e6)::BIGINT)"
            f" >= TIMESTAMP '{day}' - INTERVAL {_OVERLAP.seconds} SECOND"
        )
        above = f"SELECT * FROM ({calls[before]}) WHERE {late}"
        emitters += cursor.execute(_with(_EMITTERS, calls=above)).fetchall()
    if len(set(emitters)) < 2 and all(scope in _FLAT for scope, _ in emitters):
        return None
    rows = [calls[day], *([above] if before in calls else [])]
    cursor.execute(_with(_STEPS["traces"], calls=_union(rows), flat=_flat()))
    if not cursor.execute("SELECT 1 FROM traces LIMIT 1").fetchall():
        return None
    cursor.execute(_with(_STEPS["candidates"], calls=_union(rows)))
    trees = [spans[each] for each in (before, day) if each in spans]
    cursor.execute(_with(_STEPS["tree"], spans=_union(trees or [_NO_SPANS])))
    for name in ("pairs", "same"):
        cursor.execute(_STEPS[name])
    twins.add(cursor, (*_DESCRIBING, *_USAGE, *_COST))
    for name in ("above", "takers"):
        cursor.execute(_with(_STEPS[name], day=f"DATE '{day}'"))
    if not cursor.execute("SELECT 1 FROM above LIMIT 1").fetchall():
        return None
    without = cursor.sql(_WITHOUT).to_arrow_table()
    tables = (cursor.sql(text).to_arrow_table() for text in (_INSTEAD, _ABOVE))
    return Nested(without, *tables)


def _with_scope(cursor: duckdb.DuckDBPyConnection, calls: str, spans: str | None) -> str:
    """The rows of `calls` with the scope that their spans have where they lack it: they were
    written before the column was added."""
    lacking = f"SELECT 1 FROM ({calls}) WHERE scope IS NULL LIMIT 1"
    if spans is None or not cursor.execute(lacking).fetchall():
        return calls
    return _with(_SCOPED, calls=calls, spans=spans)


def _with(text: str, **parts: str) -> str:
    """Put SQL in the place of names in braces; patterns in the text have braces of their own."""
    for name, part in parts.items():
        text = text.replace(f"{{{name}}}", part)
    return text


def _union(queries: Sequence[str]) -> str:
    return " UNION ALL BY NAME ".join(f"({query})" for query in queries)


def _flat() -> str:
    return ", ".join(f"'{scope}'" for scope in sorted(_FLAT))


_SCOPED: Final = """
    SELECT c.* REPLACE (coalesce(c.scope, s.scope) AS scope) FROM ({calls}) c
    LEFT JOIN (SELECT trace_id, span_id, any_value(scope) AS scope FROM ({spans}) GROUP BY ALL) s
        ON s.trace_id = c.trace_id AND s.span_id = c.span_id
"""
# Who told of calls.
_EMITTERS: Final = "SELECT DISTINCT scope, service_name FROM ({calls})"
_NO_SPANS: Final = "SELECT NULL AS trace_id, NULL AS span_id, NULL AS parent_span_id WHERE false"


def _plain(column: str) -> str:
    """SQL of a model's name without the provider in front and the version behind it."""
    vendors = "anthropic|amazon|meta|mistral|cohere|ai21|deepseek|openai|qwen"
    bedrock = f"^((us|eu|apac|global|jp|au)[.])?({vendors})[.]"
    name = f"regexp_extract(lower({column}), '[^/]*$')"
    for pattern in (
        bedrock,
        "(-v[0-9]+)?(:[0-9a-z]+)?$",
        "[-@](latest|[0-9]{4}-?[0-9]{2}-?[0-9]{2})$",
    ):
        name = f"regexp_replace({name}, '{pattern}', '')"
    return name


_HELPERS: Final = "work, input, output, cached, models"
_KIND: Final = (
    f"CASE WHEN operation IN ('{semconv.CHAT}', '{semconv.TEXT_COMPLETION}', '{semconv.OCR}', "
    f"'{semconv.GENERATE_CONTENT}') THEN 'text' ELSE operation END"
)
# Input without the cached tokens, as some count it.
_FRESH: Final = "({0}.input - {0}.cached)"
# How far an input that a framework estimated may be from what was billed.
_CLOSE: Final = 0.02
# Output without the reasoning, likewise.
_SPOKEN: Final = "({0}.output - coalesce({0}.reasoning_tokens, 0))"
_MORE: Final = " OR ".join(
    f'(a."{name}" IS NOT NULL AND b."{name}" IS NULL)'
    for name in (*_DESCRIBING, "input_tokens", "output_tokens", "cost_usd")
)
_STEPS: Final = {
    # Traces in which calls can be nested at all, by their hash: grouping numbers takes half the
    # time of grouping texts. Where two traces have one hash, both are candidates.
    "traces": """
        CREATE OR REPLACE TEMP TABLE traces AS
        SELECT hash(trace_id) AS trace FROM ({calls}) WHERE trace_id IS NOT NULL GROUP BY trace
        HAVING count(*) > 1 AND (count(parent_span_id) > 0 OR count(response_id) > 1)
            AND (min(hash(service_name)) <> max(hash(service_name))
                OR bool_or(scope IS NULL OR scope NOT IN ({flat})))
    """,
    "candidates": f"""
        CREATE OR REPLACE TEMP TABLE candidates AS
        SELECT *, {_KIND} AS work, nullif(input_tokens, 0) AS input,
            nullif(output_tokens, 0) AS output,
            coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0) AS cached,
            list_filter([{_plain("model")}, {_plain("response_model")}], lambda x: x IS NOT NULL)
                AS models
        FROM ({{calls}}) c SEMI JOIN traces t ON t.trace = hash(c.trace_id)
    """,
    "tree": """
        CREATE OR REPLACE TEMP TABLE tree AS
        SELECT DISTINCT ON (trace_id, span_id) trace_id, span_id, parent_span_id
        FROM (SELECT trace_id, span_id, parent_span_id FROM ({spans}) s
            SEMI JOIN traces t ON t.trace = hash(s.trace_id)) s
        ANTI JOIN candidates USING (trace_id, span_id)
    """,
    # Each call with the next call above it.
    "pairs": f"""
        CREATE OR REPLACE TEMP TABLE pairs AS
        WITH RECURSIVE up AS (
            SELECT trace_id, span_id AS below, parent_span_id AS place, 1 AS depth
            FROM candidates WHERE parent_span_id IS NOT NULL
            UNION ALL
            SELECT up.trace_id, below, t.parent_span_id, depth + 1
            FROM up JOIN tree t ON t.trace_id = up.trace_id AND t.span_id = up.place
            WHERE t.parent_span_id IS NOT NULL AND depth < {_DEEPEST}
        )
        SELECT up.trace_id, below, place AS above FROM up JOIN candidates c
            ON c.trace_id = up.trace_id AND c.span_id = up.place
        WHERE below <> place
    """,
    # The pairs that tell of one request. `whole`: what the one above used was used by this one.
    "same": f"""
        CREATE OR REPLACE TEMP TABLE same AS
        WITH compared AS (
            SELECT p.*, b.time, b.input IS NULL AND b.output IS NULL AS silent,
                coalesce(a.work = b.work, true) AS kind,
                a.response_id = b.response_id AS answer,
                list_has_any(a.models, b.models)
                    OR len(a.models) = 0 OR len(b.models) = 0 AS model,
                a.input = b.input OR {_FRESH.format("a")} = b.input
                    OR a.input = {_FRESH.format("b")}
                    OR (a.output = b.output AND abs(a.input - b.input) <= {_CLOSE} * b.input)
                    AS input,
                a.output = b.output OR {_SPOKEN.format("a")} = b.output
                    OR a.output = {_SPOKEN.format("b")} AS output,
                a.input = sum(b.input) OVER children AND count(*) OVER children > 1
                    AND a.output IS NOT DISTINCT FROM sum(b.output) OVER children AS summed
            FROM pairs p
            JOIN candidates a ON a.trace_id = p.trace_id AND a.span_id = p.above
            JOIN candidates b ON b.trace_id = p.trace_id AND b.span_id = p.below
            WINDOW children AS (PARTITION BY p.trace_id, p.above)
        ), judged AS (
            SELECT *, kind AND (
                coalesce(answer, false) OR coalesce(summed, false)
                OR coalesce(input AND output, false)
                OR (coalesce(model, true) AND coalesce(input, true) AND coalesce(output, true))
            ) AS one
            FROM compared
        )
        SELECT trace_id, below, above,
            count(*) OVER family = 1 OR (bool_and(silent) OVER family
                AND row_number() OVER (PARTITION BY trace_id, above ORDER BY time DESC, below) = 1
            ) AS whole
        FROM judged WHERE one
        WINDOW family AS (PARTITION BY trace_id, above)
    """,
    # Every call that counts with all those above it that do not, the nearest first.
    "above": f"""
        CREATE OR REPLACE TEMP TABLE above AS
        WITH RECURSIVE up AS (
            SELECT trace_id, below, above, whole, 1 AS level FROM same
            UNION ALL
            SELECT up.trace_id, up.below, s.above, up.whole AND s.whole, level + 1
            FROM up JOIN same s ON s.trace_id = up.trace_id AND s.below = up.above
            WHERE level < {_DEEPEST}
        )
        SELECT up.trace_id, up.below, up.above, whole, level FROM up
        ANTI JOIN same s ON s.trace_id = up.trace_id AND s.above = up.below
        SEMI JOIN candidates c ON c.trace_id = up.trace_id AND c.day = {{day}}
        WHERE up.below <> up.above
    """,
    # Those of the calls that count to which a call above may give something: few, often; and those
    # of the day before in a trace that goes on in this one, where this day knows better.
    "takers": f"""
        CREATE OR REPLACE TEMP TABLE takers AS
        SELECT u.* FROM above u
        JOIN candidates a ON a.trace_id = u.trace_id AND a.span_id = u.above
        JOIN candidates b ON b.trace_id = u.trace_id AND b.span_id = u.below
        WHERE a.cached > b.cached OR (a.reasoning_tokens > 0 AND b.reasoning_tokens IS NULL)
            OR a.cost_source = '{semconv.COST_FROM_PROVIDER}' OR {_MORE}
            OR b.day < {{day}}
    """,
}
_WITHOUT: Final = """
    SELECT DISTINCT trace_id, above AS span_id FROM above
    UNION SELECT DISTINCT trace_id, below FROM takers
"""


_ABOVE: Final = f"""
    SELECT c.* EXCLUDE ({_HELPERS}), u.trace_id AS counted_trace_id, u.below AS counted_span_id,
        u.level
    FROM above u JOIN candidates c ON c.trace_id = u.trace_id AND c.span_id = u.above
"""


def _nearest_known(column: str) -> str:
    return f'arg_min(a."{column}", level) FILTER (a."{column}" IS NOT NULL) AS "{column}"'


def _nearest(condition: str, *columns: str) -> str:
    """SQL of some columns of the nearest call above of which `condition` holds."""
    packed = ", ".join(f"{name} := a.{name}" for name in columns)
    return f"arg_min(struct_pack({packed}), level) FILTER (whole AND {condition})"


# What the calls above know, by the call that takes it over.
_HIGHER: Final = f"""
    SELECT u.trace_id, u.below AS span_id,
        {", ".join(map(_nearest_known, _DESCRIBING))},
        {_nearest("(a.input IS NOT NULL OR a.output IS NOT NULL)", *_USAGE, *_COST)} AS used,
        {_nearest("a.cached > 0", *_USAGE, *_COST)} AS caching,
        {_nearest("a.cost_usd IS NOT NULL", *_COST)} AS cost
    FROM above u SEMI JOIN takers USING (trace_id, below)
    JOIN candidates a ON a.trace_id = u.trace_id AND a.span_id = u.above
    GROUP BY ALL
"""
# The rows below with what they take over: the usage where they have none, or where only the one
# above knows the cached part, or the reasoning that is in no output below; the cost where they have
# none, or the one above has it from the provider.
_BETTER: Final = """
    CASE WHEN c.input IS NULL AND c.output IS NULL THEN h.used
        WHEN c.reasoning_tokens IS NULL
            AND h.used.output_tokens = c.output + nullif(h.used.reasoning_tokens, 0) THEN h.used
        WHEN c.cached = 0 THEN h.caching END
"""
_DEARER: Final = f"""
    coalesce(h.cost.cost_usd, 0) > 0 AND (c.cost_usd IS NULL
        OR (h.cost.cost_source = '{semconv.COST_FROM_PROVIDER}'
            AND c.cost_source IS DISTINCT FROM '{semconv.COST_FROM_PROVIDER}'))
"""
_INSTEAD: Final = f"""
    SELECT c.* EXCLUDE ({_HELPERS}) REPLACE (
        {", ".join(f'coalesce(c."{x}", h."{x}") AS "{x}"' for x in _DESCRIBING)},
        {", ".join(f"coalesce(({_BETTER}).{x}, c.{x}) AS {x}" for x in _USAGE)},
        {
    ", ".join(
        f"CASE WHEN ({_BETTER}).cost_usd IS NOT NULL THEN ({_BETTER}).{x} "
        f"WHEN {_DEARER} THEN h.cost.{x} ELSE c.{x} END AS {x}"
        for x in _COST
    )
}
    )
    FROM candidates c JOIN ({_HIGHER}) h ON h.trace_id = c.trace_id AND h.span_id = c.span_id
"""
