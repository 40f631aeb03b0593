"""Every check of a stack, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from llm_otel.errors import ConfigError
from llm_otel.stack.doctor import (
    compose,
    endpoints,
    files,
    grafana,
    loaded,
    pipeline,
    secrets,
    watching,
    web,
)
from llm_otel.stack.doctor.result import Result, State, failed, warning


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be looked at.

    Attributes:
        folder: Where `docker-compose.yml` is, if there is one.
        urls: Addresses that differ from those of the compose file, by `Endpoint.key`.
        before: Look only at what can be seen before the stack is started.
        password: The password of Grafana's admin; empty: look as nobody.
        seconds: How long a test signal may take.
        send: Send test signals and the password although nothing says whose the addresses are.
    """

    folder: Path
    urls: Mapping[str, str] = field(default_factory=dict)
    before: bool = False
    password: str = ""
    seconds: float = 60.0
    send: bool = False

    @property
    def strangers(self) -> list[str]:
        """Keys of addresses that something is sent to and that neither file nor user named."""
        if (self.folder / compose.FILE).exists():
            return []
        sent_to = (endpoints.OTLP_GRPC, endpoints.OTLP_HTTP)
        logged_in = (endpoints.GRAFANA,) if self.password else ()
        return [each.key for each in (*sent_to, *logged_in) if each.key not in self.urls]


def examine(question: Question) -> Iterator[Result]:
    """Every check, in the order in which a reader should mend what is wrong."""
    try:
        services = compose.read(question.folder)
    except ConfigError as exc:
        yield failed("compose", str(exc).rstrip("."), "Mend the file, or give another --folder.")
        return
    if services:
        yield from compose.check(question.folder)
        yield from files.check(question.folder, services)
        yield from files.overlays(question.folder, services)
        yield from files.current(question.folder, services)
        yield from secrets.check(question.folder, services)
    else:
        text = f"There is no {compose.FILE} in {question.folder}: only what answers is checked"
        yield warning("compose", text, "Give the folder of the stack: --folder.")
    if question.before:
        yield from endpoints.ports(services)
    else:
        where = endpoints.addresses(services, question.urls)
        yield from _running(question, where)
        yield from loaded.check(services, where, question.urls)


def _running(question: Question, where: Mapping[str, str]) -> Iterator[Result]:
    ready = set()
    for endpoint, result in endpoints.services(where):
        yield result
        if result.state is State.OK:
            ready.add(endpoint)
    strangers = [] if question.send else question.strangers
    if strangers:
        names = " and ".join(where[key] for key in strangers)
        text = f"Nothing was sent: no compose file says that {names} belong to this stack"
        yield warning("pipeline", text, "Give --folder or --url, or allow it with --send.")
    else:
        yield from pipeline.check(where, question.seconds)
    yield from watching.check(where, question.seconds)
    if endpoints.GRAFANA in ready:
        trusted = question.password and endpoints.GRAFANA.key not in strangers
        login = web.basic("admin", question.password) if trusted else {}
        yield from grafana.check(where["grafana"], login)
