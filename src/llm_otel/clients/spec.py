"""The declarative vocabulary: what is where in a client's requests and responses. A leaf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

# Key in the provider's usage object -> field of `llm_otel.usage.Usage`, nested as the provider's.
UsageMap: TypeAlias = Mapping[str, "str | UsageMap"]

Kind: TypeAlias = Literal[
    "chat", "completion", "responses", "embeddings", "image", "speech", "transcription",
    "moderation", "batch", "rerank", "realtime",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Endpoint:
    """One kind of request.

    Attributes:
        operation: `gen_ai.operation.name` (also the metric label `operation`).
        kind: Which shape the bodies have; chooses the content builder.
        usage: Where the numbers are below `usage_at`.
        usage_at: Ways to the usage object in a response; the first that is there wins.
        usage_beside: Where the numbers are in a response that holds no usage.
        service_tier: The tier that the endpoint is billed at, where responses do not tell.
        billed: Whether a successful response should report usage.
        stream: How a streamed response comes: chunks with choices, or typed events.
        usage_on_request: The API sends a stream's usage only when asked to.
        polled: The response tells the state of work begun elsewhere (`status`): its usage is
            counted once per id.
        api_type: Value of `openai.api.type`.
        output_type: `gen_ai.output.type` where the endpoint fixes it.
    """

    operation: str
    kind: Kind
    usage: UsageMap = field(default_factory=dict)
    usage_at: tuple[tuple[str, ...], ...] = (("usage",),)
    usage_beside: UsageMap = field(default_factory=dict)
    billed: bool = True
    stream: Literal["choices", "events"] = "events"
    usage_on_request: bool = False
    polled: bool = False
    service_tier: str | None = None
    api_type: str | None = None
    output_type: str | None = None


@dataclass(frozen=True, eq=False)
class Socket:
    """One protocol over a WebSocket: a connection that carries many responses.

    The client sends `response.create`, the server answers `response.created` and a final event.

    Attributes:
        modules: Below the client's package, those that may hold the classes.
        name: `{name}ConnectionManager` and `{name}Connection` are the classes, with `Async` in
            front of the asynchronous ones.
        endpoint: What a response looks like.
        body_at: Way to the request's parameters in `response.create`.
        ends: Events that end a response and carry it.
        errors_end_responses: An `error` event ends the response that is under way, not only one
            that the server has not begun.
        transcription: What a transcription of the user's speech looks like, if there are any.
    """

    modules: tuple[str, ...]
    name: str
    endpoint: Endpoint
    body_at: tuple[str, ...] = ()
    ends: frozenset[str] = frozenset()
    errors_end_responses: bool = True
    transcription: Endpoint | None = None


@dataclass(frozen=True, eq=False)
class ClientSpec:
    """One client library whose requests all go through `request` of two base classes.

    Attributes:
        package: Import name and distribution of the client.
        supported: Version bounds that the test matrix proves, as a PEP 440 specifier.
        provider: Who answers when the host tells nothing better.
        endpoints: `METHOD /path` to endpoint; a `{…}` segment matches anything.
        prefix: Path prefix that this client puts in front of the paths in `endpoints`.
        base_module: Module that holds the base classes.
        classes: Names of the sync and the async base class.
        sockets: Protocols that it speaks over a WebSocket.
    """

    package: str
    supported: str
    provider: str
    endpoints: Mapping[str, Endpoint]
    prefix: str = ""
    base_module: str = "_base_client"
    classes: tuple[str, str] = ("SyncAPIClient", "AsyncAPIClient")
    sockets: tuple[Socket, ...] = ()

    def match(self, method: str, url: str) -> Endpoint | None:
        """The endpoint that a request belongs to, or None when it is not one of ours.

        Args:
            method: In lower case.
            url: Relative to the client's base, or absolute: then whatever base it has is passed
                over.
        """
        path = url.partition("?")[0]
        found = self._match(method, path)
        if found is not None or "://" not in path:
            return found
        segments = path.split("/")[3:]
        tails = ("/" + "/".join(segments[start:]) for start in range(len(segments)))
        return next((found for tail in tails if (found := self._match(method, tail))), None)

    def _match(self, method: str, path: str) -> Endpoint | None:
        if self.prefix and path.startswith(self.prefix):
            path = path[len(self.prefix) :]
        found = self.endpoints.get(f"{method} {path}")
        if found is not None:
            return found
        return self._match_segments(method, path)

    def _match_segments(self, method: str, path: str) -> Endpoint | None:
        segments = path.split("/")
        for pattern, endpoint in self.endpoints.items():
            verb, _, wanted = pattern.partition(" ")
            if verb != method or "{" not in wanted:
                continue
            parts = wanted.split("/")
            if len(parts) == len(segments) and all(
                part == segment or (part.startswith("{") and segment)
                for part, segment in zip(parts, segments)
            ):
                return endpoint
        return None
