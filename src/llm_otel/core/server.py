"""Who answers a client: host, port and provider, read once per base URL."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.clients.spec import ClientSpec
from llm_otel.providers import dialects, stream_usage
from llm_otel.providers import hosts
from llm_otel.providers.dialects import Dialect
from llm_otel.providers.stream_usage import StreamUsage

_logger = logging.getLogger("llm_otel")

_AZURE = "azure.ai.openai"


class Server(NamedTuple):
    """Where a client's requests go.

    Attributes:
        host, port: `server.address` and `server.port`; None when the URL has none.
        provider: `gen_ai.provider.name`.
        stream_usage: What it is known to do about the usage of streams.
        attributes: The span attributes that say all this, to be copied.
        dialect: What is particular to the provider.
    """

    host: str | None
    port: int | None
    provider: str
    stream_usage: StreamUsage
    attributes: Mapping[str, Any]
    dialect: Dialect

    @property
    def netloc(self) -> str | None:
        """`host:port`, as the price table and the setting `providers` know it."""
        return f"{self.host}:{self.port}" if self.host and self.port else self.host


class Servers:
    """Resolves clients to servers; keeps the answers by the client's URL object."""

    _KEPT = 256

    def __init__(self, named: Mapping[str, str]) -> None:
        self._named = named
        self._known: dict[int, tuple[object, type, Server]] = {}
        self._without_usage: set[str | None] = set()

    def of(self, client: Any, spec: ClientSpec, url: str) -> Server:
        """The server that a request of `client` to `url` goes to.

        Args:
            client: An SDK client; its `_base_url` is looked at.
            spec: Data of that SDK.
            url: The request's URL, relative to the client's base or absolute.
        """
        if "://" in url:
            return self._resolve(client, spec, url)
        base = client._base_url
        known = self._known.get(id(base))
        if known is not None and known[0] is base and known[1] is type(client):
            return known[2]
        server = self._resolve(client, spec, str(base))
        if len(self._known) >= self._KEPT:
            self._known.clear()
        self._known[id(base)] = (base, type(client), server)
        return server

    def warn_of_missing_usage(self, server: Server) -> None:
        """Say once a host in the log that its streams tell no usage unless they are asked to."""
        host = server.netloc
        if host in self._without_usage or len(self._without_usage) >= self._KEPT:
            return
        self._without_usage.add(host)
        _logger.warning(
            "llm-otel got no usage from a stream of %s: its tokens and cost are unknown, not 0. If "
            'this host accepts stream_options={"include_usage": true}, send it, or set '
            "`stream_usage: always`.",
            host,
        )

    def _resolve(self, client: Any, spec: ClientSpec, url: str) -> Server:
        parts = urlsplit(url)
        host = parts.hostname
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
        azure = any(cls.__name__ == "BaseAzureClient" for cls in type(client).__mro__)
        provider = self._provider(host or "", port, spec, azure)
        usage = _stream_usage(client, host, port, provider, parts.path, azure)
        dialect = dialects.of(provider, known_host=providers.by_host(host or "", None) is not None)
        return Server(host, port, provider, usage, _attributes(host, port, provider), dialect)

    def _provider(self, host: str, port: int | None, spec: ClientSpec, azure: bool) -> str:
        named = self._named.get(f"{host}:{port}") or self._named.get(host)
        if named:
            return named
        known = providers.by_host(host, port)
        if known is not None:
            return known
        return _AZURE if azure else spec.provider


def _attributes(host: str | None, port: int | None, provider: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {semconv.PROVIDER_NAME: provider}
    if host is not None:
        attributes[semconv.SERVER_ADDRESS] = host[: semconv.MAX_TEXT]
        if port is not None:
            attributes[semconv.SERVER_PORT] = port
    if provider == _AZURE:
        attributes[semconv.AZURE_NAMESPACE] = "Microsoft.CognitiveServices"
    return attributes


def _stream_usage(
    client: Any, host: str | None, port: int | None, provider: str, path: str, azure: bool
) -> StreamUsage:
    if provider == _AZURE and "/openai/v1" in path:
        return stream_usage.ON_REQUEST
    if provider == _AZURE and azure:
        return stream_usage.by_azure_version(_azure_version(client))
    return stream_usage.by_host(host or "", port)


def _azure_version(client: Any) -> str | None:
    version = read.get(client, "_api_version")
    if isinstance(version, str):
        return version
    query = read.get(client, "_custom_query")
    found = read.get(query, "api-version")
    return found if isinstance(found, str) else None


def request_model(body: Mapping[str, object], extra: object) -> str:
    """The model that goes over the wire: `extra_body` overrides the argument; `none` without."""
    over = read.get(extra, "model") if extra is not None else None
    return read.string(body.get("model") if over is None else over) or semconv.NONE
