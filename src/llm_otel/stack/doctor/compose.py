"""What `docker-compose.yml` says, read without Docker: who mounts and publishes what."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from llm_otel.errors import ConfigError
from llm_otel.settings import environment
from llm_otel.stack.doctor.result import Result, failed, ok, warning

FILE: Final = "docker-compose.yml"
_AREA: Final = "compose"
_SECONDS: Final = 30

# ${NAME} and ${NAME:-default}; a default may hold a variable of its own.
_VARIABLE = re.compile(r"\$\{(\w+)(?::-((?:[^${}]|\$\{[^{}]*\})*))?\}")


@dataclass(frozen=True, slots=True)
class Service:
    """What the checks need to know of a service.

    Attributes:
        name: Its name in the file.
        uid: The user that it runs as; None when the image decides.
        gid: The group, likewise.
        binds: Path on this machine -> path in the container.
        ports: Port in the container -> port on this machine.
        variables: Port in the container -> the variable that sets the one on this machine.
        optional: Whether it only runs when its profile is asked for.
        command: Its arguments.
    """

    name: str
    uid: int | None
    gid: int | None
    binds: Mapping[Path, str]
    ports: Mapping[int, int]
    variables: Mapping[int, str]
    optional: bool
    command: tuple[str, ...]


def read(folder: Path) -> dict[str, Service]:
    """The services of the compose file in `folder`, by name; empty when there is none.

    Variables come from the environment, then from `.env`, as Compose has it.

    Raises:
        ConfigError: The file cannot be read or is no compose file.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    values = _dotenv(folder / ".env")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        services = document["services"]
        return {name: _service(name, body, folder, values) for name, body in services.items()}
    except ConfigError:
        raise
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError) as exc:
        why = " ".join(str(exc).split())[:200]
        raise ConfigError(f"{path} cannot be read as a compose file: {why}") from None


def check(folder: Path) -> Iterator[Result]:
    """Whether Compose is there and accepts the file and the environment."""
    command = program()
    if command is None:
        todo = "Install Docker with its Compose plugin to start the stack on this machine."
        yield warning(_AREA, "Docker Compose is not installed: only what answers is checked", todo)
        return
    try:
        run = subprocess.run(  # noqa: S603 - a fixed command, found on PATH
            [*command, "config", "--quiet"],
            check=False,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        yield failed(_AREA, f"{' '.join(command)} does not run: {exc}", "Reinstall Docker Compose.")
        return
    if run.returncode:
        reason = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
        yield failed(_AREA, f"Compose refuses the file: {reason}", f"Mend {FILE} or .env.")
    else:
        yield ok(_AREA, f"Compose accepts {FILE} and the environment")


def program() -> list[str] | None:
    """How Compose is called on this machine; None where it is not installed."""
    docker = shutil.which("docker")
    if docker:
        plugin = subprocess.run(  # noqa: S603 - a fixed command, found on PATH
            [docker, "compose", "version"], check=False, capture_output=True, timeout=_SECONDS
        )
        if plugin.returncode == 0:
            return [docker, "compose"]
    alone = shutil.which("docker-compose")
    return [alone] if alone else None


def _service(name: str, body: Any, folder: Path, values: Mapping[str, str]) -> Service:
    user, _, group = _fill(str(body.get("user", "")), values).partition(":")
    binds, ports, variables = {}, {}, {}
    for volume in body.get("volumes", ()):
        source, _, rest = _fill(volume, values).partition(":")
        if source.startswith((".", "/")):
            binds[folder / source] = rest.partition(":")[0]
    for port in body.get("ports", ()):
        *_, here, inside = _fill(str(port), values).split(":")
        variable = next((match[1] for match in _VARIABLE.finditer(str(port))), f"ports of {name}")
        if not here.isdecimal() or not 0 < int(here) < 65536:
            raise ConfigError(f"{variable} must be a port, not {here!r}")
        ports[int(inside)], variables[int(inside)] = int(here), variable
    return Service(
        name,
        int(user) if user else None,
        int(group) if group else None,
        binds,
        ports,
        variables,
        bool(body.get("profiles")),
        tuple(_fill(str(word), values) for word in body.get("command", ())),
    )


def _fill(text: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, default = match[1], match[2] or ""
        return environment(name) or values.get(name) or _fill(default, values)

    return _VARIABLE.sub(value, text)


def _dotenv(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("'\"") for name, _, value in pairs}
