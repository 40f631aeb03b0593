"""cohere: v1 and v2, sync and async, on Cohere's platform and on other people's clouds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from llm_otel.base import read
from llm_otel.clients.spec import ClientSpec, Hook, Shape
from llm_otel.protocols.cohere import COHERE
from llm_otel.protocols.spec import Request

_MODULE = "core.http_client"


def _request(
    streaming: bool, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Request | None:
    path = args[0] if args else kwargs.get("path")
    body = kwargs.get("json")
    if type(path) is not str or type(body) is not dict:
        return None
    options = kwargs.get("request_options")
    provider, cloud = _cloud(client)
    return Request(
        kwargs["method"].lower(),
        path,
        body,
        extra=options.get("additional_body_parameters") if options else None,
        streaming=streaming,
        base_url=cloud or client.get_base_url(kwargs.get("base_url")),
        provider=provider,
    )


def _resends(kwargs: dict[str, Any]) -> int:
    return read.count(kwargs.get("retries"))


# ------------------------------------------------------------------ clients for clouds
# The clients for AWS and Oracle take Cohere's own URL, and hooks of their HTTP client send the
# request elsewhere. Module of such a hook, and from the variables of its closure the provider and
# where it sends; where these are not what we know, the host is not known.
_AWS = "cohere.aws_client"
_ORACLE = "cohere.oci_client"


_UNKNOWN = "https://"


def _cloud(client: Any) -> tuple[str, str] | tuple[None, None]:
    """The cloud that the hooks of a client send its requests to, and its URL; None, None where it
    has none of these."""
    hooks = getattr(client.httpx_client, "event_hooks", None)
    for hook in hooks.get("request", ()) if hooks else ():
        cloud = _CLOUDS.get(getattr(hook, "__module__", None))
        if cloud is not None:
            return cloud(_variables(hook))
    return None, None


def _aws(variables: dict[str, object]) -> tuple[str, str]:
    region, service = variables.get("aws_region"), variables.get("service")
    if not isinstance(region, str):
        return "aws.bedrock", _UNKNOWN
    name = f"runtime.sagemaker.{region}" if service == "sagemaker" else f"bedrock-runtime.{region}"
    return "aws.bedrock", f"https://{name}.amazonaws.com"


def _oracle(variables: dict[str, object]) -> tuple[str, str]:
    region = variables.get("oci_region")
    if not isinstance(region, str):
        return "oci", _UNKNOWN
    return "oci", f"https://inference.generativeai.{region}.oci.oraclecloud.com"


_CLOUDS: dict[str | None, Callable[[dict[str, object]], tuple[str, str]]] = {
    _AWS: _aws,
    _ORACLE: _oracle,
}


def _variables(function: Any) -> dict[str, object]:
    """What a function closes over; nothing of what is not there (yet)."""
    try:
        cells = function.__closure__ or ()
        return {
            name: cell.cell_contents for name, cell in zip(function.__code__.co_freevars, cells)
        }
    except (AttributeError, ValueError):
        return {}


def _hook(function: str, shape: Shape, *, streaming: bool) -> Hook:
    return Hook(
        _MODULE,
        function,
        shape,
        partial(_request, streaming),
        parameters=("path", "method", "base_url", "json", "request_options"),
        resends=_resends,
    )


CLIENT = ClientSpec(
    package="cohere",
    supported=">=5.14,<8",
    provider="cohere",
    endpoints=COHERE,
    hooks=(
        _hook("HttpClient.request", "response", streaming=False),
        _hook("HttpClient.stream", "context", streaming=True),
        _hook("AsyncHttpClient.request", "async_response", streaming=False),
        _hook("AsyncHttpClient.stream", "async_context", streaming=True),
    ),
)
