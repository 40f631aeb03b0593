"""The servers that `servers.py` measures: how each is started, read and asked."""

from __future__ import annotations

import json
import math
import re
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import environments
from subjects import OURS

import llm_otel.lake

WEEK_S = 7 * 86_400
LISTED = 50
_TRACE_LINK = 'href="/traces/'
_PROJECT = "UHJvamVjdDox"  # Phoenix's id of its first project: base64 of `Project:1`.


@dataclass(frozen=True)
class Places:
    """Where a server keeps its data, and the ports that are its own."""

    folder: Path
    http: int
    grpc: int
    page: int


@dataclass(frozen=True)
class Question:
    """What a page asks; `check` says whether the answer has in it what was asked for."""

    path: str
    body: Callable[[], Mapping[str, object]] | None
    check: Callable[[str], bool]


@dataclass(frozen=True)
class Server:
    """One server.

    Args:
        title: Its name in the table.
        environment: Of `environments.py`.
        acknowledged: What an acknowledged span is, in words.
        command: Its command line; the first word is a program of its environment.
        variables: Environment variables, beside those of every worker.
        ready: Address (port, path) that answer 200 when it is ready.
        rows: Runs one SELECT over its table `spans`.
        questions: What is asked of it: name -> question.
        asked: The port that answers the questions.
        headers: Of a request with spans.
        backlog: So many spans may be acknowledged and not yet readable before clients wait.
    """

    title: str
    environment: str
    acknowledged: str
    command: Callable[[Places], Sequence[str]]
    variables: Callable[[Places], Mapping[str, str]]
    ready: Callable[[Places], Sequence[tuple[int, str]]]
    rows: Callable[[Places, str], Sequence[tuple[object, ...]]]
    questions: Mapping[str, Question]
    asked: Callable[[Places], int]
    headers: Mapping[str, str] = field(default_factory=dict)
    backlog: float = math.inf


def _sqlite(name: str) -> Callable[[Places, str], Sequence[tuple[object, ...]]]:
    """Reads beside the server: a committed row is what its pages can show."""

    def rows(places: Places, query: str) -> Sequence[tuple[object, ...]]:
        file = f"file:{places.folder / name}?mode=ro"
        with closing(sqlite3.connect(file, uri=True, timeout=30)) as connection:
            return connection.execute(query).fetchall()

    return rows


def _lake(places: Places, query: str) -> Sequence[tuple[object, ...]]:
    rows: Sequence[tuple[object, ...]] = llm_otel.lake.open(places.folder).sql(query).fetchall()
    return rows


def _program(environment: str, name: str) -> str:
    return str(Path(environments.python(environment)).with_name(name))


def _page(path: str, shows: Callable[[str], bool]) -> Question:
    """A whole page of the dashboard, as the browser asks for it."""

    return Question(path, None, shows)


def _graphql(selection: str, shows: Callable[[str], bool]) -> Question:
    query = "query ($id: ID!, $range: TimeRange!) { node(id: $id) { ... on Project { %s } } }"

    def body() -> Mapping[str, object]:
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - WEEK_S))
        return {
            "query": query % selection,
            "variables": {"id": _PROJECT, "range": {"start": since}},
        }

    return Question("/graphql", body, shows)


def _traces_listed(key: str, total: int = LISTED) -> Callable[[str], bool]:
    return lambda answer: answer.count(f'"{key}"') >= total


def _costs(pattern: str) -> Callable[[str], bool]:
    """Whether the first sum of the answer is above nothing."""

    def check(answer: str) -> bool:
        match = re.search(pattern, answer)
        return match is not None and float(match[1].replace(",", "")) > 0

    return check


