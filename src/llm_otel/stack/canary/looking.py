"""Looks for canaries: in files, in Prometheus, Alertmanager and Tempo."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from llm_otel.errors import ConfigError
from llm_otel.stack.canary.positions import trace_id
from llm_otel.stack.canary.sending import Shipment
from llm_otel.stack.canary.values import Marks

_TIMEOUT_SECONDS: Final = 20
_POLL_SECONDS: Final = 1.0
_TRACES_LOOKED_AT: Final = 200

# Gives what a place holds, piece by piece.
Place = Callable[[Shipment], Iterator[bytes]]


@dataclass
class Sighting:
    """What was found in one place.

    Attributes:
        canaries: Indices of the canaries there.
        witness: Whether telemetry of this run is there at all.
    """

    canaries: set[int] = field(default_factory=set)
    witness: bool = False


def files(path: Path) -> Place:
    """A file, or all files below a folder."""

    def pieces(shipment: Shipment) -> Iterator[bytes]:  # noqa: ARG001
        for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if each.is_file():
                yield each.read_bytes()

    return pieces


def prometheus(url: str) -> Place:
    """Series with their labels, exemplars and metadata of a Prometheus server."""

    def pieces(shipment: Shipment) -> Iterator[bytes]:  # noqa: ARG001
        now = time.time()
        every = '{__name__=~".+"}'
        span = {"start": now - 3600, "end": now + 60}
        for path, query in (
            ("series", {"match[]": every, **span}),
            ("query_exemplars", {"query": every, **span}),
            ("metadata", {}),
        ):
            yield _get(f"{url}/api/v1/{path}?{urlencode(query)}", "--prometheus")

    return pieces


def alertmanager(url: str) -> Place:
    """Alerts with their labels and annotations."""
    return lambda shipment: iter([_get(f"{url}/api/v2/alerts", "--alertmanager")])  # noqa: ARG005


def tempo(url: str) -> Place:
    """Tags, their values, and a sample of the traces themselves."""

    def pieces(shipment: Shipment) -> Iterator[bytes]:
        tags = _get(f"{url}/api/v2/search/tags", "--tempo")
        yield tags
        for name in _tag_names(json.loads(tags)):
            yield _get(f"{url}/api/v2/search/tag/{quote(name, safe='')}/values", "--tempo")
        traces = [i for i, each in shipment.canaries.items() if each.position.signal == "traces"]
        for index in traces[:: max(1, len(traces) // _TRACES_LOOKED_AT)]:
            yield _get(f"{url}/api/v2/traces/{trace_id(index).hex()}", "--tempo", fallback=b"")

    return pieces


def look(
    places: Mapping[str, Place], marks: Marks, shipment: Shipment, wait_seconds: float
) -> dict[str, Sighting]:
    """Look until a place holds this run's witness and nothing more comes, or the time is over.

    Raises:
        ConfigError: A place cannot be read.
    """
    until = time.monotonic() + wait_seconds
    sightings = {name: Sighting() for name in places}
    numbers = [index for index, canary in shipment.canaries.items() if canary.number]
    sizes: dict[str, int] = {}
    while True:
        before, sizes = sizes, {}
        for name, place in places.items():
            for piece in place(shipment):
                sizes[name] = sizes.get(name, 0) + len(piece)
                sightings[name].witness |= marks.witness.encode() in piece
                sightings[name].canaries |= marks.found(piece) | marks.numbers_in(piece, numbers)
        arrived = any(each.witness for each in sightings.values()) and sizes == before
        if not places or arrived or time.monotonic() > until:
            return sightings
        time.sleep(_POLL_SECONDS)


def _tag_names(answer: Any) -> Iterator[str]:
    for scope in answer.get("scopes", []):
        prefix = "" if scope["name"] == "intrinsic" else f"{scope['name']}."
        for tag in scope.get("tags", []):
            yield prefix + tag


def _get(url: str, option: str, fallback: bytes | None = None) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_TIMEOUT_SECONDS) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as exc:
        if fallback is not None and exc.code == 404:
            return fallback
        raise ConfigError(f"{url} answers with status {exc.code}: check {option}.") from None
    except OSError as exc:
        raise ConfigError(f"{url} cannot be read ({exc}): check {option}.") from None
