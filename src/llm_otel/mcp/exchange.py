"""One MCP request and its response, as the side that sends it or the one that answers sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, NamedTuple

from opentelemetry import trace
from opentelemetry.context import Context, create_key, get_current, set_value
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode

from llm_otel import semconv
from llm_otel.attribution import current as current_attribution
from llm_otel.base import guard
from llm_otel.base.activation import Run
from llm_otel.core import errors
from llm_otel.core.metrics.pending_counters import NO_EXEMPLAR
from llm_otel.core.runtime import Runtime
from llm_otel.core.steps import captured

_EXCHANGE = create_key("llm_otel.mcp.exchange")

_CALL_TOOL = "tools/call"
_GET_PROMPT = "prompts/get"


class Side(NamedTuple):
    """What differs between who asks and who answers.

    Attributes:
        kind: Of the span.
        metric: The duration.
        harmless: Error codes that are no failure of this side: the other one asked wrongly.
        error_type: Gives `error.type` of an exception that is no error of the protocol.
    """

    kind: SpanKind
    metric: semconv.Metric
    harmless: frozenset[str] = frozenset()
    error_type: Callable[[BaseException], str] = errors.full_name


def _error_type_of_sdk(error: BaseException) -> str:
    name = type(error).__qualname__
    return "-32602" if name == "ValidationError" else name


CLIENT = Side(SpanKind.CLIENT, semconv.MCP_CLIENT_DURATION)
SERVER_V1 = Side(
    SpanKind.SERVER,
    semconv.MCP_SERVER_DURATION,
    frozenset({"-32700", "-32600", "-32601", "-32602", "-32002"}),
)
# SDK 2 says on its server spans how they failed, and span and metric have to agree.
SERVER_V2 = Side(SpanKind.SERVER, semconv.MCP_SERVER_DURATION, error_type=_error_type_of_sdk)

Details = Callable[[], Mapping[str, Any]]


def current() -> Exchange | None:
    """The exchange that is under way here."""
    value = get_current().get(_EXCHANGE)
    return value if isinstance(value, Exchange) else None


class Exchange(Run):
    """A request under way: entered before it is sent or worked on, left when it is answered.

    Args:
        active: The runtime.
        side: Which of the two we are.
        method: The protocol's, as `tools/call`.
        params: The request's, as the protocol has them.
        details: Gives what is known of session and transport, when the exchange begins and ends.
        context: In which the request is worked on.
        own_span: Make a span; else one of the SDK's is adopted, or there is none.
        around: The span outside of the SDK's; that of the context where None.

    Attributes:
        owner: The SDK's object that sends the request.
        request_id: The id that it was sent with, as text; empty before.
        span: The span of the request.
    """

    def __init__(
        self,
        active: Runtime,
        side: Side,
        method: str,
        params: Mapping[str, Any] | None,
        details: Details,
        context: Context,
        *,
        own_span: bool,
        owner: object = None,
        around: Span | None = None,
    ) -> None:
        self.owner = owner
        self.request_id = ""
        self.span: Span = INVALID_SPAN
        self._runtime = active
        self._side = side
        self._method = method
        self._details = details
        self._name, self._attributes = _described(method, params or {}, active)
        self._around = trace.get_current_span(context) if around is None else around
        self._tool: Span | None = None
        self._is_ours = False
        self._error: str | None = None
        self._ended = False
        tool = _tool_span(self._around) if side is CLIENT and method == _CALL_TOOL else None
        if tool is not None:
            # A tool is at work already, by the span around: this is no other, or a part of it.
            self._attributes.pop(semconv.OPERATION_NAME, None)
            if _is_same_tool(tool, self._name):
                self._tool, own_span = tool, False
        if own_span:
            context = self._start(context)
        super().__init__(set_value(_EXCHANGE, self, context))
        self._started = perf_counter()

    def _start(self, context: Context) -> Context:
        self._is_ours = True
        self.span = self._runtime.tracer.start_span(
            self._span_name, context, self._side.kind, self._all_attributes(context)
        )
        return trace.set_span_in_context(self.span, context)

    @property
    def _span_name(self) -> str:
        return self._method if self._name is None else f"{self._method} {self._name}"

    def _all_attributes(self, context: Context) -> dict[str, Any]:
        attribution = current_attribution(context).span_attributes
        return {**attribution, **self._attributes, **self._details()}

    def adopt(self, span: Span) -> None:
        """Take the SDK's own span as the one of this exchange: name and attributes by the
        conventions. Nothing where the SDK made none: the span is that of whoever calls it."""
        if self._is_ours or span is self._around:
            return
        self.span = span
        if span.is_recording():
            span.update_name(self._span_name)
            span.set_attributes(self._all_attributes(self._context))

    # ------------------------------------------------------------------ the end
    def returned(self, result: Any) -> None:
        """Take in what came back, while the span is open.

        Args:
            result: As the protocol has it, or the SDK's object; an error is one, too.
        """
        try:
            self._error, status = _failure(result, self._side.harmless)
            version = _get(result, "protocolVersion", "protocol_version")
            if isinstance(version, str):
                self._attributes[semconv.MCP_PROTOCOL_VERSION] = version
            self._write(status)
            if self._method == _CALL_TOOL:
                self._capture(result)
        except Exception as exc:  # noqa: BLE001
            guard.handle("mcp", exc)

    def _write(self, status: str | None) -> None:
        attributes = {**self._attributes, **self._details()}
        if status is not None:
            attributes[semconv.RPC_STATUS_CODE] = status
        if self._error is not None:
            attributes[semconv.ERROR_TYPE] = self._error
        for span in (self.span, self._tool):
            if span is not None and span.is_recording():
                span.set_attributes(attributes)
                if self._error is not None:
                    span.set_status(Status(StatusCode.ERROR))

    def _capture(self, result: Any) -> None:
        """The tool's result, where spans may hold content."""
        if self._runtime.policy.span and self._error in (None, semconv.TOOL_ERROR):
            content = _get(result, "content")
            if content is not None and self.span.is_recording():
                text = captured(self._runtime, _plain(content))
                self.span.set_attribute(semconv.TOOL_CALL_RESULT, text)

    def end(self, error: BaseException | None) -> None:
        """The request is over; an exception is its failure."""
        super().end(error)
        if self._ended:
            return
        self._ended = True
        try:
            if error is not None and not isinstance(error, GeneratorExit):
                self._failed(error)
            self._measure()
        except Exception as exc:  # noqa: BLE001
            guard.handle("mcp", exc)
        if self._is_ours:
            try:
                self.span.end()
            except Exception as exc:  # noqa: BLE001 - a span processor of the application
                guard.handle("mcp end", exc)

    def _failed(self, error: BaseException) -> None:
        error_data = _get(error, "error")
        if isinstance(_get(error_data, "code"), int):
            self._error, status = _failure(error_data, self._side.harmless)
        else:
            self._error, status = self._side.error_type(error), None
        self._write(status)

    def _measure(self) -> None:
        if self._runtime.settings.semconv == "off":
            return
        metric, table = self._side.metric, self._runtime.instruments.table
        attributes = {**self._attributes, **self._details()}
        labels = {name: attributes[name] for name in metric.labels if name in attributes}
        for name in (semconv.MCP_METHOD_NAME, semconv.TOOL_NAME, semconv.MCP_PROTOCOL_VERSION):
            if name in labels:
                labels[name] = table.labels.fold(name, labels[name])
        if self._error is not None:
            labels[semconv.ERROR_TYPE] = self._error
        seconds = perf_counter() - self._started
        table.histogram(metric).record(seconds, table.admitted(metric, labels), NO_EXEMPLAR)


