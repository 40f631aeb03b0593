"""Message batches: many requests, whose usage only their results tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.anthropic import surcharges
from llm_otel.protocols.anthropic.messages import HEADERS, add, message_usage
from llm_otel.protocols.spec import Endpoint, Fold, Protocol, Request
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.providers.dialects import Dialect

# https://docs.anthropic.com/en/api/retrieving-message-batches
_STATUS = {"in_progress": "in_progress", "canceling": "in_progress", "ended": "completed"}


class Batches(Protocol):
    """A batch tells how far it is, and not what it used."""

    headers = HEADERS

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:  # noqa: ARG002
        """Id and status."""
        body = read.fields(node)
        status = _STATUS.get(read.string(body.get("processing_status")) or "")
        result = Answer(read.string(body.get("id")), status=status)
        result.requests = max(read.count(read.path(body, ("request_counts", "succeeded"))), 1)
        return result


class BatchResults(Protocol):
    """The results of a batch, a line each; they do not name it."""

    headers = HEADERS

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:  # noqa: ARG002
        """Lines."""
        return Lines(endpoint)

    def complete(self, used: Usage, request: Request, answer: Answer, dialect: Dialect) -> None:  # noqa: ARG002
        """The batch that the request names; results that were not read to their end do not count:
        who reads them whole will count them."""
        answer.response_id = read.string(request.url.partition("?")[0].rstrip("/").split("/")[-2])
        if answer.finish_reasons == [semconv.CANCELLED]:
            answer.status = None


class Lines:
    """Sums up the messages of a batch's results."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.hides = False
        self._used: dict[str | None, Usage] = {}
        self._answers = 0

    def goes_on(self, chunk: Any) -> bool:  # noqa: ARG002
        """Never: see `Fold`."""
        return False

    def add(self, chunk: Any) -> None:
        """Take a result in."""
        message = read.path(chunk, ("result", "message"))
        usage_body = read.get(message, "usage")
        used = message_usage(usage_body, self.endpoint)
        if used is None:
            return
        # Which tools the request had is not known here.
        blocks = read.items(message, "content")
        used.partial |= surcharges.CONTAINER in surcharges.doubts(usage_body, used, blocks)
        self._answers += 1
        add(self._used.setdefault(read.text(message, "model"), Usage()), used)

    def answer(self) -> Answer:
        """The sums so far; those of further models stand beside those of the first."""
        if not self._used:
            return Answer(status="completed")
        (model, used), *others = self._used.items()
        used.extra = (*used.extra, *others)
        # What stands beside has the price of single requests.
        used.partial |= bool(others)
        return Answer(model=model, status="completed", usage=used, requests=self._answers)

    @property
    def ended(self) -> bool:
        """Whether the results told their end: they do not."""
        return False
