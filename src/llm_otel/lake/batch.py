"""From the records of one segment to rows in the tables, exactly once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from llm_otel.lake.decode import LOGS, METRICS, TRACES, agent_events, from_protobuf
from llm_otel.lake.decode.columns import columns
from llm_otel.lake.decode.logs import EVENT_TABLES, Logs
from llm_otel.lake.decode.metrics import Metrics
from llm_otel.lake.decode.names.agents import MARKERS
from llm_otel.lake.decode.series import Series
from llm_otel.lake.decode.traces import decode
from llm_otel.lake.deduplication import StoredKeys
from llm_otel.lake.delta import TableStore
from llm_otel.lake.refusals import Refusals
from llm_otel.lake.segment import Record
from llm_otel.lake.state import States

APPLICATION: Final = "llm-otel-log"

_logger = logging.getLogger("llm_otel.lake")


class Batches:
    """Stores segments one after another; `created` (ns) is when the lake began, `refusals` counts
    the values that are no numbers, `watch` gets the rows of `calls` that are new and stored.

    The order matters after a kill between two commits: `spans` come last, as which spans are new
    is asked of `spans`, and the calls of a segment must be found new again.
    """

    def __init__(
        self,
        path: Path,
        tables: dict[str, TableStore],
        created: int,
        refusals: Refusals,
        watch: Callable[[pa.Table], None] | None = None,
    ) -> None:
        self._path = path
        self._refusals = refusals
        self._tables = tables
        self._created = created
        self._watch = watch
        self._states = States(path / "state")
        self._stored_keys = {name: StoredKeys(tables[name]) for name in ("spans", *EVENT_TABLES)}
        self._series = Series(created)

    def last(self) -> int:
        """The newest segment that any table holds; -1 for none."""
        return max(store.done(APPLICATION) for store in self._tables.values())

    def resume(self, pending: set[int]) -> None:
        """Begin from what is stored; `pending` are the segments still in the log."""
        newest = self._tables["metrics_hourly"].done(APPLICATION)
        state = self._states.load(lambda n: n <= newest or n not in pending)
        self._series = Series(self._created)
        if state is None:
            self._series.lost_before = time.time_ns()
        self._series.load(state or [])
        for keys in self._stored_keys.values():
            keys.forget()

    def store(self, segment: int, records: Sequence[Record]) -> None:
        """Put the rows of `records` into the tables. Safe to repeat until it returns."""
        self._spans(segment, records)
        self._events(segment, records)
        self._metrics(segment, records)

    def _spans(self, segment: int, records: Sequence[Record]) -> None:
        if self._done("spans", segment):
            return
        traces = [(record, record.body) for record in records if record.signal == TRACES]
        traces += self._spans_of_events(segment, records)
        if not traces:
            return
        spans, calls, of_call = decode(
            [body for _, body in traces],
            lambda number: self._set_aside(segment, traces[number][0]),
            self._refusals,
        )
        fresh = self._stored_keys["spans"].fresh(spans)
        new_calls = calls.filter(pa.array(fresh[of_call]))
        self._append("calls", segment, new_calls)
        self._append("spans", segment, spans.filter(pa.array(fresh)))
        if self._watch is not None:
            self._watch(new_calls)

    def _spans_of_events(
        self, segment: int, records: Sequence[Record]
    ) -> list[tuple[Record, bytes]]:
        """Requests to a provider that events tell of, as requests with spans."""
        requests: list[tuple[Record, bytes]] = []

        def add(request: Any, record: Record) -> None:
            spans = agent_events.spans_of(request, record.received)
            if spans is not None:
                requests.append((record, spans.SerializeToString()))

        for record in records:
            if record.signal == LOGS and any(marker in record.body for marker in MARKERS):
                self._guarded(segment, record, add, record)
        return requests

    def _events(self, segment: int, records: Sequence[Record]) -> None:
        logs = Logs(self._refusals)
        for record in records:
            if record.signal == LOGS:
                self._guarded(segment, record, logs.add, record.received)
        for name, rows in logs.rows.items():
            if rows and not self._done(name, segment):
                table = columns(rows, self._tables[name].table.schema)
                self._append(
                    name, segment, table.filter(pa.array(self._stored_keys[name].fresh(table)))
                )

    def _metrics(self, segment: int, records: Sequence[Record]) -> None:
        points = [record for record in records if record.signal == METRICS]
        if not points or self._done("metrics_hourly", segment):
            return
        # On a copy: where the commit fails, the segment comes again and must find the state before.
        series = self._series.copy()
        metrics = Metrics(series, self._refusals)
        for record in points:
            series.arrive(record.received)
            self._guarded(segment, record, metrics.add)
        rows = columns(metrics.rows(), self._tables["metrics_hourly"].table.schema)
        self._states.save(segment, series.dump())
        self._append("metrics_hourly", segment, rows)
        self._series = series

    def _done(self, name: str, segment: int) -> bool:
        return self._tables[name].done(APPLICATION) >= segment

    def _append(self, name: str, segment: int, rows: pa.Table) -> None:
        if rows.num_rows == 0 or self._done(name, segment):
            return
        self._tables[name].append(rows, APPLICATION, segment)
        if name in self._stored_keys:
            self._stored_keys[name].add(rows)

    def _guarded(self, segment: int, record: Record, add: Any, *arguments: Any) -> None:
        """One request that cannot be decoded does not hold up the others."""
        try:
            add(from_protobuf(record.signal, record.body), *arguments)
        except Exception:  # noqa: BLE001 told, with the record, by what it calls
            self._set_aside(segment, record)

    def _set_aside(self, segment: int, record: Record) -> None:
        """Keep what cannot be decoded in a file; inside an `except`."""
        folder = self._path / "rejected"
        folder.mkdir(exist_ok=True)
        path = folder / f"{segment:016}-{record.signal}-{record.received}.pb"
        path.write_bytes(record.body)
        _logger.exception("A request could not be decoded; it is kept in %s", path)
