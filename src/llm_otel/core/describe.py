"""What a span says about a call."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.base import guard
from llm_otel.core import headroom

if TYPE_CHECKING:
    from opentelemetry._logs import Logger
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from llm_otel.content.model import Content
    from llm_otel.content.policy import Policy
    from llm_otel.core.errors import Failure
    from llm_otel.core.metrics.measurement import Bill
    from llm_otel.core.record import Record
    from llm_otel.core.server import Server
    from llm_otel.protocols.spec import Endpoint
    from llm_otel.usage import Usage


def start_attributes(endpoint: Endpoint, server: Server, model: str) -> dict[str, Any]:
    """What samplers may look at; all else waits for the end, as setting costs each time."""
    attributes = {semconv.OPERATION_NAME: endpoint.operation, **server.attributes}
    if model != semconv.NONE:
        attributes[semconv.REQUEST_MODEL] = model
    return attributes


def end_attributes(record: Record, bill: Bill, cache_write: tuple[str, ...]) -> dict[str, Any]:
    """The span attributes of a call that ended, beside those of its start; only what is known.

    Args:
        record: What the call left.
        bill: What it is billed for.
        cache_write: Name or names of the cache-write attribute.
    """
    attributes: dict[str, Any] = {}
    try:
        endpoint = record.endpoint
        own = endpoint.protocol.request_attributes(record.request.body)
        attributes = {**own, **endpoint.attributes}
    except Exception as problem:  # noqa: BLE001
        guard.handle("describe request", problem)
    attributes.update(record.attribution)
    if record.streaming:
        attributes[semconv.REQUEST_STREAM] = True
    _answer(attributes, record)
    _usage(attributes, record, bill, cache_write)
    _cost(attributes, bill)
    return attributes


def billed_attributes(record: Record, bill: Bill, cache_write: tuple[str, ...]) -> dict[str, Any]:
    """Of `end_attributes`, the usage and the cost."""
    attributes: dict[str, Any] = {}
    _usage(attributes, record, bill, cache_write)
    _cost(attributes, bill)
    return attributes


def answer_attributes(record: Record) -> dict[str, Any]:
    """Of `end_attributes`, what the answer tells."""
    attributes: dict[str, Any] = {}
    _answer(attributes, record)
    return attributes


def _answer(attributes: dict[str, Any], record: Record) -> None:
    answer, failure = record.answer, record.failure
    if answer.finish_reasons:
        attributes[semconv.RESPONSE_FINISH_REASONS] = tuple(
            answer.finish_reasons[: semconv.MAX_TEXTS]
        )
    if answer.response_id is not None:
        attributes[semconv.RESPONSE_ID] = answer.response_id
    if answer.model is not None:
        attributes[semconv.RESPONSE_MODEL] = answer.model
    if answer.attributes:
        attributes.update(answer.attributes)
    request_id = headroom.request_id(
        record.result, record.response, record.endpoint.protocol.headers
    )
    if request_id is not None:
        attributes[semconv.PROVIDER_REQUEST_ID] = request_id
    if record.retries:
        attributes[semconv.HTTP_RESEND_COUNT] = record.retries
    first_chunk = record.first_chunk
    if first_chunk is not None:
        attributes[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = first_chunk
    if failure.type is not None:
        _failure(attributes, failure)


def _failure(attributes: dict[str, Any], failure: Failure) -> None:
    for name, value in (
        (semconv.ERROR_TYPE, failure.type),
        (semconv.ERROR_CLASS, failure.kind),
        (semconv.HTTP_STATUS_CODE, failure.status),
    ):
        if value is not None:
            attributes[name] = value


def _usage(
    attributes: dict[str, Any], record: Record, bill: Bill, cache_write: tuple[str, ...]
) -> None:
    endpoint, answer = record.endpoint, record.answer
    if endpoint.polled:
        if answer.status is not None:
            attributes[semconv.RESPONSE_STATUS] = answer.status
    elif answer.usage is not None:
        attributes[semconv.USAGE_SOURCE] = answer.usage_source
        _usage_attributes(attributes, answer.usage, cache_write)
        if endpoint.operation == semconv.EMBEDDINGS:
            # the conventions know no output of embeddings
            attributes.pop(semconv.USAGE_OUTPUT_TOKENS, None)
    elif bill.usage_unknown:
        attributes[semconv.USAGE_SOURCE] = semconv.USAGE_UNKNOWN


_PARTS = {
    "cache_read_tokens": semconv.USAGE_CACHE_READ,
    "reasoning_tokens": semconv.USAGE_REASONING,
    "audio_input_tokens": semconv.USAGE_AUDIO_INPUT,
    "audio_output_tokens": semconv.USAGE_AUDIO_OUTPUT,
    "image_input_tokens": semconv.USAGE_IMAGE_INPUT,
    "image_output_tokens": semconv.USAGE_IMAGE_OUTPUT,
    "search_units": semconv.USAGE_SEARCH_UNITS,
    "pages": semconv.USAGE_PAGES,
    "annotated_pages": semconv.USAGE_ANNOTATED_PAGES,
    "images": semconv.USAGE_IMAGES,
    "image_pixels": semconv.USAGE_IMAGE_PIXELS,
}
# All attributes that are counts of what was used.
COUNTS = frozenset(
    {
        semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS, *_PARTS.values(),
        semconv.USAGE_CACHE_WRITE, semconv.USAGE_CACHE_WRITE_V141,
    }
)  # fmt: skip
_parts = attrgetter(*_PARTS)
_PART_ATTRIBUTES = tuple(_PARTS.values())


def _usage_attributes(
    attributes: dict[str, Any], used: Usage, cache_write: tuple[str, ...]
) -> None:
    """Add the span attributes of a usage; subsets only where they are not 0.

    Args:
        attributes: Where to.
        used: What was billed.
        cache_write: Name or names of the cache-write attribute, which the conventions renamed.
    """
    # A count of 0 in a usage that is known to be partial is one that was not reported.
    whole = not (used.partial or used.in_units)
    if used.input_tokens or whole:
        attributes[semconv.USAGE_INPUT_TOKENS] = used.input_tokens
    if used.output_tokens or whole:
        attributes[semconv.USAGE_OUTPUT_TOKENS] = used.output_tokens
    for name, value in zip(_PART_ATTRIBUTES, _parts(used)):
        if value:
            attributes[name] = value
    if used.cache_write_tokens:
        for name in cache_write:
            attributes[name] = used.cache_write_tokens


def _cost(attributes: dict[str, Any], bill: Bill) -> None:
    cost = bill.cost
    if cost is not None:
        attributes[semconv.COST_AMOUNT] = cost.total
        attributes[semconv.COST_CURRENCY] = "USD"
        attributes[semconv.COST_SOURCE] = (
            "provider" if cost.source == semconv.COST_FROM_PROVIDER else "local"
        )
        if cost.incomplete:
            attributes[semconv.COST_STATUS] = semconv.COST_INCOMPLETE
    elif bill.priced:
        attributes[semconv.COST_STATUS] = semconv.COST_UNPRICED


def content(
    record: Record,
    attributes: Mapping[str, Any],
    policy: Policy,
    span: Span,
    logger: Logger,
    context: Context,
) -> None:
    """Emit the messages of a call; only for those who opted in.

    Args:
        record: What the call left.
        attributes: Those of `end_attributes`.
        policy: Decides what is captured, and where it goes.
        span, logger: Where it may go.
        context: Holds the span.
    """
    from llm_otel.content import emit
    from llm_otel.content.model import Content

    if policy.emit:
        start = start_attributes(record.endpoint, record.server, record.model)
        attributes = {**start, **attributes}
    messages = _messages(record) if policy.content else Content()
    emit.record(policy, span, logger, messages, attributes, context)


def _messages(record: Record) -> Content:
    endpoint, result = record.endpoint, record.result
    protocol = endpoint.protocol
    if endpoint.polled and endpoint.resumable and result is not None:
        return protocol.fetched_content(result)
    messages = protocol.request_content(record.request.body)
    if record.accumulator is not None:
        left = record.answer.finish_reasons == [semconv.CANCELLED]
        messages.outputs = record.accumulator.messages(semconv.CANCELLED if left else "error")
    elif result is not None:
        messages.outputs = protocol.response_content(result)
    return messages
