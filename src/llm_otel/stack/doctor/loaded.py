"""Whether each program runs with the configuration that is written, and not with one before it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from llm_otel.stack.doctor import endpoints
from llm_otel.stack.doctor.compose import Service
from llm_otel.stack.doctor.endpoints import Endpoint
from llm_otel.stack.doctor.files import SECRETS
from llm_otel.stack.doctor.result import Result, failed, ok
from llm_otel.stack.doctor.web import Answer, fetch

_AREA: Final = "files"
# Grafana looks at its dashboards again and again; the rest it reads at its start.
_READ_AGAIN: Final = "/etc/grafana/dashboards"


def _up_since(answer: Answer) -> float | None:
    """When the Collector read its configuration: it does so at its start only."""
    document = answer.json()
    since = document.get("upSince") if isinstance(document, dict) else None
    # Python 3.10 reads no more than six digits of a second
    match = re.match(r"(\S+?)(?:\.\d+)?(Z|[+-]\d\d:\d\d)$", str(since))
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match[1] + match[2].replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def _metric(name: str) -> Callable[[Answer], float | None]:
    """When something happened, as a gauge on a page of metrics has it."""
    line = re.compile(rf"^{name} ([0-9.e+]+)$", re.MULTILINE)

    def seconds(answer: Answer) -> float | None:
        match = line.search(answer.text) if answer.ok else None
        return float(match[1]) if match else None

    return seconds


_START: Final = _metric("process_start_time_seconds")

# What tells when a program read its configuration: a path of its own, and how to read the answer.
_PROGRAMS: Final[tuple[tuple[Endpoint, str, Callable[[Answer], float | None]], ...]] = (
    (endpoints.COLLECTOR, "/", _up_since),
    (
        endpoints.PROMETHEUS,
        "/metrics",
        _metric("prometheus_config_last_reload_success_timestamp_seconds"),
    ),
    (
        endpoints.ALERTMANAGER,
        "/metrics",
        _metric("alertmanager_config_last_reload_success_timestamp_seconds"),
    ),
    (endpoints.TEMPO, "/metrics", _START),
    (endpoints.GRAFANA, "/metrics", _START),
)


def check(
    services: Mapping[str, Service], where: Mapping[str, str], elsewhere: Mapping[str, str]
) -> Iterator[Result]:
    """Whether any file that a program reads was written after the program read it.

    Args:
        services: What mounts which files.
        where: Addresses by key, as of `endpoints.addresses`.
        elsewhere: Those that the user gave: their files are not those of this folder.
    """
    current = []
    for endpoint, path, loaded_at in _PROGRAMS:
        service = services.get(endpoint.service)
        if service is None or endpoint.key in elsewhere:
            continue
        load_time = loaded_at(fetch(where[endpoint.key] + path))
        newest = max(_configuration(service), key=_written, default=None)
        if load_time is None or newest is None:
            continue
        # a start is told in whole seconds where it is told in words
        if _written(newest) > load_time + 1:
            yield _late(endpoint, newest, load_time)
        else:
            current.append(endpoint.title.removeprefix("The "))
    if current:
        yield ok(_AREA, f"What is written is what runs: {', '.join(current)}")


def _configuration(service: Service) -> Iterator[Path]:
    for path, inside in service.binds.items():
        if SECRETS not in path.parts and inside != _READ_AGAIN:
            yield from (each for each in [path, *path.rglob("*")] if each.is_file())


def _written(path: Path) -> float:
    return path.stat().st_mtime


def _late(endpoint: Endpoint, path: Path, load_time: float) -> Result:
    since = datetime.fromtimestamp(load_time, timezone.utc)
    text = (
        f"{endpoint.title} runs with the configuration of {since:%Y-%m-%d %H:%M:%S} UTC, and "
        f"{path.parent.name}/{path.name} was written later"
    )
    return failed(_AREA, text, f"Load it: docker compose restart {endpoint.service}.")