_COST = "costSummary(timeRange: $range) { total { cost tokens } }"
_MODELS = (
    "topModelsByCost(timeRange: $range)"
    " { name costSummary(projectId: $id, timeRange: $range) { total { cost } } }"
)
_ROOTS = (
    f"spans(first: {LISTED}, sort: {{col: startTime, dir: desc}}, timeRange: $range,"
    ' filterCondition: "parent_span is None") { edges { node { id spanId spanKind name statusCode'
    " startTime endTime latencyMs cumulativeTokenCountTotal input { value: truncatedValue }"
    " trace { id traceId numSpans costSummary { total { cost } } } } } }"
)

SERVERS = (
    Server(
        title="llm-otel serve",
        environment=OURS,
        acknowledged="on the disk (fsync), a row within a second or so",
        command=lambda at: (
            *(_program(OURS, "python"), "-m", "llm_otel", "serve", "--lake", str(at.folder)),
            *("--http-port", str(at.http), "--grpc-port", str(at.grpc)),
            *("--dashboard-port", str(at.page)),
        ),
        variables=lambda at: {},
        ready=lambda at: ((at.http, "/health"), (at.page, "/")),
        rows=_lake,
        questions={
            "trace list": _page("/traces", lambda answer: answer.count(_TRACE_LINK) >= LISTED),
            "cost summary": _page("/cost", _costs(r"\$([\d,]+\.?\d*)")),
        },
        asked=lambda at: at.page,
    ),
    Server(
        title="Phoenix",
        environment="phoenix",
        acknowledged="in a queue in memory, written later",
        command=lambda at: (_program("phoenix", "phoenix"), "serve"),
        variables=lambda at: {
            "PHOENIX_WORKING_DIR": str(at.folder),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(at.http),
            "PHOENIX_GRPC_PORT": str(at.grpc),
            "PHOENIX_TELEMETRY_ENABLED": "false",
            "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        },
        ready=lambda at: ((at.http, "/healthz"),),
        rows=_sqlite("phoenix.db"),
        questions={
            "trace list": _graphql(_ROOTS, _traces_listed("traceId")),
            "cost summary": _graphql(f"{_COST} {_MODELS}", _costs(r'"cost": ?([\d.e-]+)')),
        },
        asked=lambda at: at.http,
        backlog=20_000,  # What PHOENIX_MAX_SPANS_QUEUE_SIZE is by default.
    ),
    Server(
        title="MLflow",
        environment="mlflow",
        acknowledged="a row (committed to SQLite)",
        command=lambda at: (
            *(_program("mlflow", "mlflow"), "server", "--host", "127.0.0.1"),
            *("--port", str(at.http)),
            # Else workers that a busy machine lets wait for 5 s are taken for dead.
            *("--uvicorn-opts", "--timeout-worker-healthcheck 120"),
            *("--backend-store-uri", f"sqlite:///{at.folder / 'mlflow.db'}"),
            *("--default-artifact-root", str(at.folder / "artifacts")),
        ),
        variables=lambda at: {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
        ready=lambda at: ((at.http, "/health"),),
        rows=_sqlite("mlflow.db"),
        questions={
            "trace list": Question(
                "/api/3.0/mlflow/traces/search",
                lambda: {
                    "locations": [
                        {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}
                    ],
                    "max_results": LISTED,
                    "order_by": ["timestamp_ms DESC"],
                },
                _traces_listed("trace_id"),
            ),
            "cost summary": Question(
                "/api/3.0/mlflow/traces/metrics",
                lambda: {
                    "experiment_ids": ["0"],
                    "view_type": "SPANS",
                    "metric_name": "total_cost",
                    "aggregations": [{"aggregation_type": "SUM"}],
                    "dimensions": ["span_model_name"],
                    "start_time_ms": int((time.time() - WEEK_S) * 1000),
                    "end_time_ms": int(time.time() * 1000),
                },
                _costs(r'"SUM": ?([\d.e-]+)'),
            ),
        },
        asked=lambda at: at.http,
        headers={"x-mlflow-experiment-id": "0"},
    ),
)


def encoded(question: Question) -> bytes | None:
    """The question's body; None for a page that is got."""
    return None if question.body is None else json.dumps(question.body()).encode()
