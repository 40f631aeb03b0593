"""OTLP traces as rows of `spans` and `calls`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from llm_otel import semconv
from llm_otel.lake.decode import calls
from llm_otel.lake.decode.corrections import logged_seconds
from llm_otel.lake.decode.errors import by_status, error_class
from llm_otel.lake.decode.names import CALLS, CONTENT
from llm_otel.lake.decode.older import normalise
from llm_otel.lake.decode.quantities import LIMITS, MOST_SECONDS, count, numbers, words
from llm_otel.lake.decode.usage import is_unchanged, usage_of
from llm_otel.lake.decode.values import mapping, text
from llm_otel.lake.refusals import Refusals

KINDS: Final = (None, "internal", "server", "client", "producer", "consumer")
ERROR: Final = 2
_NO_TRACE: Final = bytes(16)
_NO_SPAN: Final = bytes(8)
_HIGHEST_STATUS: Final = LIMITS[semconv.HTTP_STATUS_CODE].most
# The longest span, in ns: a longer one has a wrong time.
LONGEST: Final = int(MOST_SECONDS * 1e9)

Row = tuple[Any, ...]


class Origin(NamedTuple):
    """What a resource tells of the spans below it.

    Attributes:
        source: As of `source_of`.
        instance: As of `instance_of`.
        resource: All of it, as JSON.
    """

    source: Row
    instance: str | None
    resource: str


class Spans:
    """Gathers the rows of many requests; `refusals` counts the values that are no numbers.

    Attributes:
        spans: Rows of the table `spans`, without duplicates taken out.
        calls: Rows of the table `calls`.
        of_call: For each row of `calls`, which row of `spans` it belongs to.
    """

    def __init__(self, refusals: Refusals | None = None) -> None:
        self._refusals = refusals or Refusals()
        self.spans: list[Row] = []
        self.calls: list[Row] = []
        self.of_call: list[int] = []

    def add(self, request: Any) -> None:
        """Take the spans of an ExportTraceServiceRequest; those with bad ids are left out.

        Raises:
            Exception: A span could not be taken; all the others were.
        """
        failure: Exception | None = None
        for resource in request.resource_spans:
            said = mapping(resource.resource.attributes)
            origin = Origin(source_of(said), instance_of(said), text(said))
            for scope in resource.scope_spans:
                name = scope.scope.name or None
                for span in scope.spans:
                    if not acceptable(span):
                        continue
                    before = len(self.spans), len(self.calls)
                    try:
                        self._add(span, origin, name)
                    except Exception as error:  # noqa: BLE001 raised when the others are taken
                        del self.spans[before[0] :], self.calls[before[1] :]
                        del self.of_call[before[1] :]
                        failure = error
        if failure is not None:
            raise failure

    def extend(self, other: Spans) -> None:
        """Take the rows of another one."""
        self.of_call += [number + len(self.spans) for number in other.of_call]
        self.spans += other.spans
        self.calls += other.calls

    def _add(self, span: Any, origin: Origin, scope: str | None) -> None:
        sent = mapping(span.attributes)
        unchanged = is_unchanged(sent)
        attributes = normalise(sent, span.name)
        get = attributes.get
        start, end = span.start_time_unix_nano, span.end_time_unix_nano
        logged = logged_seconds(sent) if start == end else None
        if logged is not None:
            start -= int(logged * 1e9)
        duration = _seconds(start, end)
        status, error_type = status_of(span.status.code, attributes, span.events)
        what = (get(semconv.OPERATION_NAME), get(semconv.PROVIDER_NAME), get(semconv.REQUEST_MODEL))
        who = _who(attributes)
        ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex() or None)
        head = (start // 1000, *ids)
        if type(what[0]) is str and what[0] in CALLS:
            found = numbers(attributes, self._refusals)
            usage = usage_of(attributes, found, unchanged=unchanged)
            self.of_call.append(len(self.spans))
            self.calls.append(
                (
                    *head,
                    get(semconv.RESPONSE_ID),
                    *origin.source,
                    span.name,
                    *what,
                    get(semconv.RESPONSE_MODEL),
                    *who,
                    calls.tags(attributes),
                    status,
                    error_type,
                    found.get(semconv.HTTP_STATUS_CODE),
                    words(get(semconv.RESPONSE_FINISH_REASONS)),
                    duration,
                    *calls.details(attributes, found, usage),
                    scope,
                    origin.instance,
                )
            )
        content = [_content(attributes.pop(name, None)) for name in CONTENT]
        self.spans.append(
            (
                *head,
                *origin.source,
                span.name,
                KINDS[span.kind] if 0 <= span.kind < len(KINDS) else None,
                duration,
                status,
                span.status.message or None,
                error_type,
                *what,
                *who,
                scope,
                text(attributes),
                events_text(span.events) if span.events else None,
                links_text(span.links) if span.links else None,
                origin.resource,
                *content,
            )
        )


def _who(attributes: Mapping[str, Any]) -> Row:
    """Tenant, feature, user, session and conversation."""
    get = attributes.get
    return (
        get(semconv.TENANT_ID),
        get(semconv.FEATURE),
        get(semconv.USER_HASH) or get(semconv.USER_ID),
        get(semconv.SESSION_ID),
        get(semconv.CONVERSATION_ID),
    )


def _seconds(start: int, end: int) -> float | None:
    return (end - start) / 1e9 if 0 <= end - start <= LONGEST else None


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


def _content(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else text(value)


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
