"""What a span says about an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.core import extract, headroom

if TYPE_CHECKING:
    from llm_otel.content.model import Content
    from llm_otel.core.backlog import Ended
    from llm_otel.core.call import Call
    from llm_otel.core.errors import Failure
    from llm_otel.core.extract import Answer


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
    request_id = headroom.request_id(result, call.response)
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
        extract.usage_attributes(attributes, answer.usage, call.runtime.cache_write)
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
    from llm_otel.core.content.endpoints import request_content, response_content
    from llm_otel.core.content.openai_responses import fetched_content

    kind = call.endpoint.kind
    if call.endpoint.polled and kind == "responses" and result is not None:
        return fetched_content(result)
    said = request_content(kind, call.body)
    if call.accumulator is not None:
        left = answer.finish_reasons == [semconv.CANCELLED]
        said.outputs = call.accumulator.messages(semconv.CANCELLED if left else "error")
    elif result is not None:
        said.outputs = response_content(kind, result)
    return said
