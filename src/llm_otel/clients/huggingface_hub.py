"""huggingface_hub: `InferenceClient`, by Hugging Face's router, an endpoint, or another provider.

Classification, translation, summaries and the like are no calls: their models are no LLMs.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from typing import Any

from llm_otel.clients.spec import Arguments, ClientSpec, Hook, named
from llm_otel.protocols.huggingface import HUGGINGFACE
from llm_otel.protocols.openai import OPENAI
from llm_otel.protocols.paths import Paths
from llm_otel.protocols.spec import Request

_PARAMETERS = ("request_parameters",)
_ROUTER = "https://router.huggingface.co/"
# Behind it, those of Hugging Face itself: what a provider that it leads to accepts is not known.
_OWN = (_ROUTER + "v1/", _ROUTER + "hf-inference/")


def _request(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request | None:  # noqa: ARG001
    arguments = named(_PARAMETERS, args, kwargs)
    parameters = arguments["request_parameters"]
    url, task, streaming = parameters.url, parameters.task, arguments.get("stream") is True
    path = url[url.find("/", url.find("://") + 3) :] or "/"
    body = parameters.json if type(parameters.json) is dict else {}
    if OPENAI.match("post", path) is None:
        path = f"/tasks/{task}"
        model = parameters.model
        if type(model) is str and "://" not in model and "model" not in body:
            body = {**body, "model": model}
    hidden = not url.startswith(_ROUTER) or url.startswith(_OWN)
    return Request(
        "post",
        path,
        body,
        streaming=streaming,
        chunk=None if hidden else bytes,
        base_url=url,
    )


def _ask(
    args: tuple[Any, ...], kwargs: dict[str, Any], additions: Mapping[str, object]
) -> Arguments:
    parameters = copy.copy(named(_PARAMETERS, args, kwargs)["request_parameters"])
    parameters.json = {**parameters.json, **additions}
    if "request_parameters" in kwargs:
        return args, {**kwargs, "request_parameters": parameters}
    return (parameters, *args[1:]), kwargs


def _answer(body: Any) -> object:
    """The object in a body; vectors and media are not looked at."""
    if type(body) is not bytes or body[:2] not in (b"[{", b'{"', b"{\n"):
        return None
    node = _json(body)
    return node[0] if type(node) is list and node else node


def _chunk(line: Any) -> object:
    """The object in a line of server-sent events."""
    if line[:5] not in ("data:", b"data:"):
        return None
    data = line[5:].strip()
    return _json(data) if data[:1] in ("{", b"{") else None


def _goes_on(line: Any) -> bool:
    """Whether a line is a piece of text, and nothing besides: no text has such keys between quotes.

    Written out, as it is asked of every line.
    """
    return (
        ('"finish_reason":null' in line or '"finish_reason": null' in line)
        and '"finish_reason":"' not in line
        and '"finish_reason": "' not in line
        and '"error' not in line
        and '"x_' not in line
        and ('"usage"' not in line or _USAGE.search(line) is None)
    )


# Usage that tells something.
_USAGE = re.compile(r'"usage"\s*:\s*[^n\s]')


def _json(text: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _hook(module: str, function: str, shape: Any) -> Hook:
    return Hook(
        module,
        function,
        shape,
        _request,
        answer=_answer,
        chunk=_chunk,
        goes_on=_goes_on,
        parameters=("request_parameters", "stream"),
        ask=_ask,
    )


CLIENT = ClientSpec(
    package="huggingface_hub",
    supported=">=1.0,<3",
    provider="huggingface",
    endpoints=Paths({**HUGGINGFACE, **OPENAI}),
    hooks=(
        _hook("inference._client", "InferenceClient._inner_post", "sync"),
        _hook("inference._generated._async_client", "AsyncInferenceClient._inner_post", "async"),
    ),
)
