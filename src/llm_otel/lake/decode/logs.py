"""OTLP logs as rows of `scores`, `outcomes` and `messages`; all other events are left out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

from llm_otel import semconv
from llm_otel.foreign.names import CONTENT, agents
from llm_otel.foreign.quantities import flag, signed
from llm_otel.lake.decode.agent_events import event_name
from llm_otel.lake.decode.omissions import leave_out
from llm_otel.lake.decode.spans import source_of
from llm_otel.lake.decode.values import mapping, text
from llm_otel.lake.refusals import Refusals

Row = tuple[Any, ...]


class Logs:
    """Gathers the rows of many requests; `refusals` counts the values that are no numbers.

    Attributes:
        rows: By table.
    """

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals
        self.rows: dict[str, list[Row]] = {table: [] for table, _ in _EVENTS.values()}

    def add(self, request: Any, received: int) -> None:
        """Take an ExportLogsServiceRequest; `received` (ns) is the time of records without one."""
        for resource in request.resource_logs:
            said = mapping(resource.resource.attributes)
            source = source_of(said)
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    self._add(record, scope.scope.name, source, received)

    def _add(self, record: Any, scope: str, source: Row, received: int) -> None:
        attributes = mapping(record.attributes)
        # Senders from before `event_name` put the name among the attributes.
        name = record.event_name or attributes.get("event.name")
        if name not in _EVENTS:
            _left_out(event_name(record, attributes, scope))
            return
        table, told_of = _EVENTS[name]
        told = told_of(attributes)
        if told is None:
            return
        for number in _NUMBERS & attributes.keys():
            if signed(value := attributes[number]) is None and value is not None:
                self._refusals.add("score or value", f"{number} is {value!r:.80}")
        time = record.time_unix_nano or record.observed_time_unix_nano or received
        ids = (record.trace_id.hex() or None, record.span_id.hex() or None)
        head = (time // 1000, *ids, attributes.get(semconv.RESPONSE_ID), *source)
        identity = _identity(
            text([name, record.time_unix_nano, *ids, source, sorted(attributes.items(), key=str)])
        )
        self.rows[table].append((*head, *told, identity))


def _left_out(name: str) -> None:
    """Say why a record is no row here, unless it is a call."""
    if not name:
        leave_out("log record without an event's name", "", "only events about model calls are")
    elif name.startswith(agents.KNOWN):
        if name not in agents.EVENTS:
            leave_out("event", name, "it tells of no request to a provider")
    else:
        leave_out("event", name, "it tells of no evaluation, outcome, message or request")


def _score(attributes: dict[str, Any]) -> Row:
    get = attributes.get
    return (
        get(semconv.EVALUATION_NAME),
        signed(get(semconv.EVALUATION_SCORE_VALUE)),
        get(semconv.EVALUATION_SCORE_LABEL),
        *_labels(attributes),
        get(semconv.EVALUATION_EXPLANATION),
        _others(attributes),
    )


def _outcome(attributes: dict[str, Any]) -> Row:
    get = attributes.get
    success, value = get(semconv.OUTCOME_SUCCESS), signed(get(semconv.OUTCOME_VALUE))
    success = success if success is None else flag(success)
    return (get(semconv.OUTCOME_KIND), success, value, *_labels(attributes), _others(attributes))


def _messages(attributes: dict[str, Any]) -> Row | None:
    said = tuple(map(attributes.get, CONTENT))
    return said if any(said) else None


def _labels(attributes: dict[str, Any]) -> Row:
    get = attributes.get
    model = get(semconv.MODEL) or get(semconv.REQUEST_MODEL)
    return tuple(map(_known, (model, get(semconv.FEATURE), get(semconv.TENANT_ID))))


def _others(attributes: dict[str, Any]) -> str | None:
    """What no column of its own holds, as JSON."""
    others = {
        name: value
        for name, value in attributes.items()
        if name not in _IN_COLUMNS or (name in _NUMBERS and signed(value) is None)
    }
    return text(others) if others else None


def _known(label: Any) -> Any:
    return None if label == semconv.NONE else label


def _identity(record: str) -> int:
    digest = hashlib.blake2b(record.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


# Event -> its table, and what its columns after those that all have are; None: nothing to store.
_EVENTS: Final[dict[str, tuple[str, Callable[[dict[str, Any]], Row | None]]]] = {
    semconv.EVENT_EVALUATION: ("scores", _score),
    semconv.EVENT_OUTCOME: ("outcomes", _outcome),
    semconv.EVENT_DETAILS: ("messages", _messages),
}
_IN_COLUMNS: Final = frozenset(
    {
        "event.name", semconv.RESPONSE_ID, semconv.EVALUATION_NAME, semconv.EVALUATION_SCORE_VALUE,
        semconv.EVALUATION_SCORE_LABEL, semconv.EVALUATION_EXPLANATION, semconv.OUTCOME_KIND,
        semconv.OUTCOME_SUCCESS, semconv.OUTCOME_VALUE, semconv.MODEL, semconv.REQUEST_MODEL,
        semconv.FEATURE, semconv.TENANT_ID,
    }
)  # fmt: skip
_NUMBERS: Final = frozenset({semconv.EVALUATION_SCORE_VALUE, semconv.OUTCOME_VALUE})
EVENT_TABLES: Final = tuple(table for table, _ in _EVENTS.values())
