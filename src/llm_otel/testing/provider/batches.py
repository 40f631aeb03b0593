"""`/v1/batches`, and the `/v1/files` that go in and come out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .messages import Json, ProtocolError, ReceivedRequest, Reply, route_of
from .multipart import form, text_of
from .state import CREATED, State

# For a batch whose input file was never uploaded here.
_ASSUMED_REQUESTS = 3
_ASSUMED_USAGE = {"input_tokens": 300, "output_tokens": 150, "cached": 0, "reasoning": 0}
_DAY = 86_400

Run = Callable[[ReceivedRequest, State], Reply]


@dataclass
class StoredFile:
    """An uploaded or written file."""

    id: str
    purpose: str
    name: str
    content: bytes

    def describe(self) -> Json:
        """The file object of the protocol."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": CREATED,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
        }


@dataclass
class StoredBatch:
    """A batch and how often it was polled; `results` are the lines of its output."""

    shape: Json
    requests: int
    usage: dict[str, int]
    output: StoredFile | None
    polls: int = 0
    cancelled: bool = False
    model: str | None = field(default=None)

    def now(self, state: State) -> Json:
        """The batch as it is after `polls` looks at it."""
        done = self.polls >= state.polls
        counts = {"total": self.requests, "completed": 0, "failed": 0}
        if self.cancelled:
            return {**self.shape, "status": "cancelled" if done else "cancelling"}
        if not done:
            status = "in_progress" if self.polls else "validating"
            return {**self.shape, "status": status, "request_counts": counts}
        return {
            **self.shape,
            "status": "completed",
            "in_progress_at": CREATED,
            "finalizing_at": CREATED,
            "completed_at": CREATED,
            "output_file_id": self.output.id if self.output else None,
            "request_counts": {**counts, "completed": self.requests},
            "model": self.model,
            "usage": _usage(self.usage),
        }


def _usage(sums: dict[str, int]) -> Json:
    return {
        "input_tokens": sums["input_tokens"],
        "input_tokens_details": {"cached_tokens": sums["cached"]},
        "output_tokens": sums["output_tokens"],
        "output_tokens_details": {"reasoning_tokens": sums["reasoning"]},
        "total_tokens": sums["input_tokens"] + sums["output_tokens"],
    }


def upload_file(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/files`."""
    fields = form(request)
    stored = StoredFile(
        state.new_id("file-"), text_of(fields, "purpose"), "upload.jsonl", fields.get("file", b"")
    )
    state.store(stored.id, stored)
    return Reply(body=stored.describe())


def retrieve_file(request: ReceivedRequest, state: State) -> Reply:
    """Answers `GET /v1/files/{id}` and `GET /v1/files/{id}/content`."""
    stored = _find(request, state, StoredFile, "file")
    if request.route.endswith("/content"):
        return Reply(body=stored.content)
    return Reply(body=stored.describe())


def make_create_batch(run: Run) -> Run:
    """The endpoint for `POST /v1/batches`; `run` answers each line of the input file."""

    def create_batch(request: ReceivedRequest, state: State) -> Reply:
        body = request.json
        if not isinstance(body, dict) or "input_file_id" not in body:
            raise ProtocolError("Missing required parameter: 'input_file_id'.")
        source = state.stored.get(body["input_file_id"])
        batch = _batch(body, state)
        if isinstance(source, StoredFile):
            _process(batch, source, state, run)
        state.store(batch.shape["id"], batch)
        return Reply(body=batch.now(state))

    return create_batch


def _batch(body: Json, state: State) -> StoredBatch:
    shape = {
        "id": state.new_id("batch_"),
        "object": "batch",
        "endpoint": body.get("endpoint"),
        "errors": None,
        "input_file_id": body["input_file_id"],
        "completion_window": body.get("completion_window") or "24h",
        "created_at": CREATED,
        "expires_at": CREATED + _DAY,
        "metadata": body.get("metadata"),
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
    }
    return StoredBatch(shape, _ASSUMED_REQUESTS, dict(_ASSUMED_USAGE), None, model="gpt-4o-mini")


def _process(batch: StoredBatch, source: StoredFile, state: State, run: Run) -> None:
    """Answers every line of the input file and sums up what that used."""
    sums = dict.fromkeys(batch.usage, 0)
    lines = [json.loads(line) for line in source.content.splitlines() if line.strip()]
    answered = []
    for line in lines:
        path = line["url"]
        data = json.dumps(line["body"]).encode()
        inner = ReceivedRequest("POST", path, path, route_of(path), {}, data)
        answer = run(inner, state).body
        _add(sums, answer.get("usage") or {})
        batch.model = answer.get("model")
        response = {"status_code": 200, "request_id": state.new_id("req_"), "body": answer}
        done = {"custom_id": line.get("custom_id"), "response": response, "error": None}
        answered.append(json.dumps({"id": state.new_id("batch_req_"), **done}))
    content = "".join(line + "\n" for line in answered).encode()
    batch.output = StoredFile(state.new_id("file-"), "batch_output", "output.jsonl", content)
    state.store(batch.output.id, batch.output)
    batch.requests, batch.usage = len(lines), sums


def _add(sums: dict[str, int], usage: Json) -> None:
    """Adds a usage of the chat or of the responses form."""
    inputs = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    outputs = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    sums["input_tokens"] += usage.get("prompt_tokens") or usage.get("input_tokens") or 0
    sums["output_tokens"] += usage.get("completion_tokens") or usage.get("output_tokens") or 0
    sums["cached"] += inputs.get("cached_tokens", 0)
    sums["reasoning"] += outputs.get("reasoning_tokens", 0)


def retrieve_batch(request: ReceivedRequest, state: State) -> Reply:
    """Answers `GET /v1/batches/{id}`; each one brings the batch nearer its end."""
    batch = _find(request, state, StoredBatch, "batch")
    batch.polls += 1
    return Reply(body=batch.now(state))


def list_batches(_request: ReceivedRequest, state: State) -> Reply:
    """Answers `GET /v1/batches`, newest first, all on one page."""
    batches = [each for each in list(state.stored.values()) if isinstance(each, StoredBatch)]
    shown = [batch.now(state) for batch in reversed(batches)]
    ids = [batch["id"] for batch in shown]
    page = {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
    return Reply(body={"object": "list", "data": shown, **page, "has_more": False})


def cancel_batch(request: ReceivedRequest, state: State) -> Reply:
    """Answers `POST /v1/batches/{id}/cancel`."""
    batch = _find(request, state, StoredBatch, "batch")
    batch.cancelled = batch.cancelled or batch.polls < state.polls
    return Reply(body=batch.now(state))


def _find(request: ReceivedRequest, state: State, kind: type[Any], noun: str) -> Any:
    identity = request.route.split("/")[3]
    stored = state.stored.get(identity)
    if not isinstance(stored, kind):
        raise ProtocolError(f"No {noun} found with id '{identity}'.", status=404)
    return stored
