"""mistralai: every request of its sub-clients passes `BaseSDK.do_request`, its own retries inside.

The package is laid out in two ways: `mistralai.basesdk` (1.x), and since 2.0 `mistralai.client`,
`mistralai.azure.client` and `mistralai.gcp.client`, each with a `basesdk` of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from llm_otel.base import read
from llm_otel.clients.spec import ClientSpec, Hook, named
from llm_otel.protocols.mistral import MISTRAL
from llm_otel.protocols.spec import Request

_PARAMETERS = ("hook_ctx", "request", "is_error_status_code", "stream", "retry_config")
_MODULES = ("client.basesdk", "azure.client.basesdk", "gcp.client.basesdk", "basesdk")
_FORM = "application/x-www-form-urlencoded"
# What Vertex AI's client posts to the URL of chat, told apart by the fragment alone.
_FIM = "fim"


def _request(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:  # noqa: ARG001
    """The request that `do_request` sends, which is one of httpx."""
    values = named(_PARAMETERS, args, kwargs)
    http_request = values["request"]
    method, url = http_request.method.lower(), http_request.url
    path = url.path
    if url.fragment == _FIM:
        path = f"{path}/{_FIM}"
    if MISTRAL.match(method, path) is None:
        return None
    base_url = getattr(values.get("hook_ctx"), "base_url", None)
    return Request(
        method,
        path if base_url else str(url.copy_with(path=path)),
        _body(http_request),
        streaming=bool(values.get("stream")),
        base_url=base_url or None,
    )


def _body(http_request: Any) -> Mapping[str, object]:
    """The JSON of a request, or the fields of its form; files are not looked at."""
    # A form with files has no content before httpx sends it.
    content = getattr(http_request, "_content", None)
    if content is not None:
        if http_request.headers.get("content-type") == _FORM:
            return dict(parse_qsl(content.decode("ascii", "replace")))
        body = read.json_of(content)
        return body if type(body) is dict else {}
    fields = getattr(http_request.stream, "fields", ())
    return {
        field.name: field.value
        for field in fields
        if isinstance(getattr(field, "value", None), (str, int, float))
    }


def _hooks(module: str) -> tuple[Hook, Hook]:
    common = ("request", "stream")
    return (
        Hook(module, "BaseSDK.do_request", "response", _request, parameters=common),
        Hook(module, "BaseSDK.do_request_async", "async_response", _request, parameters=common),
    )


CLIENT = ClientSpec(
    package="mistralai",
    supported=">=1.1,<4",
    provider="mistral_ai",
    endpoints=MISTRAL,
    hooks=tuple(hook for module in _MODULES for hook in _hooks(module)),
)