# ------------------------------------------------------------------ what a request says
def _described(
    method: str, params: Mapping[str, Any], active: Runtime
) -> tuple[str | None, dict[str, Any]]:
    """The name in the span's name, and the attributes."""
    attributes: dict[str, Any] = {semconv.MCP_METHOD_NAME: method}
    name = params.get("name")
    if not isinstance(name, str) or method not in (_CALL_TOOL, _GET_PROMPT):
        name = None
    elif method == _GET_PROMPT:
        attributes[semconv.PROMPT_NAME] = name = name[: semconv.MAX_TEXT]
    else:
        attributes[semconv.TOOL_NAME] = name = name[: semconv.MAX_TEXT]
    if method == _CALL_TOOL:
        attributes[semconv.OPERATION_NAME] = semconv.EXECUTE_TOOL
    if active.policy.span:
        uri, arguments = params.get("uri"), params.get("arguments")
        if isinstance(uri, str):
            attributes[semconv.MCP_RESOURCE_URI] = active.policy.text(uri)
        if method == _CALL_TOOL and arguments is not None:
            attributes[semconv.TOOL_CALL_ARGUMENTS] = captured(active, arguments)
    return name, attributes


def _tool_span(span: Span) -> Span | None:
    """The span, where it is that of a tool at work: ours or a framework's."""
    attributes = getattr(span, "attributes", None)
    if span.is_recording() and isinstance(attributes, Mapping):
        kind = getattr(span, "kind", None)
        if attributes.get(semconv.OPERATION_NAME) == semconv.EXECUTE_TOOL:
            return None if kind is SpanKind.SERVER else span
    return None


def _is_same_tool(span: Span, name: str | None) -> bool:
    attributes: Mapping[str, Any] = getattr(span, "attributes", None) or {}
    return bool(attributes.get(semconv.TOOL_NAME, name) == name)


def _failure(result: Any, harmless: frozenset[str]) -> tuple[str | None, str | None]:
    """`error.type` and the protocol's status code of a result; None where there is none."""
    # An error is an object; a dict is a result, which may have any fields.
    code = None if isinstance(result, dict) else _get(result, "code")
    if isinstance(code, int) and _get(result, "message") is not None:
        status = str(code)
        return (None if status in harmless else status), status
    if _get(result, "isError", "is_error") is True:
        return semconv.TOOL_ERROR, None
    return None, None


def _get(value: Any, *names: str) -> Any:
    """A field of a result, which is a dict, a model, or a model around one."""
    value = getattr(value, "root", value)
    for name in names:
        field = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
        if field is not None:
            return field
    return None


def _plain(content: Any) -> object:
    """A result's content as plain data."""
    if not isinstance(content, list):
        return content
    return [
        each.model_dump(mode="json", by_alias=True, exclude_none=True)
        if hasattr(each, "model_dump")
        else each
        for each in content
    ]
