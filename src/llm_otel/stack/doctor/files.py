"""Whether the files that the containers mount are there, and can be read there."""

from __future__ import annotations

import shlex
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from llm_otel.errors import ConfigError
from llm_otel.stack.config import Config
from llm_otel.stack.doctor.compose import Service
from llm_otel.stack.doctor.result import Result, failed, ok, warning
from llm_otel.stack.folder import version
from llm_otel.stack.render import files, leftovers, stale

_AREA: Final = "files"
SECRETS: Final = "secrets"
_HERE: Final = ("localhost", "127.0.0.1")

# Elsewhere Docker runs in a virtual machine that shows every file to every user.
MODES_MATTER: Final = sys.platform == "linux"


def check(folder: Path, services: Mapping[str, Service]) -> Iterator[Result]:
    """Whether what the compose file mounts is there; secrets are looked at elsewhere."""
    readable_count, problems = 0, 0
    for service in services.values():
        for path in service.binds:
            if not path.exists():
                problems += 1
                text = f"{service.name} mounts {_name(folder, path)}, which does not exist"
                yield failed(_AREA, text, _origin(folder, path))
                continue
            for each in _tree(path) if SECRETS not in path.parts else [path]:
                readable_count += 1
                if not readable(each, service):
                    problems += 1
                    mode = "a+rX" if each.is_dir() else "a+r"
                    text = f"{service.name} (user {service.uid}) cannot read {_name(folder, each)}"
                    yield failed(_AREA, text, f"chmod {mode} {_name(folder, each)}")
    if readable_count and not problems:
        yield ok(_AREA, f"{readable_count} mounted files and folders are there and readable")


def overlays(folder: Path, services: Mapping[str, Service]) -> Iterator[Result]:
    """Whether the overlays that the Collector shall read are there."""
    for service in services.values():
        for path in _configurations(service):
            if not path.exists():
                text = f"{service.name} shall read {_name(folder, path)}, which does not exist"
                names = sorted(each.stem for each in path.parent.glob("*.yaml"))
                todo = f"Set COLLECTOR_… in .env to one of {', '.join(names)}."
                yield failed(_AREA, text, todo)


def _configurations(service: Service) -> Iterator[Path]:
    """The files on this machine that a Collector's options name."""
    for word in service.command:
        inside = word.removeprefix("--config=")
        for here, there in service.binds.items():
            if inside != word and inside.startswith(f"{there}/"):
                yield here / inside.removeprefix(f"{there}/")


def current(folder: Path, services: Mapping[str, Service]) -> Iterator[Result]:
    """Whether the generated files are those that `llm-otel.yaml` asks for, and lead to Grafana."""
    path = folder / "llm-otel.yaml"
    try:
        config = Config.load(path if path.exists() else None)
        texts = files(config)
        old = [*stale(folder, texts), *leftovers(folder, texts)]
    except ConfigError as exc:
        yield failed(_AREA, str(exc).rstrip("."), "Mend the file.")
        return
    if old:
        text = f"{len(old)} generated files differ from what llm-otel.yaml asks for: {old[0]}"
        yield warning(_AREA, text, "Write them: llm-otel render.")
    else:
        yield ok(_AREA, "The generated files are those that llm-otel.yaml asks for")
    linked = urlsplit(config.grafana_url)
    ports = [here for service in services.values() for here in service.ports.values()]
    if linked.hostname in _HERE and linked.port not in ports:
        text = f"Links in messages lead to {config.grafana_url}, where no service is"
        yield warning(_AREA, text, "Set grafana_url in llm-otel.yaml, then llm-otel render.")


def readable(path: Path, service: Service) -> bool:
    """Whether the service's user may read a file, or list a folder."""
    if service.uid in (0, None) or not MODES_MATTER:
        return True
    status = path.stat()
    mask = 0o5 if stat.S_ISDIR(status.st_mode) else 0o4
    if status.st_uid == service.uid:
        mask <<= 6
    elif status.st_gid == service.gid:
        mask <<= 3
    return status.st_mode & mask == mask


def _tree(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir():
        yield from sorted(path.rglob("*"))


def _origin(folder: Path, path: Path) -> str:
    """What brings back a file of the stack."""
    if version(folder) is None:
        return f"Take it from the repository: git checkout -- {_name(folder, path)}"
    return f"Write it: llm-otel init {shlex.quote(str(folder))}"


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
