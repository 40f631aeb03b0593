"""google-genai: the Gemini API and Vertex AI; content, embeddings, pictures, interactions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from llm_otel.base import read
from llm_otel.clients.spec import ClientSpec, Hook, named
from llm_otel.protocols.gemini import GEMINI
from llm_otel.protocols.spec import Request

_PARAMETERS = ("http_method", "path", "request_dict", "http_options")
_NOTHING: Mapping[str, object] = {}


# ------------------------------------------------------------------ the client of the two APIs
def _request(
    streaming: bool, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Request | None:
    arguments = named(_PARAMETERS, args, kwargs) if kwargs else dict(zip(_PARAMETERS, args))
    path, body = arguments.get("path"), arguments.get("request_dict")
    if type(path) is not str:
        return None
    url = path.partition("?")[0]
    if url.endswith(":predict") and "embed" not in url and "gecko" not in url:
        url += "Images"
    return Request(
        str(arguments.get("http_method")),
        url,
        body if type(body) is dict else _NOTHING,
        streaming=streaming,
        base_url=_base_url(client, arguments.get("http_options")),
    )


def _base_url(client: Any, options: Any) -> str:
    """Where a request goes; "" where an SDK that we do not know keeps that elsewhere."""
    for each in (options, read.get(client, "_http_options")):
        url = read.get(each, "base_url") if each is not None else None
        if type(url) is str:
            return url
    return ""


def _body(answer: Any) -> object:
    """The JSON text of an answer, or of a chunk; older versions have parsed it."""
    return answer if type(answer) is dict else read.get(answer, "body")


def _hook(function: str, shape: Any, streaming: bool) -> Hook:
    return Hook(
        "_api_client",
        f"BaseApiClient.{function}",
        shape,
        partial(_request, streaming),
        answer=_body,
        chunk=_body,
        parameters=_PARAMETERS[:3],
    )


# ------------------------------------------------------------------ live sessions
def _session(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:
    """What opens a session: a model, and how it is set up."""
    arguments = named(("model", "config"), args, kwargs)
    model, config = arguments.get("model"), arguments.get("config")
    if type(model) is not str:
        return None
    url = f"{model if '/' in model else f'models/{model}'}:bidiGenerateContent"
    body = {"generationConfig": config} if read.is_node(config) else _NOTHING
    base_url = _base_url(read.get(client, "_api_client"), read.get(config, "http_options"))
    return Request("post", url, body, base_url=base_url)


# ------------------------------------------------------------------ interactions
def _interaction(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:  # noqa: ARG001
    """The request in the arguments of what Speakeasy generated: one of httpx."""
    request = named(("hook_ctx", "request"), args, kwargs).get("request")
    scheme, _, rest = str(getattr(request, "url", "")).partition("://")
    host, _, path = rest.partition("/")
    method = str(getattr(request, "method", "")).lower()
    url = f"/{path.partition('?')[0]}"
    body: object = None
    if method == "post" and GEMINI.match(method, url) is not None:
        body = read.json_of(getattr(request, "content", None))
    fields = body if type(body) is dict else _NOTHING
    return Request(
        method,
        url,
        fields,
        streaming=fields.get("stream") is True or "stream=true" in path,
        base_url=f"{scheme}://{host}",
    )


CLIENT = ClientSpec(
    package="google.genai",
    supported=">=1.4,<4",
    provider="gcp.gen_ai",
    endpoints=GEMINI,
    hooks=(
        _hook("request", "sync", False),
        _hook("request_streamed", "generator", True),
        _hook("async_request", "async", False),
        # Awaiting it sends the request; what it gives is an iterator.
        _hook("async_request_streamed", "async", True),
        Hook("live", "AsyncLive.connect", "async_context", _session,
             parameters=("model", "config"), messages="_receive"),
        Hook("_gaos.basesdk", "BaseSDK.do_request", "response", _interaction,
             parameters=("hook_ctx", "request")),
        Hook("_gaos.basesdk", "AsyncBaseSDK.do_request_async", "async_response", _interaction,
             parameters=("hook_ctx", "request")),
    ),
)  # fmt: skip
