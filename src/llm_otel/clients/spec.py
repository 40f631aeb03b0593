"""The declarative vocabulary: what is where in a client's requests and responses. A leaf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

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
class Transcription:
    """Events that tell of the transcription of the user's speech, by the speech's `item_id`.

    Attributes:
        endpoint: What the last event looks like.
        begun: The server has the whole of what was spoken.
        chunk: A piece of the text.
        completed, failed: The last event.
        models: Ways to the transcribing model in a session; the first that is there wins.
    """

    endpoint: Endpoint
    begun: str
    chunk: str
    completed: str
    failed: str
    models: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Socket:
    """One protocol over a WebSocket: a connection that carries many responses.

    The client sends `response.create`, the server answers `response.created` and a final event.

    Attributes:
        modules: Below the client's package, those that may hold the classes.
        name: `{name}ConnectionManager` and `{name}Connection` are the classes, with `Async` in
            front of the asynchronous ones.
        endpoint: What a response looks like.
        ends: Events that end a response and carry it.
        shared: Way to what `response.create` and its `response.created` have in common.
        body_at: Way to the request's parameters in `response.create`.
        unlike_http: Parameters that mean something else than in a request over HTTP.
        errors_end_responses: An `error` event is about a response; elsewhere, about any event of
            the client's.
        refusals: Codes of errors that refuse a response.
        transcription: Events of the transcription of the user's speech, if there are any.
    """

    modules: tuple[str, ...]
    name: str
    endpoint: Endpoint
    ends: frozenset[str]
    shared: tuple[str, ...]
    body_at: tuple[str, ...] = ()
    unlike_http: frozenset[str] = frozenset()
    errors_end_responses: bool = True
    refusals: frozenset[str] = frozenset()
    transcription: Transcription | None = None


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
            url: As the SDK takes it: relative to the client's base, with or without a slash in
                front, or absolute. Whatever it has in front of a path of ours is passed over.
        """
        path = url.partition("?")[0]
        if self.prefix and path.startswith(self.prefix):
            path = path[len(self.prefix) :]
        endpoint = self.endpoints.get(f"{method} {path}")
        return endpoint if endpoint is not None else self._match_segments(method, path)

    def _match_segments(self, method: str, path: str) -> Endpoint | None:
        """Compares segment by segment from the end; the pattern with most segments wins."""
        _, absolute, behind = path.partition("://")
        relative = behind.partition("/")[2] if absolute else path
        segments = [segment for segment in relative.split("/") if segment]
        longest = max(
            (pattern for pattern in self._patterns if pattern.ends(method, segments)),
            key=lambda pattern: len(pattern.segments),
            default=None,
        )
        return longest.endpoint if longest is not None else None

    @cached_property
    def _patterns(self) -> tuple[_Pattern, ...]:
        return tuple(_Pattern.of(key, endpoint) for key, endpoint in self.endpoints.items())


class _Pattern(NamedTuple):
    """A key of `endpoints`, taken apart; a segment of None matches anything."""

    method: str
    segments: tuple[str | None, ...]
    endpoint: Endpoint

    @classmethod
    def of(cls, key: str, endpoint: Endpoint) -> _Pattern:
        method, _, path = key.partition(" ")
        segments = (None if part.startswith("{") else part for part in path.split("/") if part)
        return cls(method, tuple(segments), endpoint)

    def ends(self, method: str, segments: list[str]) -> bool:
        """Whether a path of these segments ends as this pattern says."""
        count = len(self.segments)
        return (
            method == self.method
            and len(segments) >= count
            and all(
                wanted is None or wanted == segment
                for wanted, segment in zip(self.segments, segments[-count:])
            )
        )
