"""Finds a Docker engine, or starts one of its own: as root, with Debian's packages.

An engine that is started here keeps its data below `LLM_OTEL_CACHE` (else `.cache`), so that images
are built once, and ends with the block that started it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tools.binaries.build import CACHE, Unavailable, find

DATA = CACHE.parent / "engine"
PACKAGES = ("docker.io", "busybox-static", "iptables")
_START_SECONDS = 60
_STOP_SECONDS = 60


@dataclass(frozen=True)
class Engine:
    """An engine that answers.

    Attributes:
        variables: The environment variables with which `docker` and `docker compose` reach it.
        ours: Whether it was started here, and so holds nothing but what the tests put there.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    ours: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment for a command that talks to the engine."""
        return {**os.environ, **self.variables}

    def docker(self, *arguments: str, data: bytes | None = None) -> str:
        """The output of `docker` with these arguments.

        Raises:
            Unavailable: It failed; the text has its last line.
        """
        done = subprocess.run(
            ["docker", *arguments],
            check=False,
            input=data,
            capture_output=True,
            env=self.environment,
        )
        if done.returncode:
            lines = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
            raise Unavailable(f"docker {arguments[0]} failed: {(lines or ['no reason given'])[-1]}")
        return done.stdout.decode()


@contextmanager
def engine() -> Iterator[Engine]:
    """A running engine with Compose; one that had to be started ends with the block.

    Raises:
        Unavailable: There is none and none can be started; the text says why and what to do.
    """
    with tempfile.TemporaryDirectory(prefix="llm-otel-engine-") as folder:
        if _answers({}):
            yield Engine(_with_compose(Path(folder), {}))
            return
        _install()
        variables = {"DOCKER_HOST": f"unix://{folder}/docker.sock"}
        with _alone(), _daemon(Path(folder), variables):
            yield Engine(_with_compose(Path(folder), variables), ours=True)


def _answers(variables: Mapping[str, str]) -> bool:
    if shutil.which("docker") is None:
        return False
    command = ["docker", "info", "--format", "{{.ServerVersion}}"]
    done = subprocess.run(
        command, check=False, capture_output=True, env={**os.environ, **variables}
    )
    return done.returncode == 0 and bool(done.stdout.strip())


def _install() -> None:
    """Install the engine where the machine allows it."""
    if os.geteuid() != 0:
        raise Unavailable(
            "no Docker engine answers, and starting one takes root: start Docker, or run this as "
            "root on Debian."
        )
    if all(shutil.which(name) for name in ("dockerd", "busybox", "iptables", "docker")):
        return
    install(*PACKAGES)


def install(*packages: str) -> None:
    """Install Debian's packages.

    Raises:
        Unavailable: This machine has another way, or its registry does not answer.
    """
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise Unavailable(f"{', '.join(packages)}: not installed, and neither root nor apt-get.")
    print(f"compose: installing {', '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", "--quiet", *arguments],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise Unavailable(f"apt-get {arguments[0]} failed: {last}")


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other run has an engine on the same data, which would break it."""
    DATA.mkdir(parents=True, exist_ok=True)
    with (DATA / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"compose: waiting for another run that uses {DATA}", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _daemon(folder: Path, variables: Mapping[str, str]) -> Iterator[None]:
    log = DATA / "engine.log"
    command = [
        "dockerd",
        f"--data-root={DATA / 'data'}",
        f"--exec-root={folder / 'run'}",
        f"--pidfile={folder / 'engine.pid'}",
        f"--host={variables['DOCKER_HOST']}",
    ]
    with log.open("wb") as out:
        # A group of its own: an interrupt at the terminal ends the tests first, then the engine.
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
    try:
        until = time.monotonic() + _START_SECONDS
        while not _answers(variables):
            if process.poll() is not None or time.monotonic() > until:
                last = (log.read_text(errors="replace").strip().splitlines() or ["no log"])[-1]
                raise Unavailable(f"the Docker engine does not start here ({log}): {last}")
            time.sleep(0.2)
        yield
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _with_compose(folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """The variables, and the plugin where `docker compose` is not installed."""
    done = subprocess.run(["docker", "compose", "version"], check=False, capture_output=True)
    if done.returncode == 0:
        return dict(variables)
    plugins = folder / "client" / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-compose").symlink_to(find("docker-compose"))
    return {**variables, "DOCKER_CONFIG": str(folder / "client")}
