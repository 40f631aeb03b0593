"""What a client's file says: which package it is, and what its requests are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from llm_otel.protocols.spec import Endpoint, Socket


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
