"""botocore, on which boto3 stands: models of Amazon Bedrock, of all services that it speaks to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_otel.base import read
from llm_otel.clients.spec import ClientSpec, Hook, Response, ResponseHeaders, Shape, named
from llm_otel.protocols.bedrock import BEDROCK, STREAMS, path
from llm_otel.protocols.spec import Request

# Services that answer by a model.
_SERVICES = frozenset({"bedrock-runtime", "bedrock-agent-runtime"})

_PARAMETERS = ("operation_name", "api_params")


def _concerns(client: Any) -> bool:
    return client.meta.service_model.service_name in _SERVICES


def _request(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
    arguments = named(_PARAMETERS, args, kwargs)
    operation, parameters = arguments["operation_name"], arguments["api_params"]
    url = path(operation, parameters) if type(parameters) is dict else None
    if url is None:
        return None
    streaming = operation in STREAMS
    return Request("post", url, parameters, streaming=streaming, base_url=client.meta.endpoint_url)


def _response(source: Any) -> Response | None:
    """What a result or an exception tells of the response."""
    whole = read.get(source, "response") if isinstance(source, BaseException) else source
    metadata = read.get(whole, "ResponseMetadata")
    if not isinstance(metadata, Mapping):
        return None
    headers = ResponseHeaders(metadata.get("HTTPHeaders") or {})
    identity = read.string(metadata.get("RequestId"))
    if identity is not None:
        headers.setdefault("x-amzn-requestid", identity)
    retries = metadata.get("RetryAttempts")
    return Response(headers, metadata.get("HTTPStatusCode"), retries if type(retries) is int else 0)


def hook(function: str, shape: Shape) -> Hook:
    """The hook of the one function that the operations of all services go through."""
    return Hook(
        "client",
        function,
        shape,
        _request,
        parameters=_PARAMETERS,
        stream_at=("stream",),
        body_key="body",
        concerns=_concerns,
        response=_response,
    )


CLIENT = ClientSpec(
    package="botocore",
    supported=">=1.34.116,<2",
    provider="aws.bedrock",
    endpoints=BEDROCK,
    hooks=(hook("BaseClient._make_api_call", "sync"),),
)
