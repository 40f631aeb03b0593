"""Who answers a client: host, port and provider, read once per base URL."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from llm_otel import semconv
from llm_otel.providers import resolving
from llm_otel.providers.dialects import Dialect
from llm_otel.providers.stream_usage import StreamUsage

_logger = logging.getLogger("llm_otel")


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
        self._known: dict[int | str, tuple[object, type, Server]] = {}
        self._without_usage: set[str | None] = set()

    def of(self, client: Any, default: str, url: str, base_url: object = None) -> Server:
        """The server that a request of `client` to `url` goes to.

        Args:
            client: An SDK client.
            default: Its provider when the host tells nothing better.
            url: The request's URL, relative to the client's base or absolute.
            base_url: The client's base; None: its `_base_url` is looked at.

        Raises:
            AttributeError: The URL is relative and nobody tells to what.
        """
        base = client._base_url if base_url is None and "://" not in url else base_url
        if "://" in url:
            base = base_url = url.partition("?")[0]
        # A text may be made anew for each request; another object must be the very same.
        key = id(base) if base_url is None or type(base) is not str else base
        known = self._known.get(key)
        if known is not None and known[1] is type(client) and (known[0] is base or key is base):
            return known[2]
        server = self._resolve(client, default, str(base))
        if len(self._known) >= self._KEPT:
            self._known.clear()
        self._known[key] = (base, type(client), server)
        return server

    def declared(self, provider: str | None, url: str) -> Server:
        """The server that a program names itself.

        Args:
            provider: Who answers; None: the host tells, or nobody does.
            url: Where the request goes, absolute; "" where that is not known.
        """
        base = url.partition("?")[0]
        key = f"{provider}\n{base}"
        entry = self._known.get(key)
        if entry is None:
            if len(self._known) >= self._KEPT:
                self._known.clear()
            server = self._resolve(None, semconv.OPENAI_COMPATIBLE, base, provider)
            entry = self._known[key] = (key, type(None), server)
        return entry[2]

    def warn_of_missing_usage(self, server: Server, asking: str) -> None:
        """Say once a host in the log that its streams tell no usage unless they are asked to.

        Args:
            server: The host.
            asking: What asks for it.
        """
        host = server.netloc
        if host in self._without_usage or len(self._without_usage) >= self._KEPT:
            return
        self._without_usage.add(host)
        _logger.warning(
            "llm-otel got no usage from a stream of %s: its tokens and cost are unknown, not 0. If "
            "this host accepts %s, send it, or set `stream_usage: always`.",
            host,
            asking,
        )

    def _resolve(self, client: Any, default: str, url: str, declared: str | None = None) -> Server:
        parts = urlsplit(url)
        host = parts.hostname
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
        named = declared or self._named.get(f"{host}:{port}") or self._named.get(host or "")
        provider = resolving.at(
            client, host or "", port, parts.path, named=named or None, default=default
        )
        attributes = dict(provider.attributes)
        if host is not None:
            attributes[semconv.SERVER_ADDRESS] = host[: semconv.MAX_TEXT]
            if port is not None:
                attributes[semconv.SERVER_PORT] = port
        return Server(
            host, port, provider.name, provider.stream_usage, attributes, provider.dialect
        )
