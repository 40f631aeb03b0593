"""Where the stack's services answer, and whether they do."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from llm_otel.stack.doctor.compose import Service
from llm_otel.stack.doctor.result import Result, failed, ok
from llm_otel.stack.doctor.web import Answer, fetch


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address of the stack.

    Attributes:
        key: What the command's `--url` calls it.
        title: What people call it.
        service: Its service in the compose file.
        port: The port in the container, and the default one on this machine.
        ready: The path that answers 200 when it is ready; empty: it does not speak HTTP.
        sign: A word of that answer, or of the one before it is ready, by which it is known.
    """

    key: str
    title: str
    service: str
    port: int
    ready: str = ""
    sign: str = ""


COLLECTOR: Final = Endpoint("collector", "The Collector", "otel-collector", 13133, "/", "Server")
OTLP_GRPC: Final = Endpoint("otlp-grpc", "OTLP over gRPC", "otel-collector", 4317)
OTLP_HTTP: Final = Endpoint("otlp-http", "OTLP over HTTP", "otel-collector", 4318)
PROMETHEUS: Final = Endpoint(
    "prometheus", "Prometheus", "prometheus", 9090, "/-/ready", "Prometheus"
)
ALERTMANAGER: Final = Endpoint(
    "alertmanager", "Alertmanager", "alertmanager", 9093, "/api/v2/status", "versionInfo"
)
TEMPO: Final = Endpoint("tempo", "Tempo", "tempo", 3200, "/ready", "eady")
GRAFANA: Final = Endpoint("grafana", "Grafana", "grafana", 3000, "/api/health", "database")
NOTIFICATIONS: Final = Endpoint(
    "notifications", "The notifications page", "notifications", 8025, "/", "otification"
)
ANALYTICS: Final = Endpoint(
    "analytics", "The analytics dashboard", "analytics", 8050, "/", "llm-otel</title>"
)
ENDPOINTS: Final = (
    COLLECTOR, OTLP_GRPC, OTLP_HTTP, PROMETHEUS, ALERTMANAGER, TEMPO, GRAFANA, NOTIFICATIONS,
    ANALYTICS,
)  # fmt: skip


def addresses(services: Mapping[str, Service], overrides: Mapping[str, str]) -> dict[str, str]:
    """Where each endpoint is, by key: as given, else as the compose file publishes it.

    The analytics dashboard is left out where neither sends to it.
    """
    urls = {}
    for each in ENDPOINTS:
        if each is ANALYTICS and each.key not in overrides and not _feeds_analytics(services):
            continue
        service = services.get(each.service)
        port = service.ports.get(each.port, each.port) if service else each.port
        urls[each.key] = overrides.get(each.key, f"http://127.0.0.1:{port}").rstrip("/")
    return urls


def _feeds_analytics(services: Mapping[str, Service]) -> bool:
    collector = services.get(COLLECTOR.service)
    return collector is not None and any("/analytics." in word for word in collector.command)


def ports(services: Mapping[str, Service]) -> Iterator[Result]:
    """Whether each port that a service will publish is free, or already that service's."""
    endpoints = {(each.service, each.port): each for each in ENDPOINTS}
    for service in services.values():
        for inside, here in service.ports.items():
            if not _listens(here):
                yield ok("ports", f"Port {here} is free for {service.name}")
                continue
            endpoint = endpoints.get((service.name, inside))
            if endpoint is None or service.optional or _is(endpoint, here, service):
                yield ok("ports", f"Port {here} is in use, by {service.name} as it seems")
            else:
                yield _taken(service, inside, here)


def services(where: Mapping[str, str]) -> Iterator[tuple[Endpoint, Result]]:
    """Whether each service that has a health check is ready.

    Args:
        where: Addresses by key, as of `addresses`.
    """
    for each in ENDPOINTS:
        if each.ready and each.key in where:
            yield each, _ready(each, where[each.key], fetch(where[each.key] + each.ready))


def _ready(endpoint: Endpoint, url: str, answer: Answer) -> Result:
    if answer.ok and endpoint.sign in answer.text:
        return ok("services", f"{endpoint.title} is ready at {url}")
    if not answer.listening:
        text = f"{endpoint.title} does not answer at {url}"
        return failed("services", text, f"Start it: docker compose up -d {endpoint.service}.")
    if answer.ok or not (answer.status >= 500 or endpoint.sign in answer.text):
        text = f"What answers at {url} is not {endpoint.title.removeprefix('The ')}"
        todo = f"Stop that program, or give {endpoint.service} another port in .env."
        return failed("services", f"{text}: {answer.brief()}", todo)
    text = f"{endpoint.title} is not ready: {answer.brief()}"
    return failed("services", text, f"Read its log: docker compose logs {endpoint.service}.")


def _is(endpoint: Endpoint, port: int, service: Service) -> bool:
    if not endpoint.ready:
        # OTLP says nothing of itself; the Collector's health says whose the port is.
        endpoint = COLLECTOR
        port = service.ports.get(COLLECTOR.port, COLLECTOR.port)
    return endpoint.sign in fetch(f"http://127.0.0.1:{port}{endpoint.ready}").text


def _taken(service: Service, inside: int, here: int) -> Result:
    text = f"Port {here}, which {service.name} wants, is taken by another program"
    return failed("ports", text, f"Stop that program, or set {service.variables[inside]} in .env.")


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def target(url: str) -> str:
    """`host:port` of an address, as gRPC wants it."""
    return urlsplit(url).netloc or url


def items(answer: Answer, *path: str) -> list[Any]:
    """The list at a path of a JSON answer; empty when it is not there."""
    node = answer.json()
    for name in path:
        node = node.get(name) if isinstance(node, dict) else None
    return node if isinstance(node, list) else []
