"""What a span says about an answer."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.core import headroom

if TYPE_CHECKING:
    from llm_otel.content.model import Content
    from llm_otel.core.backlog import Ended
    from llm_otel.core.call import Call
    from llm_otel.core.errors import Failure
    from llm_otel.protocols.answer import Answer
    from llm_otel.usage import Usage


def response_attributes(
    attributes: dict[str, Any],
    call: Call,
    answer: Answer,
    ended: Ended,
    failure: Failure,
    result: object,
) -> None:
    """Add the span attributes of the answer; only what is known."""
    if answer.finish_reasons:
        attributes[semconv.RESPONSE_FINISH_REASONS] = tuple(
            answer.finish_reasons[: semconv.MAX_TEXTS]
        )
    if answer.response_id is not None:
        attributes[semconv.RESPONSE_ID] = answer.response_id
    if answer.model is not None:
        attributes[semconv.RESPONSE_MODEL] = answer.model
    if answer.service_tier is not None:
        attributes[semconv.OPENAI_RESPONSE_SERVICE_TIER] = answer.service_tier
    if answer.fingerprint is not None:
        attributes[semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT] = answer.fingerprint
    request_id = headroom.request_id(result, call.response, call.endpoint.protocol.headers)
    if request_id is not None:
        attributes[semconv.PROVIDER_REQUEST_ID] = request_id
    resends = call.retries
    if failure.exc is not None:
        resends = resends or headroom.resend_count(failure.exc)
    if resends:
        attributes[semconv.HTTP_RESEND_COUNT] = resends
    if ended.first_chunk is not None:
        attributes[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = ended.first_chunk
    if failure.type is not None:
        _failure(attributes, failure)
    if call.endpoint.polled:
        if answer.status is not None:
            attributes[semconv.RESPONSE_STATUS] = answer.status
    elif answer.usage is not None:
        attributes[semconv.USAGE_SOURCE] = answer.usage_source
        _usage_attributes(attributes, answer.usage, call.runtime.cache_write)
        if call.endpoint.operation == semconv.EMBEDDINGS:
            # the conventions know no output of embeddings
            attributes.pop(semconv.USAGE_OUTPUT_TOKENS)
    elif ended.usage_unknown:
        attributes[semconv.USAGE_SOURCE] = semconv.USAGE_UNKNOWN
    cost = ended.cost
    if cost is not None:
        attributes[semconv.COST_AMOUNT] = cost.total
        attributes[semconv.COST_CURRENCY] = "USD"
        attributes[semconv.COST_SOURCE] = (
            "provider" if cost.source == semconv.COST_FROM_PROVIDER else "local"
        )
        if cost.incomplete:
            attributes[semconv.COST_STATUS] = semconv.COST_INCOMPLETE
    elif ended.priced:
        attributes[semconv.COST_STATUS] = semconv.COST_UNPRICED


def _failure(attributes: dict[str, Any], failure: Failure) -> None:
    for name, value in (
        (semconv.ERROR_TYPE, failure.type),
        (semconv.ERROR_CLASS, failure.kind),
        (semconv.HTTP_STATUS_CODE, failure.status),
    ):
        if value is not None:
            attributes[name] = value


_PARTS = {
    "cache_read_tokens": semconv.USAGE_CACHE_READ,
    "reasoning_tokens": semconv.USAGE_REASONING,
    "audio_input_tokens": semconv.USAGE_AUDIO_INPUT,
    "audio_output_tokens": semconv.USAGE_AUDIO_OUTPUT,
    "image_input_tokens": semconv.USAGE_IMAGE_INPUT,
    "image_output_tokens": semconv.USAGE_IMAGE_OUTPUT,
}
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
    if used.input_tokens or not used.partial:
        attributes[semconv.USAGE_INPUT_TOKENS] = used.input_tokens
    if used.output_tokens or not used.partial:
        attributes[semconv.USAGE_OUTPUT_TOKENS] = used.output_tokens
    for name, value in zip(_PART_ATTRIBUTES, _parts(used)):
        if value:
            attributes[name] = value
    if used.cache_write_tokens:
        for name in cache_write:
            attributes[name] = used.cache_write_tokens


def content(call: Call, answer: Answer, result: object, attributes: dict[str, Any]) -> None:
    """Record what was said: only called when somebody opted in."""
    from llm_otel.content.emit import record
    from llm_otel.content.model import Content

    policy = call.runtime.policy
    if policy.emit:
        attributes = {**call.start_attributes(), **attributes}
    said = _said(call, answer, result) if policy.content else Content()
    record(policy, call.span, call.runtime.logger, said, attributes, call.context)


def _said(call: Call, answer: Answer, result: object) -> Content:
    protocol = call.endpoint.protocol
    if call.endpoint.polled and call.endpoint.resumable and result is not None:
        return protocol.fetched_content(result)
    content = protocol.request_content(call.request.body)
    if call.accumulator is not None:
        left = answer.finish_reasons == [semconv.CANCELLED]
        content.outputs = call.accumulator.messages(semconv.CANCELLED if left else "error")
    elif result is not None:
        content.outputs = protocol.response_content(result)
    return content
