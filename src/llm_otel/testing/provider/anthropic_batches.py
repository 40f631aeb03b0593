"""Anthropic's Message Batches: `/v1/messages/batches`."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .anthropic_messages import answer_message
from .anthropic_protocol import ANTHROPIC
from .messages import Json, ProtocolError, ReceivedRequest, Reply
from .state import CREATED, State

_CREATED = datetime.fromtimestamp(CREATED, timezone.utc)
_OUTCOMES = ("processing", "succeeded", "errored", "canceled", "expired")


@dataclass
class StoredMessageBatch:
    """A batch, the results of its requests, and how often it was polled."""

    id: str
    results: list[Json]
    polls: int = 0
    cancelled: bool = False

    def ended(self, state: State) -> bool:
        """Whether its results can be read."""
        return self.polls >= state.polls

    def now(self, state: State, request: ReceivedRequest) -> Json:
        """The batch as it is after `polls` looks at it."""
        ended = self.ended(state)
        counts = Counter(each["result"]["type"] for each in self.results)
        if not ended:
            counts = Counter(processing=len(self.results))
        url = f"http://{request.headers.get('host', '')}/v1/messages/batches/{self.id}/results"
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": _status(ended, self.cancelled),
            "request_counts": {name: counts[name] for name in _OUTCOMES},
            "created_at": _CREATED.isoformat(),
            "expires_at": (_CREATED + timedelta(days=1)).isoformat(),
            "ended_at": _CREATED.isoformat() if ended else None,
            "cancel_initiated_at": _CREATED.isoformat() if self.cancelled else None,
            "archived_at": None,
            "results_url": url if ended else None,
        }


def _status(ended: bool, cancelled: bool) -> str:
    if ended:
        return "ended"
    return "canceling" if cancelled else "in_progress"


def create_batch(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/messages/batches`."""
    body = request.json
    requests = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(requests, list) or not requests:
        raise ProtocolError("requests: Field required")
    results = [
        {"custom_id": each["custom_id"], "result": _result(each["params"], state)}
        for each in requests
    ]
    batch = StoredMessageBatch(state.new_id("msgbatch_01", 33), results)
    state.store(batch.id, batch)
    return Reply(body=batch.now(state, request))


def _result(params: Json, state: State) -> Json:
    try:
        message = answer_message(params, str(params.get("model") or ""), state, tier="batch")
    except ProtocolError as error:
        return {"type": "errored", "error": ANTHROPIC.error(error.status, str(error)).body}
    return {"type": "succeeded", "message": message}


def retrieve_batch(request: ReceivedRequest, state: State) -> Reply:
    """Answers `GET /v1/messages/batches/{id}`; each one brings the batch nearer its end."""
    batch = _find(request, state)
    batch.polls += 1
    return Reply(body=batch.now(state, request))


def results(request: ReceivedRequest, state: State) -> Reply:
    """Answers `GET /v1/messages/batches/{id}/results`, one line a request."""
    batch = _find(request, state)
    if not batch.ended(state):
        raise ProtocolError("The batch has not ended processing.")
    lines = "".join(json.dumps(each) + "\n" for each in batch.results)
    return Reply(body=lines.encode(), headers={"content-type": "application/x-jsonl"})


def list_batches(request: ReceivedRequest, state: State) -> Reply:
    """Answers `GET /v1/messages/batches`, newest first, all on one page."""
    batches = [each for each in list(state.stored.values()) if isinstance(each, StoredMessageBatch)]
    shown = [batch.now(state, request) for batch in reversed(batches)]
    ids = [batch["id"] for batch in shown]
    page = {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
    return Reply(body={"data": shown, **page, "has_more": False})


def cancel_batch(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/messages/batches/{id}/cancel`."""
    batch = _find(request, state)
    if not batch.ended(state):
        batch.cancelled = True
        for each in batch.results:
            each["result"] = {"type": "canceled"}
    return Reply(body=batch.now(state, request))


def delete_batch(request: ReceivedRequest, state: State) -> Reply:
    """Answers `DELETE /v1/messages/batches/{id}`."""
    batch = _find(request, state)
    del state.stored[batch.id]
    return Reply(body={"id": batch.id, "type": "message_batch_deleted"})


def _find(request: ReceivedRequest, state: State) -> StoredMessageBatch:
    identity = request.route.split("/")[4]
    batch = state.stored.get(identity)
    if not isinstance(batch, StoredMessageBatch):
        raise ProtocolError(f"Message Batch {identity} not found.", status=404)
    return batch
