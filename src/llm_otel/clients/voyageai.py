"""voyageai: every request passes `APIRequestor.request`, below the retries of its client."""

from __future__ import annotations

from typing import Any

from llm_otel.clients.spec import ClientSpec, Hook, Response, ResponseHeaders, named
from llm_otel.protocols.spec import Request
from llm_otel.protocols.voyage import VOYAGE

_PARAMETERS = ("method", "url", "params")


def _request(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
    values = named(_PARAMETERS, args, kwargs)
    body = values.get("params")
    # Until 0.3.2 it was `api_base`.
    base = getattr(client, "base_url", None) or getattr(client, "api_base", None)
    if base is None or type(body) is not dict:
        return None
    return Request(values["method"].lower(), values["url"], body, base_url=base)


def _data(response: Any) -> object:
    return response.data


def _response(outcome: Any) -> Response | None:
    """What an answer or an exception tells of the HTTP response."""
    identity = getattr(outcome, "request_id", None)
    headers = ResponseHeaders({"request-id": identity} if isinstance(identity, str) else {})
    return Response(headers, getattr(outcome, "http_status", None))


def _hook(function: str, shape: Any) -> Hook:
    return Hook(
        "api_resources.api_requestor",
        f"APIRequestor.{function}",
        shape,
        _request,
        answer=_data,
        parameters=_PARAMETERS,
        response=_response,
    )


CLIENT = ClientSpec(
    package="voyageai",
    supported=">=0.2.1,<1",
    provider="voyageai",
    endpoints=VOYAGE,
    hooks=(_hook("request", "sync"), _hook("arequest", "async")),
)
