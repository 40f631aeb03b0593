"""litellm: the requests that it sends itself, to any provider; others go through an SDK below it.

Each provider has a protocol of its own, which is found by how the URL ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from llm_otel import semconv
from llm_otel.clients.spec import Arguments, ClientSpec, Hook, Override, named
from llm_otel.protocols.anthropic import ANTHROPIC
from llm_otel.protocols.bedrock import BEDROCK, over_http
from llm_otel.protocols.cohere import COHERE
from llm_otel.protocols.gemini import GEMINI
from llm_otel.protocols.huggingface import HUGGINGFACE
from llm_otel.protocols.mistral import MISTRAL
from llm_otel.protocols.ollama import OLLAMA
from llm_otel.protocols.openai import OPENAI
from llm_otel.protocols.paths import Paths
from llm_otel.protocols.spec import Endpoint, Request
from llm_otel.protocols.voyage import VOYAGE


class _Speaker(NamedTuple):
    """Who speaks a protocol.

    Attributes:
        provider: Their name, where the host does not tell it.
        table: The protocol.
        hosts: Theirs: what is asked of these is in this table first.
    """

    provider: str
    table: Paths
    hosts: tuple[str, ...] = ()


# Protocols that many speak, at any host: of two for one path the last wins.
_COMMON = (_Speaker("anthropic", ANTHROPIC), _Speaker(semconv.OPENAI_COMPATIBLE, OPENAI))
# Protocols of one provider.
_OWN: tuple[_Speaker, ...] = (
    _Speaker("aws.bedrock", BEDROCK),
    _Speaker("cohere", COHERE, ("api.cohere.com", "api.cohere.ai")),
    _Speaker("gcp.gemini", GEMINI),
    _Speaker("huggingface", HUGGINGFACE, ("router.huggingface.co",)),
    _Speaker("mistral_ai", MISTRAL, ("api.mistral.ai", "codestral.mistral.ai")),
    _Speaker("ollama", OLLAMA),
    _Speaker("voyageai", VOYAGE, ("api.voyageai.com",)),
)


class _Protocols(Paths):
    """All of them. A URL begins with its host, without a scheme."""

    def __init__(self) -> None:
        common = Paths({path: end for each in _COMMON for path, end in each.table.items()})
        own = {
            path: end
            for each in _OWN
            for path, end in each.table.items()
            if common.match(*path.split(" ", 1)) is None
        }
        super().__init__({**own, **common})
        self._by_host = {host: each.table for each in _OWN for host in each.hosts}

    def match(self, method: str, url: str) -> Endpoint | None:
        """See `Paths`."""
        table = self._by_host.get(url.partition("/")[0])
        endpoint = table.match(method, url) if table is not None else None
        return endpoint if endpoint is not None else super().match(method, url)


_PROTOCOLS = _Protocols()
_PROVIDERS = {end: each.provider for each in (*_OWN, *_COMMON) for end in each.table.values()}

# In URLs of Bedrock.
_BEDROCKS = ("/model/", "bedrock-agent-runtime.")

# On Vertex AI, models of others than Google, which speak as these do elsewhere.
_RAW = "awPredict"
_PARTNER = re.compile(
    r"(?P<host>[^/]+)/.*publishers/(?P<name>[^/]+)/models/(?P<model>[^/:]+):(?:r|streamR)awPredict"
)

_NOTHING: dict[str, object] = {}

_POST = ("url", "data", "json")
_GET = ("url",)


def _request(
    method: str,
    parameters: tuple[str, ...],
    client: Any,  # noqa: ARG001
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Request | None:
    arguments = named(parameters, args, kwargs)
    url = arguments["url"]
    if type(url) is not str:
        return None
    address = url.partition("://")[2]
    body: Mapping[str, object] | None = None
    if any(mark in url for mark in _BEDROCKS):
        address, body = over_http(address, _sent(arguments)) or (address, None)
    elif _RAW in url:
        address, body = _of_partner(address, _body(arguments)) or (address, None)
    endpoint = _PROTOCOLS.match(method, address)
    # What is for others (logs, files, tokens) is not parsed.
    if endpoint is None:
        return None
    signed = type(arguments.get("data")) is bytes
    return Request(
        method,
        address,
        _body(arguments) if body is None else body,
        streaming=arguments.get("stream") is True,
        # Bytes are signed, and must stay as they are: their stream is not asked for its usage.
        chunk=bytes if signed else None,
        base_url=url,
        provider=_PROVIDERS[endpoint],
    )


def _body(arguments: Mapping[str, Any]) -> Mapping[str, object]:
    """The body of a request: JSON, its text, or the fields of a form."""
    for name in ("json", "data", "content"):
        body = arguments.get(name)
        if isinstance(body, (str, bytes)):
            try:
                body = json.loads(body)
            except ValueError:
                continue
        if type(body) is dict:
            return body
    return _NOTHING


def _of_partner(
    address: str, body: Mapping[str, object]
) -> tuple[str, Mapping[str, object]] | None:
    """The URL that a partner's model has at the partner's own, and the body with its name; None for
    what asks no model."""
    partner = _PARTNER.fullmatch(address.partition("?")[0])
    if partner is None or partner["model"] == "count-tokens":
        return None
    end = "messages" if partner["name"] == "anthropic" else "chat/completions"
    return f"{partner['host']}/v1/{end}", {"model": partner["model"], **body}


def _sent(arguments: Mapping[str, Any]) -> str | bytes:
    """The body of a request as it goes over the wire; empty for none that is JSON."""
    for name in ("json", "data", "content"):
        body = arguments.get(name)
        if isinstance(body, (str, bytes)):
            return body
        if type(body) is dict:
            return json.dumps(body)
    return b""


def _ask(
    args: tuple[Any, ...], kwargs: dict[str, Any], additions: Mapping[str, object]
) -> Arguments:
    """Arguments whose body asks for the usage, as the text that litellm makes of one."""
    positions = {name: args[at] for at, name in enumerate(_POST[: len(args)])}
    for name in ("json", "data"):
        body = {**positions, **kwargs}.get(name)
        if not body:
            continue
        is_text = type(body) is str
        more: Any = {**(json.loads(body) if is_text else body), **additions}
        more = json.dumps(more) if is_text else more
        if name in kwargs:
            return args, {**kwargs, name: more}
        at = _POST.index(name)
        return (*args[:at], more, *args[at + 1 :]), kwargs
    raise ValueError("the request has no body")


def _hook(function: str, shape: Any, method: str, parameters: tuple[str, ...]) -> Hook:
    return Hook(
        "llms.custom_httpx.http_handler",
        function,
        shape,
        partial(_request, method, parameters),
        parameters=parameters,
        ask=_ask if method == "post" else None,
    )


# ------------------------------------------------------------------ its callback for OpenTelemetry
def _keeping_off_our_spans(original: Any) -> Callable[..., Any]:
    """Of its callback, what gives the span that it writes a call's content and usage on.

    It takes the span that is current, which may be that of a step of ours. Told that there is none
    to write on, it makes one of its own below that, with all that it has to say.
    """

    def _get_span_context(callback: Any, /, *args: Any, **kwargs: Any) -> Any:
        result = original(callback, *args, **kwargs)
        if type(result) is tuple and len(result) == 2 and _is_ours(result[1]):
            return result[0], None
        return result

    return _get_span_context


def _is_ours(span: Any) -> bool:
    scope = getattr(span, "instrumentation_scope", None)
    return getattr(scope, "name", None) == semconv.SCOPE


CLIENT = ClientSpec(
    package="litellm",
    supported=">=1.100,<2",
    provider=semconv.OPENAI_COMPATIBLE,
    endpoints=_PROTOCOLS,
    hooks=(
        _hook("HTTPHandler.post", "response", "post", _POST),
        _hook("AsyncHTTPHandler.post", "async_response", "post", _POST),
        _hook("HTTPHandler.get", "response", "get", _GET),
        _hook("AsyncHTTPHandler.get", "async_response", "get", _GET),
    ),
    overrides=(
        Override(
            "integrations.opentelemetry",
            "OpenTelemetry._get_span_context",
            _keeping_off_our_spans,
            parameters=("kwargs",),
        ),
    ),
)
