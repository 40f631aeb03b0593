"""The secrets: which are asked for, which are there, who can read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from llm_otel.settings.kinds import MIN_KEY_BYTES
from llm_otel.stack.doctor.compose import Service
from llm_otel.stack.doctor.files import MODES_MATTER, SECRETS, readable
from llm_otel.stack.doctor.result import Result, failed, ok, warning
from llm_otel.stack.notify import SECRETS as RECEIVERS

_AREA: Final = "secrets"
_IN_CONTAINER: Final = "/run/secrets/"
_HASH_KEY: Final = "user_id_key"
_HASHING: Final = "/user-hash.yaml"


def check(folder: Path, services: Mapping[str, Service]) -> Iterator[Result]:
    """Everything there is to say about the folder `secrets`."""
    yield from _receivers(folder, services.get("alertmanager"))
    yield from _hash_key(folder, services.get("otel-collector"))
    yield from _open_to_all(folder)


def _receivers(folder: Path, service: Service | None) -> Iterator[Result]:
    required = set(asked_for(folder / "alertmanager" / "alertmanager.yml"))
    for receiver, name in RECEIVERS.items():
        path = folder / SECRETS / "alertmanager" / name
        label = f"{SECRETS}/alertmanager/{name}"
        filled = path.is_file() and path.stat().st_size > 0
        if name not in required:
            if filled:
                todo = f"Choose {receiver} under notify: in llm-otel.yaml, then llm-otel render."
                yield warning(_AREA, f"{label} is there and no receiver reads it", todo)
        elif not filled:
            text = f"Messages shall go to {receiver}, and {label} is missing or empty"
            yield failed(_AREA, text, f"Write it; {label}.example shows the form.")
        elif service is not None and not readable(path, service):
            text = f"Alertmanager (user {service.uid}) cannot read {label}"
            yield failed(_AREA, text, f"chmod 644 {label}; chmod 700 {SECRETS}")
        else:
            yield ok(_AREA, f"{receiver} has its secret, {label}")
    if not required:
        text = "No receiver is chosen: messages are shown on the notifications page and go nowhere"
        yield warning(_AREA, text, "Choose one under notify: in llm-otel.yaml, see docs/stack.md.")


def asked_for(path: Path) -> Iterator[str]:
    """Names of the secrets that an Alertmanager configuration reads."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return
    yield from _secrets_in(document)


def _secrets_in(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if str(key).endswith("_file") and str(value).startswith(_IN_CONTAINER):
                yield str(value).removeprefix(_IN_CONTAINER)
            else:
                yield from _secrets_in(value)
    elif isinstance(node, list):
        for each in node:
            yield from _secrets_in(each)


def _hash_key(folder: Path, service: Service | None) -> Iterator[Result]:
    path, label = folder / SECRETS / "collector" / _HASH_KEY, f"{SECRETS}/collector/{_HASH_KEY}"
    if not path.is_file():
        if service is not None and any(word.endswith(_HASHING) for word in service.command):
            text = f"The Collector shall hash user ids, and the key in {label} is missing"
            yield failed(_AREA, text, f"Make one: openssl rand -hex 32 > {label}")
        return
    if service is not None and not readable(path, service):
        text = f"The Collector (user {service.uid}) cannot read {label}"
        yield failed(_AREA, text, f"chmod 644 {label}; chmod 700 {SECRETS}")
        return
    length = len(path.read_bytes().strip())
    if length < MIN_KEY_BYTES:
        text = f"The key for user ids in {label} has {length} bytes, {MIN_KEY_BYTES} are needed"
        yield failed(_AREA, text, f"Make one: openssl rand -hex 32 > {label}")
    else:
        yield ok(_AREA, f"The key for user ids has {length} bytes")


def _open_to_all(folder: Path) -> Iterator[Result]:
    secrets = folder / SECRETS
    real = [p for p in secrets.glob("*/*") if p.is_file() and p.suffix != ".example"]
    if MODES_MATTER and real and secrets.stat().st_mode & 0o077:
        text = f"Every user of this machine can read what is in {SECRETS}/"
        yield warning(_AREA, text, f"chmod 700 {SECRETS} (the containers still can).")
