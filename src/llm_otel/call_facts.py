"""A call of the program's own, from its begin to its end. Imported by the first one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from time import perf_counter
from typing import Any

from opentelemetry.context import Context

from llm_otel import semconv
from llm_otel.attribution import provider_context
from llm_otel.base import arguments, finalizers, read
from llm_otel.clients.spec import Response, ResponseHeaders
from llm_otel.core import endings, own_calls, rivals, runtime
from llm_otel.core.endings import abandon
from llm_otel.core.errors import refused
from llm_otel.core.own_calls import OwnCall
from llm_otel.protocols import errors, own
from llm_otel.protocols.answer import BodyError
from llm_otel.protocols.spec import Endpoint, Request
from llm_otel.usage import Usage

# What is a part of what.
_PARTS = (
    ("cache_read_tokens", "input_tokens"),
    ("cache_write_tokens", "input_tokens"),
    ("reasoning_tokens", "output_tokens"),
)


def begin(
    context: Context, operation: str, provider: str | None, url: str, body: Mapping[str, object]
) -> tuple[Context, OwnCall | None, bool]:
    """Begin a call; see `llm_otel.call`.

    Returns:
        The context for what is inside; the call, None where nobody wants it; whether its end is
        that of the program's block: a call inside a call is the same one.
    """
    active = runtime.get()
    if not active.live or rivals.suppressed(context):
        return context, None, True
    outer = own_calls.enclosing(context, operation)
    if outer is not None:
        return context, outer, False
    finalizers.work_off()
    call = OwnCall(
        active,
        own.endpoint(operation),
        active.servers.declared(provider, url),
        Request("post", url, body, streaming=body.get("stream") is True),
        context,
        own_span=not rivals.has_span(context, None, "", ""),
    )
    try:
        return call.handed_down(provider_context(call.context)), call, True
    except Exception:
        abandon(call)
        raise


def end(call: OwnCall, error: BaseException | None) -> None:
    """End a call.

    Args:
        call: The call.
        error: What the program's block ended in; None for nothing.
    """
    if error is not None and not call.superseded:
        endings.fail("own call", call, error)
        return
    how = call.withdraw if call.superseded else call.concluded
    if finalizers.may_be_final(error):
        finalizers.defer(lambda at: endings.end("own call", call, how, at=at))
    else:
        endings.end("own call", call, how)


# ------------------------------------------------------------------ what the program tells
def set_usage(call: OwnCall, counts: dict[str, int]) -> None:
    """Counts by their names in `Usage`."""
    if not counts:
        return
    for part, whole in _PARTS:
        if counts.get(part, 0) > counts.get(whole, read.MOST_TOKENS):
            arguments.leave_out(
                "set_usage()", part, f"it is more than {whole}, of which it is a part"
            )
            del counts[part]
    needed = ("input_tokens",) if call.endpoint.input_only else ("input_tokens", "output_tokens")
    partial = any(name not in counts for name in needed)
    call.facts["usage"] = replace(Usage(partial=partial), **counts)  # type: ignore[arg-type]


def first_chunk(call: OwnCall) -> None:
    """The first piece is there."""
    call.streaming = True
    if call.first_chunk_at is None:
        call.first_chunk_at = perf_counter()


def add_chunk(call: OwnCall, chunk: object) -> None:
    """A chunk, read where its shape is known."""
    first_chunk(call)
    endpoint = None
    if call.fold is None:
        from llm_otel.protocols import shapes  # with all protocols that it knows

        endpoint = shapes.of_chunk(chunk)
    call.chunk(chunk, _renamed(call, endpoint))


def set_response(call: OwnCall, response: object) -> None:
    """A body, or the response of an HTTP library."""
    body = response
    if hasattr(response, "headers") and hasattr(response, "status_code"):
        call.response = _http_response(response)
        body = read.json_of(read.get(response, "_content"))
        status = refused(response)
        if status is not None:
            error = call.endpoint.protocol.answer(body, call.endpoint, call.server.dialect).error
            set_error(call, None, status, error.code if error is not None else None)
            return
        if body is None:
            return
    if not isinstance(body, dict):
        arguments.leave_out(
            "set_response()", "response", f"a {arguments.kind(body)} is no JSON object"
        )
        return
    read_answer(call, body)


def read_answer(call: OwnCall, body: dict[str, object]) -> None:
    """A whole answer, where its shape is known, or an error."""
    from llm_otel.protocols import shapes

    endpoint = _renamed(call, shapes.of_answer(body))
    if endpoint is not None:
        call.endpoint = endpoint
        call.body = body
    elif body.get("error"):
        call.body = body


def _http_response(response: Any) -> Any:
    headers = response.headers
    if hasattr(headers, "raw"):
        return response
    texts = {str(name).lower(): str(value) for name, value in headers.items()}
    return Response(ResponseHeaders(texts), response.status_code)


def _renamed(call: OwnCall, endpoint: Endpoint | None) -> Endpoint | None:
    """An endpoint of a known shape, under the operation that the program named."""
    if endpoint is None or endpoint.operation == call.endpoint.operation:
        return endpoint
    return replace(endpoint, operation=call.endpoint.operation)


def set_error(call: OwnCall, error_class: str | None, status: int | None, code: str | None) -> None:
    """How the call failed."""
    codes = call.server.dialect.error_codes
    kinds = (errors.by_code(each, codes) for each in (code, status) if each is not None)
    kind = error_class or next((kind for kind in kinds if kind != semconv.OTHER), semconv.OTHER)
    word = code or (str(status) if status is not None else kind)
    call.error = BodyError(word, kind, status)


def set_input(call: OwnCall, messages: object) -> None:
    """What was asked, where content is wanted."""
    if call.runtime.policy.active:
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        body = {**call.request.body, "messages": messages}
        call.request = call.request._replace(body=body)


def set_output(call: OwnCall, output: object) -> None:
    """What was answered, where content is wanted."""
    if call.runtime.policy.active:
        call.accumulator = own.Outputs(output)
