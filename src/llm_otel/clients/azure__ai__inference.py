"""azure-ai-inference: chats and embeddings of models that Azure AI, or GitHub, serves.

Below its methods is the HTTP pipeline of all of Azure's SDKs: so its methods are hooked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from llm_otel.base import read
from llm_otel.clients.spec import ClientSpec, Hook, Override, Response, ResponseHeaders
from llm_otel.protocols.openai import EMBEDDINGS, OPENAI
from llm_otel.protocols.paths import Paths
from llm_otel.protocols.spec import Request

# Arguments of a method that have a default in its client, under the name with `_` in front.
_CHAT = (
    "frequency_penalty", "max_tokens", "model", "presence_penalty", "response_format", "seed",
    "stop", "temperature", "tool_choice", "tools", "top_p",
)  # fmt: skip
_EMBED = ("dimensions", "encoding_format", "input_type", "model")
_HELD_ELSEWHERE = {"response_format": "_internal_response_format"}


def _request(
    path: str,
    names: tuple[str, ...],
    content: str,
    client: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Request:
    body = args[0] if args else kwargs.get("body")
    if isinstance(body, (str, bytes)):
        try:
            body = json.loads(body)
        except ValueError:
            body = None
    if not isinstance(body, Mapping):  # a file, or none
        body = _body(client, kwargs, names, content)
    return Request(
        "post",
        path,
        body if type(body) is dict else dict(body),
        streaming=body.get("stream") is True,
        base_url=_endpoint(client),
    )


def _body(
    client: Any, kwargs: dict[str, Any], names: tuple[str, ...], content: str
) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for name in names:
        value = kwargs.get(name)
        if value is None:
            value = read.get(client, _HELD_ELSEWHERE.get(name, f"_{name}"))
        if value is not None:
            body[name] = _plain(value)
    if kwargs.get("stream") is True:
        body["stream"] = True
    items = kwargs.get(content)
    body[content] = [_plain(item) for item in items] if type(items) is list else items
    extras = kwargs.get("model_extras") or read.get(client, "_model_extras")
    return {**body, **extras} if isinstance(extras, Mapping) else body


def _plain(value: Any) -> Any:
    """The JSON object that a model of the SDK is made around."""
    if type(value) is list:
        return [_plain(item) for item in value]
    data = read.get(value, "_data")
    return {key: _plain(data[key]) for key in data} if isinstance(data, dict) else value


def _endpoint(client: Any) -> Any:
    return read.get(read.get(client, "_config"), "endpoint")


def _node(value: Any) -> object:
    """The JSON object of an answer or a chunk, without its vectors."""
    data = read.get(value, "_data")
    return {key: _plain(data[key]) for key in data if key != "data"} if type(data) is dict else None


def _goes_on(chunk: Any) -> bool:
    """Whether a chunk is one choice that goes on, and nothing besides."""
    data = read.get(chunk, "_data")
    if type(data) is not dict or data.get("usage") is not None or "error" in data:
        return False
    choices = data.get("choices")
    if type(choices) is not list or len(choices) != 1:
        return False
    choice = choices[0] if type(choices[0]) is dict else read.get(choices[0], "_data")
    return type(choice) is dict and choice.get("finish_reason") is None


def _response(value: Any) -> Response | None:
    """What an exception, or a stream, tells of the response."""
    response = read.get(value, "response") or read.get(value, "_response")
    headers = getattr(response, "headers", None)
    if not isinstance(headers, Mapping):
        return None
    names = {str(name).lower(): str(headers[name]) for name in headers}
    return Response(ResponseHeaders(names), getattr(response, "status_code", None))


def _hooks(module: str, shape: Any) -> tuple[Hook, ...]:
    return tuple(
        Hook(
            module,
            f"{name}Client.{method}",
            shape,
            partial(_request, path, names, content),
            answer=_node,
            chunk=_node,
            goes_on=_goes_on,
            parameters=(content, "model_extras"),
            response=_response,
        )
        for name, method, path, names, content in (
            ("ChatCompletions", "complete", "/chat/completions", _CHAT, "messages"),
            ("Embeddings", "embed", "/embeddings", _EMBED, "input"),
            ("ImageEmbeddings", "embed", "/images/embeddings", _EMBED, "input"),
        )
    )


# ------------------------------------------------------------------ its own tracing
def _reading_through(original: Any) -> Callable[..., Any]:
    """Of its instrumentor, what puts a stream of its own around an asynchronous one.

    That reads the response anew, past the stream that it was given. Here it gets its chunks from
    that one, and closes it.
    """

    def _async_wrapped_stream(instrumentor: Any, /, stream: Any, *args: Any, **kwargs: Any) -> Any:
        wrapper = original(instrumentor, stream, *args, **kwargs)
        chunks: Any = read.get(wrapper, "_queue")
        if chunks is None or not hasattr(wrapper, "_read_next_block_async"):
            return wrapper

        async def read_next() -> bool:
            try:
                chunks.put(await stream.__anext__())
            except StopAsyncIteration:
                return True
            return False

        wrapper._read_next_block_async = read_next
        wrapper.aclose = stream.aclose
        return wrapper

    return _async_wrapped_stream


CLIENT = ClientSpec(
    package="azure.ai.inference",
    supported=">=1.0.0b8,<2",
    provider="azure.ai.inference",
    endpoints=Paths({**OPENAI, "post /images/embeddings": EMBEDDINGS}),
    hooks=(*_hooks("_patch", "sync"), *_hooks("aio._patch", "async")),
    overrides=(
        Override(
            "tracing",
            "_AIInferenceInstrumentorPreview._async_wrapped_stream",
            _reading_through,
            parameters=("stream_obj",),
        ),
    ),
)
