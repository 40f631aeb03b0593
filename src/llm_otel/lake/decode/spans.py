"""What a span, its resource and its events say: read one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from llm_otel import semconv
from llm_otel.foreign.errors import by_status, error_class
from llm_otel.foreign.quantities import LIMITS, MOST_SECONDS, count, words
from llm_otel.lake.decode.values import mapping, text

KINDS: Final = (None, "internal", "server", "client", "producer", "consumer")
ERROR: Final = 2
_NO_TRACE: Final = bytes(16)
_NO_SPAN: Final = bytes(8)
_HIGHEST_STATUS: Final = LIMITS[semconv.HTTP_STATUS_CODE].most
# The longest span, in ns: a longer one has a wrong time.
LONGEST: Final = int(MOST_SECONDS * 1e9)


def source_of(resource: Mapping[str, Any]) -> tuple[Any, Any]:
    """Name of the service, and the environment."""
    environment = resource.get("deployment.environment.name")
    return resource.get("service.name"), environment or resource.get("deployment.environment")


def instance_of(resource: Mapping[str, Any]) -> str | None:
    """The process, as far as the resource tells it from others of its service."""
    instance = resource.get("service.instance.id")
    if instance:
        return str(instance)
    process = resource.get("process.pid")
    if process is None:
        return None
    host = resource.get("host.name") or resource.get("host.id") or resource.get("container.id")
    return f"{host or ''}/{process}"


def acceptable(span: Any) -> bool:
    """Whether a span has what a row needs: both ids whole and not zero, and a start."""
    trace_id, span_id = span.trace_id, span.span_id
    return bool(
        len(trace_id) == 16
        and len(span_id) == 8
        and span.start_time_unix_nano
        and trace_id != _NO_TRACE
        and span_id != _NO_SPAN
    )


def status_of(
    code: int, attributes: Mapping[str, Any], events: Iterable[Any]
) -> tuple[str, str | None]:
    """ok, error or cancelled, with the class of the error."""
    said = attributes.get(semconv.ERROR_CLASS)
    kind = attributes.get(semconv.ERROR_TYPE)
    if code != ERROR and said is None and kind is None:
        reasons = words(attributes.get(semconv.RESPONSE_FINISH_REASONS))
        return ("cancelled" if reasons == [semconv.CANCELLED] else "ok"), None
    status = count(attributes.get(semconv.HTTP_STATUS_CODE), _HIGHEST_STATUS)
    found = said or (error_class(str(kind)) if kind is not None else semconv.OTHER)
    if found == semconv.OTHER and status is not None and status >= 400:
        found = by_status(status)
    if found == semconv.OTHER and kind is None:
        found = _from_exception(events)
    return ("cancelled" if found == semconv.CANCELLED else "error"), found


def _from_exception(events: Iterable[Any]) -> str:
    """The class of the exception that a span holds as an event, as most did before `error.type`."""
    for event in events:
        if event.name == "exception":
            kind = mapping(event.attributes).get("exception.type")
            return error_class(kind) if isinstance(kind, str) else semconv.OTHER
    return semconv.OTHER


def events_text(events: Any) -> str:
    return text(
        [
            {
                "time": event.time_unix_nano // 1000,
                "name": event.name,
                "attributes": mapping(event.attributes),
            }
            for event in events
        ]
    )


def links_text(links: Any) -> str:
    return text(
        [
            {
                "trace_id": link.trace_id.hex(),
                "span_id": link.span_id.hex(),
                "attributes": mapping(link.attributes),
            }
            for link in links
        ]
    )
