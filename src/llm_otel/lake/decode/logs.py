"""OTLP logs as rows of `scores` and `outcomes`; all other events are left out."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from llm_otel import semconv
from llm_otel.lake.decode.spans import source_of
from llm_otel.lake.decode.values import mapping, text

Row = tuple[Any, ...]
_LABELS: Final = (semconv.MODEL, semconv.FEATURE, semconv.TENANT_ID)


class Logs:
    """Gathers the rows of many requests.

    Attributes:
        scores: Rows of the table `scores`.
        outcomes: Rows of the table `outcomes`.
    """

    def __init__(self) -> None:
        self.scores: list[Row] = []
        self.outcomes: list[Row] = []

    def add(self, request: Any, received: int) -> None:
        """Take an ExportLogsServiceRequest; `received` (ns) is the time of records without one."""
        for resource in request.resource_logs:
            said = mapping(resource.resource.attributes)
            source = source_of(said)
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    self._add(record, source, received)

    def _add(self, record: Any, source: Row, received: int) -> None:
        attributes = mapping(record.attributes)
        get = attributes.get
        # Senders from before `event_name` put the name among the attributes.
        name = record.event_name or get("event.name")
        if name not in (semconv.EVENT_EVALUATION, semconv.EVENT_OUTCOME):
            return
        time = record.time_unix_nano or record.observed_time_unix_nano or received
        ids = (record.trace_id.hex() or None, record.span_id.hex() or None)
        head = (time // 1000, *ids, get(semconv.RESPONSE_ID), *source)
        model = get(semconv.MODEL) or get(semconv.REQUEST_MODEL)
        labels = tuple(_known(x) for x in (model, get(semconv.FEATURE), get(semconv.TENANT_ID)))
        identity = _identity(
            text([name, record.time_unix_nano, *ids, source, sorted(attributes.items(), key=str)])
        )
        if name == semconv.EVENT_EVALUATION:
            said = (
                get(semconv.EVALUATION_NAME),
                get(semconv.EVALUATION_SCORE_VALUE),
                get(semconv.EVALUATION_SCORE_LABEL),
            )
            why = get(semconv.EVALUATION_EXPLANATION)
            self.scores.append((*head, *said, *labels, why, identity))
        else:
            told = (
                get(semconv.OUTCOME_KIND),
                get(semconv.OUTCOME_SUCCESS),
                get(semconv.OUTCOME_VALUE),
            )
            self.outcomes.append((*head, *told, *labels, identity))


def _known(label: Any) -> Any:
    return None if label == semconv.NONE else label


def _identity(record: str) -> int:
    digest = hashlib.blake2b(record.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
