"""Which provider answers at an address, and what that is known to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.providers import dialects, hosts, stream_usage
from llm_otel.providers.dialects import Dialect
from llm_otel.providers.stream_usage import StreamUsage

_AZURE = "azure.ai.openai"


class Provider(NamedTuple):
    """Who answers.

    Attributes:
        name: `gen_ai.provider.name`.
        stream_usage: What it is known to do about the usage of streams.
        attributes: Span attributes that it fixes.
        dialect: What is particular to it.
    """

    name: str
    stream_usage: StreamUsage
    attributes: Mapping[str, Any]
    dialect: Dialect


def at(
    client: Any, host: str, port: int | None, path: str, *, named: str | None, default: str
) -> Provider:
    """The provider at an address.

    Args:
        client: The SDK's client, whose class may tell.
        host, port, path: Of the client's base URL; "" where there is no host.
        named: The name that the settings give the host.
        default: Who it is when nothing else tells.
    """
    azure = any(cls.__name__ == "BaseAzureClient" for cls in type(client).__mro__)
    name = named or hosts.by_host(host, port) or (_AZURE if azure else default)
    own = {semconv.PROVIDER_NAME: name}
    if name == _AZURE:
        own[semconv.AZURE_NAMESPACE] = "Microsoft.CognitiveServices"
    dialect = dialects.of(name, known_host=hosts.by_host(host, None) is not None)
    return Provider(name, _stream_usage(client, host, port, name, path, azure), own, dialect)


def _stream_usage(
    client: Any, host: str, port: int | None, provider: str, path: str, azure: bool
) -> StreamUsage:
    if provider == _AZURE and "/openai/v1" in path:
        return stream_usage.ON_REQUEST
    if provider == _AZURE and azure:
        return stream_usage.by_azure_version(_azure_version(client))
    return stream_usage.by_host(host, port)


def _azure_version(client: Any) -> str | None:
    version = read.get(client, "_api_version")
    if isinstance(version, str):
        return version
    query = read.get(client, "_custom_query")
    parameter = read.get(query, "api-version")
    return parameter if isinstance(parameter, str) else None
