"""Events of coding agents that tell of a request to a provider, as the spans that they stand for.

Such an event has a trace and a span id of its own, made from what it says: sent again it is the
same one. Where it was logged inside a span it is a child of that span, so that a span and an event
of one request are nested like two spans of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from llm_otel import semconv
from llm_otel.foreign.names import agents
from llm_otel.foreign.names.agents import Agent, RequestEvent
from llm_otel.foreign.names.providers import maker_of
from llm_otel.foreign.quantities import amount_of, count_of
from llm_otel.lake.decode.values import mapping, text

_ERROR: Final = 2
_MILLISECOND: Final = 10**6
_LONGEST_MS: Final = 86_400_000


def spans_of(request: Any, received: int) -> ExportTraceServiceRequest | None:
    """The spans that the events of an ExportLogsServiceRequest stand for; None where none does.

    `received` (ns) is the time of records without one.
    """
    found = ExportTraceServiceRequest()
    for resource in request.resource_logs:
        group = None
        for scope in resource.scope_logs:
            spans = None
            for record in scope.log_records:
                attributes = mapping(record.attributes)
                name = event_name(record, attributes, scope.scope.name)
                event = _event(name, attributes)
                if event is None:
                    continue
                if group is None:
                    group = found.resource_spans.add(resource=resource.resource)
                if spans is None:
                    spans = group.scope_spans.add(scope=scope.scope)
                source = text(mapping(resource.resource.attributes))
                _add(spans.spans.add(name=name), event, record, attributes, source, received)
    return found if found.resource_spans else None


def event_name(record: Any, attributes: Mapping[str, Any], scope: str) -> str:
    """The name of an event; empty for a record that is none.

    Senders from before `event_name` put it among the attributes, and Claude Code leaves its own
    name out there.
    """
    name = record.event_name
    if name not in agents.EVENTS:
        name = attributes.get("event.name") or name
    if "claude_code" in scope and not str(name).startswith("claude_code."):
        name = f"claude_code.{name}"
    return name if isinstance(name, str) else ""


def provider_of_agent(agent: Agent, model: object) -> str | None:
    """Who answers an agent that uses this model."""
    if agent.provider is not None:
        return agent.provider
    return (maker_of(model) if isinstance(model, str) else None) or agent.fallback


def _event(name: str, attributes: Mapping[str, Any]) -> RequestEvent | None:
    for event in agents.EVENTS.get(name, ()):
        fits = all(attributes.get(key) == value for key, value in event.when.items())
        if fits and (not event.needs or any(attributes.get(key) for key in event.needs)):
            return event
    return None


def _add(
    span: Any,
    event: RequestEvent,
    record: Any,
    attributes: Mapping[str, Any],
    source: str,
    received: int,
) -> None:
    """Fill in the span that an event stands for."""
    identity = [
        span.name,
        record.time_unix_nano,
        record.trace_id.hex(),
        record.span_id.hex(),
        source,
    ]
    identity += sorted(attributes.items(), key=str)
    span.span_id = _hash(identity, 8)
    common = [attributes[key] for key in agents.TRACES if attributes.get(key)]
    span.trace_id = record.trace_id or _hash([source, *common] if common else identity, 16)
    span.parent_span_id = record.span_id if record.trace_id else b""
    end = record.time_unix_nano or record.observed_time_unix_nano or received
    length = min(count_of(attributes.get(agents.DURATION)) or 0, _LONGEST_MS)
    span.start_time_unix_nano = max(end - length * _MILLISECOND, 1)
    span.end_time_unix_nano = end
    if event.failed:
        span.status.code = _ERROR
    for name, value in _attributes(event, attributes).items():
        pair = span.attributes.add(key=name)
        pair.value.CopyFrom(_value(value))


def _attributes(event: RequestEvent, said: Mapping[str, Any]) -> dict[str, Any]:
    """What an event says, under the names of today."""
    found: dict[str, Any] = {semconv.OPERATION_NAME: event.agent.operation}
    for name, target in agents.FIELDS.items():
        if said.get(name) not in (None, ""):
            found.setdefault(target, said[name])
    for target, names in event.counts.items():
        counts = [count for name in names if (count := count_of(said.get(name))) is not None]
        if counts:
            found[target] = sum(counts)
    provider = provider_of_agent(event.agent, said.get("model"))
    if provider is not None:
        found[semconv.PROVIDER_NAME] = provider
    if event.agent.streams:
        found[semconv.REQUEST_STREAM] = True
    first = count_of(said.get(agents.FIRST_CHUNK_MS))
    if first is not None:
        found[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = first / 1000
    cost = amount_of(found.pop(semconv.COST_AMOUNT, None))
    if cost:
        found[semconv.COST_AMOUNT] = cost
    status = next((count for name in agents.STATUS if (count := count_of(said.get(name)))), None)
    if status is not None:
        found[semconv.HTTP_STATUS_CODE] = status
    if event.failed:
        kinds = [said[name] for name in agents.ERROR_TYPES if said.get(name)]
        found[semconv.ERROR_TYPE] = str(kinds[0]) if kinds else "_OTHER"
    return found


def _hash(identity: list[Any], size: int) -> bytes:
    return hashlib.blake2b(text(identity).encode("utf-8", "replace"), digest_size=size).digest()


def _value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=value if isinstance(value, str) else text(value))
